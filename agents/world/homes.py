"""Homes: appliances one by one, heat pumps and roofs.

A home is a standing load plus appliance runs that start at random, more often when people are awake and at home.
Single homes are therefore spiky, and the sum over many has the form of the Dutch profile of small connections (E1A).
Matched: mean 2,500 kWh a year (1,800 for one person, 2,810 for a family), the E1A-like weekday shape, a coincident
winter evening peak of 0.9-1.3 kW per home at 100 and more homes, heat pumps +1.5-2.5 kW in the cold (calibration.md
"Homes and system", 60-80 %). Appliance powers and run times are assumptions of ordinary size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.world.daytypes import shape_over
from agents.world.noise import persistent
from agents.world.weather import Weather, by_month
from markets.calendar import Horizon

SINGLE_KWH, FAMILY_KWH, SINGLE_SHARE = 1800.0, 2810.0, 0.307
HOURS_PER_YEAR = 8766.0
STANDING_SHARE = 0.30
E1A_WEEKDAY = (
    *(0.57, 0.49, 0.46, 0.45, 0.46, 0.51, 0.72, 0.98, 0.98, 0.93, 0.93, 0.98),
    *(1.03, 0.98, 0.93, 0.98, 1.18, 1.59, 1.80, 1.75, 1.64, 1.54, 1.28, 0.87),
)
# Weekends (assumption): later mornings, a busier midday, nearly the same evening.
E1A_SATURDAY = (
    *(0.64, 0.54, 0.48, 0.46, 0.46, 0.48, 0.56, 0.74, 1.00, 1.16, 1.22, 1.24),
    *(1.26, 1.20, 1.14, 1.14, 1.28, 1.58, 1.70, 1.60, 1.46, 1.38, 1.22, 0.95),
)
E1A_SUNDAY = (
    *(0.66, 0.56, 0.49, 0.46, 0.45, 0.46, 0.52, 0.68, 0.98, 1.20, 1.28, 1.30),
    *(1.32, 1.24, 1.18, 1.18, 1.34, 1.66, 1.78, 1.68, 1.56, 1.46, 1.24, 0.90),
)
# Use of a month against the year: light and indoor life in winter, holidays in summer (assumption, E1A-like).
MONTH_USE = (1.20, 1.14, 1.04, 0.94, 0.88, 0.85, 0.83, 0.83, 0.92, 1.02, 1.13, 1.22)


@dataclass(frozen=True)
class Appliance:
    """A kind of appliance run: share of the variable energy, power while running and length of a run."""

    name: str
    energy_share: float
    power_kw: float
    run_periods: int


APPLIANCES: tuple[Appliance, ...] = (
    Appliance("kettle, toaster, hair dryer", 0.12, 0.55, 1),
    Appliance("cooking", 0.25, 1.50, 2),
    Appliance("oven and hob together", 0.11, 2.40, 3),
    Appliance("washing machine", 0.08, 0.55, 6),
    Appliance("dryer or dishwasher", 0.16, 0.85, 6),
    Appliance("screens and lights", 0.28, 0.16, 10),
)


def home_load_kw(
    horizon: Horizon,
    n_homes: int,
    rng: np.random.Generator,
    weather: Weather,
    *,
    heat_pump_share: float = 0.0,
    mean_kwh_per_year: float = 2500.0,
) -> np.ndarray:
    """Draw the load of homes without EVs and panels.

    Parameters
    ----------
    horizon : Horizon
        The days.
    n_homes : int
        Number of homes.
    rng : numpy.random.Generator
        Source of randomness.
    weather : Weather
        Of the same horizon; heat pumps and lights follow it.
    heat_pump_share : float
        Share of homes that heat with a heat pump, 0 to 1.
    mean_kwh_per_year : float
        Mean yearly use per home without the heat pump.

    Returns
    -------
    array of float32, shape (n_homes, n_periods)
        kW, positive = consumption.
    """
    if n_homes == 0:
        return np.zeros((0, horizon.n_periods), dtype=np.float32)
    yearly_kwh = draw_yearly_kwh(n_homes, rng) * (mean_kwh_per_year / 2500.0)
    standing_kw = STANDING_SHARE * yearly_kwh / HOURS_PER_YEAR
    use = _use_over(horizon, weather, rng)
    load = _appliance_runs_kw(use, yearly_kwh * (1.0 - STANDING_SHARE) / HOURS_PER_YEAR, rng)
    load += standing_kw[:, None].astype(np.float32)
    heated = np.flatnonzero(rng.random(n_homes) < heat_pump_share)
    if heated.size:
        load[heated] += heat_pump_kw(horizon, heated.size, rng, weather)
    return load


def draw_yearly_kwh(n_homes: int, rng: np.random.Generator) -> np.ndarray:
    """Yearly use of homes in kWh, shape (n_homes,): two household sizes, each with a lognormal spread."""
    mean = np.where(rng.random(n_homes) < SINGLE_SHARE, SINGLE_KWH, FAMILY_KWH)
    spread = 0.38
    return mean * np.exp(spread * rng.standard_normal(n_homes) - spread**2 / 2.0)


def _use_over(horizon: Horizon, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Mean variable use against the year's mean, shape (n_periods,): E1A less the standing load, season, darkness."""
    whole = shape_over(horizon, E1A_WEEKDAY, E1A_SATURDAY, E1A_SUNDAY)
    variable = np.maximum(whole - STANDING_SHARE, 0.05) / (1.0 - STANDING_SHARE)
    darkness = np.clip(1.0 - weather.clear_sky_w_per_m2 / 150.0, 0.0, 1.0)
    usual_darkness = np.interp(horizon.local_hour, (15.0, 17.0, 19.0, 21.0, 23.0), (0.08, 0.33, 0.53, 0.75, 1.0))
    dusk = 0.5 * (horizon.local_hour >= 15.0) * (darkness - usual_darkness)
    common = 1.0 + 0.07 * persistent(horizon.n_periods, (20.0,), rng, smooth_h=1.0, step_h=horizon.period_h)[0]
    return np.maximum(variable * (by_month(horizon, MONTH_USE) + dusk) * common, 0.0)


