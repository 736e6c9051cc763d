"""Incident reserve (mFRRda): when it is called, what it does to the balance, and that its price bounds (IPS 4.2)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from markets.balancing import (
    AT_REST,
    EnergyBids,
    IncidentRules,
    IspActivation,
    activate_isp,
    balancing_demand_mw,
    incident_call_mw,
    price_isp,
)
from tests.model_worlds import Played, play, world

RULES = IncidentRules(up_mw=300.0, down_mw=100.0, trigger_share=0.8, premium_eur_per_mwh=200.0)


def ended(delta_mw: float, missing_mw: float) -> IspActivation:
    """An ISP that ended with some activation and some power still missing (+ = up)."""
    bids = EnergyBids(np.zeros(2), np.array([100.0, -100.0]), np.array([90.0, 20.0]), np.ones(2), np.arange(2))
    rest = activate_isp(bids, np.zeros(225), AT_REST)
    return replace(rest, delta_mw=np.full(225, delta_mw), remaining_error_mw=np.full(225, -missing_mw))


@pytest.mark.parametrize(
    "delta, missing, running, called",
    [
        (60.0, 10.0, 0.0, 0.0),  # 70 of 100 on offer: the aFRR suffices
        (75.0, 5.0, 0.0, 0.0),  # exactly the trigger
        (90.0, 40.0, 0.0, 130.0),  # the whole demand, so that the aFRR is free again
        (100.0, 400.0, 0.0, 300.0),  # at most what is contracted
        (0.0, 0.0, 130.0, 130.0),  # it keeps running while it is needed
        (-80.0, 0.0, 130.0, 0.0),  # it ends when the aFRR regulates against it
        (-90.0, -5.0, 0.0, -95.0),
        (-90.0, -50.0, 0.0, -100.0),
    ],
)
def test_incident_reserve_is_called_when_the_afrr_is_nearly_used_up(
    delta: float, missing: float, running: float, called: float
) -> None:
    isp = ended(delta, missing)
    assert balancing_demand_mw(isp, running) == pytest.approx(delta + missing + running)
    found = incident_call_mw(isp, offered_up_mw=100.0, offered_down_mw=100.0, running_mw=running, rules=RULES)
    assert found == pytest.approx(called)


@pytest.mark.parametrize(
    "running, up, down",
    [(50.0, 280.0, math.nan), (-50.0, math.nan, -120.0), (0.0, math.nan, math.nan)],
)
def test_its_price_stands_off_the_day_ahead_price(running: float, up: float, down: float) -> None:
    np.testing.assert_equal(RULES.prices_eur_per_mwh(running, 80.0), (up, down))


@pytest.mark.parametrize("bound, expected", [(150.0, 150.0), (60.0, 90.0)])
def test_the_more_extreme_of_ladder_and_incident_reserve_sets_the_price(bound: float, expected: float) -> None:
    bids = EnergyBids(np.zeros(2), np.array([100.0, -100.0]), np.array([90.0, 20.0]), np.ones(2), np.arange(2))
    isp = activate_isp(bids, np.full(225, -50.0), AT_REST)
    prices = price_isp(isp, mfrrda_up_eur_per_mwh=bound)
    assert (prices.state, prices.dispatch_up_eur_per_mwh, prices.has_incident_reserve_up) == (1, expected, True)
    assert prices.shortage_eur_per_mwh == prices.surplus_eur_per_mwh == expected


# --- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs() -> tuple[Played, Played]:
    """One that calls incident reserve early, and the same where there is none."""
    early = world(mfrrda_trigger_share=0.12)
    return play(early), play(world(mfrrda_trigger_share=0.12, mfrrda_up_mw=0.0, mfrrda_down_mw=0.0))


def test_its_price_bounds_the_prices_of_a_run(runs: tuple[Played, Played]) -> None:
    run, without = runs
    called, price = run.tables["system"]["mfrrda_mwh"], run.tables["prices"]
    up, down = called > 0.0, called < 0.0
    assert up.any() and down.any()
    assert (np.abs(called) <= 0.25 * 850.0 + 1e-9).all()
    day_ahead = price["day_ahead_eur_per_mwh"]
    assert (price["up_eur_per_mwh"][up] >= day_ahead[up] + 200.0 - 1e-9).all()
    assert (price["down_eur_per_mwh"][down] <= day_ahead[down] - 200.0 + 1e-9).all()
    assert (price["regulation_state"][up | down] != 0).all()
    only_down = down & (price["regulation_state"] == -1)
    assert only_down.any()
    np.testing.assert_allclose(price["imbalance_surplus_eur_per_mwh"][only_down], price["down_eur_per_mwh"][only_down])
    assert not without.tables["system"]["mfrrda_mwh"].any()


def test_it_takes_the_place_of_afrr_and_leaves_the_imbalance_of_parties_alone(runs: tuple[Played, Played]) -> None:
    run, _ = runs
    energy = [r.tables["system"]["afrr_up_mwh"] + r.tables["system"]["afrr_down_mwh"] for r in runs]
    assert energy[0].sum() < energy[1].sum()
    of_rest = [r.by_party("imbalance_mwh")[1] for r in runs]
    np.testing.assert_allclose(of_rest[0], of_rest[1], atol=1e-6)
    np.testing.assert_allclose(run.by_party("activated_mwh")[1], run.tables["system"]["mfrrda_mwh"])


def test_it_is_paid_the_balancing_price_and_money_sums_to_zero(runs: tuple[Played, Played]) -> None:
    run, _ = runs
    called, price, ledger = run.tables["system"]["mfrrda_mwh"], run.tables["prices"], run.tables["ledger"]
    paid = ledger["reason"] == "incident_reserve"
    by_hand = np.where(called > 0.0, price["up_eur_per_mwh"], price["down_eur_per_mwh"]) * called
    assert float(np.sum(ledger["amount_eur"][paid])) == pytest.approx(float(np.nansum(by_hand)), rel=1e-6)
    assert set(ledger["payee"][paid].tolist()) == {"brp: Rest of the country"}
    assert abs(math.fsum(run.model.cashbook.ledger.balance_eur())) < 1e-3


def test_the_default_trigger_leaves_a_normal_day_to_the_afrr() -> None:
    assert not play(world()).tables["system"]["mfrrda_mwh"].any()
