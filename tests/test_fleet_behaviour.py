"""Behaviour: published figures and their residuals, identity of draws, links between places, sessions at the edges."""

from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from agents.fleet import figures
from agents.fleet.behaviour import build_fleet
from agents.fleet.columns import COLUMNS, bytes_per_row
from agents.fleet.counterfactual import uncontrolled
from agents.fleet.draws import arrival_hour, joint, stay_hours
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import SEGMENTS, ChargingPoints, Sessions, Vehicles
from agents.fleet.vehicles import draw_vehicles
from markets.calendar import Horizon

APRIL = Horizon(date(2025, 4, 7), 14)
WEEK = Horizon(date(2025, 1, 13), 7)


def town(n_home=1200, n_public=1000, n_work=350, n_depot=30, n_shared=30, n_dc=8, areas=20):
    segment = np.repeat(np.arange(6), [n_home, n_public, n_work, n_depot, n_shared, n_dc])
    n = len(segment)
    connection = np.arange(n)
    for code, size in ((2, 25), (3, 15), (5, 8)):
        connection[segment == code] = connection[segment == code] // size * size
    kw = np.select([segment == 5, segment == 3], [150.0, 22.08], 11.04)
    return ChargingPoints.of(connection, segment, kw, 3, np.arange(n) % areas)


@pytest.fixture(scope="module")
def april():
    return build_fleet(FleetSpec(), APRIL, town(), 3)


@pytest.fixture(scope="module")
def outcome(april):
    return uncontrolled(april)


def of_segment(outcome, name):
    s, fleet = outcome.fleet.sessions, outcome.fleet
    inside = (s.arrival_min >= 0) & (s.departure_min <= fleet.horizon.n_periods * 15)
    rows = inside & (fleet.points.segment[s.cp_row] == SEGMENTS.index(name))
    stay = (s.departure_min - s.arrival_min)[rows] / 60.0
    return stay, outcome.state.session_import_kwh[rows]


@pytest.mark.parametrize("name", ["home", "public_ac", "work"])
def test_whole_session_figures_hold_within_their_residuals(outcome, name):
    stay, energy = of_segment(outcome, name)
    published = figures.FIGURES[name]
    assert published.whole_stay_h and published.whole_energy_kwh
    assert np.mean(stay) == pytest.approx(published.whole_stay_h[0], rel=0.05)
    assert np.median(stay) == pytest.approx(published.whole_stay_h[1], rel=0.1)
    assert np.mean(energy) == pytest.approx(published.whole_energy_kwh[0], rel=0.06)
    assert np.median(energy) == pytest.approx(published.whole_energy_kwh[1], rel=0.12)


@pytest.mark.parametrize("name", ["home", "public_ac", "work"])
def test_stay_and_energy_are_skewed_and_go_together(outcome, name):
    stay, energy = of_segment(outcome, name)
    assert np.mean(energy) > 1.15 * np.median(energy)
    assert 0.15 < np.corrcoef(stay, energy)[0, 1] < 0.8


def test_public_stays_have_a_daytime_and_an_overnight_mode(outcome):
    stay, _ = of_segment(outcome, "public_ac")
    density = [np.mean((stay >= low) & (stay < low + 2)) for low in (0, 6, 11)]
    assert density[0] > 2 * density[1] and density[2] > 1.5 * density[1]


@pytest.mark.parametrize("name", ["home", "public_ac", "work"])
def test_arrivals_follow_the_published_hours(name):
    published = figures.FIGURES[name]
    u = (np.arange(200_000) + 0.5) / 200_000
    hours = np.bincount(arrival_hour(published, np.zeros(1, bool), u).astype(int), minlength=24) / 200_000
    np.testing.assert_allclose(hours, published.weekday, atol=1e-4)


@pytest.mark.parametrize("name", ["home", "public_ac", "work"])
def test_mean_stay_by_hour_keeps_the_published_shape(name):
    published = figures.FIGURES[name]
    u = (np.arange(50_000) + 0.5) / 50_000
    for hour in (9, 12, 18, 21):
        if published.weekday[hour] < 0.01:
            continue
        mean = stay_hours(published, np.full(50_000, hour + 0.5), u).mean()
        assert mean == pytest.approx(published.stay_level * published.stay_h[hour], rel=0.12)


def test_a_driver_resembles_himself():
    habit, fresh = np.random.default_rng(1).standard_normal((2, 3, 20_000))
    again = np.random.default_rng(2).standard_normal((3, 20_000))
    weekday = np.zeros(20_000, dtype=bool)
    one, two = (joint(figures.HOME, weekday, habit, f, 0.5)[2] for f in (fresh, again))
    assert 0.2 < np.corrcoef(np.log(one), np.log(two))[0, 1] < 0.7
    stranger = np.random.default_rng(3).standard_normal((3, 20_000))
    three = joint(figures.HOME, weekday, stranger, again, 0.5)[2]
    assert abs(np.corrcoef(np.log(one), np.log(three))[0, 1]) < 0.1


