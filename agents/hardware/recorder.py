"""Every message with both clocks: first a journal that survives a kill, at the end a Parquet file."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from agents.hardware import wire
from agents.hardware.clock import Clock

COLUMNS: dict[str, tuple[pl.DataType, str]] = {
    "seq": (pl.Int64(), "order of arrival"),
    "utc_s": (pl.Float64(), "wall-clock UTC since 1970, s"),
    "mono_s": (pl.Float64(), "monotonic clock, s"),
    "station": (pl.String(), "station"),
    "direction": (pl.String(), "in, out, or own = a command or event of ours"),
    "kind": (pl.Int64(), "2 call, 3 result, 4 error, 6 send, 0 own"),
    "message_id": (pl.String(), "id of the message"),
    "action": (pl.String(), "action of the call, or name of what we did"),
    "payload": (pl.String(), "JSON; identities hashed, secrets left out"),
    "error": (pl.String(), "error code"),
    "bytes": (pl.Int64(), "size on the wire, B"),
}
"""Columns of a recording: type and meaning."""
_SCHEMA = {name: kind for name, (kind, _) in COLUMNS.items()}


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
        self._journal: IO[str] | None = self.path.open("w")
        self._waiting: list[tuple[Any, ...]] = []

    def frame(self, station: str, direction: str, frame: wire.Frame, size: int) -> None:
        """Note one frame of the wire; it is written at the next :meth:`flush`, so that no set-point waits for it."""
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        head = (station, direction, frame.kind, frame.message_id, frame.action)
        self._waiting.append((self._clock.utc_s(), self._clock.mono_s(), *head, payload, frame.error_code, size))

    def own(self, station: str, action: str, **details: Any) -> None:
        """Note what we did or what happened to us."""
        head = (station, "own", 0, "", action)
        self._waiting.append((self._clock.utc_s(), self._clock.mono_s(), *head, details, "", 0))

    def flush(self) -> None:
        """Write what waits; identities are hashed and secrets left out here."""
        if self._journal is None:
            return
        waiting, self._waiting = self._waiting, []
        for utc_s, mono_s, station, direction, kind, message_id, action, payload, error, size in waiting:
            self._seq += 1
            text = json.dumps(wire.redact(payload, self._salt) if kind else payload)
            row = (self._seq, utc_s, mono_s, station, direction, kind, message_id, action, text, error, size)
            self._journal.write(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n")
        self._journal.flush()

    def close(self) -> Path | None:
        """End the journal and write it as Parquet; None if it was closed before."""
        if self._journal is None:
            return None
        self.flush()
        self._journal.close()
        self._journal = None
        return to_parquet(self.path)


def to_parquet(journal: Path) -> Path:
    """Turn a journal into Parquet and remove it; a half-written last line (a kill) is left out."""
    target = journal.with_suffix(".parquet")
    unfinished = journal.with_suffix(".parquet.tmp")
    _cut_last_line(journal)
    if journal.stat().st_size:
        pl.scan_ndjson(journal, schema=_SCHEMA).sink_parquet(unfinished, compression="zstd")
    else:
        pl.DataFrame(schema=_SCHEMA).write_parquet(unfinished)
    unfinished.replace(target)
    journal.unlink()
    return target


def _cut_last_line(journal: Path) -> None:
    """End the file after its last whole line."""
    with journal.open("rb+") as file:
        end = file.seek(0, 2)
        start = max(0, end - 4 * wire.MAX_BYTES)
        file.seek(start)
        tail = file.read()
        file.truncate(start + tail.rfind(b"\n") + 1)


def recover(folder: Path) -> list[Path]:
    """Turn journals that killed runs left into Parquet."""
    return [to_parquet(path) for path in sorted(folder.glob("messages-*.jsonl"))]


def read(path: Path) -> list[Row]:
    """Recorded messages in order; ``path`` is a file or a folder of one run."""
    files = sorted(path.glob("messages-*.parquet")) if path.is_dir() else [path]
    rows = [Row(**row) for file in files for row in pl.read_parquet(file).iter_rows(named=True)]
    return rows if len(files) < 2 else sorted(rows, key=lambda r: (r.utc_s, r.seq))
