"""The user's function: set up, given rows, called, and what it answers."""
