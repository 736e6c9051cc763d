"""The compiled book against the readable one, order by order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.intraday import BookTerms, Order, OrderBook, Stream, match
from markets.intraday.stream import RULES, STREAM_KINDS

COLUMNS = ("owner", "is_buy", "quantity_mw", "price_eur_per_mwh", "kind", "target", "time_min")


def stream_of(rows):
    """Rows of (owner, is_buy, quantity, price, kind name, target, time)."""
    cells = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    cells[4] = tuple(STREAM_KINDS.index(k) if k in STREAM_KINDS else 9 for k in cells[4])
    return Stream(*(np.array(c) for c in cells))


def oracle(rows, terms):
    """The readable book's trades (by event), resting power and refusals."""
    book = OrderBook(terms=terms)
    trades, refused = [], {}
    for i, (owner, is_buy, quantity, price, kind, target, time) in enumerate(rows):
        before = len(book.refusals)
        if kind == "cancel":
            book.cancel(target, owner, time)
        else:
            found = book.submit(Order(owner, is_buy, quantity, price, kind, order_id=i), time)
            trades += [(i, t.buy_order, t.sell_order, t.quantity_mw, t.price_eur_per_mwh) for t in found]
        if len(book.refusals) > before:
            refused[i] = book.refusals[-1].rule
    return trades, [book.remaining_mw(i) for i in range(len(rows))], refused


rows_strategy = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.3, 0.0, -1.0, 0.05, 1e9, 1e308, float("nan")])
        | st.integers(1, 40).map(lambda v: v / 10),
        st.sampled_from([-9999.99, 9999.99, 10_000.0, 50.005, -1e308, float("inf"), -30.0, 30.5])
        | st.integers(-5, 5).map(lambda v: 50 + v / 100),
        st.sampled_from(["limit", "limit", "limit", "ioc", "fok", "cancel", "cancel", "swap"]),
        st.integers(-1, 30),
        st.sampled_from([0.0, 5.0, 9.0]) | st.floats(-1.0, 11.0),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(rows_strategy, st.sampled_from(["cancel_resting", "cancel_incoming", "allow"]))
def test_both_books_agree_on_every_trade_and_refusal(rows, self_trade):
    terms = BookTerms(self_trade=self_trade, opens_min=0.0, closes_min=10.0)
    trades, resting, refused = oracle(rows, terms)
    m = match(stream_of(rows), terms)
    found = zip(m.event, m.buy_order, m.sell_order, m.quantity_mw, m.price_eur_per_mwh, strict=True)
    assert [tuple(x.item() for x in trade) for trade in found] == trades
    assert m.remaining_mw.tolist() == resting
    assert {i: RULES[c] for i, c in enumerate(m.refused) if c} == refused


def test_a_long_random_day_agrees():
    rng = np.random.default_rng(3)
    n = 3000
    rows = [
        (
            int(rng.integers(0, 20)),
            bool(rng.random() < 0.5),
            float(rng.integers(1, 50)) / 10,
            float(round(60 + rng.normal(0, 15), 2)),
            str(rng.choice(["limit", "limit", "ioc", "fok", "cancel", "cancel"])),
            int(rng.integers(0, i + 1)),
            0.0,
        )
        for i in range(n)
    ]
    rows = [(*r[:5], r[5], r[6]) if r[4] != "cancel" else (rows[r[5]][0], *r[1:]) for r in rows]
    trades, resting, _ = oracle(rows, BookTerms())
    m = match(stream_of(rows))
    assert len(m) == len(trades) > 500
    assert m.quantity_mw.tolist() == [t[3] for t in trades]
    assert m.price_eur_per_mwh.tolist() == [t[4] for t in trades]
    assert m.remaining_mw.tolist() == resting


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="is_buy"):
        Stream(np.zeros(2), np.zeros(3), np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2))
    assert len(match(stream_of([]))) == 0
