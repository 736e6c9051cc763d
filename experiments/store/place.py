"""Where results lie: a folder on a disk or a prefix in an object store, behind one small interface.

A file appears whole or not at all: on a disk through a temporary name and a rename, in an object store because a put is
one step. Object stores are those of pyarrow: ``s3://``, ``gs://``, ``abfs://`` and ``hdfs://``, with the credentials
that their own tools use (environment, profile, instance role) or in the URI
(``s3://key:secret@bucket/prefix?region=…&endpoint_override=…``).
"""

from __future__ import annotations

import io
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_SECRETS = re.compile(r"(?<=://)[^/@?]+@")
_QUERY = re.compile(r"\?.*$")


def damaged(where: object, error: Exception) -> str:
    """What to say of a table that is no Parquet file any more."""
    return f"{where} cannot be read as a table ({str(error).splitlines()[0]}); make the results again"


class FolderError(ValueError):
    """A results folder cannot be used; the message says why and what to do."""


class Place(ABC):
    """A folder of results; names are relative to it, with ``/`` between parts."""

    @abstractmethod
    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Put a file there, whole or not at all; OSError if that cannot be."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Contents of a file; FileNotFoundError if there is none."""

    @abstractmethod
    def names(self, folder: str = "", pattern: str = "*") -> list[str]:
        """Sorted names of the files right in a folder; none if it does not exist."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file; nothing happens if there is none."""

    @abstractmethod
    def make(self, folder: str) -> None:
        """Make a folder for files to come."""

    @abstractmethod
    def check_free(self) -> None:
        """FolderError unless a new sweep may be written here."""

    @abstractmethod
    def sweep_away(self) -> None:
        """Remove everything that lies here."""

    @abstractmethod
    def clean(self) -> None:
        """Remove files that a killed process left half written."""

    @abstractmethod
    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file, or some of its columns."""

    @abstractmethod
    def scan(self, names: Sequence[str]) -> pl.LazyFrame:
        """Parquet files of one schema as one lazy frame."""

    @abstractmethod
    def free_mb(self) -> float | None:
        """Free space; None where there is no such limit."""

    def put_table(self, name: str, table: pa.Table) -> None:
        """Write a Parquet file; the same table gives the same bytes."""
        self.write(name, parquet_bytes(table))

    def put_json(self, name: str, value: Any) -> None:
        """Write JSON with sorted keys."""
        self.write(name, json_bytes(value))

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object; FolderError if it is missing or broken."""
        try:
            found = json.loads(self.read(name))
        except FileNotFoundError:
            raise FolderError(f"{self} holds no {name}; is it a results folder?") from None
        except (OSError, ValueError) as error:
            raise FolderError(f"{self}/{name} cannot be read: {reason(error)}") from None
        if not isinstance(found, dict):
            raise FolderError(f"{self}/{name} is not a JSON object")
        return found

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        folder, _, last = name.rpartition("/")
        return name in self.names(folder, last)


