"""What a sweep costs besides its simulations: overhead of a run, throughput of two workers, reading many runs.

The simulation is replaced by one that works for a fixed time, so that everything else shows.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from agents.settings import Settings
from experiments.results import Results
from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import plan_of
from experiments.sweep.worker import Context, run_one

WORK_S = 0.1


class _Outcome:
    def __init__(self, tables):
        self.tables = tables


def busy(settings: Settings) -> _Outcome:
    """Work for a fixed processor time and hand back a small outcome."""
    begun = time.process_time()
    rng = np.random.default_rng(settings.seed)
    while time.process_time() - begun < WORK_S:
        rng.random(1000).sort()
    period = np.arange(96, dtype=np.int32)
    power = rng.random(96)
    return _Outcome({"load": {"period": period, "segment": ["home"] * 96, "power_kw": power, "uncontrolled_kw": power}})


def _plan(replications: int):
    head = {"name": "bench", "scenario": "small", "replications": replications, "has_base": False}
    return plan_of({"sweep": head, "lever": [{"key": "regulation.min_bid_mw", "values": [0.1, 1.0]}]}, "bench", "small")


def _wall_s(replications: int, workers: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        backend = "process_pool" if workers > 1 else "in_process"
        how = Conduct(workers, backend=backend, model="benchmarks.bench_sweep:busy")
        return start(_plan(replications), Path(name) / "s", how).wall_s


def overhead_ms(repeats: int = 30) -> list[float]:
    """Wall time of a run beyond its simulation, in ms."""
    plan = _plan(repeats)
    context = Context(plan.base, Path(), (), "benchmarks.bench_sweep:busy")
    found = []
    for index in range(repeats):
        begun = time.process_time()
        run_one(context, plan.job(index))
        found.append(1000 * (time.process_time() - begun - WORK_S))
    return found


def read_s(runs: int = 10_000) -> float:
    """Time to open and aggregate runs x 96 periods x 20 columns, kept 100 runs a file."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        start(_plan(1), out / "s", Conduct(1, backend="in_process", model="benchmarks.bench_sweep:busy"))
        folder = out / "s" / "tables" / "prices"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(1)
        for first in range(0, runs, 100):
            n = 100 * 96
            design = np.repeat(np.arange(first, first + 100), 96)
            frame: dict[str, np.ndarray] = {"design": design, "period": np.tile(np.arange(96), 100)}
            frame.update({f"c{i}": rng.random(n) for i in range(18)})
            pl.DataFrame(frame).write_parquet(folder / f"part-{first:09d}.parquet")
        begun = time.perf_counter()
        columns = [pl.col(f"c{i}").mean() for i in range(18)]
        Results.open(out / "s").table("prices").group_by("period").agg(columns).collect()
        return time.perf_counter() - begun


def measure() -> dict[str, float]:
    """Figures by name with unit."""
    extra = overhead_ms()
    one, two = (_wall_s(60, workers) for workers in (1, 2))
    peaks = []
    for replications in (50, 200):
        _wall_s(replications, 1)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    reads = [read_s() for _ in range(3)]
    return {
        "run_overhead_median_ms": statistics.median(extra),
        "run_overhead_max_ms": max(extra),
        "120_runs_of_100_ms_1_worker_s": one,
        "120_runs_of_100_ms_2_workers_with_start_s": two,
        "peak_after_100_runs_mb": peaks[0],
        "peak_after_400_more_runs_mb": peaks[1],
        "read_10000_runs_median_s": statistics.median(reads),
        "read_10000_runs_max_s": max(reads),
    }


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure}: {value:.3f}")
