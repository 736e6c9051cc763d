"""TSO: buys reserves, balances the country every four seconds, sets the imbalance price, relieves its own network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from agents.column_log import ColumnLog
from agents.exchange import RejectionLog
from agents.messages import (
    Activation,
    BalanceDelta,
    CarbonForecast,
    CongestionOfferToTso,
    FlexibilityUsedToTso,
    PublishedBalance,
    ReserveAward,
    SystemForecast,
    TsoCongestionAnnouncement,
    TsoRedispatchOrder,
)
from agents.reserve_duty import ReserveDuty
from agents.roles.grid_operator import GridOperator
from agents.world.forecast import ForecastSource
from markets import balancing
from markets.balancing import (
    CapacityAward,
    CapacityBids,
    EnergyBids,
    IspActivation,
    IspPrices,
    PassiveGroups,
)
from markets.levers import Regulation

DISPATCHABLE_KG_PER_KWH = 0.4
"""CO2 of a kWh that neither wind nor sun gives: gas 0.35, coal 0.77, imports 0.3, nuclear 0 (assumption)."""


@dataclass
class ReserveLog(ColumnLog):
    """Contracted reserve as columns, see table ``reserves``."""

    product: list[str] = field(default_factory=list)
    block_start_period: list[int] = field(default_factory=list)
    offered_mw: list[float] = field(default_factory=list)
    awarded_mw: list[float] = field(default_factory=list)
    price_eur_per_mw_h: list[float] = field(default_factory=list)
    provider: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Balanced:
    """What the operator did in one period.

    Attributes
    ----------
    activation : IspActivation
        The four-second path.
    prices : IspPrices
        State and prices.
    bids : EnergyBids
        Admitted bids; ``activation.energy_mwh`` has one value for each.
    incident_mw : float
        Incident reserve (mFRRda) that ran, + = up.
    """

    activation: IspActivation
    prices: IspPrices
    bids: EnergyBids
    incident_mw: float = 0.0

    @property
    def incident_mwh(self) -> float:
        """Energy of the incident reserve, + = up."""
        return 0.25 * self.incident_mw

    @property
    def paid_up_eur_per_mwh(self) -> float:
        """What upward energy is paid: the period's price, else the last one known (IPS 4.2), else the mid price."""
        known = self.activation.controller_state.price_up_eur_per_mwh
        return first_number(self.prices.dispatch_up_eur_per_mwh, known, self.prices.mid_price_eur_per_mwh)

    @property
    def paid_down_eur_per_mwh(self) -> float:
        """What downward energy costs, in the same order."""
        known = self.activation.controller_state.price_down_eur_per_mwh
        return first_number(self.prices.dispatch_down_eur_per_mwh, known, self.prices.mid_price_eur_per_mwh)

    def energy_of(self, owner: int) -> float:
        """Signed balancing energy of one provider, MWh."""
        return float(np.sum(self.activation.energy_mwh[self.bids.owner == owner]))


def first_number(*values: float) -> float:
    """The first value that is a number."""
    return next((v for v in values if v == v), 0.0)


