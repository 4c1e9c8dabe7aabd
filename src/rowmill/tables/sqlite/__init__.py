"""SQLite: staging in the user's own database file."""
