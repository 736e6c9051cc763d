"""Pass-through contract: what the pool gains or loses against the imbalance price reaches the charging point operator.

The balance responsible party of the supplier is settled for the imbalance of its whole portfolio. Under a pass-through
contract the supplier hands on the part that the pool made (report 6.2.3, market case C40): to the CPO, whose contract
it is. With ``supply_contract = "pass_through"`` that is every deviation from what was nominated for the pool at the
last gate; with another contract and ``passive_balancing_share`` above 0 it is the reaction of that share alone.
"""

from __future__ import annotations

from agents.cashbook import Cashbook
from markets.balancing import settle_imbalance
from markets.supply import SUPPLY_CONTRACTS

REASON = "pass_through_imbalance"


class PassThrough:
    """Settles the deviation of the pool between its supplier and the CPO.

    Parameters
    ----------
    cashbook : Cashbook
        Takes the payments.
    supplier, cpo : str
        Their accounts.
    contract : str
        Name of the supply contract behind the charging points.
    """

    def __init__(self, cashbook: Cashbook, supplier: str, cpo: str, contract: str) -> None:
        self.cashbook, self.supplier, self.cpo = cashbook, supplier, cpo
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
            Reaction to the published balance delta, + = up.
        shortage_eur_per_mwh, surplus_eur_per_mwh : float
            Imbalance prices.

        Returns
        -------
        float
            EUR that the CPO receives; negative when it pays.
        """
        deviation = nominated_mwh - metered_mwh - activated_mwh if self.is_whole else passive_mwh
        if not deviation:
            return 0.0
        eur = float(settle_imbalance(deviation, shortage_eur_per_mwh, surplus_eur_per_mwh))
        self.cashbook.pay_national(period, self.supplier, self.cpo, eur, REASON)
        return eur
