"""A physical station in a whole run: steered by the market, metered into the same week."""

from __future__ import annotations

import socket
from dataclasses import replace

import numpy as np
import pytest

from agents.hardware.seam import LateEnergy
from agents.model import Flexpolder, simulate
from agents.outcome import collect
from agents.real_stations import hardware_settings
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


@pytest.fixture(scope="module")
def nobody(tmp_path_factory):
    """Two hours in which a station is expected and does not come; energy of it turns up late, all the same."""
    folder = tmp_path_factory.mktemp("nobody")
    scenario = folder / "nobody.toml"
    scenario.write_text(
        '[scenario]\nname = "nobody"\nbase = "small"\nrepresentation = 100\n'
        '[[hardware]]\ncharging_point = "home/0"\nstation_id = "ST-1"\n'
        "[hardware_port]\nport = 0\nreal_time_factor = 3600.0\n"
        f'live_from = "18:00"\nlive_hours = 2.0\nfolder = "{folder / "hw"}"\n'
    )
    model = Flexpolder(read_scenario(str(scenario), TINY).to_settings())
    takes_part, offered = [], []
    try:
        assert model.real is not None
        model.open_early_gates()
        while model.period < model.horizon.n_periods:
            if model.period == 76:
                model.real.port._late.append(LateEnergy(73, 0, 2.0))
                model.real.port._late.append(LateEnergy(74, 0, -0.5))
            model.step()
            takes_part.append(bool(model.cast.aggregator.takes_part[0]))
            offer = model.cast.aggregator._offer
            row = int(model.town.fleet.points.connection_row[0])
            offered.append(0.0 if offer is None else float(offer.increasable_kw[offer.connection_row == row].sum()))
        model.dispatch.dismiss(model.horizon.n_periods - 1)
        tables = {name: {k: np.asarray(v) for k, v in t.items()} for name, t in collect(model).tables.items()}
        yield model, tables, np.array(takes_part), np.array(offered)
    finally:
        model.close()


def test_what_cannot_be_steered_is_offered_to_no_market(nobody):
    """From 18:00 (period 72) to 20:00 nobody can steer the point; its connection is in no offer of those hours."""
    model, tables, takes_part, offered = nobody
    assert model.real.live == range(72, 80)
    assert takes_part[:72].all() and takes_part[80:].all()
    assert not takes_part[72:80].any()
    assert offered[71] > 0.0 and offered[80] > 0.0
    assert not offered[72:80].any()
    hardware = tables["hardware"]
    assert hardware["period"].tolist() == list(range(72, 80))
    assert not hardware["is_steerable"].any() and not hardware["energy_kwh"].any()


def test_energy_found_late_is_paid_at_the_price_of_its_period(nobody):
    """2 kWh more of period 73 and 0.5 kWh less of 74, found in 76: driver, state and imbalance, by hand."""
    model, tables, _, _ = nobody
    found = tables["hardware_corrections"]
    assert found["period"].tolist() == [73, 74] and found["found_period"].tolist() == [76, 76]
    retail = model.cast.supplier.price_eur_per_kwh[[73, 74]]
    assert found["driver_eur"] == pytest.approx(np.array([2.0, -0.5]) * retail)
    price = np.array([model.record.price["shortage"][73], model.record.price["surplus"][74]])
    assert found["imbalance_eur"] == pytest.approx(np.array([0.002, -0.0005]) * price * 100)
    ledger = tables["ledger"]
    billed = (ledger["reason"] == "charging_at_station") & (ledger["period"] == 76)
    assert ledger["amount_eur"][billed].sum() == pytest.approx(1.5 * retail.mean(), rel=0.5)
    late = ledger["reason"] == "late_imbalance"
    assert np.abs(ledger["amount_eur"][late]).sum() == pytest.approx(np.abs(found["imbalance_eur"]).sum())


def test_a_run_with_hardware_tells_events_and_figures(nobody):
    _, tables, _, _ = nobody
    figures = tables["hardware_figures"]
    names = set(figures["figure"][figures["station_id"] == ""])
    assert {"late_steps", "step_jitter_ms", "round_trip_p99_ms", "set_point_to_socket_p99_ms", "late_reads"} <= names
    mine = figures["figure"][figures["station_id"] == "ST-1"]
    assert {"reconnections", "refused_set_points", "samples_above_limit"} <= set(mine)
    assert "released" in tables["hardware_events"]["kind"]


def test_everything_wrong_with_stations_is_told_at_the_door(tmp_path):
    scenario = tmp_path / "wrong.toml"
    scenario.write_text(
        '[scenario]\nname = "wrong"\nbase = "small"\n'
        '[[hardware]]\ncharging_point = "home/0"\nstation_id = "A"\nphases = 2\n'
        '[[hardware]]\ncharging_point = "home/0"\nstation_id = "A"\nsafe_kw = 60.0\n'
        '[hardware_port]\nhost = "0.0.0.0"\nsecrets = "/no/such/file"\nlive_from = "17:20"\n'
    )
    with pytest.raises(InputError) as caught:
        read_scenario(str(scenario))
    assert "hardware_port.live_from" in str(caught.value)
    scenario.write_text(scenario.read_text().replace('live_from = "17:20"\n', ""))
    with pytest.raises(InputError) as caught:
        read_scenario(str(scenario))
    for text in (
        "charging point 'home/0' has 2 stations",
        "2 phases, must be 1 or 3",
        "safe limit of 60 kW outside 0 to 22.08 kW",
        "station 'A' is named 2 times: each needs a connector of its own",
        "security profile 0 is allowed on loopback only, not on 0.0.0.0",
        "hardware_port.secrets: '/no/such/file' is not a file",
    ):
        assert text in str(caught.value)


def test_two_connectors_of_one_station_are_a_scenario(tmp_path):
    scenario = tmp_path / "two.toml"
    entry = '[[hardware]]\ncharging_point = "public_ac/{}"\nstation_id = "A"\nconnector = {}\nstation_limit_kw = 14.0\n'
    scenario.write_text('[scenario]\nname = "two"\nbase = "small"\n' + entry.format(0, 1) + entry.format(1, 2))
    settings = read_scenario(str(scenario)).to_settings()
    assert settings.hardware is not None
    town = build_town_points(settings)
    port = hardware_settings(settings.hardware, *town)
    assert port.faults() == [] and list(port.named) == ["A/1", "A/2"]
    assert [s.station_limit_kw for s in port.stations] == [14.0, 14.0]
    assert [s.envelope.max_kw for s in port.stations] == [11.04, 11.04]


def build_town_points(settings):
    model = Flexpolder(replace(settings, hardware=None))
    try:
        return model.town.fleet.points, model.town.grid.connections
    finally:
        model.close()
