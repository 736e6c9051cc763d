"""A sweep's folder: what was planned, what is committed, and the compaction into few files.

``manifest.json`` plan and provenance · ``designs.parquet`` and ``points.parquet`` the design · ``parts/`` committed
batches · ``runs.parquet`` all runs once compacted · ``log.parquet`` times and tracebacks · ``tables/NAME/`` what was
kept of every run.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import provenance
from experiments.kpis import KPIS
from experiments.scenario import Scenario
from experiments.scenario.reader import from_raw
from experiments.store.folder import MANIFEST, SCHEMA_VERSION, FolderError, read_manifest
from experiments.store.place import Place
from experiments.sweep.plan import SweepPlan, plan_of
from experiments.sweep.worker import run_schema

if TYPE_CHECKING:
    import pyarrow as pa

NOT_REPRODUCIBLE = ("wall_s", "traceback")
NAN = float("nan")
RUNS, LOG, PARTS = "runs.parquet", "log.parquet", "part-*.parquet"


def create(plan: SweepPlan, out: Place) -> None:
    """Write plan and provenance into an empty folder."""
    for name in ("parts", "series", *(f"tables/{t}" for t in plan.file.output.tables)):
        out.make(name)
    for kind, values in plan.base.series.items():
        content = io.BytesIO()
        np.save(content, values)
        out.write(f"series/{kind}.npy", content.getvalue())
    out.put_table("points.parquet", _points_table(plan))
    out.put_table("designs.parquet", _designs_table(plan))
    out.put_json(MANIFEST, manifest_of(plan))


def manifest_of(plan: SweepPlan) -> dict[str, Any]:
    """Everything needed to continue or to judge the sweep, as JSON."""
    return {
        "kind": "sweep",
        "schema_version": SCHEMA_VERSION,
        "name": plan.file.sweep.name,
        "description": plan.file.sweep.description,
        "sweep": plan.file.model_dump(mode="json", exclude_none=True),
        "base": {"path": str(plan.base.path), "raw": _tagged(plan.base.raw), "resolved": plan.base.resolved()},
        "policies": list(plan.policy_names),
        "base_policy": plan.base_policy,
        "kpis": list(plan.kpis),
        "n_points": len(plan.points),
        "n_designs": len(plan.designs),
        "n_jobs": plan.n_jobs,
        "versions": provenance.versions(),
        "python": provenance.python_version(),
        "source_digest": provenance.source_digest(),
    }


def _tagged(value: Any) -> Any:
    """JSON form of a raw TOML dict; dates carry a tag so that they come back as dates."""
    if isinstance(value, dict):
        return {k: _tagged(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_tagged(v) for v in value]
    return {"$date": value.isoformat()} if isinstance(value, date) else value


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            date.fromisoformat(value["$date"])
            if set(value) == {"$date"}
            else {k: _untagged(v) for k, v in value.items()}
        )
    return [_untagged(v) for v in value] if isinstance(value, list) else value


def reopen(out: Place, *, allow_changed_source: bool = False) -> SweepPlan:
    """The plan of a sweep folder, from the folder alone.

    Raises
    ------
    FolderError
        If it holds no sweep, one of another schema version, or one made by other source code.
    """
    manifest = read_manifest(out)
    if manifest.get("kind") != "sweep":
        raise FolderError(f"{out} holds a {manifest.get('kind')}, not a sweep")
    if manifest["source_digest"] != provenance.source_digest() and not allow_changed_source:
        raise FolderError(
            f"{out} was made by other source code ({manifest['source_digest']}, now {provenance.source_digest()}); "
            "new runs would not match the old ones. Add --allow-changed-source to continue nevertheless"
        )
    return plan_of(manifest["sweep"], f"{out}/{MANIFEST}", _base_from(out, manifest["base"]))


def _base_from(out: Place, stored: dict[str, Any]) -> Scenario:
    names = out.names("series", "*.npy")
    series = {Path(name).stem: np.load(io.BytesIO(out.read(name))) for name in names}
    return replace(from_raw(_untagged(stored["raw"]), Path(stored["path"]), known_series=series), series=series)


def _points_table(plan: SweepPlan) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "point": pa.array(range(len(plan.points)), pa.int32()),
        "policy": pa.array([p.policy for p in plan.points], pa.int32()),
        "policy_name": pa.array([plan.policy_names[p.policy] for p in plan.points], pa.string()),
        "is_base": pa.array([p.policy == plan.base_policy for p in plan.points], pa.bool_()),
        "sample": pa.array([p.sample for p in plan.points], pa.int32()),
        "design": pa.array(plan.point_design, pa.int32()),
    }
    return pa.table(columns | factor_columns(plan, [p.values for p in plan.points]))


def _designs_table(plan: SweepPlan) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "design": pa.array(range(len(plan.designs)), pa.int32()),
        "design_id": pa.array(plan.design_ids, pa.string()),
    }
    return pa.table(columns | factor_columns(plan, plan.designs))


def factor_columns(plan: SweepPlan, rows: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    """One column per varied key; where a row says nothing, the base scenario's value."""
    import pyarrow as pa

    from experiments.sweep.plan import value_at

    keys = list(dict.fromkeys([*(a.key for a in plan.axes), *(k for row in rows for k in row)]))
    columns = {}
    for key in keys:
        at_base = value_at(plan.base, key)
        values = [row.get(key, at_base) for row in rows]
        if any(isinstance(v, str | list | dict) or v is None for v in values):
            columns[key] = pa.array([v if isinstance(v, str) else json.dumps(v, default=str) for v in values])
        elif any(isinstance(v, float) for v in values):
            columns[key] = pa.array([float(v) for v in values], pa.float64())
        else:
            columns[key] = pa.array(values)
    return columns


