"""The rest of the Netherlands and its neighbours: load, plants, weather, and what nobody predicts.

Like :mod:`agents.town` this is the real world; roles see forecasts and what they own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agents.settings import Settings
from agents.streams import generator
from agents.town import Town
from agents.world.disturbance import DisturbanceScale, intra_isp_noise
from agents.world.fleet_data import Unit, dutch_fleet
from agents.world.forecast import NEAR_PERIODS, ForecastSource, load_forecast, solar_forecast, wind_forecast
from agents.world.load import national_load_mw
from agents.world.neighbours import Neighbours, build_neighbours
from agents.world.plants import FuelPrices, available_mw
from agents.world.weather import Weather
from markets.calendar import Horizon

SLOW_DISTURBANCE_MW = 90.0
"""Slow part of the disturbance, MW: the simulated parties bring forecast errors of their own (see its module)."""
PRICE_TAKER_MW = 20000.0
"""Depth of the neighbours' curve at a given price: deeper than any Dutch position."""


@dataclass(frozen=True)
class Nation:
    """Series of the national system, MW, one value a period.

    Attributes
    ----------
    load_mw : float array
        Load of everybody outside the simulated town(s).
    load_forecast : ForecastSource
        Its forecast.
    units : tuple of Unit
        Generating fleet.
    available_mw : float array, shape (n_units, n_periods)
        What each unit could generate.
    driver_forecast : dict
        Forecast of the share of capacity that wind and sun deliver, by driver.
    neighbours : Neighbours
        Import and export curves.
    disturbance_mw : float array, shape (n_periods, 225)
        Unpredicted imbalance within each period, + = surplus.
    fuel : FuelPrices
        Fuel and CO2 prices.
    """

    weather: Weather
    load_mw: np.ndarray
    load_forecast: ForecastSource
    units: tuple[Unit, ...]
    available_mw: np.ndarray
    driver_forecast: dict[str, ForecastSource]
    neighbours: Neighbours
    disturbance_mw: np.ndarray
    fuel: FuelPrices

    @cached_property
    def is_weather_driven(self) -> np.ndarray:
        """Units that follow wind or sun, bool[n_units]."""
        return np.array([bool(u.driver) for u in self.units])

    def parts_of_load_mw(self, period: int, n_parties: int) -> list[float]:
        """Consumption of the country without the disturbance, in equal parts."""
        return [float(self.load_mw[period]) / n_parties] * n_parties

    def available_forecast_mw(self, now: int, periods: np.ndarray | slice) -> np.ndarray:
        """What each unit is expected to be able to generate, float64[n_units, n]; thermal units know themselves.

        The periods follow one another. Producers ask for the coming hours again and again: these are made once for the
        whole run and not to be written to.
        """
        span = periods if isinstance(periods, slice) else slice(int(periods[0]), int(periods[-1]) + 1)
        if 0 <= now <= span.start and span.stop <= now + NEAR_PERIODS:
            return self._near_mw[now, :, span.start - now : span.stop - now]
        expected = self.available_mw[:, span].copy()
        for driver, source in self.driver_forecast.items():
            rows, capacity_mw = self._driven[driver]
            expected[rows] = capacity_mw[:, None] * source.soon(now, span)
        return expected

    @cached_property
    def _near_mw(self) -> np.ndarray:
        """Forecasts made in every period for the next hours, float64[n_periods, n_units, NEAR_PERIODS]."""
        n = self.available_mw.shape[1]
        target = np.minimum(np.arange(n)[:, None] + np.arange(NEAR_PERIODS), n - 1)
        expected = np.ascontiguousarray(self.available_mw[:, target].transpose(1, 0, 2))
        for driver, source in self.driver_forecast.items():
            rows, capacity_mw = self._driven[driver]
            expected[:, rows] = capacity_mw[:, None] * source.near[:, None, :]
        expected.setflags(write=False)
        return expected

    @cached_property
    def _driven(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Rows and capacity of the units that follow each driver."""
        driver, capacity = np.array([u.driver for u in self.units]), np.array([u.capacity_mw for u in self.units])
        return {name: (np.flatnonzero(driver == name), capacity[driver == name]) for name in self.driver_forecast}


def build_nation(settings: Settings, horizon: Horizon, weather: Weather, town: Town) -> Nation:
    """Draw the national system around a town that stands for ``representation`` such towns.

    The national load includes the town(s) as they would be with nobody steering; what is left is the rest.
    """
    seed, system = settings.seed, settings.system
    weather = _with_series(settings, weather)
    total = settings.series.get("load_mw")
    if total is None:
        total = system.load_scale * national_load_mw(horizon, weather, generator(seed, "load"))
    towns = (town.base_kw.sum(axis=0) + town.reference_ev_kw.sum(axis=0)) * settings.representation / 1000.0
    rest = np.maximum(total - towns, 0.0)
    units = dutch_fleet(
        solar_mw=28000.0 * system.solar_capacity_scale,
        wind_onshore_mw=7000.0 * system.wind_capacity_scale,
        wind_offshore_mw=4700.0 * system.wind_capacity_scale,
    )
    rng = generator(seed, "disturbance")
    scale = DisturbanceScale(slow_mw=SLOW_DISTURBANCE_MW)
    return Nation(
        weather=weather,
        load_mw=rest,
        load_forecast=load_forecast(rest, generator(seed, "forecast_load")).scaled(
            system.load_forecast_error_share / 0.02
        ),
        units=units,
        available_mw=available_mw(units, horizon, weather, generator(seed, "plants")),
        driver_forecast={
            "wind_onshore": wind_forecast(weather.wind_onshore_share, generator(seed, "forecast_wind")),
            "wind_offshore": wind_forecast(weather.wind_offshore_share, generator(seed, "forecast_wind")),
            "solar": solar_forecast(weather.solar_share, weather.clear_sky_w_per_m2, generator(seed, "forecast_solar")),
        },
        neighbours=_neighbours(settings, horizon, weather),
        disturbance_mw=intra_isp_noise(rng, horizon.n_periods, scale),
        fuel=FuelPrices(system.gas_eur_per_mwh, system.coal_eur_per_mwh, system.co2_eur_per_t),
    )


def _with_series(settings: Settings, weather: Weather) -> Weather:
    """Put the user's own wind and sun in the weather's place."""
    own = settings.series
    if "solar_share" in own:
        weather = replace(weather, solar_share=own["solar_share"])
    if "wind_share" in own:
        weather = replace(weather, wind_onshore_share=own["wind_share"], wind_offshore_share=own["wind_share"])
    return weather


def _neighbours(settings: Settings, horizon: Horizon, weather: Weather) -> Neighbours:
    """Neighbours' curves; with the user's own price the Netherlands is a price taker at it."""
    own = settings.series.get("price_eur_per_mwh")
    if own is None:
        return build_neighbours(horizon, weather, generator(settings.seed, "neighbours"))
    price, depth = own[None, :], np.full((1, horizon.n_periods), PRICE_TAKER_MW)
    return Neighbours(own, depth, price, depth, price)
