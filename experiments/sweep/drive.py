"""Conduct a sweep: hand out jobs, watch the stop rule, keep the folder resumable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from experiments.store.place import FolderError, Place, place_of, reason
from experiments.sweep import folder
from experiments.sweep.backends import Backend, Batch, InProcess, backend_of
from experiments.sweep.plan import SweepPlan
from experiments.sweep.stop import open_designs
from experiments.sweep.worker import Context, Report, commit, row_of

BATCH_S = 2.0
"""Aimed wall time of a batch: long enough to make overhead small, short enough to lose little in a crash."""
MAX_BATCH = 100
PILOTS = 2
"""Runs made in the driver before a backend is chosen."""
POOL_FROM_S = 5.0
"""Estimated rest, on one worker, from which a pool of processes pays."""
RAY_FROM_S = 1800.0
"""Estimated rest, on all workers, from which Ray's start and supervision are worth having on one machine."""

Tick = Callable[[int, int], None]


@dataclass
class SweepResult:
    """What a sweep did."""

    out: Place
    backend: str = "none"
    n_new: int = 0
    n_failed: int = 0
    n_crashed: int = 0
    run_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True)
class Conduct:
    """How a sweep is run: nothing here changes a result.

    Parameters
    ----------
    workers : int
        Processes to use.
    address : str, optional
        Ray cluster; given = Ray is used.
    backend : str, optional
        ``in_process``, ``process_pool`` or ``ray``; none = chosen by address and estimate.
    model : str
        ``module:function`` of the simulation.
    tick : callable, optional
        Told (runs done, runs in all).
    """

    workers: int = 1
    address: str | None = None
    backend: str | None = None
    model: str = "agents.model:simulate"
    tick: Tick | None = None


def start(plan: SweepPlan, where: Place | Path | str, conduct: Conduct) -> SweepResult:
    """Run a sweep into a new folder; FolderError if the place is taken or cannot be written.

    Parameters
    ----------
    plan : SweepPlan
        What to run.
    where : Place, path or str
        A path, or the URI of a folder in an object store (``s3://bucket/folder``).
    conduct : Conduct
        How to run.
    """
    out = place_of(where)
    out.check_free()
    try:
        folder.create(plan, out)
    except OSError as error:
        with suppress(OSError):
            out.sweep_away()
        raise FolderError(f"cannot write {out}: {reason(error)}; nothing was started") from error
    return _conduct(plan, out, conduct)


def resume(
    where: Place | Path | str, conduct: Conduct, *, allow_changed_source: bool = False, retry_failed: bool = False
) -> SweepResult:
    """Run what is missing in a sweep's folder; see :func:`experiments.sweep.folder.reopen` for refusals.

    Parameters
    ----------
    where : Place, path or str
        The sweep's folder.
    conduct : Conduct
        How to run.
    allow_changed_source : bool
        Continue with other source code than the folder was made with.
    retry_failed : bool
        Run failed and crashed runs again.
    """
    out = place_of(where)
    plan = folder.reopen(out, allow_changed_source=allow_changed_source)
    with _kept(out):
        folder.recover(out, plan.file.output.tables, plan.replications)
        if retry_failed:
            folder.compact(out, without_failed=True)
    return _conduct(plan, out, conduct)


@contextmanager
def _kept(out: Place) -> Iterator[None]:
    """Turn a folder that cannot be written into one message; what is committed stays."""
    try:
        yield
    except OSError as error:
        raise FolderError(f"cannot write {out}: {reason(error)}; {_again(out)}") from error


def _again(out: Place) -> str:
    return f"nothing committed is lost, continue with: flexpolder resume {out}"


def _conduct(plan: SweepPlan, out: Place, conduct: Conduct) -> SweepResult:
    begun = time.perf_counter()
    result = SweepResult(out)
    context = Context(plan.base, out, tuple(plan.file.output.tables), conduct.model)
    crew = _Crew(context, conduct, result)
    done = set(folder.committed(out).tolist())
    try:
        for replications in rounds(plan):
            crew.run(plan, [j for j in _wanted(plan, out, replications) if j not in done])
    finally:
        crew.close()
    with _kept(out):
        folder.compact(out)
    result.wall_s = time.perf_counter() - begun
    return result


