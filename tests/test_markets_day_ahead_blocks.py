"""Blocks: worked cases, links, groups and smallest shares by hand, and every choice tried by an independent oracle."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from markets.day_ahead import BlockOrder, CurveOrders, clear

C07_CURVES = [
    row
    for m, demand in enumerate((80, 90, 120, 130))
    for row in ((0, "buy", m, demand, 4000), (1, "sell", m, 100, 20), (2, "sell", m, 100, 50))
]


def flat(side, quantity, price, first=0, n=1, **rest):
    return BlockOrder.flat(9, side, quantity, price, first, n, **rest)


def clear_rows(rows, *blocks, n_mtu=1, **terms):
    return clear(CurveOrders.from_rows(rows), blocks, n_mtu=n_mtu, **terms)


@pytest.mark.case("C07")
def test_block_accepted_and_paradoxically_rejected():
    without = clear_rows(C07_CURVES, n_mtu=4)
    assert without.price_eur_per_mwh.tolist() == [20, 20, 50, 50]
    accepted = clear_rows(C07_CURVES, flat("sell", 40, 15, 0, 4), n_mtu=4)
    assert accepted.price_eur_per_mwh.tolist() == [20, 20, 20, 20]
    assert accepted.accepted_block_share.tolist() == [1.0]
    assert accepted.welfare_eur == pytest.approx(without.welfare_eur + 2475 - 1900)
    rejected = clear_rows(C07_CURVES, flat("sell", 40, 27, 0, 4), n_mtu=4)
    assert rejected.price_eur_per_mwh.tolist() == [20, 20, 50, 50]
    assert rejected.paradoxically_rejected == ((0, 320.0),)
    assert rejected.block_search is not None
    assert rejected.block_search.is_proven
    out = clear_rows(C07_CURVES, flat("sell", 40, 36, 0, 4), n_mtu=4)
    assert (out.accepted_block_share[0], out.paradoxically_rejected) == (0.0, ())


@pytest.mark.parametrize(
    ("least_share", "share", "prices"),
    [(0.5, 0.75, [20, 20, 20, 48]), (0.0, 0.75, [20, 20, 20, 48]), (0.8, 0.0, [20, 20, 50, 50])],
)
def test_a_divisible_block_is_accepted_to_the_share_at_which_the_mean_price_is_its_limit(least_share, share, prices):
    c = clear_rows(C07_CURVES, flat("sell", 40, 27, 0, 4, min_acceptance_share=least_share), n_mtu=4)
    assert c.accepted_block_share.tolist() == [share]
    assert c.price_eur_per_mwh.tolist() == prices


@pytest.mark.parametrize(
    ("block", "missed_eur"),
    [
        (BlockOrder(9, False, 27.0, (20.0, 20.0, 40.0, 60.0), 0), 505.0),  # (41.43 - 27) EUR/MWh of 35 MWh
        (BlockOrder(9, True, 30.0, (20.0, 20.0), 0), 100.0),  # with it the quarters cost 20 to 50, and 50
        (BlockOrder.flat(9, "sell", 40, 34.99, 0, 4), 0.4),
    ],
)
def test_profiles_and_buyers_are_paradoxically_rejected_too(block, missed_eur):
    c = clear_rows(C07_CURVES, block, n_mtu=4)
    assert c.price_eur_per_mwh.tolist() == [20, 20, 50, 50]
    assert c.paradoxically_rejected == ((0, missed_eur),)


@pytest.mark.case("C10")
@pytest.mark.parametrize(("limit", "share"), [(72, 1.0), (68, 0.0)])
def test_hourly_block_over_quarters_looks_at_the_mean(limit, share):
    rows = [r for m, p in enumerate((40, 60, 80, 100)) for r in ((0, "buy", m, 50, 4000), (1, "sell", m, 200, p))]
    c = clear_rows(rows, BlockOrder.hourly(9, "buy", 40, limit, 0), n_mtu=4)
    assert c.price_eur_per_mwh.tolist() == [40, 60, 80, 100]
    assert c.accepted_block_share.tolist() == [share]
    assert c.accepted_block_mw.tolist() == [[40 * share] * 4]


def test_smallest_share_is_taken_at_the_money_only():
    rows = [(0, "buy", 0, 120, 4000), (1, "sell", 0, 100, 20), (2, "sell", 0, 100, 50)]
    whole = clear_rows(rows, flat("sell", 40, 27))
    assert whole.accepted_block_share[0] == 0.0  # whole, it would push the price to 20
    half = clear_rows(rows, flat("sell", 40, 27, min_acceptance_share=0.5))
    assert half.accepted_block_share[0] == 0.5
    assert half.price_eur_per_mwh[0] == 27.0  # the block sets the price between 20 and 50
    assert half.accepted_mw.tolist() == [120.0, 100.0, 0.0]
    more = clear_rows(rows, flat("sell", 40, 27, min_acceptance_share=0.6))
    assert more.accepted_block_share[0] == 0.0


def test_profile_block_weighs_prices_by_volume():
    rows = [r for m, p in enumerate((10, 90)) for r in ((0, "buy", m, 50, 4000), (1, "sell", m, 200, p))]
    block = BlockOrder(9, True, 30.0, (30.0, 10.0), 0)
    assert clear_rows(rows, block, n_mtu=2).accepted_block_share[0] == 1.0  # (30*10 + 10*90) / 40 = 30
    assert clear_rows(rows, BlockOrder(9, True, 29.99, (30.0, 10.0), 0), n_mtu=2).accepted_block_share[0] == 0.0
    assert clear_rows(rows, BlockOrder(9, True, 49.99, (20.0, 20.0), 0), n_mtu=2).accepted_block_share[0] == 0.0


@pytest.mark.case("C08")
def test_a_losing_parent_is_saved_by_its_children_but_no_child_by_its_parent():
    rows = [r for m in range(2) for r in ((0, "buy", m, 500, 60), (1, "sell", m, 500, 60))]
    parent, child = (flat("sell", 10, p, m, block_id=i) for p, m, i in ((70, 0, "start"), (40, 1, "run")))
    child = BlockOrder(9, False, 40.0, (10.0,), 1, block_id="run", parent_id="start")
    saved = clear_rows(rows, parent, child, n_mtu=2)
    assert saved.accepted_block_share.tolist() == [1.0, 1.0]  # -10 + 20 per MW
    dear = BlockOrder(9, False, 55.0, (10.0,), 1, parent_id="start")
    assert clear_rows(rows, parent, dear, n_mtu=2).accepted_block_share.tolist() == [0.0, 0.0]  # -10 + 5
    good = flat("sell", 10, 40, 0, block_id="start")
    losing = BlockOrder(9, False, 70.0, (10.0,), 1, parent_id="start")
    assert clear_rows(rows, good, losing, n_mtu=2).accepted_block_share.tolist() == [1.0, 0.0]
    # a rejected parent of a family that would gain is listed with the family's gain, its child is not
    tight = [r for m in range(2) for r in ((0, "buy", m, 5, 60), (1, "sell", m, 5, 60))]
    family = clear_rows(tight, parent, child, n_mtu=2)
    assert family.accepted_block_share.tolist() == [0.0, 0.0]
    assert family.paradoxically_rejected == ((0, 25.0),)  # (20 - 10) EUR/MWh of 10 MW in a quarter


@pytest.mark.case("C09")
def test_exclusive_group_takes_the_best_and_lists_nobody():
    rows = [r for m, p in enumerate((20, 80)) for r in ((0, "buy", m, 500, 4000), (1, "sell", m, 900, p))]
    blocks = [flat("sell", 10, 15, m, exclusive_group="battery") for m in range(2)]
    c = clear_rows(rows, *blocks, n_mtu=2)
    assert c.accepted_block_share.tolist() == [0.0, 1.0]
    assert c.paradoxically_rejected == ()


def test_two_blocks_of_which_only_one_fits():
    rows = [(0, "buy", 0, 100, 100), (1, "sell", 0, 100, 50)]
    c = clear_rows(rows, flat("sell", 60, 30), flat("sell", 60, 29))
    assert c.accepted_block_share.tolist() == [0.0, 1.0]
    assert c.price_eur_per_mwh[0] == 50.0
    assert c.paradoxically_rejected == ((0, 300.0),)


def test_price_moves_off_the_midpoint_for_an_accepted_block():
    # with the block, any price from 20 to 60 clears; the block needs 45 at least
    rows = [(0, "buy", 0, 50, 80), (0, "buy", 0, 30, 20), (1, "sell", 0, 10, 10), (1, "sell", 0, 90, 60)]
    c = clear_rows(rows, flat("sell", 40, 45))
    assert (c.price_low_eur_per_mwh[0], c.price_high_eur_per_mwh[0]) == (20.0, 60.0)
    assert c.price_eur_per_mwh[0] == 45.0
    assert clear_rows(rows, flat("sell", 40, 35)).price_eur_per_mwh[0] == 40.0


def test_blocks_that_break_a_rule_are_named():
    nan = float("nan")
    blocks = [
        flat("sell", nan, 10),
        flat("sell", -1, 10),
        flat("sell", 2e6, 10),
        flat("sell", 1, 10, 1, 1),
        flat("sell", 1, 4000.01),
        flat("sell", 1, 10.001),
        flat("sell", 1.01, 10),
        flat("sell", 1, 10, min_acceptance_share=1.1),
        flat("sell", 0, 10),
        flat("sell", 1, 10, block_id="a"),
        flat("sell", 1, 10, block_id="a"),
        flat("sell", 1, 10, parent_id="nobody"),
        flat("sell", 1, 10, block_id="x", parent_id="y"),
        flat("sell", 1, 10, block_id="y", parent_id="x"),
        flat("sell", 1.01, 10, block_id="bad"),
        flat("sell", 1, 10, parent_id="bad"),
    ]
    c = clear_rows([(0, "buy", 0, 5, 20)], *blocks)
    assert {r.row: r.rule for r in c.rejections if r.is_block} == {
        0: "not_a_number",
        1: "negative_volume",
        2: "volume_above_maximum",
        3: "unknown_mtu",
        4: "price_outside_limits",
        5: "price_off_tick",
        6: "volume_off_step",
        7: "acceptance_share_outside_0_1",
        8: "empty_block",
        10: "duplicate_id",
        11: "unknown_parent",
        12: "parent_cycle",
        13: "parent_cycle",
        14: "volume_off_step",
        15: "parent_rejected",
    }
    assert c.accepted_block_share.tolist() == [0.0] * 9 + [1.0] + [0.0] * 6


# --- the oracle: every choice of blocks, one linear program each ------------------------------------------------------


LOW, HIGH = -25.0, 45.0


def program_value(orders, blocks, chosen, least, n_mtu, has_slack=False):
    """Best welfare per hour when the chosen blocks may be accepted between ``least`` and 1, the others not; or None.

    With slack, missing power can be bought at the upper price limit and left-over power given away at the lower one:
    this keeps the prices of the program inside the limits.
    """
    n, k = len(orders), len(blocks)
    worth = list(np.where(orders.is_buy, 1.0, -1.0) * orders.price_eur_per_mwh)
    signs = [1.0 if b.is_buy else -1.0 for b in blocks]
    worth += [s * b.price_eur_per_mwh * sum(b.quantity_mw) for s, b in zip(signs, blocks, strict=True)]
    worth += [-HIGH] * n_mtu + [LOW] * n_mtu
    balance = np.zeros((n_mtu, n + k + 2 * n_mtu))
    balance[orders.mtu, np.arange(n)] = np.where(orders.is_buy, 1.0, -1.0)
    for j, (s, b) in enumerate(zip(signs, blocks, strict=True)):
        balance[b.first_mtu : b.first_mtu + len(b.quantity_mw), n + j] = s * np.array(b.quantity_mw)
    balance[:, n + k :] = np.hstack([-np.eye(n_mtu), np.eye(n_mtu)])
    bounds = [(0.0, q) for q in orders.quantity_mw]
    bounds += [(lo, 1.0) if is_in else (0.0, 0.0) for is_in, lo in zip(chosen, least, strict=True)]
    bounds += [(0.0, 1e4 if has_slack else 0.0)] * (2 * n_mtu)
    rows, right = [], []
    for j, b in enumerate(blocks):
        if b.parent_id:
            row = np.zeros(len(worth))
            row[n + j], row[n + [x.block_id for x in blocks].index(b.parent_id)] = 1.0, -1.0
            rows.append(row)
            right.append(0.0)
    for group in {b.exclusive_group for b in blocks} - {""}:
        row = np.zeros(len(worth))
        row[[n + j for j, b in enumerate(blocks) if b.exclusive_group == group]] = 1.0
        rows.append(row)
        right.append(1.0)
    upper = {"A_ub": np.array(rows), "b_ub": right} if rows else {}
    best = linprog(-np.array(worth), A_eq=balance, b_eq=np.zeros(n_mtu), bounds=bounds, **upper)
    return -best.fun if best.status == 0 else None


def best_choice(orders, blocks, n_mtu):
    """Highest welfare over all choices that prices inside the limits can support.

    Prices support a choice exactly when nobody would gain from accepting less of a chosen block, nor from trading at
    the price limits: when the program that allows both has no better value than the one that allows neither.
    """
    values = [program_value(orders, [], (), (), n_mtu)]
    for chosen in itertools.product((False, True), repeat=len(blocks)):
        least = [b.min_acceptance_share for b in blocks]
        bound = program_value(orders, blocks, chosen, least, n_mtu)
        if bound is None:
            continue
        free = program_value(orders, blocks, chosen, [0.0] * len(blocks), n_mtu, has_slack=True)
        if free - bound < 1e-7 * max(1.0, abs(free)):
            values.append(bound)
    return max(values)


def check_blocks(blocks, c, mtu_h=0.25):
    """No accepted family loses at the published prices, shares are allowed, links and groups hold."""
    share = c.accepted_block_share
    gain = np.array(
        [
            (-1 if b.is_buy else 1)
            * sum(q * (c.price_eur_per_mwh[b.first_mtu + i] - b.price_eur_per_mwh) for i, q in enumerate(b.quantity_mw))
            for b in blocks
        ]
    )
    family = gain.copy()
    for j in range(len(blocks) - 1, -1, -1):  # parents stand before children in these books
        if blocks[j].parent_id and share[j] > 0:
            parent = [b.block_id for b in blocks].index(blocks[j].parent_id)
            family[parent] += family[j]
            assert share[parent] >= share[j] - 1e-9
    assert (family[share > 0] >= -1e-5).all()
    for j, b in enumerate(blocks):
        assert share[j] == 0 or share[j] >= b.min_acceptance_share - 1e-6
        if 0 < share[j] < 1 and not b.parent_id and not b.exclusive_group and not any(x.parent_id for x in blocks):
            assert gain[j] <= 0.01 * sum(b.quantity_mw) + 1e-6
    for group in {b.exclusive_group for b in blocks} - {""}:
        assert sum(s for s, b in zip(share, blocks, strict=True) if b.exclusive_group == group) <= 1 + 1e-9


@st.composite
def books(draw):
    n_mtu = draw(st.integers(1, 3))
    cell = st.tuples(
        st.sampled_from(["buy", "sell"]), st.integers(0, n_mtu - 1), st.integers(1, 30), st.integers(-20, 40)
    )
    rows = [(i, *r) for i, r in enumerate(draw(st.lists(cell, min_size=2, max_size=10)))]
    blocks = []
    for j in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, n_mtu - 1))
        quantity = tuple(float(q) for q in draw(st.lists(st.integers(1, 25), min_size=1, max_size=n_mtu - first)))
        link = draw(st.sampled_from(["", "", "parent", "group"]))
        blocks.append(
            BlockOrder(
                j,
                draw(st.booleans()),
                float(draw(st.integers(-20, 40))),
                quantity,
                first,
                draw(st.sampled_from([1.0, 1.0, 0.0, 0.4])),
                block_id=f"b{j}",
                parent_id=f"b{draw(st.integers(0, j - 1))}" if link == "parent" and j else "",
                exclusive_group="g" if link == "group" else "",
            )
        )
    return n_mtu, CurveOrders.from_rows(rows), blocks


@settings(max_examples=120, deadline=None)
@given(books())
def test_every_choice_tried_finds_no_better_one(book):
    n_mtu, orders, blocks = book
    c = clear(orders, blocks, n_mtu=n_mtu, price_min_eur_per_mwh=-25.0, price_max_eur_per_mwh=45.0, volume_step_mw=0.0)
    check_blocks(blocks, c)
    signed = np.where(orders.is_buy, 1.0, -1.0) * c.accepted_mw
    net = np.bincount(orders.mtu, weights=signed, minlength=n_mtu)
    net += np.sum([(1 if b.is_buy else -1) * c.accepted_block_mw[j] for j, b in enumerate(blocks)], axis=0)
    assert net == pytest.approx(np.zeros(n_mtu), abs=1e-5)
    gain = np.where(orders.is_buy, 1.0, -1.0) * (orders.price_eur_per_mwh - c.price_eur_per_mwh[orders.mtu])
    assert (c.accepted_mw[gain < -0.006] < 1e-5).all()
    assert c.accepted_mw[gain > 0.006] == pytest.approx(orders.quantity_mw[gain > 0.006], abs=1e-5)
    assert c.block_search is not None
    assert c.block_search.is_proven
    assert c.welfare_eur == pytest.approx(best_choice(orders, blocks, n_mtu) * 0.25, abs=0.002)


@st.composite
def linear_books(draw):
    """The books of the oracle with some of the steps stretched into linear orders."""
    n_mtu, orders, blocks = draw(books())
    width = np.array([draw(st.sampled_from([0, 0, 5, 14])) for _ in range(len(orders))], dtype=float)
    sign = np.where(orders.is_buy, 1.0, -1.0)
    end = np.clip(orders.price_eur_per_mwh - sign * width, LOW, HIGH)
    columns = (orders.owner, orders.is_buy, orders.mtu, orders.quantity_mw, orders.price_eur_per_mwh)
    return n_mtu, CurveOrders(*columns, end), blocks


@settings(max_examples=80, deadline=None)
@given(linear_books(), st.sampled_from([0.0, 0.1]))
def test_linear_curves_around_blocks_by_their_own_definition(book, step_mw):
    n_mtu, orders, blocks = book
    terms: dict[str, Any] = {"price_min_eur_per_mwh": LOW, "price_max_eur_per_mwh": HIGH, "volume_step_mw": step_mw}
    c = clear(orders, blocks, n_mtu=n_mtu, **terms)
    check_blocks(blocks, c)
    sign = np.where(orders.is_buy, 1.0, -1.0)
    net = np.bincount(orders.mtu, weights=sign * c.accepted_mw, minlength=n_mtu)
    net += np.sum([(1 if b.is_buy else -1) * c.accepted_block_mw[j] for j, b in enumerate(blocks)], axis=0)
    assert net == pytest.approx(np.zeros(n_mtu), abs=1e-5)
    inside = sign * (orders.price_eur_per_mwh - c.price_eur_per_mwh[orders.mtu])
    width = np.abs(orders.end_price_eur_per_mwh - orders.price_eur_per_mwh)
    slope = np.divide(orders.quantity_mw, width, out=np.zeros(len(width)), where=width > 0)
    full = np.where(inside > 0, orders.quantity_mw, 0.0)
    expected = np.where(width > 0, np.clip(slope * inside, 0.0, orders.quantity_mw), full)
    is_free = (width == 0) & (np.abs(inside) <= 0.0051)  # at its limit, on the tick that is published
    off = np.where(is_free, 0.0, np.abs(c.accepted_mw - expected))
    assert (off <= 0.0051 * slope + step_mw + 1e-5).all()
    if step_mw == 0.0:
        assert c.welfare_eur >= clear(orders, n_mtu=n_mtu, **terms).welfare_eur - 0.001
