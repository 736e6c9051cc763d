"""The gap to the optimum of a finished run: by hand on two cars, and the same from the folder as from the run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.fleet.gap import gap_of_sessions
from experiments.cli.app import app
from experiments.run import run_scenario
from experiments.scenario import read_scenario

PRICE = np.array([0.40, 0.20, 0.30, 0.10])
SESSION = {
    "arrival_min": 0, "departure_min": 60, "arrival_kwh": 10.0, "desired_kwh": 40.0, "delivered_kwh": 4.5,
    "metered_kwh": 5.0, "discharged_kwh": 0.0, "max_kw": 10.0, "max_discharge_kw": 0.0, "reserve_kwh": 5.0,
    "efficiency_share": 0.9, "energy_eur": 2.0,
}  # fmt: skip


def sessions(*rows: dict[str, float]) -> dict[str, np.ndarray]:
    return {name: np.array([{**SESSION, **row}[name] for row in rows]) for name in SESSION}


def test_two_cheapest_quarters_are_the_optimum_of_five_kilowatt_hours():
    gap = gap_of_sessions(sessions({}), PRICE)
    assert gap.optimum_eur == pytest.approx(2.5 * 0.10 + 2.5 * 0.20)
    assert gap.run_eur == 2.0
    assert gap.gap_share == pytest.approx(2.0 / 0.75 - 1.0)
    assert gap.solver == "HiGHS"


def test_who_leaves_early_and_who_is_open_at_the_end_count_with_the_time_they_had():
    early = gap_of_sessions(sessions({"departure_min": 30}), PRICE)
    assert early.optimum_eur == pytest.approx(2.5 * 0.40 + 2.5 * 0.20)
    late = gap_of_sessions(sessions({"arrival_min": -300, "departure_min": 900}), PRICE)
    assert late.optimum_eur == pytest.approx(0.75)


def test_a_car_that_delivered_is_held_against_the_optimum_with_delivery():
    row = {"max_discharge_kw": 10.0, "discharged_kwh": 0.1, "delivered_kwh": 0.0, "energy_eur": 0.0}
    gap = gap_of_sessions(sessions(row), PRICE)
    # deliver 2.5 kWh at 0.40, buy 2.5 at 0.20 and 2.5 at 0.10; what is then too much in the battery is sold at 0.30
    too_much = 2 * 2.5 * 0.9 - 2.5 / 0.9
    assert gap.optimum_eur == pytest.approx(-2.5 * 0.40 + 2.5 * 0.20 + 2.5 * 0.10 - 0.9 * too_much * 0.30)
    assert gap.optimum_eur < 0.0
    assert gap.solver == "exact storage optimum"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("gap") / "run"
    changes = ["output.is_report=false", "output.is_gap=true", "fleet.v2x_share=0.0"]
    run_scenario(read_scenario("small", changes), place)
    return place


def test_the_folder_tells_the_same_gap_as_the_run(folder):
    from experiments.results import Results

    told = CliRunner().invoke(app, ["gap", str(folder), "--json"])
    assert told.exit_code == 0, told.output
    stored = Results.open(folder).table("gap").collect()
    for row, kept in zip(json.loads(told.stdout), stored.iter_rows(named=True), strict=True):
        assert row["segment"] == kept["segment"] and row["strategy"] == kept["strategy"]
        assert row["gap_share"] == pytest.approx(kept["gap_share"], abs=1e-9)
        assert row["run_eur"] > 0.0 and row["gap_share"] > -0.02
    spent = Results.open(folder).table("sessions").collect()
    assert spent["energy_eur"].sum() == pytest.approx(stored["run_eur"].sum())


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    told = CliRunner().invoke(app, ["gap", str(tmp_path)])
    assert told.exit_code == 2
