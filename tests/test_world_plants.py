"""Plants: marginal costs and merit orders by hand, offers with their reasons, emissions."""

from datetime import date

import numpy as np
import pytest

from agents.world.fleet_data import Unit, dutch_fleet
from agents.world.load import national_load_mw
from agents.world.plants import (
    CAP_EUR_PER_MWH,
    FuelPrices,
    available_mw,
    co2_intensity,
    marginal_cost_eur_per_mwh,
    merit_order_dispatch,
    short_run_marginal_cost,
    stylised_merit_order,
    unit_offers,
)
from agents.world.weather import build_weather
from markets.calendar import Horizon

WEEK = Horizon(date(2025, 5, 5), 7)
DAY = Horizon(date(2025, 1, 15), 1)


@pytest.mark.case("C59")
def test_short_run_marginal_cost() -> None:
    # 30/0.57 + 0.202/0.57*70 + 2 = 52.632 + 24.807 + 2
    assert short_run_marginal_cost(30.0, 0.57, 0.202, 70.0, 2.0) == pytest.approx(79.44, abs=0.005)
    assert short_run_marginal_cost(12.0, 0.44, 0.34, 70.0, 3.5) == pytest.approx(84.86, abs=0.005)


@pytest.mark.case("C60")
@pytest.mark.parametrize("load, price", [(7000.0, -5.0), (14000.0, 79.44), (16500.0, 84.86)])
def test_stylised_merit_order(load: float, price: float) -> None:
    mw, prices = stylised_merit_order()
    cleared, accepted = merit_order_dispatch(mw[:, None], prices[:, None], np.array([load]))
    assert cleared[0] == pytest.approx(price, abs=0.005)
    assert np.sum(accepted) == pytest.approx(load)


def test_dispatch_short_of_offers_costs_the_cap_and_ties_go_to_the_earlier_row() -> None:
    mw, price = np.array([[10.0], [10.0]]), np.array([[50.0], [50.0]])
    cleared, accepted = merit_order_dispatch(mw, price, np.array([15.0]))
    assert cleared[0] == 50.0 and accepted[:, 0].tolist() == [10.0, 5.0]
    assert merit_order_dispatch(mw, price, np.array([25.0]))[0][0] == CAP_EUR_PER_MWH
    assert merit_order_dispatch(mw, price, np.array([0.0]))[0][0] == 50.0


def test_fleet_has_the_published_capacities_and_a_long_staircase() -> None:
    units = dutch_fleet()
    total: dict[str, float] = {}
    for unit in units:
        total[unit.technology] = total.get(unit.technology, 0.0) + unit.capacity_mw
    assert total["solar"] == pytest.approx(28_000.0)
    assert total["wind_onshore"] == pytest.approx(7_000.0)
    assert total["wind_offshore"] == pytest.approx(4_700.0)
    assert total["coal"] == pytest.approx(3_900.0) and total["nuclear"] == 485.0
    assert total["combined cycle"] + total["CHP"] + total["peaker"] == pytest.approx(17_000.0)
    assert total["biomass"] == pytest.approx(1_000.0)
    assert len({u.name for u in units}) == len(units)
    assert np.unique(np.round(marginal_cost_eur_per_mwh(units), 2)).size >= 60


@pytest.mark.parametrize(
    "technology, low, high",
    [
        ("combined cycle", 74, 92),
        ("coal", 80, 92),
        ("CHP", 73, 97),
        ("peaker", 110, 162),
        ("biomass", 20, 30),
        ("nuclear", 10, 10),
    ],
)
def test_marginal_costs_lie_in_the_published_bands(technology: str, low: float, high: float) -> None:
    units = [u for u in dutch_fleet() if u.technology == technology]
    cost = marginal_cost_eur_per_mwh(units)
    assert cost.min() >= low and cost.max() <= high


def test_dearer_gas_lifts_gas_units_by_its_price_over_efficiency() -> None:
    units = dutch_fleet()
    rise = marginal_cost_eur_per_mwh(units, FuelPrices(gas_eur_per_mwh=36.0)) - marginal_cost_eur_per_mwh(units)
    expected = [6.0 / u.efficiency if u.fuel == "gas" else 0.0 for u in units]
    assert rise == pytest.approx(expected)


