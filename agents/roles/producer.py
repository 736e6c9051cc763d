"""Producer: offers its units to every market and runs them so that it delivers what it sold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import ClassVar

import mesa
import numpy as np

from agents.exchange import Exchange
from agents.links import Links
from agents.messages import SystemForecast
from agents.role import Role
from agents.roles.brp import common_gap_mw
from agents.roles.plant_kernels import edge_prices, least_room_mw, meet_sales
from agents.world.balancing_offers import BalancingOffers, balancing_offers
from agents.world.fleet_data import Unit
from agents.world.plants import (
    FuelPrices,
    UnitOffers,
    asking_price_eur_per_mwh,
    marginal_cost_eur_per_mwh,
    unit_offers,
)
from agents.world.reserve_offers import ReserveOffers, reserve_offers
from markets.balancing import EnergyBids
from markets.calendar import Horizon
from markets.day_ahead import CurveOrders
from markets.intraday import Order, Product

FORWARD_SHARE = 0.5
"""Part of its firm capacity below the forward price that a producer sells ahead (assumption)."""
QUOTE_STEPS = ((0.25, 3.0), (0.35, 12.0), (0.40, 35.0))
"""Share of the room and mark-up in EUR/MWh of a producer's quotes in the continuous market (assumption)."""


OBJECTS_PER_PARTY = 10_000
"""Numbers of steered objects that each party may use in its balancing bids."""


