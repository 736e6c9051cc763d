"""Physics of one period: hand-computed energies, limits, phases, taper, V2X, and that the step size does not matter."""

from datetime import date
from math import isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fleet import physics
from agents.fleet.charging import (
    charge,
    discharge,
    efficiency,
    efficiency_array,
    minutes_to,
    minutes_to_array,
    ratings,
    ratings_array,
)
from agents.fleet.state import empty_state, initial_state
from agents.fleet.tables import ChargingPoints, Fleet, Sessions, Vehicles
from markets.calendar import Horizon

DAY = Horizon(date(2025, 1, 15), 1)


def one_car(car=None, stay=None, point_kw=11.04, phases=3, segment="home", **fleet):
    stay = {"drive_kwh": 30.0} | (stay or {})
    points = ChargingPoints.of([0], [segment], point_kw, phases, 0)
    return Fleet(Vehicles.of(1, **(car or {})), points, Sessions.of(1, **stay), DAY, **fleet)


def run(fleet, limits, period_h=0.25):
    state = initial_state(fleet)
    energy = [physics.step(fleet, state, k, np.array([kw]), period_h).energy_kwh[0] for k, kw in enumerate(limits)]
    return np.array(energy), state


@pytest.mark.function("EV-1")
def test_three_phase_car_draws_phases_times_volt_times_ampere():
    energy, state = run(one_car(), [np.inf] * 4)
    np.testing.assert_allclose(energy, 3 * 230 * 16 / 1000 * 0.25, rtol=1e-12)
    assert isclose(state.battery_kwh[0], 30.0 + 11.04 * 0.90, rel_tol=1e-12)


def test_one_phase_car_on_a_three_phase_point_draws_3_68_kw_on_one_conductor():
    fleet = one_car(car={"phases": 1})
    state = initial_state(fleet)
    result = physics.step(fleet, state, 0, np.array([np.inf]))
    assert isclose(result.power_kw[0], 3.68, rel_tol=1e-12)
    np.testing.assert_allclose(result.phase_current_a, [[16.0, 0.0, 0.0]], rtol=1e-12)
    assert isclose(state.battery_kwh[0] - 30.0, 0.25 * 3.68 * 0.86, rel_tol=1e-9)


def test_phase_power_adds_up_and_rotates_over_points():
    points = ChargingPoints.of([0, 1, 2], ["home"] * 3, 11.04, 3, 0)
    fleet = Fleet(Vehicles.of(3, phases=[1, 1, 3]), points, Sessions.of(3, drive_kwh=30.0), DAY)
    result = physics.step(fleet, initial_state(fleet), 0, np.full(3, np.inf))
    np.testing.assert_allclose(result.phase_kw, [[3.68, 0, 0], [0, 3.68, 0], [3.68, 3.68, 3.68]], rtol=1e-12)
    np.testing.assert_allclose(result.phase_kw.sum(axis=1), result.power_kw, rtol=1e-12)


@pytest.mark.function("EV-2")
@pytest.mark.parametrize(("limit_kw", "drawn_kw"), [(4.13, 0.0), (4.14, 4.14), (6.0, 6.0), (20.0, 11.04), (0.0, 0.0)])
def test_below_six_ampere_a_car_stops(limit_kw, drawn_kw):
    energy, _ = run(one_car(), [limit_kw])
    assert isclose(energy[0], drawn_kw * 0.25, abs_tol=1e-12)


def test_a_car_that_needs_eight_ampere_stops_below_5_52_kw():
    energy, _ = run(one_car(car={"min_a": 8.0}), [5.5, 5.52])
    np.testing.assert_allclose(energy, [0.0, 5.52 / 4], atol=1e-9)


def test_a_point_or_car_limits_the_other():
    assert run(one_car(car={"ac_a": 32.0}, point_kw=22.08), [np.inf])[0][0] == pytest.approx(22.08 / 4)
    assert run(one_car(car={"ac_a": 32.0}, point_kw=11.04), [np.inf])[0][0] == pytest.approx(11.04 / 4)
    assert run(one_car(car={"phases": 1, "ac_a": 32.0}, point_kw=11.04), [np.inf])[0][0] == pytest.approx(3.68 / 4)
    assert run(one_car(car={"dc_kw": 80.0}, point_kw=150.0, segment="dc"), [np.inf])[0][0] > 15.0
    assert run(one_car(car={"dc_kw": 0.0}, point_kw=150.0, segment="dc"), [np.inf])[0][0] == 0.0


