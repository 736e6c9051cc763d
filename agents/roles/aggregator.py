"""Aggregator: steers the cars of its pool and sells their flexibility, on what reached it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import mesa
import numpy as np
from scipy.sparse import csr_matrix

from agents.fleet.figures import V2X_ONE_WAY as ONE_WAY
from agents.fleet.strategies import STRATEGIES
from agents.fleet.strategies.optimal import to_the_house
from agents.fleet.tables import SEGMENTS, ChargingPoints
from agents.fleet.view import Signal
from agents.information.defence import is_upside_down
from agents.information.services import Services
from agents.links import Links
from agents.messages import (
    AbsoluteSignalViaCsp,
    ActivationNotice,
    AggregatorChosen,
    AggregatorChosenByCpo,
    AggregatorTerms,
    AggregatorTermsToCpo,
    BalancingOffer,
    CapacityCallNotice,
    CarbonForecast,
    ChargeRates,
    ChargingPreference,
    CongestionNotice,
    CongestionOffer,
    ConnectionForecast,
    ConsentWithdrawn,
    ContractPrice,
    ContractShares,
    FleetSchedule,
    FlexibilityUsedToBsp,
    FlexibilityUsedToCsp,
    HomeForecast,
    OemData,
    PointRegistration,
    PointSwitchRequest,
    PoolForecast,
    PriceEffectToAggregator,
    PublishedBalance,
    RedispatchNotice,
    ReserveNotice,
    ReserveOffer,
    SessionOffer,
    SmartChargingSignal,
    SolarPanelData,
    SteeringAbilityToAggregator,
    SwitchRequest,
    TenantPrice,
    WeatherForecast,
)
from agents.role import Role
from agents.roles.beliefs import Beliefs, view_of
from agents.roles.carbon import CarbonOutlook
from agents.roles.followers import Followers
from agents.roles.group_limits import GroupLimits
from agents.roles.local_load import LocalLoads
from agents.roles.replay import Replay, replay, summing

AHEAD = 192
"""Periods that a plan looks ahead."""
HOME = SEGMENTS.index("home")
ROUNDING_KW = 1e-4
"""Difference between a plan in single precision and the power it means."""
LEAST_SLACK_MIN = 15.0
"""Time to spare below which a car is not paused for balancing."""
SHORT_KW = 0.5
"""Power (or energy, kWh) below which a difference is no reason to plan anew."""
ARRIVAL_PERIODS = 16.0
"""Time in which about two thirds of the cars that will matter have arrived, periods."""
FLEXIBLE_SHARE = 0.6
"""Share of the usual power that could run at another time (most stays are far longer than the charging they need)."""
SURE_SHARE = 0.7
"""Share of the planned power that is offered for balancing: cars leave early and cars taper."""
INCREASE_SHARE = 0.05
"""Part of the rated power that could be drawn on top at any time: few cars are there that could take more."""
REPLAY_FROM = 90
"""Period from which a day of own sessions is known to forecast from."""
NEAR_PERIODS = 16
"""Periods for which own plans say more than what is usual."""
BRP_WEIGHT = 0.2
"""Weight of what the BRP's meters say of the connections in a day's forecast: it sees every car, but no plan."""
SHIFT_EUR_PER_MWH = 60.0
"""What the aggregator asks above the energy price for moving a driver's charging."""
AVOID_EUR_PER_KWH = 0.5
"""Price put on limited periods so that plans go around them."""
WEAR_EUR_PER_KWH = 0.05
"""Ageing of a battery per kWh taken out to deliver: the middle of 2-8 ct (calibration, physics)."""
SITE_STRATEGIES = ("pv_following", "equal_share", "least_laxity", "priority", "capacity_rotating", "site_optimal")
"""Strategies that plan all cars of a site together, by its limit and its roof."""
LIMIT_SHARE = 0.95
"""Part of a connection that plans use: the load behind the meter is never quite as forecast."""
DAILY_KWH = {"home": 7.0, "public_ac": 17.0, "work": 8.0, "depot": 35.0, "shared": 15.0, "dc": 150.0}
"""Energy a day per charging point before anything was measured."""
HOUR_SHAPE_2025 = np.array(
    [88, 83, 80, 78, 78, 83, 96, 110, 110, 91, 71, 57, 47, 42, 45, 58, 74, 98, 119, 131, 128, 115, 104, 93]
)
"""Mean Dutch day-ahead price by hour in 2025, EUR/MWh (market-rules section 8): what is expected before prices come."""


