"""The command line: one file per command, read only when that command runs."""