def test_efficiency_follows_the_published_points():
    for ampere, one, three in [(6, 0.76, 0.88), (10, 0.82, 0.90), (16, 0.86, 0.90), (32, 0.89, 0.90)]:
        assert efficiency(0.23 * ampere, 1, 1.0, False) == pytest.approx(one)
        assert efficiency(0.69 * ampere, 3, 1.0, False) == pytest.approx(three)


@given(st.floats(0.5, 25.0), st.sampled_from([1, 3]), st.floats(0.9, 1.05), st.booleans())
def test_efficiency_and_its_numpy_twin_agree(power, phases, factor, is_dc):
    twin = efficiency_array(np.array([power]), np.array([phases]), np.array([factor]), np.array([is_dc]))[0]
    assert efficiency(power, phases, factor, is_dc) == pytest.approx(twin, rel=1e-12)


@given(
    st.sampled_from([1, 3]),
    st.sampled_from([16.0, 32.0]),
    st.sampled_from([6.0, 8.0]),
    st.sampled_from([0.0, 100.0]),
    st.floats(1.0, 50.0),
    st.sampled_from([1, 3]),
    st.booleans(),
)
def test_ratings_and_their_numpy_twin_agree(phases, ampere, least, dc_kw, point_kw, socket, is_dc):
    args = (phases, ampere, least, dc_kw, point_kw, socket, is_dc)
    twin = ratings_array(*(np.array([a]) for a in args))
    np.testing.assert_allclose(ratings(*args), [column[0] for column in twin], rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    st.floats(0.0, 60.0), st.floats(1.0, 60.0), st.sampled_from([1, 3]), st.booleans(), st.sampled_from([1.0, 2.0, 4.0])
)
def test_minutes_to_full_is_what_charging_takes_and_has_a_twin(battery, stop, n, is_dc, stronger):
    high, low = (120.0, 1.0) if is_dc else (3.68 * n, 1.38 * n)
    own = stronger * high
    minutes = minutes_to(battery, stop, 60.0, high, own, low, n, 1.0, is_dc)
    arrays = (np.array([x]) for x in (battery, stop, 60.0, high, own, low, n, 1.0, is_dc))
    assert minutes_to_array(*arrays)[0] == pytest.approx(minutes, rel=1e-9, abs=1e-9)
    if battery < stop:
        after, _ = charge(battery, stop, 60.0, high, own, low, n, 1.0, is_dc, minutes + 1e-9)
        assert after == pytest.approx(stop)
        short, _ = charge(battery, stop, 60.0, high, own, low, n, 1.0, is_dc, 0.9 * minutes)
        assert short < stop


def test_the_taper_is_the_batterys_and_not_the_points():
    """A truck that takes 250 kW notices no taper at a 60 kW point until 90 %; from there it takes 20 % = 50 kW."""
    truck = {"capacity_kwh": 450.0, "dc_kw": 250.0, "start_kwh": 450.0}
    fleet = one_car(car=truck, stay={"drive_kwh": 0.15 * 450.0, "desired_kwh": 450.0}, point_kw=60.0, segment="depot")
    energy, state = run(fleet, [np.inf] * 4)
    assert energy[0] == pytest.approx(60.0 / 4)
    minutes_at_full = 0.05 * 450.0 / 0.93
    assert energy.sum() == pytest.approx(minutes_at_full + 50.0 * (1.0 - minutes_at_full / 60.0), rel=1e-9)
    assert state.battery_kwh[0] == pytest.approx(0.85 * 450.0 + 0.93 * energy.sum(), rel=1e-9)


def test_ac_tapers_only_near_full_and_ends_full():
    energy, state = run(one_car(stay={"drive_kwh": 6.0}), [np.inf] * 8)
    full_power = 11.04 / 4
    assert energy[0] == pytest.approx(full_power)
    assert energy[1] < full_power  # 54 + 2.48 kWh, then past 57.6 (96 %)
    assert state.battery_kwh[0] == pytest.approx(60.0, abs=1e-12)
    assert energy[-1] == 0.0


def test_dc_tapers_from_sixty_percent():
    energy, _ = run(one_car(stay={"drive_kwh": 50.0}, point_kw=150.0, segment="dc"), [np.inf] * 3)
    assert energy[0] == pytest.approx(25.0)
    assert energy[1] < 0.9 * 25.0 and energy[2] < energy[1]


