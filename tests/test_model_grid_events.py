"""Outages, supply over the ring, islands and trips in runs: who is dark, who feeds whom, and nothing gets lost."""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from agents.settings import EventSettings
from experiments.kpis import kpis_of
from experiments.scenario.faults import InputError
from experiments.scenario.reader import read_scenario
from grid.files import write_grid
from grid.topology import Grid, add_cable, add_source, add_transformer
from tests.model_worlds import play, world

TRAFO = "trafo-a01"


def with_events(*events, lv_areas=1, protected=False, **more):
    settings = world(**more)
    grid = replace(settings.grid, events=tuple(events), is_protected=protected, lv_areas=lv_areas)
    return replace(settings, grid=grid)


def outage(hours=4.0, first_h=18.0, branch=TRAFO, kind="outage", resupply_h=1.0):
    return EventSettings(kind, branch, first_h, hours, resupply_h)


@pytest.fixture(scope="module")
def run():
    """The only transformer of a street fails on a winter evening; a third of the cars can deliver."""
    return play(with_events(outage(), home=30, v2x_share=0.6, fidelity="three_phase"))


@pytest.fixture(scope="module")
def calm():
    return play(with_events(home=30, v2x_share=0.6, fidelity="three_phase"))


DARK = slice(72, 88)


def behind(run):
    """Connections that the transformer feeds."""
    arrays = run.model.town.grid.arrays
    lost = ~arrays.switched({arrays.branch_index[TRAFO]: False}).is_energised
    return np.flatnonzero(lost[run.model.town.grid.connections.node_index])


def test_dark_connections_take_nothing_from_the_grid(run):
    loading = run.model.record.loading_share
    k = run.model.town.grid.arrays.branch_index[TRAFO]
    assert (loading[DARK, k] == 0.0).all() and (loading[60:72, k] > 0.0).all() and (loading[88:, k] > 0.0).all()
    net = run.model.town.base_kw[behind(run), DARK] + run.model.record.ev_kw[behind(run), DARK]
    assert np.abs(net).max() < 1e-4
    assert (run.model.record.ev_kw[behind(run), DARK] <= 1e-9).all()


def test_demand_is_either_served_by_cars_or_noted_as_unserved(run, calm):
    row = {k: v[0] for k, v in run.tables["outages"].items()}
    rows = behind(run)
    asked, used = (
        0.25 * (m.town.home_kw + m.town.site_kw)[rows, DARK].sum(dtype=float) for m in (calm.model, run.model)
    )
    assert row["unserved_kwh"] == pytest.approx(asked - used, rel=1e-5) and row["unserved_kwh"] > 1.0
    assert row["emergency_kwh"] > 1.0
    from_cars = -0.25 * run.model.record.ev_kw[rows, DARK].sum(dtype=float)
    assert row["emergency_kwh"] == pytest.approx(from_cars, rel=1e-5)
    sun = 0.25 * run.model.town.roof_kw[rows, DARK].sum(dtype=float)
    assert used == pytest.approx(row["emergency_kwh"] + sun, rel=1e-4)
    assert row["postponed_kwh"] > 0.0
    assert row["connections"] == len(rows) and row["periods"] == 16
    assert 0.0 < row["connection_h"] < 4.0 * len(rows)


def test_the_rest_of_the_day_is_as_it_was(run, calm):
    rest = np.r_[0:72]
    for name in ("loading_share", "voltage_min_pu"):
        assert np.array_equal(getattr(run.model.record, name)[rest], getattr(calm.model.record, name)[rest])
    free, calm_free = (uncontrolled_loading(m) for m in (run, calm))
    assert free[:72] == pytest.approx(calm_free[:72], abs=1e-6)


def uncontrolled_loading(played):
    share = played.tables["branch_loading"]["uncontrolled_loading_share"]
    return share.reshape(-1, played.model.town.grid.arrays.n_branches)


