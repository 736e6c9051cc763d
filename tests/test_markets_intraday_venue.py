"""The continuous market: products of three lengths, each with its own gates."""

from __future__ import annotations

from datetime import date

import pytest

from markets.calendar import Horizon
from markets.intraday import BookTerms, ContinuousMarket, Order, Product

TWO_DAYS = Horizon(date(2025, 6, 2), 2)


def order(owner, side, price, mw=5.0):
    return Order(owner, side == "buy", mw, price)


@pytest.mark.parametrize(
    ("first", "length"), [(-1, 1), (192, 1), (191, 2), (190, 4), (97, 2), (98, 4), (96, 3), (96, 0), (96, 8)]
)
def test_products_that_do_not_exist_are_refused_by_name(first, length):
    market = ContinuousMarket(TWO_DAYS)
    assert market.submit(Product(first, length), order(7, "buy", 50.0), 0.0) == []
    assert [(r.owner, r.rule) for r in market.refusals] == [(7, "unknown_product")]
    with pytest.raises(KeyError):
        market.book(Product(first, length))
    assert not market.books


def test_each_product_has_its_own_book():
    market = ContinuousMarket(TWO_DAYS)
    market.submit(Product(100, 4), order(1, "sell", 50.0), 1000.0)
    assert market.submit(Product(100, 1), order(2, "buy", 60.0), 1000.0) == []
    trades = market.submit(Product(100, 4), order(2, "buy", 60.0), 1001.0)
    assert [(t.buyer, t.seller, t.price_eur_per_mwh) for t in trades] == [(2, 1, 50.0)]
    assert len(market.books) == 2


@pytest.mark.case("C15")
@pytest.mark.parametrize(
    ("minute", "rule"),
    [
        (15 * 60 - 1, "before_gate_opening"),  # trade in the second day begins at 15:00 of the first
        (15 * 60, ""),
        (24 * 60 + 54, ""),
        (24 * 60 + 55, "after_gate_closure"),  # 01:00 of the second day less five minutes
        (48 * 60, "after_gate_closure"),  # a period that has passed
    ],
)
def test_gates_of_a_product(minute, rule):
    market = ContinuousMarket(TWO_DAYS)
    market.submit(Product(100, 4), order(1, "sell", 50.0), minute)
    assert [r.rule for r in market.book(Product(100, 4)).refusals] == ([rule] if rule else [])


def test_the_gate_is_a_parameter_and_drops_what_rests():
    market = ContinuousMarket(TWO_DAYS, BookTerms(volume_step_mw=0.0), gate_min=30.0)
    market.submit(Product(4), order(1, "sell", 50.0, 0.0123), 0.0)
    market.submit(Product(8), order(1, "sell", 50.0), 0.0)
    assert market.close_gates(29.9) == 0
    assert market.close_gates(30.0) == 1
    assert market.book(Product(4)).snapshot().asks == ()
    assert len(market.book(Product(8)).snapshot().asks) == 1


def test_books_that_start_together_are_taken_out_together():
    market = ContinuousMarket(Horizon(date(2026, 1, 20), 1), gate_min=5.0)
    for product in (Product(8), Product(8, 2), Product(8, 4), Product(9)):
        market.submit(product, Order(0, False, 1.0, 50.0), 0.0)
    assert [book.product for book in market.close(8)] == [Product(8), Product(8, 2), Product(8, 4)]
    assert list(market.books) == [Product(9)] and market.close(8) == []
