"""The four markets in whole runs: settlements against sums by hand, border, duties, monitor, passive balancing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from agents.border import Border
from agents.cashbook import Cashbook
from agents.dispatch import intraday_leads
from agents.messages import ReserveOffer
from agents.model import Flexpolder
from agents.monitoring import market_monitor
from agents.pass_through import AGGREGATOR_SHARE, ONWARD, REASON, PassThrough, delivered_mwh
from agents.redispatch import shares_of_relief
from agents.reserve_duty import ReserveDuty
from agents.role import Knowledge
from agents.roles.brp import common_gap_mw
from agents.settings import SystemSettings
from agents.world.neighbours import EXPORT_LIMIT_MW, IMPORT_LIMIT_MW
from markets.balancing import (
    CapacityAward,
    CapacityBids,
    EnergyBids,
    carry_missing_prices,
    imbalance_prices,
    regulation_state,
)
from markets.intraday import Product
from markets.supply import SUPPLY_CONTRACTS
from tests.model_worlds import Played, play, until, world

BIG = 40_000
"""Towns that the small one stands for, so that its pool matters nationally."""


@pytest.fixture(scope="module")
def run() -> Played:
    return play(world())


def flows(run: Played, reason: str) -> dict[str, float]:
    """What each account received less what it paid for one reason, EUR."""
    table = run.tables["ledger"]
    found: dict[str, list[float]] = defaultdict(list)
    for row in np.flatnonzero(table["reason"] == reason).tolist():
        found[table["payee"][row]].append(float(table["amount_eur"][row]))
        found[table["payer"][row]].append(-float(table["amount_eur"][row]))
    return {account: math.fsum(values) for account, values in found.items()}


# --- money follows trades --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["forward", "day_ahead", "ida1", "ida2", "ida3", "intraday"])
def test_money_of_a_market_is_its_trades_times_their_price(run: Played, market: str) -> None:
    trades = {k: v[run.tables["trades"]["market"] == market] for k, v in run.tables["trades"].items()}
    assert len(trades["period"]) > 0
    eur = 0.25 * trades["volume_mw"] * trades["price_eur_per_mwh"]
    booked = flows(run, market)
    accounts = dict(zip(run.model.positions.parties, run.model.exchange.accounts, strict=True))
    for party, account in accounts.items():
        by_hand = math.fsum(eur[trades["seller"] == party]) - math.fsum(eur[trades["buyer"] == party])
        known = booked.get(account, 0.0)
        if party == run.model.cast.pool_brp.party:
            known += booked.get("twin towns", 0.0)
        assert known == pytest.approx(by_hand, abs=0.01), party


def test_positions_are_the_trades(run: Played) -> None:
    table = run.tables["trades"]
    for party in run.model.positions.parties:
        here = np.char.startswith(table["market"].astype(str), "i") | (table["market"] == "day_ahead")
        sign = (table["buyer"] == party).astype(float) - (table["seller"] == party)
        by_hand = np.bincount(table["period"][here], 0.25 * (sign * table["volume_mw"])[here], minlength=96)
        booked = run.model.positions.bought_mwh
        row = run.model.positions.row(party)
        np.testing.assert_allclose(booked["day_ahead"][row] + booked["intraday"][row], by_hand, atol=1e-6)


@pytest.mark.parametrize("products, reason", [(("fcr",), "fcr"), (("afrr_up", "afrr_down"), "afrr_capacity")])
def test_reserve_capacity_is_paid_per_megawatt_and_four_hours(run: Played, products, reason: str) -> None:
    table = run.tables["reserves"]
    mine = np.isin(table["product"], products)
    by_hand = 4.0 * math.fsum((table["awarded_mw"] * table["price_eur_per_mw_h"])[mine])
    assert by_hand > 0.0
    assert -flows(run, reason)[run.model.cast.tso.account] == pytest.approx(by_hand, rel=1e-9)


def test_penalties_are_five_or_twenty_times_the_contract(run: Played) -> None:
    table, reserves = run.tables["reserve_shortfalls"], run.tables["reserves"]
    assert len(table["period"]) > 0
    for period, product, missing, eur in zip(
        *(table[k] for k in ("period", "product", "missing_mw", "penalty_eur")), strict=True
    ):
        block = 16 * (period // 16)
        price = reserves["price_eur_per_mw_h"][
            (reserves["product"] == product) & (reserves["block_start_period"] == block)
        ][0]
        assert eur == pytest.approx((20.0 if product == "fcr" else 5.0) * missing * 0.25 * price)
    paid = flows(run, "reserve_penalty")
    assert paid[run.model.cast.tso.account] == pytest.approx(math.fsum(table["penalty_eur"]))


def test_a_plant_owner_bids_the_reserve_it_sold(run: Played) -> None:
    firm = [p.party for p in run.model.cast.producers]
    assert not np.isin(run.tables["reserve_shortfalls"]["provider"], firm).any()


# --- parties ---------------------------------------------------------------------------------------------------------


def test_a_party_learns_the_error_it_makes_at_a_time_of_day() -> None:
    model = until(world(), 3)
    brp = model.cast.pool_brp
    now = np.array([50])
    before = float(brp.expected_mw(49, now)[0])
    brp._expected_at_gate_mw[50] = before
    brp.note_allocated(50, before + 40.0)
    assert float(brp.expected_mw(49, now)[0]) == pytest.approx(before + 20.0)
    assert float(brp.expected_mw(49, np.array([51]))[0]) == pytest.approx(
        float(brp.base.issued_at(49, np.array([51]))[0]) + float(brp._pool_expected_mw(np.array([51]))[0])
    )


def test_what_was_never_expected_teaches_nothing() -> None:
    model = until(world(), 1)
    brp = model.cast.pool_brp
    brp.note_allocated(70, 1e6)
    assert not brp._own_error_mw.any()


# --- border ----------------------------------------------------------------------------------------------------------


def test_trade_with_neighbours_fits_the_interconnectors(run: Played) -> None:
    export = 4.0 * sum(run.model.positions.bought_mwh[m][-1] for m in ("forward", "day_ahead", "intraday"))
    assert np.max(export) <= EXPORT_LIMIT_MW + 1e-6 and np.min(export) >= -IMPORT_LIMIT_MW - 1e-6


def test_nobody_trades_across_the_border_after_its_gate(run: Played) -> None:
    table = run.tables["trades"]
    abroad = ((table["seller"] == "Border") | (table["buyer"] == "Border")) & (table["market"] == "intraday")
    assert abroad.any()
    assert np.min((table["period"] - table["gate_period"])[abroad]) * 15 > 60


@pytest.mark.parametrize("gate_min, lead, is_open", [(60, 4, False), (60, 5, True), (30, 3, True), (30, 2, False)])
def test_cross_border_gate(gate_min: int, lead: int, is_open: bool) -> None:
    model = until(world(intraday_cross_border_gate_min=gate_min), 0)
    border: Border = model.market_day.border
    period = 20
    orders = border.quotes(period - lead, Product(period))
    assert bool(orders) == is_open
    if orders:
        assert max(o.price_eur_per_mwh for o in orders if o.is_buy) < min(
            o.price_eur_per_mwh for o in orders if not o.is_buy
        )


def test_full_interconnectors_leave_nothing_to_sell_abroad() -> None:
    model = until(world(), 0)
    border: Border = model.market_day.border
    row = model.positions.row("Border")
    for market in model.positions.bought_mwh.values():
        market[row, 20] = 0.0
    model.positions.bought_mwh["day_ahead"][row, 20] = 0.25 * EXPORT_LIMIT_MW
    assert {o.is_buy for o in border.quotes(10, Product(20))} == {False}
    book = border.intraday_orders(np.array([20]))
    assert float(np.sum(book.quantity_mw[book.is_buy])) == 0.0 and float(np.sum(book.quantity_mw[~book.is_buy])) > 0.0


@pytest.mark.parametrize(
    "gate_min, products",
    [
        (5, ((8, 4), (4, 2), (3, 1), (1, 1))),
        (0, ((8, 4), (4, 2), (3, 1), (1, 1))),
        (15, ((8, 4), (4, 2), (3, 1), (2, 1))),
        (45, ((8, 4), (4, 2), (4, 1))),
        (60, ((8, 4), (5, 1))),
        (120, ((9, 1),)),
    ],
)
def test_parties_trade_until_the_last_moment_before_the_gate(gate_min: int, products: tuple) -> None:
    assert intraday_leads(gate_min) == products
    assert all(15 * lead > gate_min for lead, _ in products)


def test_products_of_an_hour_and_half_an_hour_and_a_quarter_are_traded(run: Played) -> None:
    table = {k: v[run.tables["trades"]["market"] == "intraday"] for k, v in run.tables["trades"].items()}
    assert set(table["product_min"].tolist()) == {15, 30, 60}
    hour = table["product_min"] == 60
    keys = zip(*(table[k][hour].tolist() for k in ("gate_period", "seller", "buyer", "volume_mw")), strict=True)
    count: dict[tuple, int] = defaultdict(int)
    for key in keys:
        count[key] += 1
    assert all(n % 4 == 0 for n in count.values()), "an hour is delivered in each of its quarters"


@pytest.mark.parametrize(
    "gap, common", [([3.0, 5.0], 3.0), ([-3.0, -5.0], -3.0), ([-1.0, 2.0], 0.0), ([0.0, 4.0], 0.0), ([7.0], 7.0)]
)
def test_a_long_product_closes_what_all_its_quarters_miss(gap: list[float], common: float) -> None:
    assert common_gap_mw(np.array(gap)) == common


# --- duties ----------------------------------------------------------------------------------------------------------


def contracted(product: int, mw: float, price_eur_per_mw: float = 40.0) -> ReserveDuty:
    """One provider with one block of 16 periods."""
    duty = ReserveDuty(["pool"], 16)
    bids = CapacityBids(np.array([0]), np.array([0]), np.array([mw]), np.array([price_eur_per_mw]), np.array([product]))
    price = np.full((1, 1), price_eur_per_mw)
    none = np.zeros((1, 1))
    award = CapacityAward(np.array([mw]), np.array([mw * price_eur_per_mw]), price, price, none, none, (product,), ())
    duty.note_award(award, bids, np.zeros(16, dtype=np.int64), 0)
    return duty


def test_contracted_reserve_that_is_not_bid_costs_five_times_its_price() -> None:
    duty = contracted(1, 10.0)
    bids = EnergyBids(0, np.array([6.0, -20.0]), np.array([100.0, 10.0]), 1.0, 1)
    # 4 MW short for a quarter at 10 EUR/MW/h
    assert [eur for _, eur in duty.check_bids(3, bids)] == pytest.approx([5 * 4.0 * 0.25 * 10.0])
    assert duty.check_bids(3, EnergyBids(0, np.array([10.0]), np.array([100.0]), 1.0, 1)) == []
    assert duty.log.missing_mw == [4.0]


@pytest.mark.parametrize("room, short", [((5.0, 5.0), None), ((5.0, 1.0), 4.0), ((0.0, 5.0), 5.0)])
def test_fcr_that_is_not_there_costs_twenty_times_its_price(room: tuple[float, float], short: float | None) -> None:
    duty = contracted(0, 5.0)
    frequency = 50.0 + 0.19 * np.sin(np.arange(225) / 12.0)
    found = duty.check_fcr(2, 0, frequency, *room)
    assert [eur for _, eur in found] == pytest.approx([] if short is None else [20 * short * 0.25 * 10.0])


def test_a_pool_below_the_smallest_is_refused_and_sells_no_reserve() -> None:
    model = until(world(prequalified_pool_min_mw=20.0, representation=20), 40)
    bsp = model.cast.bsp
    assert bsp.prequalification.rule == "pool_below_minimum" and bsp.prequalified_mw == 0.0
    assert bsp.party not in model.cast.tso.reserves.provider
    assert all(bsp.energy_bids(t) is None for t in range(40))


# --- aggregation models ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model, reason", [("integrated", "internal_transfer"), ("contractual", "agreed_transfer")])
def test_the_aggregator_makes_good_what_the_supplier_sourced_and_owes_what_it_did_not_deliver(
    model: str, reason: str
) -> None:
    run = play(world(min_bid_mw=0.1, aggregation_model=model, transfer_of_energy_eur_per_mwh=70.0))
    called, n, prices = run.model.record.activated_mwh, run.settings.representation, run.tables["prices"]
    less = 0.25 * n / 1000.0 * (run.model.record.baseline_kw - run.ev_kw.sum(axis=0))
    moved = np.clip(less, np.minimum(called, 0.0), np.maximum(called, 0.0))
    assert 0.0 < np.abs(moved).sum() < np.abs(called).sum()
    price = prices["day_ahead_eur_per_mwh"] if model == "integrated" else 70.0
    supplier, aggregator = run.model.cast.supplier.account, run.model.cast.aggregator.account
    booked = flows(run, reason)
    assert booked[supplier] == pytest.approx(math.fsum(moved * price) / n, rel=1e-5)
    assert booked[aggregator] == pytest.approx(-math.fsum(moved * price) / n, rel=1e-5)
    missing = called - moved
    imbalance = np.where(
        missing > 0.0, prices["imbalance_shortage_eur_per_mwh"], prices["imbalance_surplus_eur_per_mwh"]
    )
    owed = flows(run, "undelivered_flexibility")
    assert owed[supplier] == pytest.approx(math.fsum(missing * imbalance) / n, rel=1e-5)
    assert owed[aggregator] == pytest.approx(-math.fsum(missing * imbalance) / n, rel=1e-5)


def test_in_the_uncorrected_model_nobody_owes_what_was_not_delivered() -> None:
    run = play(world(min_bid_mw=0.1, aggregation_model="uncorrected"))
    assert not {"undelivered_flexibility", "internal_transfer"} & set(run.tables["ledger"]["reason"].tolist())


def test_drivers_get_their_part_of_what_is_left_after_the_sourced_energy() -> None:
    run = play(world(min_bid_mw=0.1))
    aggregator = run.model.cast.aggregator.account
    assert -flows(run, "flexibility_reward")[aggregator] > 0.0
    assert math.fsum(flows(run, "flexibility_reward").values()) == pytest.approx(0.0, abs=1e-6)


# --- pass-through and passive balancing ------------------------------------------------------------------------------


def book(contract: str) -> tuple[PassThrough, Callable[[], dict[str, float]]]:
    cash = Cashbook(10, {"supplier: S", "cpo: C", "aggregator: A"})
    desk = PassThrough(cash, "supplier: S", "cpo: C", "aggregator: A", contract)
    return desk, lambda: dict(zip(cash.ledger.accounts, cash.ledger.balance_eur().tolist(), strict=True))


@pytest.mark.case("C40")
def test_pass_through_hands_the_whole_deviation_to_the_cpo() -> None:
    desk, balance = book("pass_through")
    desk.settle(0, nominated_mwh=10.0, metered_mwh=8.0, activated_mwh=0.5, passive_mwh=0.0,
                shortage_eur_per_mwh=200.0, surplus_eur_per_mwh=-30.0)  # fmt: skip
    # a tenth is the simulated town's: 1.5 MWh surplus at -30, then 2 MWh shortage at 200
    assert balance() == {"supplier: S": pytest.approx(4.5), "cpo: C": pytest.approx(-4.5)}
    desk.settle(1, nominated_mwh=10.0, metered_mwh=12.0, activated_mwh=0.0, passive_mwh=0.0,
                shortage_eur_per_mwh=200.0, surplus_eur_per_mwh=-30.0)  # fmt: skip
    assert balance() == {"supplier: S": pytest.approx(44.5), "cpo: C": pytest.approx(-44.5)}


def test_bill_and_pass_through_are_the_nomination_at_the_contract_and_the_deviation_at_the_imbalance_price() -> None:
    for metered in (7.0, 10.0, 12.5):
        desk, balance = book("pass_through")
        desk.settle(0, nominated_mwh=10.0, metered_mwh=metered, activated_mwh=0.0, passive_mwh=0.0,
                    shortage_eur_per_mwh=400.0, surplus_eur_per_mwh=250.0, billed_eur_per_mwh=90.0)  # fmt: skip
        paid = 90.0 * metered - 10.0 * balance().get("cpo: C", 0.0)
        deviation = 10.0 - metered
        by_hand = 90.0 * 10.0 - deviation * (250.0 if deviation > 0.0 else 400.0)
        assert paid == pytest.approx(by_hand)


@pytest.mark.parametrize("price, sign", [(150.0, 1.0), (-150.0, -1.0)])
def test_other_contracts_pass_the_passive_part_only_and_half_goes_on_to_the_aggregator(
    price: float, sign: float
) -> None:
    desk, balance = book("dynamic")
    onward = desk.settle(0, nominated_mwh=10.0, metered_mwh=8.0, activated_mwh=0.5, passive_mwh=1.0,
                         shortage_eur_per_mwh=200.0, surplus_eur_per_mwh=price)  # fmt: skip
    assert onward == pytest.approx(sign * 7.5)
    expected = {"supplier: S": -15.0, "cpo: C": 7.5, "aggregator: A": 7.5}
    assert balance() == {who: pytest.approx(sign * eur) for who, eur in expected.items()}


@pytest.mark.parametrize(
    "passive, metered, other, delivered",
    [
        (2.0, 8.0, 0.0, 2.0),  # the baseline is 10: all of it
        (2.0, 9.0, 0.0, 1.0),  # half
        (2.0, 11.0, 0.0, 0.0),  # the other way: nothing
        (2.0, 7.0, 0.0, 2.0),  # never more than was steered
        (2.0, 7.0, 2.0, 1.0),  # what was called by the operator comes first
        (-2.0, 11.5, 0.0, -1.5),
        (-2.0, 11.5, 1.0, -2.0),
        (0.0, 8.0, 0.0, 0.0),
    ],
)
def test_passive_energy_is_what_the_meters_show_of_it(
    passive: float, metered: float, other: float, delivered: float
) -> None:
    found = delivered_mwh(passive, baseline_mwh=10.0, metered_mwh=metered, other_mwh=other)
    assert found == pytest.approx(delivered)


class Loop:
    """Watches the four-second path of every period."""

    def __init__(self) -> None:
        self.reversals = 0
        self.error_mw: list[float] = []

    def __call__(self, model: Flexpolder) -> None:
        balanced = model.dispatch._balanced
        assert balanced is not None
        delta = balanced.activation.delta_mw
        self.reversals += int(np.count_nonzero(np.diff(np.sign(delta[np.abs(delta) > 5.0]))))
        self.error_mw.append(float(balanced.activation.remaining_error_mw.std()))


def loop_of(**levers) -> tuple[Loop, Played]:
    seen = Loop()
    return seen, play(world(representation=BIG, **levers), seen)


def test_many_passive_balancers_make_the_system_swing_and_a_ramp_limit_damps_it() -> None:
    calm, _ = loop_of()
    swinging, run = loop_of(passive_balancing_share=1.0)
    damped, _ = loop_of(passive_balancing_share=1.0, pass_through_ramp_share_per_min=0.05)
    assert swinging.reversals > 2 * max(damped.reversals, calm.reversals)
    error = [float(np.mean(loop.error_mw)) for loop in (calm, swinging, damped)]
    assert error[1] > 1.25 * max(error[0], error[2])
    prices, moved = run.tables["prices"], run.tables["system"]["passive_mwh"]
    asked = run.model.record.passive_mwh
    assert (np.abs(moved) <= np.abs(asked) + 1e-9).all() and (moved * asked >= 0.0).all()
    assert 0.3 < np.abs(moved).sum() / np.abs(asked).sum() < 1.0
    price = np.where(moved > 0.0, prices["imbalance_surplus_eur_per_mwh"], prices["imbalance_shortage_eur_per_mwh"])
    # the CPO of one town gets its share of what the reaction earned
    earned = flows(run, REASON)[run.model.cast.cpo.account]
    contract, supplier = SUPPLY_CONTRACTS["dynamic"](), run.model.cast.supplier
    billed = 1000.0 * contract.bare_eur_per_kwh(supplier.clock, prices["day_ahead_eur_per_mwh"])
    assert earned == pytest.approx(math.fsum(moved * (price - billed)) / BIG)
    assert earned != 0.0
    onward = flows(run, ONWARD)
    assert onward[run.model.cast.aggregator.account] == pytest.approx(AGGREGATOR_SHARE * earned)
    assert onward[run.model.cast.cpo.account] == pytest.approx(-AGGREGATOR_SHARE * earned)


# --- what the operator publishes -------------------------------------------------------------------------------------


def test_regulation_states_and_imbalance_prices_follow_from_the_published_tables(run: Played) -> None:
    table, price = run.tables["balance_delta"], run.tables["prices"]
    assert len(table["period"]) == 96 * 75 and table["second"][:2].tolist() == [4, 16]
    delta = (table["afrr_in_mw"] - table["afrr_out_mw"]).reshape(96, 75)
    is_up = np.asarray(table["afrr_in_mw"]).reshape(96, 75).max(axis=1) > 0.0
    is_down = np.asarray(table["afrr_out_mw"]).reshape(96, 75).max(axis=1) > 0.0
    states = [regulation_state(delta[k], has_up=bool(is_up[k]), has_down=bool(is_down[k])) for k in range(96)]
    assert states == price["regulation_state"].tolist()
    assert len(set(states)) > 2
    up, down = (carry_missing_prices(price[f"{way}_eur_per_mwh"], np.ones(96, bool)) for way in ("up", "down"))
    shortage, surplus = imbalance_prices(states, up, down, price["mid_eur_per_mwh"])
    known = np.isfinite(shortage) & np.isfinite(surplus)
    assert known.sum() > 80
    np.testing.assert_allclose(price["imbalance_shortage_eur_per_mwh"][known], shortage[known])
    np.testing.assert_allclose(price["imbalance_surplus_eur_per_mwh"][known], surplus[known])


def test_published_prices_are_within_the_prices_of_the_period(run: Played) -> None:
    table, price = run.tables["balance_delta"], run.tables["prices"]
    dearest = table["max_upw_regulation_price_eur_per_mwh"].reshape(96, 75)
    cheapest = table["min_downw_regulation_price_eur_per_mwh"].reshape(96, 75)
    assert not (dearest > price["up_eur_per_mwh"][:, None] + 1e-3).any()
    assert not (cheapest < price["down_eur_per_mwh"][:, None] - 1e-3).any()


# --- monitor ---------------------------------------------------------------------------------------------------------


def test_monitor_agrees_with_the_trades(run: Played) -> None:
    table, trades = run.tables["market_monitor"], run.tables["trades"]
    row = int(np.flatnonzero(table["market"] == "intraday")[0])
    here = trades["market"] == "intraday"
    sold = {p: math.fsum(trades["volume_mw"][here & (trades["seller"] == p)]) for p in set(trades["seller"][here])}
    total = math.fsum(sold.values())
    assert table["hhi_sellers"][row] == pytest.approx(sum((100.0 * v / total) ** 2 for v in sold.values()))
    assert table["largest_seller"][row] == max(sold, key=sold.__getitem__)
    assert table["volume_mwh"][row] == pytest.approx(0.25 * total)
    assert table["trades"][row] == int(np.count_nonzero(here))
    assert table["spread_eur_per_mwh"][row] > 0.0
    auction = int(np.flatnonzero(table["market"] == "day_ahead")[0])
    assert 0.0 < table["welfare_eur"][auction] < np.inf and 0.0 <= table["pivotal_share"][auction] <= 1.0


def test_monitor_finds_no_breach_and_sees_a_planted_one(run: Played) -> None:
    table = run.tables["market_monitor"]
    assert not table["trades_after_gate"].any() and not table["beyond_prequalification"].any()
    log = run.model.exchange.trades
    log.add("intraday", 40, 40, "Windzon", "Centrale", 1.0, 50.0)
    log.add("intraday", 38, 40, "Border", "Centrale", 1.0, 50.0)
    try:
        after = market_monitor(run.model)
    finally:
        for name in log.__dataclass_fields__:
            del getattr(log, name)[-2:]
    assert after["trades_after_gate"][after["market"].index("intraday")] == 2


# --- levers ----------------------------------------------------------------------------------------------------------

BASE = {"seed": 2}
LEVERS: dict[str, object] = {
    "day_ahead_mtu_min": 60,
    "intraday_gate_closure_min": 60,
    "intraday_cross_border_gate_min": 30,
    "min_bid_mw": 10.0,
    "fcr_demand_mw": 60.0,
    "afrr_demand_up_mw": 200.0,
    "afrr_demand_down_mw": 200.0,
    "afrr_import_capacity_mw": 0.0,
    "state_sampling_s": 60,
    "is_dual_pricing": False,
    "incentive_component_eur_per_mwh": 10.0,
    "passive_balancing_share": 0.5,
    "supply_contract": "pass_through",
    "aggregation_model": "central_settlement",
}
HOURS_PLAYED = 10
_SEEN: dict[tuple, tuple] = {}


def digest(**levers) -> tuple:
    """What a morning brought: prices, states, energy and money, rounded."""
    key = tuple(sorted(levers.items()))
    if key not in _SEEN:
        model = until(world(**levers), 4 * HOURS_PLAYED)
        ledger = model.cashbook.ledger
        _SEEN[key] = (
            *(np.round(np.nan_to_num(v), 6).tobytes() for v in model.record.price.values()),
            model.record.state.tobytes(),
            *(np.round(v, 6).tobytes() for v in model.positions.bought_mwh.values()),
            np.round(model.record.imbalance_eur, 6).tobytes(),
            *sorted(zip(ledger.accounts, np.round(ledger.balance_eur(), 4).tolist(), strict=True)),
        )
    return _SEEN[key]


@pytest.mark.parametrize("name", LEVERS)
def test_every_lever_of_wholesale_and_balancing_changes_something(name: str) -> None:
    assert digest(**BASE, **{name: LEVERS[name]}) != digest(**BASE)


@pytest.mark.parametrize(
    "name, value, needs",
    [
        ("balance_delta_delay_s", 600, {"passive_balancing_share": 0.5}),
        ("pass_through_ramp_share_per_min", 0.05, {"passive_balancing_share": 0.5}),
        ("transfer_of_energy_eur_per_mwh", 200.0, {"aggregation_model": "central_settlement"}),
        ("aggregation_model", "uncorrected", {"aggregation_model": "central_settlement"}),
        ("aggregation_model", "corrected_meter", {"aggregation_model": "central_settlement"}),
    ],
)
def test_levers_that_matter_with_others(name: str, value: object, needs: dict) -> None:
    assert digest(**{**BASE, **needs, name: value}) != digest(**{**BASE, **needs})


@pytest.mark.parametrize(
    "lever, value, system",
    [
        ("day_ahead_price_max_eur_per_mwh", 3000.0, SystemSettings(load_scale=2.5)),
        ("day_ahead_price_min_eur_per_mwh", -100.0, SystemSettings(solar_capacity_scale=4.0)),
    ],
)
def test_harmonised_limits_hold_where_offers_or_demand_run_out(lever: str, value: float, system) -> None:
    changed: dict[str, Any] = {lever: value}
    summer = world(first_day=date(2026, 6, 20), **changed)
    model = until(replace(summer, system=system), 0)
    price = model.exchange.day_ahead_eur_per_mwh[:96]
    extreme = np.max(price) if value > 0 else np.min(price)
    assert extreme == pytest.approx(value)
    refused = [key for key in model.exchange.rejections.counts if key[1] == "day_ahead"]
    assert not refused, "who knows the limits bids within them"


def test_a_provider_sells_what_the_pool_had_before_not_what_it_hopes() -> None:
    model = until(world(days=4), 0)
    bsp = model.cast.bsp
    told = np.full(96, 40.0)
    # nothing seen yet: half of what is said upward, a tenth downward; no bids can be in for the first half hour
    np.testing.assert_allclose(bsp._sure_mw(1, told, 0), [0.0, 0.0] + [20.0] * 94)
    np.testing.assert_allclose(bsp._sure_mw(-1, told, 0), [0.0, 0.0] + [4.0] * 94)
    # then the same time yesterday, or the day before where yesterday is not over
    bsp.up_mw[:96], bsp.down_mw[:96] = 12.0, 90.0
    bsp._known_until = 36
    sure = bsp._sure_mw(1, told, 96)
    assert sure[:36].tolist() == [12.0] * 36 and sure[36:].tolist() == [20.0] * 60
    assert bsp._sure_mw(-1, told, 96)[:36].tolist() == [40.0] * 36
    # and the worse of the last two days that are known
    bsp.up_mw[96:192] = 30.0
    bsp._known_until = 192 + 36
    assert bsp._sure_mw(1, told, 288)[36:].tolist() == [12.0] * 60
    bsp.up_mw[:96] = 35.0
    assert bsp._sure_mw(1, told, 288)[36:].tolist() == [30.0] * 60


def test_what_is_sold_as_fcr_is_not_sold_again_as_afrr() -> None:
    model = until(world(days=1, min_bid_mw=0.1), 0)
    bsp, blocks = model.cast.bsp, np.repeat(np.arange(6), 16)
    bsp.prequalification = replace(bsp.prequalification, prequalified_mw=1000.0)
    bsp.knowledge = Knowledge()
    bsp.knowledge.receive(ReserveOffer(0, np.zeros(1, int), np.full(96, 80.0), np.full(96, 400.0)))
    fcr = bsp.capacity_bids((0,), blocks, 0)
    afrr = bsp.capacity_bids((1, -1), blocks, 0)
    assert fcr is not None and afrr is not None
    # 40 MW are sure both ways: a quarter is FCR, half of the 30 that are left aFRR; nothing in the first block
    assert fcr.block.tolist() == [1, 2, 3, 4, 5] and set(fcr.quantity_mw.tolist()) == {10.0}
    assert set(afrr.quantity_mw.tolist()) == {15.0} and len(afrr.block) == 10


def test_contracted_reserve_is_nearly_always_bid() -> None:
    run = play(world(days=3, home=60, public=20))
    missing, duty = run.tables["reserve_shortfalls"], run.model.cast.tso.duty
    row = run.model.cast.bsp.row
    sold = sum(float(np.sum(duty.contracted_mw[way][row])) for way in (1, -1))
    assert sold > 0.0
    assert float(np.sum(missing["missing_mw"])) < 0.05 * sold


def test_the_spread_of_redispatch_is_shared_by_relief_and_never_lost() -> None:
    share = shares_of_relief(np.array([[3.0, 0.0, -1.0], [1.0, 0.0, 2.0]]))
    np.testing.assert_allclose(share, [[0.75, 0.5, 0.0], [0.25, 0.5, 1.0]])
    np.testing.assert_allclose(share.sum(axis=0), 1.0)


def test_redispatch_money_is_the_spread_and_the_operator_pays_it() -> None:
    run = play(world(congestion_threshold_share=0.1, redispatch_min_order_mw=0.001, congestion_tool="redispatch"))
    n, trades = run.settings.representation, run.tables["trades"]
    here = {k: v[trades["market"] == "redispatch"] for k, v in trades.items()}
    assert len(here["period"]) > 0
    operators = [run.model.cast.dso.party, run.model.cast.tso.party]
    eur = 0.25 * here["volume_mw"] * here["price_eur_per_mwh"]
    spread = math.fsum(eur[np.isin(here["buyer"], operators)]) - math.fsum(eur[np.isin(here["seller"], operators)])
    booked = flows(run, "redispatch")
    paid = -sum(booked.get(who.account, 0.0) for who in (run.model.cast.dso, run.model.cast.tso))
    assert paid == pytest.approx(spread, abs=1e-6)
    assert paid == pytest.approx(math.fsum(run.tables["interventions"]["cost_eur"]), abs=1e-6)
    # the trade is an energy trade: both sides' positions change by it, in every town
    moved = run.model.positions.bought_mwh["redispatch"]
    np.testing.assert_allclose(moved.sum(axis=0) / n, 0.0, atol=1e-9)
    volume = 0.25 * n * math.fsum(here["volume_mw"][np.isin(here["seller"], operators)])
    assert float(np.maximum(moved, 0.0).sum()) == pytest.approx(volume, rel=1e-6)


def test_what_providers_get_for_reserve_and_relief_reaches_the_aggregator() -> None:
    found = play(world(congestion_threshold_share=0.1, redispatch_min_order_mw=0.001, min_bid_mw=0.1))
    got, passed = (flows(found, reason) for reason in ("redispatch", "flexibility"))
    csp = next(name for name in passed if name.startswith("csp"))
    bsp = next(name for name in passed if name.startswith("bsp"))
    assert got[csp] > 0.0 and passed[csp] == pytest.approx(-got[csp], abs=1e-9)
    reasons = ("fcr", "afrr_capacity", "reserve_penalty", "balancing_energy")
    earned = sum(flows(found, reason).get(bsp, 0.0) for reason in reasons)
    assert flows(found, "fcr")[bsp] > 0.0 and passed[bsp] == pytest.approx(-earned, abs=1e-9)


def test_energy_behind_relief_is_made_good_at_the_day_ahead_price() -> None:
    found = play(world(congestion_threshold_share=0.1, redispatch_min_order_mw=0.001, min_bid_mw=0.1))
    model, supplier = found.model, found.model.cast.supplier.account
    sold_mwh = -model.positions.bought_mwh["redispatch"][model.cast.pool_brp.row] / model.settings.representation
    price = model.exchange.day_ahead_eur_per_mwh[: len(sold_mwh)]
    assert np.abs(sold_mwh).sum() > 0.0
    moved = flows(found, "redispatch_energy")
    assert moved[supplier] == pytest.approx(float(np.sum(sold_mwh * price)), rel=1e-9)
    assert moved[model.cast.aggregator.account] == pytest.approx(-moved[supplier])
