"""Cars as they are: cables, 8 A minimum, sleepers that do and do not resume, ramps, warranty."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fleet import physics
from agents.fleet.behaviour import build_fleet
from agents.fleet.spec import FleetSpec
from agents.fleet.state import initial_state
from agents.fleet.strategies import STRATEGIES, SessionView, Signal
from agents.fleet.strategies.real_cars import without_pauses
from agents.fleet.tables import ChargingPoints, Fleet, Sessions, Vehicles
from agents.fleet.view import available_share, session_view
from markets.calendar import Horizon

DAY = Horizon(date(2025, 1, 15), 1)
T = 96


def one_car(car=None, segment="public_ac", point_kw=22.08, days=1, **fleet):
    points = ChargingPoints.of([0], [segment], point_kw, 3, 0)
    stays = Sessions.of(1, drive_kwh=30.0, departure_min=days * 1440)
    return Fleet(Vehicles.of(1, **(car or {})), points, stays, Horizon(date(2025, 1, 15), days), **fleet)


def energies(fleet, limits):
    state = initial_state(fleet)
    return np.array([physics.step(fleet, state, k, np.array([kw])).energy_kwh[0] for k, kw in enumerate(limits)]), state


@pytest.mark.parametrize(
    ("segment", "cable_a", "drawn_kw"),
    [("public_ac", 16, 11.04), ("public_ac", 32, 22.08), ("home", 16, 22.08), ("work", 16, 11.04)],
)
def test_the_drivers_cable_limits_a_car_at_a_socket_only(segment, cable_a, drawn_kw):
    fleet = one_car({"ac_a": 32.0, "cable_a": cable_a}, segment)
    assert energies(fleet, [np.inf])[0][0] == pytest.approx(drawn_kw / 4, rel=1e-12)
    state = initial_state(fleet)
    physics.plug_in(fleet, state, 0)
    assert session_view(fleet, state, 0).max_kw[0] == pytest.approx(drawn_kw)


def test_a_share_of_drivers_has_a_thin_cable_and_cars_with_16_a_do_not_notice():
    points = ChargingPoints.of(np.arange(3000), ["public_ac"] * 3000, 22.08, 3, 0)
    cars = build_fleet(FleetSpec(cable_16a_share=0.4), DAY, points, 1).vehicles
    strong = cars.ac_a > 16
    assert np.mean(cars.cable_a[strong] == 16) == pytest.approx(0.4, abs=0.03)
    assert np.all(cars.cable_a[~strong] == 16)


def test_a_deaf_car_does_not_resume_until_it_is_plugged_in_anew():
    car = {"sleep_after_min": 30.0, "wake_min": np.inf}
    points = ChargingPoints.of([0], ["home"], 11.04, 3, 0)
    stays = Sessions.of(2, ev_row=[0, 0], cp_row=[0, 0], arrival_min=[0, 130], departure_min=[120, 240], drive_kwh=10.0)
    fleet = Fleet(Vehicles.of(1, start_kwh=50.0, **car), points, stays, DAY)
    state = initial_state(fleet)
    drawn = [physics.step(fleet, state, k, np.array([0.0 if k in (1, 2) else 11.04])).energy_kwh[0] for k in range(10)]
    assert drawn[0] > 2.7 and np.all(np.array(drawn[3:8]) == 0.0)
    assert drawn[8] > 0.9 and drawn[9] > 2.7


def test_a_short_pause_does_not_put_it_to_sleep():
    energy, _ = energies(one_car({"sleep_after_min": 30.0, "wake_min": np.inf}, "home", 11.04), [11.04, 0.0, 11.04])
    np.testing.assert_allclose(energy / 11.04 * 4, [1, 0, 1], atol=1e-9)


# site_optimal holds a limit of the site: who calls it gives deaf cars their minimum first
@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"site_optimal"}))
def test_no_strategy_lets_a_deaf_car_down(name):
    car = {"sleep_after_min": 15.0, "wake_min": np.inf, "phases": 1, "discharge_kw": 3.68, "reserve_share": 0.2}
    fleet = one_car(car, "home", 11.04)
    state, price = initial_state(fleet), np.r_[np.full(48, 0.4), np.full(48, 0.1)]
    physics.plug_in(fleet, state, 0)
    view = session_view(fleet, state, 0, knows_departure=True)
    assert view.is_deaf.tolist() == [True]
    plan = STRATEGIES[name](view, Signal(price))[0]
    for k in range(T):
        physics.step(fleet, state, k, plan[k : k + 1])
    assert state.departure_kwh[0] == pytest.approx(60.0, abs=1e-6)


def test_other_cars_keep_their_plan_and_deaf_ones_stop_when_full():
    view = SessionView.of(2, is_deaf=[True, False], min_kw=4.14, departure_period=40, energy_needed_kwh=9.0)
    signal = Signal(np.zeros(T))
    plan = np.zeros((2, T))
    plan[:, 20:24] = 10.0
    lifted = without_pauses(view, signal, plan)
    np.testing.assert_array_equal(lifted[1], plan[1])
    stored = (lifted[0] * available_share(view, T)[0] * 0.25 * 0.9).sum()
    assert 9.0 / 0.85 <= stored < 9.0 / 0.85 + 4.14 * 0.25 * 0.9 + 1e-9
    on = np.flatnonzero(lifted[0])
    assert on[0] == 0 and np.all(np.diff(on) == 1)


def test_a_ramp_moves_what_a_straight_line_moves():
    fast = one_car(None, "home", 11.04)
    spec = FleetSpec(reaction_s=10.0, ramp_s=60.0)
    slow = one_car(None, "home", 11.04, reaction_s=spec.delay_s)
    energy, _ = energies(slow, [11.04, 5.0])
    # 10 s nothing, then a straight line to 11.04 kW in 60 s: half of it, then full
    by_hand = 11.04 * (0.5 * 60 + (900 - 70)) / 3600
    assert energy[0] == pytest.approx(by_hand, rel=1e-12)
    down = (10 * 11.04 + 60 * (11.04 + 5.0) / 2 + 830 * 5.0) / 3600
    assert energy[1] == pytest.approx(down, rel=1e-12)
    assert energies(fast, [11.04])[0][0] > energy[0]


def test_the_warranty_renews_every_week_and_keeps_what_is_left():
    car = {"discharge_kw": 11.04, "warranty_kwh": 5.0, "capacity_kwh": 60.0}
    fleet = one_car(car, "home", 11.04, days=8)
    state = initial_state(fleet)
    week = 7 * T
    for k in range(week + 8):
        physics.step(fleet, state, k, np.array([-11.04 if k < 8 or k >= week else 0.0]))
        if k == 8:
            assert state.discharged_kwh[0] == pytest.approx(5.0)
    assert state.discharged_kwh[0] == pytest.approx(10.0)


@pytest.mark.parametrize("left_kwh", [0.0, 5.0, 12.0, 40.0])
def test_a_v2x_plan_keeps_the_warranty_and_costs_no_more_than_the_linear_program_without_a_period(left_kwh):
    from scipy.optimize import linprog

    price = np.round(np.random.default_rng(3).uniform(0.05, 0.4, T), 3)
    n = 80
    shape = {"max_discharge_kw": 11.04, "energy_now_kwh": 40.0, "reserve_kwh": 15.0, "departure_period": n}
    view = SessionView.of(1, discharge_left_kwh=left_kwh, **shape)
    plan = STRATEGIES["price_optimal_v2x"](view, Signal(price, wear_eur_per_kwh=0.02))[0, :n]
    taken = -np.minimum(plan, 0).sum() * 0.25 / 0.9
    assert taken <= left_kwh + 1e-6
    cost = (plan * price[:n]).sum() * 0.25 + 0.02 * taken
    lower = np.tril(np.ones((n, n)))
    into = np.hstack([0.9 * lower, -lower / 0.9])
    rows = np.vstack([into, -into, -into[-1:], np.r_[np.zeros(n), np.full(n, 1 / 0.9)][None, :]])
    bound = np.r_[np.full(n, 20.0), np.full(n, 25.0), -10.0, left_kwh]
    best = linprog(np.r_[price[:n], -price[:n] + 0.02 / 0.9], rows, bound, bounds=(0.0, 2.76), method="highs").fun
    one_step = 2.76 * (price.max() - price.min())
    assert best - 1e-7 <= cost <= best + one_step


@pytest.mark.parametrize(
    "name", ["delayed", "time_of_use", "price_optimal_v1g", "price_optimal_v2x", "pooled_envelope"]
)
def test_drivers_who_want_it_now_get_it_now_and_the_minimum_comes_first(name):
    price = np.r_[np.full(30, 0.5), np.full(66, 0.1)]
    columns = {"departure_period": 80, "energy_needed_kwh": 18.0, "urgent_kwh": [0.0, 0.0, 6.0]}
    view = SessionView.of(3, must_charge=[False, True, False], first_share=0.5, **columns)
    plan = STRATEGIES[name](view, Signal(price, is_low_tariff=price < 0.3))
    into = np.cumsum(plan * available_share(view, T) * 0.25 * 0.9, axis=1)
    assert into[0, 20] == 0.0
    assert np.flatnonzero(plan[1])[-1] <= 7 and into[1, -1] == pytest.approx(18.0)
    at_once = 11.04 * 0.25 * 0.9
    np.testing.assert_allclose(into[2, :3], [0.5 * at_once, 1.5 * at_once, min(2.5 * at_once, 6.0)], rtol=1e-9)
    assert into[2, 28] == pytest.approx(6.0) and into[2, -1] == pytest.approx(18.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(sorted(set(STRATEGIES) - {"site_optimal"})))
def test_urgent_and_deaf_cars_keep_the_contract_of_plans(seed, name):
    rng = np.random.default_rng(seed)
    n = 12
    view = SessionView.of(
        n,
        max_kw=rng.choice([3.68, 11.04], n),
        min_kw=1.38,
        min_efficiency=0.8,
        departure_period=rng.integers(1, 60, n),
        first_share=rng.uniform(0.05, 1, n),
        last_share=rng.uniform(0.05, 1, n),
        energy_needed_kwh=rng.uniform(0, 30, n),
        urgent_kwh=rng.uniform(0, 40, n) * rng.integers(0, 2, n),
        must_charge=rng.random(n) < 0.3,
        is_deaf=rng.random(n) < 0.3,
        max_discharge_kw=3.68,
    )
    plan = STRATEGIES[name](view, Signal(rng.uniform(-0.1, 0.4, T)))
    assert np.all(np.isfinite(plan)) and np.all(plan <= view.max_kw[:, None] + 1e-9)
    assert np.all(plan >= -view.max_discharge_kw[:, None] - 1e-9)
    assert np.all(plan[available_share(view, T) == 0] == 0)
    able = np.minimum(
        (view.max_kw * view.efficiency * available_share(view, T).T * 0.25).sum(axis=0), view.energy_needed_kwh
    )
    stored = (plan * available_share(view, T) * 0.25 * np.where(plan > 0, view.efficiency[:, None], 1 / 0.9)).sum(
        axis=1
    )
    assert np.sum(np.maximum(able - stored, 0)) <= 0.005 * able.sum() + 1e-9


def test_faults_name_the_new_parameters():
    with pytest.raises(ValueError, match=r"deaf_share = 2.*cable_16a_share = -1.*ramp_s = -1"):
        points = ChargingPoints.of([0], ["home"], 11.04, 3, 0)
        build_fleet(FleetSpec(deaf_share=2, cable_16a_share=-1, ramp_s=-1), DAY, points, 1)
