"""Pass-through contract: what the pool gains or loses against the imbalance price reaches the charging point operator.

The balance responsible party of the supplier is settled for the imbalance of its whole portfolio. Under a pass-through
contract the supplier hands on the part that the pool made (report 6.2.3, market case C40): to the CPO, whose contract
it is. With ``supply_contract = "pass_through"`` that is every deviation from what was nominated for the pool at the
last gate; with another contract and ``passive_balancing_share`` above 0 it is the reaction of that share alone, as far
as it was delivered. Bills are for metered energy, so the energy price in them is set off: together the customer pays
the contract's price for what was nominated and the imbalance price for the deviation. Of what the reaction brought, or
cost, the CPO passes a share on to the aggregator that steered.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.cashbook import Cashbook
from markets.balancing import settle_imbalance
from markets.supply import SUPPLY_CONTRACTS

REASON, ONWARD = "pass_through_imbalance", "passive_balancing"
AGGREGATOR_SHARE = 0.5
"""Part of what passive balancing brings or costs that the CPO passes on to its aggregator (assumption)."""


def delivered_mwh(steered_mwh: float, *, baseline_mwh: float, metered_mwh: float, other_mwh: float = 0.0) -> float:
    """Part of a steered deviation that the meters show, + = up.

    Parameters
    ----------
    steered_mwh : float
        Deviation that was steered: balancing energy that was called, or a passive reaction.
    baseline_mwh : float
        What the pool would have used without any steering in the period.
    metered_mwh : float
        What it used.
    other_mwh : float
        What it was to deliver as well and comes first, + = up.

    Returns
    -------
    float
        Between 0 and ``steered_mwh``.
    """
    moved = baseline_mwh - metered_mwh - other_mwh
    return min(max(moved, min(steered_mwh, 0.0)), max(steered_mwh, 0.0))


class PassThrough:
    """Settles the deviation of the pool between its supplier and the CPO.

    Parameters
    ----------
    cashbook : Cashbook
        Takes the payments.
    supplier, cpo, aggregator : str
        Their accounts.
    contract : str
        Name of the supply contract behind the charging points.
    """

    def __init__(self, cashbook: Cashbook, supplier: str, cpo: str, aggregator: str, contract: str) -> None:
        self.cashbook, self.supplier, self.cpo, self.aggregator = cashbook, supplier, cpo, aggregator
        self.is_whole = SUPPLY_CONTRACTS[contract]().settles_imbalance()

    def settle(
        self,
        period: int,
        *,
        nominated_mwh: float,
        metered_mwh: float,
        activated_mwh: float,
        passive_mwh: float,
        shortage_eur_per_mwh: float,
        surplus_eur_per_mwh: float,
        billed_eur_per_mwh: float = 0.0,
        steering: Sequence[tuple[str, float]] = (),
    ) -> float:
        """Book one period.

        Parameters
        ----------
        period : int
            The period.
        nominated_mwh, metered_mwh : float
            What the balance responsible party held for the pool at the last gate, and what the pool used.
        activated_mwh : float
            Balancing energy that the operator called (+ = up, less use): it is settled as such and taken out here.
        passive_mwh : float
            Delivered reaction to the published balance delta, + = up.
        shortage_eur_per_mwh, surplus_eur_per_mwh : float
            Imbalance prices.
        billed_eur_per_mwh : float
            Energy price in the bill for metered energy, without tax; 0 for a bill of the nomination.
        steering : sequence of (account, share), optional
            Who steered, where several aggregators did.

        Returns
        -------
        float
            EUR of the simulated town that aggregators receive for steering; negative when it pays.
        """
        deviation = nominated_mwh - metered_mwh - activated_mwh if self.is_whole else passive_mwh
        if not deviation and not passive_mwh:
            return 0.0
        eur, reaction = (
            float(settle_imbalance(mwh, shortage_eur_per_mwh, surplus_eur_per_mwh)) - billed_eur_per_mwh * mwh
            for mwh in (deviation, passive_mwh)
        )
        self.cashbook.pay_national(period, self.supplier, self.cpo, eur, REASON)
        onward = AGGREGATOR_SHARE * reaction / self.cashbook.representation
        if onward:
            for account, share in steering or ((self.aggregator, 1.0),):
                self.cashbook.pay(period, self.cpo, account, onward * share, ONWARD)
        return onward
