"""Power-quality verdicts of a run against EN 50160 computed once more from its voltages."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.power_quality import means, quality_table
from experiments.kpis import kpis_of
from experiments.scenario import InputError, read_scenario
from grid.quality import QualityRules, judge_flow
from tests.model_worlds import play, world


@pytest.fixture(scope="module")
def run():
    """One street, many one-phase cars that nobody steers."""
    return play(world(home=40, homes=40, strategy="uncontrolled", fidelity="three_phase"))


def rows(run, aspect, area="all"):
    t = run.tables["quality"]
    return {k: v[(t["aspect"] == aspect) & (t["area"] == area)] for k, v in t.items()}


def test_the_verdicts_are_those_of_the_whole_batch(run):
    """The run's own counts, kept period by period, against the flows solved again at once."""
    town, record = run.model.town, run.model.record
    batch = town.flow.solve_many(town.base_kw.T.astype(float), ev_kw=record.ev_kw.T.astype(float), with_angles=True)
    report = judge_flow(batch)
    met: dict[str, Any] = {
        "voltage": report.voltage.is_met.all(axis=-1),
        "unbalance": report.unbalance.is_met,
        "phase_difference": report.phase_difference.is_met,
    }
    for aspect, verdict in met.items():
        row = rows(run, aspect)
        assert row["nodes"].tolist() == [town.grid.arrays.n_nodes]
        assert row["nodes_met"].tolist() == [int(verdict[0].sum())]
    assert kpis_of(run.tables)["phase_difference_met_share"] == met["phase_difference"].mean()


def test_the_two_readings_of_unbalance_differ(run):
    """One-phase charging: fine by the factor of the standard, not by the difference between phases of the report."""
    factor, difference = rows(run, "unbalance"), rows(run, "phase_difference")
    assert difference["p95"][0] > 1.5 * factor["p95"][0] > 0.0
    assert difference["nodes_met"][0] <= factor["nodes_met"][0]


def test_areas_add_up_and_name_their_worst_node(run):
    t = run.tables["quality"]
    area = np.array(run.model.town.grid.arrays.area)
    for aspect in ("voltage", "unbalance", "phase_difference"):
        mine = (t["aspect"] == aspect) & (t["area"] != "all")
        whole = rows(run, aspect)
        assert t["nodes"][mine].sum() == whole["nodes"][0] and t["nodes_met"][mine].sum() == whole["nodes_met"][0]
        assert (area[t["worst_node_index"][mine]] == t["area"][mine]).all()
    deviation = run.model.record.deviation_share
    worst = rows(run, "phase_difference")
    assert worst["outside_share"][0] == pytest.approx((deviation > 0.02).mean(axis=0).max())


def test_frequency_is_judged_for_the_country(run):
    hertz = 50.0 + run.model.dispatch.frequency_hz.reshape(-1, 3).mean(axis=1)
    row = rows(run, "frequency", "country")
    assert row["is_met"][0] == (np.mean(np.abs(hertz - 50.0) > 0.5) <= 0.005)
    assert row["outside_share"][0] == np.mean(np.abs(hertz - 50.0) > 0.5)


def test_a_linear_run_says_nothing_about_unbalance():
    run = play(world(home=8, public=0, office=0, depot=0, dc=0, homes=12))
    assert set(run.tables["quality"]["aspect"]) == {"voltage", "frequency", "frequency_outer"}
    assert np.isnan(kpis_of(run.tables)["unbalance_met_share"])


def test_five_percent_of_a_week_may_be_outside_and_an_interruption_is_not_judged(run):
    """C46 on the run's own accounts: 4 of 96 quarter-hours are allowed, 5 are not; a dark quarter does not count."""
    arrays, hertz = run.model.town.grid.arrays, np.zeros(96 * 225)
    for bad, dark, expected in ((4, 0, True), (5, 0, False), (4, 90, False)):
        record = replace_voltages(run.model.record, bad, dark)
        table = quality_table(record, arrays, hertz, is_three_phase=False)
        assert table["nodes_met"][0] == (arrays.n_nodes if expected else arrays.n_nodes - 1)


