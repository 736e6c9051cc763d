"""Balancing offers and the unpredicted imbalance, cleared together against TenneT's published states and ladders."""

from datetime import date

import numpy as np
import pytest

from agents.world.balancing_offers import BalancingOffers, balancing_offers
from agents.world.disturbance import CYCLE_S, CYCLES_PER_ISP, NETTING_MW, DisturbanceScale, intra_isp_noise
from agents.world.fleet_data import Unit
from agents.world.system import StylisedSystem, SystemClearing, build_system, clear_system
from markets.balancing.activation import activate_periods
from markets.balancing.bids import EnergyBids, admit_energy_bids
from markets.balancing.controller import AT_REST, ActivationRules
from markets.balancing.imbalance import price_isp
from markets.calendar import Horizon

FORTNIGHT = Horizon(date(2025, 12, 1), 14)
World = tuple[StylisedSystem, SystemClearing, BalancingOffers]


@pytest.fixture(scope="module")
def world() -> World:
    system = build_system(FORTNIGHT, np.random.default_rng(3))
    clearing = clear_system(system)
    offers = balancing_offers(
        system.units, clearing.dispatch_mw, system.available_mw, clearing.price_eur_per_mwh, np.random.default_rng(1)
    )
    return system, clearing, offers


def first_prices(offers: BalancingOffers, *, is_up: bool) -> np.ndarray:
    rows = offers.is_up == is_up
    price, is_bid = offers.price_eur_per_mwh[rows], offers.mw[rows] > 0.0
    return np.where(is_bid, price, np.inf).min(axis=0) if is_up else np.where(is_bid, price, -np.inf).max(axis=0)


def test_first_bids_and_ladder_resemble_the_published_ones(world: World) -> None:
    offers = world[2]
    # published: first up 63-108, first down 79-156 at a day-ahead price of about 100; ours is a mean of about 84
    assert 63.0 < np.median(first_prices(offers, is_up=True)) < 108.0
    assert 75.0 < np.median(first_prices(offers, is_up=False)) < 156.0
    crossed = first_prices(offers, is_up=False) > first_prices(offers, is_up=True)
    assert 0.4 < crossed.mean() < 0.95
    up, down = offers.mw[offers.is_up].sum(axis=0), offers.mw[~offers.is_up].sum(axis=0)
    assert 500 < np.median(up) < 2300 and 900 < np.median(down) < 2300
    assert offers.price_eur_per_mwh[offers.is_up].max() > 800.0
    assert offers.price_eur_per_mwh[~offers.is_up].min() < -400.0


def test_units_offer_only_what_they_can_move(world: World) -> None:
    system, clearing, offers = world
    n = len(system.units)
    for is_up, room in ((True, system.available_mw - clearing.dispatch_mw), (False, clearing.dispatch_mw)):
        rows = (offers.is_up == is_up) & (offers.unit_row >= 0)
        total = np.zeros((n, FORTNIGHT.n_periods))
        np.add.at(total, offers.unit_row[rows], offers.mw[rows])
        assert np.all(total <= room + 1e-6)


def test_every_bid_is_admitted_by_the_market(world: World) -> None:
    offers = world[2]
    columns = offers.columns(10, 14)
    assert columns["period"].min() == 0 and columns["period"].max() == 3
    bids = EnergyBids(owner=0, **columns)
    _, rejections = admit_energy_bids(bids)
    assert len(rejections) == 0
    assert np.sum(columns["power_mw"][columns["power_mw"] > 0]) == pytest.approx(offers.mw[offers.is_up, 10:14].sum())


def test_offers_of_one_unit_by_hand() -> None:
    unit = Unit("g", "combined cycle", "gas", 400.0, vom_eur_per_mwh=50.0, min_load_share=0.4, ramp_share_per_min=0.05)
    flat = np.ones(4)
    offers = balancing_offers(
        [unit], 300.0 * flat[None, :], 400.0 * flat[None, :], 100.0 * flat, np.random.default_rng(0)
    )
    mine = offers.unit_row == 0
    # upward 18 % of min(100, 0.05 * 5 * 400) = 18 MW in steps of 30, 35, 35 %: 5.4, 6.3, 6.3 -> whole MW
    assert offers.mw[mine & offers.is_up, 0].tolist() == [5.0, 6.0, 6.0]
    # downward 18 % of min(140, 100) = 18 MW
    assert offers.mw[mine & ~offers.is_up, 0].tolist() == [5.0, 6.0, 6.0]
    prices = offers.price_eur_per_mwh[mine & offers.is_up]
    # the unit's eagerness moves all its steps together: premiums 12, 70, 230
    assert np.diff(prices, axis=0) == pytest.approx(np.array([[58.0] * 4, [160.0] * 4]), abs=0.011)
    stopped = balancing_offers(
        [unit], 0.0 * flat[None, :], 400.0 * flat[None, :], 100.0 * flat, np.random.default_rng(0)
    )
    assert not np.any(stopped.unit_row == 0)


