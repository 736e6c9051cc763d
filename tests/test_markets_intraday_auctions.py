"""Intraday auctions, and the hours in which continuous trade crosses the border."""

from __future__ import annotations

import numpy as np
import pytest

from markets.day_ahead import BlockOrder, CurveOrders
from markets.intraday import AUCTIONS, clear_auction, is_cross_border_open


def both_sides(mtus, price=60.0):
    rows = [r for m in mtus for r in ((0, "buy", m, 5, price + 20), (1, "sell", m, 5, price))]
    return CurveOrders.from_rows(rows)


@pytest.mark.case("C15")
@pytest.mark.parametrize(("n_mtu", "first_open"), [(96, 48), (92, 44), (100, 52)])
def test_the_third_auction_covers_the_second_half_of_the_day(n_mtu, first_open):
    c = clear_auction(3, both_sides([0, first_open - 1, first_open, n_mtu - 1]), n_mtu=n_mtu)
    assert np.isnan(c.price_eur_per_mwh).sum() == first_open
    assert [(r.row, r.rule) for r in c.rejections] == [(i, "closed_mtu") for i in range(4)]
    assert c.volume_mw[[first_open, n_mtu - 1]].tolist() == [5.0, 5.0]
    assert c.price_eur_per_mwh[first_open] == 70.0


@pytest.mark.case("C15")
@pytest.mark.parametrize("number", [1, 2])
def test_the_first_two_auctions_cover_the_whole_day(number):
    c = clear_auction(number, both_sides(range(96)), n_mtu=96)
    assert c.price_eur_per_mwh.tolist() == [70.0] * 96
    assert not c.rejections


def test_limits_are_9999_on_both_sides():
    rows = [(0, "buy", 0, 5, 9999), (1, "buy", 0, 5, 9999.01), (2, "sell", 1, 5, -9999), (3, "sell", 1, 5, -9999.01)]
    c = clear_auction(1, CurveOrders.from_rows([*rows, (4, "sell", 0, 4, 10), (5, "buy", 1, 4, 10)]), n_mtu=2)
    assert [(r.row, r.rule) for r in c.rejections] == [(1, "price_outside_limits"), (3, "price_outside_limits")]
    assert c.price_eur_per_mwh.tolist() == [9999.0, -9999.0]
    assert c.curtailment_share == pytest.approx([0.2, 0.2])


def test_blocks_and_units_that_have_begun():
    block = BlockOrder.flat(7, "sell", 2, 55, 46, 4)
    c = clear_auction(2, both_sides(range(40, 60)), [block], n_mtu=96, is_open=np.arange(96) >= 44)
    assert c.accepted_block_share.tolist() == [1.0]
    assert c.price_eur_per_mwh[46:50].tolist() == [60.0] * 4
    assert clear_auction(3, both_sides(range(40, 60)), [block], n_mtu=96).rejections[-1].is_block
    with pytest.raises(ValueError, match="auction 4"):
        clear_auction(4, CurveOrders.empty(), n_mtu=96)


@pytest.mark.case("C15")
def test_gates_in_minutes_from_midnight_of_the_delivery_day():
    assert [AUCTIONS[k].gate_min for k in (1, 2, 3)] == [-540.0, -120.0, 600.0]


@pytest.mark.case("C15")
@pytest.mark.parametrize(
    ("hour", "delivery_hour", "is_open"),
    [
        (-9.01, 20, False),  # before 15:00 of the day before
        (-9.0, 20, False),  # suspended for IDA1 until 15:20
        (-8.67, 20, False),
        (-8 - 40 / 60, 20, True),
        (-2 - 20 / 60, 20, False),  # around IDA2
        (-1 - 40 / 60, 20, True),
        (9 + 39 / 60, 20, True),
        (9 + 40 / 60, 20, False),  # around IDA3 the second half of the day is suspended
        (10 + 19 / 60, 20, False),
        (10 + 20 / 60, 20, True),
        (9 + 50 / 60, 11, True),  # the first half is not
        (18 + 59 / 60, 20, True),
        (19, 20, False),  # 60 minutes before delivery
    ],
)
def test_hours_of_cross_border_trade(hour, delivery_hour, is_open):
    assert is_cross_border_open(60.0 * hour, 60.0 * delivery_hour) is is_open


@pytest.mark.case("C15")
def test_the_later_cross_border_gate():
    assert is_cross_border_open(60 * 19.25, 60 * 20, gate_min=30.0)
    assert not is_cross_border_open(60 * 19.5, 60 * 20, gate_min=30.0)
