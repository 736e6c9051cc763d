"""Meters that disagree: the station's calibrated meter (MID) against what the car counted itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MID_TOLERANCE, CAR_TOLERANCE = 0.01, 0.03
"""Error that a MID meter of class B may have (2014/32/EU, annex V), and that of a car's own meter (assumption)."""
FLOOR_KWH = 0.3
"""Differences below this are rounding."""
LONGEST_SESSION_H = 24.0 * 14
"""Longest stay that a session can have."""
AGREE, MID_DECIDES, CAR_DECIDES = "agree", "mid_decides", "car_decides"


def disagree(mid_kwh: np.ndarray, car_kwh: np.ndarray) -> np.ndarray:
    """Whether two readings of the same energy are further apart than both tolerances together allow."""
    allowed = np.maximum((MID_TOLERANCE + CAR_TOLERANCE) * np.abs(car_kwh), FLOOR_KWH)
    return np.asarray(np.abs(mid_kwh - car_kwh) > allowed)


def settle(mid_kwh: np.ndarray, car_kwh: np.ndarray, most_kwh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy that counts, and the rule by which.

    The calibrated meter decides, because the law trusts it; but a meter that stands still while the car charges, or
    shows more than the point can deliver, cannot be right: then the car's count does.

    Parameters
    ----------
    mid_kwh, car_kwh : float arrays
        Both readings; NaN where the car said nothing.
    most_kwh : float array
        Most energy that the point can have moved.

    Returns
    -------
    settled_kwh : float array
    rule : array of str
        ``agree``, ``mid_decides`` or ``car_decides``.
    """
    apart = np.nan_to_num(disagree(mid_kwh, car_kwh), nan=0.0).astype(bool) & ~np.isnan(car_kwh)
    stands_still = (np.abs(mid_kwh) < FLOOR_KWH) & (np.abs(np.nan_to_num(car_kwh)) > 1.0)
    is_broken = apart & (stands_still | (np.abs(mid_kwh) > most_kwh))
    rule = np.where(is_broken, CAR_DECIDES, np.where(apart, MID_DECIDES, AGREE))
    return np.where(is_broken, car_kwh, mid_kwh), rule


@dataclass
class MeterChecks:
    """Every comparison that a CPO made.

    Parameters
    ----------
    rating_kw : float array, shape (n_points,)
        Highest power of each point.
    """

    rating_kw: np.ndarray
    session_row: list[int] = field(default_factory=list)
    mid_kwh: list[float] = field(default_factory=list)
    car_kwh: list[float] = field(default_factory=list)
    settled_kwh: list[float] = field(default_factory=list)
    rule: list[str] = field(default_factory=list)

    def settle(self, session_row: np.ndarray, cp_row: np.ndarray, mid_kwh: np.ndarray, car_kwh: np.ndarray) -> None:
        """Compare the readings of sessions whose car told its own."""
        told = ~np.isnan(car_kwh)
        if not told.any():
            return
        rows, mid, car = session_row[told], mid_kwh[told], car_kwh[told]
        settled, rule = settle(mid, car, self.rating_kw[cp_row[told]] * LONGEST_SESSION_H)
        for name, values in (("session_row", rows), ("mid_kwh", mid), ("car_kwh", car), ("settled_kwh", settled)):
            getattr(self, name).extend(values.tolist())
        self.rule.extend(rule.tolist())
