"""What drivers feel and how cars react, set in a scenario, changes what a run shows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from experiments.kpis import kpis_of
from experiments.scenario import InputError, read_scenario
from tests.model_worlds import Played, play

STREET = ("fleet.home.evs=90", "fleet.public_ac.evs=60", "fleet.public_ac.charging_points=24", "fleet.office.evs=0",
          "fleet.depot.evs=0", "fleet.shared.evs=0", "fleet.dc_site.evs=0", "fleet.home.strategy=price_optimal_v1g",
          "regulation.emsp_app_share=1.0", "fleet.opt_out_share=0.0", "fleet.drivers.refuse_share=0.0",
          "fleet.drivers.stating_error_min=0.0", "fleet.drivers.stating_error_share=0.0")  # fmt: skip


@cache
def run(*changes: str) -> Played:
    return play(read_scenario("small", [*STREET, *changes]).to_settings())


def figure(name: str, *changes: str) -> float:
    return kpis_of(run(*changes).tables)[name]


# --- range anxiety ---------------------------------------------------------------------------------------------------


def test_anxious_drivers_plug_in_more_often_and_want_the_battery_full():
    fleet = run("fleet.drivers.anxious_share=0.5").model.town.fleet
    v, s = fleet.vehicles, fleet.sessions
    battery = (v.group <= 1) & (v.capacity_kwh > 20.0)
    sessions = np.bincount(s.ev_row, minlength=len(v))
    anxious, calm = battery & v.is_anxious, battery & ~v.is_anxious
    assert 0.35 < anxious.sum() / battery.sum() < 0.65
    assert sessions[anxious].mean() > 1.1 * sessions[calm].mean()
    assert (v.desired_share[anxious] == 1.0).all()
    assert v.desired_share[calm].mean() < 0.95


def test_range_anxiety_costs_savings_and_takes_sessions_out_of_smart_charging():
    none, all_ = ("fleet.drivers.anxious_share=0.0",), ("fleet.drivers.anxious_share=1.0",)
    assert figure("opt_out_share", *none) == 0.0
    assert figure("opt_out_share", *all_) > 0.0
    saved = [figure("driver_saving_eur_per_kwh", *who) for who in (none, all_)]
    assert saved[1] < 0.9 * saved[0]


def test_a_higher_minimum_brings_energy_forward():
    low, high = (run("fleet.drivers.anxious_share=0.0", f"fleet.drivers.minimum_share={m}") for m in (0.0, 0.6))
    told = [r.message("ChargingPreference")["items"] for r in (low, high)]
    assert told[0] == told[1] > 0
    saving = [kpis_of(r.tables)["driver_saving_eur_per_kwh"] for r in (low, high)]
    assert saving[1] < saving[0]


def test_drivers_who_refuse_are_as_many_as_the_scenario_says():
    share = figure("opt_out_share", "fleet.drivers.refuse_share=0.4", "fleet.drivers.anxious_share=0.0")
    assert 0.25 < share < 0.55


# --- how cars react --------------------------------------------------------------------------------------------------


def test_a_dead_time_cuts_its_share_of_the_first_quarter():
    """A one-phase car that starts at 3.68 kW after 225 of 900 seconds draws 2.76 kW in the mean."""
    late, prompt = run("fleet.cars.reaction_s=225.0"), run()
    homes = [r.model.town.grid.connections.rows_of_kind("home") for r in (late, prompt)]
    count = [
        np.isclose(r.model.record.ev_kw[h], 2.76, atol=1e-3).sum() for r, h in zip((late, prompt), homes, strict=True)
    ]
    assert count[0] > 15
    assert count[1] == 0


def test_a_ramp_counts_as_half_its_length_of_dead_time():
    ramp, dead = run("fleet.cars.ramp_s=300.0"), run("fleet.cars.reaction_s=150.0")
    np.testing.assert_allclose(ramp.ev_kw, dead.ev_kw, rtol=1e-12)


@pytest.mark.parametrize("key", ["deaf_share=1.0", "sleeper_share=1.0"])
def test_cars_that_do_not_wake_from_a_pause_miss_energy_when_steered_only(key):
    changes = (f"fleet.cars.{key}", "fleet.cars.wake_min=240.0", "fleet.cars.sleep_after_min=15.0")
    steered = figure("service_missing_share", *changes)
    at_once = figure("service_missing_share", *changes, "fleet.home.strategy=uncontrolled",
                     "fleet.public_ac.strategy=uncontrolled")  # fmt: skip
    assert steered > 0.05
    assert at_once < 0.2 * steered


def test_reserve_and_warranty_bound_what_v2x_delivers():
    v2x = ("fleet.home.strategy=price_optimal_v2x", "fleet.v2x_share=0.6")
    free = figure("v2x_discharged_mwh", *v2x)
    assert free > 0.0
    assert figure("v2x_discharged_mwh", *v2x, "fleet.cars.v2x_reserve_share=1.0") == 0.0
    assert figure("v2x_discharged_mwh", *v2x, "fleet.cars.v2x_warranty_kwh_per_week=0.0") == 0.0


def test_wrong_shares_are_refused_with_their_range():
    with pytest.raises(InputError) as refused:
        read_scenario("small", ["fleet.drivers.anxious_share=1.5", "fleet.cars.reaction_s=-1.0", "fleet.cars.ramps=1"])
    text = str(refused.value)
    for part in ("fleet.drivers.anxious_share", "0 to 1", "fleet.cars.reaction_s", "fleet.cars.ramps", "ramp_s"):
        assert part in text


def test_a_slow_reaction_is_no_overdraw():
    """After a lower limit the old power counts on for half a minute; nobody is stopped for it, and service holds."""
    slow = run("fleet.cars.reaction_s=30.0")
    assert not slow.model.cast.stations.is_interrupted.any()
    assert kpis_of(slow.tables)["service_missing_share"] < 0.005
