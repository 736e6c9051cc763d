"""The door of every role: what comes in is checked first, and what is refused is counted and changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

import numpy as np

from agents.information.envelope import Directory, Envelope
from agents.messages import MESSAGES, Message

DAY_S = 86400.0
"""A message older than this is of no use to anybody any more."""
REASONS = (
    "wrong_schema", "unknown_sender", "expired_certificate", "untrusted_root", "bad_signature", "impossible_value",
    "twice", "out_of_order", "a_day_late",
)  # fmt: skip
"""Why a message is refused, in the order of the checks."""

_ANY = (-np.inf, np.inf)
BOUNDS: dict[str, tuple[float, float]] = {
    "limit_kw": _ANY, "target_kw": _ANY, "fallback_kw": (0.0, np.inf), "power_kw": (-1e6, 1e6),
    "soc_kwh": (0.0, 5e3), "capacity_kwh": (0.0, 5e3), "soh_share": (0.0, 1.2), "limit_share": (0.0, 1.0),
    "location_row": (-1, 1e8), "transaction_row": (-1, 1e8), "group_row": (-1, 1e8), "efficiency_share": (0.0, 1.0),
    "regulation_state": (-1, 2), "sign": (-1, 1), "first_period": (-1000, 1e6), "period": (-1000, 1e6),
}  # fmt: skip
"""Lowest and highest possible value of some fields; an infinite limit means that there is none."""
BOUNDS_BY_UNIT: dict[str, tuple[float, float]] = {
    "_row": (0, 1e8), "_kw": (-1e6, 1e6), "_kwh": (-5e3, 5e3), "_mw": (-1e6, 1e6), "_min": (-1e7, 1e7),
    "_share": (-10.0, 10.0), "_eur_per_mwh": (-1e5, 1e5), "_eur_per_kwh": (-1e2, 1e2), "_eur": (-1e6, 1e6),
}  # fmt: skip
"""The same by unit for all other fields: far beyond anything that occurs, so that only broken values fall out."""


def bounds_of(name: str) -> tuple[float, float]:
    """Lowest and highest possible value of a field."""
    if name in BOUNDS:
        return BOUNDS[name]
    return next((b for unit, b in BOUNDS_BY_UNIT.items() if name.endswith(unit)), _ANY)


@cache
def _plan(kind: Any) -> tuple[tuple[str, str, float, float], ...]:
    """Name, declared type, lowest and highest value of each field."""
    return tuple((f.name, str(f.type), *bounds_of(f.name)) for f in fields(kind))


def is_sound(message: Any) -> bool:
    """Whether form and values of a message are beyond doubt; where not, the two functions below say what is wrong.

    Nearly all messages pass, so this looks at every field once.
    """
    kind: Any = type(message)
    registered: Any = MESSAGES.get(kind.__name__)
    if registered is not kind:
        return False
    rows = getattr(message, kind.row) if kind.row else None
    n = len(rows) if isinstance(rows, np.ndarray) and rows.ndim else -1
    for name, wanted, low, high in _plan(kind):
        value = getattr(message, name)
        if wanted != "np.ndarray":
            if not isinstance(value, int | float | np.integer | np.floating) or not low <= value <= high:
                return False
        elif (
            not isinstance(value, np.ndarray)
            or value.dtype.kind not in "biuf"
            or (kind.row and name not in kind.apart and (value.ndim == 0 or len(value) != n))
            or (
                value.size
                and value.dtype.kind != "b"
                and (low, high) != _ANY
                and (np.fmin.reduce(value, axis=None) < low or np.fmax.reduce(value, axis=None) > high)
            )
        ):
            return False
    return True


def schema_fault(message: Any) -> str:
    """Say what is wrong with the form of a message; empty if nothing is."""
    name = type(message).__name__
    if not isinstance(message, Message) or MESSAGES.get(name) is not type(message):
        return f"{name} is no message of this market"
    n = len(message.rows) if message.row and isinstance(getattr(message, message.row), np.ndarray) else -1
    kind: Any = type(message)
    for name, wanted, _, _ in _plan(kind):
        value = getattr(message, name)
        if wanted == "np.ndarray":
            if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
                return f"{name} is no array of numbers"
            if message.row and name not in message.apart and (value.ndim == 0 or len(value) != n):
                return f"{name} does not speak of {n} things"
        elif not isinstance(value, int | float | np.integer | np.floating):
            return f"{name} is no number"
    return ""


def possible(message: Message) -> np.ndarray | bool:
    """Whether every value can be: one truth, or one per row of a batch that speaks of many ends."""
    bad_rows: np.ndarray | None = None
    kind: Any = type(message)
    for name, _, low, high in _plan(kind):
        value = getattr(message, name)
        if isinstance(value, np.ndarray):
            if not value.size or value.dtype.kind == "b" or (low, high) == _ANY:
                continue
            if not (np.fmin.reduce(value, axis=None) < low or np.fmax.reduce(value, axis=None) > high):
                continue
            if not message.row or name in message.apart:
                return False
            bad = np.asarray(((value < low) | (value > high)).reshape(len(value), -1).any(axis=1))
            bad_rows = bad if bad_rows is None else bad_rows | bad
        elif not low <= value <= high:
            return False
    return True if bad_rows is None else ~bad_rows


@dataclass
class Gate:
    """Checks what arrives.

    Parameters
    ----------
    directory : Directory
        Who is known and trusted.
    is_verified : bool
        Signatures and the order of messages are checked; without it anybody who writes a known name is believed.

    Attributes
    ----------
    refused : Counter of (message kind, reason)
        Things refused.
    """

    directory: Directory
    is_verified: bool = True
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._newest: dict[tuple[type, str], int] = {}
        self._gaps: dict[tuple[type, str], set[int]] = {}

    def admit(self, envelope: Envelope, now_s: float) -> Message | None:
        """The message, or what of it can be believed; None if it is refused."""
        message: Message = envelope.message
        has_doubt = not is_sound(message)
        reason = self._fault(envelope, now_s, has_doubt)
        if reason:
            self._refuse(message, reason)
            return None
        is_possible = possible(message) if has_doubt else True
        if has_doubt and not np.any(is_possible):
            self._refuse(message, "impossible_value")
            return None
        reason = self._order_fault(envelope) if self.is_verified else ""
        if reason:
            self._refuse(message, reason)
            return None
        return message if isinstance(is_possible, bool) else self._part(message, is_possible)

    def _fault(self, envelope: Envelope, now_s: float, has_doubt: bool) -> str:
        message, directory, certificate = envelope.message, self.directory, envelope.certificate
        if has_doubt and schema_fault(message):
            return "wrong_schema"
        if envelope.sender_role != message.sender or not directory.knows(message.sender, envelope.party):
            return "unknown_sender"
        if self.is_verified:
            if certificate.valid_until_s < now_s:
                return "expired_certificate"
            if not directory.trusts(message.receiver, certificate.root):
                return "untrusted_root"
            if envelope.signed_by != envelope.party or certificate.party != envelope.party:
                return "bad_signature"
        return "a_day_late" if now_s - envelope.sent_s > DAY_S else ""

    def _order_fault(self, envelope: Envelope) -> str:
        """Refuse what came already and what is older than something that came; note the rest."""
        key = (type(envelope.message), envelope.party)
        newest = self._newest.get(key, -1)
        if envelope.sequence == newest + 1:
            self._newest[key] = envelope.sequence
            return ""
        gaps = self._gaps.setdefault(key, set())
        if envelope.sequence <= newest:
            return "out_of_order" if envelope.sequence in gaps else "twice"
        gaps.update(range(newest + 1, envelope.sequence))
        self._newest[key] = envelope.sequence
        return ""

    def _part(self, message: Message, is_possible: np.ndarray) -> Message:
        """The rows of a batch that can be."""
        self.refused[type(message).__name__, "impossible_value"] += int(np.sum(~is_possible))
        return message.take(is_possible)

    def _refuse(self, message: Any, reason: str) -> None:
        n = message.n_items if reason != "wrong_schema" else 1
        self.refused[type(message).__name__, reason] += n
