"""What a claim is, what counts as evidence, and how a verdict follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval
from experiments.results import Results

SUPPORTED, NOT_SUPPORTED, CONDITIONAL = "supported", "not supported", "conditional"
NO_VERDICT = "no verdict"
"""Of a claim whose runs failed, so that nothing was measured."""


@dataclass(frozen=True)
class Check:
    """One measured figure against a limit.

    Parameters
    ----------
    what : str
        What was measured, in words.
    found : Interval
        Mean and 95 % interval over independent draws; a half width of 0 for what follows without chance.
    unit : str
        Unit of the figure.
    above, below : float, optional
        The limit the figure must be above (or below) with its whole interval; none = told, but not judged.
    """

    what: str
    found: Interval
    unit: str = ""
    above: float | None = None
    below: float | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it bears on the verdict."""
        return self.above is not None or self.below is not None

    @property
    def holds(self) -> bool | None:
        """True or False if the interval lies on one side of the limit; None if it holds the limit or there is none."""
        limit = self.above if self.above is not None else self.below
        if limit is None or not isfinite(self.found.mean):
            return None
        half = self.found.half_width if isfinite(self.found.half_width) else float("inf")
        distance = (self.found.mean - limit) * (1.0 if self.above is not None else -1.0)
        if distance - half > 0.0:
            return True
        return False if distance + half <= 0.0 else None


def over(what: str, values: Sequence[float] | np.ndarray, unit: str = "", **limit: float) -> Check:
    """A check on values of independent draws; values that never differ need no interval."""
    found = mean_interval(np.asarray(values, dtype=np.float64))
    if found.n >= 1 and np.ptp(np.asarray(values, dtype=np.float64)) == 0.0:
        found = Interval(found.mean, 0.0, found.n)
    return Check(what, found, unit, **limit)


def certain(what: str, value: float, unit: str = "", **limit: float) -> Check:
    """A check on a figure without chance."""
    return Check(what, Interval(float(value), 0.0, 1), unit, **limit)


def verdict_of(checks: Sequence[Check]) -> str:
    """Supported if every judged check holds, not supported if none does, conditional between.

    Without a value of a judged check there is no verdict.
    """
    if any(c.is_judged and not isfinite(c.found.mean) for c in checks):
        return NO_VERDICT
    judged = [c.holds for c in checks if c.is_judged]
    if judged and all(h is True for h in judged):
        return SUPPORTED
    return CONDITIONAL if any(h is True for h in judged) else NOT_SUPPORTED


@dataclass(frozen=True)
class Evidence:
    """What an experiment found: checks, and one sentence on what they hinge on."""

    checks: tuple[Check, ...]
    remark: str = ""


Differences = Callable[[str, str, str], np.ndarray]
"""(policy, base policy, figure) → paired differences, one a replication; base "" → the figure itself."""

Figures = Callable[[Results], pl.DataFrame]
"""More figures of every run from its kept tables: columns ``design``, ``replication`` and one for each figure."""


@dataclass(frozen=True)
class Bench:
    """An experiment on parts of the model.

    Parameters
    ----------
    run : callable
        Takes the number of independent draws and the size.
    size : int
        Ordinary size.
    grows : bool
        Whether a large experiment is a larger one of the same thing; false where the size is part of the sentence
        (charging points behind one connection), so that only the number of draws rises.
    """

    run: Callable[[int, int], Evidence]
    size: int
    grows: bool = True


@dataclass(frozen=True)
class Runs:
    """An experiment on whole runs: named policies over the base scenario, and what to read from them.

    Parameters
    ----------
    policies : mapping
        Values by dotted key for each policy.
    read : callable
        Turns paired differences into evidence.
    base : mapping
        Values that all policies share, over those of the scenario.
    tables : tuple of str
        Result tables to keep of every run.
    figures : callable, optional
        Figures beyond the key figures, from those tables.
    """

    policies: Mapping[str, Mapping[str, Any]]
    read: Callable[[Differences], Evidence]
    base: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    figures: Figures | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence of the report and the experiment that tests it.

    Parameters
    ----------
    key : str
        Identifier on the command line.
    section : str
        Section of the report.
    sentence : str
        What the report says, in other words.
    criterion : str
        When the sentence counts as supported.
    experiment : Bench or Runs
        How that is measured.
    """

    key: str
    section: str
    sentence: str
    criterion: str
    experiment: Bench | Runs = field(repr=False)
