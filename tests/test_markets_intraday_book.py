"""The continuous order book: worked cases and every order type by hand."""

from __future__ import annotations

import numpy as np
import pytest

from markets.intraday import BookTerms, Order, OrderBook, Product


def book_of(*sells, **terms):
    """A book with resting sales (owner, quantity, price)."""
    book = OrderBook(terms=BookTerms(**terms))
    for owner, quantity, price in sells:
        book.submit(Order(owner, False, quantity, price))
    return book


def fills(trades):
    return [(t.seller, t.quantity_mw, t.price_eur_per_mwh) for t in trades]


@pytest.mark.case("C12")
def test_price_then_time_at_the_resting_price():
    book = book_of((1, 10, 50), (2, 10, 50), (3, 5, 49))
    trades = book.submit(Order(9, True, 18, 51))
    assert fills(trades) == [(3, 5.0, 49.0), (1, 10.0, 50.0), (2, 3.0, 50.0)]
    quantity, price = np.array([t[5] for t in trades]), np.array([t[6] for t in trades])
    assert round(float(quantity @ price / quantity.sum()), 4) == 49.7222
    assert book.snapshot().asks == ((50.0, 7.0, 1),)
    assert book.snapshot().bids == ()


@pytest.mark.case("C13")
def test_fill_or_kill_and_immediate_or_cancel():
    book = book_of((3, 5, 49), (1, 10, 50), (2, 3, 50))
    assert book.submit(Order(9, True, 20, 50, "fok")) == []
    assert len(book.resting()) == 3
    assert sum(t.quantity_mw for t in book.submit(Order(9, True, 20, 50, "ioc"))) == 18.0
    assert [c[3:] for c in book.cancelled] == [(20.0, "not_filled"), (2.0, "not_filled")]
    assert book.resting() == []
    assert book_of((3, 5, 49), (1, 15, 50)).submit(Order(9, True, 20, 50, "fok")) != []


def test_all_or_none_waits_and_is_passed_over():
    book = OrderBook()
    book.submit(Order(1, False, 10, 49, "aon"))
    book.submit(Order(2, False, 10, 50))
    assert fills(book.submit(Order(3, True, 6, 50))) == [(2, 6.0, 50.0)]  # too small for the order at 49
    assert fills(book.submit(Order(4, True, 12, 50))) == [(1, 10.0, 49.0), (2, 2.0, 50.0)]


def test_waiting_all_or_none_trades_when_orders_add_up_against_it():
    book = OrderBook()
    book.submit(Order(1, False, 10, 49, "aon"))
    assert book.submit(Order(2, True, 6, 50)) == []
    assert book.snapshot().bids == ((50.0, 6.0, 1),)  # the book is crossed as long as the order cannot trade whole
    trades = book.submit(Order(3, True, 7, 51))
    assert [(t.buyer, t.quantity_mw, t.price_eur_per_mwh) for t in trades] == [(3, 7.0, 49.0), (2, 3.0, 49.0)]
    assert [t.is_buy_incoming for t in trades] == [True, True]
    assert book.snapshot().bids == ((50.0, 3.0, 1),)


def test_two_all_or_none_orders_of_one_size_trade():
    book = OrderBook()
    book.submit(Order(1, False, 10, 49, "aon"))
    assert fills(book.submit(Order(2, True, 10, 52, "aon"))) == [(1, 10.0, 49.0)]
    assert book.resting() == []


@pytest.mark.case("C14")
def test_iceberg_shows_a_peak_and_goes_to_the_end_of_the_queue():
    book = OrderBook()
    book.submit(Order(1, False, 9, 50, "iceberg", peak_mw=4))
    book.submit(Order(2, False, 5, 50))
    assert book.snapshot().asks == ((50.0, 9.0, 2),)
    trades = book.submit(Order(3, True, 10, 50))
    assert fills(trades) == [(1, 4.0, 50.0), (2, 5.0, 50.0), (1, 1.0, 50.0)]
    assert book.snapshot().asks == ((50.0, 3.0, 1),)
    assert fills(book.submit(Order(3, True, 9, 50, "ioc"))) == [(1, 3.0, 50.0), (1, 1.0, 50.0)]


def test_fill_or_kill_counts_hidden_power():
    book = OrderBook()
    book.submit(Order(1, False, 9, 50, "iceberg", peak_mw=2))
    assert fills(book.submit(Order(3, True, 9, 50, "fok"))) == [(1, q, 50.0) for q in (2.0, 2.0, 2.0, 2.0, 1.0)]


