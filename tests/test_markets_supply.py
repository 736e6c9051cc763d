"""Supplier contracts, pass-through imbalance, driver reward, roaming."""

import numpy as np
import pytest

from markets.contracts import Clock
from markets.supply import (
    SUPPLY_CONTRACTS,
    DriverReward,
    Dynamic,
    Fixed,
    PassThrough,
    RoamingFee,
    TimeOfUseSupply,
    all_in_eur_per_kwh,
    bill,
    feed_in_eur_per_kwh,
    pass_through_cash_eur,
)
from markets.tariffs import ENERGY_TAX, EnergyTax, NetMetering

DAY = Clock.plain(1)
NO_REBATE = EnergyTax(0.0916, 0.0)


@pytest.mark.case("C52")
@pytest.mark.parametrize(
    ("spot_eur_per_mwh", "year", "all_in"),
    [(50.0, 2026, 0.195536), (50.0, 2025, 0.2075634), (-50.0, 2026, 0.074536)],
)
def test_dynamic_all_in_price(spot_eur_per_mwh, year, all_in):
    price = all_in_eur_per_kwh(Dynamic(), DAY, np.full(96, spot_eur_per_mwh), ENERGY_TAX[year])
    assert price == pytest.approx(np.full(96, all_in))
    if year == 2026 and spot_eur_per_mwh > 0:
        assert 11.0 * price[0] == pytest.approx(2.150896)


@pytest.mark.case("C40")
def test_passive_balancing_cash():
    surplus_mwh = 1000 * (11.0 - 4.14) * 0.25 / 1000
    assert surplus_mwh == pytest.approx(1.715)
    gain = pass_through_cash_eur(surplus_mwh, 400.0, 400.0)
    back = pass_through_cash_eur(-surplus_mwh, 80.0, 80.0)
    assert gain == pytest.approx(686.0)
    assert back == pytest.approx(-137.2)
    assert gain + back == pytest.approx(548.8)
    assert pass_through_cash_eur(surplus_mwh, 200.0, -50.0) == pytest.approx(-85.75)


def test_only_the_pass_through_contract_bears_imbalance():
    assert {name for name, kind in SUPPLY_CONTRACTS.items() if kind().settles_imbalance()} == {"pass_through"}
    assert PassThrough().bare_eur_per_kwh(DAY, np.zeros(96))[0] == pytest.approx(0.005)


def test_time_of_use_supply_by_hour_and_weekend():
    week = Clock.plain(7)
    price = TimeOfUseSupply(high_eur_per_kwh=0.3, low_eur_per_kwh=0.1).bare_eur_per_kwh(week, np.zeros(672))
    assert price[:96].tolist() == [0.1] * 28 + [0.3] * 64 + [0.1] * 4
    assert set(price[5 * 96 :]) == {0.1}


@pytest.mark.case("C53")
def test_feed_in_with_and_without_net_metering():
    spot = np.full(96, 60.0)
    netted = feed_in_eur_per_kwh(Fixed(energy_eur_per_kwh=0.12), DAY, spot, NO_REBATE, NetMetering(True))
    assert netted[0] == pytest.approx((0.12 + 0.0916) * 1.21)
    meagre = Fixed(energy_eur_per_kwh=0.12, feed_in_eur_per_kwh=0.01)
    after = feed_in_eur_per_kwh(meagre, DAY, spot, NO_REBATE, NetMetering(False, 0.5))
    assert after[0] == pytest.approx(0.06)
    spot_paid = feed_in_eur_per_kwh(
        Dynamic(feed_in_fee_eur_per_kwh=0.01), DAY, -spot, NO_REBATE, NetMetering(False, 0.5)
    )
    assert spot_paid[0] == pytest.approx(-0.07)


def test_bill_by_hand_with_netting_beyond_consumption():
    # 24 kWh consumed by night, 36 kWh fed in by day: 24 are netted, 12 paid at 0.10.
    power = np.zeros((96, 1))
    power[:48], power[48:] = 2.0, -3.0
    contract = Fixed(energy_eur_per_kwh=0.12, feed_in_eur_per_kwh=0.10, standing_eur_per_year=365.0)
    spot = np.zeros(96)
    with_netting = bill(contract, power, DAY, spot, NO_REBATE, NetMetering(True))
    assert with_netting.energy_eur[0] == pytest.approx(0.0)
    assert with_netting.tax_eur[0] == pytest.approx(0.0)
    assert with_netting.feed_in_eur[0] == pytest.approx(1.2)
    assert with_netting.total_eur[0] == pytest.approx(1.0 - 1.2)
    without = bill(contract, power, DAY, spot, NO_REBATE, NetMetering(False, 0.5, fee_eur_per_kwh=0.02))
    assert without.energy_eur[0] == pytest.approx(24 * 0.12)
    assert without.tax_eur[0] == pytest.approx(24 * 0.0916)
    assert without.vat_eur[0] == pytest.approx(24 * (0.12 + 0.0916) * 0.21)
    assert without.feed_in_eur[0] == pytest.approx(36 * (0.10 - 0.02))


@pytest.mark.parametrize("name", sorted(SUPPLY_CONTRACTS))
@pytest.mark.parametrize("is_netting", [True, False])
def test_a_pure_consumer_pays_its_all_in_price(name, is_netting):
    rng = np.random.default_rng(4)
    spot, power = rng.normal(60.0, 80.0, 96), rng.uniform(0.0, 11.0, (96, 6))
    contract = SUPPLY_CONTRACTS[name]()
    total = bill(contract, power, DAY, spot, NO_REBATE, NetMetering(is_netting)).total_eur
    assert total == pytest.approx(all_in_eur_per_kwh(contract, DAY, spot, NO_REBATE) @ power * 0.25)


def test_a_business_is_billed_without_tax():
    power = np.full((96, 1), 4.0)
    paid = bill(Fixed(has_tax=False, energy_eur_per_kwh=0.1), power, DAY, np.zeros(96), NO_REBATE, NetMetering(False))
    assert paid.total_eur[0] == pytest.approx(9.6)
    assert paid.vat_eur[0] == 0.0


def test_driver_reward_and_roaming_fee():
    reward = DriverReward(0.15, 0.02, 0.5)
    assert reward.compensation_eur(np.array([10.0, -3.0]), np.array([5.0, 0.0])) == pytest.approx([2.1, 0.5])
    assert RoamingFee(0.3, 0.02).fee_eur(np.array([0.0, 25.0])) == pytest.approx([0.3, 0.8])
