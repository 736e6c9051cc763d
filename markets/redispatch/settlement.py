"""Cash and positions of a redispatch clearing: everyone at the own price, the operators pay the spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.redispatch.clearing import RedispatchClearing


@dataclass(frozen=True)
class RedispatchSettlement:
    """Money and volumes of one clearing.

    Parameters
    ----------
    receipt_eur : float64[n_orders, n_periods]
        What each order's owner receives; negative = pays.
    operator_eur : float64[n_periods]
        What the grid operators receive (negative: they pay the spread). All receipts and this sum to zero.
    position_mwh : float64[n_orders, n_periods]
        Change of the trade position of the order's BRP: bought positive. It is an energy trade, so no separate
        correction follows; the sum of a period is zero.
    """

    receipt_eur: np.ndarray
    operator_eur: np.ndarray
    position_mwh: np.ndarray


def settle(clearing: RedispatchClearing) -> RedispatchSettlement:
    """Settle each accepted volume at its order's price (GOPACS: the operator pays the spread)."""
    position = clearing.signed_mw * clearing.period_h
    price = np.where(clearing.accepted_mw.any(axis=1), clearing.price_eur_per_mwh, 0.0)
    receipt = -position * price[:, None]
    return RedispatchSettlement(receipt, -np.sum(receipt, axis=0), position)
