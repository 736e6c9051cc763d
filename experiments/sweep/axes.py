"""Axes of a sweep: from a position between 0 and 1 to a value of a lever or an uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from experiments.scenario.checks import bounds_at, keys_at
from experiments.scenario.faults import Fault, nearest
from experiments.sweep.file import AxisSection
from markets.levers import levers

LABELS = ("scenario.seed", "scenario.name", "scenario.description", "scenario.base")
"""Keys that shape no result, or that replications set."""


@dataclass(frozen=True)
class Axis:
    """One varied key.

    Parameters
    ----------
    key : str
        Dotted key of the scenario.
    values : tuple
        The values of a discrete axis; empty for a range.
    low, high : float
        Ends of a range.
    levels : int
        Values of a range in factorial designs.
    is_log, is_whole : bool
        Spacing by ratio; whole numbers only.
    """

    key: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    levels: int = 3
    is_log: bool = False
    is_whole: bool = False

    def at(self, position: float) -> Any:
        """Value at a position in [0, 1]; discrete axes cut the unit interval into equal parts."""
        if self.values:
            return self.values[min(int(position * len(self.values)), len(self.values) - 1)]
        if self.is_log:
            value = float(np.exp(np.log(self.low) + position * (np.log(self.high) - np.log(self.low))))
        else:
            value = self.low + position * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_whole else float(f"{value:.12g}")

    def grid(self) -> tuple[Any, ...]:
        """All values of a discrete axis, or the levels of a range without repetition."""
        if self.values:
            return self.values
        return tuple(dict.fromkeys(self.at(p) for p in np.linspace(0.0, 1.0, self.levels).tolist()))


def axis_of(section: AxisSection, file: str, place: str) -> tuple[Axis | None, list[Fault]]:
    """Build an axis, or say what is wrong with it."""
    known = keys_at(section.key.split(".")[:-1])
    last = section.key.rpartition(".")[2]
    if last not in known:
        kind = "lever" if section.key.startswith("regulation.") else "key"
        return None, [Fault(file, f"{place}.key", f"'{section.key}': unknown {kind}; {nearest(last, known)}")]
    if is_label(section.key):
        return None, [Fault(file, f"{place}.key", not_swept(section.key))]
    if section.values is not None:
        return _discrete(section, file, place)
    if section.low is None and section.high is None:
        return _whole_range(section, file, place)
    return _range(section, file, place)


def is_label(key: str) -> bool:
    """Whether a key changes no result, so that varying it would compare a scenario with itself."""
    return key in LABELS or key.partition(".")[0] == "output"


def not_swept(key: str) -> str:
    """Why such a key is refused."""
    return f"'{key}' cannot be swept; replications set the seed, and labels and outputs change no result"


def _discrete(section: AxisSection, file: str, place: str) -> tuple[Axis | None, list[Fault]]:
    values = section.values or []
    if section.low is not None or section.high is not None:
        return None, [Fault(file, f"{place}.values", "give values or low and high, not both")]
    if not values:
        return None, [Fault(file, f"{place}.values", "is empty: the design has no points")]
    if any(_is_same(a, b) for a, b in combinations(values, 2)):
        return None, [Fault(file, f"{place}.values", f"{values} holds a value twice")]
    return Axis(section.key, tuple(values)), []


def _is_same(a: Any, b: Any) -> bool:
    """Equal values; 1 and 1.0 are the same, 1 and true are not."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _range(section: AxisSection, file: str, place: str) -> tuple[Axis | None, list[Fault]]:
    low, high = section.low, section.high
    if low is None or high is None:
        return None, [Fault(file, place, "a range needs both low and high")]
    if low >= high:
        return None, [Fault(file, f"{place}.low", f"{low:g} is not below high = {high:g}: the design has no points")]
    if section.scale == "log" and low <= 0:
        return None, [Fault(file, f"{place}.low", f"{low:g} must be above 0 for scale = 'log'")]
    kind = _kind(section.key)
    if kind not in {"int", "float"}:
        return None, [Fault(file, place, f"'{section.key}' is no number; give values")]
    return Axis(section.key, (), low, high, section.levels, section.scale == "log", kind == "int"), []


def _whole_range(section: AxisSection, file: str, place: str) -> tuple[Axis | None, list[Fault]]:
    """Everything that the key's declaration allows."""
    kind = _kind(section.key)
    declared = next((f for f in levers() if f"regulation.{f.name}" == section.key), None)
    if declared is not None and declared.metadata["choices"]:
        return Axis(section.key, tuple(declared.metadata["choices"])), []
    if kind == "bool":
        return Axis(section.key, (False, True)), []
    if kind not in {"int", "float"}:
        return None, [Fault(file, place, f"'{section.key}' has no range of its own; give values")]
    if declared is not None:
        low, high = declared.metadata["low"], declared.metadata["high"]
    else:
        low, high = bounds_at(tuple(section.key.split(".")))
    filled = section.model_copy(update={"low": float(low), "high": float(high)})
    return _range(filled, file, place)


def _kind(key: str) -> str:
    """Name of the type of a scenario key."""
    from experiments.scenario.checks import annotation_at

    declared = next((f for f in levers() if f"regulation.{f.name}" == key), None)
    return type(declared.default).__name__ if declared is not None else annotation_at(key.split("."))


def overlap_faults(placed: Sequence[tuple[str, str]], file: str) -> list[Fault]:
    """Faults for keys that stand twice or within each other (``fleet.home`` and ``fleet.home.evs``).

    Parameters
    ----------
    placed : sequence of (place, key)
        Where each varied key stands in the file; a key and the keys below it can only be varied in one place.
    file : str
        Name for faults.
    """
    faults = []
    for row, (place, key) in enumerate(placed):
        for before, other in placed[:row]:
            if is_within(key, other) or is_within(other, key):
                said = "is already varied by" if key == other else f"overlaps '{other}' of"
                faults.append(Fault(file, place, f"'{key}' {said} {before.removesuffix('.key')}"))
                break
    return faults


def is_within(key: str, other: str) -> bool:
    """Whether a key is another one or lies below it."""
    return key == other or key.startswith(f"{other}.")
