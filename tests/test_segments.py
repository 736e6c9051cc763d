"""Every bundled segment scenario runs by name, shrunk here, and its figures tell the story it is there for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from agents.fleet.strategies import STRATEGIES
from agents.fleet.view import SessionView, Signal
from agents.settings import SEGMENTS, TenantSettings
from experiments.kpis import kpis_of
from experiments.scenario import bundled, read_scenario
from tests.model_worlds import Played, play

SMALL: dict[str, tuple[str, ...]] = {
    "home": ("scenario.days=1", "fleet.home.evs=30", "grid.homes=50", "grid.lv_areas=1"),
    "office": ("fleet.home.evs=60", "fleet.office.evs=60", "fleet.office.charging_points=25", "grid.homes=70",
               "grid.lv_areas=1"),
    "public_ac": ("scenario.days=1", "scenario.representation=1000", "fleet.public_ac.evs=90",
                  "fleet.public_ac.charging_points=30", "grid.homes=60", "grid.lv_areas=2"),
    "dc_site": ("fleet.dc_site.evs=240", "fleet.dc_site.charging_points=6", "grid.homes=10"),
    "depot": ("scenario.days=1", "grid.homes=10"),
    "shared_cars": ("scenario.days=1", "fleet.shared.evs=20", "grid.homes=30", "grid.lv_areas=1"),
    "business_park": ("fleet.home.evs=60", "grid.homes=70"),
}  # fmt: skip


@cache
def run(name: str, *more: str) -> Played:
    return play(read_scenario(name, [*SMALL[name], *more]).to_settings())


def kpis(found: Played) -> dict[str, float]:
    return kpis_of(found.tables)


def by_segment(found: Played, column: str) -> dict[str, Any]:
    table = found.tables["drivers"]
    return dict(zip(table["segment"].tolist(), table[column].tolist(), strict=True))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_segment_runs_by_name_and_its_drivers_get_what_they_need(name):
    assert name in bundled()
    assert read_scenario(name).description
    found = kpis(run(name))
    assert found["sessions"] > 5
    assert found["ev_energy_mwh"] > 0.0
    assert found["missing_share"] < 0.06
    assert np.isnan(run(name).tables["branch_loading"]["loading_share"]).sum() == 0


def test_the_files_say_what_they_teach():
    for name in SMALL:
        first = bundled()[name].read_text().splitlines()[0]
        assert first.startswith("# ")
        assert len(read_scenario(name).description) > 40


def test_v2x_homes_deliver_in_the_evening_and_pay_less_than_without():
    with_v2x, without = run("home"), run("home", "fleet.v2x_share=0.0")
    assert kpis(without)["v2x_discharged_mwh"] == 0.0
    sold = with_v2x.tables["sessions"]
    assert set(sold["segment"][sold["discharged_kwh"] > 0.1].tolist()) == {"home"}
    assert kpis(with_v2x)["home_drivers_cost_eur"] < kpis(without)["home_drivers_cost_eur"]


def test_delivery_stays_within_the_house_where_feeding_in_does_not_pay():
    ahead = 40
    price, house = np.full(ahead, 0.30), np.zeros((2, ahead))
    price[:8], price[20:] = 0.60, 0.10
    house[:, :8], house[1, 4:8] = 2.0, 0.5
    view = SessionView.of(
        2, energy_now_kwh=40.0, energy_needed_kwh=10.0, capacity_kwh=60.0, max_discharge_kw=11.0, min_kw=1.38,
        departure_period=ahead,
    )  # fmt: skip
    signal = Signal(
        price, feed_in_eur_per_kwh=np.full(ahead, 0.05), wear_eur_per_kwh=0.05, own_use_kw=house,
        own_use_eur_per_kwh=np.broadcast_to(price, house.shape),
    )  # fmt: skip
    plan = STRATEGIES["price_optimal_v2x"](view, signal)
    np.testing.assert_allclose(plan[0, :8], -2.0)
    np.testing.assert_allclose(plan[1, :8], [-2.0] * 4 + [0.0] * 4)
    assert (plan[:, 8:] >= 0.0).all()
    np.testing.assert_allclose(np.sum(plan[0, 8:]) * 0.25 * 0.9, 10.0 + 8 * 0.25 * 2.0 / 0.9, rtol=1e-6)


def test_an_office_keeps_its_connection_and_follows_the_roof():
    found = run("office")
    town, ev = found.model.town, found.model.record.ev_kw
    offices = town.grid.connections.rows_of_kind("office")
    rated = np.bincount(
        town.fleet.points.connection_row, weights=town.fleet.points.max_kw, minlength=town.n_connections
    )
    capacity = town.grid.connections.capacity_kw
    assert (rated[offices] > capacity[offices]).all()
    assert ((town.base_kw + ev)[offices] <= capacity[offices][:, None] + 0.5).all()
    assert town.roof_kw[offices].sum() > 0.0
    assert set(found.tables["agreements"]["agreement"].tolist()) == {"non_firm"}
    models = set(town.fleet.vehicles.model.tolist())
    assert len(models) == 1


def test_public_posts_have_a_group_right_and_a_pool_that_balances():
    found = run("public_ac", "regulation.min_bid_mw=0.1")
    assert set(found.tables["agreements"]["agreement"].tolist()) == {"group"}
    assert len(set(found.tables["agreements"]["group"].tolist())) == 2
    pool = kpis(found)
    assert pool["afrr_up_awarded_mw"] + pool["fcr_awarded_mw"] > 0.0


def test_a_fast_charging_site_shares_a_connection_smaller_than_its_chargers():
    found = run("dc_site")
    town = found.model.town
    site = town.grid.connections.rows_of_kind("dc_site")
    assert town.fleet.points.max_kw.sum() > town.grid.connections.capacity_kw[site].sum()
    assert (found.model.record.ev_kw[site] <= town.grid.connections.capacity_kw[site][:, None] + 0.1).all()
    assert found.uncontrolled_kw.max() <= town.grid.connections.capacity_kw[site].sum() + 0.1


def test_a_depot_fills_vans_and_trucks_at_night_within_its_connection():
    found = run("depot")
    town, hour = found.model.town, found.tables["periods"]["local_hour"]
    yard = town.grid.connections.rows_of_kind("depot")
    total = (town.base_kw + found.model.record.ev_kw)[yard]
    assert (total <= town.grid.connections.capacity_kw[yard][:, None] + 0.5).all()
    arrival = found.tables["sessions"]["arrival_min"] / 60.0 % 24.0
    assert np.mean((arrival >= 17.0) & (arrival < 23.0)) > 0.95
    assert set(np.round(town.fleet.points.max_kw, 2).tolist()) == {22.08, 60.0}
    power = found.load()["depot"]
    assert power[(hour >= 9.0) & (hour < 17.0)].sum() < 0.05 * power.sum()


def test_trucks_that_come_home_empty_leave_with_what_the_night_could_give():
    """A truck may need 400 kWh, more than any car: it is planned for all of it."""
    found = play(read_scenario("depot", ["grid.homes=10", "fleet.truck_share=0.4"]).to_settings())
    sessions = found.tables["sessions"]
    is_large = sessions["possible_kwh"] > 250.0
    assert is_large.sum() >= 3
    assert kpis(found)["service_missing_share"] < 0.005


def test_tenants_are_settled_each_by_its_contract_and_nothing_twice():
    found = run("business_park")
    table = found.tables["submeters"]
    assert table["tenant"].tolist() == ["Architects", "Print shop", "Cold store", "connection"]
    assert table["contract"].tolist()[:3] == ["dynamic", "time_of_use", "fixed"]
    assert table["charging_points"].tolist()[:3] == [10, 8, 4]
    row = int(table["connection_row"][0])
    whole = 0.25 * (found.model.town.base_kw + found.model.record.ev_kw)[row].sum(dtype=np.float64)
    assert np.sum(table["taken_kwh"] - table["fed_in_kwh"]) == pytest.approx(whole, rel=1e-5)
    store = table["tenant"].tolist().index("Cold store")
    fixed = (0.13 + 0.0916) * 1.21
    net = table["taken_kwh"][store] - table["fed_in_kwh"][store]
    assert table["cost_eur"][store] == pytest.approx(fixed * net, rel=1e-6)


def test_cars_behind_a_sub_meter_are_planned_at_the_price_of_its_contract():
    """On a fixed price no hour is cheaper: such cars charge at once, those on the dynamic price wait."""
    found = run("business_park")
    model = found.model
    points = model.cast.supplier.tenant_points
    assert {kind: len(rows) for kind, rows in points.items()} == {"dynamic": 10, "time_of_use": 8, "fixed": 4}
    pool = model.cast.aggregator
    for kind, rows in points.items():
        told = pool._contract_prices(rows, slice(0, 96))[0]
        assert np.ptp(told, axis=1).max() == pytest.approx(0.0 if kind == "fixed" else np.ptp(told[0]), abs=1e-9)
    fixed, dynamic = (pool._contract_prices(points[k], slice(0, 96))[0][0] for k in ("fixed", "dynamic"))
    np.testing.assert_allclose(fixed, (0.13 + 0.0916) * 1.21)
    assert np.ptp(dynamic) > 0.02
    alone = {kind: _one_tenant(kind) for kind in ("fixed", "dynamic")}
    waits = {k: _mean_wait_h(r.model, r.model.cast.supplier.tenant_points[k]) for k, r in alone.items()}
    assert waits["fixed"] < 0.8 * waits["dynamic"]


def _one_tenant(contract: str) -> Played:
    """The park with one tenant behind all of its points."""
    settings = read_scenario("business_park", SMALL["business_park"]).to_settings()
    return play(replace(settings, tenants=(TenantSettings("A", contract, point_share=1.0),)))


def _mean_wait_h(model, points):
    """Time from plug-in to the middle of the charging, hours, of sessions at some points that took 3 kWh or more."""
    s, state = model.town.fleet.sessions, model.cast.evs.state
    kw = model.submeters._point_kw
    waits = []
    for row in np.flatnonzero(np.isin(s.cp_row, points) & (s.arrival_min >= 0) & (state.session_import_kwh > 3.0)):
        first, end = int(s.arrival_min[row]) // 15, min(int(s.departure_min[row]) // 15, kw.shape[1])
        power = kw[s.cp_row[row], first:end].astype(float)
        waits.append(float(np.sum(power * np.arange(len(power))) / max(power.sum(), 1e-9)) / 4.0)
    return float(np.mean(waits))


def test_recorded_sessions_replace_drawn_ones_and_bad_rows_are_kept_with_their_reason(tmp_path):
    rows = [
        ("P1", "2026-01-20T08:00:00+01:00", "2026-01-20T17:00:00+01:00", 12.0, "A", "office"),
        ("P2", "2026-01-20T18:00:00+01:00", "2026-01-20T17:00:00+01:00", 12.0, "B", "home"),
        ("P3", "2026-01-20T18:00:00+01:00", "2026-01-21T07:00:00+01:00", 20.0, "C", "home"),
        ("P4", "2026-01-20T10:00:00+01:00", "2026-01-20T10:30:00+01:00", 99.0, "D", "public_ac"),
        ("P5", "2026-01-20T11:00:00+01:00", "2026-01-20T14:00:00+01:00", 6.0, "E", "public_ac"),
    ]
    names = ("point", "arrival", "departure", "energy_kwh", "ev", "segment")
    pl.DataFrame(rows, schema=list(names), orient="row").write_csv(tmp_path / "mine.csv")
    text = (
        '[scenario]\nname="mine"\nfirst_day=2026-01-20\ndays=1\n[fleet]\nsessions="mine.csv"\n'
        '[grid]\nhomes=10\nlv_areas=1\nfidelity="linear"\n'
    )
    (tmp_path / "mine.toml").write_text(text)
    found = play(read_scenario(tmp_path / "mine.toml").to_settings())
    refused = found.tables["refused_sessions"]
    assert refused["row"].tolist() == [2, 4]
    assert "departure is not after arrival" in refused["reason"].tolist()
    sessions = found.tables["sessions"]
    assert sorted(sessions["segment"].tolist()) == ["home", "office", "public_ac"]
    office = sessions["segment"].tolist().index("office")
    assert sessions["metered_kwh"][office] == pytest.approx(12.0, rel=0.02)


def test_segments_of_the_scenarios_cover_all():
    known = {s for name in SMALL for s, v in read_scenario(name).to_settings().fleet.segments.items() if v.evs > 0}
    assert known == set(SEGMENTS)
