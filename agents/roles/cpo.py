"""CPO: reconciles the aggregator's signal with the limits of sites and steers the charging points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.strategies.allocation import allocate
from agents.fleet.tables import ChargingPoints
from agents.information.customers import choices
from agents.information.defence import FEEDER_MARGIN, is_swing
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
    SiteLoad,
    SmartChargingSignal,
    StationLimit,
    SteeringAbility,
    SteeringAbilityToAggregator,
    SteeringNotice,
    SteeringPlan,
    TransportLimit,
)
from agents.role import Role
from agents.roles.shown_power import ShownPower

SILENT_AFTER_PERIODS = 2
"""Periods without a target from the aggregator after which a point charges as if nobody steered it."""
USUAL_STAY_MIN, LEAST_STAY_MIN = 480.0, 60.0
"""Stay assumed of a car that told nothing, when points share a limit, and what is left of it at least."""
USUAL_NEED_KWH = 12.0
"""Energy that such a car is thought to need (mean of public and work sessions; calibration)."""


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
        self.need_kwh, self.metered_kwh = np.full(n, np.nan), np.zeros(n)
        """Energy at the meter that each car needs, as told (NaN where nothing was), and what it got."""
        self._told_wish: dict[int, tuple[float, float]] = {}
        self._limit_kw, self._shown = np.zeros(n), ShownPower(n)
        self._load_kw = np.zeros(int(points.connection_row.max(initial=-1)) + 1)
        self._connection_of_site = np.zeros(len(site_kw), dtype=np.int64)
        self._connection_of_site[points.site] = points.connection_row
        self.target_kw = np.full(n, np.inf)
        self.heard_period = np.full(n, -1)
        self.checks = MeterChecks(points.max_kw.astype(np.float64))
        self.wants_now: set[int] = set()
        self._limits: dict[int, TransportLimit] = {}
        self._told_session = np.full(n, -1, dtype=np.int64)
        self.share_parks: Callable[..., np.ndarray] | None = None
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
            wishes = zip(passed_on.departure_min.tolist(), passed_on.desired_kwh.tolist(), strict=True)
            self._told_wish.update(zip(passed_on.session_row.tolist(), wishes, strict=True))
        for ability in self.knowledge.take(SteeringAbility):
            self.send(SteeringAbilityToAggregator(ability.cp_row, ability.is_steerable))
        for new in self.knowledge.take(SessionStarted):
            now = np.array([int(row) in self.wants_now for row in new.session_row])
            cp = new.cp_row
            self.session_at[cp], self.max_kw[cp], self.min_kw[cp] = new.session_row, new.max_kw, new.min_kw
            self.charge_now[cp], self.target_kw[cp] = now, np.inf
            self._note_wishes(new)
            self.send(
                SessionOffer(
                    new.session_row, cp, new.arrival_min, new.max_kw, new.min_kw, new.max_discharge_kw,
                    new.soc_kwh, new.capacity_kwh, new.efficiency_share, new.departure_min, new.desired_kwh, now,
                )
            )  # fmt: skip

    def _note_wishes(self, new: SessionStarted) -> None:
        """Keep what cars and drivers said of departure and energy, for the sharing of sites that are short."""
        cp = new.cp_row
        self.arrival_min[cp], self.metered_kwh[cp] = new.arrival_min, 0.0
        self._shown.begin(cp)
        wish = np.array([self._told_wish.pop(int(row), (np.nan, np.nan)) for row in new.session_row]).reshape(-1, 2)
        by_battery = (new.desired_kwh - new.soc_kwh) / np.where(
            np.isnan(new.efficiency_share), 0.9, new.efficiency_share
        )
        self.departure_min[cp] = np.where(np.isnan(new.departure_min), wish[:, 0], new.departure_min)
        self.need_kwh[cp] = np.where(np.isnan(by_battery), wish[:, 1], by_battery)

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
        self._limit_kw[:] = 0.0
        self._limit_kw[busy] = np.clip(limit[busy], 0.0, self.max_kw[busy])
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
        """Take in what the transport agreements of its connections leave, and what other load takes (CPO-2)."""
        for load in self.knowledge.take(SiteLoad):
            known = load.connection_row < len(self._load_kw)
            if self.is_plausibility_checked:
                known &= self._is_believable(load)
            self._load_kw[load.connection_row[known]] = load.load_kw[known]
        for told in self.knowledge.take(TransportLimit):
            self._limits = {k: v for k, v in self._limits.items() if k > told.first_period - 200}
            self._limits[told.first_period] = told

    def _is_believable(self, load: SiteLoad) -> np.ndarray:
        """Readings that the fuse of the connection would have let pass."""
        capacity = np.zeros(len(self._load_kw))
        capacity[self._connection_of_site] = self.site_kw
        row = np.minimum(load.connection_row, len(capacity) - 1)
        return np.asarray(np.abs(load.load_kw) <= FEEDER_MARGIN * capacity[row])

    def _rights(self, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Group of every site and power that each group may draw now; without word of it every site is free."""
        n = len(self.site_kw)
        load = self._load_kw[self._connection_of_site]
        group, room = np.arange(n), self.site_kw - load
        for told in self._limits.values():
            at = period - told.first_period
            if not 0 <= at < told.limit_kw.shape[1]:
                continue
            site_of = np.full(int(max(self.points.connection_row.max(), told.connection_row.max())) + 1, -1)
            site_of[self.points.connection_row] = self.points.site
            site = site_of[told.connection_row]
            leader = site[np.unique(told.group, return_index=True)[1]]
            group[site] = leader[told.group]
            right = told.limit_kw[:, at] - load[site]
            room[leader] = np.bincount(told.group, weights=right, minlength=len(leader))
        return group, np.maximum(room, 0.0)

    def _share(self, busy: np.ndarray, asked: np.ndarray, period: int) -> np.ndarray:
        """Let sites that would exceed their connection, and groups that would exceed their right, share it."""
        if self.share_parks is not None:
            least, laxity = self.min_kw[busy], self._laxity_h(busy, period)
            asked = self.share_parks(asked, self._shown.bound(asked, least, busy), busy, least, laxity, self._load_kw)
        room = np.maximum(self.site_kw - self._load_kw[self._connection_of_site], 0.0)
        shared = self._share_among(self.points.site[busy], room, busy, asked, period)
        if self._limits:
            group, room = self._rights(period)
            shared = self._share_among(group[self.points.site[busy]], room, busy, shared, period)
        return shared

    def _share_among(
        self, site: np.ndarray, room_kw: np.ndarray, busy: np.ndarray, asked: np.ndarray, period: int
    ) -> np.ndarray:
        """Share the room of every site that is short by the sharing rule; others get what was asked.

        Who has shown to take less than asked leaves the rest to others; a full car comes last.
        """
        total = np.bincount(site, weights=np.maximum(asked, 0.0), minlength=len(room_kw))
        short = total > room_kw
        if not short.any():
            return asked
        rows = np.flatnonzero(short[site])
        shared, points = asked.copy(), busy[rows]
        shared[rows] = allocate(
            self._shown.bound(asked[rows], self.min_kw[points], points),
            self.min_kw[points],
            room_kw,
            self.sharing_rule,
            site=site[rows],
            priority=self.charge_now[points].astype(np.float64),
            laxity_h=self._laxity_h(points, period),
            turn=period,
        )
        return shared

    def _laxity_h(self, points: np.ndarray, period: int) -> np.ndarray:
        """Time until each car leaves less the time it still has to charge, by what was told.

        Of cars that told nothing, those that came first are thought to leave first. Who wants to charge now has no
        time to lose; a car that took nothing of what it was given has all the time there is.
        """
        now = 15.0 * period
        guess = np.maximum(self.arrival_min[points] + USUAL_STAY_MIN - now, LEAST_STAY_MIN)
        told = self.departure_min[points] - now
        left_min = np.where(np.isnan(told), guess, told)
        need = np.where(np.isnan(self.need_kwh[points]), USUAL_NEED_KWH, self.need_kwh[points])
        open_kwh = np.maximum(need - self.metered_kwh[points], 0.0)
        laxity = left_min / 60.0 - open_kwh / np.maximum(self.max_kw[points], 1e-9)
        laxity = np.where(self.charge_now[points], -1e6, laxity)
        return np.asarray(np.where(self._shown.is_idle(points), np.inf, laxity))

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
            self._note_rates(rates)
            self.send(ChargeRates(rates.cp_row, rates.power_kw, rates.transaction_row, gone))
        if len(gone) and not readings:
            none = np.zeros(0, dtype=np.int64)
            self.send(ChargeRates(none, np.zeros(0), none, gone))

    def _note_rates(self, rates: MeterValues) -> None:
        """Keep what cars took, and what they have shown to take, of the sessions that are known."""
        is_now = rates.transaction_row == self.session_at[rates.cp_row]
        measured = np.zeros(len(self.points.rows))
        measured[rates.cp_row[is_now]] = rates.power_kw[is_now]
        self.metered_kwh += 0.25 * measured
        self._shown.learn(self._limit_kw, measured)

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
