"""What a sweep will take, measured with one run of it before anything is started."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.provenance import peak_memory_mb
from experiments.run import RunFailed
from experiments.store.place import Disk
from experiments.sweep import folder
from experiments.sweep.drive import PILOTS, Conduct, choose
from experiments.sweep.plan import SweepPlan
from experiments.sweep.worker import Context, commit, run_one

START_S = {"in_process": 0.0, "process_pool": 1.0, "ray": 20.0}
"""Rough time until workers take their first run (measured on two shared cores)."""


@dataclass(frozen=True)
class Estimate:
    """Size and cost of a sweep.

    Parameters
    ----------
    n_points, n_policies, n_designs, n_runs : int
        Points, policies, distinct scenarios, and the most runs.
    run_s : float
        Wall time of one run, the second one measured.
    first_s : float
        Wall time of the first run of a process, which also imports and loads or compiles kernels.
    memory_mb : float
        Peak memory of one worker.
    disk_mb : float
        Results of all runs.
    backend : str
        What would be used.
    wall_s : float
        Expected wall time of all runs.
    """

    n_points: int
    n_policies: int
    n_designs: int
    n_runs: int
    run_s: float
    first_s: float
    memory_mb: float
    disk_mb: float
    backend: str
    workers: int
    wall_s: float


def estimate(plan: SweepPlan, conduct: Conduct) -> Estimate:
    """Run the first job twice in a temporary folder and scale up; RunFailed if it raises."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        folder.create(plan, Disk(out))
        fixed = _size(out)
        context = Context(plan.base, Disk(out), tuple(plan.file.output.tables), conduct.model)
        begun = time.perf_counter()
        run_one(context, plan.job(0))
        first_s = time.perf_counter() - begun
        begun = time.perf_counter()
        row, kept = run_one(context, plan.job(0))
        commit(context, 0, [row], [kept])
        run_s = time.perf_counter() - begun
        each = _size(out) - fixed
    if row["status"] != "ok":
        raise RunFailed(f"the pilot run failed: {row['error']}")
    backend = choose(conduct, run_s * plan.n_jobs).name
    workers = 1 if backend == "in_process" else conduct.workers
    return Estimate(
        n_points=len(plan.points),
        n_policies=len(plan.policy_names),
        n_designs=len(plan.designs),
        n_runs=plan.n_jobs,
        run_s=run_s,
        first_s=first_s,
        memory_mb=peak_memory_mb(),
        disk_mb=(fixed + each * plan.n_jobs) / 1e6,
        backend=backend,
        workers=workers,
        wall_s=wall_time_s(plan.n_jobs, run_s, first_s, backend, workers),
    )


def wall_time_s(n_runs: int, run_s: float, first_s: float, backend: str, workers: int) -> float:
    """Expected wall time: pilots in the driver, then a slow first run in every worker, then the rest in parallel."""
    extra_s = max(first_s - run_s, 0.0)
    if backend == "in_process":
        return extra_s + run_s * n_runs
    pilots = min(PILOTS, n_runs)
    return 2 * extra_s + START_S[backend] + run_s * (pilots + (n_runs - pilots) / workers)


def _size(out: Path) -> int:
    return sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
