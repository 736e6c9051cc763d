"""CPO: reconciles the aggregator's signal with the limits of sites and steers the charging points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.strategies.allocation import allocate
from agents.fleet.tables import ChargingPoints
from agents.information.customers import choices
from agents.information.defence import is_swing
from agents.information.integrity import MeterChecks
from agents.links import Links
from agents.messages import (
    AggregatorChosenByCpo,
    AggregatorTermsToCpo,
    ChargeRates,
    ChargingPreferenceToCpo,
    DriverWishAtStation,
    GridCapacity,
    MeterValues,
    PointRegistration,
    PriceEffectToAggregator,
    PriceEffectToDriver,
    SessionEnded,
    SessionOffer,
    SessionStarted,
    SmartChargingSignal,
    StationLimit,
    SteeringAbility,
    SteeringAbilityToAggregator,
    SteeringNotice,
    SteeringPlan,
    TransportLimit,
)
from agents.role import Role

SILENT_AFTER_PERIODS = 2
"""Periods without a target from the aggregator after which a point charges as if nobody steered it."""
USUAL_STAY_MIN = 480.0
"""Stay assumed of a car that told nothing, when points share a limit."""


class CPO(Role):
    """Charge point operator of all points.

    Parameters
    ----------
    points : ChargingPoints
        Its stations, as built.
    site_kw : float array, shape (n_sites,)
        Capacity of each site's connection that charging may use.
    sharing_rule : str
        Rule of :func:`agents.fleet.strategies.allocation.allocate` when a site is short.
    """

    role: ClassVar[str] = "cpo"

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        points: ChargingPoints,
        site_kw: np.ndarray,
        sharing_rule: str = "least_laxity",
    ) -> None:
        super().__init__(model, party, links)
        n = len(points.rows)
        self.points, self.site_kw, self.sharing_rule = points, site_kw, sharing_rule
        self.session_at = np.full(n, -1, dtype=np.int64)
        self.max_kw = np.zeros(n)
        self.min_kw = np.zeros(n)
        self.charge_now = np.zeros(n, dtype=bool)
        self.arrival_min, self.departure_min = np.zeros(n), np.full(n, np.nan)
        self.target_kw = np.full(n, np.inf)
        self.heard_period = np.full(n, -1)
        self.checks = MeterChecks(points.max_kw.astype(np.float64))
        self.wants_now: set[int] = set()
        self._limits: dict[int, TransportLimit] = {}
        self._told_session = np.full(n, -1, dtype=np.int64)
        self.share_parks: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
        """Shares connections with sub-meters among their tenants, where there are any."""
        self.is_plausibility_checked = False
        self.refused_signals = 0

    def register_points(self) -> None:
        """Tell the aggregator the master data of all points, with the grid capacity that the DSO told (CPO-5)."""
        p = self.points
        grid_kw = np.full(int(p.connection_row.max()) + 1, np.nan)
        for told in self.knowledge.take(GridCapacity):
            known = told.connection_row < len(grid_kw)
            grid_kw[told.connection_row[known]] = told.capacity_kw[known]
        self.send(
            PointRegistration(
                np.arange(len(p.rows)), p.connection_row.astype(np.int64), p.max_kw.astype(np.float64),
                grid_kw[p.connection_row], p.site.astype(np.int64),
            )
        )  # fmt: skip

    def pass_on_sessions(self) -> None:
        """Tell the aggregator of sessions that began, with preferences (CPO-6, CPO-7, CPO-8)."""
        for wish in self.knowledge.take(DriverWishAtStation):
            self.wants_now.update(wish.session_row[wish.is_override].tolist())
        for passed_on in self.knowledge.take(ChargingPreferenceToCpo):
            self.wants_now.update(passed_on.session_row[passed_on.is_override].tolist())
        for ability in self.knowledge.take(SteeringAbility):
            self.send(SteeringAbilityToAggregator(ability.cp_row, ability.is_steerable))
        for new in self.knowledge.take(SessionStarted):
            now = np.array([int(row) in self.wants_now for row in new.session_row])
            cp = new.cp_row
            self.session_at[cp], self.max_kw[cp], self.min_kw[cp] = new.session_row, new.max_kw, new.min_kw
            self.charge_now[cp], self.target_kw[cp] = now, np.inf
            self.arrival_min[cp], self.departure_min[cp] = new.arrival_min, new.departure_min
            self.send(
                SessionOffer(
                    new.session_row, cp, new.arrival_min, new.max_kw, new.min_kw, new.max_discharge_kw,
                    new.soc_kwh, new.capacity_kwh, new.efficiency_share, new.departure_min, new.desired_kwh, now,
                )
            )  # fmt: skip

    def steer(self, period: int) -> None:
        """Merge the aggregator's targets with site limits and send set-points (CPO-1 to CPO-4)."""
        self.hear_limits()
        for signal in self.knowledge.take(SmartChargingSignal):
            if self._is_implausible(signal):
                self.refused_signals += 1
                continue
            self.target_kw[signal.cp_row] = signal.target_kw
            self.heard_period[signal.cp_row] = period
        self.target_kw[period - self.heard_period > SILENT_AFTER_PERIODS] = np.inf
        busy = np.flatnonzero(self.session_at >= 0)
        asked = np.where(self.charge_now[busy], self.max_kw[busy], np.minimum(self.target_kw[busy], self.max_kw[busy]))
        limit = np.full(len(self.points.rows), np.inf)
        limit[busy] = self._share(busy, asked, period)
        self._tell_outlook(limit, period)
        fallback = self.points.max_kw.astype(np.float64)
        self.send(StationLimit(np.arange(len(limit)), limit, np.minimum(fallback, self._even_share_kw(fallback))))

    def _is_implausible(self, signal: SmartChargingSignal) -> bool:
        """Whether a batch of targets would move more of the fleet at once than is credible.

        Points that had no target yet count as moving from nothing to what they are told.
        """
        if not self.is_plausibility_checked:
            return False
        rows = signal.cp_row
        before = self.target_kw[rows]
        before = np.where(np.isinf(before) & (self.heard_period[rows] < 0), signal.target_kw, before)
        return is_swing(signal.target_kw, before, self.max_kw[rows])

    def hear_limits(self) -> None:
        """Take in what the transport agreements of its connections leave (CPO-2)."""
        for told in self.knowledge.take(TransportLimit):
            self._limits = {k: v for k, v in self._limits.items() if k > told.first_period - 200}
            self._limits[told.first_period] = told

    def _rights(self, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Group of every site and power that each group may draw now; without word of it every site is free."""
        n = len(self.site_kw)
        group, room = np.arange(n), self.site_kw.copy()
        for told in self._limits.values():
            at = period - told.first_period
            if not 0 <= at < told.limit_kw.shape[1]:
                continue
            site_of = np.full(int(max(self.points.connection_row.max(), told.connection_row.max())) + 1, -1)
            site_of[self.points.connection_row] = self.points.site
            site = site_of[told.connection_row]
            leader = site[np.unique(told.group, return_index=True)[1]]
            group[site] = leader[told.group]
            room[leader] = np.bincount(told.group, weights=told.limit_kw[:, at], minlength=len(leader))
        return group, room

    def _share(self, busy: np.ndarray, asked: np.ndarray, period: int) -> np.ndarray:
        """Let sites that would exceed their connection, and groups that would exceed their right, share it."""
        if self.share_parks is not None:
            asked = self.share_parks(asked, busy, self.min_kw[busy])
        shared = self._share_among(self.points.site[busy], self.site_kw, busy, asked, period)
        if self._limits:
            group, room = self._rights(period)
            shared = self._share_among(group[self.points.site[busy]], room, busy, shared, period)
        return shared

    def _share_among(
        self, site: np.ndarray, room_kw: np.ndarray, busy: np.ndarray, asked: np.ndarray, period: int
    ) -> np.ndarray:
        """Share the room of every site that is short by the sharing rule; others get what was asked."""
        total = np.bincount(site, weights=np.maximum(asked, 0.0), minlength=len(room_kw))
        short = total > room_kw
        if not short.any():
            return asked
        rows = np.flatnonzero(short[site])
        shared = asked.copy()
        shared[rows] = allocate(
            asked[rows],
            self.min_kw[busy][rows],
            room_kw,
            self.sharing_rule,
            site=site[rows],
            priority=self.charge_now[busy][rows].astype(np.float64),
            laxity_h=self._time_left_h(busy[rows], period),
            turn=period,
        )
        return shared

    def _time_left_h(self, points: np.ndarray, period: int) -> np.ndarray:
        """Time until each car leaves as it told; of others those that came first are thought to leave first."""
        told = self.departure_min[points] - 15.0 * period
        guess = USUAL_STAY_MIN - (15.0 * period - self.arrival_min[points])
        return np.asarray(np.where(np.isnan(told), guess, told) / 60.0)

    def _even_share_kw(self, rating_kw: np.ndarray) -> np.ndarray:
        """Power of each point when all points of its site charge at once: safe without communication."""
        total = np.bincount(self.points.site, weights=rating_kw, minlength=len(self.site_kw))
        return (rating_kw * np.minimum(1.0, self.site_kw / np.maximum(total, 1e-9))[self.points.site]).astype(float)

    def report(self) -> None:
        """Pass meter values and ended sessions to the aggregator (CPO-12)."""
        ended = self.knowledge.take(SessionEnded)
        gone = np.concatenate([e.session_row for e in ended]) if ended else np.zeros(0, dtype=np.int64)
        for e in ended:
            self.checks.settle(e.session_row, e.cp_row, e.metered_kwh, e.car_kwh)
            same = self.session_at[e.cp_row] == e.session_row
            self.session_at[e.cp_row[same]] = -1
            self.charge_now[e.cp_row[same]] = False
        readings = self.knowledge.take(MeterValues)
        for rates in readings:
            self.send(ChargeRates(rates.cp_row, rates.power_kw, rates.transaction_row, gone))
        if len(gone) and not readings:
            none = np.zeros(0, dtype=np.int64)
            self.send(ChargeRates(none, np.zeros(0), none, gone))

    def choose_aggregator(self, parties: Sequence[str], holder: int, cp_row: np.ndarray) -> None:
        """Ask another aggregator to take the own public points over where it brings more than the present one."""
        told = self.knowledge.newest_of(AggregatorTermsToCpo)
        benefit = np.array([told[p].benefit_eur_per_kwh if p in told else np.nan for p in parties])
        one = np.ones(1, dtype=bool)
        wanted = int(choices(np.array([holder]), benefit, ~one, one, "price")[0])
        if wanted != holder:
            self.send(AggregatorChosenByCpo(cp_row), parties[wanted])

    def _tell_outlook(self, limit_kw: np.ndarray, period: int) -> None:
        """Tell the EMSP how sessions that have just begun will be charged (CPO-13)."""
        begun = np.flatnonzero((self.session_at >= 0) & (self.session_at != self._told_session))
        if len(begun):
            group, room = self._rights(period)
            site_kw = np.minimum(self.site_kw, room[group])[self.points.site[begun]]
            self.send(SteeringPlan(self.session_at[begun], site_kw, limit_kw[begun]))
            self._told_session[begun] = self.session_at[begun]

    def tell_price_effect(self, session_row: np.ndarray, saving_eur: np.ndarray) -> None:
        """Tell driver, EMSP and aggregator what steering did to the price (CPO-9 to CPO-11, CPO-13)."""
        if len(session_row):
            self.send(PriceEffectToDriver(session_row, saving_eur))
            self.send(SteeringNotice(session_row, saving_eur))
            self.send(PriceEffectToAggregator(session_row, saving_eur))