def test_the_twin_lives_through_the_same_outage(run, calm):
    """Uncontrolled cars stand still as well, ask again afterwards, and the twin's homes are as dark."""
    k = run.model.town.grid.arrays.branch_index[TRAFO]
    assert (uncontrolled_loading(run)[DARK, k] == 0.0).all() and (uncontrolled_loading(calm)[DARK, k] > 0.0).all()
    free, calm_free = run.uncontrolled_kw, calm.uncontrolled_kw
    assert np.array_equal(free[:, :72], calm_free[:, :72])
    home = list(run.settings.fleet.segments).index("home")
    assert free[home, DARK].max() <= 0.0 < calm_free[home, DARK].min()
    assert free[home, 88] > calm_free[home, 88]
    row, own = ({c: v[0] for c, v in run.tables[name].items()} for name in ("uncontrolled_outages", "outages"))
    assert all(row[name] == own[name] for name in ("kind", "branch_index", "first_period", "periods", "connections"))
    assert row["unserved_kwh"] > 0.0 and row["postponed_kwh"] > 0.0
    household = run.load("uncontrolled_kw")["household"]
    lost = 0.25 * (calm.load()["household"] + calm.load()["site"] - household - run.load("uncontrolled_kw")["site"])
    assert (
        lost[DARK].sum() == pytest.approx(row["unserved_kwh"], rel=1e-5)
        and np.abs(np.delete(lost, np.r_[DARK])).max() < 1e-6
    )
    ended = run.model.twin.state.departure_kwh, run.model.town.reference.state.departure_kwh
    known = np.isfinite(ended[0]) & np.isfinite(ended[1])
    assert ended[0][known].sum() <= ended[1][known].sum() + 1e-6  # who leaves after the outage has no more than before


def test_cars_stop_at_their_reserve_and_only_staying_v2x_cars_deliver(run):
    state, fleet = run.model.cast.evs.state, run.model.town.fleet
    fed = np.flatnonzero(state.session_export_kwh > 0.0)
    ev = fleet.sessions.ev_row[fed]
    assert len(fed) and (fleet.vehicles.discharge_kw[ev] > 0.0).all()
    assert fleet.points.is_bidirectional[fleet.sessions.cp_row[fed]].all()
    floor = fleet.vehicles.reserve_share * fleet.vehicles.capacity_kwh
    seen = []

    def watch(model):
        now = model.cast.evs.state
        seen.append((now.battery_kwh.copy(), now.discharged_kwh.copy()))

    play(run.settings, watch)
    gave = 0
    for (_, before), (battery, after) in pairwise(seen[71:88]):
        giving = after > before
        gave += int(giving.sum())
        assert (battery[giving] >= floor[giving] - 1e-6).all()
    assert gave > 10


def test_energy_and_money_still_balance(run):
    t = run.tables
    assert np.abs(t["energy"]["residual_kwh"]).max() < 1e-3
    state, fleet = run.model.cast.evs.state, run.model.town.fleet
    gained = state.battery_kwh - fleet.vehicles.start_kwh
    net = np.zeros(fleet.n_evs)
    np.add.at(net, fleet.sessions.ev_row, state.session_import_kwh - state.session_export_kwh)
    metered = 0.25 * run.ev_kw.sum()
    assert state.import_kwh.sum() - state.export_kwh.sum() == pytest.approx(metered, rel=1e-6)
    assert np.isfinite(gained).all() and net.sum() == pytest.approx(metered, rel=1e-6)
    for period in (72, 80, 95):
        assert abs(run.by_party("imbalance_mwh")[:-1, period].sum()) < 5000.0
    ledger = t["ledger"]
    names = {a: i for i, a in enumerate(sorted({*ledger["payer"], *ledger["payee"]}))}
    balance = np.zeros(len(names))
    np.add.at(balance, [names[a] for a in ledger["payee"]], ledger["amount_eur"])
    np.add.at(balance, [names[a] for a in ledger["payer"]], -ledger["amount_eur"])
    assert abs(balance.sum()) < 1e-6


def test_an_outage_nobody_foresaw_is_a_surplus_on_somebodys_bill(run, calm):
    """The town's BRP had bought what the dark street did not use."""
    town = run.by_party("imbalance_mwh")[0] - calm.by_party("imbalance_mwh")[0]
    assert town[73:76].min() > 0.0


