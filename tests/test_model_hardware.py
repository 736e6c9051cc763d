"""A physical station in a whole run: steered by the market, metered into the same week."""

from __future__ import annotations

import socket
from dataclasses import replace

import numpy as np
import pytest

from agents.model import simulate
from experiments.hil.programs import station_programs
from experiments.scenario import InputError, read_scenario

TINY = (
    "fleet.home.evs=6",
    "fleet.public_ac.evs=0",
    "fleet.public_ac.charging_points=0",
    "fleet.office.evs=0",
    "fleet.office.charging_points=0",
    "fleet.depot.evs=0",
    "fleet.shared.evs=0",
    "fleet.dc_site.evs=0",
    "fleet.dc_site.charging_points=0",
    "grid.homes=40",
    "grid.lv_areas=1",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_what_a_station_meters_flows_into_load_wires_and_money(tmp_path):
    port = free_port()
    scenario = tmp_path / "plugged.toml"
    scenario.write_text(
        '[scenario]\nname = "plugged"\nbase = "small"\n'
        '[[hardware]]\ncharging_point = "home/0"\nstation_id = "ST-1"\nlease_s = 3.0\nmeter_interval_s = 1.0\n'
        "insist = true\n"
        f'[hardware_port]\nport = {port}\nreal_time_factor = 2400.0\nfolder = "{tmp_path / "hw"}"\n'
    )
    arguments = [f"ws://127.0.0.1:{port}", "--id", "ST-1", "--ocpp", "1.6", "--interval", "1", "--quiet"]
    with station_programs([arguments]):
        tables = simulate(read_scenario(str(scenario), TINY).to_settings()).tables
    seen = {name: np.asarray(values) for name, values in tables["hardware"].items()}
    assert len(seen["period"]) == 96 and set(seen["station_id"]) == {"ST-1"}
    assert seen["power_kw"].max() > 1.0 and not seen["is_metered"].any()
    load = tables["load"]
    home = np.asarray(load["power_kw"])[np.asarray(load["segment"]) == "home"]
    assert (home >= seen["power_kw"] - 1e-6).all()
    guests = np.asarray(tables["ledger"]["reason"]) == "charging_at_station"
    assert guests.any() and np.abs(np.asarray(tables["energy"]["residual_kwh"])).max() < 1e-6


def test_a_point_that_does_not_exist_is_refused_at_the_door(tmp_path):
    scenario = tmp_path / "wrong.toml"
    scenario.write_text(
        '[scenario]\nname = "wrong"\nbase = "small"\n'
        '[[hardware]]\ncharging_point = "home/9999"\nstation_id = "A"\n'
        '[[hardware]]\ncharging_point = "moon"\nstation_id = "B"\n'
    )
    with pytest.raises(InputError) as caught:
        read_scenario(str(scenario))
    assert "hardware.1.charging_point: 'home/9999' does not exist; there are home/0 to home/109" in str(caught.value)
    assert "hardware.2.charging_point: 'moon' does not exist" in str(caught.value)


def test_a_point_that_does_not_exist_is_named():
    settings = read_scenario("hardware", ("hardware_port.port=0",)).to_settings()
    assert settings.hardware is not None
    wrong = replace(settings.hardware.stations[0], charging_point="home/9999")
    with pytest.raises(ValueError, match="charging point 'home/9999' does not exist; there are home/0 to"):
        simulate(replace(settings, hardware=replace(settings.hardware, stations=(wrong,))))
