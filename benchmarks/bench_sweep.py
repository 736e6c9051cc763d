"""What a sweep costs: overhead of a run, two workers against one, memory, reading and reporting many runs, the model.

Most figures replace the simulation by one that works for a fixed processor time, so that everything else shows; those
named ``model_`` and ``small_run_`` run the small scenario. On a machine that others use, wall times are upper bounds;
the throughput ratio then needs both processors free, and is told beside the ratio that two plain processes reach at the
same moment. Takes about four minutes on two free processors.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from agents.settings import Settings
from experiments.results import Results
from experiments.store.place import Disk
from experiments.sweep.backends import Pool
from experiments.sweep.drive import Conduct, batches_of, start
from experiments.sweep.plan import plan_of
from experiments.sweep.worker import Context, run_one

WORK_S = 0.1
HERE = "benchmarks.bench_sweep"


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


MODEL = "agents.model:simulate"


def _plan(replications: int, tables: tuple[str, ...] = ()):
    head = {"name": "bench", "scenario": "small", "replications": replications, "has_base": False}
    lever = {"key": "regulation.min_bid_mw", "values": [0.1, 1.0]}
    return plan_of({"sweep": head, "lever": [lever], "output": {"tables": list(tables)}}, "bench", "small")


def _steady_s(replications: int, workers: int, model: str = f"{HERE}:busy", batch: int = 5) -> tuple[float, float]:
    """Wall time and the driver's processor time of a pool's run, after its workers have imported everything."""
    plan = _plan(replications)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        (out / "parts").mkdir()
        context = Context(plan.base, Disk(out), (), model)
        pool = Pool(workers)
        warm = [(plan.job(k),) for k in range(4 * workers)]
        for _ in pool.reports(context, warm):
            pass
        begun, driver = time.perf_counter(), time.process_time()
        for _ in pool.reports(context, batches_of(plan, range(4 * workers, plan.n_jobs), batch)):
            pass
        wall_s, driver_s = time.perf_counter() - begun, time.process_time() - driver
        pool.close()
        n = plan.n_jobs - 4 * workers
        return wall_s / n, driver_s / n


def _spin(n: int) -> None:
    for _ in range(n):
        busy(Settings("bench", None, 1))  # type: ignore[arg-type]


def _plain_ratio(n: int = 40) -> float:
    """Throughput of two plain processes over one: what the machine has to give right now."""
    start_method = multiprocessing.get_context("spawn")
    walls = []
    for workers in (1, 2):
        with start_method.Pool(workers) as pool:
            pool.map(_spin, [1] * workers, chunksize=1)
            begun = time.perf_counter()
            pool.map(_spin, [n // 10] * 10, chunksize=1)
            walls.append(time.perf_counter() - begun)
    return walls[0] / walls[1]


def overhead_ms(repeats: int = 30) -> list[float]:
    """Processor time of a run beyond its simulation, in ms."""
    plan = _plan(repeats)
    context = Context(plan.base, Disk(Path()), (), f"{HERE}:busy")
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
        start(_plan(1, ("prices",)), out / "s", Conduct(1, backend="in_process", model=f"{HERE}:busy"))
        folder = out / "s" / "tables" / "prices"
        for part in folder.iterdir():
            part.unlink()
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


def model_s(repeats: int = 5) -> list[float]:
    """Processor time of a whole run of the small scenario with key figures, the first left out."""
    plan = _plan(repeats + 1)
    context = Context(plan.base, Disk(Path()))
    found = []
    for index in range(repeats + 1):
        begun = time.process_time()
        row, _ = run_one(context, plan.job(index))
        assert row["status"] == "ok", row["error"]
        found.append(time.process_time() - begun)
    return found[1:]


def measure() -> dict[str, float]:
    """Figures by name with unit."""
    extra = overhead_ms()
    each = [(_steady_s(40, 1), _steady_s(40, 2)) for _ in range(3)]
    real = [(_steady_s(20, 1, MODEL, 2)[0], _steady_s(20, 2, MODEL, 2)[0]) for _ in range(3)]
    plain = [_plain_ratio() for _ in range(3)]
    peaks = []
    for replications in (50, 200):
        with tempfile.TemporaryDirectory() as name:
            how = Conduct(1, backend="in_process", model=f"{HERE}:busy")
            start(_plan(replications), Path(name) / "s", how)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    reads = [read_s() for _ in range(3)]
    model = model_s()
    return {
        "run_overhead_median_ms": statistics.median(extra),
        "run_overhead_max_ms": max(extra),
        "throughput_2_workers_over_1_median": statistics.median(a[0] / b[0] for a, b in each),
        "throughput_2_workers_over_1_max": max(a[0] / b[0] for a, b in each),
        "model_throughput_2_workers_over_1_median": statistics.median(a / b for a, b in real),
        "model_1000_small_runs_by_2_workers_median_s": 1000 * statistics.median(b for _, b in real),
        "driver_processor_ms_per_run": 1000 * statistics.median(b[1] for _, b in each),
        "throughput_2_plain_processes_over_1_median": statistics.median(plain),
        "peak_after_100_runs_mb": peaks[0],
        "peak_after_400_more_runs_mb": peaks[1],
        "read_10000_runs_median_s": statistics.median(reads),
        "read_10000_runs_max_s": max(reads),
        "small_run_processor_median_s": statistics.median(model),
        "small_run_processor_max_s": max(model),
    }


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure}: {value:.3f}")
