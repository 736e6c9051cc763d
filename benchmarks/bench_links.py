"""What the links between roles cost: processor time in them as a share of a whole run."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from agents.links import Links
from agents.model import Flexpolder
from experiments.scenario import read_scenario

REPEATS = 5
WORLDS = {"small": ("small", []), "default_one_day": ("default", ["scenario.days=1"])}


class _Clocked:
    """Adds up the time spent in two methods of the links."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def wrap(self, method: Any) -> Any:
        """The same method, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.spent_s += time.perf_counter() - begin

        return timed


def measure() -> dict[str, float]:
    """Seconds of a run, and the share of it in the links, by world; median and range over repeats."""
    figures: dict[str, float] = {}
    original = Links.send, Links.open
    for name, (scenario, overrides) in WORLDS.items():
        settings = read_scenario(scenario, overrides).to_settings()
        shares, runs, messages = [], [], 0
        for _ in range(REPEATS):
            clock = _Clocked()
            Links.send, Links.open = clock.wrap(original[0]), clock.wrap(original[1])  # type: ignore[method-assign]
            try:
                model = Flexpolder(settings)
                begin = time.perf_counter()
                model.run()
                runs.append(time.perf_counter() - begin)
                messages = sum(t.count for t in model.links.traffic.values())
                model.close()
            finally:
                Links.send, Links.open = original  # type: ignore[method-assign]
            shares.append(clock.spent_s / runs[-1])
        figures[f"{name}_messages"] = float(messages)
        figures[f"{name}_run_median_s"] = float(np.median(runs))
        for word, value in (("median", np.median(shares)), ("min", min(shares)), ("max", max(shares))):
            figures[f"{name}_links_share_{word}"] = float(value)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return figures


def main() -> None:
    """Print the figures."""
    for name, value in measure().items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
