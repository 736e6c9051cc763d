"""The default week: CPU time of every phase of the loop, time of set-up and tables, peak memory.

CPU time of the main thread, since other work on the machine stretches wall-clock time; what a second core did meanwhile
(power flow of the uncontrolled twin) stands apart, and wall-clock time is shown too.
Run by hand: ``python -m benchmarks.bench_week [SCENARIO] [REPEATS]``.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from agents.model import Flexpolder
from agents.outcome import collect
from experiments import provenance
from experiments.scenario import read_scenario

PHASES = ("arrive", "plan", "trade", "steer", "balance", "charge", "flow", "meter", "settle")


def clocked(spent: dict[str, float], name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with its CPU time added up."""

    def outer(*args: Any) -> Any:
        begun = time.thread_time()
        try:
            return inner(*args)
        finally:
            spent[name] += time.thread_time() - begun

    return outer


def measure(source: str) -> tuple[dict[str, float], float]:
    """CPU seconds by part of a run, and wall-clock seconds of all."""
    settings = read_scenario(source).to_settings()
    spent: dict[str, float] = defaultdict(float)
    wall, cpu = time.perf_counter(), time.process_time()
    model = clocked(spent, "set-up", Flexpolder)(settings)
    for name in PHASES:
        setattr(model.dispatch, name, clocked(spent, name, getattr(model.dispatch, name)))
    model.open_gates = clocked(spent, "gates", model.open_gates)
    model.run()
    clocked(spent, "tables", collect)(model)
    model.close()
    spent["second core"] = time.process_time() - cpu - sum(spent.values())
    return dict(spent), time.perf_counter() - wall


def main() -> None:
    """Print one row a part: least and most CPU seconds of the repeats."""
    source = sys.argv[1] if len(sys.argv) > 1 else "default"
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    measure("small")  # compile and import
    runs = [measure(source) for _ in range(repeats)]
    print(f"| part of `{source}` | CPU s, least to most of {repeats} |\n|---|---|")
    for name in runs[0][0]:
        values = [spent[name] for spent, _ in runs]
        print(f"| {name} | {min(values):.2f} to {max(values):.2f} |")
    totals = [sum(spent.values()) for spent, _ in runs]
    print(f"| all | {min(totals):.2f} to {max(totals):.2f} |")
    print(f"\nwall clock {', '.join(f'{wall:.1f}' for _, wall in runs)} s; peak {provenance.peak_memory_mb():.0f} MB")
    print(f"Python {provenance.python_version()}; {provenance.versions()}")


if __name__ == "__main__":
    main()
