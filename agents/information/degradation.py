"""Data that do not come, come late or are wrong: what a receiver gets instead of the true item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from agents.information.items import ITEMS, Carrier
from agents.messages import MESSAGES, Message

STAY_MIN = 480.0
"""Noise of a time is a share of a stay of eight hours."""


@dataclass(frozen=True)
class Degradation:
    """What is wrong with one item on its way to one role.

    Attributes
    ----------
    item : str
        One of :data:`agents.information.items.ITEMS`.
    receiver : str
        Role that gets it badly; empty = all.
    is_off : bool
        It does not come at all.
    missing_share : float
        Share of cars, stations or messages of which it does not come.
    noise_share : float
        Standard deviation of its error, share of its value (of a stay of eight hours, for times).
    delay_min : float
        How much later than usual it comes; the whole message that carries it waits.
    """

    item: str
    receiver: str = ""
    is_off: bool = False
    missing_share: float = 0.0
    noise_share: float = 0.0
    delay_min: float = 0.0

    def carriers(self) -> tuple[Carrier, ...]:
        """Messages concerned."""
        found = (c for c in ITEMS[self.item].carriers if c.message in MESSAGES)
        return tuple(c for c in found if self.receiver in ("", MESSAGES[c.message].receiver))


def absent_for(degradations: Sequence[Degradation], receiver: str) -> frozenset[str]:
    """Items that a role does not get at all, which it knows: it has no contract for them."""
    return frozenset(d.item for d in degradations if d.is_off and d.receiver in ("", receiver))


@dataclass
class Accuracy:
    """Sum of what was told and of how far it was off, for one message type."""

    told: float = 0.0
    error: float = 0.0
    values: int = 0
    missing: int = 0


class DataQuality:
    """A screen of the links: changes items as a scenario says, the same ones for the same car or station.

    Parameters
    ----------
    degradations : sequence of Degradation
        What is wrong.
    n_rows : int
        Upper bound of row numbers (sessions, points, connections).
    rng : numpy.random.Generator
        Chance.
    """

    def __init__(self, degradations: Sequence[Degradation], n_rows: int, rng: np.random.Generator) -> None:
        self._by_kind: dict[type[Message], list[tuple[Degradation, Carrier]]] = {}
        for d in degradations:
            for carrier in d.carriers():
                self._by_kind.setdefault(MESSAGES[carrier.message], []).append((d, carrier))
        self._draw = {d.item: rng.random(n_rows) for d in degradations}
        self._rng = rng
        self.accuracy: dict[type[Message], Accuracy] = {}

    def touches(self, kind: type[Message]) -> bool:
        """Whether messages of a kind carry an item that is not right."""
        return kind in self._by_kind

    def delay_s(self, kind: type[Message]) -> float:
        """Extra delay of a message type."""
        return max((60.0 * d.delay_min for d, _ in self._by_kind.get(kind, ())), default=0.0)

    def screen(self, message: Message, period: int) -> Message | None:
        """The message as its receiver gets it."""
        kept: Message | None = message
        for degradation, carrier in self._by_kind[type(message)]:
            if kept is None:
                return None
            kept = self._change(kept, degradation, carrier)
        return kept

    def _change(self, message: Message, d: Degradation, carrier: Carrier) -> Message | None:
        gone = self._gone(message, d)
        if not carrier.fields:
            kept = self._without(message, gone)
            return kept if kept is None or not d.noise_share else self._noisy(kept, d, _real_fields(kept))
        changed = self._noisy(message, d, carrier.fields) if d.noise_share else message
        if not gone.any():
            return changed
        self._quality(type(message)).missing += int(np.sum(gone))
        return replace(changed, **{n: _blank(getattr(changed, n), gone) for n in carrier.fields})

    def _gone(self, message: Message, d: Degradation) -> np.ndarray:
        """Rows of which the item does not come."""
        n = len(message.rows) if message.row else 1
        if d.is_off:
            return np.ones(n, dtype=bool)
        if not d.missing_share:
            return np.zeros(n, dtype=bool)
        draw = self._draw[d.item][message.rows] if message.row else self._rng.random(1)
        return np.asarray(draw < d.missing_share)

    def _without(self, message: Message, gone: np.ndarray) -> Message | None:
        if not gone.any():
            return message
        self._quality(type(message)).missing += int(np.sum(gone))
        if not message.row or (gone.all() and not message.apart):
            return None
        return message.take(~gone)

    def _noisy(self, message: Message, d: Degradation, names: Sequence[str]) -> Message:
        changed: dict[str, Any] = {}
        for name in names:
            true = getattr(message, name)
            if isinstance(true, np.ndarray) and true.dtype.kind == "f":
                scale = STAY_MIN if name.endswith("_min") else np.abs(true)
                error = self._rng.normal(0.0, d.noise_share, true.shape) * scale
                changed[name] = (
                    true + error if name.endswith("_min") else np.where(true >= 0, 1, -1) * np.abs(true + error)
                )
                known = np.isfinite(true)
                q = self._quality(type(message))
                q.told += float(np.sum(np.abs(scale * np.ones(true.shape))[known]))
                q.error += float(np.sum(np.abs(changed[name] - true)[known]))
                q.values += int(np.sum(known))
            elif isinstance(true, float):
                changed[name] = true * (1.0 + float(self._rng.normal(0.0, d.noise_share)))
        return replace(message, **changed)

    def _quality(self, kind: type[Message]) -> Accuracy:
        return self.accuracy.setdefault(kind, Accuracy())


def _real_fields(message: Message) -> list[str]:
    return [f.name for f in fields(message) if not f.name.endswith("_row")]


def _blank(value: Any, gone: np.ndarray) -> Any:
    """What stands where an item does not come: not a number, no row, no wish."""
    if not isinstance(value, np.ndarray):
        return float("nan") if isinstance(value, float) else 0
    along = gone if len(gone) == len(value) else np.ones(len(value), dtype=bool)
    fill = np.nan if value.dtype.kind == "f" else False if value.dtype.kind == "b" else -1
    blank = value.copy()
    blank[along] = fill
    return blank
