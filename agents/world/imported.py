"""Loads of a grid that brings its own year of quarter-hours, in place of drawn ones."""

from __future__ import annotations

import numpy as np

from grid.connections import ConnectionTable
from grid.profiles import ProfileYear, steps_of
from markets.calendar import Horizon


def use_profiles(
    profiles: ProfileYear,
    table: ConnectionTable,
    horizon: Horizon,
    home_kw: np.ndarray,
    roof_kw: np.ndarray,
    site_kw: np.ndarray,
) -> np.ndarray:
    """Put the profiles of the first connections in the place of what was drawn for them.

    A day takes the day of the profile year nearest in the calendar with the same weekday. Households go to
    ``home_kw``, feed-in to ``roof_kw``, all else to ``site_kw``.

    Parameters
    ----------
    profiles : ProfileYear
        Of the first connections of the table.
    table : ConnectionTable
        Kinds.
    horizon : Horizon
        The days of the run.
    home_kw, roof_kw, site_kw : float32 arrays, shape (n_connections, n_periods)
        Changed in place.

    Returns
    -------
    float32 array, shape (n_connections, n_periods)
        Reactive power; 0 for connections without profile.
    """
    days = [horizon.date_of(day) for day in range(horizon.days)]
    power, reactive = profiles.at(steps_of(days, horizon.day_of, horizon.local_hour))
    n = len(power)
    is_home = np.array(table.kind[:n]) == "home"
    roof_kw[:n] = np.maximum(-power, 0.0)
    drawn = np.maximum(power, 0.0)
    home_kw[:n] = np.where(is_home[:, None], drawn, 0.0)
    site_kw[:n] = np.where(is_home[:, None], 0.0, drawn)
    kvar = np.zeros_like(home_kw)
    kvar[:n] = reactive
    return kvar
