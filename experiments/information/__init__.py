"""Experiments on information: what a data item is worth, what attacks move, and results that may be shared."""
