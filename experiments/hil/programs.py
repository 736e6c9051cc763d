"""Virtual stations as programs of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from experiments.cli import main; main()", "hil", "station")


@contextmanager
def station_programs(arguments: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start ``flexpolder hil station`` once for each list of arguments; end them all afterwards."""
    programs = [subprocess.Popen([*COMMAND, *given], cwd=ROOT) for given in arguments]
    try:
        yield programs
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(10.0)
