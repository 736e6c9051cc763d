"""Kinds of days and their shapes: weekday, Saturday, Sunday; Dutch public holidays count as Sundays."""

from __future__ import annotations

import numpy as np

from markets.calendar import Horizon

WEEKDAY, SATURDAY, SUNDAY = 0, 1, 2


def day_kinds(horizon: Horizon) -> np.ndarray:
    """Kind of every day of the horizon, int64[days]: 0 weekday, 1 Saturday, 2 Sunday or public holiday."""
    import holidays

    dates = [horizon.date_of(day) for day in range(horizon.days)]
    # names come in the user's language unless one is asked for
    free = holidays.country_holidays("NL", years=sorted({d.year for d in dates}), language="en_US")
    # Good Friday is in the calendar but an ordinary working day for most of the country
    names = {d: free.get(d, "") for d in dates}
    is_free = [d.weekday() == 6 or (names[d] != "" and "Good Friday" not in names[d]) for d in dates]
    return np.array(
        [SUNDAY if f else SATURDAY if d.weekday() == 5 else WEEKDAY for d, f in zip(dates, is_free, strict=True)]
    )


def shape_over(horizon: Horizon, weekday: tuple, saturday: tuple, sunday: tuple) -> np.ndarray:
    """Spread hourly shapes over the periods by kind of day and local clock, straight between the hours' middles.

    Parameters
    ----------
    horizon : Horizon
        The days.
    weekday, saturday, sunday : 24 floats each
        Mean of every clock hour.

    Returns
    -------
    array of float, shape (n_periods,)
    """
    kinds = day_kinds(horizon)[horizon.day_of]
    middle = horizon.local_hour + horizon.period_h / 2.0
    shapes = [_smooth(np.asarray(values, dtype=np.float64), middle) for values in (weekday, saturday, sunday)]
    return np.choose(kinds, shapes)


def _smooth(hourly: np.ndarray, hour: np.ndarray) -> np.ndarray:
    return np.interp(hour, np.arange(-1, 25) + 0.5, np.concatenate((hourly[-1:], hourly, hourly[:1])))
