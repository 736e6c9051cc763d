"""The Ray backend: tasks on this machine or on a cluster. Imported only when it is used.

Ray is kept quiet and closed: no usage statistics, no dashboard, no log forwarding, token authentication. Drivers that
join a cluster started without a token must set ``RAY_AUTH_MODE`` as the cluster has it; otherwise Ray only says
"Failed to connect".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from experiments.provenance import ROOT
from experiments.store.folder import FolderError
from experiments.sweep.backends import Batch, Suspects
from experiments.sweep.worker import THREAD_VARIABLES, Context, Report, run_batch

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_EXCLUDED = [".venv", ".git", "results/*/", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"]


class RayTasks:
    """Ray tasks, each a batch, in a window of twice the processors.

    Parameters
    ----------
    workers : int
        Processors to use on this machine if no cluster is given.
    address : str, optional
        ``auto``, ``host:port`` or ``ray://host:port``; none or ``local`` starts Ray on this machine.
    """

    name = "ray"

    def __init__(self, workers: int, address: str | None = None) -> None:
        self.workers = workers
        self.address = None if address in (None, "", "local") else address
        self._ray: Any = None

    def reports(self, context: Context, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Report | None]]:
        """See :class:`experiments.sweep.backends.Backend`."""
        self._ray = self._ray or self._start()
        yield from self._reports(self._ray, context, batches)

    def close(self) -> None:
        """Leave the cluster, or end Ray on this machine."""
        if self._ray is not None:
            self._ray.shutdown()
        self._ray = None

    def _start(self) -> Any:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import ray

        quiet = {"include_dashboard": False, "num_cpus": self.workers} if self.address is None else {}
        environment: dict[str, Any] = {"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")}
        if self.address is None:
            environment["env_vars"]["PYTHONPATH"] = _python_path()
        elif not _is_shipped_by_job():
            environment |= {"working_dir": str(ROOT), "excludes": _EXCLUDED}
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", runtime_env=environment, **quiet)
        except Exception as error:  # Ray raises many kinds, among them bare Exception
            where = "on this machine" if self.address is None else f"at {self.address}"
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            hint = "nothing is lost; resume with --backend process_pool, or see docs/sweeps.md on tokens"
            raise FolderError(f"Ray did not start {where}: {first}; {hint}") from error
        return ray

    def _reports(self, ray: Any, context: Context, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Report | None]]:
        task = ray.remote(num_cpus=1, max_retries=0, max_calls=200)(run_batch)
        shared = ray.put(context)
        window = 2 * max(1, int(ray.cluster_resources().get("CPU", self.workers)))
        waiting, suspects = iter(batches), Suspects()
        pending: dict[Any, Batch] = {}
        while True:
            while len(pending) < window and (
                batch := suspects.queue.popleft() if suspects.queue else next(waiting, ())
            ):
                pending[task.remote(shared, batch)] = batch
            if not pending:
                return
            done, _ = ray.wait(list(pending), num_returns=1)
            for reference in done:
                batch = pending.pop(reference)
                try:
                    yield batch, ray.get(reference)
                except ray.exceptions.RayError:
                    if suspects.died(batch, alone=len(batch) == 1):
                        yield batch, None


def _is_shipped_by_job() -> bool:
    """Whether this driver is a job that was submitted with its working directory; Ray refuses a second one."""
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    return "working_dir" in job.get("runtime_env", {})


def _python_path() -> str:
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(p for p in (str(ROOT), str(Path.cwd()), before) if p)
