"""Worked redispatch cases: who is taken, who pays what, what is refused."""

from typing import Any

import numpy as np
import pytest

from markets.redispatch import RedispatchOrders, clear, settle


def one_element(relief_mw, n_periods, n_orders, inside_effectivity):
    """One congested element; the first order lies inside, the others outside."""
    effectivity = np.zeros((n_orders, 1))
    effectivity[0, 0] = inside_effectivity
    return {
        "needed_relief_mw": np.full((1, n_periods), relief_mw),
        "effectivity": effectivity,
        "headroom_mw": np.zeros((1, n_periods)),
    }


@pytest.mark.case("C16")
def test_offtake_congestion_sells_inside_and_buys_outside():
    orders = RedispatchOrders.of([0, 1], [False, True], np.full((2, 4), 2.0), [180.0, 60.0])
    clearing = clear(orders, **one_element(2.0, 4, 2, 1.0))
    settlement = settle(clearing)
    assert settlement.receipt_eur.sum(axis=1) == pytest.approx([360.0, -120.0])
    assert settlement.operator_eur.sum() == pytest.approx(-240.0)
    assert clearing.spread_cost_eur == pytest.approx(240.0)
    assert settlement.position_mwh.sum(axis=1) == pytest.approx([-2.0, 2.0])
    assert not clearing.unresolved_mw.any()


@pytest.mark.case("C17")
def test_feed_in_congestion_buys_inside_at_a_negative_price():
    orders = RedispatchOrders.of([0, 1], [True, False], np.full((2, 2), 3.0), [-50.0, 70.0])
    clearing = clear(orders, **one_element(3.0, 2, 2, -1.0))
    settlement = settle(clearing)
    assert settlement.receipt_eur.sum(axis=1) == pytest.approx([75.0, 105.0])
    assert clearing.spread_cost_eur == pytest.approx(180.0)
    assert np.abs(settlement.position_mwh).sum(axis=1) == pytest.approx([1.5, 1.5])


def headroom_problem(is_o1_all_or_none):
    orders = RedispatchOrders.of(
        [0, 1, 2],
        [False, True, True],
        [2.0, 2.0, 5.0],
        [180.0, 65.0, 50.0],
        min_fill_share=[0.0, 1.0 if is_o1_all_or_none else 0.0, 0.0],
    )
    return clear(
        orders,
        needed_relief_mw=np.array([[2.0], [0.0]]),
        effectivity=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        headroom_mw=np.array([[0.0], [0.5]]),
        period_h=1.0,
    )


@pytest.mark.case("C18")
def test_a_counter_order_stays_within_its_feeders_headroom():
    clearing = headroom_problem(is_o1_all_or_none=False)
    assert clearing.accepted_mw[:, 0] == pytest.approx([2.0, 0.5, 1.5])
    assert clearing.spread_cost_eur == pytest.approx(252.5)


@pytest.mark.case("C18")
def test_an_all_or_none_counter_order_beyond_the_headroom_is_left_out():
    clearing = headroom_problem(is_o1_all_or_none=True)
    assert clearing.accepted_mw[:, 0] == pytest.approx([2.0, 0.0, 2.0])
    assert clearing.spread_cost_eur == pytest.approx(260.0)


@pytest.mark.case("C19")
def test_effectivity_decides_between_a_dear_near_and_a_cheap_far_order():
    # Near: 100 EUR, effectivity 1. Far: 70 EUR, effectivity 0.5, so 140 EUR of sell per MW of relief.
    orders = RedispatchOrders.of([0, 1, 2], [False, False, True], [5.0, 5.0, 9.0], [100.0, 70.0, 0.0])
    problem: dict[str, Any] = {
        "needed_relief_mw": np.array([[2.0]]),
        "headroom_mw": np.array([[0.0]]),
        "period_h": 1.0,
    }
    clearing = clear(orders, effectivity=np.array([[1.0], [0.5], [0.0]]), **problem)
    assert clearing.accepted_mw[:, 0] == pytest.approx([2.0, 0.0, 2.0])
    assert clearing.spread_cost_eur == pytest.approx(200.0)
    # At 0.8 the far order costs 87.50 per MW of relief and wins.
    clearing = clear(orders, effectivity=np.array([[1.0], [0.8], [0.0]]), **problem)
    assert clearing.accepted_mw[:, 0] == pytest.approx([0.0, 2.5, 2.5])
    assert clearing.spread_cost_eur == pytest.approx(175.0)


def test_partial_relief_comes_before_cost():
    # 5 MW are needed, 3 MW of sells exist, and only 2 MW of buys: relief 2, whatever the price.
    orders = RedispatchOrders.of([0, 1, 2], [False, False, True], [1.0, 2.0, 2.0], [900.0, 100.0, -400.0])
    clearing = clear(
        orders,
        needed_relief_mw=np.array([[5.0]]),
        effectivity=np.array([[1.0], [0.9], [0.0]]),
        headroom_mw=np.array([[0.0]]),
        period_h=1.0,
    )
    assert clearing.accepted_mw[:, 0] == pytest.approx([1.0, 1.0, 2.0], abs=1e-4)
    assert clearing.relief_mw[0, 0] == pytest.approx(1.9, abs=1e-5)
    assert clearing.unresolved_mw[0, 0] == pytest.approx(3.1, abs=1e-5)


