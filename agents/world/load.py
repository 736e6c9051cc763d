"""National load and the base load of sites: everything that consumes besides the simulated connections.

Matched: mean about 13 GW (110-115 TWh a year), winter peak 18-19.5 GW, weekday above weekend, cold adds load
(market-rules section 8, there from memory at 75-80 %). The load is gross: what panels behind the meter produce is
counted as generation. Shapes by hour are assumptions that follow published Dutch load curves in form.
"""

from __future__ import annotations

import numpy as np

from agents.world.daytypes import WEEKDAY, day_kinds, shape_over
from agents.world.noise import persistent
from agents.world.weather import Weather, by_month
from markets.calendar import Horizon

NATIONAL_MEAN_MW = 13_000.0
COLD_MW_PER_K = 85.0
HEAT_MW_PER_K = 35.0
COLD_BELOW_C, HEAT_ABOVE_C = 14.0, 21.0
WEEKDAY_SHAPE = (
    *(0.815, 0.785, 0.770, 0.765, 0.780, 0.835, 0.945, 1.060, 1.120, 1.130, 1.130, 1.135),
    *(1.130, 1.120, 1.110, 1.105, 1.130, 1.195, 1.225, 1.190, 1.120, 1.050, 0.970, 0.885),
)
SATURDAY_SHAPE = (
    *(0.800, 0.765, 0.745, 0.735, 0.735, 0.750, 0.785, 0.835, 0.900, 0.950, 0.975, 0.985),
    *(0.980, 0.965, 0.950, 0.945, 0.970, 1.035, 1.065, 1.035, 0.980, 0.930, 0.880, 0.820),
)
SUNDAY_SHAPE = (
    *(0.765, 0.730, 0.710, 0.700, 0.700, 0.705, 0.720, 0.755, 0.815, 0.870, 0.905, 0.920),
    *(0.920, 0.905, 0.890, 0.885, 0.920, 1.000, 1.045, 1.030, 0.985, 0.930, 0.870, 0.800),
)
MONTH_LEVEL = (1.040, 1.030, 1.000, 0.970, 0.950, 0.960, 0.955, 0.950, 0.975, 0.995, 1.030, 1.040)


def national_load_mw(
    horizon: Horizon, weather: Weather, rng: np.random.Generator, *, mean_mw: float = NATIONAL_MEAN_MW
) -> np.ndarray:
    """Draw the gross national load.

    Parameters
    ----------
    horizon : Horizon
        The days.
    weather : Weather
        Of the same horizon.
    rng : numpy.random.Generator
        Source of the day-to-day scatter (1.2 %, memory of a day).
    mean_mw : float
        Mean of a normal year.

    Returns
    -------
    array of float, shape (n_periods,)
        MW, positive = consumption.
    """
    shape = shape_over(horizon, WEEKDAY_SHAPE, SATURDAY_SHAPE, SUNDAY_SHAPE) * by_month(horizon, MONTH_LEVEL)
    # lamps: dark hours while people are awake
    awake = np.clip((horizon.local_hour - 6.0) / 2.0, 0.0, 1.0) * np.clip((23.5 - horizon.local_hour) / 2.0, 0.0, 1.0)
    dark = 0.055 * awake * np.clip(1.0 - weather.clear_sky_w_per_m2 / 120.0, 0.0, 1.0)
    cold = np.maximum(COLD_BELOW_C - weather.temperature_c, 0.0) * COLD_MW_PER_K
    heat = np.maximum(weather.temperature_c - HEAT_ABOVE_C, 0.0) * HEAT_MW_PER_K
    scatter = 1.0 + 0.012 * persistent(horizon.n_periods, (24.0,), rng, smooth_h=1.0, step_h=horizon.period_h)[0]
    scale = mean_mw / NATIONAL_MEAN_MW
    return ((NATIONAL_MEAN_MW * (0.985 * shape + dark) + cold + heat) * scatter * scale).astype(np.float64)


# Share of the connection's contracted power by clock hour (weekday) and the share left at weekends. Assumptions:
# offices and businesses rarely use more than half of what they contracted; depots are a hall with night work.
_OFFICE = (
    *([0.07] * 6),
    0.12,
    0.24,
    0.38,
    0.43,
    0.44,
    0.44,
    0.42,
    0.43,
    0.43,
    0.40,
    0.34,
    0.22,
    0.14,
    0.11,
    0.09,
    0.08,
    0.07,
    0.07,
)
_BUSINESS = (
    *([0.14] * 5),
    0.18,
    0.27,
    0.36,
    0.42,
    0.45,
    0.46,
    0.46,
    0.44,
    0.45,
    0.45,
    0.43,
    0.39,
    0.33,
    0.28,
    0.25,
    0.21,
    0.18,
    0.16,
    0.15,
)
_DEPOT = (
    0.10,
    0.09,
    0.09,
    0.09,
    0.11,
    0.14,
    0.15,
    0.14,
    0.13,
    0.12,
    0.12,
    0.12,
    0.12,
    0.12,
    0.12,
    0.13,
    0.14,
    0.15,
    0.16,
    0.15,
    0.14,
    0.13,
    0.12,
    0.11,
)
_FLAT = (0.02,) * 24
SITE_SHAPES: dict[str, tuple[tuple[float, ...], float, float]] = {
    "office": (_OFFICE, 0.25, 0.20),
    "business": (_BUSINESS, 0.70, 0.40),
    "depot": (_DEPOT, 0.70, 0.55),
    "shared": (_FLAT, 1.0, 1.0),
    "dc_site": (_FLAT, 1.0, 1.0),
    "public_ac": ((0.001,) * 24, 1.0, 1.0),
    "other": (_BUSINESS, 0.70, 0.40),
}


def site_load_kw(
    kind: str, capacity_kw: float, horizon: Horizon, rng: np.random.Generator, weather: Weather | None = None
) -> np.ndarray:
    """Base load of one non-residential connection, without its charging points.

    Parameters
    ----------
    kind : str
        "office", "business", "depot", "shared", "dc_site", "public_ac" or "other".
    capacity_kw : float
        Contracted power of the connection.
    horizon : Horizon
        The days.
    rng : numpy.random.Generator
        Draws the site's own level (±20 %) and its scatter.
    weather : Weather, optional
        Adds cooling of offices above 21 °C.

    Returns
    -------
    array of float, shape (n_periods,)
        kW, positive = consumption, at most ``capacity_kw``.
    """
    if kind not in SITE_SHAPES:
        raise ValueError(f"site kind {kind!r} is not one of {', '.join(SITE_SHAPES)}")
    weekday, saturday, sunday = SITE_SHAPES[kind]
    shape = np.asarray(weekday)
    idle = shape.min()
    level = float(np.clip(1.0 + 0.2 * rng.standard_normal(), 0.5, 1.6))
    load = shape_over(horizon, weekday, tuple(idle + saturday * (shape - idle)), tuple(idle + sunday * (shape - idle)))
    scatter = persistent(horizon.n_periods, (2.0,), rng, step_h=horizon.period_h)[0]
    if weather is not None and kind == "office":
        load = load * (1.0 + 0.025 * np.maximum(weather.temperature_c - HEAT_ABOVE_C, 0.0))
    return np.clip(load * level * (1.0 + 0.08 * scatter), 0.0, 1.0) * capacity_kw


def is_working_day(horizon: Horizon) -> np.ndarray:
    """Whether each day of the horizon is neither a weekend day nor a public holiday, bool[days]."""
    return day_kinds(horizon) == WEEKDAY
