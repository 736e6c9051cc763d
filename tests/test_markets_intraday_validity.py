"""Orders good till a date, and linked baskets (market-rules, section 2)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.calendar import Horizon
from markets.intraday import ContinuousMarket, Order, OrderBook, Product

NOON = 12.0 * 60.0


def test_an_order_good_till_a_date_leaves_the_book_at_that_minute() -> None:
    book = OrderBook()
    book.submit(Order(1, False, 5.0, 50.0, order_id=7, good_till_min=30.0), 0.0)
    assert book.submit(Order(2, True, 1.0, 50.0), 29.9)[0].quantity_mw == 1.0
    assert book.remaining_mw(7) == 4.0
    assert book.submit(Order(2, True, 1.0, 50.0, kind="ioc"), 30.0) == []
    assert book.remaining_mw(7) == 0.0
    assert (30.0, 7, 1, 4.0, "good_till_date") in book.cancelled
    assert book.snapshot(31.0).asks == ()


def test_the_date_survives_a_replacement_and_a_cancelled_order_does_not_expire_again() -> None:
    book = OrderBook()
    book.submit(Order(1, False, 5.0, 50.0, order_id=7, good_till_min=30.0), 0.0)
    book.replace(7, price_eur_per_mwh=49.0, time_min=10.0)
    book.submit(Order(1, False, 5.0, 51.0, order_id=8, good_till_min=20.0), 0.0)
    assert book.cancel(8, time_min=15.0)
    assert [level.price_eur_per_mwh for level in book.snapshot(29.0).asks] == [49.0]
    assert book.snapshot(30.0).asks == ()
    assert [row[4] for row in book.cancelled] == ["cancelled", "good_till_date"]
    assert not book.cancel(7, time_min=31.0) and book.refusals[-1].rule == "unknown_order"


@pytest.mark.parametrize(
    "until, rule", [(10.0, "good_till_date_past"), (5.0, "good_till_date_past"), (float("nan"), "not_a_number")]
)
def test_a_date_in_the_past_is_refused(until: float, rule: str) -> None:
    book = OrderBook()
    assert book.submit(Order(1, False, 5.0, 50.0, good_till_min=until), 10.0) == []
    assert [r.rule for r in book.refusals] == [rule]


def test_time_priority_is_not_touched_by_dates() -> None:
    book = OrderBook()
    book.submit(Order(1, False, 5.0, 50.0, good_till_min=5.0), 0.0)
    book.submit(Order(2, False, 5.0, 50.0), 1.0)
    book.submit(Order(3, False, 5.0, 50.0, good_till_min=9.0), 2.0)
    assert [t.seller for t in book.submit(Order(4, True, 10.0, 50.0), 6.0)] == [2, 3]


# --- baskets ---------------------------------------------------------------------------------------------------------


def venue() -> ContinuousMarket:
    """Two quarters with 5 MW asked at 50 and 60 each, and one hour with 5 MW bid at 40."""
    market = ContinuousMarket(Horizon(date(2026, 1, 20), 1))
    for period in (80, 81):
        market.submit(Product(period), Order(1, False, 5.0, 50.0), NOON)
        market.submit(Product(period), Order(2, False, 5.0, 60.0), NOON)
    market.submit(Product(84, 4), Order(3, True, 5.0, 40.0), NOON)
    return market


def test_a_basket_trades_all_its_legs_at_the_resting_prices() -> None:
    market = venue()
    legs = [(Product(80), Order(9, True, 7.0, 60.0)), (Product(84, 4), Order(9, False, 5.0, 40.0, kind="limit"))]
    trades = market.submit_basket(legs, NOON)
    assert [(t.quantity_mw, t.price_eur_per_mwh) for t in trades[0]] == [(5.0, 50.0), (2.0, 60.0)]
    assert [(t.quantity_mw, t.price_eur_per_mwh) for t in trades[1]] == [(5.0, 40.0)]
    assert market.refusals == []


@pytest.mark.parametrize(
    "second",
    [
        (Product(81), Order(9, True, 10.1, 60.0)),  # more than there is
        (Product(81), Order(9, True, 6.0, 59.0)),  # limit too low for the sixth megawatt
        (Product(84, 4), Order(9, False, 5.0, 40.01)),
        (Product(81), Order(9, True, -1.0, 60.0)),  # breaks a rule
    ],
)
def test_a_basket_with_one_leg_that_cannot_be_filled_does_nothing(second: tuple[Product, Order]) -> None:
    market = venue()
    before = {p: b.snapshot(NOON) for p, b in market.books.items()}
    assert market.submit_basket([(Product(80), Order(9, True, 5.0, 60.0)), second], NOON) == [[], []]
    assert {p: b.snapshot(NOON) for p, b in market.books.items()} == before
    assert [r.rule for r in market.refusals] == ["basket_not_filled"] * 2
    assert not any(b.trades for b in market.books.values())


def test_unknown_and_repeated_products_refuse_the_basket_by_name() -> None:
    market = venue()
    order = Order(9, True, 1.0, 60.0)
    assert market.submit_basket([(Product(80), order), (Product(81, 2), order)], NOON) == [[], []]
    assert market.submit_basket([(Product(80), order), (Product(80), order)], NOON) == [[], []]
    assert [r.rule for r in market.refusals] == ["unknown_product", "repeated_product"]


leg = st.tuples(st.sampled_from([80, 81]), st.booleans(), st.integers(1, 120), st.integers(45, 65))


@settings(max_examples=80, deadline=None)
@given(st.lists(leg, min_size=1, max_size=2, unique_by=lambda row: row[0]))
def test_any_basket_is_filled_whole_or_not_at_all(rows: list[tuple[int, bool, int, int]]) -> None:
    market = venue()
    legs = [(Product(p), Order(9, is_buy, lots / 10, float(price))) for p, is_buy, lots, price in rows]
    found = market.submit_basket(legs, NOON)
    filled = [sum(t.quantity_mw for t in trades) for trades in found]
    wanted = [order.quantity_mw for _, order in legs]
    assert filled == pytest.approx(wanted) or filled == [0.0] * len(legs)
    alone = [
        venue().submit(p, Order(o.owner, o.is_buy, o.quantity_mw, o.price_eur_per_mwh, "fok"), NOON) for p, o in legs
    ]
    assert any(filled) == all(bool(trades) for trades in alone)
