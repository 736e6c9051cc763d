"""Results as frames, for Python and notebooks: ``Results.open("results/demo").runs``.

Works on the folder of a run and on that of a sweep, also while the sweep is still running and in an object store.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from experiments.kpis import KPIS
from experiments.store.folder import read_manifest
from experiments.store.place import Disk, FolderError, Place, damaged, place_of
from experiments.store.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Results:
    """A results folder that has been opened.

    Parameters
    ----------
    place : Place
        Where it lies.
    manifest : dict
        Its manifest.
    """

    place: Place
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path | Place) -> Results:
        """Open the folder (path or URI) of a run or a sweep; FolderError if it is none or of another schema version."""
        place = place_of(folder)
        return cls(place, read_manifest(place))

    @property
    def folder(self) -> Path:
        """The folder as a path; FolderError if it lies in an object store."""
        if isinstance(self.place, Disk):
            return self.place.root
        raise FolderError(f"{self.place} lies in an object store, not on a disk")

    @property
    def is_sweep(self) -> bool:
        """Whether the folder holds a sweep."""
        return bool(self.manifest["kind"] == "sweep")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the result tables that were kept."""
        if self.is_sweep:
            kept = self.manifest["sweep"]["output"]["tables"]
            return tuple(t for t in TABLES if t in kept and self.place.names(f"tables/{t}", "*.parquet"))
        found = self.place.names("", "*.parquet")
        return tuple(t for t in TABLES if f"{t}.parquet" in found)

    def table(self, name: str) -> pl.LazyFrame:
        """A result table, lazily; of a sweep with ``design`` and ``replication`` in front.

        Raises
        ------
        FolderError
            If it was not kept or cannot be read.
        """
        if name not in self.tables:
            raise FolderError(f"{self.place} holds no table '{name}'; kept are {', '.join(self.tables) or 'none'}")
        parts = self.place.names(f"tables/{name}", "*.parquet") if self.is_sweep else [f"{name}.parquet"]
        found = self.place.scan(parts)
        try:
            found.collect_schema()
        except pl.exceptions.PolarsError as error:
            raise FolderError(damaged(f"{self.place}/{parts[0]}", error)) from None
        return found

    @property
    def kpis(self) -> pl.DataFrame:
        """Key figures of a run: figure, value, unit, meaning."""
        values = self.place.json("kpis.json")
        rows = [(name, values.get(name), kpi.unit, kpi.meaning) for name, kpi in KPIS.items()]
        schema = {"figure": pl.String, "value": pl.Float64, "unit": pl.String, "meaning": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    @property
    def points(self) -> pl.DataFrame:
        """The design of a sweep: point, policy, sample and the value of every varied key."""
        return _frame(self.place.table("points.parquet"))

    @property
    def designs(self) -> pl.DataFrame:
        """The distinct scenarios of a sweep."""
        return _frame(self.place.table("designs.parquet"))

    @property
    def runs(self) -> pl.DataFrame:
        """All committed runs of a sweep with their key figures, in the order of job numbers."""
        from experiments.sweep.folder import all_runs

        return _frame(all_runs(self.place))

    @property
    def failed(self) -> pl.DataFrame:
        """Runs that raised or whose worker died, with error and traceback."""
        columns = ["job", "design", "replication", "seed", "status", "error", "traceback"]
        return self.runs.filter(pl.col("status") != "ok").select(columns)

    @property
    def observations(self) -> pl.DataFrame:
        """Sound runs joined to the points they stand for: one row per point and replication."""
        sound = self.runs.filter(pl.col("status") == "ok").drop("status", "error", "traceback", "job")
        return self.points.join(sound, on="design").sort("point", "replication")

    def sql(self, query: str) -> pl.DataFrame:
        """Answer an SQL query over ``runs``, ``points``, ``designs``, ``observations`` or ``kpis`` and all tables.

        Raises
        ------
        FolderError
            With polars' words if the query is not valid.
        """
        frames: dict[str, Any] = {name: self.table(name) for name in self.tables}
        if self.is_sweep:
            frames |= {n: getattr(self, n).lazy() for n in ("runs", "points", "designs", "observations")}
        else:
            frames["kpis"] = self.kpis.lazy()
        try:
            return pl.SQLContext(frames, eager=True).execute(query)
        except pl.exceptions.PolarsError as error:
            known = ", ".join(sorted(frames))
            raise FolderError(f"query failed: {str(error).splitlines()[0]} (tables are {known})") from None


def _frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found
