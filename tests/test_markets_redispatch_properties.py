"""Redispatch against independent optimisers, and what must hold for any book."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from markets.redispatch import RedispatchOrders, RedispatchRules, clear, settle

KEPT_MW = 1e-8  # the same slack on relief as in the clearing: the last watts of relief can be very dear


def random_problem(seed, n_orders=8, n_periods=3, n_elements=3):
    """Sells are dearer than buys, so orders do not cross."""
    rng = np.random.default_rng(seed)
    is_buy = rng.random(n_orders) < 0.5
    price = np.where(is_buy, rng.integers(-40, 80, n_orders), rng.integers(90, 300, n_orders)).astype(float)
    quantity = np.round(rng.uniform(0.2, 4.0, (n_orders, n_periods)), 1)
    effectivity = np.where(rng.random((n_orders, n_elements)) < 0.6, rng.uniform(-0.5, 1.0, (n_orders, n_elements)), 0)
    need = np.where(rng.random((n_elements, n_periods)) < 0.5, rng.uniform(0, 3.0, (n_elements, n_periods)), 0.0)
    room = rng.uniform(0.0, 2.0, (n_elements, n_periods))
    orders = RedispatchOrders.of(np.arange(n_orders), is_buy, quantity, price)
    problem = {"needed_relief_mw": need, "effectivity": effectivity, "headroom_mw": room, "period_h": 0.25}
    return orders, problem


def oracle(orders, problem, period, fixed=None):
    """One period by scipy: least unresolved relief, then least cost; ``fixed`` pins volumes of some rows."""
    n, n_elements = orders.n_orders, problem["needed_relief_mw"].shape[0]
    sign = np.where(orders.is_buy, 1.0, -1.0)
    change = (sign[:, None] * problem["effectivity"]).T
    need = problem["needed_relief_mw"][:, period]
    room = np.where(need > 0, 0.0, problem["headroom_mw"][:, period])
    relief = np.hstack([change, -np.eye(n_elements)])[need > 0]
    a_ub = np.vstack([relief, np.hstack([change, np.zeros((n_elements, n_elements))])])
    b_ub = np.concatenate([-need[need > 0], room])
    equal = np.concatenate([sign, np.zeros(n_elements)])[None]
    bounds = [(0.0, q) for q in orders.quantity_mw[:, period]] + [(0.0, None)] * n_elements
    for row, volume in (fixed or {}).items():
        bounds[row] = (volume, volume)
    unresolved = np.concatenate([np.zeros(n), np.ones(n_elements)])
    first = linprog(unresolved, A_ub=a_ub, b_ub=b_ub, A_eq=equal, b_eq=[0.0], bounds=bounds)
    if first.status != 0:
        return None
    cost = np.concatenate([-sign * orders.price_eur_per_mwh, np.zeros(n_elements)])
    kept = np.vstack([a_ub, unresolved])
    second = linprog(cost, A_ub=kept, b_ub=np.append(b_ub, first.fun + KEPT_MW), A_eq=equal, b_eq=[0.0], bounds=bounds)
    return first.fun, second.fun * problem["period_h"]


@pytest.mark.parametrize("seed", range(25))
def test_divisible_orders_match_an_independent_optimiser(seed):
    orders, problem = random_problem(seed)
    clearing = clear(orders, **problem)
    for period in range(orders.n_periods):
        unresolved, cost = oracle(orders, problem, period)
        assert clearing.unresolved_mw[:, period].sum() == pytest.approx(unresolved, abs=1e-5)
        assert clearing.spread_cost_per_period_eur[period] == pytest.approx(cost, rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("seed", range(12))
def test_all_or_none_orders_match_trying_every_combination(seed):
    orders, problem = random_problem(seed + 100, n_orders=7, n_periods=1, n_elements=2)
    whole = [0, 2, 4]
    fill = np.zeros(orders.n_orders)
    fill[whole] = 1.0
    indivisible = RedispatchOrders.of(
        orders.connection_row, orders.is_buy, orders.quantity_mw, orders.price_eur_per_mwh, min_fill_share=fill
    )
    clearing = clear(indivisible, **problem)
    tried = []
    for choice in product((0, 1), repeat=len(whole)):
        fixed = {row: taken * orders.quantity_mw[row, 0] for row, taken in zip(whole, choice, strict=True)}
        result = oracle(orders, problem, 0, fixed)
        if result is not None:
            tried.append(result)
    best = min(u for u, _ in tried)
    cheapest = min(c for u, c in tried if u <= best + 1e-6)
    assert clearing.unresolved_mw.sum() == pytest.approx(best, abs=1e-5)
    if (problem["needed_relief_mw"] > 0).any():
        assert clearing.spread_cost_eur == pytest.approx(cheapest, abs=1e-2)
    taken = clearing.accepted_mw[whole, 0]
    assert ((taken == 0.0) | np.isclose(taken, orders.quantity_mw[whole, 0])).all()


prices = st.one_of(
    st.integers(-2000, 2000).map(float), st.sampled_from([np.nan, np.inf, -np.inf, 0.005, 1500.0, -1500.0])
)
volumes = st.one_of(st.floats(0.0, 20.0), st.sampled_from([np.nan, -1.0, 0.0, 1e6]))


@st.composite
def books(draw):
    """Any book with bad input among the good: all sides, prices, volumes, locations, fills."""
    n, n_periods, n_elements = draw(st.integers(0, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    quantity = np.array(draw(st.lists(volumes, min_size=n * n_periods, max_size=n * n_periods))).reshape(n, n_periods)
    orders = RedispatchOrders.of(
        np.array(draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n)), dtype=int),
        np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool),
        quantity,
        np.array(draw(st.lists(prices, min_size=n, max_size=n))),
        is_constant=draw(st.booleans()),
        min_fill_share=np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0]), min_size=n, max_size=n))),
        contracted_mw=draw(st.sampled_from([np.nan, 0.05, 5.0, 30.0])),
        is_pool=draw(st.booleans()),
        order_id=np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), dtype=int),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    effectivity = rng.uniform(-1.0, 1.0, (n, n_elements)) * (rng.random((n, n_elements)) < 0.7)
    need = rng.uniform(-1.0, 4.0, (n_elements, n_periods))
    room = rng.uniform(-1.0, 4.0, (n_elements, n_periods))
    need[rng.random(need.shape) < 0.2] = np.nan
    room[rng.random(room.shape) < 0.1] = np.nan
    reverse = rng.uniform(0.0, 5.0, need.shape) if draw(st.booleans()) else None
    return orders, {
        "needed_relief_mw": need,
        "effectivity": effectivity,
        "headroom_mw": room,
        "headroom_reverse_mw": reverse,
    }


@settings(max_examples=150, deadline=None)
@given(books())
def test_whatever_the_book(case):
    orders, problem = case
    clearing = clear(orders, **problem)
    accepted, signed = clearing.accepted_mw, clearing.signed_mw
    need, room = np.nan_to_num(problem["needed_relief_mw"]), np.nan_to_num(problem["headroom_mw"])
    # no order beyond its size, refused orders nothing
    assert (accepted >= 0.0).all()
    refused = [r.row for r in clearing.rejections]
    good = np.setdiff1d(np.arange(orders.n_orders), refused)
    assert not accepted[refused].any()
    assert (accepted[good] <= orders.quantity_mw[good] + 1e-9).all()
    # buy equals sell in every period
    assert np.abs(signed.sum(axis=0)).max(initial=0.0) <= 1e-5
    # relief is what the effectivities say; nothing overloaded gets worse, nothing else beyond its headroom
    assert clearing.relief_mw == pytest.approx(-(problem["effectivity"].T @ signed))
    limit = np.where(need > 0.0, 0.0, np.maximum(room, 0.0))
    assert (-clearing.relief_mw <= limit + 1e-5).all()
    if problem["headroom_reverse_mw"] is not None:
        assert (clearing.relief_mw <= problem["headroom_reverse_mw"] + 1e-5).all()
    # unresolved relief is counted where there is a need
    left = np.where(need > 0.0, np.maximum(need - clearing.relief_mw, 0.0), 0.0)
    assert clearing.unresolved_mw == pytest.approx(left, abs=2e-6)
    # shares: constant orders one share, all-or-none whole or nothing
    for row in good:
        window = orders.quantity_mw[row] > 1e-6  # less than a watt is none
        share = accepted[row, window] / orders.quantity_mw[row, window]
        if orders.is_window[row]:
            assert np.ptp(share) <= 1e-6
        is_taken = share > 1e-6
        assert (share[is_taken] >= orders.min_fill_share[row] - 1e-6).all()
    # money: all receipts and the operators' payment sum to zero; prices as ordered
    settlement = settle(clearing)
    total = np.sum(settlement.receipt_eur) + np.sum(settlement.operator_eur)
    assert total == pytest.approx(0.0, abs=1e-6)
    assert clearing.spread_cost_eur == pytest.approx(-np.sum(settlement.operator_eur), abs=1e-9)
    # no need, no trade
    if not (need > 1e-9).any():
        assert not accepted.any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_an_operator_pays_only_for_relief(seed):
    """Taking less of everything never keeps the relief: the cost buys something."""
    orders, problem = random_problem(seed, n_orders=6, n_periods=2)
    clearing = clear(orders, **problem)
    need = problem["needed_relief_mw"]
    for period in range(orders.n_periods):
        if clearing.spread_cost_per_period_eur[period] > 1e-3:
            gained = np.minimum(clearing.relief_mw, need)[:, period][need[:, period] > 0]
            assert (gained >= -1e-5).all()
            assert gained.max() > 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_more_need_never_costs_less(seed, share):
    orders, problem = random_problem(seed, n_orders=6, n_periods=1, n_elements=1)
    smaller = {**problem, "needed_relief_mw": problem["needed_relief_mw"] * share}
    most, less = clear(orders, **problem), clear(orders, **smaller)
    assert less.spread_cost_eur <= most.spread_cost_eur + 1e-3
    assert less.relief_mw.sum() <= most.relief_mw.sum() + 1e-5 or not (problem["needed_relief_mw"] > 0).any()


def test_same_book_same_result_to_the_last_bit():
    orders, problem = random_problem(3, n_orders=60, n_periods=12)
    first, second = clear(orders, **problem), clear(orders, **problem)
    assert first.accepted_mw.tobytes() == second.accepted_mw.tobytes()


def test_equal_prices_take_the_earlier_row():
    orders = RedispatchOrders.of([0, 1, 2], [False, False, True], np.full((3, 1), 2.0), [100.0, 100.0, 0.0])
    clearing = clear(
        orders,
        needed_relief_mw=np.array([[1.5]]),
        effectivity=np.array([[1.0], [1.0], [0.0]]),
        headroom_mw=np.zeros((1, 1)),
        rules=RedispatchRules(),
    )
    assert clearing.accepted_mw[:, 0] == pytest.approx([1.5, 0.0, 1.5])