def rounds(plan: SweepPlan) -> list[range]:
    """Replications handed out together: all at once, or in steps between two looks of the stop rule."""
    n, stop = plan.replications, plan.file.stop
    if stop is None:
        return [range(n)]
    edges = [0, *range(min(stop.min_replications, n), n, stop.every), n]
    return [range(a, b) for a, b in pairwise(edges) if b > a]


def _wanted(plan: SweepPlan, out: Place, replications: range) -> list[int]:
    if replications.start == 0:
        return list(plan.jobs(replications))
    rows = open_designs(plan, folder.all_runs(out), replications.start)
    return [design * plan.replications + r for design in rows for r in replications]


class _Crew:
    """The backend of a sweep, chosen after the first run has been measured and kept over all rounds."""

    def __init__(self, context: Context, conduct: Conduct, result: SweepResult) -> None:
        self.context, self.conduct, self.result = context, conduct, result
        self.backend: Backend | None = None
        self.last_s: float | None = None

    def run(self, plan: SweepPlan, wanted: list[int]) -> None:
        """Run some jobs; the first two are the pilots that set backend and size of batches.

        Only the second is measured: the first also imports and compiles, which can take a hundred times longer.
        """
        if not wanted:
            return
        conduct, result = self.conduct, self.result
        total = result.n_new + len(wanted)
        if self.backend is None and conduct.backend is None and conduct.address is None:
            self._take(InProcess(), batches_of(plan, wanted[:PILOTS], 1), total)
            wanted = wanted[PILOTS:]
        each_s = self.last_s
        if self.backend is None:
            self.backend = choose(conduct, (each_s or BATCH_S) * len(wanted))
            result.backend = self.backend.name
        self._take(self.backend, batches_of(plan, wanted, batch_size(each_s, len(wanted), conduct.workers)), total)

    def _take(self, backend: Backend, batches: Iterable[Batch], total: int) -> None:
        """Run batches to the end; runs whose worker died are recorded as crashed."""
        result = self.result
        for batch, report in backend.reports(self.context, batches):
            if report is None:
                report = _crashed(self.context, batch)
                result.n_crashed += len(batch)
            if report.fault:
                raise FolderError(f"{report.fault}; {_again(self.context.out)}")
            result.n_new += report.n_done
            result.n_failed += report.n_failed
            result.run_s += report.wall_s
            self.last_s = report.wall_s / report.n_done if report.n_done else self.last_s
            if self.conduct.tick is not None:
                self.conduct.tick(result.n_new, total)

    def close(self) -> None:
        """Let the workers go."""
        if self.backend is not None:
            self.backend.close()


def choose(conduct: Conduct, rest_s: float) -> Backend:
    """The backend for an estimated rest of seconds on one worker."""
    name = conduct.backend
    if name is None and conduct.address:
        name = "ray"
    if name is None and (conduct.workers == 1 or rest_s < POOL_FROM_S):
        name = "in_process"
    if name is None:
        name = "ray" if rest_s / conduct.workers > RAY_FROM_S else "process_pool"
    return backend_of(name, conduct.workers, conduct.address)


def batch_size(each_s: float | None, n_jobs: int, workers: int) -> int:
    """Runs per batch for runs of a measured length (None = not measured)."""
    by_time = MAX_BATCH if each_s is None else int(BATCH_S / max(each_s, 1e-6))
    by_share = n_jobs // ((8 if each_s is None else 4) * workers)
    return max(1, min(by_time, by_share, MAX_BATCH))


def batches_of(plan: SweepPlan, jobs: Iterable[int], size: int) -> Iterator[Batch]:
    """Batches of consecutive job numbers."""
    held: list[int] = []
    for job in jobs:
        if held and (len(held) == size or job != held[-1] + 1):
            yield tuple(plan.job(i) for i in held)
            held = []
        held.append(job)
    if held:
        yield tuple(plan.job(i) for i in held)


def _crashed(context: Context, batch: Batch) -> Report:
    """Commit rows that say that a worker died."""
    rows = [row_of(job, "crashed", float(np.nan), {}, "the worker died, twice") for job in batch]
    commit(context, batch[0].index, rows, [{} for _ in rows])
    return Report(len(rows), 0, 0.0)
