"""Synthetic Dutch weather for any dates: temperature, clouds, sun and wind, consistent with each other.

Four latent weather states with a realistic memory (slow fronts, faster showers and gusts) are turned into physical
values by their probability, so that each has the right distribution in every season:

=====================  ===========================================  =================================================
quantity               matched                                      source
=====================  ===========================================  =================================================
temperature            month means 3.6 … 18.3 °C, year 10.5 °C      KNMI normals De Bilt 1991-2020 (memory, 90 %)
irradiance             about 1,020-1,070 kWh/m2 a year              clo.nl/KNMI: 366 kJ/cm2 (366.0 in 1990) and rising
photovoltaics          950 kWh/kWp a year                           market-rules section 8
wind on land           capacity factor 0.27 (0.25-0.30)             assumption, brief of the scenario
wind at sea            capacity factor 0.43 (0.40-0.45)             assumption, brief of the scenario
wind, after 24 hours   autocorrelation of the share about 0.4       assumption
wind, sea and land     correlation about 0.85                       assumption
=====================  ===========================================  =================================================

What is left out: sea breeze, fog, snow on panels, and the turbines' storm cut-out (a national fleet hardly shows it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.world.noise import persistent, probability, weibull
from agents.world.sun import (
    FLEET_WEIGHTS,
    ORIENTATIONS,
    SunPosition,
    clear_sky_w_per_m2,
    clouded_share,
    panel_share,
    sun_position,
)
from markets.calendar import Horizon

# KNMI normals 1991-2020 De Bilt, January to December (memory, 90 %)
MONTH_MEAN_C = (3.6, 3.9, 6.5, 9.9, 13.4, 16.2, 18.3, 17.8, 14.7, 10.9, 7.0, 4.2)
# mean cloud cover of 0-1 by month, latent offset (assumption, tuned on the yearly irradiance)
MONTH_CLOUD = (1.38, 1.22, 1.02, 0.82, 0.77, 0.82, 0.84, 0.80, 0.87, 1.07, 1.32, 1.42)
# mean wind speed of a month against the year (assumption: windy winter, calm summer)
MONTH_WIND = (1.17, 1.15, 1.07, 0.95, 0.92, 0.89, 0.88, 0.88, 0.93, 1.00, 1.05, 1.12)
LAND_SPEED_M_PER_S, SEA_SPEED_M_PER_S = 7.0, 9.4
LAND_HALF_M_PER_S, SEA_HALF_M_PER_S, WIDTH_M_PER_S = 9.6, 9.6, 2.0
MEMORY_H = (40.0, 6.0, 22.0, 40.0, 9.0, 1.5, 84.0)


@dataclass(frozen=True)
class Weather:
    """Weather of every period; all arrays have shape (n_periods,).

    Parameters
    ----------
    temperature_c : array of float
        Air temperature.
    cloud : array of float
        Cloud cover 0 to 1.
    ghi_w_per_m2 : array of float
        Global horizontal irradiance.
    clear_sky_w_per_m2 : array of float
        The same without clouds: what anybody knows beforehand.
    solar_share : array of float
        Output of the national PV fleet as a share of its rated power.
    panel_east_share, panel_south_share, panel_west_share : array of float
        The same for panels of one orientation.
    wind_onshore_share, wind_offshore_share : array of float
        Output of the wind fleets as a share of their rated power, without curtailment.
    """

    temperature_c: np.ndarray
    cloud: np.ndarray
    ghi_w_per_m2: np.ndarray
    clear_sky_w_per_m2: np.ndarray
    solar_share: np.ndarray
    panel_east_share: np.ndarray
    panel_south_share: np.ndarray
    panel_west_share: np.ndarray
    wind_onshore_share: np.ndarray
    wind_offshore_share: np.ndarray


def build_weather(horizon: Horizon, rng: np.random.Generator) -> Weather:
    """Draw the weather of a horizon.

    Parameters
    ----------
    horizon : Horizon
        Any dates.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Weather
    """
    sun = sun_position(horizon.start_utc, period_min=horizon.period_min)
    front, gust, sea_only, cloud_slow, cloud_fast, shower, warmth = persistent(
        horizon.n_periods, MEMORY_H, rng, smooth_h=1.0, step_h=horizon.period_h
    )
    wind = 0.96 * front + 0.28 * gust
    at_sea = 0.93 * wind + 0.3676 * sea_only
    cover = 0.30 * front + 0.70 * cloud_slow + 0.58 * cloud_fast + 0.2857 * shower
    cloud = probability(1.15 * cover + by_month(horizon, MONTH_CLOUD))
    temperature = _temperature_c(horizon, warmth, front, cloud)
    clear = clear_sky_w_per_m2(sun.cos_zenith)
    ghi = clear * clouded_share(cloud)
    panels = [panel_share(ghi, sun, temperature, tilt, azimuth) for _, tilt, azimuth in ORIENTATIONS]
    season = by_month(horizon, MONTH_WIND)
    return Weather(
        temperature_c=temperature,
        cloud=cloud,
        ghi_w_per_m2=ghi,
        clear_sky_w_per_m2=clear,
        solar_share=np.average(panels, axis=0, weights=FLEET_WEIGHTS),
        panel_east_share=panels[0],
        panel_south_share=panels[1],
        panel_west_share=panels[2],
        wind_onshore_share=_wind_share(wind, season * _mixing(sun), LAND_SPEED_M_PER_S, LAND_HALF_M_PER_S),
        wind_offshore_share=_wind_share(at_sea, season, SEA_SPEED_M_PER_S, SEA_HALF_M_PER_S),
    )


def by_month(horizon: Horizon, monthly: tuple[float, ...]) -> np.ndarray:
    """Interpolate twelve values, each valid in the middle of its month, over the periods, shape (n_periods,)."""
    month_start = horizon.start_utc.astype("datetime64[M]")
    length = (month_start + 1).astype("datetime64[s]") - month_start.astype("datetime64[s]")
    within = (horizon.start_utc - month_start.astype("datetime64[s]")) / length
    position = month_start.astype(np.int64) % 12 + within - 0.5
    return np.interp(position, np.arange(-1, 13), np.concatenate((monthly[-1:], monthly, monthly[:1])))


def _temperature_c(horizon: Horizon, warmth: np.ndarray, front: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Season + spells of several days + the day's swing, which clouds flatten; windy winters are mild."""
    is_winter = by_month(horizon, (1.0, 1.0, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.7, 1.0))
    spell = 2.9 * ((1.0 - 0.25 * is_winter) * warmth + 0.45 * is_winter * front)
    swing = by_month(horizon, (1.8, 2.5, 3.6, 4.8, 5.2, 5.2, 5.2, 5.0, 4.4, 3.3, 2.1, 1.6)) * (1.55 - 0.75 * cloud)
    return by_month(horizon, MONTH_MEAN_C) + spell + swing * np.cos(2.0 * np.pi * (horizon.local_hour - 15.5) / 24.0)


def _mixing(sun: SunPosition) -> np.ndarray:
    """Wind on land at hub height is a little stronger at night than by day in summer (stable nights)."""
    return 1.0 + 0.06 * (0.35 - sun.cos_zenith)


def _wind_share(latent: np.ndarray, season: np.ndarray, mean_m_per_s: float, half_m_per_s: float) -> np.ndarray:
    """Fleet output from a Weibull wind speed (k = 2.1) and the smooth power curve of many turbines."""
    speed = mean_m_per_s * season * weibull(latent, 2.1) / 0.8857
    rise = 1.0 / (1.0 + np.exp(-(speed - half_m_per_s) / WIDTH_M_PER_S))
    floor = 1.0 / (1.0 + np.exp(half_m_per_s / WIDTH_M_PER_S))
    return 0.94 * (rise - floor) / (1.0 - floor)
