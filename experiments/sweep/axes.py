"""Axes of a sweep: from a position between 0 and 1 to a value of a lever or an uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.scenario.checks import bounds_at, keys_at
from experiments.scenario.faults import Fault, nearest
from experiments.sweep.file import AxisSection
from markets.levers import levers


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
    if section.key in {"scenario.seed", "scenario.name", "scenario.description", "scenario.base"}:
        return None, [Fault(file, f"{place}.key", f"'{section.key}' cannot be swept; replications set the seed")]
    if section.values is not None:
        return _discrete(section, file, place)
    if section.low is None and section.high is None:
        return _whole_range(section, file, place)
    return _range(section, file, place)


def _discrete(section: AxisSection, file: str, place: str) -> tuple[Axis | None, list[Fault]]:
    values = section.values or []
    if section.low is not None or section.high is not None:
        return None, [Fault(file, f"{place}.values", "give values or low and high, not both")]
    if not values:
        return None, [Fault(file, f"{place}.values", "is empty: the design has no points")]
    if len({repr(v) for v in values}) < len(values):
        return None, [Fault(file, f"{place}.values", f"{values} holds a value twice")]
    return Axis(section.key, tuple(values)), []


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


def overlap_faults(axes: Sequence[tuple[str, Axis]], file: str) -> list[Fault]:
    """Faults for keys that stand twice, among levers or on both sides."""
    faults = []
    first: dict[str, str] = {}
    for place, axis in axes:
        if axis.key in first:
            faults.append(Fault(file, f"{place}.key", f"'{axis.key}' is already varied by {first[axis.key]}"))
        first.setdefault(axis.key, place)
    return faults
