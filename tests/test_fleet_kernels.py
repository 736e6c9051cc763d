"""Kernels against their NumPy twin, against the main-loop step, under shared limits, and their gap to the optimum."""

from datetime import date

import numpy as np
import pytest

from agents.fleet import physics
from agents.fleet.behaviour import build_fleet
from agents.fleet.blocks import cut
from agents.fleet.counterfactual import simulate, uncontrolled
from agents.fleet.gap import gap_to_optimum
from agents.fleet.kernels import run_week
from agents.fleet.plain import step_plain
from agents.fleet.sorting import ascending
from agents.fleet.spec import FleetSpec
from agents.fleet.state import initial_state
from agents.fleet.strategies import STRATEGIES, Signal
from agents.fleet.tables import ChargingPoints
from agents.fleet.view import session_view
from markets.calendar import Horizon

DAYS = Horizon(date(2025, 1, 13), 3)
T = DAYS.n_periods


def mixed_fleet(v2x=0.3, seed=1, **spec):
    segment = np.repeat([0, 1, 2, 3, 4, 5], [60, 40, 25, 6, 6, 4])
    kw = np.select([segment == 5, segment == 3], [150.0, 22.08], 11.04)
    connection = np.where(segment == 2, 1000, np.where(segment == 5, 2000, np.arange(len(segment))))
    points = ChargingPoints.of(connection, segment, kw, 3, np.arange(len(segment)) % 5)
    return build_fleet(FleetSpec(v2x_share=v2x, sleeper_share=0.2, **spec), DAYS, points, seed)


def home_fleet(n=200, v2x=0.0, **spec):
    points = ChargingPoints.of(np.arange(n), np.zeros(n, dtype=int), 11.04, 3, 0)
    return build_fleet(FleetSpec(v2x_share=v2x, sleeper_share=0.0, **spec), DAYS, points, 2)


def price(extra=192):
    t = np.arange(T + extra)
    return np.round(0.2 - 0.08 * np.cos(2 * np.pi * t / 96) + 0.03 * np.sin(t * 1.7), 4)


def assert_same_state(one, two, atol=1e-9):
    for name in ("battery_kwh", "import_kwh", "export_kwh", "loss_kwh", "elsewhere_kwh", "session_import_kwh"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=atol, err_msg=name)
    np.testing.assert_array_equal(np.isnan(one.departure_kwh), np.isnan(two.departure_kwh))


def test_the_step_and_its_numpy_twin_agree_on_random_set_points():
    fleet = mixed_fleet()
    limits = np.random.default_rng(1).choice([-11.04, -3.0, 0.0, 3.0, 6.0, 20.0, np.inf], (T, fleet.n_points))
    one, two = initial_state(fleet), initial_state(fleet)
    for k in range(T):
        energy = physics.step(fleet, one, k, limits[k]).energy_kwh
        np.testing.assert_allclose(energy, step_plain(fleet, two, k, limits[k]), atol=1e-9)
    assert_same_state(one, two)
    assert one.export_kwh.sum() > 0


def test_the_week_kernel_equals_the_step_period_by_period():
    fleet = mixed_fleet()
    one, two = initial_state(fleet), initial_state(fleet)
    week = run_week(fleet, one, "uncontrolled")
    np.testing.assert_allclose(week.power_kw, simulate(fleet, two), atol=1e-4)
    assert_same_state(one, two)


def test_given_set_points_are_followed():
    fleet = mixed_fleet()
    limits = np.random.default_rng(2).choice([-11.04, 0.0, 6.0, np.inf], (fleet.n_points, T))
    power = simulate(fleet, initial_state(fleet), limits)
    assert np.all(power <= limits.clip(0) + 1e-4)
    assert np.all(power >= np.minimum(limits, 0) - 1e-4)


def test_the_counterfactual_is_the_uncontrolled_main_loop():
    fleet = mixed_fleet(v2x=0.0)
    outcome, state = uncontrolled(fleet), initial_state(fleet)
    for k in range(T):
        physics.step(fleet, state, k, physics.uncontrolled_kw(fleet))
    assert_same_state(outcome.state, state)
    np.testing.assert_allclose(outcome.segment_kw().sum(axis=0), outcome.power_kw.sum(axis=0), rtol=1e-4)
    assert np.nanmin(outcome.missing_kwh()) >= 0.0


