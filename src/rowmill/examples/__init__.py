"""Jobs that are ready to run."""
