"""Sharing a limit: hand-computed cases, the 6 A problem, and properties for any site."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fleet.strategies import RULES, allocate


def test_report_7_4_2_forty_kilowatt_charge_four_cars_at_ten_instead_of_nobody():
    scaled = np.full(20, 2.0)
    assert np.all(allocate(scaled, np.full(20, 4.14), 40.0, "equal_share") == 0.0)
    power = allocate(np.full(20, 10.0), np.full(20, 4.14), 40.0, "rotating")
    assert sorted(power)[-4:] == [10.0] * 4 and np.count_nonzero(power) == 4


def test_rotation_reaches_everyone():
    charged = np.zeros(20)
    for turn in range(40):
        charged += allocate(np.full(20, 10.0), np.full(20, 4.14), 40.0, "rotating", turn=turn)
    assert charged.min() > 0.5 * charged.mean()


def test_equal_share_is_a_water_level():
    np.testing.assert_allclose(
        allocate(np.array([10.0, 3.0, 8.0]), np.zeros(3), 12.0), np.array([4.5, 3.0, 4.5]), atol=1e-9
    )


def test_priority_and_laxity_decide_who_comes_first():
    request, least = np.full(3, 8.0), np.full(3, 4.14)
    np.testing.assert_allclose(allocate(request, least, 12.2, "priority", priority=np.array([0, 2, 1])), [0, 8, 4.2])
    laxity = np.array([5.0, 1.0, 3.0])
    np.testing.assert_allclose(allocate(request, least, 12.0, "least_laxity", laxity_h=laxity), [0, 8, 0])


def test_cars_that_deliver_make_room():
    power = allocate(np.array([-5.0, 11.0, 11.0]), np.full(3, 4.14), 10.0, "least_laxity")
    np.testing.assert_allclose(power, [-5.0, 11.0, 0.0])


def test_delivery_first_makes_up_for_load_above_the_limit():
    power = allocate(np.array([-5.0, 11.0]), np.full(2, 1.38), -4.0, "least_laxity")
    np.testing.assert_allclose(power, [-5.0, 0.0])
    np.testing.assert_allclose(allocate(np.array([-9.0, 11.0]), np.full(2, 1.38), -4.0, "priority"), [-9.0, 5.0])


def test_sites_do_not_mix():
    power = allocate(
        np.full(4, 11.0), np.full(4, 4.14), np.array([11.0, 22.0]), "priority", site=np.array([0, 1, 0, 1])
    )
    np.testing.assert_allclose(power, [11.0, 11.0, 0.0, 11.0])


def test_an_empty_site_is_fine():
    assert len(allocate(np.empty(0), np.empty(0), 5.0)) == 0


def water_level(request, room):
    """Plain twin: the level by sorting."""
    remaining, n = room, len(request)
    for k, value in enumerate(np.sort(request)):
        if value * (n - k) >= remaining:
            return np.minimum(request, remaining / (n - k))
        remaining -= value
    return request


@given(st.lists(st.floats(0.1, 20.0), min_size=1, max_size=12), st.floats(0.5, 60.0))
def test_equal_share_without_minima_matches_its_plain_twin(request_kw, limit):
    request_kw = np.array(request_kw)
    np.testing.assert_allclose(
        allocate(request_kw, np.zeros(len(request_kw)), limit), water_level(request_kw, limit), atol=1e-6
    )


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(RULES)))
def test_limits_minima_and_requests_hold_for_any_site(seed, rule):
    rng = np.random.default_rng(seed)
    n, n_sites = 40, 5
    site = rng.integers(0, n_sites, n)
    request = np.where(rng.random(n) < 0.2, -rng.uniform(0, 11, n), rng.uniform(0, 22, n))
    least = rng.choice([0.0, 1.38, 4.14], n)
    limit = rng.uniform(0, 60, n_sites)
    keys: dict[str, Any] = {
        "priority": rng.normal(size=n),
        "laxity_h": rng.normal(size=n),
        "turn": int(rng.integers(0, 100)),
    }
    power = allocate(request, least, limit, rule, site=site, **keys)
    assert np.all(np.bincount(site, weights=power, minlength=n_sites) <= limit + 1e-6)
    assert np.all(power <= np.maximum(request, 0.0) + 1e-9)
    is_on = power > 0
    assert np.all(power[is_on] >= least[is_on] - 1e-9)
    np.testing.assert_array_equal(power[request < 0], request[request < 0])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_without_a_limit_everybody_gets_the_request(rule):
    request = np.array([0.0, 4.2, 11.0])
    np.testing.assert_allclose(allocate(request, np.full(3, 4.14), np.inf, rule), request)
