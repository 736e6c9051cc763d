"""One batch of a sweep in a worker: simulate, reduce to key figures, write; never raise.

Workers write their part straight into the sweep's folder. The part with key figures is written last and is the mark
that its runs are committed; whatever a killed worker leaves besides is ignored and written again.
"""

from __future__ import annotations

import importlib
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.kpis import KPIS, kpis_of
from experiments.scenario import Scenario
from experiments.store.place import Place, reason
from experiments.store.tables import TABLES
from experiments.sweep.plan import Job

if TYPE_CHECKING:
    import pyarrow as pa

NAN = float("nan")
THREAD_VARIABLES = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that keep a worker to one thread."""


@dataclass(frozen=True)
class Context:
    """What all jobs of a sweep share; sent to a worker once.

    Parameters
    ----------
    base : Scenario
        The base scenario, own series included.
    out : Place
        The sweep's folder.
    tables : tuple of str
        Result tables kept besides key figures.
    model : str
        ``module:function`` of the simulation.
    """

    base: Scenario
    out: Place
    tables: tuple[str, ...] = ()
    model: str = "agents.model:simulate"


@dataclass(frozen=True)
class Report:
    """What became of a batch."""

    n_done: int
    n_failed: int
    wall_s: float
    fault: str = ""
    """Why nothing could be written (full disk, folder gone); empty if all is committed."""


def run_batch(context: Context, jobs: Sequence[Job]) -> Report:
    """Run jobs with consecutive numbers and commit them as one part.

    Parameters
    ----------
    context : Context
        Shared by all jobs.
    jobs : sequence of Job
        At least one.

    Returns
    -------
    Report
        A run that raises is a row with its traceback; only what concerns the folder is told here.
    """
    begun = time.perf_counter()
    rows, kept = [], []
    for job in jobs:
        row, tables = run_one(context, job)
        rows.append(row)
        kept.append(tables)
    try:
        commit(context, jobs[0].index, rows, kept)
    except OSError as error:
        return Report(0, 0, time.perf_counter() - begun, f"cannot write {context.out}: {reason(error)}")
    n_failed = len([r for r in rows if r["status"] != "ok"])
    return Report(len(rows), n_failed, time.perf_counter() - begun)


def run_one(context: Context, job: Job) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Simulate one job; a row for the table of runs, and the tables kept."""
    begun = time.perf_counter()
    try:
        settings = context.base.with_values(job.values).to_settings(seed=job.seed)
        tables = simulation(context.model)(settings).tables
        kpis = kpis_of(tables)
        kept = {name: _marked(TABLES[name].arrow(tables.get(name, {})), job) for name in context.tables}
        return row_of(job, "ok", time.perf_counter() - begun, kpis), kept
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else ""
        text = f"{type(error).__name__}: {first}"
        return row_of(job, "failed", time.perf_counter() - begun, {}, text, traceback.format_exc()), {}


def simulation(name: str) -> Any:
    """The function behind ``module:function``."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def row_of(
    job: Job, status: str, wall_s: float, kpis: Mapping[str, float], error: str = "", trace: str = ""
) -> dict[str, Any]:
    """One row of the table of runs."""
    head = {"job": job.index, "design": job.design, "replication": job.replication, "seed": job.seed}
    tail = {"status": status, "error": error, "wall_s": wall_s, "traceback": trace}
    return {**head, **{name: kpis.get(name, NAN) for name in KPIS}, **tail}


def run_schema() -> pa.Schema:
    """Arrow schema of the table of runs: job, key figures, status, and what is not reproducible last."""
    import pyarrow as pa

    head = [pa.field(n, pa.int32()) for n in ("job", "design", "replication")] + [pa.field("seed", pa.int64())]
    figures = [pa.field(n, pa.float64(), metadata={"unit": k.unit, "meaning": k.meaning}) for n, k in KPIS.items()]
    tail = [pa.field("status", pa.string()), pa.field("error", pa.string())]
    return pa.schema([*head, *figures, *tail, pa.field("wall_s", pa.float64()), pa.field("traceback", pa.string())])


def commit(
    context: Context, first: int, rows: Sequence[dict[str, Any]], kept: Sequence[Mapping[str, pa.Table]]
) -> None:
    """Write the parts of a batch, key figures last."""
    import pyarrow as pa

    name = f"part-{first:09d}.parquet"
    for table in context.tables:
        found = [tables[table] for tables in kept if table in tables]
        if found:
            context.out.put_table(f"tables/{table}/{name}", pa.concat_tables(found))
        else:
            context.out.delete(f"tables/{table}/{name}")
    context.out.put_table(f"parts/{name}", pa.Table.from_pylist(list(rows), schema=run_schema()))


def _marked(table: pa.Table, job: Job) -> pa.Table:
    """A result table with the run it belongs to in its first two columns."""
    import pyarrow as pa

    for name, value in (("replication", job.replication), ("design", job.design)):
        table = table.add_column(0, pa.field(name, pa.int32()), pa.repeat(pa.scalar(value, pa.int32()), table.num_rows))
    return table


def single_thread() -> None:
    """Keep this process to one thread per library; call before they are imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
