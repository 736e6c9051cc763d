"""Bid-obligation contracts in runs: who must bid, at which price, what standing by brings and what silence costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agents import market_day
from agents.bid_duty import BidDuty
from agents.roles.csp import PlacedOrders
from markets.levers import Regulation
from markets.redispatch import RedispatchOrders, RedispatchRules
from tests.model_worlds import Played, play, world

TIGHT: dict[str, Any] = {
    "congestion_threshold_share": 0.05,
    "redispatch_min_order_mw": 0.001,
    "congestion_tool": "redispatch",
    "absolute_signal_path": "none",
}
SHARE, STANDBY, PENALTY = 0.05, 8.0, 200.0
DUTY: dict[str, Any] = TIGHT | {
    "bid_obligation_share": SHARE,
    "bid_obligation_standby_eur_per_mw_h": STANDBY,
    "bid_obligation_penalty_eur_per_mwh": PENALTY,
}


def booked(run: Played, reason: str, payer: str) -> float:
    """What roles of one name paid for a reason, EUR."""
    table = run.tables["ledger"]
    rows = (table["reason"] == reason) & np.char.startswith(table["payer"].astype(str), payer + ":")
    return math.fsum(table["amount_eur"][rows])


def contracted_mw(run: Played) -> float:
    """Volume under contract, from the connections of charging points."""
    town = run.model.town
    rows = np.unique(town.fleet.points.connection_row)
    return SHARE * float(np.sum(town.grid.connections.capacity_kw[rows])) / 1000.0


@pytest.fixture(scope="module")
def run() -> Played:
    return play(world(**DUTY))


@pytest.fixture(scope="module")
def free() -> Played:
    return play(world(**TIGHT))


@pytest.fixture(scope="module")
def silent() -> Played:
    """The CSP never learns what there is, and so bids nothing."""
    return play(world(cut=(("aggregator", "csp"),), **DUTY))


def test_without_contracts_nobody_is_obliged(free: Played) -> None:
    assert len(free.tables["bid_obligations"]["period"]) == 0
    assert not any("bid_obligation" in reason for reason in free.tables["ledger"]["reason"].tolist())


def test_standing_by_is_paid_in_every_period(run: Played) -> None:
    assert booked(run, "bid_obligation_standby", "dso") == pytest.approx(24.0 * STANDBY * contracted_mw(run))


def test_what_was_asked_and_not_bid_is_penalised(run: Played) -> None:
    t = run.tables["bid_obligations"]
    short = np.maximum(t["contracted_mw"] - t["offered_mw"], 0.0)
    assert (short == 0.0).any() and (short > 0.0).any()
    np.testing.assert_allclose(t["missing_mwh"], 0.25 * short, atol=1e-9)
    np.testing.assert_allclose(t["penalty_eur"], PENALTY * 0.25 * short, atol=1e-6)
    assert booked(run, "bid_obligation_penalty", "csp") == pytest.approx(math.fsum(t["penalty_eur"]))


def test_only_announced_congestion_of_the_dso_obliges(run: Played) -> None:
    asked, told = run.tables["bid_obligations"], run.tables["flex_requests"]
    wanted = (told["operator"] == "dso") & (told["needed_mw"] > 1e-4)
    assert set(asked["period"].tolist()) == set(told["period"][wanted].tolist())


def test_a_csp_that_bids_nothing_owes_all_of_it(run: Played, silent: Played) -> None:
    t = silent.tables["bid_obligations"]
    assert len(t["period"]) > 0 and not t["offered_mw"].any()
    by_hand = PENALTY * 0.25 * math.fsum(t["contracted_mw"])
    assert booked(silent, "bid_obligation_penalty", "csp") == pytest.approx(by_hand, rel=1e-6)
    assert by_hand > booked(run, "bid_obligation_penalty", "csp")
    standby = [booked(r, "bid_obligation_standby", "dso") for r in (silent, run)]
    assert standby[0] == pytest.approx(standby[1])


def test_fee_and_penalty_reach_the_aggregator_and_money_sums_to_zero(run: Played) -> None:
    table = run.tables["ledger"]
    csp = run.model.cast.csp.account
    got, paid = (math.fsum(table["amount_eur"][table[side] == csp]) for side in ("payee", "payer"))
    assert got == pytest.approx(paid, abs=1e-6)
    assert booked(run, "flexibility", "csp") != pytest.approx(booked(run, "redispatch", "dso"), abs=0.01)
    assert abs(math.fsum(run.model.cashbook.ledger.balance_eur())) < 1e-3


def test_a_dear_order_is_settled_at_the_agreed_price(free: Played) -> None:
    def sold_at(played: Played) -> np.ndarray:
        t, csp = played.tables["trades"], played.model.cast.csp.party
        return np.asarray(t["price_eur_per_mwh"][(t["market"] == "redispatch") & (t["seller"] == csp)])

    agreed = play(world(bid_obligation_price_eur_per_mwh=20.0, **DUTY))
    assert sold_at(free).max() > 20.0
    assert sold_at(agreed).max() == pytest.approx(20.0)
    orders = agreed.tables["flex_orders"]
    assert orders["price_eur_per_mwh"][orders["offered_mw"] < 0.0].max() == pytest.approx(20.0)


def test_where_nobody_counter_trades_bids_count_and_refused_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_day, "counter_orders", lambda *_: None)
    fine, small = (play(world(**DUTY | {"redispatch_min_order_mw": mw})) for mw in (0.001, 1.0))
    assert fine.tables["bid_obligations"]["offered_mw"].any()
    assert len(small.tables["bid_obligations"]["period"]) and not small.tables["bid_obligations"]["offered_mw"].any()
    assert set(small.tables["flex_orders"]["rule"].tolist()) == {"minimum_order_size"}
    refused = small.tables["rejections"]
    count = refused["count"][(refused["market"] == "redispatch") & (refused["rule"] == "minimum_order_size")]
    assert int(count.sum()) == len(small.tables["flex_orders"]["rule"])


# --- the contracts by themselves -------------------------------------------------------------------------------------


def duty(is_pooling: bool = True) -> BidDuty:
    """Contracts of 10 % of 500, 20 and 17 kW over two periods."""
    levers = Regulation(
        bid_obligation_share=0.1,
        bid_obligation_standby_eur_per_mw_h=10.0,
        bid_obligation_penalty_eur_per_mwh=100.0,
        bid_obligation_price_eur_per_mwh=50.0,
        redispatch_low_voltage_pooling=is_pooling,
    )
    return BidDuty(levers, RedispatchRules.of(levers), np.array([3, 5, 9]), np.array([500.0, 20.0, 17.0]), 2)


def placed(operator: str = "dso") -> PlacedOrders:
    """One order of connection 3 and one of a pool of connections 5 and 7, both in period 1."""
    orders = RedispatchOrders.of([3, -1], False, np.array([[0.0, 0.04], [0.0, 0.006]]), 80.0, is_pool=[False, True])
    members = (np.array([3]), np.array([5, 7]))
    weight = (np.array([40.0]), np.array([2.0, 4.0]))
    return PlacedOrders(orders, members, weight, np.array([1, 1]), np.array([0, 0]), (operator, operator))


def test_every_member_of_a_pool_counts_for_what_it_brings() -> None:
    d = duty()
    d.is_requested[:, 1] = True
    d.note_orders(placed())
    standby, penalty = d.settle(1)
    # 50, 2 and 1.7 kW were promised; 40, 2 and nothing were bid
    assert standby == pytest.approx(0.25 * 10.0 * 0.0537)
    assert penalty == pytest.approx(0.25 * 100.0 * (0.010 + 0.0017))
    assert d.log.connection_row == [3, 5, 9]
    assert d.log.missing_mwh == pytest.approx([0.0025, 0.0, 0.000425])
    assert list(d.settle(0)) == pytest.approx([standby, 0.0])  # nothing was asked there


def test_a_refused_order_is_no_bid() -> None:
    d = duty()
    d.is_requested[:, 1] = True
    d.note_orders(placed(), refused={0: "minimum_order_size"})
    assert d.settle(1)[1] == pytest.approx(0.25 * 100.0 * (0.050 + 0.0017))


def test_without_pools_small_connections_have_no_contract() -> None:
    assert duty(is_pooling=False).rows.tolist() == [3]


@pytest.mark.parametrize("operator, price", [("dso", 50.0), ("tso", 80.0)])
def test_the_agreed_price_holds_for_the_operator_of_the_contract(operator: str, price: float) -> None:
    assert duty().at_agreed_price(placed(operator)).orders.settled_price_eur_per_mwh.tolist() == [price, price]
