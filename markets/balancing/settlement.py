"""Balancing money: BRP imbalance, BSP energy, and what stays with the operator (IPS v6.1, sections 4.1 and 6.1).

Cash is positive when the party named receives it. Imbalance is positive for a surplus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


def settle_imbalance(imbalance_mwh: Any, shortage_eur_per_mwh: Any, surplus_eur_per_mwh: Any) -> np.ndarray:
    """Cash of balance responsible parties for their imbalance.

    Parameters
    ----------
    imbalance_mwh : array_like of float
        Positive = surplus, negative = shortage.
    shortage_eur_per_mwh, surplus_eur_per_mwh : array_like of float
        Imbalance prices, broadcast against the imbalance.

    Returns
    -------
    array of float
        € received: surplus price times surplus, minus shortage price times shortage.
    """
    energy = np.asarray(imbalance_mwh, dtype=np.float64)
    price = np.where(energy > 0.0, surplus_eur_per_mwh, shortage_eur_per_mwh)
    return np.where(energy == 0.0, 0.0, energy * np.where(energy == 0.0, 0.0, price))


def brp_imbalance_mwh(allocated_mwh: Any, position_mwh: Any, activated_mwh: Any = 0.0) -> np.ndarray:
    """Imbalance of parties, corrected for the reserve energy that was activated on their connections.

    Parameters
    ----------
    allocated_mwh : array_like of float
        Measured net injection (consumption negative).
    position_mwh : array_like of float
        Net sold position of the last trade schedule (bought energy negative).
    activated_mwh : array_like of float
        Balancing energy called on the party's connections, positive = up.

    Returns
    -------
    array of float
        Positive = surplus. A provider that delivers exactly what was activated has none.
    """
    return np.asarray(allocated_mwh, dtype=np.float64) - np.asarray(position_mwh) - np.asarray(activated_mwh)


@dataclass(frozen=True)
class IspSettlement:
    """Money of one ISP; everything sums to zero with the neighbours' share.

    Parameters
    ----------
    brp_eur : array of float, shape (n_brp,)
        Received by each balance responsible party.
    bsp_eur : array of float, shape (n_bids,)
        Received by the provider of each bid.
    neighbours_eur : float
        Received by other operators for imported balancing energy.
    tso_eur : float
        The operator's residue, which goes into its tariffs.
    """

    brp_eur: np.ndarray
    bsp_eur: np.ndarray
    neighbours_eur: float
    tso_eur: float

    @property
    def total_eur(self) -> float:
        """Sum over all parties; zero but for rounding."""
        return math.fsum([*self.brp_eur.tolist(), *self.bsp_eur.tolist(), self.neighbours_eur, self.tso_eur])


def settle_isp(
    *,
    imbalance_mwh: Any,
    shortage_eur_per_mwh: float,
    surplus_eur_per_mwh: float,
    activated_mwh: Any = (),
    dispatch_up_eur_per_mwh: float = math.nan,
    dispatch_down_eur_per_mwh: float = math.nan,
    import_mwh: float = 0.0,
    import_price_eur_per_mwh: float = 0.0,
) -> IspSettlement:
    """Settle one ISP between all parties.

    Parameters
    ----------
    imbalance_mwh : array_like of float, shape (n_brp,)
        Positive = surplus.
    shortage_eur_per_mwh, surplus_eur_per_mwh : float
        Imbalance prices.
    activated_mwh : array_like of float, shape (n_bids,)
        Balancing energy per bid, positive = up.
    dispatch_up_eur_per_mwh, dispatch_down_eur_per_mwh : float
        Balancing energy prices; one that no energy needs may be NaN.
    import_mwh, import_price_eur_per_mwh : float
        Balancing energy from other operators (negative = export) and its mean price.

    Returns
    -------
    IspSettlement

    Raises
    ------
    ValueError
        If energy was activated in a direction without a price.
    """
    activated = np.asarray(activated_mwh, dtype=np.float64)
    price = np.where(activated > 0.0, dispatch_up_eur_per_mwh, dispatch_down_eur_per_mwh)
    price = np.where(activated == 0.0, 0.0, price)
    if np.isnan(price).any():
        raise ValueError("settle_isp: energy was activated in a direction whose dispatch price is NaN")
    brp = settle_imbalance(imbalance_mwh, shortage_eur_per_mwh, surplus_eur_per_mwh)
    bsp = activated * price
    neighbours = float(import_mwh * import_price_eur_per_mwh)
    tso = -math.fsum([*np.ravel(brp).tolist(), *bsp.tolist(), neighbours])
    return IspSettlement(np.atleast_1d(brp), bsp, neighbours, tso)


def tso_residue(
    *,
    shortage_mwh: float,
    surplus_mwh: float,
    up_mwh: float,
    down_mwh: float,
    shortage_eur_per_mwh: float,
    surplus_eur_per_mwh: float,
    dispatch_up_eur_per_mwh: float,
    dispatch_down_eur_per_mwh: float,
) -> float:
    """Domestic residue of the operator from the four volumes of an ISP, all volumes positive.

    Returns
    -------
    float
        € received: shortages times their price, minus surpluses times theirs, minus upward energy times its price,
        plus downward energy times its price.
    """
    return math.fsum(
        [
            shortage_mwh * shortage_eur_per_mwh,
            -surplus_mwh * surplus_eur_per_mwh,
            -up_mwh * dispatch_up_eur_per_mwh if up_mwh else 0.0,
            down_mwh * dispatch_down_eur_per_mwh if down_mwh else 0.0,
        ]
    )


def settle_deviation(
    planned_kw: Any, actual_kw: Any, *, period_h: float, shortage_eur_per_mwh: Any, surplus_eur_per_mwh: Any
) -> np.ndarray:
    """Cash of a party on a pass-through contract for consuming something else than nominated (report 6.2.3).

    Parameters
    ----------
    planned_kw, actual_kw : array_like of float
        Nominated and measured consumption, positive.
    period_h : float
        Length of the period.
    shortage_eur_per_mwh, surplus_eur_per_mwh : array_like of float
        Imbalance prices.

    Returns
    -------
    array of float
        € received. Consuming less than planned is a surplus.
    """
    surplus_mwh = (np.asarray(planned_kw, dtype=np.float64) - np.asarray(actual_kw)) * period_h / 1000.0
    return settle_imbalance(surplus_mwh, shortage_eur_per_mwh, surplus_eur_per_mwh)