@dataclass(frozen=True)
class Disk(Place):
    """A folder on a disk of this machine, or on one that all machines see at this path."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """See :class:`Place`."""
        write_whole(self.root / name, content)

    def read(self, name: str) -> bytes:
        """See :class:`Place`."""
        return (self.root / name).read_bytes()

    def names(self, folder: str = "", pattern: str = "*") -> list[str]:
        """See :class:`Place`."""
        found = (self.root / folder).glob(pattern)
        return sorted(p.relative_to(self.root).as_posix() for p in found if p.is_file())

    def delete(self, name: str) -> None:
        """See :class:`Place`."""
        (self.root / name).unlink(missing_ok=True)

    def make(self, folder: str) -> None:
        """See :class:`Place`."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)

    def check_free(self) -> None:
        """See :class:`Place`."""
        check_free(self.root, overwrite=False)

    def sweep_away(self) -> None:
        """See :class:`Place`."""
        import shutil

        shutil.rmtree(self.root, ignore_errors=True)

    def clean(self) -> None:
        """See :class:`Place`."""
        for path in self.root.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See :class:`Place`."""
        import pyarrow.parquet as pq

        return pq.read_table(self.root / name, columns=columns)

    def scan(self, names: Sequence[str]) -> pl.LazyFrame:
        """See :class:`Place`."""
        import polars as pl

        return pl.scan_parquet([self.root / name for name in names])

    def free_mb(self) -> float | None:
        """See :class:`Place`."""
        import shutil

        existing = next(p for p in (self.root, *self.root.parents) if p.exists())
        return shutil.disk_usage(existing).free / 1e6


@dataclass(frozen=True)
class Bucket(Place):
    """A prefix in an object store; only the URI is kept, so that every process connects by itself."""

    uri: str

    def __str__(self) -> str:
        return _QUERY.sub("", _SECRETS.sub("", self.uri))

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """See :class:`Place`."""
        system, root = _connected(self.uri)
        with system.open_output_stream(f"{root}/{name}") as stream:
            stream.write(content)

    def read(self, name: str) -> bytes:
        """See :class:`Place`."""
        system, root = _connected(self.uri)
        with system.open_input_stream(f"{root}/{name}", compression=None) as stream:
            return bytes(stream.read())

    def names(self, folder: str = "", pattern: str = "*") -> list[str]:
        """See :class:`Place`."""
        from pyarrow.fs import FileSelector

        system, root = _connected(self.uri)
        under = f"{root}/{folder}".rstrip("/")
        found = system.get_file_info(FileSelector(under, allow_not_found=True))
        return sorted(
            f"{folder}/{f.base_name}".lstrip("/") for f in found if f.is_file and fnmatch(f.base_name, pattern)
        )

    def delete(self, name: str) -> None:
        """See :class:`Place`."""
        system, root = _connected(self.uri)
        with suppress(FileNotFoundError):
            system.delete_file(f"{root}/{name}")

    def make(self, folder: str) -> None:
        """Nothing to make: a folder of an object store is the names of its files."""

    def check_free(self) -> None:
        """See :class:`Place`."""
        from pyarrow.fs import FileSelector

        system, root = _connected(self.uri)
        try:
            taken = system.get_file_info(FileSelector(root, allow_not_found=True))
        except OSError as error:
            raise FolderError(f"cannot use {self}: {reason(error)}") from error
        if taken:
            raise FolderError(f"{self} already holds files; choose another --out")

    def sweep_away(self) -> None:
        """See :class:`Place`."""
        system, root = _connected(self.uri)
        system.delete_dir_contents(root, missing_dir_ok=True)

    def clean(self) -> None:
        """Nothing to remove: what was not put whole is not there."""

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See :class:`Place`."""
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(self.read(name)), columns=columns)

    def scan(self, names: Sequence[str]) -> pl.LazyFrame:
        """See :class:`Place`."""
        import polars as pl
        import pyarrow.dataset as ds

        system, root = _connected(self.uri)
        return pl.scan_pyarrow_dataset(ds.dataset([f"{root}/{name}" for name in names], filesystem=system))

    def free_mb(self) -> float | None:
        """See :class:`Place`."""
        return None


def place_of(where: Place | Path | str) -> Place:
    """The place behind a path or a URI; ``file://`` is a path, FolderError for a store that is not known."""
    if isinstance(where, Place):
        return where
    text = str(where)
    if isinstance(where, Path) or not _SCHEME.match(text):
        return Disk(Path(where).absolute())
    if text.startswith("file://"):
        return Disk(Path(unquote(urlsplit(text).path)))
    bucket = Bucket(text)
    _connected(text)
    return bucket


@cache
def _connected(uri: str) -> tuple[Any, str]:
    """File system of a URI and the path within it; one connection a process."""
    from pyarrow.fs import FileSystem

    try:
        system, root = FileSystem.from_uri(uri + _in_one_put(uri))
    except (ValueError, OSError, ImportError) as error:
        shown = Bucket(uri)
        known = "known are a path, file://, s3://, gs://, abfs:// and hdfs://"
        raise FolderError(f"cannot use {shown}: {reason(error)}; {known}") from error
    if not root.strip("/"):
        raise FolderError(f"cannot use {Bucket(uri)}: name a bucket and a folder in it")
    return system, root.rstrip("/")


def _in_one_put(uri: str) -> str:
    """What makes S3 write a small file in one request instead of three."""
    return ("&" if "?" in uri else "?") + "allow_delayed_open=true" if uri.startswith("s3://") else ""


def reason(error: BaseException) -> str:
    """Why something could not be read or written, in one line."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]


def write_whole(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file through a temporary name, so that no reader ever sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def parquet_bytes(table: pa.Table) -> pa.Buffer:
    """A table as Parquet: the same table gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3, use_dictionary=True)
    return sink.getvalue()


def json_bytes(value: Any) -> bytes:
    """JSON with sorted keys."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def check_free(out: Path, *, overwrite: bool) -> None:
    """Raise FolderError unless results may be written to ``out``."""
    if not out.exists():
        parent = next(p for p in (out, *out.parents) if p.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise FolderError(f"cannot write {out}: {parent} is read-only or no folder")
        return
    if not out.is_dir():
        raise FolderError(f"{out} is a file; choose another --out")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise FolderError(f"{out} already holds files; choose another --out or add --overwrite")
    if not (out / "manifest.json").is_file():
        raise FolderError(f"{out} holds files but no run of flexpolder; it is not overwritten, choose another --out")
