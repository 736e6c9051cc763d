"""A run's folder: Parquet tables, ``manifest.json`` and ``kpis.json``, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.store.place import (
    Disk,
    Place,
    damaged,
    json_bytes,
    parquet_bytes,
    place_of,
    write_whole,
)
from experiments.store.place import (
    FolderError as FolderError,
)
from experiments.store.place import (
    check_free as check_free,
)
from experiments.store.tables import TABLES

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

SCHEMA_VERSION = 2
"""Rises when a table or a KPI changes its meaning; folders of another version are refused."""

MANIFEST = "manifest.json"


def write_folder(out: Path, fill: Callable[[Path], None], *, overwrite: bool) -> None:
    """Fill a new folder beside its place and move it there in one step.

    Parameters
    ----------
    out : Path
        Final place.
    fill : callable
        Called with the temporary folder; whatever it raises leaves ``out`` untouched.
    overwrite : bool
        Replace a results folder that is already there. Anything else is never replaced.

    Raises
    ------
    FolderError
        If the place is taken or cannot be written.
    """
    out = out.absolute()
    check_free(out, overwrite=overwrite)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        fill(temporary)
        _put_in_place(temporary, out)
    except OSError as error:
        raise FolderError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, out: Path) -> None:
    if not out.exists():
        temporary.replace(out)
        return
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    out.replace(old)
    temporary.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def write_tables(folder: Path, tables: Mapping[str, Mapping[str, Any]], keep: Iterable[str] = ()) -> dict[str, int]:
    """Write result tables as Parquet, byte for byte the same for the same contents.

    Parameters
    ----------
    folder : Path
        An existing folder.
    tables : mapping
        Columns by table name; declared tables that are absent are written empty.
    keep : iterable of str
        Names of the tables to write; none = all.

    Returns
    -------
    dict
        Rows by table.

    Raises
    ------
    ValueError
        For a table or column that is not declared.
    """
    rows = {}
    wanted = tuple(keep) or tuple(TABLES)
    for name, arrow in arrow_tables(tables).items():
        if name in wanted:
            write_parquet(arrow, folder / f"{name}.parquet")
            rows[name] = arrow.num_rows
    return rows


def arrow_tables(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, pa.Table]:
    """All declared tables as Arrow, checked against their schemas; see :func:`write_tables` for errors."""
    unknown = [name for name in tables if name not in TABLES]
    if unknown:
        raise ValueError(f"undeclared result tables: {', '.join(unknown)}")
    return {name: table.arrow(tables.get(name, {})) for name, table in TABLES.items()}


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write one Parquet file, whole or not at all."""
    write_whole(path, parquet_bytes(table))


def write_json(value: Any, path: Path) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_whole(path, json_bytes(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; FolderError if it is missing or broken."""
    return Disk(path.parent).json(path.name)


def read_manifest(folder: Place | Path | str) -> dict[str, Any]:
    """Manifest of a results folder; FolderError for another schema version."""
    manifest = place_of(folder).json(MANIFEST)
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise FolderError(f"{folder} has results of schema version {version}, this program reads {SCHEMA_VERSION}")
    return manifest


def read_table(folder: Path, name: str) -> pl.DataFrame:
    """One table of a run as a polars frame.

    Raises
    ------
    FolderError
        If the table is not declared, was not kept or cannot be read.
    """
    if name not in TABLES:
        raise FolderError(f"'{name}' is not a result table; known are {', '.join(TABLES)}")
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise FolderError(f"{folder} holds no table {name}; it was not kept by that run")
    return _read(path)


def read_tables(folder: Path) -> dict[str, pl.DataFrame]:
    """All tables that a run kept; FolderError if one cannot be read."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.parquet"))}


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise FolderError(damaged(path, error)) from None


def content_digest(folder: Path) -> str:
    """SHA-256 over ``kpis.json`` and all Parquet files of a folder, names included."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.parquet"), folder / "kpis.json"]):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
