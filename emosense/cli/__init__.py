"""The command line: one module per command, each of which turns arguments into one job."""
