"""What a quarter-hour leaves behind: energy accounts close, money moves, drivers learn what their session cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents.exchange import BORDER
from agents.fleet.physics import StepResult
from agents.pass_through import PassThrough, delivered_mwh
from agents.roles.tso import Balanced
from agents.world.plants import average_co2_t_per_mwh, co2_t_per_mwh
from markets import aggregation, balancing
from markets.balancing import IspPrices

if TYPE_CHECKING:
    from agents.model import Flexpolder

NEIGHBOURS = "neighbouring TSOs"
TRANSFERS = (
    "retail_on_corrected_meter", "compensation_for_corrected_meter", "transfer_of_energy", "agreed_transfer",
)  # fmt: skip
"""Payments of the aggregation models that are booked here; sale, sourcing and imbalance are booked where they arise."""


@dataclass(frozen=True)
class Delivered:
    """What happened in a period, as far as it is paid for.

    Attributes
    ----------
    period : int
        The period.
    step : StepResult
        What every car drew.
    balanced : Balanced
        What the TSO activated, and its prices.
    output_mw : list of float arrays
        What each producer's units made, without balancing.
    droop_mw : float
        Mean FCR that the pool owed, + = up.
    """

    period: int
    step: StepResult
    balanced: Balanced
    output_mw: list[np.ndarray]
    droop_mw: float


class Settlement:
    """Settles the periods of a run.

    Parameters
    ----------
    model : Flexpolder
        The run.
    """

    def __init__(self, model: Flexpolder) -> None:
        self.model, self.cast, self.nation = model, model.cast, model.nation
        self.scale = model.settings.representation / 1000.0
        self.regulation = model.settings.regulation
        self.record, self.positions = model.record, model.positions
        self._pass_through = PassThrough(
            model.cashbook,
            self.cast.supplier.account,
            self.cast.cpo.account,
            self.cast.aggregator.account,
            self.regulation.supply_contract,
        )
        self._co2_t_per_mwh = co2_t_per_mwh([u for producer in self.cast.producers for u in producer.units])

    def settle(self, done: Delivered) -> None:
        """Energy accounts close and money moves."""
        t = done.period
        self._close_energy(t, done)
        self._settle_bid_duty(t)
        self._settle_balancing(t, done)
        self._bill(t, done)

    def _close_energy(self, t: int, done: Delivered) -> None:
        """Metered energy of every party, and the correction for balancing energy."""
        p, record, balanced = self.positions, self.record, done.balanced
        disturbance = float(np.mean(self.nation.disturbance_mw[t]))
        rest = self.nation.parts_of_load_mw(t, len(self.cast.brps) - 1)
        # incident reserve is emergency generation and load in the portfolios of the rest of the country
        rest[0] -= balanced.incident_mw
        p.activated_mwh[1, t] = balanced.incident_mwh
        used = [record.source_kwh[t] * self.scale, *(0.25 * (mw - disturbance / len(rest)) for mw in rest)]
        for k, mwh in enumerate(used):
            p.metered_mwh[k, t] = mwh
        self.cast.pool_brp.note_allocated(t, used[0] / 0.25 + record.activated_mwh[t] / 0.25)
        for producer, output in zip(self.cast.producers, done.output_mw, strict=True):
            activated = balanced.energy_of(producer.row)
            p.activated_mwh[producer.row, t] = activated
            p.metered_mwh[producer.row, t] = -0.25 * float(output.sum()) - activated
        border = p.row(BORDER)
        p.metered_mwh[border, t] = float(p.total_mwh(BORDER, t))
        if self.regulation.aggregation_model != "uncorrected":
            p.activated_mwh[self.cast.pool_brp.row, t] = record.activated_mwh[t]

    def _settle_bid_duty(self, t: int) -> None:
        """The DSO pays for bids that stand by, the CSP for those that were asked and not placed."""
        desk, cash, dso, csp = self.model.market_day.desk, self.model.cashbook, self.cast.dso, self.cast.csp
        standby, penalty = desk.duty.settle(t)
        if standby:
            cash.pay(t, dso.account, csp.account, standby, "bid_obligation_standby")
        if penalty:
            cash.pay(t, csp.account, dso.account, penalty, "bid_obligation_penalty")
        desk.pool_receipts_eur[t] += standby - penalty

    def _settle_balancing(self, t: int, done: Delivered) -> None:
        """Imbalance and balancing energy: the operator's residue closes the account (TenneT IPS 6.1)."""
        cash, tso, balanced = self.model.cashbook, self.cast.tso.account, done.balanced
        prices, activation = balanced.prices, balanced.activation
        imported = float(np.mean(activation.import_mw)) * 0.25
        settled = balancing.settle_isp(
            imbalance_mwh=self.positions.imbalance_mwh(t)[:-1],
            shortage_eur_per_mwh=prices.shortage_eur_per_mwh,
            surplus_eur_per_mwh=prices.surplus_eur_per_mwh,
            activated_mwh=np.append(activation.energy_mwh, balanced.incident_mwh),
            dispatch_up_eur_per_mwh=balanced.paid_up_eur_per_mwh,
            dispatch_down_eur_per_mwh=balanced.paid_down_eur_per_mwh,
            import_mwh=imported,
            import_price_eur_per_mwh=prices.mid_price_eur_per_mwh,
        )
        self.record.imbalance_eur[:-1, t] = settled.brp_eur
        for account, eur in zip(self.model.exchange.accounts[:-1], settled.brp_eur.tolist(), strict=True):
            cash.pay_national(t, tso, account, eur, "imbalance")
        for owner in np.unique(balanced.bids.owner).tolist():
            mine = balanced.bids.owner == owner
            eur = float(np.sum(settled.bsp_eur[:-1][mine]))
            account = self.cast.bsp.account if owner == self.cast.bsp.row else self.model.exchange.accounts[owner]
            cash.pay_national(t, tso, account, eur, "balancing_energy")
        if balanced.incident_mw:
            cash.pay_national(t, tso, self.model.exchange.accounts[1], float(settled.bsp_eur[-1]), "incident_reserve")
        cash.pay_national(t, tso, NEIGHBOURS, settled.neighbours_eur, "balancing_energy")
        self._settle_pass_through(t, done)
        own_eur = float(np.sum(settled.bsp_eur[:-1][balanced.bids.owner == self.cast.bsp.row]))
        self._transfer(t, own_eur, prices)
        self._pass_on(t)
        self.record.note_balance(t, balanced, self._error_mw(t))
        self.record.note_activations(t, balanced, self.cast.tso.parties)

    def _settle_pass_through(self, t: int, done: Delivered) -> None:
        """The pool's deviation reaches the CPO where its contract passes it through."""
        record, prices, supplier = self.record, done.balanced.prices, self.cast.supplier
        if not (self._pass_through.is_whole or record.passive_mwh[t]):
            return
        held = 0.25 * float(self.cast.pool_brp.pool_at_gate_mw[t])
        metered = 0.25 * self.scale * float(np.sum(record.ev_kw[:, t], dtype=np.float64))
        activated, asked = float(record.activated_mwh[t]), float(record.passive_mwh[t])
        passive = self._delivered_mwh(t, asked, activated + 0.25 * done.droop_mw)
        record.system["passive_mwh"][t] = passive
        earned = self._pass_through.settle(
            t,
            nominated_mwh=held if np.isfinite(held) else metered + activated,
            metered_mwh=metered,
            activated_mwh=activated,
            passive_mwh=passive,
            shortage_eur_per_mwh=prices.shortage_eur_per_mwh,
            surplus_eur_per_mwh=prices.surplus_eur_per_mwh,
            billed_eur_per_mwh=1000.0 * supplier.energy_price_eur_per_kwh(t),
            steering=[(a.account, part) for a, part in self.cast.pool.shares_of_reaction()],
        )
        parts = self.cast.pool.shares_of_reaction()
        for (aggregator, part), (_, _, sessions) in zip(parts, self.cast.pool.here(), strict=True):
            if part * earned > 0.0:
                self.model.billing.reward_drivers(t, part * earned, sessions, aggregator)

    def _error_mw(self, t: int) -> float:
        """Imbalance of all parties together before activation, MW, + = surplus."""
        return float(np.sum(self.positions.imbalance_mwh(t)[:-1])) / 0.25

    def _transfer(self, t: int, sale_eur: float, prices: IspPrices) -> None:
        """Who pays for the energy behind activated flexibility, by the aggregation model; drivers get their part."""
        called = float(self.record.activated_mwh[t])
        if not called:
            return
        model = self.regulation.aggregation_model
        sourcing = float(self.model.exchange.day_ahead_eur_per_mwh[t])
        volume = self._delivered_mwh(t, called)
        outcome = aggregation.settle(
            model,
            aggregation.Activation.of(
                volume,
                sale_eur / called,
                sourcing_eur_per_mwh=sourcing,
                retail_eur_per_mwh=1000.0 * float(self.cast.supplier.price_eur_per_kwh[t]),
                transfer_eur_per_mwh=self.regulation.transfer_of_energy_eur_per_mwh,
            ),
        )
        sold = [(a.account, part) for a, part in self.cast.pool.shares_of_sale(self.cast.bsp.called_mw)]
        accounts = {
            "aggregator": sold, "supplier": [(self.cast.supplier.account, 1.0)],
            "customer": [("driver:home", 1.0)], "central_settlement": [(self.cast.tso.account, 1.0)],
        }  # fmt: skip
        cash, n = self.model.cashbook, self.model.settings.representation
        payments = [p for p in outcome.payments if p.reason in TRANSFERS]
        if model == "integrated":
            # one party in the model; here two companies, which settle the sourced energy between them at its price
            payments.append(
                aggregation.Payment("aggregator", "supplier", np.array(volume * sourcing), "internal_transfer")
            )
        if model != "uncorrected":
            # the party behind the pool was corrected by what was called: who did not deliver owes its imbalance
            owed = -balancing.settle_imbalance(volume - called, prices.shortage_eur_per_mwh, prices.surplus_eur_per_mwh)
            payments.append(aggregation.Payment("aggregator", "supplier", owed, "undelivered_flexibility"))
        net_eur = sale_eur
        for payment in payments:
            eur = float(np.sum(payment.amount_eur))
            net_eur -= eur if payment.payer == "aggregator" else 0.0
            for payer, paid in accounts[payment.payer]:
                for payee, got in accounts[payment.payee]:
                    cash.pay_national(t, payer, payee, eur * paid * got, payment.reason)
        for (_, part), (aggregator, _, sessions) in zip(sold, self.cast.pool.here(), strict=True):
            cash.pay(t, self.cast.bsp.account, aggregator.account, part * sale_eur / n, "flexibility")
            self.model.billing.reward_drivers(t, part * net_eur / n, sessions, aggregator)

    def _pass_on(self, t: int) -> None:
        """What BSP and CSP got for reserve and relief reaches the aggregators, and part of it their drivers.

        The supplier had bought the energy that relief left unused: it is made good at the day-ahead price, whatever
        the aggregation model (an assumption; the models speak of balancing energy).
        """
        cast, pool, cash = self.cast, self.cast.pool, self.model.cashbook
        sold_mwh = -float(self.positions.bought_mwh["redispatch"][cast.pool_brp.row, t])
        energy_eur = sold_mwh * float(self.model.exchange.day_ahead_eur_per_mwh[t]) / cash.representation
        relief_eur = float(self.model.market_day.desk.pool_receipts_eur[t])
        reserve = pool.shares_of_reserve(cast.bsp.reserve_parts, t)
        for account, eur, sourced_eur, shares in (
            (cast.bsp.account, float(cast.bsp.reserve_eur[t]), 0.0, reserve),
            (cast.csp.account, relief_eur, energy_eur, pool.shares_of_relief(t)),
        ):
            if not eur and not sourced_eur:
                continue
            for (_, part), (aggregator, _, sessions) in zip(shares, pool.here(), strict=True):
                cash.pay(t, account, aggregator.account, part * eur, "flexibility")
                if sourced_eur:
                    cash.pay(t, aggregator.account, cast.supplier.account, part * sourced_eur, "redispatch_energy")
                self.model.billing.reward_drivers(t, part * (eur - sourced_eur), sessions, aggregator)

    def _delivered_mwh(self, t: int, steered_mwh: float, other_mwh: float = 0.0) -> float:
        """Part of what the pool was steered to that its meters show against its baseline."""
        return delivered_mwh(
            steered_mwh,
            baseline_mwh=0.25 * self.scale * float(self.record.baseline_kw[t]),
            metered_mwh=0.25 * self.scale * float(np.sum(self.record.ev_kw[:, t], dtype=np.float64)),
            other_mwh=other_mwh,
        )

    def _bill(self, t: int, done: Delivered) -> None:
        """Retail bills of the period; drivers whose session ended learn what steering did to its price."""
        billing, record = self.model.billing, self.record
        output = np.concatenate(done.output_mw)
        record.note_generation(t, done.output_mw, self.cast.producers, self._import_mw(t))
        bought = np.array([max(self._import_mw(t), 0.0)])
        average = average_co2_t_per_mwh(self._co2_t_per_mwh, output[:, None], bought)
        record.co2_g_per_kwh[t] = 1000.0 * float(average[0])
        billing.charge_sessions(t, done.step.present, float(average[0]))
        billing.charge_guests(t, self.cast.evs.real_rows, self.cast.evs.real_extra_kwh)
        billing.charge_losses(t, float(record.losses_kwh[t]), float(self.model.exchange.day_ahead_eur_per_mwh[t]))
        gone = done.step.departed
        saving = billing.reference_eur[gone] - billing.cost_eur[gone]
        self.cast.cpo.tell_price_effect(gone, saving)
        self.cast.emsp.inform_drivers()
        self.cast.drivers.listen()
        self._end_day(t, gone)

    def _end_day(self, t: int, gone: np.ndarray) -> None:
        """Drivers think about the day when it is over."""
        settings, day_of = self.model.settings, self.model.horizon.day_of
        self.cast.drivers.leave(gone)
        is_last = t + 1 < len(day_of) and day_of[t + 1] != day_of[t]
        if is_last or t + 1 == len(day_of):
            cast = self.cast
            cast.pool.close_day(int(day_of[t]), t + 1, cast.drivers, cast.cpo, cast.dso, cast.evs.state)
        if is_last and settings.fleet.is_learning:
            self.cast.drivers.learn(self.cast.evs.state, settings.seed)
        if is_last:
            self.cast.drivers.forget_day()

    def _import_mw(self, t: int) -> float:
        return -float(self.positions.total_mwh(BORDER, t)) / 0.25
