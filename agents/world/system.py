"""The whole stylised Dutch power system of a horizon, drawn once and cleared without the simulated parties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.world.fleet_data import Unit, dutch_fleet
from agents.world.load import national_load_mw
from agents.world.neighbours import Neighbours, build_neighbours
from agents.world.plants import FuelPrices, UnitOffers, available_mw, merit_order_dispatch, unit_offers
from agents.world.weather import Weather, build_weather
from markets.calendar import Horizon


@dataclass(frozen=True)
class StylisedSystem:
    """Weather, load, plants and neighbours of a horizon.

    Parameters
    ----------
    horizon : Horizon
        The days.
    weather : Weather
        Of these days.
    load_mw : array of float, shape (n_periods,)
        Gross national load.
    units : tuple of Unit
        The fleet.
    available_mw : array of float, shape (n_units, n_periods)
        Available power.
    offers : UnitOffers
        Day-ahead offers of the fleet, made with perfect foresight of load and weather.
    neighbours : Neighbours
        Offers and bids at the border.
    """

    horizon: Horizon
    weather: Weather
    load_mw: np.ndarray
    units: tuple[Unit, ...]
    available_mw: np.ndarray
    offers: UnitOffers
    neighbours: Neighbours


@dataclass(frozen=True)
class SystemClearing:
    """Prices and dispatch where all offers meet all demand.

    Parameters
    ----------
    price_eur_per_mwh : array of float, shape (n_periods,)
        Price of the last step needed.
    dispatch_mw : array of float, shape (n_units, n_periods)
        Output per unit.
    import_mw : array of float, shape (n_periods,)
        Net imports, negative for exports.
    """

    price_eur_per_mwh: np.ndarray
    dispatch_mw: np.ndarray
    import_mw: np.ndarray


def build_system(horizon: Horizon, rng: np.random.Generator, *, fuel: FuelPrices | None = None) -> StylisedSystem:
    """Draw the system; weather, load, neighbours and outages each get a stream of their own from ``rng``."""
    for_weather, for_load, for_neighbours, for_outages = rng.spawn(4)
    weather = build_weather(horizon, for_weather)
    load = national_load_mw(horizon, weather, for_load)
    units = dutch_fleet()
    available = available_mw(units, horizon, weather, for_outages)
    residual = load - np.sum(available[[bool(u.driver) for u in units]], axis=0)
    return StylisedSystem(
        horizon=horizon,
        weather=weather,
        load_mw=load,
        units=units,
        available_mw=available,
        offers=unit_offers(units, available, residual, horizon, fuel),
        neighbours=build_neighbours(horizon, weather, for_neighbours),
    )


def clear_system(system: StylisedSystem, *, extra_load_mw: np.ndarray | float = 0.0) -> SystemClearing:
    """Cross the merit order with the load.

    Parameters
    ----------
    system : StylisedSystem
        What there is.
    extra_load_mw : float or array of shape (n_periods,)
        Further demand at any price.
    """
    offers, border = system.offers, system.neighbours
    # an export bid that is not served is the same as an offer at its price
    mw = np.concatenate((offers.mw, border.import_mw, border.export_mw))
    price = np.concatenate((offers.price_eur_per_mwh, border.import_price_eur_per_mwh, border.export_price_eur_per_mwh))
    demand = system.load_mw + extra_load_mw + np.sum(border.export_mw, axis=0)
    cleared, accepted = merit_order_dispatch(mw, price, demand)
    n, n_border = len(offers.mw), len(border.import_mw)
    exported = np.sum(border.export_mw - accepted[n + n_border :], axis=0)
    imported = np.sum(accepted[n : n + n_border], axis=0)
    return SystemClearing(cleared, offers.by_unit(accepted[:n], len(system.units)), imported - exported)