def test_voltage_is_not_judged_where_there_is_none(run):
    v = run.model.record.voltage_min_pu
    nodes = run.model.town.grid.connections.node_index[behind(run)]
    assert np.isnan(v[DARK][:, nodes]).all() and np.isfinite(v[:72]).all()
    assert run.tables["events"]["kind"].tolist()[:2] == ["outage", "restored"]


def test_the_ring_takes_over_after_the_switching_time():
    broken = outage(branch="ring-1-01", hours=3.0, resupply_h=0.5)
    played = play(with_events(broken, lv_areas=6, homes=60))
    row = {k: v[0] for k, v in played.tables["outages"].items()}
    assert row["connections"] > 0 and row["resupplied_by"].startswith("ring-1-")
    dark = np.isnan(played.model.record.voltage_min_pu[:, played.model.town.grid.connections.node_index]).sum(axis=1)
    assert (dark[72:74] == row["connections"]).all() and dark[74:].max() == 0
    assert row["connection_h"] <= 0.5 * row["connections"]
    assert "resupply" in played.tables["events"]["kind"]


def test_an_island_shares_its_cars():
    """Alone, a home without a car stays dark; as an island the same street serves more from the same batteries."""
    alone, together = (
        play(with_events(outage(2.0, 5.0, kind=kind), home=30, v2x_share=0.6)) for kind in ("outage", "island")
    )
    unserved = [t.tables["outages"]["unserved_kwh"][0] for t in (alone, together)]
    assert unserved[1] < 0.8 * unserved[0]
    rows, dark = behind(together), slice(20, 28)
    net = together.model.town.base_kw[rows, dark] + together.model.record.ev_kw[rows, dark]
    assert np.abs(net.sum(axis=0)).max() < 1e-3 and np.abs(net).max() > 0.1


@pytest.fixture(scope="module")
def weak_street(tmp_path_factory):
    """80 homes behind 100 kVA."""
    graph = nx.MultiGraph()
    graph.add_node("ms", u_rated=10_500.0)
    graph.add_node("bus", u_rated=400.0)
    add_source(graph, "ms")
    add_transformer(graph, "trafo", "ms", "bus", "100 kVA 10/0.4 kV")
    rows = []
    for k in range(4):
        graph.add_node(f"n{k}", u_rated=400.0)
        add_cable(graph, f"cable{k}", "bus", f"n{k}", "4x150 Al", 50.0)
        rows += [
            {"ean": f"{k}-{i}", "node": f"n{k}", "phase": "L123", "kind": "home", "capacity_kw": 17.25}
            for i in range(20)
        ]
    path = tmp_path_factory.mktemp("grid") / "weak.json"
    write_grid(Grid.from_records(graph, rows, "weak"), path)
    return str(path)


def on_weak_street(file, *, protected=True, **levers):
    settings = with_events(home=60, public=0, office=0, depot=0, dc=0, homes=80, strategy="uncontrolled", **levers)
    return replace(settings, grid=replace(settings.grid, file=file, is_protected=protected))


def test_an_overload_that_lasts_trips_the_branch_until_it_is_repaired(weak_street):
    run = play(on_weak_street(weak_street, absolute_signal_path="none", congestion_tool="none"))
    row = {k: v[0] for k, v in run.tables["outages"].items()}
    assert row["kind"] == "trip" and run.tables["branches"]["branch"][row["branch_index"]] == "trafo"
    first, loading = row["first_period"], run.model.record.loading_share[:, row["branch_index"]]
    # the rule as a reader would follow it: wear adds up while the loading is above 1.25 and is forgotten below
    wear, trip = 0.0, None
    for t in range(first):
        square = float(loading[t]) ** 2 - 1.25**2
        wear = wear + 15.0 * square / (180.0 * (1.6**2 - 1.25**2)) if square > 0 else 0.0
        trip = t if trip is None and wear >= 1.0 else trip
    assert trip == first - 1
    assert (loading[first : first + 8] == 0.0).all() and loading[first + 8] > 0.0
    assert row["unserved_kwh"] > 0.0 and row["postponed_kwh"] > 0.0
    assert "trip" in run.tables["events"]["kind"]


