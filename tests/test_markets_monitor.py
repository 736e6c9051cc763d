"""Market monitor: figures by hand and breaches by rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.monitor import (
    depth_mw,
    hhi,
    liquidity,
    pivotal_share,
    residual_supply_index,
    spread_eur_per_mwh,
    trades_after_gate,
    trades_beyond_prequalification,
    welfare,
)


def test_concentration():
    assert hhi([10.0]) == 10_000.0
    assert hhi([1, 1, 1, 1]) == 2_500.0
    assert hhi([50, 30, 20]) == pytest.approx(3_800.0)
    assert hhi([25, 25, 30, 20], [7, 7, 8, 9]) == pytest.approx(3_800.0)
    assert math.isnan(hhi([])) and math.isnan(hhi([0.0, 0.0]))


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20))
def test_concentration_lies_between_equal_shares_and_monopoly(volumes):
    assert 10_000.0 / len(volumes) - 1e-6 <= hhi(volumes) <= 10_000.0 + 1e-6


def test_pivotal_suppliers():
    offered = np.array([[60.0, 60.0], [50.0, 0.0], [40.0, 100.0]])
    demand = np.array([100.0, 100.0])
    np.testing.assert_allclose(residual_supply_index(offered, demand), [[0.9, 1.0], [1.0, 1.6], [1.1, 0.6]])
    assert pivotal_share(offered, demand).tolist() == [0.5, 0.0, 0.5]
    assert pivotal_share([[0.0], [5.0]], [100.0]).tolist() == [0.0, 1.0]
    assert np.isinf(residual_supply_index([[1.0]], [0.0])).all()


def test_spread_and_depth():
    np.testing.assert_array_equal(spread_eur_per_mwh([50, math.nan], [52.5, 60]), [2.5, math.nan])
    assert depth_mw([50, 48, 52, 60], [5, 7, 3, 9], [True, True, False, False], within_eur_per_mwh=2) == (5, 3)
    assert depth_mw([50, 48, 52, 60], [5, 7, 3, 9], [True, True, False, False], within_eur_per_mwh=10) == (12, 12)
    assert depth_mw([50.0], [5.0], [True], within_eur_per_mwh=10) == (0.0, 0.0)


def test_liquidity():
    assert liquidity([10, 20, 30], 40.0) == (60.0, 1.5, 3, 20.0)
    empty = liquidity([], 0.0)
    assert empty.traded_mwh == 0.0 and math.isnan(empty.churn) and math.isnan(empty.mean_trade_mwh)


def test_welfare():
    got = welfare([10, 10], [90, 40], [True, False], 60.0)
    assert got == (300.0, 200.0, 500.0)


@given(st.floats(-500, 4000))
def test_the_price_shares_welfare_but_does_not_change_it(price):
    got = welfare([4, 6, 10], [100, 90, 40], [True, True, False], price)
    assert got.total_eur == pytest.approx(4 * 100 + 6 * 90 - 10 * 40)


def test_trades_after_the_gate():
    breaches = trades_after_gate([0, 3300, 3301, 3600, math.nan], 3600, 300)
    assert [(b.row, b.rule) for b in breaches] == [(2, "after_gate"), (3, "after_gate"), (4, "after_gate")]
    assert [b.excess for b in breaches[:2]] == [1.0, 300.0]
    assert trades_after_gate([], [], 300) == ()


def test_trades_beyond_prequalification():
    party, product = [1, 1, 2, 1, 1, 1, 3], [0, 0, 0, 1, 0, 0, 0]
    power = [5.0, 4.0, 3.0, 9.0, -2.0, 4.0, 1.0]
    breaches = trades_beyond_prequalification(party, product, power, {1: 10.0, 2: 3.0})
    assert [tuple(b) for b in breaches] == [
        (5, "beyond_prequalification", pytest.approx(1.0)),
        (6, "beyond_prequalification", pytest.approx(1.0)),
    ]
    assert trades_beyond_prequalification([], [], [], {}) == ()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-5, 9)), max_size=30))
def test_breaches_equal_a_plain_count(trades):
    limits = {0: 10.0, 1: 0.0, 2: 20.0}
    held: dict[tuple[int, int], int] = {}
    expected = []
    for row, (party, product, power) in enumerate(trades):
        held[party, product] = held.get((party, product), 0) + power
        if power > 0 and held[party, product] > limits.get(party, 0.0):
            expected.append(row)
    party_ids, products, powers = ([trade[i] for trade in trades] for i in range(3))
    assert [b.row for b in trades_beyond_prequalification(party_ids, products, powers, limits)] == expected
