"""BRP: carries a portfolio's position from the forward market to the last intraday gate, and pays for the rest."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.exchange import Exchange
from agents.links import Links
from agents.messages import BalanceDelta, ConnectionForecast, PoolForecast, PriceToSupplier
from agents.role import Role
from agents.roles.pooling import parts
from agents.world.forecast import ForecastSource
from markets.day_ahead import CurveOrders
from markets.intraday import Order, Product

HEDGE_SHARE = 0.4
"""Part of the expected mean load that is bought ahead (assumption)."""
MEAN_PRICE_EUR_PER_MWH = 86.6
"""Mean Dutch day-ahead price of 2025 (market-rules section 8): what a buyer expects of a year."""
URGENCY_EUR_PER_MWH = {"ida1": 25.0, "ida2": 40.0, "ida3": 60.0, "continuous": 100.0}
"""How far beyond the day-ahead price a party goes to close its position rather than be settled at the imbalance price
(assumption; the standard deviation of shortage minus day-ahead was about 150 EUR/MWh in December 2023)."""
STEP_MW = 0.1
LEARNING_SHARE = 0.5
"""How much of the last error at a time of day a party takes into its next forecast (assumption)."""


class BRP(Role):
    """Balance responsible party of consumers.

    Parameters
    ----------
    exchange : Exchange
        Where it trades.
    base : ForecastSource
        Forecast of its customers' consumption without the pool, national MW.
    has_pool : bool
        An aggregator's pool belongs to the portfolio.
    local_hour : float array, shape (n_periods,)
        The clock.
    """

    role: ClassVar[str] = "brp"

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        exchange: Exchange,
        base: ForecastSource,
        local_hour: np.ndarray,
        *,
        has_pool: bool,
    ) -> None:
        super().__init__(model, party, links)
        n = len(local_hour)
        self.exchange, self.base, self.has_pool = exchange, base, has_pool
        self.row = exchange.positions.row(party)
        self._is_peak = exchange.horizon.is_peak
        self.pool_mw, self._pool_flexible_mw, self._pool_limit = np.zeros(n), np.zeros(n), np.zeros(n)
        self._pool_known = np.zeros(n, dtype=bool)
        self._told: dict[str, np.ndarray] = {}
        """Power, what of it can move, and its limit price, as each aggregator told, float[3, n_periods]."""
        self._pool_seen_mw = np.full(96, np.nan)
        self._own_error_mw = np.zeros(96)
        self._expected_at_gate_mw = np.full(n, np.nan)
        self.pool_at_gate_mw = np.full(n, np.nan)
        """What it held for the pool at the last gate: the nomination behind a pass-through contract."""
        self._quarter = (local_hour * 4.0).astype(np.int64) % 96
        self.nominated_mwh = np.full(n, np.nan)
        self.regulation_state: dict[int, int] = {}

    # --- what it knows -----------------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Take in the pool's plans and the published balance delta."""
        for party, plan in self.knowledge.take_from(PoolForecast):
            if self.has_pool:
                self._note_plan(party, plan)
        for published in self.knowledge.take(BalanceDelta):
            self.regulation_state[published.period] = published.regulation_state

    def _note_plan(self, party: str, plan: PoolForecast) -> None:
        """Keep what an aggregator plans; the pool is the sum of all, at the dearest limit that any of them set."""
        n = min(len(plan.firm_mw), len(self.pool_mw) - plan.first_period)
        span = slice(plan.first_period, plan.first_period + n)
        told = self._told.setdefault(party, np.zeros((3, len(self.pool_mw))))
        told[0, span], told[1, span] = plan.firm_mw[:n] + plan.flexible_mw[:n], plan.flexible_mw[:n]
        told[2, span] = plan.limit_eur_per_mwh[:n]
        every = list(self._told.values())
        self.pool_mw[span] = sum(t[0, span] for t in every[1:]) + every[0][0, span]
        self._pool_flexible_mw[span] = sum(t[1, span] for t in every[1:]) + every[0][1, span]
        self._pool_limit[span] = np.max([t[2, span] for t in every], axis=0)
        self._pool_known[span] = True

    def note_pool_metered(self, period: int, pool_mw: float) -> None:
        """Remember what the pool's meters showed: all there is to go by when the aggregator says nothing."""
        quarter = self._quarter[period]
        before = self._pool_seen_mw[quarter]
        self._pool_seen_mw[quarter] = pool_mw if np.isnan(before) else 0.5 * (before + pool_mw)

    def note_allocated(self, period: int, allocated_mw: float) -> None:
        """Learn from what was allocated to the portfolio how wrong its forecast usually is at this time of day.

        Losses of the wires and what the pool says about itself are systematically off; a party that never looked back
        would be long or short every night.
        """
        expected = self._expected_at_gate_mw[period]
        if np.isfinite(expected):
            self._own_error_mw[self._quarter[period]] += LEARNING_SHARE * (allocated_mw - float(expected))

    def expected_mw(self, now: int, periods: np.ndarray | slice) -> np.ndarray:
        """Expected consumption of the whole portfolio."""
        base = self.base.soon(now, periods) if isinstance(periods, slice) else self.base.issued_at(now, periods)
        load = base + self._own_error_mw[self._quarter[periods]]
        if not self.has_pool:
            return load
        return load + self._pool_expected_mw(periods)

    def _pool_expected_mw(self, periods: np.ndarray | slice) -> np.ndarray:
        """The pool's own plan where it told one, else what its meters showed at that time of day."""
        known = self._pool_known[periods]
        if known.all():
            return self.pool_mw[periods]
        usual = np.nan_to_num(self._pool_seen_mw[self._quarter[periods]])
        return np.where(known, self.pool_mw[periods], usual)

    # --- trade -------------------------------------------------------------------------------------------------------

    def forward_orders(self, periods: np.ndarray) -> CurveOrders:
        """Buy part of the expected base load (MTU 0) and of what peak hours take more (MTU 1)."""
        expected = self.expected_mw(int(periods[0]) - 96, periods)
        base = float(np.mean(expected[~self._is_peak])) if (~self._is_peak).any() else float(np.mean(expected))
        peak = max(float(np.mean(expected[self._is_peak])) - base, 0.0) if self._is_peak.any() else 0.0
        volume = np.floor(HEDGE_SHARE * np.array([base, peak]) / STEP_MW) * STEP_MW
        limit = np.array([1.05, 1.25]) * MEAN_PRICE_EUR_PER_MWH
        row, mtu = np.full(2, self.row), np.arange(2)
        return CurveOrders(row, np.ones(2, bool), mtu, np.maximum(volume, 0.0), np.round(limit, 2))

    def bid_day_ahead(self, now: int, periods: np.ndarray, per_mtu: int) -> CurveOrders:
        """Buy what is needed and not held yet; what the pool can move is bid with its limit price (MR-BRP)."""
        expected = self.expected_mw(now, periods)
        held = self.exchange.positions.total_mwh(self.party, periods) / 0.25
        flexible = np.where(self._pool_known[periods], self._pool_flexible_mw[periods], 0.0)
        need, flexible, limit = (
            v.reshape(-1, per_mtu).mean(axis=1)
            for v in (expected - held - flexible, flexible, self._pool_limit[periods])
        )
        cap = self.exchange.regulation.day_ahead_price_max_eur_per_mwh
        floor = self.exchange.regulation.day_ahead_price_min_eur_per_mwh
        mtu = np.arange(len(need))
        firm = CurveOrders(
            np.full(len(mtu), self.row), need >= 0, mtu, _on_step(np.abs(need)), np.where(need >= 0, cap, floor)
        )
        price = np.round(np.clip(limit, floor, cap), 2)
        movable = CurveOrders(np.full(len(mtu), self.row), np.ones(len(mtu), bool), mtu, _on_step(flexible), price)
        return CurveOrders.concatenate([firm, movable])

    def close_gap(self, market: str, now: int, periods: np.ndarray) -> CurveOrders:
        """Orders of an intraday auction that bring the position to the newest forecast."""
        gap = self._gap_mw(now, periods)
        mtu = np.arange(len(periods))
        return CurveOrders(
            np.full(len(mtu), self.row), gap >= 0, mtu, _on_step(np.abs(gap)), self._limit(market, periods, gap)
        )

    def trade_continuously(self, now: int, product: Product) -> float:
        """Take from a product's book what closes the position in all its quarters; returns MW bought."""
        span = product.span
        expected = self.expected_mw(now, span)
        self._expected_at_gate_mw[span] = expected
        if self.has_pool:
            self.pool_at_gate_mw[span] = self._pool_expected_mw(span)
        missing = common_gap_mw(expected - self.exchange.positions.total_mwh(self.party, span) / 0.25)
        gap = round(STEP_MW * round(missing / STEP_MW), 1)
        if gap == 0.0:
            return 0.0
        limit = round(float(np.mean(self._limit("continuous", span, gap))), 2)
        return self.exchange.trade(now, product, Order(self.row, gap > 0, abs(gap), limit, kind="ioc"))

    def _gap_mw(self, now: int, periods: np.ndarray) -> np.ndarray:
        held = self.exchange.positions.total_mwh(self.party, periods) / 0.25
        return np.asarray(self.expected_mw(now, periods) - held)

    def _limit(self, market: str, periods: np.ndarray | slice, gap: np.ndarray | float) -> np.ndarray:
        urgency = URGENCY_EUR_PER_MWH[market]
        price = self.exchange.last_price_eur_per_mwh(periods)
        return np.asarray(np.round(price + np.where(np.asarray(gap) >= 0, urgency, -urgency), 2))

    # --- what it tells -----------------------------------------------------------------------------------------------

    def nominate(self, periods: np.ndarray) -> None:
        """Hand the programme of a day in: what is held after the day-ahead auction."""
        self.nominated_mwh[periods] = self.exchange.positions.total_mwh(self.party, periods)

    def publish(self, first: int, price_eur_per_mwh: np.ndarray, periods: np.ndarray) -> None:
        """Tell the supplier the price and the aggregator what its connections are expected to use (BRP-1, BRP-2)."""
        self.send(PriceToSupplier(first, price_eur_per_mwh.copy()))
        seen = self._pool_seen_mw[self._quarter[periods]]
        expected = np.where(np.isnan(seen), self.pool_mw[periods], seen)
        for party, part in parts({p: float(np.sum(t[0, periods])) for p, t in self._told.items()}).items():
            self.send(ConnectionForecast(first, expected * part), party)


def common_gap_mw(gap_mw: np.ndarray) -> float:
    """What is missing (+) or too much in every quarter of a product alike; 0 where the quarters differ in sign."""
    gaps = gap_mw.tolist()
    return float(max(min(gaps), 0.0) + min(max(gaps), 0.0))


def _on_step(mw: np.ndarray) -> np.ndarray:
    """Round to the volume step of the exchange."""
    return np.round(np.round(mw / STEP_MW) * STEP_MW, 1)