@pytest.mark.function("EV-9")
def test_v2x_delivers_down_to_the_reserve_and_no_further():
    car = {"discharge_kw": 11.04, "reserve_share": 0.5, "efficiency_pu": 0.87**0.5 / 0.9}
    fleet = one_car(car=car, stay={"drive_kwh": 20.0})
    energy, state = run(fleet, [-11.04] * 8)
    eta = 0.87**0.5
    assert energy[0] == pytest.approx(-2.76)
    assert state.battery_kwh[0] == pytest.approx(30.0, abs=1e-12)
    assert -energy.sum() == pytest.approx(10.0 * eta, rel=1e-9)
    assert state.export_kwh[0] == pytest.approx(-energy.sum())


def test_a_car_without_v2x_ignores_a_request_to_deliver():
    energy, state = run(one_car(), [-11.0])
    assert energy[0] == 0.0 and state.battery_kwh[0] == 30.0


def test_the_warranty_bounds_what_is_delivered():
    car = {"discharge_kw": 11.04, "warranty_kwh": 5.0}
    _, state = run(one_car(car=car, stay={"drive_kwh": 10.0}), [-11.04] * 8)
    assert state.discharged_kwh[0] == pytest.approx(5.0)


def test_round_trip_is_the_product_of_both_efficiencies():
    eta = 0.87**0.5
    battery, bought = charge(20.0, 60.0, 60.0, 11.04, 11.04, 4.14, 3, eta / 0.9, False, 60.0)
    back, sold = discharge(battery, 20.0, 11.04, 3, eta / 0.9, False, 600.0)
    assert back == 20.0
    assert abs(sold / bought - 0.87) < 1e-9


def test_a_sleeper_loses_its_waking_time_after_a_long_pause_only():
    car = {"sleep_after_min": 30.0, "wake_min": 5.0}
    energy, _ = run(one_car(car=car), [11.04, 0.0, 11.04, 0.0, 0.0, 11.04])
    np.testing.assert_allclose(energy / 11.04 * 60, [15, 0, 15, 0, 0, 10], atol=1e-9)


def test_arrival_and_departure_count_by_the_minute():
    fleet = one_car(stay={"drive_kwh": 30.0, "arrival_min": 10, "departure_min": 37})
    energy, state = run(fleet, [np.inf] * 3)
    np.testing.assert_allclose(energy / 11.04 * 60, [5, 15, 7], atol=1e-9)
    assert state.session_row[0] == -1
    assert state.departure_kwh[0] == pytest.approx(state.battery_kwh[0])


def test_reaction_delay_keeps_the_old_power_for_its_seconds():
    energy, _ = run(one_car(reaction_s=30.0), [11.04, 5.0])
    np.testing.assert_allclose(energy, [11.04 * 14.5 / 60, (0.5 * 11.04 + 14.5 * 5.0) / 60], atol=1e-9)


def test_driving_below_the_floor_is_charged_on_the_road_and_counted():
    fleet = one_car(stay={"drive_kwh": 70.0})
    _, state = run(fleet, [0.0])
    assert state.elsewhere_kwh[0] == pytest.approx(70.0 - 60.0 * 0.92)
    assert state.battery_kwh[0] == pytest.approx(60.0 * 0.08)


def test_one_battery_links_two_sessions_of_one_car():
    points = ChargingPoints.of([0, 1], ["home", "office"], 11.04, 3, 0)
    stays = {"ev_row": [0, 0], "cp_row": [0, 1], "arrival_min": [0, 130], "departure_min": [60, 200]}
    fleet = Fleet(Vehicles.of(1), points, Sessions.of(2, drive_kwh=[30.0, 4.0], **stays), DAY)
    state = initial_state(fleet)
    for k in range(16):
        physics.step(fleet, state, k, np.full(2, np.inf))
    after_home = 30.0 + 11.04 * 0.9
    assert state.departure_kwh[0] == pytest.approx(after_home)
    assert state.arrival_kwh[1] == pytest.approx(after_home - 4.0)
    assert state.departure_kwh[1] == pytest.approx(after_home - 4.0 + 11.04 * 0.9 * 70 / 60)


def test_leaving_and_arriving_elsewhere_in_one_period_hands_the_battery_over():
    points = ChargingPoints.of([0, 1], ["home", "office"], 11.04, 3, 0)
    stays = {"ev_row": [0, 0], "cp_row": [0, 1], "arrival_min": [0, 10], "departure_min": [4, 200]}
    fleet = Fleet(Vehicles.of(1), points, Sessions.of(2, drive_kwh=[30.0, 1.0], **stays), DAY)
    state = initial_state(fleet)
    energy = physics.step(fleet, state, 0, np.full(2, np.inf)).energy_kwh
    np.testing.assert_allclose(energy, 11.04 * np.array([4, 5]) / 60, rtol=1e-12)
    assert state.arrival_kwh[1] == pytest.approx(30.0 - 1.0 + 0.9 * 11.04 * 4 / 60)
    assert list(state.session_row) == [-1, 1]


