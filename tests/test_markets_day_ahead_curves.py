"""The auction without blocks: worked cases, rounding, refusals and an independent linear program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from markets.day_ahead import CurveOrders, clear, hourly_index, neighbour_orders, portfolio_orders


def auction(*rows, n_mtu=1, **terms):
    """Clear rows of (side, mtu, quantity, price[, end price]), owners by row."""
    return clear(CurveOrders.from_rows([(i, *row) for i, row in enumerate(rows)]), n_mtu=n_mtu, **terms)


@pytest.mark.case("C01")
def test_uniform_price_with_partial_marginal_order():
    c = auction(("sell", 0, 40, 10), ("sell", 0, 50, 30), ("sell", 0, 60, 60), ("buy", 0, 70, 100), ("buy", 0, 40, 45))
    assert c.price_eur_per_mwh[0] == 45.0
    assert c.volume_mw[0] == 90.0
    assert c.accepted_mw.tolist() == [40.0, 50.0, 0.0, 70.0, 20.0]
    assert c.welfare_eur == pytest.approx(1500.0, abs=1e-9)


@pytest.mark.case("C02")
def test_price_indeterminacy_gives_the_midpoint():
    c = auction(("sell", 0, 50, 20), ("sell", 0, 50, 60), ("buy", 0, 50, 80), ("buy", 0, 30, 40))
    assert (c.price_low_eur_per_mwh[0], c.price_high_eur_per_mwh[0]) == (40.0, 60.0)
    assert c.price_eur_per_mwh[0] == 50.0
    assert c.accepted_mw.tolist() == [50.0, 0.0, 50.0, 0.0]


@pytest.mark.case("C03")
def test_volume_indeterminacy_gives_the_largest_volume():
    c = auction(("sell", 0, 60, 20), ("sell", 0, 40, 50), ("buy", 0, 50, 90), ("buy", 0, 30, 50))
    assert (c.price_eur_per_mwh[0], c.volume_mw[0]) == (50.0, 80.0)
    assert c.accepted_mw.tolist() == [60.0, 20.0, 50.0, 30.0]


@pytest.mark.case("C05")
def test_curtailment_at_the_limits_is_shared_equally():
    high = auction(("buy", 0, 100, 4000), ("buy", 0, 50, 4000), ("sell", 0, 120, 75))
    assert (high.price_eur_per_mwh[0], high.volume_mw[0]) == (4000.0, 120.0)
    assert high.accepted_mw.tolist() == [80.0, 40.0, 120.0]
    assert high.curtailment_share[0] == pytest.approx(0.2)
    low = auction(("sell", 0, 120, -500), ("sell", 0, 80, -500), ("buy", 0, 150, 90))
    assert (low.price_eur_per_mwh[0], low.volume_mw[0]) == (-500.0, 150.0)
    assert low.accepted_mw.tolist() == [90.0, 60.0, 150.0]
    assert low.curtailment_share[0] == pytest.approx(0.25)


@pytest.mark.case("C06")
def test_linear_orders_cross_between_ticks():
    c = auction(("sell", 0, 100, 20, 60), ("buy", 0, 100, 80, 30))
    assert c.price_eur_per_mwh[0] == 46.67
    assert c.volume_mw[0] == 66.7
    assert c.accepted_mw.tolist() == [66.7, 66.7]


@pytest.mark.case("C10")
def test_hourly_index_is_the_mean_of_the_quarters():
    assert hourly_index(np.array([40.0, 60.0, 80.0, 100.0])).tolist() == [70.0]
    with pytest.raises(ValueError, match="multiple of 4"):
        hourly_index(np.ones(5))


@pytest.mark.case("C04")
def test_marginal_orders_share_in_proportion_and_on_the_step():
    c = auction(("sell", 0, 10, 50), ("buy", 0, 10, 50), ("buy", 0, 10, 50), ("buy", 0, 10, 50))
    assert c.accepted_mw.tolist() == [10.0, 3.4, 3.3, 3.3]  # a third each; the odd step goes to the first row
    exact = auction(("sell", 0, 10, 50), ("buy", 0, 10, 50), ("buy", 0, 10, 50), ("buy", 0, 10, 50), volume_step_mw=0.0)
    assert exact.accepted_mw[1:] == pytest.approx([10 / 3] * 3)


def test_linear_and_step_orders_meet_on_the_step_of_the_curve():
    # demand 100 up to 50 EUR, supply 0 at 20 to 100 at 60 and a step of 40 at 30: at 50, supply is 75 + 40 > 100
    c = auction(("buy", 0, 100, 200), ("sell", 0, 100, 20, 60), ("sell", 0, 40, 30))
    assert c.price_eur_per_mwh[0] == 44.0  # 2.5 (p - 20) + 40 = 100
    assert c.accepted_mw.tolist() == [100.0, 60.0, 40.0]


def test_books_without_trade_have_a_price_inside_the_limits():
    assert auction().price_eur_per_mwh[0] == 1750.0
    assert auction(("buy", 0, 10, 50)).price_eur_per_mwh[0] == 2025.0
    assert auction(("sell", 0, 10, 50)).price_eur_per_mwh[0] == -225.0
    assert not auction(("sell", 0, 10, 50)).is_traded.any()


def test_midpoint_half_tick_rounds_away_from_zero():
    up = auction(("sell", 0, 1, 10.00), ("buy", 0, 1, 10.01))
    down = auction(("sell", 0, 1, -10.01), ("buy", 0, 1, -10.00))
    assert (up.price_eur_per_mwh[0], down.price_eur_per_mwh[0]) == (10.01, -10.01)


def test_refused_rows_carry_the_rule_and_leave_the_rest_alone():
    rows = [
        ("sell", 0, 10, 20),
        ("buy", 0, 10, 30),
        ("buy", 0, float("nan"), 30),
        ("buy", 0, 10, float("inf")),
        ("buy", 0, -1, 30),
        ("buy", 0, 1e9, 30),
        ("buy", 7, 1, 30),
        ("buy", -1, 1, 30),
        ("buy", 0, 1, 4000.01),
        ("buy", 0, 1, 30.005),
        ("buy", 0, 1.05, 30),
        ("buy", 0, 1, 30, 31),
        ("sell", 0, 1, 30, 29),
        ("buy", 1, 1, 30),
    ]
    c = auction(*rows, n_mtu=2, is_open=np.array([True, False]))
    assert [r.rule for r in c.rejections] == [
        "not_a_number",
        "not_a_number",
        "negative_volume",
        "volume_above_maximum",
        "unknown_mtu",
        "unknown_mtu",
        "price_outside_limits",
        "price_off_tick",
        "volume_off_step",
        "curve_slopes_wrong_way",
        "curve_slopes_wrong_way",
        "closed_mtu",
    ]
    assert [r.row for r in c.rejections] == list(range(2, 14))
    assert c.price_eur_per_mwh[0] == 25.0
    assert np.isnan(c.price_eur_per_mwh[1])
    assert c.accepted_mw[:2].tolist() == [10.0, 10.0]
    assert not c.accepted_mw[2:].any()


def test_repeated_identifiers_are_refused_after_the_first():
    orders = CurveOrders(
        np.array([1, 2, 3]),
        np.array([True, False, True]),
        np.array([0, 0, 0]),
        np.array([5, 9, 5]),
        np.array([50, 10, 60]),
        order_id=np.array([4, 5, 4]),
    )
    c = clear(orders, n_mtu=1)
    assert [(r.row, r.rule) for r in c.rejections] == [(2, "duplicate_id")]
    assert c.accepted_mw.tolist() == [5.0, 5.0, 0.0]


def test_terms_that_cannot_hold_are_listed_together():
    with pytest.raises(ValueError, match=r"n_mtu 0.*price limits.*volume_step_mw"):
        clear(CurveOrders.empty(), n_mtu=0, price_min_eur_per_mwh=10, price_max_eur_per_mwh=0, volume_step_mw=-1)
    with pytest.raises(ValueError, match="mtu has shape"):
        CurveOrders(np.ones(1), np.ones(1), np.ones(2), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="row 1"):
        CurveOrders.from_rows([(0, "buy", 0, 1, 1), (0, "bid", 0, 1, 1)])


def test_neighbours_export_when_cheap_and_import_when_dear():
    curve = neighbour_orders(99, np.array([0, 50, 100]), np.array([[-200, 0, 200]]))
    home = CurveOrders.from_rows([(1, "sell", 0, 1000, 25), (2, "buy", 0, 500, 3000)])
    c = clear(CurveOrders.concatenate([home, curve]), n_mtu=1)
    assert c.price_eur_per_mwh[0] == 25.0
    assert c.volume_mw[0] == 600.0  # 500 at home, 100 abroad
    short = CurveOrders.from_rows([(1, "sell", 0, 450, 25), (2, "buy", 0, 500, 3000)])
    c = clear(CurveOrders.concatenate([short, curve]), n_mtu=1)
    assert c.price_eur_per_mwh[0] == 62.5  # 50 MW of import
    assert c.volume_mw[0] == 500.0


@given(
    st.lists(st.integers(-300, 300), min_size=2, max_size=6),
    st.booleans(),
    st.integers(0, 5),
)
def test_portfolio_points_come_back_at_their_prices(net_steps, is_linear, which):
    net = np.sort(np.array(net_steps))[::-1] / 10.0
    price = 10.0 * np.arange(len(net))
    orders = portfolio_orders(1, price, net, is_linear=is_linear, first_mtu=3)
    assert (orders.mtu == 3).all()
    k = which % (len(net) - 1)
    at = (price[k] + price[k + 1]) / 2
    expected = (net[k] + net[k + 1]) / 2 if is_linear else net[k]
    turn = is_linear and net[k] > 0 > net[k + 1]  # the turn is rounded to the tick
    # a large two-sided quote at one price pins the auction there and takes the other side of the portfolio
    quote = CurveOrders.from_rows([(2, "buy", 3, 1000, at), (2, "sell", 3, 1000, at)])
    c = clear(CurveOrders.concatenate([orders, quote]), n_mtu=4, volume_step_mw=0.0)
    mine = c.accepted_mw[: len(orders)]
    bought = np.sum(np.where(orders.is_buy, mine, -mine))
    assert c.price_eur_per_mwh[3] == at
    assert bought == pytest.approx(expected, abs=0.05 if turn else 1e-9)


prices = st.integers(-50, 50).map(lambda t: t / 2)
step_rows = st.tuples(
    st.sampled_from(["buy", "sell"]), st.integers(0, 1), st.integers(0, 60).map(lambda v: v / 10), prices
)


@settings(max_examples=150, deadline=None)
@given(st.lists(step_rows, max_size=14))
def test_step_books_against_a_linear_program(rows):
    terms = {"price_min_eur_per_mwh": -25.0, "price_max_eur_per_mwh": 25.0}
    c = auction(*rows, n_mtu=2, **terms)
    orders = CurveOrders.from_rows([(i, *row) for i, row in enumerate(rows)])
    check_equilibrium(orders, c, 2)
    if not rows:
        return
    worth = np.where(orders.is_buy, 1.0, -1.0) * orders.price_eur_per_mwh
    balance = np.stack([np.where(orders.is_buy, 1.0, -1.0) * (orders.mtu == m) for m in range(2)])
    bounds = [(0.0, q) for q in orders.quantity_mw]
    best = linprog(-worth, A_eq=balance, b_eq=np.zeros(2), bounds=bounds)
    assert c.welfare_eur == pytest.approx(-best.fun * 0.25, abs=1e-6)
    # the largest volume at that welfare, and the ends of the interval of prices, from two more programs
    volume = linprog(
        -orders.is_buy.astype(float),
        A_ub=-worth[None, :],
        b_ub=[best.fun + 1e-9],
        A_eq=balance,
        b_eq=np.zeros(2),
        bounds=bounds,
    )
    assert np.sum(c.volume_mw) == pytest.approx(-volume.fun, abs=1e-5)
    for m in range(2):
        low, high = price_interval(orders, m, -25.0, 25.0)
        assert c.price_low_eur_per_mwh[m] == pytest.approx(low, abs=1e-9)
        assert c.price_high_eur_per_mwh[m] == pytest.approx(high, abs=1e-9)


def price_interval(orders, mtu, low, high):
    """All prices of a half-euro grid and their middles at which demand can meet supply, by looking at each."""
    here = orders.mtu == mtu
    buy, q, p = orders.is_buy & here, orders.quantity_mw, orders.price_eur_per_mwh
    sell = ~orders.is_buy & here
    grid = np.arange(low, high + 0.01, 0.25)
    fits = [
        x
        for x in grid
        if q[buy & (p > x)].sum() <= q[sell & (p <= x)].sum() + 1e-9
        and q[sell & (p < x)].sum() <= q[buy & (p >= x)].sum() + 1e-9
    ]
    return fits[0], fits[-1]


def check_equilibrium(orders, c, n_mtu):
    """Balance, bounds and no regret for every admitted step order."""
    for m in range(n_mtu):
        here = orders.mtu == m
        bought, sold = (c.accepted_mw[here & side].sum() for side in (orders.is_buy, ~orders.is_buy))
        assert bought == pytest.approx(sold, abs=1e-9)
        assert bought == pytest.approx(c.volume_mw[m], abs=1e-9)
    gain = np.where(orders.is_buy, 1.0, -1.0) * (orders.price_eur_per_mwh - c.price_eur_per_mwh[orders.mtu])
    assert (c.accepted_mw[gain < 0] == 0).all()
    assert c.accepted_mw[gain > 0] == pytest.approx(orders.quantity_mw[gain > 0])


linear_rows = st.tuples(
    st.sampled_from(["buy", "sell"]), st.integers(0, 0), st.integers(0, 60).map(lambda v: v / 10), prices, prices
)


@settings(max_examples=150, deadline=None)
@given(st.lists(linear_rows, min_size=1, max_size=10))
def test_linear_books_against_their_own_definition(rows):
    rows = [(s, m, q, *sorted((a, b), reverse=s == "buy")) for s, m, q, a, b in rows]
    c = auction(*rows, price_min_eur_per_mwh=-25.0, price_max_eur_per_mwh=25.0, volume_step_mw=0.0)
    exact = 0.5 * (c.price_low_eur_per_mwh[0] + c.price_high_eur_per_mwh[0])
    assert abs(c.price_eur_per_mwh[0] - exact) <= 0.005 + 1e-9
    total = 0.0
    for (side, _, q, start, end), got in zip(rows, c.accepted_mw, strict=True):
        sign = 1 if side == "buy" else -1
        inside = sign * (start - exact)
        if start != end:
            assert got == pytest.approx(q * min(max(inside / (sign * (start - end)), 0), 1), abs=1e-6)
        elif abs(inside) > 1e-9:
            assert got == pytest.approx(q if inside > 0 else 0.0, abs=1e-9)
        total += sign * got
    assert total == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(linear_rows, min_size=1, max_size=10))
def test_rounded_volumes_balance_and_stay_within_a_step(rows):
    rows = [(s, m, q, *sorted((a, b), reverse=s == "buy")) for s, m, q, a, b in rows]
    terms = {"price_min_eur_per_mwh": -25.0, "price_max_eur_per_mwh": 25.0}
    exact, stepped = auction(*rows, **terms, volume_step_mw=0.0), auction(*rows, **terms)
    is_buy = np.array([r[0] == "buy" for r in rows])
    assert np.abs(stepped.accepted_mw - exact.accepted_mw).max() <= 0.1 + 1e-9
    assert (stepped.accepted_mw <= np.array([r[2] for r in rows]) + 1e-9).all()
    steps = np.rint(stepped.accepted_mw * 10)
    assert stepped.accepted_mw == pytest.approx(steps / 10, abs=1e-12)
    assert steps[is_buy].sum() == steps[~is_buy].sum() == round(stepped.volume_mw[0] * 10)
