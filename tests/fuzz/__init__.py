"""Files that nobody would write, for everything that opens a file."""