def test_ac_power_mix_and_batteries_match_registrations():
    spec = FleetSpec(plug_in_hybrid_share=0.0)
    cars = draw_vehicles(spec, town(4000, 4000), 1)
    cars = cars.take(cars.group <= 1)
    kw = cars.phases * cars.ac_a * 0.23
    mix = {"11": np.mean(np.isclose(kw, 11.04)), "7": np.mean(np.isclose(kw, 7.36)), "22": np.mean(kw > 20)}
    assert mix["11"] == pytest.approx(0.778, abs=0.03)  # published 77.8 %
    assert mix["7"] == pytest.approx(0.107, abs=0.02)  # 10.7 %
    assert mix["22"] == pytest.approx(0.062, abs=0.02)  # 6.2 %
    assert np.mean(cars.capacity_kwh / cars.soh_share) == pytest.approx(58.2, rel=0.03)
    with_hybrids = draw_vehicles(FleetSpec(), town(2000, 1000), 1)
    low = with_hybrids.phases * with_hybrids.ac_a * 0.23 <= 3.7
    owners = with_hybrids.group <= 1
    assert np.mean(low[owners]) == pytest.approx(0.411, abs=0.05)  # 41.1 % with hybrids


def test_adding_an_ev_leaves_every_other_evs_draws_unchanged():
    small, large = town(n_home=50, n_public=0, n_work=0), town(n_home=51, n_public=0, n_work=0)
    a, b = (build_fleet(FleetSpec(v2x_share=0.3), WEEK, points, 5) for points in (small, large))
    row_b = {int(uid): row for row, uid in enumerate(b.vehicles.uid)}
    for row, uid in enumerate(a.vehicles.uid):
        if a.vehicles.group[row] == 4:
            continue  # visitors compete for points
        mine, same = a.sessions.ev_row == row, b.sessions.ev_row == row_b[int(uid)]
        for name in ("arrival_min", "departure_min", "need_kwh", "stated_departure_min", "is_override"):
            np.testing.assert_array_equal(getattr(a.sessions, name)[mine], getattr(b.sessions, name)[same])
        assert a.vehicles.capacity_kwh[row] == b.vehicles.capacity_kwh[row_b[int(uid)]]


def test_a_date_keeps_its_draws_when_the_horizon_moves():
    points = town(n_home=80, n_public=0, n_work=0, n_depot=0, n_shared=0, n_dc=0)
    long = build_fleet(FleetSpec(), Horizon(date(2025, 1, 13), 7), points, 5).sessions
    late = build_fleet(FleetSpec(), Horizon(date(2025, 1, 15), 5), points, 5).sessions
    after = long.arrival_min >= 2 * 1440 + 2880
    same = late.arrival_min >= 2880
    np.testing.assert_array_equal(long.arrival_min[after] - 2880, late.arrival_min[same])
    np.testing.assert_array_equal(long.need_kwh[after], late.need_kwh[same])


def test_the_same_seed_gives_the_same_fleet_and_another_does_not():
    one, two, other = (build_fleet(FleetSpec(), WEEK, town(100, 50, 25), seed) for seed in (1, 1, 2))
    assert one.sessions.rows.tobytes() == two.sessions.rows.tobytes()
    assert one.vehicles.rows.tobytes() == two.vehicles.rows.tobytes()
    assert one.sessions.rows.tobytes() != other.sessions.rows.tobytes()


def test_a_changed_share_re_rolls_nothing_else():
    without, with_v2x = (build_fleet(FleetSpec(v2x_share=s), WEEK, town(200, 50, 25), 1) for s in (0.0, 0.2))
    np.testing.assert_array_equal(without.sessions.arrival_min, with_v2x.sessions.arrival_min)
    np.testing.assert_array_equal(without.vehicles.model, with_v2x.vehicles.model)
    assert np.mean(with_v2x.vehicles.discharge_kw > 0) > 0.08


def test_nobody_is_in_two_places_and_no_point_holds_two_cars(april):
    s = april.sessions
    for key in (s.ev_row, s.cp_row):
        order = np.lexsort((s.arrival_min, key))
        same = key[order][1:] == key[order][:-1]
        assert np.all(s.arrival_min[order][1:][same] >= s.departure_min[order][:-1][same])
    assert np.all(np.diff(s.arrival_min) >= 0)
    assert np.all(s.departure_min > s.arrival_min)


def test_open_sessions_at_both_ends_are_kept(april):
    s, end = april.sessions, APRIL.n_periods * 15
    assert np.count_nonzero(s.arrival_min < 0) > 100
    assert np.count_nonzero(s.departure_min > end) > 100
    assert np.all(s.departure_min > 0) and np.all(s.arrival_min < end)