# --- what is committed


def committed(out: Place) -> np.ndarray:
    """Numbers of all committed jobs in rising order, int64[n]."""
    found = [out.table(name, ["job"])["job"].to_numpy() for name in _run_files(out)]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _run_files(out: Place) -> list[str]:
    return [*out.names("", RUNS), *out.names("parts", PARTS)]


def compact(out: Place, *, without_failed: bool = False) -> None:
    """Merge all parts into ``runs.parquet`` and ``log.parquet``, in the order of job numbers.

    A crash in between leaves runs both merged and in parts; readers take each run once.

    Parameters
    ----------
    out : Place
        The sweep's folder.
    without_failed : bool
        Drop the runs that failed, so that they are run again.
    """
    import pyarrow.compute as pc

    merged = out.names("parts", PARTS)
    runs = all_runs(out)
    if without_failed:
        runs = runs.filter(pc.equal(runs["status"], "ok"))
    log = runs.select(["job", *NOT_REPRODUCIBLE])
    out.put_table(LOG, log)
    out.put_table(RUNS, runs.drop_columns(list(NOT_REPRODUCIBLE)))
    for part in merged:
        out.delete(part)


def all_runs(out: Place) -> pa.Table:
    """All committed runs, parts and compacted ones, once each and in the order of job numbers."""
    import pyarrow as pa

    tables = []
    for name in _run_files(out):
        table = out.table(name)
        if name == RUNS:
            table = _with_log(table, out)
        tables.append(_as_declared(table, f"{out}/{name}"))
    if not tables:
        return run_schema().empty_table()
    merged = pa.concat_tables(tables)
    _, first = np.unique(merged["job"].to_numpy(), return_index=True)
    return merged.take(pa.array(first))


def _as_declared(runs: pa.Table, name: str) -> pa.Table:
    """Runs with the columns of today: key figures that came later are NaN, anything else that differs is refused."""
    import pyarrow as pa

    schema = run_schema()
    later = [n for n in schema.names if n not in runs.column_names and n in KPIS]
    for figure in later:
        runs = runs.append_column(schema.field(figure), pa.nulls(runs.num_rows, pa.float64()).fill_null(NAN))
    if set(runs.column_names) == set(schema.names):
        runs = runs.select(schema.names)
    if not runs.schema.equals(schema):
        raise FolderError(f"{name} has another schema than this program writes; use the version that made it")
    return runs.replace_schema_metadata(None)


def _with_log(runs: pa.Table, out: Place) -> pa.Table:
    """Runs with their wall time and traceback; a run that the log does not know gets NaN and nothing."""
    import pyarrow as pa

    log = out.table(LOG) if out.has(LOG) else run_schema().empty_table().select(["job", *NOT_REPRODUCIBLE])
    known = {job: row for row, job in enumerate(log["job"].to_pylist())}
    rows = [known.get(job, -1) for job in runs["job"].to_pylist()]
    wall_s, trace = log["wall_s"].to_pylist(), log["traceback"].to_pylist()
    values = {
        "wall_s": [wall_s[r] if r >= 0 else NAN for r in rows],
        "traceback": [trace[r] if r >= 0 else "" for r in rows],
    }
    for name in NOT_REPRODUCIBLE:
        field = run_schema().field(name)
        runs = runs.append_column(field, pa.array(values[name], field.type))
    return runs


def recover(out: Place, tables: Sequence[str], replications: int) -> None:
    """Remove what killed workers left: half-written files, and kept tables whose runs were never committed."""
    out.clean()
    marks = {Path(name).name for name in out.names("parts", PARTS)}
    done = set(committed(out).tolist())
    for name in [n for table in tables for n in out.names(f"tables/{table}", PARTS)]:
        if Path(name).name in marks:
            continue
        run = out.table(name, ["design", "replication"]).group_by(["design", "replication"]).aggregate([])
        jobs = run["design"].to_numpy().astype(np.int64) * replications + run["replication"].to_numpy()
        if not done.issuperset(jobs.tolist()):
            out.delete(name)
