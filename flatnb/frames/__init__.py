"""Reading the files' bytes into frames."""
