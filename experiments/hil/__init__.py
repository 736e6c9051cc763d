"""Hardware in the loop from the command line: the demo and its results."""
