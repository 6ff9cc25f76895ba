"""The command line, one file per command: parse the options, call the Python API, print."""