def test_wind_is_turned_down_below_its_stop_price_and_roofs_cannot() -> None:
    wind = Unit("w", "wind_onshore", "none", 1000.0, vom_eur_per_mwh=-18.0, driver="wind_onshore")
    roofs = Unit("r", "solar", "none", 1000.0, vom_eur_per_mwh=-500.0, driver="solar")
    output = np.full((2, 3), 500.0)
    offers = balancing_offers([wind, roofs], output, output, np.full(3, 20.0), np.random.default_rng(0))
    assert offers.unit_row[offers.unit_row >= 0].tolist() == [0]
    row = np.flatnonzero(offers.unit_row == 0)[0]
    assert not offers.is_up[row] and offers.mw[row, 0] == 30.0 and offers.price_eur_per_mwh[row, 0] == -33.0


def test_disturbance_has_the_stated_size_and_runs_on_over_the_quarter() -> None:
    scale = DisturbanceScale(bias_mw=10.0, slow_mw=100.0, slow_memory_min=20.0, fast_mw=30.0, unrest=0.0)
    noise = intra_isp_noise(np.random.default_rng(0), 4000, scale)
    assert noise.shape == (4000, CYCLES_PER_ISP)
    assert noise.mean() == pytest.approx(10.0, abs=10.0)
    assert noise.std() == pytest.approx(np.hypot(100.0, 30.0), rel=0.05)
    inside = np.std(noise[:, 1:] - noise[:, :-1])
    across = np.std(noise[1:, 0] - noise[:-1, -1])
    assert across == pytest.approx(inside, rel=0.05)


def test_slow_part_equals_a_plain_recursion() -> None:
    scale = DisturbanceScale(bias_mw=0.0, slow_mw=1.0, slow_memory_min=5.0, fast_mw=0.0, unrest=0.0)
    noise = intra_isp_noise(np.random.default_rng(4), 6, scale, n_cycles=20)
    shocks = np.random.default_rng(4).standard_normal((6, 20)).reshape(-1)
    keep = np.exp(-CYCLE_S / 300.0)
    series = [shocks[0]]
    for shock in shocks[1:]:
        series.append(keep * series[-1] + np.sqrt(1.0 - keep**2) * shock)
    assert noise.reshape(-1) == pytest.approx(np.array(series))


def test_scaled_disturbance_is_the_same_path_scaled() -> None:
    one = intra_isp_noise(np.random.default_rng(1), 20)
    half = intra_isp_noise(np.random.default_rng(1), 20, DisturbanceScale().times(0.5))
    assert half == pytest.approx(0.5 * one)


@pytest.mark.parametrize("unrest", [0.3, 0.55])
def test_unrest_keeps_the_mean_square(unrest: float) -> None:
    scale = DisturbanceScale(bias_mw=0.0, slow_mw=100.0, slow_memory_min=5.0, fast_mw=0.0, unrest=unrest)
    assert intra_isp_noise(np.random.default_rng(2), 20_000, scale, n_cycles=15).std() == pytest.approx(100.0, rel=0.08)


def test_states_and_prices_come_near_the_published_ones(world: World) -> None:
    bids = EnergyBids(owner=0, **world[2].columns(0, FORTNIGHT.n_periods))
    noise = intra_isp_noise(np.random.default_rng(5), FORTNIGHT.n_periods)
    rules = ActivationRules(import_capacity_mw=NETTING_MW, state_sampling_s=60)
    prices = [price_isp(isp, state_sampling_s=60) for isp in activate_periods(bids, noise, AT_REST, rules)]
    state = np.array([p.state for p in prices])
    shares = {s: float(np.mean(state == s)) for s in (-1, 0, 1, 2)}
    published = {-1: 0.445, 0: 0.148, 1: 0.307, 2: 0.100}
    assert all(abs(shares[s] - published[s]) < 0.09 for s in published), shares
    stays = [np.mean(state[1:][state[:-1] == s] == s) for s in (-1, 0, 1, 2)]
    assert np.max(np.abs(np.array(stays) - np.array([0.75, 0.45, 0.70, 0.31]))) < 0.22
    shortage = np.array([p.shortage_eur_per_mwh for p in prices])
    # published means by state: 17, 69, 151 at a day-ahead mean of 73
    assert 0.0 < np.nanmean(shortage[state == -1]) < 60.0
    assert 55.0 < np.nanmean(shortage[state == 0]) < 105.0
    assert 120.0 < np.nanmean(shortage[state == 1]) < 220.0


def test_contracted_capacity_is_bid_in_whole_megawatts(world: World) -> None:
    offers = world[2]
    n = offers.mw.shape[1]
    owed = np.where(np.arange(n) % 2 == 0, 3000.0, 10.0)
    grown = offers.at_least(owed, owed)
    for side in (offers.is_up, ~offers.is_up):
        before, after = offers.mw[side].sum(axis=0), grown.mw[side].sum(axis=0)
        assert np.all(after[before < owed] >= owed[before < owed])
        np.testing.assert_array_equal(after[before >= owed], before[before >= owed])
    np.testing.assert_array_equal(grown.mw, np.round(grown.mw))
    assert np.all((grown.mw > 0.0) == (offers.mw > 0.0)), "nobody bids who did not before"