def test_replace_keeps_the_place_only_for_a_smaller_quantity():
    book = book_of((1, 10, 50), (2, 10, 50), (3, 10, 50))
    first, second, _ = book.resting()
    book.replace(second, quantity_mw=4)
    book.replace(first, quantity_mw=11)
    assert fills(book.submit(Order(9, True, 20, 50))) == [(2, 4.0, 50.0), (3, 10.0, 50.0), (1, 6.0, 50.0)]
    book.submit(Order(9, True, 2, 40))
    trades = book.replace(first, price_eur_per_mwh=40)
    assert fills(trades) == [(1, 2.0, 40.0)]
    assert book.remaining_mw(first) == 3.0


def test_cancel_by_its_owner_only():
    book = book_of((1, 10, 50))
    assert not book.cancel(0, owner=2)
    assert not book.cancel(17)
    assert book.cancel(0, owner=1)
    assert not book.cancel(0)
    assert [r.rule for r in book.refusals] == ["not_the_owner", "unknown_order", "unknown_order"]
    assert book.submit(Order(9, True, 10, 50)) == []


@pytest.mark.parametrize(
    ("rule", "expected", "left"),
    [
        ("cancel_resting", [(2, 5.0, 51.0)], [7.0]),
        ("cancel_incoming", [], [10.0, 5.0]),
        ("allow", [(9, 10.0, 50.0), (2, 2.0, 51.0)], [3.0]),
    ],
)
def test_self_trade_rules(rule, expected, left):
    book = book_of((9, 10, 50), (2, 5, 51), self_trade=rule)
    assert fills(book.submit(Order(9, True, 12, 51))) == expected
    assert [book.remaining_mw(i) for i in book.resting()] == left


def test_fill_or_kill_that_fails_cancels_nothing_of_its_owner():
    book = book_of((9, 10, 50), (2, 5, 51))
    assert book.submit(Order(9, True, 12, 51, "fok")) == []
    assert len(book.resting()) == 2


def test_gates_and_bad_orders_are_refused_by_name():
    book = OrderBook(Product(8, 4), BookTerms(opens_min=0.0, closes_min=115.0))
    nan = float("nan")
    cases = [
        (Order(1, True, 1, 50), -1.0, "before_gate_opening"),
        (Order(1, True, 1, 50), 115.0, "after_gate_closure"),
        (Order(1, True, 1, 50, "magic"), 0.0, "unknown_order_kind"),
        (Order(1, True, nan, 50), 0.0, "not_a_number"),
        (Order(1, True, 1, nan), 0.0, "not_a_number"),
        (Order(1, True, -1, 50), 0.0, "negative_volume"),
        (Order(1, True, 0, 50), 0.0, "zero_volume"),
        (Order(1, True, 1e9, 50), 0.0, "volume_above_maximum"),
        (Order(1, True, 0.15, 50), 0.0, "volume_off_step"),
        (Order(1, True, 1, 10000), 0.0, "price_outside_limits"),
        (Order(1, True, 1, 50.001), 0.0, "price_off_tick"),
        (Order(1, True, 1, 50, "iceberg"), 0.0, "peak_outside_quantity"),
        (Order(1, True, 1, 50, "iceberg", 2), 0.0, "peak_outside_quantity"),
    ]
    for order, time_min, rule in cases:
        assert book.submit(order, time_min) == []
        assert book.refusals[-1].rule == rule
    book.submit(Order(1, True, 1, 9999.99, order_id=5), 114.0)
    book.submit(Order(1, True, 1, -9999.99, order_id=5), 114.0)
    assert book.refusals[-1].rule == "duplicate_id"
    assert book.snapshot(114.0).bids == ((9999.99, 1.0, 1),)
    assert not book.cancel(5, time_min=115.0)
    assert book.expire(115.0) == 1
    assert book.cancelled == [(115.0, 5, 1, 1.0, "expired")]
    assert (book.product.start_min, book.product.duration_h, list(book.product.periods)) == (120.0, 1.0, [8, 9, 10, 11])


def test_small_portfolios_trade_without_a_step():
    book = OrderBook(terms=BookTerms(volume_step_mw=0.0))
    book.submit(Order(1, False, 0.0123456789, 50))
    (trade,) = book.submit(Order(2, True, 1.0, 50))
    assert trade.quantity_mw == 0.012345  # whole watts
    assert book.remaining_mw(1) == pytest.approx(0.987655)
    with pytest.raises(ValueError, match=r"tick_eur_per_mwh.*self_trade"):
        BookTerms(tick_eur_per_mwh=0, self_trade="ignore")
