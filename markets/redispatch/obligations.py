"""Who must bid: bid-obligation contracts and mandatory participation, and what was promised but not bid.

Sources: GOPACS congestion management products (biedplichtcontract); Netcode art. 9.1 (Stcrt 2024-27562, 2024-12275).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from markets.redispatch.orders import RedispatchOrders

ALWAYS_OBLIGED_MW = 60.0
CONTROLLABLE_OBLIGED_MW = 1.0


@dataclass(frozen=True)
class BidObligation:
    """Contract by which a CSP must bid for a connection when the operator asks.

    Parameters
    ----------
    connection_row : int
        Connection.
    is_buy : bool
        Side that must be offered.
    volume_mw : float
        Least volume in every requested period.
    price_cap_eur_per_mwh : float
        Agreed price; a dearer order is settled at it.
    csp : int
        Row of the CSP that answers for it.
    penalty_eur_per_mwh : float
        Owed per MWh not bid.
    """

    connection_row: int
    is_buy: bool
    volume_mw: float
    price_cap_eur_per_mwh: float
    csp: int = 0
    penalty_eur_per_mwh: float = 0.0


class MissedBid(NamedTuple):
    """An obligation that the orders leave short: its row, the CSP, energy missing and what is owed for it."""

    obligation_row: int
    csp: int
    missing_mwh: float
    penalty_eur: float


def _of_obligation(orders: RedispatchOrders, duty: BidObligation) -> np.ndarray:
    return (orders.connection_row == duty.connection_row) & (orders.is_buy == duty.is_buy)


def with_price_caps(orders: RedispatchOrders, obligations: Sequence[BidObligation]) -> RedispatchOrders:
    """The orders with the agreed price noted on those that stand under an obligation."""
    cap = orders.contract_cap_eur_per_mwh.copy()
    for duty in obligations:
        rows = _of_obligation(orders, duty)
        cap[rows] = np.fmin(cap[rows], duty.price_cap_eur_per_mwh)
    return replace(orders, contract_cap_eur_per_mwh=cap)


def missed_bids(
    orders: RedispatchOrders,
    obligations: Sequence[BidObligation],
    is_requested: np.ndarray,
    period_h: float,
    rejected_rows: Sequence[int] = (),
) -> tuple[MissedBid, ...]:
    """Obligations that are not met.

    Parameters
    ----------
    orders : RedispatchOrders
        What was bid.
    obligations : sequence of BidObligation
        Who had to bid.
    is_requested : bool[n_periods]
        Periods the operator asked for.
    period_h : float
        Length of a period.
    rejected_rows : sequence of int
        Orders that were refused; they do not count.

    Returns
    -------
    tuple of MissedBid
        In the order of the obligations.
    """
    counts = np.ones(orders.n_orders, dtype=np.bool_)
    counts[list(rejected_rows)] = False
    found = []
    for row, duty in enumerate(obligations):
        offered = np.sum(orders.quantity_mw[_of_obligation(orders, duty) & counts], axis=0)
        short = np.where(is_requested, np.maximum(duty.volume_mw - offered, 0.0), 0.0)
        missing = float(np.sum(short)) * period_h
        if missing > 1e-9:
            found.append(MissedBid(row, duty.csp, missing, missing * duty.penalty_eur_per_mwh))
    return tuple(found)


def is_obliged(
    contracted_mw: np.ndarray, controllable_mw: np.ndarray, is_in_declared_area: np.ndarray | bool
) -> np.ndarray:
    """Connections that must take part in congestion management.

    Parameters
    ----------
    contracted_mw : float64[n]
        Contracted transport: above 60 MW always obliged.
    controllable_mw : float64[n]
        Controllable capacity: from 1 MW, where the operator has declared the area congested.
    is_in_declared_area : bool[n]
        Whether the connection lies in such an area.

    Returns
    -------
    bool[n]
        Obliged or not.
    """
    always = np.asarray(contracted_mw) > ALWAYS_OBLIGED_MW
    return always | (np.asarray(is_in_declared_area) & (np.asarray(controllable_mw) >= CONTROLLABLE_OBLIGED_MW))
