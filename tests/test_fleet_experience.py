"""Drivers who learn from day to day, and emergency power as a property."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fleet import physics
from agents.fleet.acceptance import AcceptanceSpec, Experience, learn
from agents.fleet.behaviour import build_fleet
from agents.fleet.emergency import island_supply
from agents.fleet.spec import FleetSpec
from agents.fleet.state import initial_state
from agents.fleet.tables import ChargingPoints, Fleet, Sessions, Vehicles
from markets.calendar import Horizon

WEEK = Horizon(date(2025, 1, 13), 7)


def stays(n, drive_kwh=20.0, departure_min=600):
    points = ChargingPoints.of(np.arange(n), ["home"] * n, 11.04, 3, 0)
    table = Sessions.of(n, drive_kwh=drive_kwh, departure_min=departure_min)
    return Fleet(Vehicles.of(n), points, table, Horizon(date(2025, 1, 15), 1))


def after(fleet, limit_kw):
    state = initial_state(fleet)
    for k in range(44):
        physics.step(fleet, state, k, np.asarray(limit_kw, dtype=float))
    return state


def test_without_experience_exactly_the_drawn_drivers_refuse():
    points = ChargingPoints.of(np.arange(2000), ["home"] * 2000, 11.04, 3, 0)
    cars = build_fleet(FleetSpec(), WEEK, points, 7).vehicles
    refuses = Experience.none(2000).refuses(cars, 7)
    assert np.mean(refuses != cars.is_opt_out) < 0.001
    np.testing.assert_allclose(Experience.none(2000).minimum_share(cars), cars.minimum_share, rtol=1e-6)


def test_a_day_moves_each_driver_by_what_happened_to_him_by_hand():
    fleet = stays(3)
    state = after(fleet, [np.inf, 0.0, np.inf])
    seen = learn(Experience.none(3), fleet, state, np.array([0, 1]), np.array([2.0, 0.0]))
    spec = AcceptanceSpec()
    np.testing.assert_allclose(
        seen.impression_log_odds, [-spec.per_eur_saved * 2.0, spec.per_missing_share, 0.0], atol=1e-9
    )
    assert seen.days.tolist() == [1, 1, 0]
    calm = learn(seen, fleet, state, np.array([0]), np.array([np.nan]))
    assert calm.impression_log_odds[0] == pytest.approx(spec.memory * seen.impression_log_odds[0])
    assert calm.impression_log_odds[1] == seen.impression_log_odds[1]


def test_energy_that_was_impossible_is_nobodys_letdown():
    fleet = stays(1, drive_kwh=50.0, departure_min=60)
    state = after(fleet, [np.inf])
    seen = learn(Experience.none(1), fleet, state, np.array([0]), np.array([0.0]))
    assert seen.impression_log_odds[0] == 0.0


def test_a_driver_who_left_nearly_empty_wants_more_at_once_until_it_fades():
    fleet = stays(1, drive_kwh=54.0, departure_min=15)
    state = after(fleet, [0.0])
    seen = learn(Experience.none(1), fleet, state, np.array([0]), np.array([0.0]))
    base = Experience.none(1).minimum_share(fleet.vehicles)[0]
    assert seen.minimum_share(fleet.vehicles)[0] == pytest.approx(base + 0.1)
    good = after(stays(1, drive_kwh=10.0), [np.inf])
    faded = learn(seen, fleet, good, np.array([0]), np.array([0.0]))
    assert faded.minimum_share(fleet.vehicles)[0] == pytest.approx(base + 0.08)


def test_two_sessions_of_a_day_are_one_impression():
    points = ChargingPoints.of([0, 1], ["home", "home"], 11.04, 3, 0)
    table = Sessions.of(2, ev_row=[0, 0], arrival_min=[0, 300], departure_min=[240, 600], drive_kwh=[20.0, 5.0])
    fleet = Fleet(Vehicles.of(1), points, table, Horizon(date(2025, 1, 15), 1))
    state = after(fleet, [np.inf, np.inf])
    seen = learn(Experience.none(1), fleet, state, np.array([0, 1]), np.array([1.0, 1.0]))
    assert seen.days.tolist() == [1]
    assert seen.impression_log_odds[0] == pytest.approx(-1.0)


def test_a_fleet_that_is_let_down_opts_out_and_one_that_saves_comes_back():
    n = 2000
    points = ChargingPoints.of(np.arange(n), ["home"] * n, 11.04, 3, 0)
    cars = build_fleet(FleetSpec(), WEEK, points, 7).vehicles
    fleet = stays(n)
    fleet = Fleet(Vehicles.of(n, uid=cars.uid), fleet.points, fleet.sessions, fleet.horizon)
    bad, good, everyone = after(fleet, np.zeros(n)), after(fleet, np.full(n, np.inf)), np.arange(n)
    memory, share = Experience.none(n), []
    for state, saved in ((bad, 0.0), (good, 0.5), (good, 0.5), (good, 2.0), (good, 2.0)):
        memory = learn(memory, fleet, state, everyone, np.full(n, saved))
        share.append(memory.refuses(cars, 7).mean())
    assert share[0] > 0.9 and np.all(np.diff(share) < 0) and share[-1] < 0.3


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.25, 1 / 12, 1 / 60]))
def test_an_island_conserves_energy_and_never_passes_a_reserve(seed, period_h):
    rng = np.random.default_rng(seed)
    n, sites = 8, 3
    site = rng.integers(0, sites, n)
    start, reserve, full = rng.uniform(5, 60, n), rng.uniform(0, 40, n), np.full(n, 60.0)
    eta = rng.uniform(0.85, 0.95, n)
    load = rng.uniform(-15, 25, (sites, 40))
    most = rng.choice([0.0, 3.68, 11.04], n)
    result = island_supply(load, site, start, reserve, full, most, most, eta, period_h)
    give, take = np.maximum(-result.car_kw, 0.0), np.maximum(result.car_kw, 0.0)
    stored = start + ((take * eta[:, None] - give / eta[:, None]) * period_h).sum(axis=1)
    np.testing.assert_allclose(stored, result.battery_kwh, atol=1e-9)
    assert np.all(result.battery_kwh >= np.minimum(start, reserve) - 1e-9)
    assert np.all(result.battery_kwh <= full + 1e-9)
    assert np.all(np.abs(result.car_kw) <= most[:, None] + 1e-9)
    np.testing.assert_array_less(result.served_kw, np.maximum(load, 0.0) + 1e-9)
    for s in range(sites):
        np.testing.assert_allclose(give[site == s].sum(axis=0), result.served_kw[s], atol=1e-9)


def test_an_outage_of_a_real_fleet_stops_at_the_drivers_reserve():
    fleet = stays(2, drive_kwh=20.0)
    state = after(fleet, [0.0, 0.0])
    reserve = 0.5 * fleet.vehicles.capacity_kwh
    args = (state.battery_kwh, reserve, fleet.vehicles.capacity_kwh, np.full(2, 11.04), np.full(2, 11.04))
    result = island_supply(np.full((1, 96), 6.0), np.zeros(2, dtype=int), *args, np.full(2, 0.9))
    assert result.served_kw.sum() * 0.25 == pytest.approx(2 * 10.0 * 0.9)
    np.testing.assert_allclose(result.battery_kwh, 30.0, atol=1e-9)
