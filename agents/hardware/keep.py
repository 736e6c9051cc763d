"""What outlives a run: one lease per station (only one run steers it) and what is known of the station."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from agents.hardware.register import Mark
from agents.hardware.wishes import Known


class LeaseHeld(RuntimeError):
    """Another run steers the station."""


class Leases:
    """Exclusive hold of stations; ends with the process, however it ends.

    Parameters
    ----------
    folder : Path
        Where the lock files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, IO[str]] = {}

    def take(self, station_id: str) -> None:
        """Hold one station.

        Raises
        ------
        LeaseHeld
            If another run holds it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / f"{quote(station_id, safe='')}.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise LeaseHeld(f"station {station_id!r} is held by another run") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._held[station_id] = file

    def release(self) -> None:
        """Give all back."""
        for file in self._held.values():
            file.close()
        self._held.clear()

    def __enter__(self) -> Leases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def stop_button(folder: Path) -> Path:
    """File whose existence is the emergency stop of the stations of a state folder."""
    return folder / "EMERGENCY_STOP"


def read_known(folder: Path, station_id: str) -> Known:
    """What earlier runs left about a station; nothing if the file is missing or damaged."""
    try:
        raw = json.loads(kept_at(folder, station_id).read_text())
        mark = raw.get("mark")
        return Known(raw.get("falls_back"), str(raw.get("identity", "")), Mark(**mark) if mark else None)
    except (OSError, ValueError, TypeError, AttributeError):
        return Known()


def write_known(folder: Path, station_id: str, known: Known) -> None:
    """Keep it for the next run; the file is replaced in one go."""
    path = kept_at(folder, station_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(asdict(known)))
    fresh.replace(path)


def kept_at(folder: Path, station_id: str) -> Path:
    """File of what is known of a station."""
    return folder / "stations" / f"{quote(station_id, safe='')}.json"
