"""Runs as pages: drawn on the server from the workspace alone; a script only brings in what has changed."""