def test_no_counter_order_means_no_relief_and_no_cost():
    orders = RedispatchOrders.of([0], [False], [2.0], [180.0])
    clearing = clear(orders, **one_element(2.0, 1, 1, 1.0))
    assert not clearing.accepted_mw.any()
    assert clearing.spread_cost_eur == 0.0
    assert clearing.unresolved_mw[0, 0] == 2.0


def test_orders_that_cross_are_not_traded_for_profit():
    # The sell at 40 and the buy at 90 cross; only the 1 MW of relief is taken.
    orders = RedispatchOrders.of([0, 1], [False, True], [5.0, 5.0], [40.0, 90.0])
    clearing = clear(orders, **one_element(1.0, 1, 2, 1.0))
    assert clearing.accepted_mw[:, 0] == pytest.approx([1.0, 1.0])


def test_a_window_order_is_taken_with_one_share_in_all_its_periods():
    quantity = np.array([[4.0, 4.0, 0.0], [8.0, 8.0, 8.0]])
    orders = RedispatchOrders.of([0, 1], [False, True], quantity, [100.0, 20.0], is_constant=[True, False])
    clearing = clear(
        orders,
        needed_relief_mw=np.array([[3.0, 1.0, 0.0]]),
        effectivity=np.array([[1.0], [0.0]]),
        headroom_mw=np.zeros((1, 3)),
        period_h=1.0,
    )
    assert clearing.accepted_mw == pytest.approx(np.array([[3.0, 3.0, 0.0], [3.0, 3.0, 0.0]]))
    assert clearing.spread_cost_eur == pytest.approx(480.0)


def test_smallest_fill_is_respected():
    # 1 MW needed; the cheap order wants at least half of its 6 MW, so the dear divisible one is cheaper for 1 MW.
    orders = RedispatchOrders.of(
        [0, 1, 2], [False, False, True], [6.0, 6.0, 9.0], [50.0, 120.0, 0.0], min_fill_share=[0.5, 0.0, 0.0]
    )
    problem: dict[str, Any] = {
        "effectivity": np.array([[1.0], [1.0], [0.0]]),
        "headroom_mw": np.array([[0.0]]),
        "period_h": 1.0,
    }
    clearing = clear(orders, needed_relief_mw=np.array([[1.0]]), **problem)
    assert clearing.accepted_mw[:, 0] == pytest.approx([0.0, 1.0, 1.0])
    clearing = clear(orders, needed_relief_mw=np.array([[2.0]]), **problem)
    assert clearing.accepted_mw[:, 0] == pytest.approx([3.0, 0.0, 3.0])


def test_headroom_the_other_way_limits_relief():
    orders = RedispatchOrders.of([0, 1], [False, True], [5.0, 5.0], [100.0, 0.0])
    clearing = clear(
        orders,
        needed_relief_mw=np.array([[5.0], [0.0]]),
        effectivity=np.array([[1.0, 0.5], [0.0, 0.0]]),
        headroom_mw=np.array([[0.0], [9.0]]),
        headroom_reverse_mw=np.array([[np.inf], [1.0]]),
        period_h=1.0,
    )
    assert clearing.accepted_mw[:, 0] == pytest.approx([2.0, 2.0], abs=1e-5)
    assert clearing.unresolved_mw[0, 0] == pytest.approx(3.0, abs=1e-5)


def test_wrong_shapes_are_all_named():
    orders = RedispatchOrders.of([0], [False], [2.0], [180.0])
    with pytest.raises(ValueError, match=r"effectivity has shape .* headroom_mw has shape"):
        clear(
            orders,
            needed_relief_mw=np.zeros((2, 1)),
            effectivity=np.zeros((3, 2)),
            headroom_mw=np.zeros((1, 1)),
        )


def test_a_fill_may_be_smaller_than_the_smallest_order_unless_the_order_forbids_it():
    """Partial clearing is part of the product (GOPACS product conditions 3.0, 3.1.4); the minimum is an order's."""
    orders = RedispatchOrders.of([0, 1], [False, True], np.full((2, 1), 0.1), [180.0, 60.0])
    taken = clear(orders, **one_element(0.03, 1, 2, 1.0))
    assert not taken.rejections
    assert taken.accepted_mw[:, 0] == pytest.approx([0.03, 0.03])
    whole = RedispatchOrders.of([0, 1], [False, True], np.full((2, 1), 0.1), [180.0, 60.0], min_fill_share=[0.8, 0.0])
    assert clear(whole, **one_element(0.03, 1, 2, 1.0)).accepted_mw[:, 0] == pytest.approx([0.08, 0.08])
