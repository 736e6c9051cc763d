"""Who bears the energy that an aggregator sells: cash flows and volume corrections of each aggregation model.

An aggregator makes a supplier's customer consume less (or more) and sells that energy. The supplier has bought the
energy the customer no longer takes. The models differ in who pays for it and whose imbalance it is.

Sources: Directive 2019/944 art. 13 and 17; USEF aggregator models; DNV for Nordic Energy Research.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Payment:
    """What one role gives another; a negative amount goes the other way. Amounts may be arrays over events."""

    payer: str
    payee: str
    amount_eur: np.ndarray
    reason: str


@dataclass(frozen=True)
class Activation:
    """Flexibility sold, per event: scalars or arrays of one shape.

    Parameters
    ----------
    volume_mwh : float64
        Less consumption positive, more consumption negative.
    sale_eur_per_mwh : float64
        Price the buyer of the flexibility pays.
    sourcing_eur_per_mwh : float64
        What the supplier paid for the energy.
    retail_eur_per_mwh : float64
        What the customer pays its supplier.
    transfer_eur_per_mwh : float64
        Regulated price of the transfer of energy, or the price agreed between aggregator and supplier.
    shortage_eur_per_mwh, surplus_eur_per_mwh : float64
        Imbalance prices.
    """

    volume_mwh: np.ndarray
    sale_eur_per_mwh: np.ndarray
    sourcing_eur_per_mwh: np.ndarray
    retail_eur_per_mwh: np.ndarray
    transfer_eur_per_mwh: np.ndarray
    shortage_eur_per_mwh: np.ndarray
    surplus_eur_per_mwh: np.ndarray

    @classmethod
    def of(
        cls,
        volume_mwh: object,
        sale_eur_per_mwh: object,
        *,
        sourcing_eur_per_mwh: object = 0.0,
        retail_eur_per_mwh: object = 0.0,
        transfer_eur_per_mwh: object = 0.0,
        shortage_eur_per_mwh: object = 0.0,
        surplus_eur_per_mwh: object = 0.0,
    ) -> Activation:
        """Broadcast all to one shape."""
        parts = (
            volume_mwh,
            sale_eur_per_mwh,
            sourcing_eur_per_mwh,
            retail_eur_per_mwh,
            transfer_eur_per_mwh,
            shortage_eur_per_mwh,
            surplus_eur_per_mwh,
        )
        return cls(*np.broadcast_arrays(*(np.asarray(p, dtype=np.float64) for p in parts)))


@dataclass(frozen=True)
class AggregationOutcome:
    """Result of one model.

    Parameters
    ----------
    payments : tuple of Payment
        Between ``flexibility_buyer``, ``aggregator``, ``supplier``, ``customer``, ``wholesale``,
        ``imbalance_settlement`` and ``central_settlement``. In the integrated model ``aggregator`` and ``supplier``
        are one party.
    supplier_brp_correction_mwh, aggregator_brp_correction_mwh : float64
        Volume that metered data of each BRP is corrected by; they sum to zero.
    supplier_brp_imbalance_mwh, aggregator_brp_imbalance_mwh : float64
        Imbalance that the activation leaves with each BRP, surplus positive.
    """

    payments: tuple[Payment, ...]
    supplier_brp_correction_mwh: np.ndarray
    aggregator_brp_correction_mwh: np.ndarray
    supplier_brp_imbalance_mwh: np.ndarray
    aggregator_brp_imbalance_mwh: np.ndarray

    def balance_eur(self, role: str) -> float:
        """What a role receives less what it pays, all events together."""
        return balance_eur(self.payments, role)


def balance_eur(payments: Sequence[Payment], role: str) -> float:
    """Receipts less payments of one role."""
    received = [np.sum(p.amount_eur) for p in payments if p.payee == role]
    paid = [np.sum(p.amount_eur) for p in payments if p.payer == role]
    return float(np.sum(received) - np.sum(paid))


def _common(a: Activation) -> tuple[Payment, Payment]:
    """In every model the buyer pays the aggregator, and the supplier has paid for the energy it sourced."""
    return (
        Payment("flexibility_buyer", "aggregator", a.volume_mwh * a.sale_eur_per_mwh, "flexibility"),
        Payment("supplier", "wholesale", a.volume_mwh * a.sourcing_eur_per_mwh, "sourcing"),
    )


def _outcome(
    a: Activation, extra: Sequence[Payment], is_corrected: bool, is_imbalance_left: bool
) -> AggregationOutcome:
    zero = np.zeros(a.volume_mwh.shape)
    moved = a.volume_mwh if is_corrected else zero
    left = a.volume_mwh if is_imbalance_left else zero
    return AggregationOutcome((*_common(a), *extra), -moved, moved, left, zero)


def integrated(a: Activation) -> AggregationOutcome:
    """Supplier and aggregator are one party: what is not consumed is sold from the same BRP; retail is not billed."""
    return _outcome(a, (), is_corrected=False, is_imbalance_left=False)


def uncorrected(a: Activation) -> AggregationOutcome:
    """The supplier's BRP keeps the deviation and is settled at the imbalance price."""
    surplus, shortage = np.maximum(a.volume_mwh, 0.0), np.minimum(a.volume_mwh, 0.0)
    cash = surplus * a.surplus_eur_per_mwh + shortage * a.shortage_eur_per_mwh
    settled = Payment("imbalance_settlement", "supplier", cash, "imbalance")
    return _outcome(a, (settled,), is_corrected=False, is_imbalance_left=True)


def corrected_meter(a: Activation) -> AggregationOutcome:
    """The customer is billed as if it had consumed; the aggregator makes that good to the customer."""
    retail = a.volume_mwh * a.retail_eur_per_mwh
    billed = Payment("customer", "supplier", retail, "retail_on_corrected_meter")
    made_good = Payment("aggregator", "customer", retail, "compensation_for_corrected_meter")
    return _outcome(a, (billed, made_good), is_corrected=True, is_imbalance_left=False)


def central_settlement(a: Activation) -> AggregationOutcome:
    """The BRPs are corrected; a central entity moves the regulated price from aggregator to supplier."""
    moved = a.volume_mwh * a.transfer_eur_per_mwh
    paid_in = Payment("aggregator", "central_settlement", moved, "transfer_of_energy")
    paid_out = Payment("central_settlement", "supplier", moved, "transfer_of_energy")
    return _outcome(a, (paid_in, paid_out), is_corrected=True, is_imbalance_left=False)


def contractual(a: Activation) -> AggregationOutcome:
    """Both BRPs agree on a price and hand the volume over between them (broker model)."""
    agreed = Payment("aggregator", "supplier", a.volume_mwh * a.transfer_eur_per_mwh, "agreed_transfer")
    return _outcome(a, (agreed,), is_corrected=True, is_imbalance_left=False)


AGGREGATION_MODELS: dict[str, Callable[[Activation], AggregationOutcome]] = {
    "integrated": integrated,
    "uncorrected": uncorrected,
    "corrected_meter": corrected_meter,
    "central_settlement": central_settlement,
    "contractual": contractual,
}


def settle(model: str, activation: Activation) -> AggregationOutcome:
    """Cash flows and corrections of an aggregation model by its name (MR-AGG).

    Raises
    ------
    ValueError
        For an unknown model; the known ones are listed.
    """
    if model not in AGGREGATION_MODELS:
        raise ValueError(f"aggregation model {model!r} is not one of {', '.join(AGGREGATION_MODELS)}")
    return AGGREGATION_MODELS[model](activation)
