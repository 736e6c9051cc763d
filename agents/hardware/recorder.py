"""Every message with both clocks: first a journal that survives a kill, at the end a Parquet file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from agents.hardware import wire
from agents.hardware.clock import Clock

SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), metadata={"meaning": "order of arrival"}),
        pa.field("utc_s", pa.float64(), metadata={"unit": "s", "meaning": "wall-clock UTC since 1970"}),
        pa.field("mono_s", pa.float64(), metadata={"unit": "s", "meaning": "monotonic clock"}),
        pa.field("station", pa.string(), metadata={"meaning": "station"}),
        pa.field("direction", pa.string(), metadata={"meaning": "in, out, or own = a command or event of ours"}),
        pa.field("kind", pa.int8(), metadata={"meaning": "2 call, 3 result, 4 error, 6 send, 0 own"}),
        pa.field("message_id", pa.string(), metadata={"meaning": "id of the message"}),
        pa.field("action", pa.string(), metadata={"meaning": "action of the call, or name of what we did"}),
        pa.field("payload", pa.string(), metadata={"meaning": "JSON; identities hashed, secrets left out"}),
        pa.field("error", pa.string(), metadata={"meaning": "error code"}),
        pa.field("bytes", pa.int32(), metadata={"unit": "B", "meaning": "size on the wire"}),
    ]
)
_BATCH = 20_000


@dataclass(frozen=True)
class Row:
    """One recorded message."""

    seq: int
    utc_s: float
    mono_s: float
    station: str
    direction: str
    kind: int
    message_id: str
    action: str
    payload: str
    error: str
    bytes: int

    @property
    def body(self) -> dict[str, Any]:
        """Payload as an object."""
        found = json.loads(self.payload or "{}")
        return found if isinstance(found, dict) else {}


class Recorder:
    """Writes the messages of one run.

    Parameters
    ----------
    folder : Path
        Where; a journal that an earlier, killed run left there is turned into Parquet first.
    clock : Clock
        Clocks.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        recover(folder)
        self._clock, self._salt, self._seq = clock, secrets.token_bytes(16), 0
        self.path = folder / f"messages-{int(clock.utc_s() * 1000)}.jsonl"
        self._journal: IO[str] | None = self.path.open("w", buffering=1)

    def frame(self, station: str, direction: str, frame: wire.Frame, size: int) -> None:
        """Note one frame of the wire."""
        payload = wire.redact(frame.payload, self._salt) if isinstance(frame.payload, dict) else {}
        self._write(station, direction, frame.kind, frame.message_id, frame.action, payload, frame.error_code, size)

    def own(self, station: str, action: str, **details: Any) -> None:
        """Note what we did or what happened to us."""
        self._write(station, "own", 0, "", action, details, "", 0)

    def _write(
        self, station: str, direction: str, kind: int, message_id: str, action: str, payload: Any, error: str, size: int
    ) -> None:
        if self._journal is None:
            return
        self._seq += 1
        row = (
            self._seq, self._clock.utc_s(), self._clock.mono_s(), station, direction, kind, message_id, action,
            json.dumps(payload), error, size,
        )  # fmt: skip
        self._journal.write(json.dumps(row) + "\n")

    def close(self) -> Path | None:
        """End the journal and write it as Parquet; None if it was closed before."""
        if self._journal is None:
            return None
        self._journal.close()
        self._journal = None
        return to_parquet(self.path)


def to_parquet(journal: Path) -> Path:
    """Turn a journal into Parquet and remove it; a half-written last line (a kill) is left out."""
    target = journal.with_suffix(".parquet")
    unfinished = journal.with_suffix(".parquet.tmp")
    with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        rows: list[list[Any]] = []
        for row in _lines(journal):
            rows.append(row)
            if len(rows) >= _BATCH:
                writer.write_table(_table(rows))
                rows = []
        writer.write_table(_table(rows))
    unfinished.replace(target)
    journal.unlink()
    return target


def recover(folder: Path) -> list[Path]:
    """Turn journals that killed runs left into Parquet."""
    return [to_parquet(path) for path in sorted(folder.glob("messages-*.jsonl"))]


def _lines(journal: Path) -> Iterator[list[Any]]:
    with journal.open() as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _table(rows: list[list[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMA)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def read(path: Path) -> list[Row]:
    """Recorded messages in order; ``path`` is a file or a folder of one run."""
    files = sorted(path.glob("messages-*.parquet")) if path.is_dir() else [path]
    rows = [Row(**row) for file in files for row in pq.read_table(file).to_pylist()]
    return rows if len(files) < 2 else sorted(rows, key=lambda r: (r.utc_s, r.seq))
