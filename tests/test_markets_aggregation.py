"""Aggregation models: who pays the sourced energy, whose imbalance it is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.aggregation import AGGREGATION_MODELS, Activation, balance_eur, settle

EVENT = Activation.of(
    1.0,
    300.0,
    sourcing_eur_per_mwh=90.0,
    retail_eur_per_mwh=110.0,
    transfer_eur_per_mwh=90.0,
    shortage_eur_per_mwh=300.0,
    surplus_eur_per_mwh=300.0,
)


@pytest.mark.case("C57")
@pytest.mark.parametrize(
    ("model", "aggregator", "supplier", "customer"),
    [
        ("uncorrected", 300.0, 210.0, 0.0),
        ("corrected_meter", 190.0, 20.0, 0.0),
        ("central_settlement", 210.0, 0.0, 0.0),
        ("contractual", 210.0, 0.0, 0.0),
    ],
)
def test_transfer_of_energy(model, aggregator, supplier, customer):
    outcome = settle(model, EVENT)
    assert outcome.balance_eur("aggregator") == pytest.approx(aggregator)
    assert outcome.balance_eur("supplier") == pytest.approx(supplier)
    assert outcome.balance_eur("customer") == pytest.approx(customer)
    assert outcome.balance_eur("central_settlement") == 0.0


@pytest.mark.case("C57")
def test_the_integrated_party_earns_sale_less_sourcing():
    outcome = settle("integrated", EVENT)
    assert outcome.balance_eur("aggregator") + outcome.balance_eur("supplier") == pytest.approx(210.0)
    assert {p.reason for p in outcome.payments} == {"flexibility", "sourcing"}


@pytest.mark.case("C57")
def test_the_corrected_meter_owes_the_customer_its_retail_price():
    payments = [p for p in settle("corrected_meter", EVENT).payments if p.payee == "customer"]
    assert [(p.payer, float(p.amount_eur)) for p in payments] == [("aggregator", 110.0)]


@pytest.mark.case("C57")
def test_whose_imbalance_it_is():
    left = {m: float(settle(m, EVENT).supplier_brp_imbalance_mwh) for m in AGGREGATION_MODELS}
    assert left == {
        "integrated": 0.0,
        "uncorrected": 1.0,
        "corrected_meter": 0.0,
        "central_settlement": 0.0,
        "contractual": 0.0,
    }
    corrected = settle("central_settlement", EVENT)
    assert float(corrected.supplier_brp_correction_mwh) == -1.0
    assert float(corrected.aggregator_brp_correction_mwh) == 1.0


def test_more_consumption_is_settled_at_the_shortage_price():
    event = Activation.of(-2.0, -50.0, sourcing_eur_per_mwh=60.0, shortage_eur_per_mwh=20.0, surplus_eur_per_mwh=999.0)
    outcome = settle("uncorrected", event)
    # Paid 50 per MWh for taking 2 MWh; the supplier is 2 MWh short at 20 and did not source (bills) them at 60.
    assert outcome.balance_eur("aggregator") == pytest.approx(100.0)
    assert outcome.balance_eur("supplier") == pytest.approx(-40.0 + 120.0)


def test_unknown_model_is_named():
    with pytest.raises(ValueError, match="'free' is not one of integrated"):
        settle("free", EVENT)


amounts = st.lists(st.floats(-500, 500, allow_nan=False), min_size=3, max_size=3).map(np.array)


@given(st.sampled_from(sorted(AGGREGATION_MODELS)), amounts, amounts, amounts, amounts, amounts)
def test_money_and_corrections_sum_to_zero(model, volume, sale, sourcing, retail, imbalance):
    event = Activation.of(
        volume,
        sale,
        sourcing_eur_per_mwh=sourcing,
        retail_eur_per_mwh=retail,
        transfer_eur_per_mwh=sourcing,
        shortage_eur_per_mwh=imbalance,
        surplus_eur_per_mwh=imbalance,
    )
    outcome = settle(model, event)
    roles = sorted({p.payer for p in outcome.payments} | {p.payee for p in outcome.payments})
    scale = 1.0 + math.fsum(float(np.abs(p.amount_eur).sum()) for p in outcome.payments)
    assert abs(math.fsum(balance_eur(outcome.payments, r) for r in roles)) <= 1e-12 * scale
    assert not (outcome.supplier_brp_correction_mwh + outcome.aggregator_brp_correction_mwh).any()
    # The retail price stays between customer, supplier and aggregator: the buyer pays the sale in every model.
    assert outcome.balance_eur("flexibility_buyer") == pytest.approx(-float(np.sum(volume * sale)))