def test_two_cars_may_follow_each_other_at_one_point_within_a_period():
    points = ChargingPoints.of([0], ["public_ac"], 11.04, 3, 0)
    stays = {"ev_row": [0, 1], "cp_row": [0, 0], "arrival_min": [0, 8], "departure_min": [5, 200]}
    fleet = Fleet(Vehicles.of(2), points, Sessions.of(2, drive_kwh=30.0, **stays), DAY)
    state = initial_state(fleet)
    energy = physics.step(fleet, state, 0, np.full(1, np.inf)).energy_kwh
    assert energy[0] == pytest.approx(11.04 * 12 / 60)
    assert state.session_row[0] == 1


def random_fleet(rng):
    n = 12
    car = {
        "phases": rng.choice([1, 3], n),
        "ac_a": rng.choice([16.0, 32.0], n),
        "capacity_kwh": rng.uniform(10, 80, n),
        "discharge_kw": np.where(rng.random(n) < 0.5, 11.04, 0.0),
        "reserve_share": rng.uniform(0, 0.5, n),
        "efficiency_pu": rng.uniform(0.95, 1.05, n),
        "sleep_after_min": np.where(rng.random(n) < 0.3, 20.0, np.inf),
        "wake_min": 4.0,
        "warranty_kwh": 12.0,
    }
    car["start_kwh"] = car["capacity_kwh"]
    arrival = np.sort(rng.integers(-90, 400, n))
    stays = {"arrival_min": arrival, "departure_min": arrival + rng.integers(95, 500, n)}
    stays |= {"drive_kwh": rng.uniform(0, 40, n), "desired_kwh": car["capacity_kwh"]}
    points = ChargingPoints.of(np.arange(n), ["home"] * n, rng.choice([3.7, 11.04, 22.08], n), 3, 0)
    return Fleet(Vehicles.of(n, **car), points, Sessions.of(n, **stays), DAY, reaction_s=6.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_energy_balances_and_does_not_depend_on_the_step(seed):
    rng = np.random.default_rng(seed)
    fleet = random_fleet(rng)
    limits = rng.choice([-11.0, -2.0, 0.0, 4.2, 7.0, 50.0], (40, fleet.n_points))
    finals = []
    for parts in (1, 3, 15):
        state = initial_state(fleet)
        start = state.battery_kwh.copy()
        metered = np.zeros(fleet.n_points)
        for k in range(40 * parts):
            metered += physics.step(fleet, state, k, limits[k // parts], 0.25 / parts).energy_kwh
        change = state.battery_kwh - start
        np.testing.assert_allclose(metered, state.import_kwh - state.export_kwh, atol=1e-9)
        book = metered - state.loss_kwh - state.driven_kwh + state.elsewhere_kwh
        np.testing.assert_allclose(book, change, atol=1e-9)
        assert np.all(state.battery_kwh <= fleet.vehicles.capacity_kwh + 1e-9)
        assert np.all(state.battery_kwh >= -1e-9) and np.all(state.loss_kwh >= -1e-9)
        finals.append(np.concatenate([state.battery_kwh, state.import_kwh, state.export_kwh, state.loss_kwh]))
    np.testing.assert_allclose(finals[0], finals[1], atol=1e-9)
    np.testing.assert_allclose(finals[0], finals[2], atol=1e-9)


def test_a_stop_energy_ends_charging_within_the_period():
    fleet = one_car()
    state = initial_state(fleet)
    result = physics.step(fleet, state, 0, np.array([np.inf]), stop_kwh=np.array([31.0]))
    assert state.battery_kwh[0] == 31.0
    assert result.energy_kwh[0] == pytest.approx(1.0 / 0.9)


def test_open_sessions_charged_before_the_start_but_not_on_the_runs_meter():
    fleet = one_car(stay={"arrival_min": -60, "drive_kwh": 30.0})
    state = initial_state(fleet)
    assert state.battery_kwh[0] == pytest.approx(30.0 + 11.04 * 0.9)
    assert state.import_kwh[0] == 0.0
    assert np.all(np.isnan(empty_state(fleet).departure_kwh))
