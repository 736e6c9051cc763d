"""Whatever is bid: both sides of a market balance, prices stay inside their limits, nobody trades at a loss, no euro
appears or vanishes, and every refused order carries the name of a rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.day_ahead import RULES, BlockOrder, CurveOrders, clear
from markets.intraday import BookTerms, Order, OrderBook, clear_auction
from markets.intraday.orders import KINDS
from markets.ledger import Ledger
from markets.redispatch import RedispatchOrders, settle
from markets.redispatch import clear as clear_redispatch

NAN, INF = float("nan"), float("inf")
N_MTU, PAST = 4, 1  # MTU 0 has begun
LOW, HIGH = -500.0, 4000.0

good_mw = st.integers(0, 300).map(lambda v: v / 10)
any_mw = good_mw | good_mw | st.sampled_from([NAN, INF, -5.0, 0.05, 300.0, 1e7, 1e308])
good_price = st.integers(-60, 120).map(float) | st.sampled_from([LOW, HIGH])
any_price = good_price | good_price | st.sampled_from([NAN, -INF, 10.005, -500.01, 1e9, -1e308])
any_mtu = st.integers(0, N_MTU - 1) | st.sampled_from([-1, N_MTU, 10**6])
row = st.tuples(st.booleans(), any_mtu, any_mw, any_price, any_price, st.integers(0, 40))


@st.composite
def auctions(draw):
    """Books of both sides, of one side, empty ones, and bidders that always bid the cap."""
    rows = draw(st.lists(row, max_size=14))
    kind = draw(st.sampled_from(["mixed", "mixed", "all_buy", "all_sell", "cap"]))
    is_buy = np.array([r[0] if kind in ("mixed", "cap") else kind == "all_buy" for r in rows], dtype=bool)
    mtu, mw, price, end, ids = (np.array([r[k] for r in rows], dtype=float) for k in range(1, 6))
    if kind == "cap":
        price = end = np.where(is_buy, HIGH, LOW)
    if draw(st.booleans()):
        end = price
    orders = CurveOrders(np.arange(len(rows)), is_buy, mtu, mw, price, end, ids.astype(int) if len(ids) else None)
    block = st.builds(
        BlockOrder,
        st.just(0),
        st.booleans(),
        any_price,
        st.lists(any_mw, min_size=1, max_size=3).map(tuple),
        st.integers(-1, N_MTU),
        st.sampled_from([1.0, 1.0, 0.5, 0.0, 2.0, NAN]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["", "", "a", "nobody"]),
        st.sampled_from(["", "", "g"]),
    )
    return orders, draw(st.lists(block, max_size=3))


def clear_any(orders, blocks):
    return clear(orders, blocks, n_mtu=N_MTU, is_open=np.arange(N_MTU) >= PAST)


def signed_mw(orders, blocks, c):
    """Purchases less sales of every curve order, and of every block per MTU."""
    curve = np.where(orders.is_buy, 1.0, -1.0) * c.accepted_mw
    block = np.array([1.0 if b.is_buy else -1.0 for b in blocks])[:, None] * c.accepted_block_mw
    return curve, block.reshape(len(blocks), N_MTU)


@settings(max_examples=120, deadline=None)
@given(auctions())
def test_any_auction_balances_within_its_limits(book):
    orders, blocks = book
    c = clear_any(orders, blocks)
    curve, block = signed_mw(orders, blocks, c)
    traded = c.accepted_mw > 0
    net = np.bincount(orders.mtu[traded], weights=curve[traded], minlength=N_MTU) + block.sum(axis=0)
    assert net == pytest.approx(np.zeros(N_MTU), abs=1e-9)
    assert np.isnan(c.price_eur_per_mwh[:PAST]).all()
    assert ((c.price_eur_per_mwh[PAST:] >= LOW) & (c.price_eur_per_mwh[PAST:] <= HIGH)).all()
    assert c.volume_mw[:PAST].sum() == 0
    assert (c.accepted_mw >= 0).all()
    assert (c.accepted_mw[traded] <= orders.quantity_mw[traded] + 1e-9).all()


@settings(max_examples=120, deadline=None)
@given(auctions())
def test_nobody_trades_at_a_loss_and_every_refusal_has_a_name(book):
    orders, blocks = book
    c = clear_any(orders, blocks)
    step = orders.end_price_eur_per_mwh == orders.price_eur_per_mwh
    taken = np.flatnonzero((c.accepted_mw > 0) & step)
    gain = np.where(orders.is_buy[taken], 1.0, -1.0) * (
        orders.price_eur_per_mwh[taken] - c.price_eur_per_mwh[orders.mtu[taken]]
    )
    assert (gain >= -0.01 - 1e-9).all()  # a crossing between two ticks is published on the nearest one
    for k in np.flatnonzero(c.accepted_block_share):
        b = blocks[k]
        if not b.parent_id and not any(x.parent_id == b.block_id for x in blocks if b.block_id):
            where = slice(b.first_mtu, b.first_mtu + len(b.quantity_mw))
            mean = np.average(c.price_eur_per_mwh[where], weights=b.quantity_mw)
            assert (b.price_eur_per_mwh - mean) * (1 if b.is_buy else -1) >= -1e-6
    named = {(r.is_block, r.row): r.rule for r in c.rejections}
    assert len(named) == len(c.rejections)
    assert set(named.values()) <= set(RULES) - {""}
    assert not c.accepted_mw[[r for is_block, r in named if not is_block]].any()
    assert not c.accepted_block_share[[r for is_block, r in named if is_block]].any()
    first: set = set()
    for i in range(len(orders)):  # an own reading of the simplest rules
        bad = not np.isfinite([orders.quantity_mw[i], orders.price_eur_per_mwh[i]]).all() or orders.quantity_mw[i] < 0
        bad |= not PAST <= orders.mtu[i] < N_MTU
        is_repeat = orders.order_id is not None and orders.order_id[i] in first
        assert not (bad or is_repeat) or (False, i) in named
        if (False, i) not in named and orders.order_id is not None:
            first.add(orders.order_id[i])


@settings(max_examples=60, deadline=None)
@given(auctions())
def test_the_exchange_neither_gains_nor_loses(book):
    orders, blocks = book
    c = clear_any(orders, blocks)
    curve, block = signed_mw(orders, blocks, c)
    price = np.nan_to_num(c.price_eur_per_mwh)
    ledger = Ledger()
    for i in np.flatnonzero(curve):
        ledger.pay(0, f"bidder {i}", "exchange", curve[i] * price[orders.mtu[i]] * 0.25, "day_ahead")
    for k in range(len(blocks)):
        ledger.pay(0, f"block {k}", "exchange", float(block[k] @ price) * 0.25, "day_ahead")
    balance = dict(zip(ledger.accounts, ledger.balance_eur(), strict=True))
    assert balance.get("exchange", 0.0) == pytest.approx(0.0, abs=1e-6)
    assert sum(balance.values()) == pytest.approx(0.0, abs=1e-6)


def test_a_bidder_at_the_cap_pays_the_cap_only_in_scarcity():
    calm = clear(CurveOrders.from_rows([(0, "buy", 0, 50, 4000), (1, "sell", 0, 60, 75)]), n_mtu=1)
    assert calm.price_eur_per_mwh[0] == 75.0
    scarce = clear(CurveOrders.from_rows([(0, "buy", 0, 70, 4000), (1, "sell", 0, 60, 75)]), n_mtu=1)
    assert scarce.price_eur_per_mwh[0] == 4000.0


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_one_sided_and_empty_books_trade_nothing(side):
    rows = [(i, side, m, 10, 50 + i) for m in range(N_MTU) for i in range(5)]
    for orders in (CurveOrders.from_rows(rows), CurveOrders.empty()):
        for c in (clear(orders, n_mtu=N_MTU), clear_auction(1, orders, n_mtu=N_MTU)):
            assert not c.volume_mw.any()
            assert not c.accepted_mw.any()
            assert c.welfare_eur == 0.0
            assert np.isfinite(c.price_eur_per_mwh).all()


def test_ten_times_the_volume_changes_no_price():
    rng = np.random.default_rng(5)
    rows = [
        (i, "buy" if rng.random() < 0.5 else "sell", m, rng.integers(1, 50) / 10, float(rng.integers(0, 150)))
        for i in range(200)
        for m in range(N_MTU)
    ]
    usual = clear(CurveOrders.from_rows(rows), n_mtu=N_MTU)
    tenfold = clear(CurveOrders.from_rows([(*r[:3], 10 * r[3], r[4]) for r in rows]), n_mtu=N_MTU)
    assert tenfold.price_eur_per_mwh.tolist() == usual.price_eur_per_mwh.tolist()
    assert tenfold.volume_mw == pytest.approx(10 * usual.volume_mw)


# --- the continuous book ----------------------------------------------------------------------------------------------

book_order = st.tuples(
    st.integers(0, 3),
    st.booleans(),
    good_mw | st.sampled_from([NAN, -1.0, 0.05, 1e9, 1e308]),
    st.integers(-3, 3).map(lambda k: 50.0 + k)
    | st.sampled_from([NAN, INF, 1e308, 50.005, 10_000.0, 9999.99, -9999.99]),
    st.sampled_from([*KINDS, "limit", "swap"]),
    st.sampled_from([0.0, 0.1, 1.0, NAN, -1.0]),
    st.sampled_from([-1, -1, -1, 0, 1, 7]),
    st.integers(0, 12),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(book_order, max_size=25), st.lists(st.integers(-2, 30), max_size=5))
def test_any_continuous_book_keeps_its_books(orders, cancels):
    book = OrderBook(terms=BookTerms(opens_min=0.0, closes_min=10.0))
    entered: dict[int, Order] = {}
    for owner, is_buy, mw, price, kind, peak, order_id, minute in orders:
        order, n_refused = Order(owner, is_buy, mw, price, kind, peak, order_id), len(book.refusals)
        book.submit(order, minute)
        if len(book.refusals) == n_refused:
            entered[book.last_order_id] = order
            assert minute < 10
    for order_id in cancels:
        book.cancel(order_id)
    assert all(r.rule for r in book.refusals)
    traded = dict.fromkeys(entered, 0.0)
    for t in book.trades:
        buy, sell = entered[t.buy_order], entered[t.sell_order]
        assert buy.is_buy
        assert not sell.is_buy
        assert t.buyer == buy.owner != sell.owner == t.seller
        assert sell.price_eur_per_mwh <= t.price_eur_per_mwh <= buy.price_eur_per_mwh
        assert t.quantity_mw > 0
        traded[t.buy_order] += t.quantity_mw
        traded[t.sell_order] += t.quantity_mw
    gone = dict.fromkeys(entered, 0.0)
    for _, order_id, _, mw, _ in book.cancelled:
        gone[order_id] += mw
    for order_id, order in entered.items():
        left = book.remaining_mw(order_id)
        assert traded[order_id] + gone[order_id] + left == pytest.approx(order.quantity_mw, abs=1e-9)
        if order.kind in ("fok", "aon"):
            assert traded[order_id] == pytest.approx(0.0) or traded[order_id] == pytest.approx(order.quantity_mw)
        if order.kind in ("fok", "ioc"):
            assert left == 0.0


# --- redispatch -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(1, 50).map(lambda v: v / 10) | st.sampled_from([NAN, -1.0, 0.05, 1e4, 1e308]),
            st.integers(-100, 300).map(float) | st.sampled_from([NAN, 1e6, 10.005, 1e308]),
            st.sampled_from([1.0, 0.5, 0.0, -0.5, NAN]),
            st.integers(0, 12),
        ),
        max_size=8,
    ),
    st.sampled_from([0.0, 2.0, NAN]),
)
def test_any_redispatch_book_balances_and_the_operator_pays_the_spread(rows, need):
    columns = list(zip(*rows, strict=True)) or [()] * 5
    is_buy, mw, price, effectivity, ids = (np.array(c) for c in columns)
    orders = RedispatchOrders.of(
        np.arange(len(rows)), is_buy.astype(bool), mw.astype(float), price.astype(float), order_id=ids.astype(int)
    )
    c = clear_redispatch(
        orders,
        needed_relief_mw=np.array([[need]]),
        effectivity=effectivity.astype(float).reshape(-1, 1),
        headroom_mw=np.array([[10.0]]),
    )
    assert c.signed_mw.sum() == pytest.approx(0.0, abs=1e-6)
    assert not c.accepted_mw[[r.row for r in c.rejections]].any()
    assert all(r.rule for r in c.rejections)
    s = settle(c)
    assert s.receipt_eur.sum() + s.operator_eur.sum() == pytest.approx(0.0, abs=1e-6)
    assert s.position_mwh.sum() == pytest.approx(0.0, abs=1e-6)
    if not need > 0:
        assert not c.accepted_mw.any()
