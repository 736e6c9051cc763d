"""Same settings, same bytes: twice, in another process, and with another policy the same drivers."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import mesa
import numpy as np
import pytest

from agents.model import Flexpolder, simulate
from experiments.provenance import ROOT
from experiments.run import run_scenario
from experiments.scenario import read_scenario
from experiments.store.tables import TABLES
from tests.model_worlds import Played, play, world

SMALL = ("fleet.home.evs=20", "fleet.public_ac.evs=10", "fleet.public_ac.charging_points=6", "grid.homes=40",
         "grid.lv_areas=1", "regulation.min_bid_mw=0.1")  # fmt: skip

IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from experiments.run import run_scenario
from experiments.scenario import read_scenario
scenario = read_scenario("small", sys.argv[2:])
print(run_scenario(scenario, Path(sys.argv[1]), write_report=None).digest)
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    return run_scenario(read_scenario("small", SMALL), out)


def files_of(folder):
    """Bytes of everything but the manifest, which also tells time and memory."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "manifest.json"}


def test_the_same_settings_give_the_same_bytes(first, tmp_path):
    again = run_scenario(read_scenario("small", SMALL), tmp_path / "again")
    assert again.digest == first.digest
    assert files_of(again.out) == files_of(first.out)
    assert set(TABLES) == {name.removesuffix(".parquet") for name in files_of(first.out)} - {"kpis.json"}


def test_another_process_gives_the_same_bytes(first, tmp_path):
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path / "other"), *SMALL]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == first.digest
    assert files_of(tmp_path / "other") == files_of(first.out)


def test_another_seed_gives_other_bytes(first, tmp_path):
    other = run_scenario(read_scenario("small", (*SMALL, "scenario.seed=2")), tmp_path / "other")
    assert other.digest != first.digest


DRIVERS = ("session_row", "ev_row", "charging_point_row", "segment", "arrival_min", "departure_min", "driver_group")


@pytest.fixture(scope="module")
def as_it_is() -> Played:
    return play(world())


@pytest.mark.parametrize(
    "policy",
    [
        {"iso15118_share": 1.0, "oem_api_share": 1.0, "absolute_signal_path": "none"},
        {"supply_contract": "fixed", "day_ahead_mtu_min": 60, "is_dual_pricing": False, "fcr_demand_mw": 0.0},
        {"strategy": "uncontrolled", "cut": (("aggregator", "cpo"),)},
    ],
    ids=["data", "markets", "steering"],
)
def test_a_changed_policy_does_not_roll_the_dice_again(as_it_is, policy):
    changed = play(world(**policy))
    for column in DRIVERS:
        np.testing.assert_array_equal(
            changed.tables["sessions"][column], as_it_is.tables["sessions"][column], err_msg=column
        )
    for name in ("household", "pv", "site"):
        np.testing.assert_array_equal(changed.load()[name], as_it_is.load()[name])
    # what weather and outages leave available; producers may run less or more of it at other prices
    np.testing.assert_array_equal(changed.model.nation.available_mw, as_it_is.model.nation.available_mw)
    for segment in changed.settings.fleet.segments:
        np.testing.assert_array_equal(
            changed.load("uncontrolled_kw")[segment], as_it_is.load("uncontrolled_kw")[segment]
        )


def test_a_policy_does_change_the_run(as_it_is):
    """Otherwise the test above would pass on levers that do nothing."""
    changed = play(world(strategy="uncontrolled"))
    assert not np.array_equal(changed.load()["home"], as_it_is.load()["home"])


def test_a_run_is_let_go():
    """Mesa keeps every model alive in a dict of its agents' class unless it is taken out."""
    kept = getattr(mesa.Agent, "_ids", {})
    before = len(kept)
    simulate(world(home=3, public=0, office=0, depot=0, dc=0, homes=40))
    assert len(kept) == before
    model = Flexpolder(world(home=3, public=0, office=0, depot=0, dc=0, homes=40))
    gone = weakref.ref(model)
    model.close()
    del model
    gc.collect()
    assert gone() is None
