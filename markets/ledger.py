"""The one double-entry ledger: every euro that moves between two accounts, and nothing else moves euros.

An entry names payer, payee, a positive or negative amount and the reason. Because an entry always has both sides,
the balances of all accounts sum to zero at any time; tests and the run's own report check it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


class Ledger:
    """Append-only list of payments, kept as columns.

    Accounts and reasons are strings given to :meth:`account`; entries hold their integer indices.
    """

    def __init__(self) -> None:
        self.accounts: list[str] = []
        self.reasons: list[str] = []
        self._account_index: dict[str, int] = {}
        self._reason_index: dict[str, int] = {}
        self._blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._single: list[tuple[int, int, int, float, int]] = []

    def account(self, name: str) -> int:
        """Index of an account, opened on first use."""
        return self._index(name, self.accounts, self._account_index)

    @staticmethod
    def _index(name: str, names: list[str], index: dict[str, int]) -> int:
        if name not in index:
            index[name] = len(names)
            names.append(name)
        return index[name]

    def pay(self, period: int, payer: str, payee: str, amount_eur: float, reason: str) -> None:
        """Book one payment.

        Parameters
        ----------
        period : int
            Period it belongs to.
        payer, payee : str
            Accounts.
        amount_eur : float
            What the payer gives the payee; negative is the other way round.
        reason : str
            Kind of payment, such as ``"day_ahead"``.

        Raises
        ------
        ValueError
            For an amount that is not finite.
        """
        if not math.isfinite(amount_eur):
            raise ValueError(f"payment for {reason!r} is not finite: {amount_eur}")
        if amount_eur != 0.0:
            why = self._index(reason, self.reasons, self._reason_index)
            self._single.append((period, self.account(payer), self.account(payee), amount_eur, why))

    def pay_many(
        self,
        period: int | np.ndarray,
        payers: Sequence[str],
        payees: Sequence[str],
        amounts_eur: np.ndarray,
        reason: str,
    ) -> None:
        """Book many payments of one reason; arguments as in :meth:`pay`, sequences of one length."""
        payer = np.array([self.account(p) for p in payers], dtype=np.int32)
        payee = np.array([self.account(p) for p in payees], dtype=np.int32)
        self.pay_rows(period, payer, payee, amounts_eur, reason)

    def pay_rows(
        self, period: int | np.ndarray, payer: np.ndarray, payee: np.ndarray, amounts_eur: np.ndarray, reason: str
    ) -> None:
        """Book many payments between account indices (see :meth:`account`); zero amounts are left out."""
        amount = np.asarray(amounts_eur, dtype=np.float64)
        if not np.isfinite(amount).all():
            raise ValueError(f"payment for {reason!r} is not finite: {amount[~np.isfinite(amount)][:3]}")
        self._gather()
        keep = amount != 0.0
        n = int(keep.sum())
        if n == 0:
            return
        why = self._index(reason, self.reasons, self._reason_index)
        periods = np.broadcast_to(np.asarray(period, dtype=np.int32), amount.shape)[keep]
        payer, payee = (np.broadcast_to(np.asarray(a, np.int32), amount.shape)[keep] for a in (payer, payee))
        self._blocks.append((periods, payer, payee, amount[keep], np.full(n, why, dtype=np.int32)))

    def columns(self) -> dict[str, np.ndarray]:
        """All entries: period, payer, payee (account indices), amount_eur, reason (index into :attr:`reasons`)."""
        names = ("period", "payer", "payee", "amount_eur", "reason")
        self._gather()
        if not self._blocks:
            kinds = (np.int32, np.int32, np.int32, np.float64, np.int32)
            return {n: np.zeros(0, dtype=k) for n, k in zip(names, kinds, strict=True)}
        if len(self._blocks) > 1:
            joined = [np.concatenate(parts) for parts in zip(*self._blocks, strict=True)]
            self._blocks = [(joined[0], joined[1], joined[2], joined[3], joined[4])]
        return dict(zip(names, self._blocks[0], strict=True))

    def _gather(self) -> None:
        """Turn single payments since the last block into a block, so that entries keep their order."""
        if self._single:
            period, payer, payee, amount, why = zip(*self._single, strict=True)
            ids = [np.array(c, dtype=np.int32) for c in (period, payer, payee)]
            self._blocks.append((ids[0], ids[1], ids[2], np.array(amount), np.array(why, dtype=np.int32)))
            self._single.clear()

    def balance_eur(self) -> np.ndarray:
        """Receipts minus payments of each account, float64[len(accounts)]; sums to zero."""
        c = self.columns()
        n = len(self.accounts)
        received = np.bincount(c["payee"], weights=c["amount_eur"], minlength=n)
        return received - np.bincount(c["payer"], weights=c["amount_eur"], minlength=n)