def test_scarce_public_points_turn_drivers_away_and_count_them():
    few = build_fleet(FleetSpec(n_evs=600), WEEK, town(0, 40, 0, 0, 0, 0, areas=4), 1)
    many = build_fleet(FleetSpec(n_evs=600), WEEK, town(0, 600, 0, 0, 0, 0, areas=4), 1)
    assert few.n_evs == many.n_evs == 600
    assert len(few.turned_away) > 100 and len(many.turned_away) == 0
    assert few.sessions.need_kwh.mean() > many.sessions.need_kwh.mean()  # their need is carried on


def test_one_battery_feeds_home_work_and_street(april):
    s, points = april.sessions, april.points
    kinds = [set(points.segment[s.cp_row[s.ev_row == ev]]) for ev in np.flatnonzero(april.vehicles.work_site >= 0)[:60]]
    assert any(len(k) >= 2 for k in kinds)


def test_clock_changes_keep_local_arrival_hours():
    figures_by_day = build_fleet(FleetSpec(), Horizon(date(2025, 10, 26), 2), town(2000, 0, 0, 0, 0, 0), 1).sessions
    assert Horizon(date(2025, 10, 26), 1).n_periods == 100
    first = figures_by_day.arrival_min[(figures_by_day.arrival_min >= 240) & (figures_by_day.arrival_min < 1500)]
    local = (first - 60) / 60
    assert 17 < np.median(local[(local > 10)]) < 19.5


def test_winter_needs_more_than_summer():
    assert figures.season_factor(20) / figures.season_factor(202) == pytest.approx(1.25, abs=0.02)


def test_truthful_drivers_state_their_departure_exactly():
    spec = FleetSpec(stating_share=1.0, stating_error_min=0.0, stating_error_share=0.0)
    s = build_fleet(spec, WEEK, town(100, 50, 25), 1).sessions
    np.testing.assert_array_equal(s.stated_departure_min, np.maximum(s.departure_min, s.arrival_min + 15))
    np.testing.assert_allclose(s.stated_kwh, s.need_kwh, rtol=1e-6)


@pytest.mark.function("DRV-1", "DRV-2", "DRV-3")
def test_only_a_share_of_drivers_states_anything(april):
    states = april.sessions.stated_departure_min >= 0
    assert np.mean(states) == pytest.approx(0.6, abs=0.05)
    assert 0 < np.mean(april.sessions.is_override) < 0.05
    assert 0 < np.mean(april.vehicles.is_opt_out) < 0.1


def test_every_fault_of_a_spec_is_named_at_once():
    spec = FleetSpec(v2x_share=1.2, plug_in_hybrid_share=-0.1, stating_error_min=-5.0, n_evs=-1)
    with pytest.raises(ValueError, match=r"plug_in_hybrid_share.*v2x_share.*stating_error_min.*n_evs"):
        build_fleet(spec, WEEK, town(1, 0, 0), 1)


def test_unknown_segments_and_powers_are_refused_together():
    with pytest.raises(ValueError, match=r"point 1: segment 'garage'.*point 0: max_kw -1.*point 2: 2 phases"):
        ChargingPoints.of([0, 1, 2], ["home", "garage", "depot"], [-1.0, 11.0, 11.0], [1, 3, 2], 0)


def test_tables_hold_exactly_the_declared_columns():
    for cls in (Vehicles, ChargingPoints, Sessions):
        declared = {c.name for c in COLUMNS if c.table == cls.table}
        assert declared == {f.name for f in fields(cls)}
    assert all(c.unit and c.meaning for c in COLUMNS)


def test_memory_stays_below_half_a_kilobyte_per_point():
    tables = ("vehicle", "point", "vehicle_state", "point_state")
    assert sum(bytes_per_row(t) for t in tables) + 4.5 * bytes_per_row("session") + 8 <= 500


def test_an_empty_town_has_an_empty_fleet():
    empty = build_fleet(FleetSpec(), WEEK, town(0, 0, 0, 0, 0, 0), 1)
    assert empty.n_evs == 0 and len(empty.sessions) == 0
    assert uncontrolled(empty).power_kw.shape == (0, WEEK.n_periods)


def test_what_sessions_draw_by_period_adds_up_to_their_accounts_and_to_the_power_of_the_points(outcome):
    state, cp = outcome.state, outcome.fleet.sessions.cp_row
    by_session, by_point = np.zeros(len(cp)), np.zeros(outcome.power_kw.shape[0])
    for period in range(outcome.power_kw.shape[1]):
        rows, kwh = outcome.drawn.of(period)
        assert (kwh > 0.0).all()
        np.add.at(by_session, rows, kwh)
        if period == 70:
            np.add.at(by_point, cp[rows], kwh)
    np.testing.assert_allclose(by_session, state.session_import_kwh, atol=1e-9)
    np.testing.assert_allclose(by_point, 0.25 * outcome.power_kw[:, 70], atol=1e-4)
