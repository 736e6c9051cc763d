"""The door of redispatch: each rule by its name, obligations, announcements."""

import numpy as np
import pytest

from markets.levers import Regulation
from markets.redispatch import (
    RULES,
    BidObligation,
    RedispatchOrders,
    RedispatchRules,
    announcements,
    clear,
    is_obliged,
    missed_bids,
    settle,
    with_price_caps,
)

GOOD = {
    "connection_row": 1,
    "is_buy": False,
    "quantity_mw": [0.0, 2.0],
    "price_eur_per_mwh": 100.0,
    "contracted_mw": 5.0,
}


def rejections(rules=None, first_open_period=0, effectivity=1.0, **changes):
    """Rules broken by one order that differs from a good one."""
    values = {**GOOD, **changes}
    values["quantity_mw"] = np.array([values["quantity_mw"]], dtype=float)
    orders = RedispatchOrders.of(**values)
    clearing = clear(
        orders,
        needed_relief_mw=np.ones((1, 2)),
        effectivity=np.array([[effectivity]]),
        headroom_mw=np.zeros((1, 2)),
        rules=rules,
        first_open_period=first_open_period,
    )
    return [r.rule for r in clearing.rejections]


def test_a_good_order_is_admitted():
    assert rejections() == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"quantity_mw": [np.nan, 1.0]}, "not_a_number"),
        ({"price_eur_per_mwh": np.inf}, "not_a_number"),
        ({"quantity_mw": [-1.0, 1.0]}, "negative_volume"),
        ({"connection_row": -1}, "no_location"),
        ({"effectivity": np.nan}, "no_location"),
        ({"min_fill_share": 1.5}, "fill_share_outside_0_1"),
        ({"min_fill_share": np.nan}, "not_a_number"),
        ({"quantity_mw": [0.0, 0.0]}, "empty_order"),
        ({"first_open_period": 2}, "gate_closed"),
        ({"rules": RedispatchRules(min_resting_min=5.0), "rested_min": 4.0}, "resting_time"),
        ({"quantity_mw": [0.0, 0.09]}, "minimum_order_size"),
        ({"rules": RedispatchRules(volume_step_mw=0.1), "quantity_mw": [0.0, 1.25]}, "volume_off_step"),
        ({"price_eur_per_mwh": 100.005}, "price_off_tick"),
        ({"price_eur_per_mwh": 1500.01}, "price_above_cap"),
        ({"price_eur_per_mwh": -1500.01, "is_buy": True}, "price_above_cap"),
        ({"contracted_mw": 0.09}, "below_participation_threshold"),
        ({"contracted_mw": 60.5}, "above_participation_threshold"),
        ({"contracted_mw": np.nan, "quantity_mw": [0.0, 61.0]}, "above_participation_threshold"),
        ({"is_pool": True, "rules": RedispatchRules(is_pooling_allowed=False)}, "pooling_not_allowed"),
        ({"quantity_mw": [0.0, 10.1]}, "beyond_connection"),
    ],
)
def test_each_rule_refuses_by_its_name(changes, rule):
    assert rejections(**changes) == [rule]
    assert rule in RULES


def test_small_connections_may_pool():
    assert rejections(contracted_mw=0.25, is_pool=True, connection_row=-1, quantity_mw=[0.0, 0.2]) == []
    assert rejections(contracted_mw=0.05, is_pool=True) == ["below_participation_threshold"]
    assert rejections(contracted_mw=100.0, is_pool=True, quantity_mw=[0.0, 70.0]) == []


def test_the_same_identifier_and_the_same_kilowatt_count_once():
    orders = RedispatchOrders.of(
        [3, 3, 3, 3], False, np.full((4, 1), 4.0), 100.0, contracted_mw=5.0, order_id=[1, 2, 2, 4]
    )
    clearing = clear(
        orders, needed_relief_mw=np.ones((1, 1)), effectivity=np.ones((4, 1)), headroom_mw=np.zeros((1, 1))
    )
    assert [(r.row, r.rule) for r in clearing.rejections] == [(2, "duplicate_id"), (3, "beyond_connection")]


def test_rules_follow_the_levers():
    rules = RedispatchRules.of(
        Regulation(
            redispatch_min_order_mw=0.5, redispatch_price_cap_eur_per_mwh=50.0, redispatch_low_voltage_pooling=False
        )
    )
    assert (rules.min_order_mw, rules.price_cap_eur_per_mwh, rules.is_pooling_allowed) == (0.5, 50.0, False)
    assert rejections(rules=rules) == ["price_above_cap"]


def test_columns_of_different_length_are_all_named():
    with pytest.raises(ValueError, match=r"is_buy has shape .*price_eur_per_mwh has shape"):
        RedispatchOrders.of([0, 1], [True], np.ones((2, 3)), [1.0, 2.0, 3.0])


def test_an_obliged_order_is_settled_at_the_agreed_price():
    orders = RedispatchOrders.of([0, 1], [False, True], np.full((2, 1), 2.0), [900.0, 50.0])
    duty = BidObligation(connection_row=0, is_buy=False, volume_mw=3.0, price_cap_eur_per_mwh=200.0, csp=4)
    capped = with_price_caps(orders, [duty])
    assert np.isnan(capped.contract_cap_eur_per_mwh[1])
    clearing = clear(
        capped,
        needed_relief_mw=np.array([[2.0]]),
        effectivity=np.array([[1.0], [0.0]]),
        headroom_mw=np.zeros((1, 1)),
        period_h=1.0,
    )
    assert settle(clearing).receipt_eur[:, 0] == pytest.approx([400.0, -100.0])
    missed = missed_bids(orders, [duty], np.array([True]), 0.25)
    assert missed[0].missing_mwh == pytest.approx(0.25)
    assert missed[0].csp == 4


def test_missed_bids_count_requested_periods_and_admitted_orders_only():
    quantity = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    orders = RedispatchOrders.of([7, 7], [True, True], quantity, 10.0)
    duty = BidObligation(7, True, 2.0, 100.0, penalty_eur_per_mwh=50.0)
    (missed,) = missed_bids(orders, [duty], np.array([True, True, False]), 0.25)
    assert missed.missing_mwh == pytest.approx(0.5)
    assert missed.penalty_eur == pytest.approx(25.0)
    (missed,) = missed_bids(orders, [duty], np.array([True, True, False]), 0.25, rejected_rows=[1])
    assert missed.missing_mwh == pytest.approx(0.75)
    assert missed_bids(orders, [duty], np.array([False, False, True]), 0.25) == ()


def test_a_buy_obligation_is_capped_downwards():
    orders = RedispatchOrders.of([0], [True], [[1.0]], [-300.0])
    capped = with_price_caps(orders, [BidObligation(0, True, 1.0, 80.0)])
    assert capped.settled_price_eur_per_mwh[0] == -80.0


def test_who_is_obliged():
    obliged = is_obliged(np.array([61.0, 10.0, 10.0, 10.0]), np.array([0.0, 1.0, 0.9, 5.0]), np.array([0, 1, 1, 0]) > 0)
    assert obliged.tolist() == [True, True, False, False]


def test_announcements_name_stretch_and_side():
    need = np.array([[0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]])
    first, second = announcements(need, np.array([False, False, True]), is_mandatory=True)
    assert (first.element_row, first.direction, first.first_period, first.last_period) == (0, "offtake", 1, 3)
    assert (first.inside_side, second.inside_side) == ("sell", "buy")
    assert second.needed_mw.tolist() == [3.0, 0.0, 0.0, 0.0]
    assert second.is_mandatory