class Aggregator(Role):
    """Aggregator of all charging points whose drivers take part.

    Parameters
    ----------
    points : ChargingPoints
        Contracted points: segment, connection, rating (data items "location" and "CP capacity").
    strategy : mapping
        Name of the charging strategy by segment.
    takes_part : bool array, shape (n_points,)
        Points in the contract.
    n_sessions, n_periods : int
        Sizes of the run.
    local_hour : float array, shape (n_periods,)
        The clock.
    representation : int
        National EVs per simulated one, for what is sold nationally.
    share : float array, shape (n_points,), optional
        Part of each point's users that has a contract with this aggregator, where there are several; all by default.
    """

    role: ClassVar[str] = "aggregator"

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        points: ChargingPoints,
        strategy: Mapping[str, str],
        takes_part: np.ndarray,
        n_sessions: int,
        local_hour: np.ndarray,
        representation: int,
        share: np.ndarray | None = None,
    ) -> None:
        super().__init__(model, party, links)
        self.points, self._in_contract, self.representation = points, takes_part, representation
        self.takes_part = takes_part
        """Points whose flexibility may be offered: in the contract, and able to be steered."""
        self.share = np.ones(len(points.rows)) if share is None else share
        self.reward_share = 0.5
        """Part of the flexibility revenue that goes on to drivers."""
        self.n_periods = len(local_hour)
        self._strategy_of_segment = [strategy.get(name, "uncontrolled") for name in SEGMENTS]
        self.believed = Beliefs.nothing(n_sessions)
        self.session_at = np.full(len(points.rows), -1, dtype=np.int64)
        self._dirty = np.zeros(len(points.rows), dtype=bool)
        self._plan_end = np.zeros(len(points.rows), dtype=np.int64)
        self._per_connection = summing(points.connection_row, int(points.connection_row.max()) + 1)
        end = self.n_periods + AHEAD
        self.plan_kw = np.zeros((len(points.rows), end), dtype=np.float32)
        after = (local_hour[-1] + 0.25 * np.arange(1, AHEAD + 1)) % 24.0
        hour = np.concatenate([local_hour, after]).astype(np.int64)
        expected = HOUR_SHAPE_2025[hour] / 1000.0
        self.price_eur_per_kwh = (expected + 0.1116) * 1.21
        self.feed_in_eur_per_kwh = expected.copy()
        self.carbon, self.followers = CarbonOutlook(end), Followers(points)
        self._tenant_of_point = np.full(len(points.rows), -1, dtype=np.int64)
        self._tenant_eur_per_kwh = np.zeros((2, 0, len(self.price_eur_per_kwh)))
        self.limits = GroupLimits(points.connection_row, self.n_periods)
        self.local = LocalLoads(int(points.connection_row.max()) + 1)
        self.site_kw = np.full(points.n_sites, np.inf)
        """Capacity of each site's connection, as the CPO told it."""
        self._connection_of_site = np.zeros(points.n_sites, dtype=np.int64)
        self._connection_of_site[points.site] = points.connection_row
        self._shares_limit = np.zeros(len(points.rows), dtype=bool)
        self._sent_kw = np.zeros(len(points.rows))
        self.activation_mw, self.fcr_mw = np.zeros(end), np.zeros(end)
        self.redispatched_mw = np.zeros(end)
        self.reserved_up_mw = np.zeros(end)
        """Less charging that is promised as FCR and upward aFRR: no other service may sell it again."""
        self._absolute_share, self._absolute_period = np.ones(len(points.rows)), -1
        self.has_news = False
        """The DSO limited points for more than the coming quarter: the BRP should hear of it now."""
        self._offer: CongestionOffer | None = None
        self._strategies: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._offered: tuple[np.ndarray, np.ndarray, csr_matrix] | None = None
        self._replay: Replay | None = None
        self._brp_expects_mw = np.full(end, np.nan)
        self._heard_balance = -10
        self.services = Services(points.segment)
        self.is_plausibility_checked, self.refused_prices = False, 0
        self.passive_share = 0.0
        """Part of the pool that reacts to the published balance by itself."""
        self.keep_periods: int | None = None
        """Periods that a finished session may be remembered; None = no limit."""
        self.congestion_eur_per_mwh = np.inf
        self.usual_mw = usual_profile_mw(points, self.share)
        self.baseline_mw = 0.0
        self.saving_eur, self._today_eur, self._today_kwh = 0.0, 0.0, 0.0

    # --- what reaches it ---------------------------------------------------------------------------------------------

    def hear(self, period: int) -> None:
        """Take in everything that links delivered."""
        self._hear_rights(period)
        for panels in self.knowledge.take(SolarPanelData):
            self.local.hear_panels(panels.connection_row, panels.peak_kw)
        for weather in self.knowledge.take(WeatherForecast):
            self.local.hear_weather(weather.first_period, weather.solar_share)
        for local in self.knowledge.take(HomeForecast):
            self.local.hear(period, local.connection_row, local.load_kw)
        self._hear_ability()
        self._hear_sessions()
        self._hear_battery_data()
        for price in self.knowledge.take(ContractPrice):
            span = slice(price.first_period, price.first_period + len(price.price_eur_per_kwh))
            if self.is_plausibility_checked and is_upside_down(price.price_eur_per_kwh, self.price_eur_per_kwh[span]):
                self.refused_prices += 1
                continue
            self.price_eur_per_kwh[span] = price.price_eur_per_kwh
            self.feed_in_eur_per_kwh[span] = price.feed_in_eur_per_kwh
            self._expect_like(price)
            self._dirty |= self.session_at >= 0
        self._hear_tenant_prices()
        for carbon in self.knowledge.take(CarbonForecast):
            self.carbon.hear(carbon.first_period, carbon.co2_kg_per_kwh)
            at = np.flatnonzero(self.session_at >= 0)
            self._dirty[at] |= self.believed.co2_focus[self.session_at[at]] > 0.0
        for expected in self.knowledge.take(ConnectionForecast):
            span = slice(expected.first_period, expected.first_period + len(expected.power_mw))
            self._brp_expects_mw[span] = expected.power_mw / self.representation
        self._hear_grid(period)
        for told in self.knowledge.take(PriceEffectToAggregator):
            self.saving_eur += float(np.sum(told.saving_eur))
            self._today_eur += float(np.sum(told.saving_eur))
        for reserve in self.knowledge.take(ReserveNotice):
            span = slice(reserve.first_period, reserve.first_period + len(reserve.fcr_mw))
            self.fcr_mw[span] = np.maximum(self.fcr_mw[span], reserve.fcr_mw)
            self.reserved_up_mw[span] = np.maximum(self.reserved_up_mw[span], reserve.fcr_mw + reserve.up_mw)
        for published in self.knowledge.take(PublishedBalance):
            self._heard_balance = published.period

    def _expect_like(self, known: ContractPrice) -> None:
        """Until its prices are known, the day after is expected to cost what this one does."""
        end = known.first_period + len(known.price_eur_per_kwh)
        for target, values in (
            (self.price_eur_per_kwh, known.price_eur_per_kwh),
            (self.feed_in_eur_per_kwh, known.feed_in_eur_per_kwh),
        ):
            n = min(len(values), len(target) - end)
            target[end : end + n] = values[:n]

    def _hear_rights(self, period: int) -> None:
        """Take in master data, and forget what may not be known any more."""
        for registration in self.knowledge.take(PointRegistration):
            self.services.register(registration)
            told = np.nan_to_num(registration.grid_kw, nan=np.inf)
            self.site_kw[self.points.site[registration.cp_row]] = told
            self._note_tight_sites()
        for register in self.knowledge.take(ContractShares):
            self.share[register.cp_row] = register.share
        for notice in self.knowledge.take(CongestionNotice):
            self.congestion_eur_per_mwh = notice.price_eur_per_mwh
        for withdrawn in self.knowledge.take(ConsentWithdrawn):
            rows = withdrawn.session_row
            self.session_at[np.isin(self.session_at, rows)] = -1
            self.believed.forget(rows)
        if self.keep_periods is not None:
            b = self.believed
            self.believed.forget(np.flatnonzero(~b.is_here & (b.arrival_min < 15.0 * (period - self.keep_periods))))

    def _note_tight_sites(self) -> None:
        """Points that could overload their connection together, and those whose strategy plans a whole site."""
        p = self.points
        rated = np.bincount(p.site, weights=p.max_kw, minlength=p.n_sites)
        is_tight = (rated > self.site_kw + 1e-6)[p.site]
        is_joint = np.isin(np.array(self._strategy_of_segment)[p.segment], SITE_STRATEGIES)
        self._shares_limit = is_tight | is_joint

    def _hear_ability(self) -> None:
        """Take points out of every offer that cannot be steered, and back in."""
        for ability in self.knowledge.take(SteeringAbilityToAggregator):
            rows = ability.cp_row
            now = self._in_contract[rows] & ability.is_steerable
            changed = rows[now != self.takes_part[rows]]
            if len(changed):
                self.takes_part = self.takes_part.copy()
                self.takes_part[rows] = now
                self._dirty[changed] |= self.session_at[changed] >= 0
                self.has_news = True

    def _hear_sessions(self) -> None:
        b = self.believed
        for new in self.knowledge.take(SessionOffer):
            rows = new.session_row
            for name in ("cp_row", "arrival_min", "max_kw", "min_kw", "max_discharge_kw", "soc_kwh", "capacity_kwh"):
                told = getattr(new, name)
                getattr(b, name)[rows] = told
            b.desired_kwh[rows] = new.desired_kwh
            b.told("efficiency_share", rows, new.efficiency_share)
            b.departure_min[rows] = np.where(np.isnan(new.departure_min), b.departure_min[rows], new.departure_min)
            b.charge_now[rows] |= new.is_override
            b.is_here[rows] = True
            b.is_deaf[rows] = self.followers.is_deaf(new.cp_row)
            self.followers.begin(new.cp_row)
            self.session_at[new.cp_row] = rows
            self._dirty[new.cp_row] = True
        for wish in self.knowledge.take(ChargingPreference):
            b.co2_focus[wish.session_row] = np.clip(np.nan_to_num(wish.co2_focus), 0.0, 1.0)
            b.departure_min[wish.session_row] = wish.departure_min
            b.stated_kwh[wish.session_row] = wish.desired_kwh
            b.urgent_kwh[wish.session_row] = wish.urgent_kwh
            b.charge_now[wish.session_row] |= wish.is_override
        for tour in self.knowledge.take(FleetSchedule):
            b.departure_min[tour.session_row] = tour.departure_min
            b.stated_kwh[tour.session_row] = tour.needed_kwh

    def _hear_battery_data(self) -> None:
        b = self.believed
        for oem in self.knowledge.take(OemData):
            for name in ("soc_kwh", "capacity_kwh", "efficiency_share"):
                b.told(name, oem.session_row, getattr(oem, name))
        for rates in self.knowledge.take(ChargeRates):
            rows, known = self._sessions_of(rates)
            b.metered_kwh[rows[known]] += rates.power_kw[known] * 0.25
            self._today_kwh += 0.25 * float(np.sum(rates.power_kw[known]))
            now = known & (self.session_at[rates.cp_row] == rows)
            power_kw = np.zeros(len(self.points.rows))
            power_kw[rates.cp_row[now]] = rates.power_kw[now]
            here = np.flatnonzero(self.session_at >= 0)
            self._note_shortfall(here, power_kw[here])
            if now.any():
                told_kw = np.minimum(self._sent_kw[here], b.max_kw[self.session_at[here]])
                self.followers.note(here, self.session_at[here], told_kw, power_kw[here], b)
            gone = rates.ended_session_row
            b.is_here[gone] = False
            left = gone[self.session_at[b.cp_row[gone]] == gone] if len(gone) else gone
            self.session_at[b.cp_row[left]] = -1

    def _sessions_of(self, rates: ChargeRates) -> tuple[np.ndarray, np.ndarray]:
        """Session of every reading, and whether it is known: a late reading counts for the session it was taken in."""
        rows = rates.transaction_row
        return rows, (rows >= 0) & (self.believed.cp_row[np.maximum(rows, 0)] >= 0)

    def _note_shortfall(self, here: np.ndarray, metered_kw: np.ndarray) -> None:
        """Plan cars anew that got less than they were told where points share a limit: someone held them back."""
        rows = self.session_at[here]
        told = np.minimum(self._sent_kw[here], self.believed.max_kw[rows])
        is_short = self._shares_limit[here] & (metered_kw < told - SHORT_KW)
        short = here[is_short]
        self._dirty[short[self.believed.need_of(self.session_at[short]) > SHORT_KW]] = True

    def _hear_grid(self, period: int) -> None:
        """Turn what the grid asks for into limits of groups of points (AGG-3)."""
        self.limits.forget(period)
        for notice in self.knowledge.take(RedispatchNotice):
            expected = self._prognosis_kw(notice.first_period, notice.change_kw.shape[1], notice.connection_row)
            change = notice.change_kw.sum(axis=0)
            self.redispatched_mw[notice.first_period : notice.first_period + len(change)] += change / 1000.0
            limit = np.where(change < 0.0, np.maximum(expected + change, 0.0), np.inf)
            self._limit(notice.first_period, notice.connection_row, limit)
        for call in self.knowledge.take(CapacityCallNotice):
            self._limit(call.first_period, call.connection_row, call.limit_kw)
        for signal in self.knowledge.take(AbsoluteSignalViaCsp):
            share = np.ones(int(max(self.points.connection_row.max(), signal.connection_row.max())) + 1)
            share[signal.connection_row] = signal.limit_share
            self._absolute_share, self._absolute_period = share[self.points.connection_row], signal.first_period
            if signal.n_periods > 1:
                most_kw = float(np.sum((share[self.points.connection_row] * self.points.max_kw * self.share)[
                    np.isin(self.points.connection_row, signal.connection_row)]))  # fmt: skip
                self._limit(signal.first_period, signal.connection_row, np.full(signal.n_periods, most_kw))
                self.has_news = True

    def _limit(self, first: int, connections: np.ndarray, limit_kw: np.ndarray) -> None:
        concerned = self.limits.add(first, connections, limit_kw)
        self._dirty[concerned] |= self.session_at[concerned] >= 0

    def _prognosis_kw(self, first: int, n: int, connections: np.ndarray) -> np.ndarray:
        """Demand prognosis that the pool gave for some connections, float[n]."""
        if self._offer is None:
            return np.full(n, np.inf)
        rows = np.isin(self._offer.connection_row, connections)
        at = np.clip(np.arange(first, first + n) - self._offer.first_period, 0, self._offer.prognosis_kw.shape[1] - 1)
        return np.asarray(self._offer.prognosis_kw[rows][:, at].sum(axis=0))

    # --- planning ----------------------------------------------------------------------------------------------------

    def plan(self, period: int) -> None:
        """Plan every session whose plan is missing or out of date, by its segment's strategy."""
        strategy_of_point, is_joint = self._strategy_of_point()
        self._join_sites(is_joint)
        cp = np.flatnonzero(self._dirty & (self.session_at >= 0))
        self._dirty[:] = False
        strategy = strategy_of_point[cp]
        for name in sorted(set(strategy.tolist())):
            chosen = cp[strategy == name]
            may_deliver = self.services.follows_prices("v2x")[chosen]
            view = view_of(self.believed, self.points, self.session_at[chosen], period, may_deliver)
            power = STRATEGIES[name](view, self._signal(chosen, period, name))
            self.plan_kw[chosen, period : period + AHEAD] = 0.0
            self.plan_kw[chosen, period : period + power.shape[1]] = power
            is_used = np.abs(power) > 1e-6
            last = power.shape[1] - np.argmax(is_used[:, ::-1], axis=1)
            self._plan_end[chosen] = np.where(is_used.any(axis=1), period + last, period)

    def _join_sites(self, is_joint: np.ndarray) -> None:
        """Where one car of a site is planned anew, all are, if the strategy shares the site among them."""
        sites = np.unique(self.points.site[self._dirty & is_joint])
        if len(sites):
            self._dirty |= is_joint & np.isin(self.points.site, sites) & (self.session_at >= 0)

    def _signal(self, points: np.ndarray, period: int, strategy: str) -> Signal:
        """Prices that plans go by: dearer where the grid has no room and, for who minds, where a kWh emits much.

        With them limit and roof of the sites, and load behind the meters.
        """
        ahead = slice(period, period + AHEAD)
        buy, sell = self._contract_prices(points, ahead)
        extra = self.limits.penalty_eur_per_kwh(period, AHEAD, points, AVOID_EUR_PER_KWH)
        if extra is not None:
            buy, sell = np.atleast_2d(buy) + extra, np.atleast_2d(sell) + extra
        signal = Signal(buy, feed_in_eur_per_kwh=sell, wear_eur_per_kwh=WEAR_EUR_PER_KWH)
        signal = self.carbon.weigh(signal, self.believed.co2_focus[self.session_at[points]], period)
        if strategy in SITE_STRATEGIES:
            return self._with_sites(signal, points, period)
        return self._behind_the_meter(signal, points, period)

    def _contract_prices(self, points: np.ndarray, ahead: slice) -> tuple[np.ndarray, np.ndarray]:
        """Buying and selling price, one row for all; behind a tenant's sub-meter that of its own contract."""
        buy, sell = self.price_eur_per_kwh[ahead], self.feed_in_eur_per_kwh[ahead]
        tenant = self._tenant_of_point[points]
        if (tenant < 0).all():
            return buy, sell
        own = self._tenant_eur_per_kwh[:, np.maximum(tenant, 0), ahead]
        is_own = (tenant >= 0)[:, None] & np.isfinite(own[0])
        return np.where(is_own, own[0], buy), np.where(is_own, own[1], sell)

    def _hear_tenant_prices(self) -> None:
        """Keep the prices of contracts behind sub-meters, one row per tenant's contract."""
        for told in self.knowledge.take(TenantPrice):
            row = int(self._tenant_of_point[told.cp_row[0]])
            if row < 0:
                row = self._tenant_eur_per_kwh.shape[1]
                empty = np.full((2, 1, len(self.price_eur_per_kwh)), np.nan)
                self._tenant_eur_per_kwh = np.concatenate([self._tenant_eur_per_kwh, empty], axis=1)
                self._tenant_of_point[told.cp_row] = row
            span = slice(told.first_period, told.first_period + len(told.price_eur_per_kwh))
            self._tenant_eur_per_kwh[0, row, span] = told.price_eur_per_kwh
            self._tenant_eur_per_kwh[1, row, span] = told.feed_in_eur_per_kwh

    def _with_sites(self, signal: Signal, points: np.ndarray, period: int) -> Signal:
        """Room and surplus of every site up to the last that is planned, by the load measured behind its meter."""
        n = int(self.points.site[points].max(initial=-1)) + 1
        load = self.local.forecast_kw(period, signal.n_ahead, self._connection_of_site[:n])
        room = LIMIT_SHARE * self.site_kw[:n, None] - load
        return replace(signal, limit_kw=np.maximum(room, 0.0), pv_surplus_kw=np.maximum(-load, 0.0))

    def _behind_the_meter(self, signal: Signal, points: np.ndarray, period: int) -> Signal:
        """At homes own sun costs what feed-in would have earned, and delivery to the house saves the full price."""
        buy, sell = signal.price_eur_per_kwh, signal.feed_in_eur_per_kwh
        is_home = self.points.segment[points] == HOME
        if sell is None or not is_home.any() or not np.any(buy - sell > 1e-9):
            return signal
        load = self.local.forecast_kw(period, signal.n_ahead, self.points.connection_row[points])
        load = np.where(is_home[:, None], load, 0.0)
        sunny = np.clip(np.maximum(-load, 0.0) / self.points.max_kw[points][:, None], 0.0, 1.0)
        return replace(
            signal,
            price_eur_per_kwh=buy - sunny * (buy - sell),
            feed_in_eur_per_kwh=np.broadcast_to(sell, load.shape),
            own_use_kw=np.maximum(load, 0.0),
            own_use_eur_per_kwh=np.broadcast_to(buy, load.shape),
        )

    # --- steering ----------------------------------------------------------------------------------------------------

    def steer(self, period: int) -> None:
        """Send this period's targets, with grid limits and balancing worked in (AGG-5)."""
        here = np.flatnonzero(self.session_at >= 0)
        target = self._free_where_done(here, self.plan_kw[here, period].astype(np.float64), period)
        high, least = self.believed.max_kw[self.session_at[here]], self.believed.min_kw[self.session_at[here]]
        # plans are kept in single precision: a minimum that lost its last digits would stop the car
        target = np.where(np.abs(np.abs(target) - least) < ROUNDING_KW, np.sign(target) * least, target)
        target = np.minimum(target, high)
        target = self._within_own_use(here, target, period)
        free = target
        if not self.limits.is_empty:
            target = self.limits.squeeze(period, here, target, least, self._slack_min(here, period) / 60.0)
        if self._absolute_period == period:
            share = self._absolute_share[here]
            target = np.where(share < 1.0, np.minimum(target, share * self.points.max_kw[here]), target)
        self._dirty[here] |= target < free
        self.baseline_mw = float(np.sum(target)) / 1000.0
        target = self._activated(here, target, period)
        self._sent_kw[here] = target
        self.send(SmartChargingSignal(here, target))

    def _within_own_use(self, here: np.ndarray, target: np.ndarray, period: int) -> np.ndarray:
        """Delivery at home follows the house where feeding in does not pay by itself; what is left is planned anew."""
        buy, sell = self.price_eur_per_kwh[period : period + 96], self.feed_in_eur_per_kwh[period]
        pays = ONE_WAY**2 * sell - WEAR_EUR_PER_KWH > float(buy.min())
        is_home = (target < 0.0) & (self.points.segment[here] == HOME)
        if pays or buy[0] - sell < 1e-9 or not is_home.any():
            return target
        house = np.maximum(self.local.now_kw(self.points.connection_row[here]), 0.0)
        house = to_the_house(house, self.believed.min_kw[self.session_at[here]])
        bound = np.where(is_home, np.maximum(target, -house), target)
        self._dirty[here] |= bound > target
        return np.asarray(bound)

    def _free_where_done(self, here: np.ndarray, target: np.ndarray, period: int) -> np.ndarray:
        """Who does not take part is not limited; a car whose plan is done charges on until it stops by itself.

        The plan covers what the driver is believed to need; who needed more, or stays longer, gets it this way.
        """
        is_done = self._plan_end[here] <= period
        return np.where(is_done | ~self.takes_part[here], np.inf, target)

    def _activated(self, here: np.ndarray, target: np.ndarray, period: int) -> np.ndarray:
        """Take activated balancing power (up = less charging) from, or add it to, the cars that have room.

        Whoever has most time left goes first, and moves as far as it can before the next is asked: below 6 A a car
        cannot be slowed, only paused, and few plans have to be made anew. Who has no time to spare is not paused.
        """
        wanted_kw = self.activation_mw[period] * 1000.0 / self.representation  # + = up, less charging
        if wanted_kw == 0.0 or not len(here):
            return target
        high = self.believed.max_kw[self.session_at[here]]
        room = np.maximum(target, 0.0) if wanted_kw > 0 else np.maximum(high - np.maximum(target, 0.0), 0.0)
        slack = self._slack_min(here, period)
        is_free = self.takes_part[here] & ~self.believed.is_deaf[self.session_at[here]]
        if wanted_kw > 0.0:
            # a car whose plan is done is full or in its last kilowatt-hours: there is nothing sure to take from it
            is_free &= (self._plan_end[here] > period) & (slack >= LEAST_SLACK_MIN)
        if wanted_kw < 0.0:
            is_free &= ~self.limits.is_limited(period)[here]
        room = np.where(is_free, room, 0.0)
        order = np.argsort(-slack, kind="stable")
        moved = np.zeros(len(here))
        before = np.cumsum(room[order]) - room[order]
        moved[order] = np.clip(abs(wanted_kw) - before, 0.0, room[order])
        self._dirty[here] |= moved > 0.0
        after = target - np.sign(wanted_kw) * moved
        least = self.believed.min_kw[self.session_at[here]]
        return np.asarray(np.where((moved > 0.0) & (after > 0.0) & (after < least), least, after))

    def _slack_min(self, here: np.ndarray, period: int) -> np.ndarray:
        """Time that the cars at some points could wait and still be ready, minutes."""
        rows = self.session_at[here]
        ready = self.believed.departure_of(rows, self.points.segment[here]) - 15.0 * period
        hours = self.believed.need_of(rows) / np.maximum(self.believed.max_kw[rows], 0.1)
        return np.asarray(ready - 60.0 * hours)

    def remember(self, period: int, quarter: int) -> None:
        """Learn from the day: the usual power of each quarter-hour drifts towards what the meters showed."""
        measured = [m for m in (self.knowledge.newest(ChargeRates),) if m is not None]
        if not measured:
            return
        now_mw = float(np.sum(measured[0].power_kw)) / 1000.0
        seen = period >= 96
        weight = 0.4 if seen else 0.7
        self.usual_mw[quarter] += weight * (now_mw - self.usual_mw[quarter])

    # --- offers ------------------------------------------------------------------------------------------------------

    def forecast_pool(self, now: int, periods: np.ndarray, quarters: np.ndarray) -> None:
        """Tell the BRP what the pool will use on a day, and what of it depends on the price (day-ahead)."""
        expected = self._expected_mw(now, periods, quarters) * self.representation
        flexible = FLEXIBLE_SHARE * expected * float(np.mean(self.services.offers("portfolio_management")))
        limit = np.round(self._energy_price(int(periods[0]), len(periods)) + SHIFT_EUR_PER_MWH, 2)
        self.send(PoolForecast(int(periods[0]), expected - flexible, flexible, limit))

    def update_forecast(self, now: int, periods: np.ndarray, quarters: np.ndarray) -> None:
        """Tell the BRP the plans of the cars that are here and what is expected of those to come (intraday)."""
        firm = self._expected_mw(now, periods, quarters, is_new=False) * self.representation
        self.send(PoolForecast(int(periods[0]), firm, np.zeros(len(periods)), np.zeros(len(periods))))

    def _expected_mw(self, now: int, periods: np.ndarray, quarters: np.ndarray, *, is_new: bool = True) -> np.ndarray:
        """Expected power of the pool: plans of the cars that are here, and yesterday's sessions come again."""
        if now < REPLAY_FROM:
            here = self._planned_kw(periods) / 1000.0
            arriving = 1.0 - np.exp(-np.maximum(periods - max(now, 0) + 1, 0) / ARRIVAL_PERIODS)
            return here + arriving * np.maximum(self.usual_mw[quarters] - here, 0.0)
        if is_new or self._replay is None:
            self._replay = self._replay_now(now)
        own = (self._planned_kw(periods) + self._replay.total_kw(periods, now)) / 1000.0
        told = self._brp_expects_mw[periods]
        is_near = periods < now + NEAR_PERIODS
        return np.where(np.isnan(told) | is_near, own, (1.0 - BRP_WEIGHT) * own + BRP_WEIGHT * told)

    def _planned_kw(self, periods: np.ndarray) -> np.ndarray:
        """Sum of the plans of the cars that are here, float64[n]."""
        return np.asarray(self.plan_kw[:, _span(periods)].sum(axis=0, dtype=np.float64))

    def _replay_now(self, now: int) -> Replay:
        ahead = slice(now, now + AHEAD)
        signal = Signal(self.price_eur_per_kwh[ahead], feed_in_eur_per_kwh=self.feed_in_eur_per_kwh[ahead])
        return replay(self.believed, self.points, self._strategy_of_point()[0], now, AHEAD, signal, self.carbon)

    def _strategy_of_point(self) -> tuple[np.ndarray, np.ndarray]:
        """Name of every point's strategy, and whether it shares a site; kept while the same points follow prices."""
        follows = self.takes_part & self.services.follows_prices()
        if self._strategies is None or not np.array_equal(self._strategies[0], follows):
            names = np.where(follows, np.array(self._strategy_of_segment)[self.points.segment], "uncontrolled")
            self._strategies = follows, names, np.isin(names, SITE_STRATEGIES)
        return self._strategies[1], self._strategies[2]

    def offer_against_congestion(self, now: int, periods: np.ndarray, quarters: np.ndarray) -> None:
        """Tell the CSP connections, prognosis, room and price of a day (AGG-6, AGG-7, AGG-8)."""
        can_help = self.takes_part & self.services.offers("congestion_management")
        if not can_help.any():
            return
        rows, per_connection = self._own_connections()
        by_point = self._prognosis_of_points_kw(now, periods, quarters)
        prognosis = flexible = per_connection @ by_point
        if not can_help.all():
            flexible = per_connection @ np.where(can_help[:, None], by_point, 0.0)
        rating = per_connection @ np.where(can_help, self.points.max_kw * self.share, 0.0)
        energy = self._energy_price(int(periods[0]), len(periods))
        self._offer = CongestionOffer(
            int(periods[0]),
            rows,
            prognosis,
            flexible * (FLEXIBLE_SHARE * self._unreserved_share(periods, flexible.sum(axis=0))),
            np.repeat(INCREASE_SHARE * rating[:, None], len(periods), axis=1),
            np.round(np.minimum(energy + SHIFT_EUR_PER_MWH, self.congestion_eur_per_mwh), 2),
            np.round(energy - SHIFT_EUR_PER_MWH, 2),
        )
        self.send(self._offer)

    def _own_connections(self) -> tuple[np.ndarray, csr_matrix]:
        """Connections of the own customers, and the matrix that adds their points up."""
        own = self.share > 0.0
        if self._offered is None or not np.array_equal(self._offered[0], own):
            rows = np.unique(self.points.connection_row[own])
            self._offered = own, rows, self._per_connection[rows]
        return self._offered[1], self._offered[2]

    def _unreserved_share(self, periods: np.ndarray, flexible_kw: np.ndarray) -> np.ndarray:
        """Part of the flexible power that is not promised as reserve, float[n]."""
        sold_kw = 1000.0 * self.reserved_up_mw[periods] / self.representation
        return np.asarray(np.clip(1.0 - sold_kw / np.maximum(FLEXIBLE_SHARE * flexible_kw, 1e-9), 0.0, 1.0))

    def _prognosis_of_points_kw(self, now: int, periods: np.ndarray, quarters: np.ndarray) -> np.ndarray:
        """Expected power of every point, float64[n_points, n]."""
        if now < REPLAY_FROM:
            here = self.plan_kw[:, _span(periods)]
            missing = 1000.0 * self._expected_mw(now, periods, quarters) - self._planned_kw(periods)
            weight = self.points.max_kw * self.share
            share = weight / max(float(np.sum(weight)), 1e-9)
            return here + np.outer(share, np.maximum(missing, 0.0))
        if periods[0] > now or self._replay is None:
            self._replay = self._replay_now(now)
        return self.plan_kw[:, _span(periods)] + self._replay.points_kw(periods, now, len(self.points.rows))

    def _energy_price(self, first: int, n: int) -> np.ndarray:
        """Bare energy price in the contract price, EUR/MWh."""
        return self.price_eur_per_kwh[first : first + n] * 1000.0 / 1.21 - 111.6

    def offer_reserves(self, first: int, quarters: np.ndarray) -> None:
        """Tell the BSP what the pool could hold ready on a day, from its usual use (AGG-9, AGG-10)."""
        can_balance = self._can_balance() & (self.share > 0.0)
        if not can_balance.any():
            return
        taking_part = float(np.sum(self.share[self.takes_part]))
        share = float(np.sum(self.share[can_balance])) / max(taking_part, 1e-9)
        share *= 1.0 - self.passive_share
        usual = share * SURE_SHARE * FLEXIBLE_SHARE * self.usual_mw[quarters] * self.representation
        rows = np.unique(self.points.connection_row[can_balance])
        self.send(ReserveOffer(first, rows, usual, usual))

    def offer_balancing(self, first: int, n: int) -> None:
        """Tell the BSP connections, room and price of the coming periods (AGG-9, AGG-10)."""
        can_balance = self._can_balance()
        if not can_balance.any():
            return
        here = np.flatnonzero((self.session_at >= 0) & can_balance)
        up, down = (1.0 - self.passive_share) * self._balancing_room_mw(here, first, n)
        price = self._energy_price(first, n)
        connection = self.points.connection_row[here]
        rows = np.flatnonzero(np.bincount(connection)).astype(connection.dtype)
        self.send(
            BalancingOffer(first, rows, up, down, np.round(price + SHIFT_EUR_PER_MWH, 2), np.round(price - 40.0, 2))
        )

    def _balancing_room_mw(self, here: np.ndarray, first: int, n: int) -> np.ndarray:
        """How far some points can surely go up (less charging) and down, national MW, float[2, n]."""
        plan = np.maximum(self.plan_kw[here, first : first + n].astype(np.float64), 0.0)
        high = self.believed.max_kw[self.session_at[here]][:, None]
        stays = self.believed.departure_of(self.session_at[here], self.points.segment[here])[:, None]
        is_staying = stays > 15.0 * (np.arange(first, first + n) + 8)
        needs = self.believed.need_of(self.session_at[here])[:, None] > 0.25 * high
        limited = np.array([self.limits.is_limited(t)[here] for t in range(first, first + n)]).T
        room = np.where(is_staying & needs & ~limited, np.maximum(high - plan, 0.0), 0.0)
        scale = SURE_SHARE * self.representation / 1000.0
        return scale * np.stack([np.sum(np.where(is_staying, plan, 0.0), axis=0), 0.5 * np.sum(room, axis=0)])

    def _can_balance(self) -> np.ndarray:
        return self.takes_part & self.services.offers("balancing")

    def passive_range_mw(self, period: int) -> tuple[float, float]:
        """How far the part of the pool on a pass-through contract moves by itself, MW up and down.

        Nobody reacts to a signal that did not arrive. That part is in no offer to the BSP.
        """
        if self.passive_share <= 0.0 or self._heard_balance < period - 3:
            return 0.0, 0.0
        here = np.flatnonzero((self.session_at >= 0) & self._can_balance())
        up, down = self.passive_share * self._balancing_room_mw(here, period, 1)[:, 0]
        return float(up), float(down)

    def react(self, period: int, power_mw: float) -> None:
        """Move by itself: passive balancing and the droop of FCR, + = up."""
        self.activation_mw[period] += power_mw

    def hear_activations(self) -> None:
        """Take in activations from the BSP."""
        for notice in self.knowledge.take(ActivationNotice):
            self.activation_mw[notice.period] += notice.power_mw

    def report_use(self, period: int) -> None:
        """Tell BSP and CSP the flexibility really used, as its own meters show it (AGG-11)."""
        rates = self.knowledge.newest(ChargeRates)
        metered_mw = 0.0 if rates is None else float(np.sum(rates.power_kw)) / 1000.0
        used = (self.baseline_mw - metered_mw) * self.representation if self.activation_mw[period] else 0.0
        self.send(FlexibilityUsedToBsp(period, used))
        self.send(FlexibilityUsedToCsp(period, float(self.redispatched_mw[period])))

    # --- customers ---------------------------------------------------------------------------------------------------

    def close_day(self) -> tuple[float, float]:
        """End a day: energy that customers charged, kWh, and what they gained by being steered, EUR/kWh."""
        kwh, eur = self._today_kwh, self._today_eur
        self._today_eur = self._today_kwh = 0.0
        return kwh, eur / kwh if kwh > 0.0 else float("nan")

    def advertise(self, gain_eur_per_kwh: float) -> None:
        """Tell drivers and CPO what customers gained."""
        self.send(AggregatorTerms(gain_eur_per_kwh))
        self.send(AggregatorTermsToCpo(gain_eur_per_kwh))

    def take_over(self) -> None:
        """Ask for customers who chose this aggregator to be entered in the register."""
        for chosen in self.knowledge.take(AggregatorChosen):
            self.send(SwitchRequest(chosen.ev_row))
        for by_cpo in self.knowledge.take(AggregatorChosenByCpo):
            self.send(PointSwitchRequest(by_cpo.cp_row))


def _span(periods: np.ndarray) -> slice:
    """Periods that follow one another, as a slice: it needs no copy."""
    return slice(int(periods[0]), int(periods[-1]) + 1)


def usual_profile_mw(points: ChargingPoints, share: np.ndarray) -> np.ndarray:
    """What the pool is expected to use in each quarter of a day before anything was measured, float64[96].

    Public averages per point and day (calibration: about 1.7 sessions of 12 kWh at public points, 7 kWh a day at
    home), two thirds at night where smart strategies put them; of each point the share that is the pool's.
    """
    kwh_a_day = np.array([DAILY_KWH[name] for name in SEGMENTS])[points.segment] * share
    hour = np.arange(96) / 4.0
    night = np.where((hour < 6.0) | (hour >= 22.0), 1.0, 0.0)
    evening = np.exp(-0.5 * ((hour - 19.0) / 2.5) ** 2)
    shape = 0.65 * night / night.sum() + 0.35 * evening / evening.sum()
    return np.asarray(np.sum(kwh_a_day) / 1000.0 * shape / 0.25)
