"""UFTP settlement: pay what was ordered and delivered, fine what was ordered and not delivered.

Source: Shapeshifter specification, settle phase (components 1 and 2, single-sided penalty).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from markets.uftp.messages import OrderSettlement, SettledIsp


@dataclass(frozen=True)
class FlexOutcome:
    """Settlement per ISP, arrays of one shape.

    Parameters
    ----------
    delivered_mw : float64
        Ordered flexibility that was delivered, at least 0.
    paid_eur : float64
        Fee for it.
    deficiency_mw : float64
        How far the measured power is on the wrong side of the baseline plus the order, at least 0.
    penalty_eur : float64
        Fine for it, at most 0.
    """

    delivered_mw: np.ndarray
    paid_eur: np.ndarray
    deficiency_mw: np.ndarray
    penalty_eur: np.ndarray

    @property
    def settlement_eur(self) -> np.ndarray:
        """Fee less fine: what the operator owes the aggregator."""
        return self.paid_eur + self.penalty_eur


def settle_flex(
    baseline_mw: np.ndarray | float,
    ordered_mw: np.ndarray | float,
    allocation_mw: np.ndarray | float,
    flex_price_eur_per_mw: np.ndarray | float,
    penalty_eur_per_mw: np.ndarray | float,
) -> FlexOutcome:
    """Settle ordered flexibility against measured power (C21).

    Parameters
    ----------
    baseline_mw : float64
        Baseline, consumption positive.
    ordered_mw : float64
        Ordered change of consumption (negative = less), activation factor included; 0 for an ISP without order.
    allocation_mw : float64
        Measured mean power of the ISP.
    flex_price_eur_per_mw, penalty_eur_per_mw : float64
        Fee per MW delivered and fine per MW missing, per ISP.

    Returns
    -------
    FlexOutcome
        Deviation that helps is neither fined nor paid beyond the order.
    """
    baseline, ordered, actual = (np.asarray(a, dtype=np.float64) for a in (baseline_mw, ordered_mw, allocation_mw))
    direction = np.sign(ordered)
    realised = (actual - baseline) * direction
    delivered = np.clip(realised, 0.0, np.abs(ordered))
    deficiency = np.where(ordered != 0.0, np.maximum(np.abs(ordered) - realised, 0.0), 0.0)
    return FlexOutcome(delivered, delivered * flex_price_eur_per_mw, deficiency, -deficiency * penalty_eur_per_mw)


def activated(power_w: np.ndarray, price_eur: Decimal, factor: Decimal) -> tuple[np.ndarray, Decimal]:
    """Power and price of an option after its activation factor (C22): both are scaled by it."""
    return np.asarray(power_w, dtype=np.float64) * float(factor), (price_eur * factor).quantize(Decimal("0.0001"))


def order_settlement(
    reference: str,
    day: date,
    congestion_point: str,
    *,
    baseline_w: np.ndarray,
    ordered_w: np.ndarray,
    actual_w: np.ndarray,
    price_eur: Decimal,
    penalty_eur_per_mw: float,
    contract_id: str | None = None,
) -> OrderSettlement:
    """Settle one order over a day for the settlement message.

    The order's price is for all its energy, so each ISP's fee is its part of the ordered volume.

    Parameters
    ----------
    reference, day, congestion_point : str, date, str
        Of the order.
    baseline_w, ordered_w, actual_w : int64[n_isps]
        Power per ISP of the day; ``ordered_w`` after the activation factor.
    price_eur : Decimal
        Price of the whole order after the activation factor.
    penalty_eur_per_mw : float
        Fine per MW missing, per ISP.
    contract_id : str, optional
        Bilateral contract.
    """
    ordered = np.asarray(ordered_w, dtype=np.int64)
    volume_mw = float(np.sum(np.abs(ordered))) / 1e6
    fee = float(price_eur) / volume_mw if volume_mw > 0.0 else 0.0
    baseline, actual = np.asarray(baseline_w, dtype=np.int64), np.asarray(actual_w, dtype=np.int64)
    outcome = settle_flex(baseline / 1e6, ordered / 1e6, actual / 1e6, fee, penalty_eur_per_mw)
    direction = np.sign(ordered)
    isps = tuple(
        SettledIsp(
            int(baseline[k]),
            int(ordered[k]),
            int(actual[k]),
            int(direction[k] * np.rint(outcome.delivered_mw[k] * 1e6)),
            int(np.rint(outcome.deficiency_mw[k] * 1e6)),
            int(k) + 1,
        )
        for k in np.flatnonzero(ordered)
    )
    paid = _money(float(np.sum(outcome.paid_eur)))
    fine = _money(0.0 - float(np.sum(outcome.penalty_eur)))
    return OrderSettlement(reference, day, congestion_point, paid, fine, isps, contract_id)


def _money(value_eur: float) -> Decimal:
    return Decimal(repr(value_eur)).quantize(Decimal("0.0001"))
