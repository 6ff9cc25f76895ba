"""The command line: parse, one library call, print. One file per command."""
