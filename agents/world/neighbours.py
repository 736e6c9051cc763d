"""The rest of the coupled region as a price-elastic net position: what neighbours sell us and buy from us.

The Netherlands is one zone of the coupled market. Its neighbours (mostly Germany, seen as one) have a price level of
their own, which follows their own load, wind and sun; their weather is correlated with ours. Around that level they
sell in rising steps and buy in falling steps until the interconnectors are full (about 9-10 GW nominal, market-rules
section 8; flow-based capacity is less). The level's curve is calibrated, see ``prices_2025.py``; it is not forecast
from any foreign plant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.world.daytypes import shape_over
from agents.world.load import SATURDAY_SHAPE, SUNDAY_SHAPE, WEEKDAY_SHAPE
from agents.world.noise import persistent
from agents.world.plants import CAP_EUR_PER_MWH, FLOOR_EUR_PER_MWH
from agents.world.weather import Weather, build_weather, by_month
from markets.calendar import Horizon

IMPORT_LIMIT_MW, EXPORT_LIMIT_MW = 5_500.0, 5_500.0
N_STEPS = 13
# from a net position of nil to a full interconnector the price moves by this much (assumption)
REACH_EUR_PER_MWH = 30.0
WIND_PER_LOAD, SUN_PER_LOAD = 1.02, 1.5
# start-up costs in hours well above the day's mean residual load, EUR/MWh per unit of it squared (assumption, tuned)
START_EUR_PER_MWH = 260.0
QUARTER_STRETCH = 3.5
MORNING_RISE = 0.10
# residual load of the region per mean load, and the price level there
CURVE = (
    (-0.60, -0.25, -0.10, 0.00, 0.08, 0.18, 0.30, 0.42, 0.55, 0.70, 0.85, 1.00, 1.15, 1.35),
    (-380.0, -90.0, -12.0, 5.0, 18.0, 36.0, 62.0, 75.0, 86.0, 107.0, 140.0, 180.0, 230.0, 410.0),
)


@dataclass(frozen=True)
class Neighbours:
    """Offers and bids at the border; arrays of shape (n_steps, n_periods) unless said otherwise.

    Parameters
    ----------
    level_eur_per_mwh : array of float, shape (n_periods,)
        Price in the region if we neither import nor export.
    import_mw, import_price_eur_per_mwh : array of float
        What they sell us.
    export_mw, export_price_eur_per_mwh : array of float
        What they buy from us.
    """

    level_eur_per_mwh: np.ndarray
    import_mw: np.ndarray
    import_price_eur_per_mwh: np.ndarray
    export_mw: np.ndarray
    export_price_eur_per_mwh: np.ndarray


def build_neighbours(
    horizon: Horizon,
    weather: Weather,
    rng: np.random.Generator,
    *,
    import_limit_mw: float = IMPORT_LIMIT_MW,
    export_limit_mw: float = EXPORT_LIMIT_MW,
    level_shift_eur_per_mwh: float = 0.0,
) -> Neighbours:
    """Draw the region around us.

    Parameters
    ----------
    horizon : Horizon
        The days.
    weather : Weather
        Ours; the neighbours' is half ours, half their own.
    rng : numpy.random.Generator
        Source of randomness.
    import_limit_mw, export_limit_mw : float
        Usable interconnection.
    level_shift_eur_per_mwh : float
        Lifts or lowers the neighbours' price level.
    """
    level = neighbour_level_eur_per_mwh(horizon, weather, rng) + level_shift_eur_per_mwh
    middle = (np.arange(N_STEPS) + 0.5) / N_STEPS
    # scarce and surplus hours are steeper: the region's own curve is
    reach = REACH_EUR_PER_MWH * (1.0 + np.clip(np.abs(level - 80.0) - 40.0, 0.0, 200.0) / 120.0)
    rise = middle[:, None] * reach[None, :]
    return Neighbours(
        level_eur_per_mwh=level,
        import_mw=np.full((N_STEPS, level.size), import_limit_mw / N_STEPS),
        import_price_eur_per_mwh=_within_limits(level + rise),
        export_mw=np.full((N_STEPS, level.size), export_limit_mw / N_STEPS),
        export_price_eur_per_mwh=_within_limits(level - rise),
    )


def neighbour_level_eur_per_mwh(horizon: Horizon, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Price level of the region, float64[n_periods], from its residual load."""
    own = build_weather(horizon, rng)
    wind = 0.5 * (0.55 * weather.wind_onshore_share + 0.45 * weather.wind_offshore_share) + 0.5 * own.wind_onshore_share
    sun = 0.5 * weather.solar_share + 0.5 * own.solar_share
    shape = shape_over(horizon, WEEKDAY_SHAPE, SATURDAY_SHAPE, SUNDAY_SHAPE)
    cold = np.maximum(12.0 - weather.temperature_c, 0.0) * 0.008
    load = shape * by_month(horizon, (1.06, 1.05, 1.0, 0.97, 0.95, 0.95, 0.95, 0.95, 0.97, 1.0, 1.05, 1.06)) + cold
    scatter = 0.03 * persistent(horizon.n_periods, (36.0,), rng, smooth_h=1.0, step_h=horizon.period_h)[0]
    load = load + MORNING_RISE * np.exp(-(((horizon.local_hour - 7.9) / 1.3) ** 2))
    residual = load - WIND_PER_LOAD * wind - SUN_PER_LOAD * sun + scatter
    day_mean = np.repeat(
        np.add.reduceat(residual, horizon.day_start_period[:-1]) / np.diff(horizon.day_start_period),
        np.diff(horizon.day_start_period),
    )
    above = np.maximum(residual - day_mean, 0.0)
    return np.interp(_sharpened(residual, horizon), CURVE[0], CURVE[1]) + START_EUR_PER_MWH * above**2


def _sharpened(residual: np.ndarray, horizon: Horizon) -> np.ndarray:
    """Stretch the movement inside each hour: fewer plants follow quarters than hours, so quarters swing more."""
    per_hour = round(1.0 / horizon.period_h)
    hours = residual.reshape(-1, per_hour)
    mean = hours.mean(axis=1, keepdims=True)
    return (mean + QUARTER_STRETCH * (hours - mean)).reshape(-1)


def _within_limits(price: np.ndarray) -> np.ndarray:
    return np.round(np.clip(price, FLOOR_EUR_PER_MWH, CAP_EUR_PER_MWH), 2)