class TSO(GridOperator):
    """Transmission system operator.

    Parameters
    ----------
    regulation : Regulation
        Balancing levers.
    load_forecast : ForecastSource
        National load.
    weather_mw : callable
        ``weather_mw(now, periods)``: forecast generation from wind and sun, float[n].
    parties : list of str
        Names of owners of bids.
    rejections : RejectionLog
        Where refused bids are counted.
    """

    role: ClassVar[str] = "tso"
    offer = CongestionOfferToTso
    announcement = TsoCongestionAnnouncement
    order = TsoRedispatchOrder

    def __init__(
        self,
        *args: Any,
        regulation: Regulation,
        load_forecast: ForecastSource,
        weather_mw: Any,
        parties: list[str],
        rejections: RejectionLog,
    ) -> None:
        super().__init__(*args)
        self.regulation, self.parties, self.rejections = regulation, parties, rejections
        self._load_forecast, self._weather_mw = load_forecast, weather_mw
        self.rules = balancing.activation_rules(regulation)
        self.bid_rules = balancing.bid_rules(regulation)
        self.capacity_rules = balancing.capacity_rules(regulation)
        self.incident = balancing.incident_rules(regulation)
        self.state, self.incident_mw = balancing.AT_REST, 0.0
        self.reserves = ReserveLog()
        self.duty = ReserveDuty(parties, len(self._quarter))
        self.load_forecast_mw = np.full(len(self._quarter), np.nan)
        self._published: list[tuple[int, float, int, float]] = []
        self.used_mw = np.zeros(len(self._quarter))
        self.deltas: list[dict[str, np.ndarray]] = []
        """Balance delta of every period as it is published."""

    # --- information -------------------------------------------------------------------------------------------------

    def publish_forecast(self, now: int, periods: np.ndarray) -> None:
        """Publish load less wind and sun for a day, and the CO2 of a kWh that follows from it."""
        load = self._load_forecast.issued_at(now, periods)
        self.load_forecast_mw[periods] = load
        residual = load - self._weather_mw(now, periods)
        self.send(SystemForecast(int(periods[0]), residual))
        share = np.clip(residual / np.maximum(load, 1e-9), 0.0, 1.0)
        self.send(CarbonForecast(int(periods[0]), DISPATCHABLE_KG_PER_KWH * share))

    def publish_balance(self, period: int) -> None:
        """Publish the balance deltas whose publication delay has passed by the start of a period."""
        due_s = period * 900 - self.regulation.balance_delta_delay_s
        while self._published and (self._published[0][0] + 1) * 900 <= due_s + 900:
            at, delta, state, mid = self._published.pop(0)
            self.send(BalanceDelta(at, delta, state, mid))
            self.send(PublishedBalance(at, delta, state, mid))

    def hear_use(self) -> None:
        """Take in what providers say they delivered."""
        for used in self.knowledge.take(FlexibilityUsedToTso):
            self.used_mw[used.period] = used.power_mw

    # --- reserve capacity --------------------------------------------------------------------------------------------

    def auction(
        self, products: tuple[int, ...], bids: CapacityBids, first: int, block_start: np.ndarray, pool_row: int,
        prequalified_mw: dict[int, float],
    ) -> tuple[CapacityAward, np.ndarray]:  # fmt: skip
        """Clear FCR (``(0,)``) or aFRR capacity (``(1, -1)``) of a day and tell the pool's BSP what it won.

        Returns
        -------
        award : CapacityAward
        awarded_mw : float array, shape (n_products, n_blocks)
            Of the pool.
        """
        r = self.regulation
        if products == (0,):
            name = "fcr"
            award = balancing.fcr_auction(bids, r.fcr_demand_mw, self.capacity_rules, prequalified_mw=prequalified_mw)
        else:
            name = "afrr"
            award = balancing.afrr_capacity_auction(
                bids,
                demand_up_mw=r.afrr_demand_up_mw,
                demand_down_mw=r.afrr_demand_down_mw,
                rules=self.capacity_rules,
                prequalified_mw=prequalified_mw,
            )
        for refused in award.rejections:
            owner = self.parties[int(bids.owner[refused.row])]
            self.rejections.add(first, f"{name} capacity", owner, refused.rule)
        self._log_capacity(award, bids, block_start)
        won = np.zeros((len(award.directions), len(block_start)))
        mine = np.flatnonzero(bids.owner == pool_row)
        for row in mine:
            won[award.directions.index(int(bids.direction[row])), int(bids.block[row])] += award.awarded_mw[row]
        return award, won

    def tell_award(self, first: int, won: dict[str, np.ndarray]) -> None:
        """Tell the pool's BSP its contracted reserve per period."""
        self.send(ReserveAward(first, won["fcr"], won["up"], won["down"]))

    def _log_capacity(self, award: CapacityAward, bids: CapacityBids, block_start: np.ndarray) -> None:
        names = {0: "fcr", 1: "afrr_up", -1: "afrr_down"}
        for i, direction in enumerate(award.directions):
            for block, start in enumerate(block_start.tolist()):
                here = (bids.direction == direction) & (bids.block == block)
                for owner in np.unique(bids.owner[here]).tolist():
                    mine = here & (bids.owner == owner)
                    price = award.price_eur_per_mw[i, block] / 4.0
                    self.reserves.note(
                        names[direction], start, float(np.sum(bids.quantity_mw[mine])),
                        float(np.sum(award.awarded_mw[mine])), float(price), self.parties[owner],
                    )  # fmt: skip

    # --- balancing ---------------------------------------------------------------------------------------------------

    def balance(
        self,
        period: int,
        bids: EnergyBids,
        open_loop_mw: np.ndarray,
        passive: PassiveGroups,
        prequalified_mw: dict[int, float],
        day_ahead_eur_per_mwh: float,
    ) -> Balanced:
        """Run the controller through one period and set the prices (TSO-3, MR-TSO).

        Parameters
        ----------
        bids : EnergyBids
            As the providers sent them.
        open_loop_mw : float array, shape (225,)
            Area control error without balancing energy, - = shortage.
        passive : PassiveGroups
            Parties that react to the published delta by themselves.
        prequalified_mw : dict
            Largest power of each provider.
        day_ahead_eur_per_mwh : float
            Price where nobody bids at all.
        """
        admitted, refused = balancing.admit_energy_bids(bids, self.bid_rules, prequalified_mw=prequalified_mw)
        for fault in refused:
            self.rejections.add(period, "balancing energy", self.parties[int(bids.owner[fault.row])], fault.rule)
        good = bids.rows(admitted)
        running = self.incident_mw
        activation = balancing.activate_isp(
            good, open_loop_mw + running, self.state, self.rules, passive=passive, mfrrda_mw=running
        )
        self.state, r = activation.controller_state, self.regulation
        bound_up, bound_down = self.incident.prices_eur_per_mwh(running, day_ahead_eur_per_mwh)
        prices = balancing.price_isp(
            activation,
            state_sampling_s=r.state_sampling_s,
            is_dual_pricing=r.is_dual_pricing,
            incentive_component_eur_per_mwh=r.incentive_component_eur_per_mwh,
            mfrrda_up_eur_per_mwh=bound_up,
            mfrrda_down_eur_per_mwh=bound_down,
            fallback_eur_per_mwh=day_ahead_eur_per_mwh,
        )
        self.incident_mw = balancing.incident_call_mw(
            activation,
            offered_up_mw=float(np.sum(np.maximum(good.power_mw, 0.0))),
            offered_down_mw=float(np.sum(np.maximum(-good.power_mw, 0.0))),
            running_mw=running,
            rules=self.incident,
        )
        delta = float(np.mean(activation.delta_mw)) + running
        self.deltas.append(balancing.balance_delta_table(activation, sampling_s=r.state_sampling_s, mfrrda_mw=running))
        self._published.append((period, delta, prices.state, prices.mid_price_eur_per_mwh))
        return Balanced(activation, prices, good, running)

    def activate(self, period: int, power_mw: float) -> None:
        """Steer the pool's BSP (TSO-3)."""
        self.send(Activation(period, power_mw))