def test_blocks_share_no_car_and_no_limit_and_cover_everything():
    fleet = mixed_fleet()
    group = fleet.points.site
    parts = cut(fleet, group)
    assert sorted(parts.sessions) == list(range(len(fleet.sessions)))
    np.testing.assert_array_equal(parts.old_group[parts.group], group)
    block_of_group = np.repeat(np.arange(parts.n_blocks), np.diff(parts.group_start))
    home = cut(home_fleet(1500), np.arange(1500) // 50)
    assert home.n_blocks >= 2
    for b in range(parts.n_blocks):
        rows = parts.sessions[parts.session_start[b] : parts.session_start[b + 1]]
        assert np.all(block_of_group[parts.group[fleet.sessions.cp_row[rows]]] == b)
        assert np.all(np.diff(fleet.sessions.arrival_min[rows]) >= 0)


@pytest.mark.parametrize("mode", ["uncontrolled", "price_optimal_v1g", "price_optimal_v2x"])
def test_threads_do_not_change_the_result(mode):
    fleet = home_fleet(1300, v2x=0.5)
    runs = [
        run_week(
            fleet, initial_state(fleet), mode, price(), group=np.arange(1300) // 50, group_limit_kw=90.0, threads=n
        )
        for n in (1, 2)
    ]
    assert runs[0].power_kw.tobytes() == runs[1].power_kw.tobytes()


@pytest.mark.parametrize("mode", ["uncontrolled", "price_optimal_v1g", "price_optimal_v2x"])
def test_shared_limits_hold_minima_hold_and_accounts_balance(mode):
    fleet = home_fleet(200, v2x=0.5)
    group, state = np.arange(200) // 50, initial_state(fleet)
    start = state.battery_kwh.copy()
    week = run_week(fleet, state, mode, price(), group=group, group_limit_kw=60.0)
    for g in range(4):
        assert week.power_kw[group == g].sum(axis=0).max() <= 60.0 + 1e-3
    book = state.import_kwh - state.export_kwh
    change = state.battery_kwh - start + state.driven_kwh - state.elsewhere_kwh + state.loss_kwh
    assert book.sum() == pytest.approx(change.sum(), abs=1e-9)
    np.testing.assert_allclose(week.power_kw.sum(axis=1) * 0.25, book, atol=1e-3)
    np.testing.assert_allclose(week.cost_eur, (week.power_kw * price()[:T]).sum(axis=1) * 0.25, atol=1e-3)
    assert week.rationed_kwh.sum() > 0 or mode != "uncontrolled"


def test_v1g_kernel_and_strategy_plus_step_cost_the_same():
    willing = {"opt_out_share": 0.0, "override_share": 0.0, "minimum_share": 0.0}  # the kernel steers everybody
    fleet = home_fleet(150, **willing)
    week = run_week(fleet, initial_state(fleet), "price_optimal_v1g", price())
    state, plan, cost = initial_state(fleet), np.zeros((150, T + 200)), 0.0
    for k in range(T):
        new = physics.plug_in(fleet, state, k)
        if len(new):
            view = session_view(fleet, state, k, new, knows_departure=True)
            ahead = min(200, len(price()) - k)
            plan[view.cp_row, k : k + ahead] = STRATEGIES["price_optimal_v1g"](view, Signal(price()[k : k + ahead]))
        cost += physics.step(fleet, state, k, plan[:, k]).energy_kwh.sum() * price()[k]
    assert week.cost_eur.sum() == pytest.approx(cost, rel=5e-3)


@pytest.mark.parametrize("mode", ["price_optimal_v1g", "price_optimal_v2x"])
def test_smart_kernels_miss_hardly_more_than_was_impossible_anyway(mode):
    fleet = home_fleet(400, v2x=1.0)
    base, state = uncontrolled(fleet), initial_state(fleet)
    run_week(fleet, state, mode, price())
    s = fleet.sessions
    done = s.departure_min <= T * 15
    missing = np.maximum(s.desired_kwh - state.departure_kwh, 0)[done] - base.missing_kwh()[done]
    assert np.sum(np.maximum(missing, 0)) <= 0.005 * base.state.session_import_kwh[done].sum()


def test_cost_falls_from_uncontrolled_to_v1g_to_v2x():
    fleet = home_fleet(200, v2x=1.0)
    cost = {}
    for mode in ("uncontrolled", "price_optimal_v1g", "price_optimal_v2x"):
        state = initial_state(fleet)
        week = run_week(fleet, state, mode, price(), wear_eur_per_kwh=0.02)
        stock = 0.2 * state.battery_kwh.sum() / 0.9
        cost[mode] = week.cost_eur.sum() + 0.02 * state.discharged_kwh.sum() - stock
    assert cost["price_optimal_v2x"] < cost["price_optimal_v1g"] < cost["uncontrolled"]


def test_the_gap_of_a_run_is_small_for_the_optimal_strategies_and_large_for_the_naive_one():
    gaps = {}
    for mode, v2x in (("uncontrolled", 0.0), ("price_optimal_v1g", 0.0), ("price_optimal_v2x", 1.0)):
        fleet = home_fleet(150, v2x)
        state = initial_state(fleet)
        week = run_week(fleet, state, mode, price(), wear_eur_per_kwh=0.03)
        gaps[mode] = gap_to_optimum(fleet, state, week.power_kw, price(), wear_eur_per_kwh=0.03)
    assert gaps["price_optimal_v1g"].solver == "HiGHS"
    assert -0.01 < gaps["price_optimal_v1g"].gap_share < 0.02
    assert -0.01 < gaps["price_optimal_v2x"].gap_share < 0.06
    assert gaps["uncontrolled"].gap_share > 0.2


def test_the_gap_under_a_shared_limit_keeps_the_limit():
    fleet = home_fleet(100)
    group, limit = np.zeros(100, dtype=int), np.array([60.0])
    state = initial_state(fleet)
    week = run_week(fleet, state, "price_optimal_v1g", price(), group=group, group_limit_kw=limit)
    free = gap_to_optimum(fleet, state, week.power_kw, price())
    bound = gap_to_optimum(fleet, state, week.power_kw, price(), group=group, group_limit_kw=limit)
    assert bound.optimum_eur > free.optimum_eur
    assert -0.01 < bound.gap_share < free.gap_share


def test_bad_modes_and_prices_are_refused():
    fleet = home_fleet(3)
    with pytest.raises(ValueError, match="mode 'magic'"):
        run_week(fleet, initial_state(fleet), "magic", price())
    with pytest.raises(ValueError, match="need 288"):
        run_week(fleet, initial_state(fleet), "uncontrolled", price()[:10])
    holed = np.where(np.isin(np.arange(T), [7, 9]), np.nan, 0.1)
    with pytest.raises(ValueError, match="2 are not finite, the first missing one is period 7"):
        run_week(fleet, initial_state(fleet), "uncontrolled", holed)


def test_memory_given_for_the_trace_is_used_and_cleared():
    fleet = home_fleet(50)
    fresh = run_week(fleet, initial_state(fleet), "price_optimal_v1g", price())
    given = np.full((50, T), 7.0, dtype=np.float32)
    again = run_week(fleet, initial_state(fleet), "price_optimal_v1g", price(), out=given)
    assert again.power_kw is given and given.tobytes() == fresh.power_kw.tobytes()


def test_a_car_emptied_from_outside_charges_again_although_it_was_full():
    fleet = home_fleet(30)
    state = initial_state(fleet)
    for k in range(4):
        physics.step(fleet, state, k, np.full(30, np.inf))
    calm = state.active_sessions[fleet.sessions.departure_min[state.active_sessions] > 6 * 15]
    full = calm[state.battery_kwh[fleet.sessions.ev_row[calm]] >= fleet.sessions.desired_kwh[calm]]
    assert len(full)
    state.battery_kwh[fleet.sessions.ev_row[full]] -= 5.0
    energy = physics.step(fleet, state, 4, np.full(30, np.inf)).energy_kwh
    assert np.all(energy[fleet.sessions.cp_row[full]] > 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_the_heap_sort_orders_like_a_stable_argsort(seed):
    key = np.round(np.random.default_rng(seed).uniform(0, 3, 200 * seed + 1), 1)
    np.testing.assert_array_equal(ascending(key), np.argsort(key, kind="stable"))
