"""Operators against perfect foresight: interventions, cost, forecasts, and the factors that decide money."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from agents.foresight import Wires, operators_table
from agents.roles.grid_operator import Needs
from agents.roles.node_loads import NodeLoads
from experiments.kpis import kpis_of
from grid.power_flow import PowerFlow
from grid.sensitivity import NodeFactors, node_effectivity
from tests.grid_cases import random_meshed, station_grid
from tests.model_worlds import play, world


@pytest.fixture(scope="module")
def run():
    """Two winter days on a street whose wires may only be loaded to 35 %."""
    settings = world(home=40, homes=60, days=2, public=20, fidelity="three_phase", congestion_threshold_share=0.35,
                     redispatch_min_order_mw=0.001, absolute_signal_threshold_share=0.5)  # fmt: skip
    return play(settings)


# --- factors


@pytest.mark.parametrize("make", [station_grid, lambda: random_meshed(np.random.default_rng(4), 25, 3)])
def test_node_factors_are_what_a_full_power_flow_says(make):
    grid = make()
    flow, n = PowerFlow(grid, "symmetric"), len(grid.connections)
    kw = np.random.default_rng(1).uniform(1.0, 9.0, n)
    node_kw = flow.node_kw(kw)
    nodes = np.unique(grid.connections.node_index)
    found = NodeFactors(grid.arrays).at(node_kw, nodes)
    assert found is not None
    base = flow.solve(kw).branch_kw
    for k, node in enumerate(nodes.tolist()):
        less = kw.copy()
        less[np.flatnonzero(grid.connections.node_index == node)[0]] -= 1.0
        assert found[k] == pytest.approx(base - flow.solve(less).branch_kw, abs=1e-4)


def test_an_operating_point_without_solution_gives_no_factors():
    grid = station_grid()
    assert NodeFactors(grid.arrays).at(np.full(grid.arrays.n_nodes, 1e6), np.array([2])) is None


def test_money_is_decided_on_factors_at_the_operating_point(run):
    """They differ from 0/1 by the losses, and predict what the wires really do better than 0/1."""
    dso, town, record = run.model.cast.dso, run.model.town, run.model.record
    t = int(np.argmax(record.loading_share.max(axis=1)))
    trafo = town.grid.arrays.branch_index["trafo-a01"]
    needs = Needs(t, np.array([trafo]), np.array([[50.0]]), np.array([[1]]))
    homes = town.grid.connections.rows_of_kind("home")
    nodes = np.unique(town.grid.connections.node_index[homes])
    dso._ac_day = -1  # the operating point of this quarter
    ac = dso.effectivity_for(needs, nodes)[nodes, trafo]
    plain = dso.effectivity()[nodes, trafo]
    assert (plain == 1.0).all() and (ac > 1.0).all() and ac.max() > 1.01
    flow = PowerFlow(town.grid, "symmetric")
    kw = (town.base_kw[:, t] + record.ev_kw[:, t]).astype(float)
    base, true = flow.solve(kw).branch_kw[trafo], []
    for node in nodes.tolist():
        less = kw.copy()
        less[homes[town.grid.connections.node_index[homes] == node][0]] -= 1.0
        true.append(base - flow.solve(less).branch_kw[trafo])
    assert np.abs(ac - true).mean() < 0.5 * np.abs(plain - true).mean()


def test_where_money_is_not_at_stake_the_topology_is_enough(run):
    dso = run.model.cast.dso
    nothing = Needs(0, np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 4), int))
    assert dso.effectivity_for(nothing, np.arange(5)) is dso.effectivity()
    direct = node_effectivity(run.model.town.flow)
    assert np.abs(dso.effectivity() - direct).max() == 0.0


# --- perfect foresight


def test_interventions_are_judged_by_what_would_have_happened():
    """Four quarters of one 400 kVA element at a limit of 1, worked by hand."""
    measured = np.array([[0.9], [1.1], [0.7], [1.2], [0.8], [0.5]])
    wires = Wires(measured, np.full_like(measured, 0.6), np.array([400.0]), 1.0)
    done = {
        "period": [0, 1, 2, 4, 5],
        "branch_index": [0] * 5,
        # 0: 80 kW take 110 % to 90 %; 1: 40 kW take 120 % to 110 %; 2: 40 kW, would have been 80 %
        # 4: a signal after 120 %; 5: it goes on, and would have stayed there
        "kind": ["redispatch", "redispatch", "capacity_call", "absolute_signal", "absolute_signal"],
        "relief_mw": [0.08, 0.04, 0.04, np.nan, np.nan],
        "cost_eur": [4.0, 2.0, 3.0, 0.0, 0.0],
    }
    t = operators_table(wires, done, {"dso": np.array([True])})
    row = {tool: {k: v[i] for k, v in t.items()} for i, tool in enumerate(t["tool"])}
    assert [row["redispatch"][k] for k in ("interventions", "avoided", "missed", "needless")] == [2, 1, 1, 0]
    assert [row["capacity_call"][k] for k in ("interventions", "avoided", "missed", "needless")] == [1, 0, 0, 1]
    assert [row["absolute_signal"][k] for k in ("interventions", "avoided", "missed", "needless")] == [2, 2, 0, 0]
    # quarter 3 had congestion and nobody did anything
    assert [row["all"][k] for k in ("interventions", "avoided", "missed", "needless")] == [5, 3, 2, 1]
    share = 0.25 * 0.4
    assert row["redispatch"]["avoided_mwh"] == pytest.approx(share * (0.1 + 0.1))
    assert row["absolute_signal"]["avoided_mwh"] == pytest.approx(share * (0.2 + 0.2))
    assert row["all"]["perfect_mwh"] == pytest.approx(share * (0.1 + 0.2 + 0.2 + 0.2 + 0.2))
    assert row["redispatch"]["eur_per_avoided_mwh"] == pytest.approx(6.0 / (share * 0.2))
    assert row["redispatch"]["bought_mwh"] == pytest.approx(0.25 * 0.12)


def test_a_run_tells_what_its_operators_achieved(run):
    t, kpis = run.tables["operators"], kpis_of(run.tables)
    whole = t["tool"] == "all"
    assert t["avoided"][whole].sum() == kpis["interventions_avoided"] > 0
    assert t["needless"][whole].sum() == kpis["interventions_needless"] > 0
    assert t["missed"][whole].sum() == kpis["congestion_missed"] > 0
    for name in ("redispatch", "capacity_call", "absolute_signal"):
        n = np.count_nonzero(run.tables["interventions"]["kind"] == name)
        assert t["interventions"][t["tool"] == name].sum() <= n
    assert kpis["eur_per_avoided_mwh"] > 0.0
    assert t["bought_mwh"][whole].sum() < t["perfect_mwh"][whole].sum()


def test_forecast_probabilities_mean_something(run):
    """The last forecast before delivery: sure classes come often, doubtful ones seldom; better than the mean alone."""
    t = run.tables["forecast_calibration"]
    mine = (t["operator"] == "dso") & (t["horizon"] == "intraday")
    n, p, came = (t[name][mine].astype(float) for name in ("forecasts", "mean_probability", "observed_share"))
    assert np.sum(n * np.abs(p - came)) / n.sum() < 0.15
    assert came[p < 0.2].max() < 0.2 and came[p > 0.8].min() > 0.6
    mean = np.sum(n * came) / n.sum()
    assert np.sum(n * (p - came) ** 2) < 0.2 * np.sum(n * (mean - came) ** 2)


@pytest.fixture(scope="module")
def firms():
    """Thursday to Saturday on two streets with homes, offices, a depot and fast charging; wires may carry 35 %."""
    settings = world(home=60, homes=120, public=20, office=30, depot=8, dc=6, days=3, first_day=date(2026, 1, 22),
                     congestion_threshold_share=0.35, redispatch_min_order_mw=0.001)  # fmt: skip
    return play(replace(settings, grid=replace(settings.grid, lv_areas=2)))


@pytest.mark.parametrize("day", [0, 2])
def test_the_first_day_and_the_first_weekend_are_not_guessed_blindly(firms, day):
    """Before anything was measured, and on the first day of another kind: far better than the mean, and honest."""
    span, dso, model = slice(96 * day, 96 * day + 96), firms.model.cast.dso, firms.model
    limit = firms.settings.regulation.congestion_threshold_share
    wires = Wires(
        model.record.loading_share, model.record.reference_loading_share, model.town.grid.arrays.rated_kva, limit
    )
    happened = (wires.without(firms.tables["interventions"]) > limit)[span][:, dso.is_own].astype(float)
    chance = dso.probability["day_ahead"][span][:, dso.is_own].astype(float)
    assert np.isfinite(chance).all() and happened.any()
    skill = 1.0 - np.mean((chance - happened) ** 2) / np.var(happened)
    assert skill > (0.5 if day == 0 else 0.0)
    said = chance > 0.001
    assert abs(chance[said].mean() - happened[said].mean()) < 0.1


def test_the_sun_is_forecast_and_not_remembered(firms):
    """After a dark day the operator expects of a roof what the weather service says, not what it saw."""
    standard = firms.model.cast.dso.loads.standard
    rows = np.flatnonzero(standard.roof_kwp > 0.0)
    loads, noon = NodeLoads(replace(standard, solar=lambda now, periods: np.zeros(len(periods)))), np.array([48])
    nothing = np.zeros((1, standard.n_nodes))
    dark = loads.expected(0, noon, nothing)[0][0]
    loads.standard = replace(standard, solar=lambda now, periods: np.full(len(periods), 0.5))
    bright = loads.expected(0, noon, nothing)[0][0]
    assert len(rows) and (dark - bright)[rows] == pytest.approx(0.5 * standard.roof_kwp[rows])


def test_a_node_that_uses_double_is_expected_to(firms):
    """Level, usual deviation and error are learned; a node without supply teaches nothing."""
    standard = replace(firms.model.cast.dso.loads.standard, solar=lambda now, periods: np.zeros(len(periods)))
    loads, nothing = NodeLoads(standard), np.zeros(standard.n_nodes)
    node = int(np.argmax(standard.mean_kw.mean(axis=0)))
    for t in range(96):
        net = 2.0 * standard.mean_kw[t]
        net[(node + 1) % standard.n_nodes] = np.nan
        loads.measure(t, net, nothing)
    assert loads.level[node] == pytest.approx(2.0, abs=0.35)
    assert loads.level[(node + 1) % standard.n_nodes] == pytest.approx(1.0)
    mean, sigma = loads.expected(95, np.arange(96, 192), np.zeros((96, standard.n_nodes)))
    assert mean[:, node].sum() == pytest.approx(2.0 * standard.mean_kw[96:192, node].sum(), rel=0.1)
    assert (sigma > 0.0).all()
