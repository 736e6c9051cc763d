"""The command line ``flexpolder``.

Exit codes: 0 done, 1 a fault of the program, 2 bad input or a folder that cannot be used, 3 a run failed,
130 interrupted. Libraries that take long to import are imported inside the commands, so ``--help`` is quick.
"""

from experiments.cli.app import app, main

__all__ = ["app", "main"]
