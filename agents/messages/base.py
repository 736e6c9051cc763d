"""What every message has: sender, receiver and protocol, and its size in things and in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np


@dataclass(frozen=True)
class Message:
    """Base of all messages."""

    sender: ClassVar[str] = ""
    receiver: ClassVar[str] = ""
    protocol: ClassVar[str] = ""
    functions: ClassVar[tuple[str, ...]] = ()
    """IDs of ``docs/roles.md`` that sending the message carries out."""
    row: ClassVar[str] = ""
    """Field that names the many ends (stations, sessions, connections) a batch speaks of; empty: it is one thing."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Fields that do not run along :attr:`row`."""
    is_momentary: ClassVar[bool] = False
    """An order or a reading of this moment: worthless later, so nobody keeps it for a link that is down."""

    def _values(self) -> Iterable[Any]:
        return vars(self).values()

    @property
    def rows(self) -> np.ndarray:
        """The many ends this batch speaks of; empty if it speaks of one thing."""
        return np.asarray(getattr(self, self.row)) if self.row else np.zeros(0, dtype=np.int64)

    def take(self, keep: np.ndarray) -> Self:
        """The same batch for some of its ends, chosen by a mask or by positions."""
        along = [f.name for f in fields(self) if f.name not in self.apart]
        return replace(self, **{n: v[keep] for n in along if isinstance(v := getattr(self, n), np.ndarray)})

    @property
    def size(self) -> tuple[int, int]:
        """Both :attr:`n_items` and :attr:`n_bytes`, in one look."""
        most, total = 1, 0
        for value in self._values():
            if isinstance(value, np.ndarray):
                total += value.nbytes
                if value.ndim and len(value) > most:
                    most = len(value)
            else:
                total += 8
        return most, total

    @property
    def n_items(self) -> int:
        """Number of things the batch speaks of: the longest array, at least one."""
        return self.size[0]

    @property
    def n_bytes(self) -> int:
        """Size of the content: arrays as they are, anything else as eight bytes."""
        return self.size[1]
