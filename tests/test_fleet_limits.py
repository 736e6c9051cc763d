"""Limits of site, station and conductor together, and a business park with sub-meters behind one connection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fleet.park import (
    BusinessPark,
    SubMeter,
    charging_room_kw,
    settle,
    share_connection,
    tenant_load_kw,
)
from agents.fleet.strategies.limits import Limit, allocate_within, phase_limits

FLAT = np.full(4, 0.2)


def test_station_and_site_both_hold_by_hand():
    site = Limit.of(np.zeros(4, dtype=int), np.array([30.0]))
    station = Limit.of(np.array([0, 0, 1, 1]), np.array([15.0, 22.0]))
    power = allocate_within(np.full(4, 11.0), np.full(4, 4.14), [site, station])
    # station 0: 11, then 4 left is below the minimum; station 1: 11, then site has 8 left
    np.testing.assert_allclose(power, [11.0, 0.0, 11.0, 8.0])


def test_a_conductor_that_is_full_stops_one_phase_cars_on_it_only():
    phases, first = np.array([1, 1, 3]), np.array([0, 1, 0])
    limits = phase_limits(np.zeros(3, dtype=int), phases, first, np.array([[16.0, 6.0, 25.0]]))
    power = allocate_within(np.array([3.68, 3.68, 11.04]), np.array([1.38, 1.38, 4.14]), limits)
    # the first car fills conductor 0; the second gets 6 A of conductor 1; nothing is left for three phases
    np.testing.assert_allclose(power, [3.68, 1.38, 0.0], atol=1e-9)


def test_delivery_makes_room_on_its_conductors():
    phases, first = np.array([1, 1]), np.array([0, 0])
    limits = phase_limits(np.zeros(2, dtype=int), phases, first, np.zeros((1, 3)))
    power = allocate_within(np.array([-3.68, 3.68]), np.full(2, 1.38), limits)
    np.testing.assert_allclose(power, [-3.68, 3.68])


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_no_limit_is_ever_exceeded(seed):
    rng = np.random.default_rng(seed)
    n = 30
    request = np.where(rng.random(n) < 0.2, -rng.uniform(0, 11, n), rng.uniform(0, 22, n))
    phases, first, site, station = rng.choice([1, 3], n), rng.integers(0, 3, n), rng.integers(0, 3, n), None
    station = site * 4 + rng.integers(0, 4, n)
    least = np.where(phases == 3, 4.14, 1.38)
    limits = [
        Limit.of(site, rng.uniform(0, 80, 3)),
        Limit.of(np.where(rng.random(n) < 0.3, -1, station), rng.uniform(0, 30, 12)),
        *phase_limits(site, phases, first, rng.uniform(0, 80, (3, 3))),
    ]
    power = allocate_within(request, least, limits, rng.normal(size=n))
    for limit in limits:
        inside = limit.group >= 0
        drawn = np.bincount(limit.group[inside], (limit.share * power)[inside], minlength=len(limit.limit_kw))
        assert np.all(drawn <= np.maximum(limit.limit_kw, 0.0) + 1e-6)
    assert np.all((power[request >= 0] == 0) | (power[request >= 0] >= least[request >= 0] - 1e-6))
    np.testing.assert_array_equal(power[request < 0], request[request < 0])


def test_rank_decides_and_no_limit_gives_the_request():
    one = [Limit.of(np.zeros(2, dtype=int), np.array([11.0]))]
    np.testing.assert_allclose(allocate_within(np.full(2, 11.0), np.full(2, 4.14), one, np.array([2.0, 1.0])), [0, 11])
    np.testing.assert_allclose(allocate_within(np.array([3.0, 11.0]), np.zeros(2), []), [3.0, 11.0])


def park(capacity=100.0, guaranteed=(40.0, 20.0), points=((0, 1, 2), (3, 4))):
    night, day = np.array([0.1, 0.1, 0.3, 0.3]), np.array([0.25, 0.25, 0.15, 0.15])
    tenants = (
        SubMeter("bakery", np.array(points[0]), night, 0.4 * night, guaranteed[0]),
        SubMeter("garage", np.array(points[1]), day, 0.5 * day, guaranteed[1]),
    )
    return BusinessPark(capacity, tenants, FLAT, 0.3 * FLAT)


def test_settlement_by_hand_and_the_points_sum_to_the_connection():
    tenant = np.array([[40.0, 0.0, 20.0, 0.0], [-20.0, 8.0, 0.0, 4.0]])
    connection = np.array([24.0, 12.0, 28.0, -4.0])
    bakery, garage, primary = settle(park(), connection, tenant)
    assert bakery.cost_eur == pytest.approx(10 * 0.1 + 5 * 0.3)
    assert garage.cost_eur == pytest.approx(-5 * 0.125 + 2 * 0.25 + 1 * 0.15)
    np.testing.assert_allclose(primary.energy_kwh, [1.0, 1.0, 2.0, -2.0])  # lighting, and the park's own roof
    assert primary.cost_eur == pytest.approx(4 * 0.2 - 2 * 0.06)
    total = bakery.energy_kwh + garage.energy_kwh + primary.energy_kwh
    np.testing.assert_allclose(total, connection * 0.25, atol=1e-12)


def test_what_one_tenant_feeds_in_behind_the_connection_is_not_settled_twice():
    tenant = np.array([[10.0] * 4, [-10.0] * 4])
    parts = settle(park(), np.zeros(4), tenant)
    assert [p.energy_kwh.sum() for p in parts] == [10.0, -10.0, 0.0]
    assert parts[0].cost_eur > 0 > parts[1].cost_eur


def test_each_tenant_has_what_it_was_guaranteed_and_part_of_the_rest():
    room = charging_room_kw(park(), np.array([10.0, 5.0]), 10.0)
    # 100 - 60 guaranteed - 10 common = 30, half each; less the own load
    np.testing.assert_allclose(room, [40 + 15 - 10, 20 + 15 - 5])
    tight = charging_room_kw(park(), np.array([80.0, 5.0]), 10.0)
    assert tight.sum() == pytest.approx(5.0) and tight[0] == 0.0


def test_a_tenant_cannot_crowd_out_the_other_but_may_use_what_it_leaves():
    rows, least = np.arange(5), np.zeros(5)
    load = np.array([10.0, 5.0])
    both = share_connection(park(60.0, (30.0, 30.0)), rows, np.full(5, 22.0), least, load)
    assert both[:3].sum() == pytest.approx(20.0) and both[3:].sum() == pytest.approx(25.0)
    alone = share_connection(park(60.0, (30.0, 30.0)), rows, np.array([22.0, 22.0, 22.0, 0, 0]), least, load)
    assert alone.sum() == pytest.approx(45.0)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_connection_holds_for_any_demand(seed):
    rng = np.random.default_rng(seed)
    capacity = rng.uniform(30, 150)
    share = rng.dirichlet(np.ones(3))[:2] * capacity
    some = park(capacity, tuple(share))
    load, common = rng.uniform(-10, 30, 2), rng.uniform(0, 10)
    request = np.where(rng.random(6) < 0.2, -rng.uniform(0, 11, 6), rng.uniform(0, 22, 6))
    least = rng.choice([1.38, 4.14], 6)
    power = share_connection(some, np.arange(6), request, least, load, common)  # point 5 belongs to nobody
    delivering = load.sum() + common + np.minimum(request, 0.0).sum()
    assert np.sum(power) + load.sum() + common <= max(capacity, delivering) + 1e-6
    drawing = request >= 0
    assert np.all(power[drawing] <= request[drawing] + 1e-9)
    assert np.all((power[drawing] <= 1e-9) | (power[drawing] >= np.minimum(least, request)[drawing] - 1e-6))
    np.testing.assert_allclose(power[~drawing], request[~drawing])


def test_sub_meters_show_base_load_and_their_own_points():
    point_kw = np.arange(5)[:, None] * np.ones(4)
    shown = tenant_load_kw(park(), np.array([[1.0] * 4, [2.0] * 4]), point_kw)
    np.testing.assert_allclose(shown[:, 0], [1 + 0 + 1 + 2, 2 + 3 + 4])


def test_every_fault_of_a_park_is_named_at_once():
    with pytest.raises(ValueError, match=r"guaranteed_kw of all tenants exceeds.*point 2: behind bakery and garage"):
        park(50.0, (40.0, 20.0), ((0, 1, 2), (2, 3)))
    with pytest.raises(ValueError, match="name is used twice"):
        BusinessPark(10.0, (park().tenants[0], park().tenants[0]), FLAT, FLAT)
    with pytest.raises(ValueError, match="capacity_kw = -1"):
        BusinessPark(-1.0, (), FLAT, FLAT)
