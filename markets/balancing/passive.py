"""Passive balancing: parties on a pass-through contract that react to the published balance delta on their own.

TenneT allows and encourages it (balancing markets page); because the signal is old when it arrives, many parties
reacting at once can push the system from side to side. TenneT asked for ramps of at most 20 % per minute.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from markets.balancing import kernel


@dataclass(frozen=True)
class PassiveGroups:
    """Groups of parties that react alike, one row each; scalars are repeated.

    Parameters
    ----------
    max_up_mw, max_down_mw : array_like of float, shape (n,)
        How far a group can move up (less charging) and down (more charging) from its plan, both positive.
    threshold_mw : array_like of float, shape (n,)
        Published balance delta beyond which a group reacts.
    ramp_share_per_min : array_like of float, shape (n,)
        Largest change per minute as a share of the larger of both ranges; 1.0 means the whole range in a minute,
        ``inf`` no limit.
    """

    max_up_mw: Any
    max_down_mw: Any
    threshold_mw: Any = 0.0
    ramp_share_per_min: Any = 1.0

    def __post_init__(self) -> None:
        n = max(np.atleast_1d(np.asarray(getattr(self, f.name))).size for f in fields(self))
        if np.asarray(self.max_up_mw).size == 0:
            n = 0
        for column in fields(self):
            values = np.atleast_1d(np.asarray(getattr(self, column.name), dtype=np.float64))
            object.__setattr__(self, column.name, np.broadcast_to(values[:n], (n,)).copy())

    def __len__(self) -> int:
        return int(self.max_up_mw.size)

    def start_mw(self, before_mw: np.ndarray) -> np.ndarray:
        """Power at the start: as before, clipped to the ranges; zero where the number of groups changed."""
        if before_mw.size != len(self):
            return np.zeros(len(self))
        return np.clip(before_mw, -self.max_down_mw, self.max_up_mw)

    def terms(self, step_s: float) -> np.ndarray:
        """Threshold, ranges and ramp per step as the compiled loop wants them, float64[4, n]."""
        largest = np.maximum(self.max_up_mw, self.max_down_mw)
        is_free = np.isinf(self.ramp_share_per_min)
        share = np.where(is_free, 0.0, self.ramp_share_per_min) * step_s / 60.0
        ramp = np.where(is_free, 2.0 * largest, share * largest)
        return np.stack([self.threshold_mw, self.max_up_mw, self.max_down_mw, ramp])


NO_PASSIVE = PassiveGroups(np.zeros(0), np.zeros(0))


def react(seen_delta_mw: float, before_mw: np.ndarray, groups: PassiveGroups, *, step_s: float = 4.0) -> np.ndarray:
    """One step of passive balancing.

    Parameters
    ----------
    seen_delta_mw : float
        Newest published balance delta, positive = the operator regulates up.
    before_mw : array of float, shape (n_groups,)
        Power of each group before the step, positive = up.
    groups : PassiveGroups
        Who reacts, how far and how fast.
    step_s : float
        Length of the step.

    Returns
    -------
    array of float, shape (n_groups,)
        Power after the step.
    """
    threshold, max_up, max_down, ramp = groups.terms(step_s)
    after = np.array(before_mw, dtype=np.float64)
    kernel.passive_step(float(seen_delta_mw), threshold, max_up, max_down, ramp, after)
    return after