def _appliance_runs_kw(use: np.ndarray, mean_kw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Throw appliance runs at homes and periods, float32 (n_homes, n_periods).

    Runs are drawn from their totals (a Poisson field), so a bigger user has more of them. A run that would end after
    the horizon goes on at its start instead, which keeps the energy right.
    """
    n_homes, n_periods = mean_kw.size, use.size
    home_edges = np.cumsum(mean_kw) / np.sum(mean_kw)
    energy_kwh = float(np.sum(mean_kw)) * float(np.sum(use)) * 0.25
    width = n_periods + 1
    place, change = [], []
    for appliance in APPLIANCES:
        runs = rng.poisson(appliance.energy_share * energy_kwh / (appliance.power_kw * appliance.run_periods * 0.25))
        # the middle of the run follows the use, not its start
        start_weight = np.roll(use, -(appliance.run_periods // 2))
        start = _draw(np.cumsum(start_weight) / np.sum(start_weight), runs, rng)
        row = _draw(home_edges, runs, rng) * width
        power = appliance.power_kw * (0.6 + 0.8 * rng.random(runs))
        end = start + appliance.run_periods
        is_over = end > n_periods
        place += [row + start, row + np.minimum(end, n_periods), row[is_over], row[is_over] + end[is_over] - n_periods]
        change += [power, -power, power[is_over], -power[is_over]]
    steps = np.bincount(np.concatenate(place), np.concatenate(change), minlength=n_homes * width)
    load = np.cumsum(steps.reshape(n_homes, width), axis=1)[:, :n_periods]
    return np.maximum(load, 0.0).astype(np.float32)


def _draw(edges: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw indices with the probabilities whose running sum is ``edges``."""
    return np.minimum(np.searchsorted(edges, rng.random(size), side="right"), edges.size - 1)


def heat_pump_kw(horizon: Horizon, n_homes: int, rng: np.random.Generator, weather: Weather) -> np.ndarray:
    """Electric power of heat pumps for space heating and hot water, float32 (n_homes, n_periods).

    Parameters
    ----------
    horizon, rng, weather
        As in :func:`home_load_kw`.
    n_homes : int
        Number of heat pumps.

    Notes
    -----
    Heat demand 180 W/K below 16 °C on a temperature smoothed over half a day, coefficient of performance 3.6 at 7 °C
    falling 0.08 per kelvin, lower set-point at night, one hot-water run a day (all assumptions). About 3,300 kWh a
    year; 1.5-2.2 kW a home around −5 °C.
    """
    smoothed = _half_day_mean(weather.temperature_c, horizon)
    performance = np.clip(3.6 + 0.08 * (weather.temperature_c - 7.0), 1.8, 5.0)
    hour = horizon.local_hour
    setting = np.where(hour < 5.0, 0.72, np.where(hour < 9.0, 1.25, np.where(hour < 22.5, 1.02, 0.8)))
    electric = (0.18 * np.maximum(16.0 - smoothed, 0.0) * setting / performance).astype(np.float32)
    size = (np.exp(0.3 * rng.standard_normal(n_homes) - 0.045)).astype(np.float32)[:, None]
    cycle = _cycling(n_homes, horizon.n_periods, rng)
    power = np.minimum(electric[None, :] * size * cycle, np.float32(4.0))
    days = horizon.day_start_period[:-1]
    start = days[None, :] + rng.integers(4, 92, size=(n_homes, 1)) + rng.integers(-3, 4, size=(n_homes, days.size))
    for step in range(4):
        column = np.clip(start + step, 0, horizon.n_periods - 1)
        power[np.arange(n_homes)[:, None], column] += np.float32(1.4)
    return power


def _half_day_mean(values: np.ndarray, horizon: Horizon) -> np.ndarray:
    """Mean over the twelve hours before and up to each period; a building forgets slowly."""
    width = min(round(12.0 / horizon.period_h), values.size)
    padded = np.concatenate((np.full(width - 1, values[0]), values))
    total = np.concatenate(((0.0,), np.cumsum(padded)))
    return (total[width:] - total[:-width]) / width


def _cycling(n_homes: int, n_periods: int, rng: np.random.Generator) -> np.ndarray:
    """On-off rhythm of the compressors around a mean of 1, float32 (n_homes, n_periods), out of step between homes."""
    rhythm = rng.integers(4, 9, size=n_homes)[:, None]
    shift = rng.integers(0, 64, size=n_homes)[:, None]
    is_off = (np.arange(n_periods)[None, :] + shift) % rhythm == 0
    return np.where(is_off, np.float32(0.25), ((rhythm - 0.25) / (rhythm - 1)).astype(np.float32)).astype(np.float32)


def home_pv_kw(n_homes: int, rng: np.random.Generator, weather: Weather, *, pv_share: float = 1.0) -> np.ndarray:
    """Generation of home panels.

    Parameters
    ----------
    n_homes : int
        Number of homes.
    rng : numpy.random.Generator
        Draws who has panels, the size (3-5 kWp), the orientation and a yield factor (shade, ±7 %).
    weather : Weather
        Of the horizon.
    pv_share : float
        Share of homes with panels, 0 to 1.

    Returns
    -------
    array of float32, shape (n_homes, n_periods)
        kW, positive = generation: subtract it from the load to get the connection's power.
    """
    size_kw = rng.uniform(3.0, 5.0, n_homes) * (rng.random(n_homes) < pv_share)
    size_kw *= np.clip(1.0 + 0.07 * rng.standard_normal(n_homes), 0.7, 1.1)
    facing = rng.choice(3, size=n_homes, p=(0.25, 0.5, 0.25))
    shares = np.stack((weather.panel_east_share, weather.panel_south_share, weather.panel_west_share)).astype(
        np.float32
    )
    return size_kw.astype(np.float32)[:, None] * shares[facing]
