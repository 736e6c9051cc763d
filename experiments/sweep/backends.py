"""Where the jobs of a sweep run: in this process, in a pool of processes, or on Ray.

A backend turns batches into reports, in whatever order they finish. It never raises for a run; a batch whose worker
died is tried again alone, run by run, and reported as lost if it dies twice.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import Connection
from typing import Protocol

from experiments.store.folder import FolderError
from experiments.sweep.plan import Job
from experiments.sweep.worker import Context, Report, run_batch, single_thread

Batch = tuple[Job, ...]
MAX_DEATHS = 2
"""A job whose worker died this often, alone, is recorded as crashed."""
CANNOT_START = (
    "worker processes die before their first run, so nothing was run; a script that starts a sweep must be a file and "
    "do so under if __name__ == '__main__'"
)


class Backend(Protocol):
    """One way of running batches."""

    name: str

    def reports(self, context: Context, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Report | None]]:
        """Yield every batch (or its single jobs) with its report; None = its worker died twice."""

    def close(self) -> None:
        """Let workers go; runs in flight are given up."""


class InProcess:
    """One run after the other in this process."""

    name = "in_process"

    def reports(self, context: Context, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Report | None]]:
        """See :class:`Backend`."""
        for batch in batches:
            yield batch, run_batch(context, batch)

    def close(self) -> None:
        """Nothing to let go."""


class Suspects:
    """Batches whose worker died: split into single jobs and counted."""

    def __init__(self) -> None:
        self.queue: deque[Batch] = deque()
        self._deaths: dict[int, int] = {}

    def died(self, batch: Batch, *, alone: bool) -> bool:
        """Take note of a death; True if the batch is given up."""
        if len(batch) > 1:
            self.queue.extend((job,) for job in batch)
            return False
        index = batch[0].index
        self._deaths[index] = self._deaths.get(index, 0) + (1 if alone else 0)
        if self._deaths[index] >= MAX_DEATHS:
            return True
        self.queue.append(batch)
        return False


Pending = dict[Future[Report], Batch]


class Pool:
    """A pool of processes on this machine.

    Workers start from a fork server, never by forking this process (threads of polars would hang), and stop when the
    driver is gone.
    """

    name = "process_pool"

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._life: tuple[Connection, Connection] | None = None
        self._ready: tuple[Connection, Connection] | None = None
        self._has_started = False

    def reports(self, context: Context, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Report | None]]:
        """See :class:`Backend`."""
        waiting, suspects = iter(batches), Suspects()
        while True:
            pool = self._executor = self._executor or self._pool(context)
            is_alone = bool(suspects.queue)
            pending = self._next(pool, waiting, suspects)
            if not pending:
                return
            broken = yield from self._finish(pool, pending, waiting, suspects, is_alone)
            if broken:
                self._check_started()
                self.close()

    def close(self) -> None:
        """Stop all workers at once; what they had not committed is given up."""
        pool, self._executor = self._executor, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(timeout=5)

    def _next(self, pool: ProcessPoolExecutor, waiting: Iterator[Batch], suspects: Suspects) -> Pending:
        """One suspect alone, or a window of fresh batches."""
        if suspects.queue:
            batch = suspects.queue.popleft()
            return {_submit(pool, batch): batch}
        return {_submit(pool, batch): batch for batch in islice(waiting, 2 * self.workers)}

    def _finish(
        self,
        pool: ProcessPoolExecutor,
        pending: Pending,
        waiting: Iterator[Batch],
        suspects: Suspects,
        is_alone: bool,
    ) -> Generator[tuple[Batch, Report | None], None, bool]:
        """Wait for a window, refilling it as long as no worker dies; True if one did."""
        broken = False
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                batch = pending.pop(future)
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield batch, future.result()
                    continue
                broken = True
                if suspects.died(batch, alone=is_alone):
                    yield batch, None
            if not broken and not is_alone:
                pending |= {_submit(pool, batch): batch for batch in islice(waiting, len(done))}
        return broken

    def _check_started(self) -> None:
        """Stop at once if workers die before they run anything, instead of starting them again and again."""
        assert self._ready is not None
        self._has_started = self._has_started or self._ready[0].poll()
        if not self._has_started:
            self.close()
            raise FolderError(CANNOT_START)

    def _pool(self, context: Context) -> ProcessPoolExecutor:
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        start = multiprocessing.get_context(method)
        self._life, self._ready = start.Pipe(duplex=False), start.Pipe(duplex=False)
        arguments = (context, sys.path, self._life[0], self._ready[1])
        return ProcessPoolExecutor(self.workers, mp_context=start, initializer=_start, initargs=arguments)


def _submit(pool: ProcessPoolExecutor, batch: Batch) -> Future[Report]:
    try:
        return pool.submit(_run, batch)
    except BrokenProcessPool as error:
        future: Future[Report] = Future()
        future.set_exception(error)
        return future


_context: Context | None = None


def _start(context: Context, path: list[str], life: Connection, ready: Connection) -> None:
    """Prepare a worker: interrupts are the driver's, one thread, a watch on the driver's life; say that it is there."""
    global _context
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    single_thread()
    _context = context
    threading.Thread(target=_watch, args=(life,), daemon=True).start()
    ready.send_bytes(b".")


def _watch(life: Connection) -> None:
    """End this worker when the driver, which alone holds the other end of the pipe, is gone."""
    life.poll(None)
    os._exit(1)


def _run(batch: Batch) -> Report:
    assert _context is not None
    return run_batch(_context, batch)


def backend_of(name: str, workers: int, address: str | None = None) -> Backend:
    """A backend by name: ``in_process``, ``process_pool`` or ``ray``."""
    if name == "in_process":
        return InProcess()
    if name == "process_pool":
        return Pool(workers)
    from experiments.sweep.cluster import RayTasks

    return RayTasks(workers, address)
