"""The simulation's end of the pipe to the central system's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

MOST_UNSENT = 4_000_000
START_PATIENCE_S = 30.0


class HardwareFault(RuntimeError):
    """The central system could not start; one line for the user."""


class CentralProcess:
    """Starts the process, writes lines to it without ever blocking, and hands on what it says.

    Parameters
    ----------
    first_line : str
        Settings as JSON.
    folder : Path
        Where its log goes.
    hear : callable
        Takes every message, in a thread of its own, while ``changed`` is held.

    Raises
    ------
    HardwareFault
        If it does not start.
    """

    def __init__(self, first_line: str, folder: Path, hear: Callable[[dict[str, Any]], None]) -> None:
        self.changed = threading.Condition()
        self._hear, self._unsent = hear, b""
        self._answer: dict[str, Any] = {}
        self._process = self._spawn(folder)
        self._reader = threading.Thread(target=self._listen, name="hardware-port", daemon=True)
        self._reader.start()
        self._write(first_line.encode() + b"\n")
        self.port = self._await_start()

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; what the pipe does not take now goes with the next one."""
        self._write(json.dumps(message).encode() + b"\n")

    def wait_until(self, is_true: Callable[[], bool], patience_s: float) -> bool:
        """Wait for something that ``hear`` brings; ends early if the process dies."""
        with self.changed:
            self.changed.wait_for(lambda: is_true() or not self.is_running, patience_s)
            return is_true()

    def end(self) -> None:
        """Close the pipe and wait for the end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(2.0)

    def _spawn(self, folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "central.log").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "agents.hardware.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=Path(__file__).resolve().parents[2],
            )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _await_start(self) -> int:
        self.wait_until(lambda: bool(self._answer), START_PATIENCE_S)
        if self._answer.get("kind") == "started":
            return int(self._answer["port"])
        self.end()
        raise HardwareFault(self._answer.get("reason", "the central system did not start; see its log"))

    def _write(self, line: bytes) -> None:
        self._unsent += line
        assert self._process.stdin is not None
        try:
            while self._unsent:
                written = os.write(self._process.stdin.fileno(), self._unsent[:65536])
                self._unsent = self._unsent[written:]
        except BlockingIOError:
            if len(self._unsent) > MOST_UNSENT:  # it is stuck: keep the line that is half written, drop the rest
                self._unsent = self._unsent[: self._unsent.find(b"\n") + 1]
        except (ValueError, OSError):
            self._unsent = b""

    def _listen(self) -> None:
        assert self._process.stdout is not None
        stream: IO[bytes] = self._process.stdout
        for line in stream:
            message = json.loads(line)
            with self.changed:
                self._answer = self._answer or message
                self._hear(message)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()
