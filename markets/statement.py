"""What every party received and paid each month, by reason: a view of the ledger, computed and never kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from markets.calendar import Horizon


class Statement(NamedTuple):
    """One row for every party, month and reason with a payment, sorted in this order; columns of one length.

    ``received_eur`` and ``paid_eur`` are 0 or more, ``net_eur`` is their difference. Over all parties the net amounts
    of each month and reason sum to zero.
    """

    party: np.ndarray
    month: np.ndarray
    reason: np.ndarray
    received_eur: np.ndarray
    paid_eur: np.ndarray
    net_eur: np.ndarray

    def of(self, party: str, month: str | None = None) -> Statement:
        """Give the rows of one party, of all months or of one."""
        keep = self.party == party
        if month is not None:
            keep &= self.month == month
        return Statement(*(column[keep] for column in self))

    def total_eur(self) -> float:
        """Sum of the net amounts."""
        return float(np.sum(self.net_eur))


def month_of_period(horizon: Horizon) -> np.ndarray:
    """Local calendar month of every period of a horizon, such as ``"2025-01"``, str[n_periods]."""
    months = np.array([horizon.date_of(d).strftime("%Y-%m") for d in range(horizon.days)])
    return months[horizon.day_of]


def statement(
    columns: Mapping[str, Any],
    month: Any,
    *,
    accounts: Sequence[str] | None = None,
    reasons: Sequence[str] | None = None,
) -> Statement:
    """Add up a ledger per party, month and reason.

    Parameters
    ----------
    columns : mapping of str to array_like
        ``period``, ``payer``, ``payee``, ``amount_eur`` and ``reason`` of every entry, as
        :meth:`markets.ledger.Ledger.columns` gives them or as they are stored with a run.
    month : array_like of str, shape (n_periods,)
        Month of every period (:func:`month_of_period`). Entries before the first or after the last period, such as
        those of an auction on the day before, belong to the nearest one.
    accounts, reasons : sequence of str, optional
        Names behind the numbers in ``payer`` and ``payee``, and in ``reason``; left out where names stand there.

    Returns
    -------
    Statement
        An amount below zero counts as paid by the payee.
    """
    months = np.asarray(month)
    amount = np.asarray(columns["amount_eur"], dtype=np.float64)
    period = np.clip(np.asarray(columns["period"], dtype=np.int64), 0, len(months) - 1)
    payer, payee = (_named(columns[side], accounts) for side in ("payer", "payee"))
    reason = _named(columns["reason"], reasons)
    parties, party = np.unique(np.concatenate([payee, payer]), return_inverse=True)
    month_names, month_index = np.unique(np.tile(months[period], 2), return_inverse=True)
    reason_names, reason_index = np.unique(np.tile(reason, 2), return_inverse=True)
    shape = len(parties), len(month_names), len(reason_names)
    key = (party.ravel() * shape[1] + month_index.ravel()) * shape[2] + reason_index.ravel()
    rows, place = np.unique(key, return_inverse=True)
    flow = np.concatenate([amount, -amount])
    received = np.bincount(place.ravel(), weights=np.maximum(flow, 0.0), minlength=len(rows))
    paid = np.bincount(place.ravel(), weights=np.maximum(-flow, 0.0), minlength=len(rows))
    p, m, r = np.unravel_index(rows, shape) if len(rows) else (rows, rows, rows)
    return Statement(parties[p], month_names[m], reason_names[r], received, paid, received - paid)


def _named(values: Any, names: Sequence[str] | None) -> np.ndarray:
    """Names of the values; the values themselves when they are names."""
    given = np.asarray(values)
    return given.astype(np.str_) if names is None else np.asarray(names, dtype=np.str_)[given.astype(np.int64)]