class Producer(Role):
    """Owner of generating units and its own balance responsible party.

    Parameters
    ----------
    exchange : Exchange
        Where it sells.
    units : sequence of Unit
        What it owns.
    available_mw : callable
        ``available_mw(now, periods)``: what it expects each unit to be able to deliver, float[n_units, n].
    fuel : FuelPrices
        What fuel costs it.
    rng : numpy.random.Generator
        Moods of its traders.
    has_other_flexibility : bool
        Batteries, boilers and the far ends of the balancing ladder are traded by this producer too.
    """

    role: ClassVar[str] = "producer"

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        exchange: Exchange,
        units: Sequence[Unit],
        available_mw: Callable[[int, np.ndarray | slice], np.ndarray],
        fuel: FuelPrices,
        rng: np.random.Generator,
        *,
        has_other_flexibility: bool,
    ) -> None:
        super().__init__(model, party, links)
        self.exchange, self.units, self.fuel, self._rng = exchange, tuple(units), fuel, rng
        self._available = available_mw
        self.has_other_flexibility = has_other_flexibility
        self.row = exchange.positions.row(party)
        self.cost_eur_per_mwh = marginal_cost_eur_per_mwh(self.units, fuel)
        self.is_weather = np.array([bool(u.driver) for u in self.units])
        self._has_weather = bool(self.is_weather.any())
        self._must_run_share = np.array([u.must_run_share for u in self.units])
        self._firm = np.flatnonzero(~self.is_weather)
        self._cheapest_first = self._firm[np.argsort(self.cost_eur_per_mwh[self._firm], kind="stable")]
        self.schedule_mw = np.zeros((len(self.units), exchange.horizon.n_periods))
        self.value_eur_per_mwh = asking_price_eur_per_mwh(self.units, fuel)
        """Below this price a running unit rather buys than generates."""
        self.ask_eur_per_mwh = np.repeat(self.value_eur_per_mwh[:, None], exchange.horizon.n_periods, axis=1)
        """What each unit wants for running more: its day-ahead offer with start, which found no buyer yet."""
        self._offers: UnitOffers | None = None
        self._bids: dict[int, EnergyBids] = {}
        self._residual_mw = np.zeros(exchange.horizon.n_periods)
        self.offered_mw = np.zeros(exchange.horizon.n_periods)
        self.contracted_mw = {way: np.zeros(exchange.horizon.n_periods) for way in (1, -1)}

    def expected_available_mw(self, now: int, periods: np.ndarray | slice) -> np.ndarray:
        """What the units are expected to be able to deliver, float[n_units, n]."""
        return self._available(now, periods)

    # --- forward and day-ahead ---------------------------------------------------------------------------------------

    def forward_orders(self, periods: np.ndarray) -> CurveOrders:
        """Sell firm units ahead at a mark-up on their cost (MTU 0 base, MTU 1 peak)."""
        firm = np.flatnonzero(~self.is_weather)
        if not len(firm):
            return CurveOrders.empty()
        mean = self.expected_available_mw(int(periods[0]) - 96, periods)[firm].mean(axis=1)
        volume = np.round(FORWARD_SHARE * mean, 1)
        price = np.round(np.clip(self.cost_eur_per_mwh[firm], 0.0, None) * 1.02 + 1.0, 2)
        rows, n = np.full(2 * len(firm), self.row), len(firm)
        both = np.tile(volume, 2) * np.repeat([0.7, 0.3], n)
        return CurveOrders(rows, np.zeros(2 * n, bool), np.repeat([0, 1], n), np.round(both, 1), np.tile(price, 2))

    def hear(self) -> None:
        """Take in the system operator's forecast of what dispatchable plants must cover."""
        for told in self.knowledge.take(SystemForecast):
            span = slice(told.first_period, told.first_period + len(told.residual_load_mw))
            self._residual_mw[span] = told.residual_load_mw

    def offer_day_ahead(self, now: int, day: Horizon, periods: np.ndarray, per_mtu: int) -> CurveOrders:
        """Offer every unit's steps; what was sold ahead is bid back where that is cheaper (MR-PROD)."""
        available = self.expected_available_mw(now, periods)
        self._offers = unit_offers(self.units, available, self._residual_mw[periods], day, self.fuel)
        mw, price = (_per_mtu(v, per_mtu) for v in (self._offers.mw, self._offers.price_eur_per_mwh))
        price = self.exchange.within_limits(price)
        self._remember_asks(periods, self._offers)
        ahead_mw = -self.exchange.positions.total_mwh(self.party, periods) / 0.25
        self._ahead = _fill(mw, price, np.maximum(_per_mtu(ahead_mw[None, :], per_mtu)[0], 0.0))
        self.offered_mw[periods] = available.sum(axis=0)
        sells, buys = np.round(mw - self._ahead, 1), np.round(self._ahead, 1)
        mtu = np.broadcast_to(np.arange(mw.shape[1]), mw.shape).ravel()
        n = mw.size
        return CurveOrders(
            np.full(2 * n, self.row),
            np.repeat([False, True], n),
            np.tile(mtu, 2),
            np.concatenate([np.maximum(sells, 0.0).ravel(), buys.ravel()]),
            np.tile(price.ravel(), 2),
        )

    def _remember_asks(self, periods: np.ndarray, offers: UnitOffers) -> None:
        asks = np.repeat(self.value_eur_per_mwh[:, None], len(periods), axis=1)
        np.maximum.at(asks, offers.unit_row, offers.price_eur_per_mwh)
        self.ask_eur_per_mwh[:, periods] = asks

    def take_award(self, periods: np.ndarray, accepted_mw: np.ndarray, per_mtu: int) -> None:
        """Schedule the units after the auction."""
        assert self._offers is not None
        sold, bought = accepted_mw.reshape(2, *self._ahead.shape)
        steps = np.repeat(self._ahead + sold - bought, per_mtu, axis=1)
        self.schedule_mw[:, periods] = self._offers.by_unit(steps, len(self.units))

    # --- intraday and delivery ---------------------------------------------------------------------------------------

    def room_mw(self, now: int, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each firm unit can go up and down from the schedule, float[n_units, n] each."""
        available = self.expected_available_mw(now, periods)
        must = self._must_run_share[:, None] * available
        firm = ~self.is_weather[:, None]
        planned = self.schedule_mw[:, periods]
        return (
            np.where(firm, np.maximum(available - planned, 0.0), 0.0),
            np.where(firm, np.maximum(planned - must, 0.0), 0.0),
        )

    def intraday_orders(self, market: str, now: int, periods: np.ndarray, urgency: float) -> CurveOrders:
        """Close the gap of the weather units; offer and bid the firm ones around their cost."""
        gap = self._weather_gap_mw(now, periods)
        price = self.exchange.last_price_eur_per_mwh(periods)
        mtu = np.arange(len(periods))
        own = CurveOrders(
            np.full(len(mtu), self.row),
            gap < 0,
            mtu,
            np.round(np.abs(gap), 1),
            np.round(price + np.where(gap < 0, urgency, -urgency), 2),
        )
        up, down = self.room_mw(now, periods)
        shape = up.shape
        saved = np.broadcast_to(self.value_eur_per_mwh[:, None], shape)
        keep = ~self.is_weather
        firm = [
            CurveOrders(
                np.full(up[keep].size, self.row),
                np.full(up[keep].size, is_buy),
                np.broadcast_to(mtu, shape)[keep].ravel(),
                np.round(0.3 * room[keep], 1).ravel(),
                np.round(limit[keep] + sign * 3.0, 2).ravel(),
            )
            for is_buy, room, sign, limit in (
                (False, up, 1.0, self.ask_eur_per_mwh[:, periods]),
                (True, down, -1.0, saved),
            )
        ]
        return CurveOrders.concatenate([own, *firm])

    def quotes(self, now: int, product: Product) -> list[Order]:
        """Asks and bids of the firm units in the continuous market, cheapest and dearest first."""
        if not len(self._firm):
            return []
        span = product.span
        planned, asks = self.schedule_mw[:, span].copy(), self.ask_eur_per_mwh[:, span].copy()
        up, down = least_room_mw(self.expected_available_mw(now, span), planned, self._must_run_share, ~self.is_weather)
        cheapest, dearest = edge_prices(up, down, asks, self.value_eur_per_mwh)
        orders = []
        for is_buy, room, sign, edge in ((False, up, 1.0, cheapest), (True, down, -1.0, dearest)):
            total = float(np.sum(room))
            if total < 10.0:
                continue
            for share, markup in QUOTE_STEPS:
                mw = round(min(share * total, 300.0), 1)
                if mw >= 0.1:
                    orders.append(Order(self.row, is_buy, mw, round(edge + sign * markup, 2)))
        return orders

    def trade_weather(self, now: int, product: Product, urgency: float) -> float:
        """Take from the book what the newest weather forecast asks for; returns MW bought."""
        if not self._has_weather:
            return 0.0
        gap = round(common_gap_mw(self._weather_gap_mw(now, product.span)), 1)
        if gap == 0.0:
            return 0.0
        last = float(np.mean(self.exchange.last_price_eur_per_mwh(product.span)))
        limit = round(last + (urgency if gap < 0 else -urgency), 2)
        order = Order(self.row, gap < 0, abs(gap), limit, kind="ioc")
        return self.exchange.trade(now, product, order)

    def _weather_gap_mw(self, now: int, periods: np.ndarray | slice) -> np.ndarray:
        """Expected weather generation beyond what of it is sold, float[n]; + = more than sold."""
        if not self._has_weather:
            return np.zeros(len(self.schedule_mw[0, periods]))
        available = self.expected_available_mw(now, periods)[self.is_weather]
        stopped = self._is_stopped(periods)
        planned = self.schedule_mw[:, periods]
        expected = np.where(stopped, np.minimum(planned[self.is_weather], available), available).sum(axis=0)
        sold = -self.exchange.positions.total_mwh(self.party, periods) / 0.25
        return np.asarray(expected - (sold - planned[self._firm].sum(axis=0)))

    def _is_stopped(self, periods: np.ndarray | slice) -> np.ndarray:
        """Weather units that stop because the day-ahead price is below what they run for, bool[n_weather, n]."""
        price = self.exchange.day_ahead_eur_per_mwh[periods]
        return np.asarray(price[None, :] <= self.cost_eur_per_mwh[self.is_weather][:, None])

    def reschedule(self, now: int, periods: np.ndarray | slice) -> None:
        """Plan firm units anew so that the sum meets what is sold: the cheapest go up, the dearest come down."""
        self.schedule_mw[:, periods] = self._dispatch(now, periods, self.schedule_mw[:, periods])

    def deliver(self, period: int) -> np.ndarray:
        """Run the units: weather units as the weather is, firm ones so that the sum meets what was sold, MW."""
        periods = slice(period, period + 1)
        available = self.expected_available_mw(period, periods)
        output = np.minimum(self.schedule_mw[:, periods], available)
        if self._has_weather:
            stopped = self._is_stopped(periods)
            output[self.is_weather] = np.where(stopped, output[self.is_weather], available[self.is_weather])
        self.schedule_mw[:, periods] = self._dispatch(period, periods, output)
        return self.schedule_mw[:, period].copy()

    def _dispatch(self, now: int, periods: np.ndarray | slice, planned_mw: np.ndarray) -> np.ndarray:
        """Move firm units from a plan until the sum is what was sold, within what they can, float[n_units, n]."""
        if not len(self._firm):
            return planned_mw
        sold = -self.exchange.positions.total_mwh(self.party, periods) / 0.25
        available = self.expected_available_mw(now, periods)
        planned = np.ascontiguousarray(planned_mw)
        return np.asarray(meet_sales(planned, available, self._must_run_share, self._cheapest_first, sold))

    # --- reserves ----------------------------------------------------------------------------------------------------

    def offer_reserves(self, products: tuple[int, ...]) -> ReserveOffers | None:
        """Offer capacity of plants, batteries and large consumers for a day."""
        return reserve_offers(self._rng, products) if self.has_other_flexibility else None

    def take_contract(self, product: int, periods: np.ndarray, awarded_mw: np.ndarray) -> None:
        """Note the aFRR capacity of a day that it must bid (1 up, -1 down); FCR leaves no bids to make."""
        if product in self.contracted_mw:
            self.contracted_mw[product][periods] = awarded_mw

    def offer_balancing(self, now: int, periods: np.ndarray) -> None:
        """Make the energy bids of a day from the schedule after the auction, at least what is contracted."""
        available = self.expected_available_mw(now, periods)
        price = self.exchange.day_ahead_eur_per_mwh[periods]
        offers = balancing_offers(self.units, self.schedule_mw[:, periods], available, price, self._rng, self.fuel)
        keep = (offers.unit_row >= 0) | self.has_other_flexibility
        own = BalancingOffers(*(getattr(offers, f.name)[keep] for f in fields(offers)))
        own = own.at_least(self.contracted_mw[1][periods], self.contracted_mw[-1][periods])
        column = own.columns(0, len(periods))
        ends = np.searchsorted(column["period"], np.arange(len(periods) + 1))
        for k, period in enumerate(periods.tolist()):
            rows = slice(int(ends[k]), int(ends[k + 1]))
            steered = column["object_id"][rows] + OBJECTS_PER_PARTY * self.row
            self._bids[period] = EnergyBids(
                self.row,
                column["power_mw"][rows],
                column["price_eur_per_mwh"][rows],
                column["ramp_share_per_min"][rows],
                steered,
                message_id=steered,
            )

    def balancing_bids(self, period: int) -> EnergyBids | None:
        """Energy bids of one period."""
        return self._bids.pop(period, None)


def _per_mtu(values: np.ndarray, per_mtu: int) -> np.ndarray:
    """Means over the quarters of each market time unit."""
    return np.asarray(values.reshape(*values.shape[:-1], -1, per_mtu).mean(axis=-1))


def _fill(mw: np.ndarray, price: np.ndarray, total_mw: np.ndarray) -> np.ndarray:
    """Part of each step that is used when the cheapest steps cover ``total_mw`` in each column."""
    order = np.argsort(price, axis=0, kind="stable")
    steps = np.take_along_axis(mw, order, axis=0)
    used = np.clip(total_mw[None, :] - (np.cumsum(steps, axis=0) - steps), 0.0, steps)
    filled = np.empty_like(mw)
    np.put_along_axis(filled, order, used, axis=0)
    return filled
