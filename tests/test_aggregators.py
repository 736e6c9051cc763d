"""Several aggregators side by side: whose data goes where, pooled offers, money, drivers who change (report 6.1)."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.information.customers import choices, first_holders
from agents.messages import CongestionOffer
from agents.roles.pooling import merged_congestion, parts, shares_of_change, shares_of_limit
from agents.settings import DEFAULT_PARTIES, PartySettings, Settings
from experiments.scenario import InputError, read_scenario
from tests.model_worlds import Played, play, world

TIGHT: dict[str, Any] = {
    "congestion_threshold_share": 0.05, "redispatch_min_order_mw": 0.001, "congestion_tool": "redispatch",
    "absolute_signal_path": "none",
}  # fmt: skip
"""Redispatch happens even on a few streets."""
GRID_ROLES = ("csp", "bsp")


def competing(*others: PartySettings, first: PartySettings | None = None, **kw: Any) -> Settings:
    """A small world in which further aggregators stand beside the usual one."""
    usual = first or PartySettings("Flexio", ("aggregator", *GRID_ROLES))
    parties = tuple(usual if p.name == "Flexio" else p for p in DEFAULT_PARTIES)
    levers = {"iso15118_share": 0.6, "oem_api_share": 0.5, "emsp_app_share": 1.0} | kw
    return replace(world(**levers), parties=(*parties, *others))


def agent(name: str, **kw: Any) -> PartySettings:
    return PartySettings(name, ("aggregator",), **kw)


@cache
def alone() -> Played:
    return play(competing(days=3))


@cache
def three(switching: str = "never") -> Played:
    return play(competing(agent("Slim"), agent("Zon"), days=3, aggregator_switching=switching))


@cache
def unequal(switching: str = "price", notice: int = 0, choice: str = "driver", reward: float = 0.5) -> Played:
    """The first aggregator has nearly all drivers and charges them when they come; the other follows prices."""
    dumb = PartySettings("Flexio", ("aggregator", *GRID_ROLES), customer_share=0.8, strategy="uncontrolled")
    levers = {"aggregator_switching": switching, "aggregator_notice_days": notice, "aggregator_choice": choice}
    return play(competing(agent("Slim", reward_share=reward), first=dumb, days=4, **levers))


def table(run: Played, column: str, party: str) -> np.ndarray:
    t = run.tables["aggregators"]
    return t[column][t["party"] == party]


def money(run: Played, reason: str, payer: str = "", payee: str = "") -> float:
    t = run.tables["ledger"]
    rows = zip(t["reason"], t["payer"], t["payee"], strict=True)
    keep = [r == reason and payer in p and payee in q for r, p, q in rows]
    return float(np.sum(t["amount_eur"][keep]))


# --- who knows what --------------------------------------------------------------------------------------------------


def test_every_session_is_known_to_the_aggregator_of_its_driver_and_to_no_other():
    cast = three().model.cast
    known = np.array([~np.isnan(a.believed.arrival_min) for a in cast.aggregators])
    began = known.any(axis=0)
    assert began.sum() > 60
    assert (known.sum(axis=0)[began] == 1).all()
    holder = cast.pool.customers.holder_of_session
    np.testing.assert_array_equal(np.argmax(known, axis=0)[began], holder[began])
    assert all(k.sum() > 5 for k in known)
    alone_knows = ~np.isnan(alone().model.cast.aggregator.believed.arrival_min)
    np.testing.assert_array_equal(began, alone_knows)


def test_what_one_aggregator_learns_of_meters_makes_no_other_wiser():
    cast = three().model.cast
    holder = cast.pool.customers.holder_of_session
    for k, a in enumerate(cast.aggregators):
        assert not a.believed.metered_kwh[holder != k].any()
        assert a.believed.metered_kwh[holder == k].any()


def test_energy_of_all_customers_is_the_energy_of_all_cars():
    run = three()
    charged = sum(float(np.sum(table(run, "charged_kwh", p))) for p in ("Flexio", "Slim", "Zon"))
    assert charged == pytest.approx(0.25 * run.ev_kw.sum(), rel=1e-3)
    assert float(np.sum(table(alone(), "charged_kwh", "Flexio"))) == pytest.approx(0.25 * alone().ev_kw.sum(), rel=1e-3)


def test_shares_of_points_add_up_to_one():
    share = np.array([a.share for a in three().model.cast.aggregators])
    np.testing.assert_allclose(share.sum(axis=0), 1.0)
    np.testing.assert_allclose(alone().model.cast.aggregator.share, 1.0)


def test_the_service_of_drivers_does_not_suffer_from_competition():
    one, many = (float(np.sum(r.tables["sessions"]["missing_kwh"])) for r in (alone(), three()))
    assert many <= one + 0.01 * 0.25 * alone().ev_kw.sum()


# --- the pool of BSP and CSP -----------------------------------------------------------------------------------------


def test_the_bsp_pools_offers_of_all_and_shares_activations_out():
    run = three()
    cast = run.model.cast
    every = np.array([a.activation_mw[: run.model.horizon.n_periods] for a in cast.aggregators])
    assert all(np.abs(a).sum() > 0.0 for a in every)
    one = alone().model
    assert np.max(cast.bsp.up_mw) > 0.6 * np.max(one.cast.bsp.up_mw)
    sold = np.array([money(run, "flexibility", payee=p) for p in ("Flexio", "Slim", "Zon")])
    assert float(np.sum(sold)) == pytest.approx(money(run, "flexibility", payer="bsp"))
    assert (sold != 0.0).all()


def test_nobody_is_paid_or_activated_twice():
    run = three()
    total = sum(float(np.sum(table(run, "activated_mwh", p))) for p in ("Flexio", "Slim", "Zon"))
    assert total == pytest.approx(float(np.sum(run.model.record.activated_mwh)))


def offer(rows: list[int], reducible: float, price: float) -> CongestionOffer:
    n = len(rows)
    kw = np.full((n, 4), reducible)
    return CongestionOffer(0, np.array(rows), 2.0 * kw, kw, 0.5 * kw, np.full(4, price), np.full(4, -price))


def test_offers_against_congestion_add_up_by_connection_at_the_dearest_price():
    pooled = merged_congestion([offer([1, 3], 4.0, 100.0), offer([3, 7], 6.0, 130.0)])
    assert pooled.connection_row.tolist() == [1, 3, 7]
    assert pooled.reducible_kw[:, 0].tolist() == [4.0, 10.0, 6.0]
    assert pooled.prognosis_kw[:, 2].tolist() == [8.0, 20.0, 12.0]
    assert pooled.price_eur_per_mwh.tolist() == [130.0] * 4
    assert pooled.increase_eur_per_mwh.tolist() == [-130.0] * 4


def test_an_accepted_change_goes_to_those_who_offered_it():
    offers = {"a": offer([1, 3], 4.0, 100.0), "b": offer([3, 7], 6.0, 130.0)}
    change = np.array([[-2.0, 0.0], [-5.0, -10.0], [-3.0, 0.0]])
    shares = shares_of_change(offers, 1, np.array([1, 3, 7]), change)
    np.testing.assert_allclose(shares["a"] + shares["b"], change)
    assert shares["a"][:, 0].tolist() == [-2.0, -2.0, 0.0]
    assert shares["b"][:, 1].tolist() == [0.0, -6.0, 0.0]


def test_a_limit_is_shared_by_what_each_expects_to_draw():
    offers = {"a": offer([1, 3], 4.0, 100.0), "b": offer([3, 7], 6.0, 130.0)}
    limits = shares_of_limit(offers, 0, np.array([3]), 2)
    assert limits["a"].tolist() == pytest.approx([0.4, 0.4])
    assert limits["b"].tolist() == pytest.approx([0.6, 0.6])


def test_parts_of_one_and_of_many():
    assert parts({"a": 3.0}) == {"a": 1.0} and parts({}) == {"": 1.0}
    assert parts({"a": 3.0, "b": 1.0}) == {"a": 0.75, "b": 0.25}
    assert parts({"a": 0.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}


def test_capacity_money_goes_to_those_who_hold_the_reserve_up_or_down():
    pool = alone().model.cast.pool
    several = copy(pool)
    several.members = tuple(SimpleNamespace(party=name) for name in "ABC")  # type: ignore[misc]
    parts = {"A": np.array([0.0, 0.75]), "B": np.array([0.0, 0.25])}
    assert [part for _, part in several.shares_of_reserve(parts, 1)] == [0.75, 0.25, 0.0]
    assert [part for _, part in pool.shares_of_reserve(parts, 1)] == [1.0]
    run = three()
    bsp = run.model.cast.bsp
    known = np.sum(list(bsp.reserve_parts.values()), axis=0)
    held = (run.model.market_day.reserved["down"] > 0.0) | (run.model.market_day.reserved["up"] > 0.0)
    assert held.any() and known[held] == pytest.approx(1.0)


def test_congestion_management_works_with_several_aggregators():
    run = play(competing(agent("Slim"), **TIGHT))
    first, second = run.model.cast.aggregators
    assert first.redispatched_mw.any() and second.redispatched_mw.any()
    table = run.tables["trades"]
    mine = table["market"] == "redispatch"
    sold = np.where(table["seller"] == "Flexio", 1.0, np.where(table["buyer"] == "Flexio", -1.0, 0.0))[mine]
    asked = -float(np.sum(first.redispatched_mw) + np.sum(second.redispatched_mw))
    assert asked == pytest.approx(float(np.sum(sold * table["volume_mw"][mine])), rel=1e-6)


def test_an_aggregator_without_a_certificate_offers_nothing_to_the_grid():
    run = play(competing(agent("Slim", is_certified=False), **TIGHT, is_certification_required=True))
    first, second = run.model.cast.aggregators
    assert first.redispatched_mw.any() and not second.redispatched_mw.any()
    free = play(competing(agent("Slim", is_certified=False), **TIGHT))
    assert free.model.cast.aggregators[1].redispatched_mw.any()


# --- drivers change --------------------------------------------------------------------------------------------------


def test_drivers_leave_the_aggregator_that_brings_them_little():
    run = unequal()
    assert table(run, "left", "Flexio").sum() > 3
    assert table(run, "joined", "Slim").sum() == table(run, "left", "Flexio").sum()
    assert (
        table(run, "customers", "Slim")[-1] == table(run, "customers", "Slim")[0] + table(run, "joined", "Slim").sum()
    )
    assert run.message("SwitchRequest")["items"] == table(run, "left", "Flexio").sum() + _waiting(run)


def _waiting(run: Played) -> int:
    return int(run.model.cast.pool.customers.is_waiting().sum())


def test_nobody_changes_where_the_lever_says_so():
    run = unequal("never")
    assert not table(run, "left", "Flexio").any()
    assert not run.message("AggregatorChosen")["count"]


def test_changing_pays_for_those_who_change():
    cost = [float(np.sum(r.tables["sessions"]["cost_eur"])) for r in (unequal("never"), unequal())]
    assert cost[1] < cost[0]


def test_a_notice_period_delays_the_change():
    left = [table(unequal(notice=days), "left", "Flexio").tolist() for days in (0, 1, 30)]
    first, later = (next(day for day, n in enumerate(of_day) if n) for of_day in left[:2])
    assert later == first + 1 and left[1][later] == left[0][first]
    assert not any(left[2])


def test_without_the_links_of_the_register_nobody_changes():
    run = play(replace(unequal().settings, cut_links=(("aggregator", "dso"),)))
    assert run.message("AggregatorChosen")["count"] > 0
    assert not table(run, "left", "Flexio").any()


def test_where_the_cpo_chooses_it_chooses_for_all_its_public_points():
    from agents.fleet.tables import SEGMENTS

    run = unequal(choice="cpo")
    customers = run.model.cast.pool.customers
    assert customers.holder_of_cpo == 1, "the CPO went to the one that brings more"
    fleet = run.model.town.fleet
    is_public = fleet.points.segment[fleet.sessions.cp_row] == SEGMENTS.index("public_ac")
    last_day = fleet.sessions.arrival_min > 3 * 1440
    first_day = fleet.sessions.departure_min < 1440
    began = fleet.sessions.arrival_min < 4 * 1440
    assert (customers.holder_of_session[is_public & last_day & began] == 1).all()
    assert (customers.holder_of_session[is_public & first_day] == 0).all()


def test_a_session_stays_with_the_aggregator_with_which_it_began():
    run = unequal()
    customers = run.model.cast.pool.customers
    known = np.array([~np.isnan(a.believed.arrival_min) for a in run.model.cast.aggregators])
    assert (known.sum(axis=0) <= 1).all()
    changed = customers.holder_of_ev[run.model.town.fleet.sessions.ev_row] != customers.holder_of_session
    assert (changed & known.any(axis=0)).any()


def test_a_larger_reward_goes_to_drivers():
    little, much = (money(unequal("never", reward=r), "flexibility_reward", payer="Slim") for r in (0.1, 0.9))
    assert much == pytest.approx(9.0 * little, rel=1e-6) and little > 0.0


def test_choices_by_hand():
    holder, benefit = np.array([0, 0, 0, 1, 2]), np.array([0.01, 0.05, np.nan])
    down, looks = np.array([0, 1, 0, 1, 0], bool), np.array([1, 0, 0, 1, 1], bool)
    assert choices(holder, benefit, down, looks, "price").tolist() == [1, 0, 0, 1, 1]
    assert choices(holder, benefit, down, looks, "experience").tolist() == [0, 1, 0, 0, 2]
    assert choices(holder, benefit, down, looks, "both").tolist() == [1, 1, 0, 0, 1]
    assert choices(holder, benefit, down, looks, "never").tolist() == holder.tolist()


def test_customers_at_the_start_are_shared_as_the_scenario_says():
    run = competing(agent("Slim", customer_share=0.1), agent("Zon"))
    parties = [p for p in run.parties if "aggregator" in p.roles]
    share = np.bincount(first_holders(run, parties, 20_000)) / 20_000
    np.testing.assert_allclose(share, [0.45, 0.1, 0.45], atol=0.02)


# --- at the door -----------------------------------------------------------------------------------------------------


def test_the_bundled_scenario_has_three_aggregators():
    parties = read_scenario("aggregators").to_settings().parties
    assert sum("aggregator" in p.roles for p in parties) == 3


def test_faults_of_parties_are_named():
    base = read_scenario("aggregators")
    with pytest.raises(InputError) as found:
        parties: list[dict[str, Any]] = [p.model_dump() for p in base.sections.party]
        parties[2] |= {"customer_share": 0.7, "strategy": "price_optimol"}
        parties[3] |= {"roles": ["aggregator", "cpo"]}
        base.with_values({"party": parties})
    text = str(found.value)
    assert "adds up to 1.3" in text and "price_optimal" in text and "cpo is held by Zonnestroom, Laadpaal" in text