def test_offers_hold_all_available_power_and_no_more() -> None:
    weather = build_weather(WEEK, np.random.default_rng(0))
    load = national_load_mw(WEEK, weather, np.random.default_rng(1))
    units = dutch_fleet()
    available = available_mw(units, WEEK, weather, np.random.default_rng(2))
    offers = unit_offers(units, available, load, WEEK)
    assert offers.by_unit(offers.mw, len(units)) == pytest.approx(available)
    assert offers.mw.min() >= 0.0
    assert offers.price_eur_per_mwh.min() >= -500.0 and offers.price_eur_per_mwh.max() <= 4000.0
    assert np.array_equal(offers.price_eur_per_mwh, np.round(offers.price_eur_per_mwh, 2))
    assert available[[u.technology == "solar" for u in units]].sum(axis=0) == pytest.approx(
        28_000.0 * weather.solar_share
    )


def one_unit_offers(hours: float) -> tuple[np.ndarray, np.ndarray]:
    """Offers of a 100 MW unit of cost 80 (100 with the margin of 25 %) that expects to run for some hours."""
    unit = Unit("u", "coal", "gas", 100.0, vom_eur_per_mwh=50.0, min_load_share=0.4, start_eur_per_mw=60.0)
    residual = np.where(DAY.local_hour < hours, 60.0, 0.0)
    offers = unit_offers([unit], np.full((1, 96), 100.0), residual, DAY, FuelPrices(gas_eur_per_mwh=30.0))
    return offers.price_eur_per_mwh[0], offers.price_eur_per_mwh[1]


def test_start_is_earned_over_the_expected_hours() -> None:
    minimum, rest = one_unit_offers(4.0)
    assert rest[0] == pytest.approx(100.0 + 60.0 / 4.0)
    # resting 20 hours: the minimum may cost 0.9 * 60 / 20 to stay on
    assert minimum[0] == pytest.approx(80.0 - 2.7)
    minimum, rest = one_unit_offers(20.0)
    assert rest[0] == pytest.approx(103.0) and minimum[0] == pytest.approx(80.0 - 13.5)


def test_must_run_part_bids_its_floor() -> None:
    unit = Unit("u", "CHP", "gas", 100.0, vom_eur_per_mwh=50.0, must_run_share=0.3, must_run_eur_per_mwh=-40.0)
    offers = unit_offers([unit], np.full((1, 96), 100.0), np.zeros(96), DAY)
    assert offers.mw[:, 0].tolist() == [30.0, 70.0]
    assert offers.price_eur_per_mwh[:, 0].tolist() == [-40.0, 100.0]


def test_outages_come_in_the_season_and_last() -> None:
    units = [Unit(f"u{i}", "peaker", "gas", 1.0) for i in range(400)]
    horizon = Horizon(date(2025, 7, 1), 30)
    share = available_mw(units, horizon, build_weather(horizon, np.random.default_rng(0)), np.random.default_rng(1))
    assert share.mean() == pytest.approx(0.80, abs=0.03)
    by_day = share[:, ::96]
    assert np.mean(by_day[:, 1:] == by_day[:, :-1]) > 0.93


def test_co2_intensity_by_hand() -> None:
    wind = Unit("w", "wind_onshore", "none", 100.0, driver="wind_onshore")
    gas = Unit("g", "combined cycle", "gas", 100.0, 0.5, 0.2)
    coal = Unit("c", "coal", "coal", 100.0, 0.4, 0.34)
    dispatch = np.array([[50.0, 50.0, 50.0], [50.0, 50.0, 0.0], [0.0, 100.0, 0.0]])
    # EUR: gas 60 + 28, coal 30 + 59.5: coal is the marginal unit where it runs
    average, marginal = co2_intensity([wind, gas, coal], dispatch)
    assert average == pytest.approx([0.2, (50 * 0.4 + 100 * 0.85) / 200, 0.0])
    assert marginal == pytest.approx([0.4, 0.85, 0.0])
    imported, _ = co2_intensity([wind, gas, coal], dispatch, np.array([100.0, -50.0, 0.0]))
    assert imported[0] == pytest.approx((20.0 + 30.0) / 200.0) and imported[1] == average[1]
