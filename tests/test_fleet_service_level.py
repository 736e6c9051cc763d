"""Service level of every strategy in the full physics with truthful drivers, and what the accounts of a run say."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from agents.fleet import physics
from agents.fleet.behaviour import build_fleet
from agents.fleet.comfort import missing_kwh, possible_kwh, service_level
from agents.fleet.comparison import differences, per_session, session_shares
from agents.fleet.counterfactual import Outcome, uncontrolled
from agents.fleet.spec import FleetSpec
from agents.fleet.state import initial_state
from agents.fleet.strategies import STRATEGIES, Signal
from agents.fleet.tables import ChargingPoints, Fleet, Sessions, Vehicles
from agents.fleet.view import session_view
from markets.calendar import Horizon

DAYS = Horizon(date(2025, 1, 13), 2)
T = DAYS.n_periods
AHEAD = 192
TRUTHFUL = FleetSpec(stating_share=1.0, stating_error_min=0.0, stating_error_share=0.0, v2x_share=0.3)


def mixed_fleet(spec=TRUTHFUL, seed=6):
    segment = np.repeat([0, 1, 2, 3, 4, 5], [80, 40, 25, 6, 6, 4])
    kw = np.select([segment == 5, segment == 3], [150.0, 22.08], 11.04)
    points = ChargingPoints.of(np.arange(len(segment)), segment, kw, 3, np.arange(len(segment)) % 5)
    return build_fleet(spec, DAYS, points, seed)


@pytest.fixture(scope="module")
def fleet():
    return mixed_fleet()


def price():
    t = np.arange(T + AHEAD)
    return np.round(0.2 - 0.08 * np.cos(2 * np.pi * t / 96) + 0.03 * np.sin(t * 1.7), 4)


def run(fleet, name):
    """Plan every car when it arrives, from what its driver states, and follow the plan."""
    state, plan = initial_state(fleet), np.zeros((fleet.n_points, T + AHEAD))
    power = np.zeros((fleet.n_points, T))
    sun = np.tile(np.clip(6 * np.sin((np.arange(96) - 32) / 32 * np.pi), 0, None), 5)[: T + AHEAD]
    for k in range(T):
        new = physics.plug_in(fleet, state, k)
        if len(new):
            view = session_view(fleet, state, k, new)
            ahead = slice(k, k + AHEAD)
            signal = Signal(price()[ahead], wear_eur_per_kwh=0.03, pv_surplus_kw=sun[ahead])
            before = plan[view.cp_row, k]
            plan[view.cp_row, k:] = 0.0
            plan[view.cp_row, k : k + AHEAD] = STRATEGIES[name](view, signal)
            plan[view.cp_row, k] = np.maximum(plan[view.cp_row, k], before)  # who leaves in this period charges on
        power[:, k] = physics.step(fleet, state, k, plan[:, k]).power_kw
    return Outcome(fleet, power, state)


@pytest.fixture(scope="module")
def outcomes(fleet):
    return {name: run(fleet, name) for name in STRATEGIES}


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_truthful_drivers_miss_at_most_half_a_percent(outcomes, name):
    assert service_level(outcomes[name].fleet, outcomes[name].state) >= 0.995


def test_smart_strategies_cost_less_and_v2x_least(outcomes, fleet):
    base = uncontrolled(fleet)
    cost = {}
    for name, outcome in (outcomes | {"nobody": base}).items():
        stock = 0.2 * outcome.state.battery_kwh.sum() / 0.9
        wear = 0.03 * outcome.state.discharged_kwh.sum()
        cost[name] = float((outcome.power_kw.sum(axis=0) * price()[:T]).sum() * 0.25 + wear - stock)
    assert cost["uncontrolled"] == pytest.approx(cost["nobody"], rel=1e-3)
    assert cost["price_optimal_v2x"] < cost["price_optimal_v1g"] < min(cost["time_of_use"], cost["nobody"])


def test_lying_drivers_miss_more_than_truthful_ones():
    lying = replace(TRUTHFUL, stating_error_min=180.0)
    late = run(mixed_fleet(lying), "delayed")
    assert service_level(late.fleet, late.state) < 0.99


def test_what_was_possible_is_what_uncontrolled_charging_reaches(fleet):
    base = uncontrolled(fleet)
    rows = np.flatnonzero(~np.isnan(base.state.departure_kwh) & ~fleet_sleepers(fleet))
    best = possible_kwh(fleet, base.state, rows)
    np.testing.assert_allclose(base.state.departure_kwh[rows], np.maximum(best, base.state.departure_kwh[rows]))
    assert np.max(missing_kwh(fleet, base.state, rows)) <= 1e-9


def fleet_sleepers(fleet):
    return np.isfinite(fleet.vehicles.sleep_after_min[fleet.sessions.ev_row])


def test_session_accounts_add_up_to_the_meters(outcomes, fleet):
    outcome = outcomes["price_optimal_v2x"]
    shares = session_shares(fleet, outcome.power_kw)
    energy = per_session(shares, len(fleet.sessions), np.ones(T))
    assert energy.sum() == pytest.approx(outcome.power_kw.sum() * 0.25, abs=1e-6)
    state = outcome.state
    booked = state.session_import_kwh - state.session_export_kwh
    alone = np.bincount(fleet.sessions.cp_row, minlength=fleet.n_points)[fleet.sessions.cp_row] == 1
    np.testing.assert_allclose(energy[alone], booked[alone], atol=1e-9)


def test_two_stays_in_one_period_share_it_by_minutes():
    points = ChargingPoints.of([0], ["public_ac"], 11.04, 3, 0)
    stays = Sessions.of(2, ev_row=[0, 1], cp_row=[0, 0], arrival_min=[0, 20], departure_min=[20, 60], drive_kwh=30.0)
    fleet = Fleet(Vehicles.of(2), points, stays, Horizon(date(2025, 1, 15), 1))
    shares = session_shares(fleet, np.full((1, 96), 8.0))
    np.testing.assert_allclose(per_session(shares, 2, np.ones(96)), [8 * 20 / 60, 8 * 40 / 60])


@pytest.mark.parametrize("by", ["segment", "group"])
def test_differences_per_segment_and_group_add_up(outcomes, fleet, by):
    base, smart = uncontrolled(fleet), outcomes["price_optimal_v1g"]
    co2 = 0.2 + 0.1 * (price()[:T] > 0.2)
    rows = differences(smart, base, price(), co2, by)
    saved = ((base.power_kw - smart.power_kw).sum(axis=0) * 0.25) @ price()[:T]
    assert sum(r.saved_eur for r in rows) == pytest.approx(saved, abs=1e-3)
    saved_kg = ((base.power_kw - smart.power_kw).sum(axis=0) * 0.25) @ co2
    assert sum(r.saved_kg for r in rows) == pytest.approx(saved_kg, abs=1e-3)
    assert sum(r.sessions for r in rows) == len(fleet.sessions)
    home = next(r for r in rows if r.name == "home")
    assert home.saved_eur > 0 and home.saved_eur_per_kwh > 0.03
    assert home.missing_kwh <= 0.005 * home.energy_kwh


def test_differences_of_a_run_with_itself_are_nothing(fleet):
    base = uncontrolled(fleet)
    for row in differences(base, base, price()):
        assert row.saved_eur == 0.0 and row.peak_kw == row.uncontrolled_peak_kw
    with pytest.raises(ValueError, match="by = 'colour'"):
        differences(base, base, price(), by="colour")


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_runs_balance_at_every_step(minutes):
    fleet = mixed_fleet(replace(TRUTHFUL, reaction_s=20.0, ramp_s=10.0))
    state = initial_state(fleet)
    start, metered = state.battery_kwh.copy(), 0.0
    rng = np.random.default_rng(minutes)
    for k in range(6 * 60 // minutes):
        limit = rng.choice([-11.04, 0.0, 6.0, np.inf], fleet.n_points)
        metered += physics.step(fleet, state, k, limit, minutes / 60.0).energy_kwh.sum()
    into = state.battery_kwh - start + state.driven_kwh - state.elsewhere_kwh + state.loss_kwh
    assert metered == pytest.approx(into.sum(), abs=1e-9 * max(abs(metered), 1.0) * 10)
    assert metered == pytest.approx((state.import_kwh - state.export_kwh).sum(), abs=1e-9)