def test_an_overload_that_is_relieved_in_time_does_not_trip(weak_street):
    relieved = play(on_weak_street(weak_street, absolute_signal_path="direct", absolute_signal_threshold_share=1.0))
    assert relieved.tables["outages"]["kind"].tolist() == []
    assert np.nanmax(relieved.model.record.loading_share) > 1.0


def test_without_protection_nothing_trips(weak_street):
    free = play(on_weak_street(weak_street, protected=False, absolute_signal_path="none", congestion_tool="none"))
    assert free.tables["outages"]["kind"].tolist() == []
    assert np.nanmax(free.model.record.loading_share) > 1.6


@pytest.fixture(scope="module")
def protection():
    """The bundled scenario as it is, and with a signal that comes at once."""
    scenario = read_scenario("protection")
    prompt = read_scenario("protection", ["absolute_signal.csp_delay_min=0"])
    return play(scenario.to_settings()), play(prompt.to_settings())


def test_a_signal_that_comes_too_late_costs_a_street_its_supply(protection):
    late, prompt = protection
    t, k = late.tables["outages"], late.model.town.grid.arrays.branch_index["transformer"]
    assert t["kind"].tolist() == ["trip", "trip"] and set(t["branch_index"]) == {k}
    first = int(t["first_period"][0])
    signals = late.tables["interventions"]
    asked = int(signals["period"][signals["kind"] == "absolute_signal"].min())
    assert asked < first - 4  # the operator acted well before the trip, and an hour later it was too late
    loading = late.model.record.loading_share[:, k]
    assert (loading[first : first + 6] == 0.0).all()  # repair_h = 1.5
    cold = slice(first + 6, first + 10)
    assert loading[cold].max() > loading[:first].max()  # everybody who waited charges at once, and it blows again
    assert t["first_period"][1] == first + 10
    kpis = kpis_of(late.tables)
    assert (
        kpis["trips"] == 2.0
        and kpis["unserved_kwh"] == pytest.approx(t["unserved_kwh"].sum())
        and t["unserved_kwh"].min() > 10.0
    )
    told = [text for text in late.tables["events"]["text"] if "tripped at" in text]
    assert len(told) == 2 and told[0].startswith("transformer tripped at")
    assert prompt.tables["outages"]["kind"].tolist() == []
    assert kpis_of(prompt.tables)["trips"] == 0.0 and kpis_of(prompt.tables)["uncontrolled_trips"] == 2.0
    assert prompt.tables["uncontrolled_outages"]["first_period"][0] == 81  # a quarter past eight


def test_twins_trip_alike_whatever_the_run_does(protection):
    late, prompt = (played.tables["uncontrolled_outages"] for played in protection)
    assert all(np.array_equal(late[name], prompt[name]) for name in late)


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ("kind = 'quake'", "event.1.kind", "'quake' is not one of 'outage' or 'island'"),
        ("branch = 'trafo-a1'", "event.1.branch", "did you mean 'trafo-a01'?"),
        ("first_h = 24.0", "event.1.first_h", "24 lies behind the end of the run at 24 h"),
        ("hours = 0.0", "event.1.hours", "0.0 is outside"),
        ("kind = 'island'\nbranch = 'ring-1-04'", "event.1.branch", "cuts no connection off"),
    ],
)
def test_events_are_checked_at_the_door(tmp_path, change, key, expected):
    keys = dict(line.split(" = ") for line in change.splitlines())
    event = {"kind": "'outage'", "branch": "'trafo-a01'", "first_h": "18.0", "hours": "2.0"} | keys
    body = "\n".join(f"{k} = {v}" for k, v in event.items())
    path = tmp_path / "x.toml"
    path.write_text(f"[scenario]\nname = 'x'\nbase = 'small'\n[[event]]\n{body}\n")
    with pytest.raises(InputError) as caught:
        read_scenario(path)
    assert [f.key for f in caught.value.faults] == [key] and expected in str(caught.value)