def replace_voltages(record, bad, dark):
    """A record in which node 0 is too low for some quarter-hours and without supply for others."""
    from copy import copy

    other = copy(record)
    other.voltage_min_pu = np.full_like(record.voltage_min_pu, 1.0)
    other.voltage_max_pu = np.full_like(record.voltage_max_pu, 1.0)
    other.voltage_min_pu[:bad, 0] = 0.85
    other.voltage_min_pu[bad : bad + dark, 0] = other.voltage_max_pu[bad : bad + dark, 0] = np.nan
    other.voltage_outside = np.zeros_like(record.voltage_outside)
    other.voltage_outside[0, 0, 1] = bad
    return other


RULES = QualityRules(
    voltage_band_share=0.04, voltage_time_share=0.9, unbalance_limit_share=0.0017, unbalance_time_share=0.75,
    frequency_band_share=0.0006, frequency_time_share=0.9, average_min=60, frequency_average_s=20, window_h=12.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def strict():
    """The same street under other rules: means of an hour, windows of half a day, narrow bands."""
    settings = world(home=40, homes=40, strategy="uncontrolled", fidelity="three_phase")
    return play(replace(settings, grid=replace(settings.grid, quality=RULES)))


def test_rules_of_the_scenario_decide_the_verdicts(run, strict):
    """Hours and half-days by hand from the flows of the whole day, against what the run kept as it went."""
    town = strict.model.town
    ev_kw = strict.model.record.ev_kw.T.astype(float)
    batch = town.flow.solve_many(town.base_kw.T.astype(float), ev_kw=ev_kw, with_angles=True)
    hours = {
        "voltage": batch.voltage_pu.reshape(24, 4, -1, 3).mean(axis=1) - 1.0,
        "unbalance": batch.vuf_share.reshape(24, 4, -1).mean(axis=1),
        "phase_difference": batch.phase_deviation_share.reshape(24, 4, -1).mean(axis=1),
    }
    asked = {"voltage": (0.04, 1), "unbalance": (0.0017, 3), "phase_difference": (0.0017, 3)}
    for aspect, (most, allowed) in asked.items():
        count = (np.abs(hours[aspect]) > most).reshape(2, 12, *hours[aspect].shape[1:]).sum(axis=1)
        met = (count <= allowed).all(axis=-1) if aspect == "voltage" else count <= allowed
        row = rows(strict, aspect)
        assert row["week"].tolist() == [0, 1] and row["nodes_met"].tolist() == met.sum(axis=1).tolist()
        assert kpis_of(strict.tables)[f"{aspect}_met_share"] == met.mean()
        assert 0 < met.sum() < met.size, f"{aspect}: a rule that all or none keep shows nothing"
    assert kpis_of(strict.tables)["voltage_met_share"] < kpis_of(run.tables)["voltage_met_share"]
    low, high = strict.model.record.voltage_min_pu, strict.model.record.voltage_max_pu
    outside = kpis_of(strict.tables)["voltage_outside_share"]
    assert outside == pytest.approx(((low < 0.96) | (high > 1.04)).mean(), abs=1e-6)


def test_frequency_is_judged_on_its_own_means_and_windows(strict):
    off_hz = strict.model.dispatch.frequency_hz.reshape(2, -1, 5).mean(axis=2)
    share = np.mean(np.abs(off_hz) > 0.03, axis=1)
    row = rows(strict, "frequency", "country")
    assert row["outside_share"] == pytest.approx(share) and row["is_met"].tolist() == (share <= 0.1).tolist()
    assert row["limit_high"].tolist() == [pytest.approx(50.03)] * 2


def test_a_mean_without_supply_is_not_judged():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 2.0]])
    found = means(values, 2)
    assert found[0, 0] == 2.0 and np.isnan(found[1, 0]) and np.isnan(found[0, 1]) and found[1, 1] == 2.0


def test_a_scenarios_keys_reach_the_rules_and_a_window_must_hold_whole_means():
    keys = ("grid.quality.voltage_band_share=0.05", "grid.quality.average_min=60")
    found = read_scenario("small", keys).to_settings().grid.quality
    assert found == QualityRules(voltage_band_share=0.05, average_min=60)
    with pytest.raises(InputError, match="no whole number of means"):
        read_scenario("small", ["grid.quality.average_min=75"])
    with pytest.raises(InputError, match=r"grid\.quality\.average_min"):
        read_scenario("small", ["grid.quality.average_min=20"])
