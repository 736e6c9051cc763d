"""Drivers, strategies and the one budget of flexibility in whole runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.fleet.strategies import STRATEGIES
from agents.roles.aggregator import SITE_STRATEGIES
from tests.model_worlds import Played, play, world


@cache
def lasting(*, is_learning: bool, **changes: Any) -> Played:
    settings = world(home=24, public=6, office=0, depot=0, dc=0, days=3, **changes)
    return play(replace(settings, fleet=replace(settings.fleet, is_learning=is_learning)))


def test_a_driver_who_was_let_down_opts_out_and_one_who_was_not_keeps_the_same_draw():
    taught, fixed = lasting(is_learning=True), lasting(is_learning=False)
    np.testing.assert_array_equal(taught.tables["sessions"]["arrival_min"], fixed.tables["sessions"]["arrival_min"])
    drivers = taught.model.cast.drivers
    drawn = taught.model.town.fleet.vehicles.is_opt_out.astype(bool)
    np.testing.assert_array_equal(fixed.model.cast.drivers.refuses, drawn)
    assert drivers.experience.days.sum() > 0
    mood = drivers.experience.impression_log_odds
    assert mood.min() < 0.0
    assert (drivers.refuses[mood <= 0.0] <= drawn[mood <= 0.0]).all()
    assert (drivers.refuses[mood >= 0.0] >= drawn[mood >= 0.0]).all()


def test_the_first_day_is_the_same_whether_or_not_drivers_learn():
    taught, fixed = lasting(is_learning=True), lasting(is_learning=False)
    np.testing.assert_array_equal(taught.ev_kw[:, :96], fixed.ev_kw[:, :96])


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_runs_in_the_main_loop_and_serves_its_drivers(name):
    found = play(world(home=8, public=0, office=16, depot=4, dc=0, homes=20, strategy=name, emsp_app_share=1.0))
    table = found.tables["drivers"]
    asked = found.tables["sessions"]["desired_kwh"].sum()
    assert table["missing_kwh"].sum() < 0.04 * asked
    town = found.model.town
    total = town.base_kw + found.model.record.ev_kw
    sites = town.grid.connections.rows_of_kind("office")
    assert (total[sites] <= town.grid.connections.capacity_kw[sites][:, None] + 0.5).all()
    if name in SITE_STRATEGIES:
        assert np.isfinite(found.model.cast.aggregator.site_kw).all()


def test_pv_following_takes_more_of_the_roof_than_charging_at_once():
    def own_sun(strategy: str) -> float:
        settings = world(
            home=20, public=0, office=0, depot=0, dc=0, homes=20, strategy=strategy, emsp_app_share=1.0,
            first_day=date(2026, 6, 14),
        )  # fmt: skip
        found = play(replace(settings, grid=replace(settings.grid, pv_share=1.0)))
        surplus = np.maximum(-found.model.town.base_kw, 0.0)
        return float(np.minimum(surplus, np.maximum(found.model.record.ev_kw, 0.0)).sum())

    assert own_sun("pv_following") > 1.2 * own_sun("uncontrolled")


def test_no_kilowatt_is_sold_twice_in_a_period():
    """Less charging sold as FCR, aFRR and redispatch together never exceeds what the pool would have drawn."""
    found = play(
        world(home=40, public=30, office=0, depot=0, dc=0, homes=60, days=2, min_bid_mw=0.1, representation=5000,
              congestion_threshold_share=0.5, redispatch_min_order_mw=0.001)
    )  # fmt: skip
    m, scale = found.model, found.settings.representation / 1000.0
    n = m.horizon.n_periods
    baseline_mw = m.record.baseline_kw * scale
    activated_up = np.maximum(m.record.activated_mwh, 0.0) / 0.25
    assert activated_up.max() > 0.0
    fcr = m.cast.aggregator.fcr_mw[:n]
    offered_up = m.cast.bsp.up_mw
    # the energy bid leaves room for what is held ready as FCR
    bid = np.maximum(offered_up - m.cast.bsp.fcr_mw, 0.0)
    assert (activated_up <= bid + 1e-6).all()
    assert (activated_up + np.minimum(fcr, offered_up) <= np.maximum(baseline_mw, offered_up) + 1e-6).all()
    # what is promised as reserve is not offered against congestion
    offer = m.cast.aggregator._offer
    if offer is not None:
        periods = offer.first_period + np.arange(offer.reducible_kw.shape[1])
        inside = periods < n
        reserved = m.cast.aggregator.reserved_up_mw[periods[inside]]
        reducible = offer.reducible_kw.sum(axis=0)[inside] * scale
        flexible = 0.6 * offer.prognosis_kw.sum(axis=0)[inside] * scale
        assert (reducible + np.minimum(reserved, flexible) <= flexible + 1e-6).all()


def test_the_pool_pays_for_what_it_does_not_deliver():
    """The same activations without delivery cost the party behind the pool the difference at the imbalance price."""
    settings = world(home=40, public=30, office=0, depot=0, dc=0, homes=60, days=2, min_bid_mw=0.1)

    honest = play(settings)
    row = honest.model.cast.pool_brp.row
    first = int(np.argmax(np.abs(honest.model.record.baseline_kw - honest.ev_kw.sum(axis=0))))

    def idle(model: Any) -> None:
        """One period in which what is called never reaches the cars."""
        pool = model.cast.aggregator
        hear = pool.hear_activations
        pool.hear_activations = lambda: None if model.period == first else hear()

    lazy = play(settings, prepare=idle)
    sold = [r.by_party("activated_mwh")[row][first] for r in (honest, lazy)]
    up = sold[0]
    assert sold[0] == sold[1] != 0.0
    metered = [r.by_party("metered_mwh")[row][first] for r in (honest, lazy)]
    imbalance = [r.by_party("imbalance_mwh")[row][first] for r in (honest, lazy)]
    # less charging delivered = less metered; who did not deliver is short by exactly that
    assert np.sign(metered[1] - metered[0]) == np.sign(up)
    assert imbalance[0] - imbalance[1] == pytest.approx(metered[1] - metered[0], abs=1e-6)


def test_every_segment_reports_its_gap_to_the_optimum_on_request():
    settings = world(home=10, public=0, office=8, depot=3, dc=0, homes=20, strategy="price_optimal_v1g", v2x_share=0.0)
    found = play(replace(settings, is_gap_wanted=True))
    table = found.tables["gap"]
    assert table["segment"].tolist() == ["home", "office", "depot"]
    assert set(table["solver"].tolist()) == {"HiGHS"}
    assert (table["gap_share"] > -0.01).all()
    assert (table["gap_share"] < 1.0).all()
    assert play(settings).tables["gap"]["segment"].size == 0
