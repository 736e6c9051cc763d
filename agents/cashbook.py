"""How payments of a run reach the ledger: whose account, and the town's share of what is national.

One simulated town stands for ``representation`` identical towns in the national markets. A party of the town trades
for all of them, so a national payment is booked in two parts: the simulated town's share on the party's own account,
and the rest on the account of its twins. Local payments (drivers, grid) are those of the simulated town alone.
"""

from __future__ import annotations

import numpy as np

from markets.ledger import Ledger

TWINS = "twin towns"


class Cashbook:
    """Payments between accounts, local or national.

    Parameters
    ----------
    representation : int
        Towns that the simulated one stands for.
    local : set of str
        Accounts of parties that act for the town.
    """

    def __init__(self, representation: int, local: set[str]) -> None:
        self.ledger = Ledger()
        self.representation = representation
        self.local = local

    def pay(self, period: int, payer: str, payee: str, amount_eur: float, reason: str) -> None:
        """Book a payment of the simulated town."""
        self.ledger.pay(period, payer, payee, amount_eur, reason)

    def pay_national(self, period: int, payer: str, payee: str, amount_eur: float, reason: str) -> None:
        """Book a payment of all towns: the simulated one's share, and that of its twins."""
        share = 1.0 / self.representation if {payer, payee} & self.local else 1.0
        self.ledger.pay(period, payer, payee, amount_eur * share, reason)
        if share < 1.0:
            rest = [TWINS if account in self.local else account for account in (payer, payee)]
            if rest[0] != rest[1]:
                self.ledger.pay(period, rest[0], rest[1], amount_eur * (1.0 - share), reason)

    def pay_series(
        self, periods: np.ndarray, payer: str, payee: str, amounts_eur: np.ndarray, reason: str, *, national: bool
    ) -> None:
        """Book one payment per period between the same accounts."""
        share = 1.0 / self.representation if national and {payer, payee} & self.local else 1.0
        amount = np.asarray(amounts_eur, dtype=np.float64)
        self._pay_rows(periods, payer, payee, share * amount, reason)
        if share < 1.0:
            rest = [TWINS if account in self.local else account for account in (payer, payee)]
            if rest[0] != rest[1]:
                self._pay_rows(periods, rest[0], rest[1], (1.0 - share) * amount, reason)

    def _pay_rows(self, periods: np.ndarray, payer: str, payee: str, amount: np.ndarray, reason: str) -> None:
        rows = [np.full(len(amount), self.ledger.account(name), dtype=np.int32) for name in (payer, payee)]
        self.ledger.pay_rows(np.asarray(periods), rows[0], rows[1], amount, reason)
