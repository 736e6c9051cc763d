"""Two minutes of real time: a run of the model whose stations are metered by their registers and settled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.hardware import config
from agents.hardware.replay import replay
from agents.model import simulate
from experiments.hil.demo import free_port
from experiments.hil.programs import station_programs
from experiments.scenario import read_scenario
from tests.test_model_hardware import TINY

PERIODS, PERIOD_S = 8, 15.0
OVERRIDES = (*TINY, "fleet.home.strategy=uncontrolled")  # the cars charge whatever the market does


@pytest.mark.slow
def test_two_minutes_at_factor_1_metered_and_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Eight periods of 15 s on the wall, cars and meters at their natural pace.

    Every Wh of the registers between start and end is in the results once: in its period or as a correction.
    """
    monkeypatch.setattr(config, "pace", lambda factor: ("metered", PERIOD_S))
    port = free_port()
    scenario = tmp_path / "two_minutes.toml"
    stations = (("ST-1", "home/0", "1.6"), ("ST-2", "home/1", "2.0.1"))
    lines = ["[scenario]", 'name = "two_minutes"', 'base = "small"']
    for name, point, _ in stations:
        lines += ["[[hardware]]", f'charging_point = "{point}"', f'station_id = "{name}"', "lease_s = 5.0"]
        lines += ["meter_interval_s = 2.0"]
    lines += ["[hardware_port]", f"port = {port}", 'live_from = "18:00"', "live_hours = 2.0"]
    lines += ["wait_for_stations_s = 60.0", f'folder = "{tmp_path / "hw"}"']
    scenario.write_text("\n".join(lines) + "\n")
    programs = [
        [f"ws://127.0.0.1:{port}", "--id", name, "--ocpp", version, "--interval", "2", "--quiet"]
        for name, _, version in stations
    ]
    with station_programs(programs):
        found = simulate(read_scenario(str(scenario), OVERRIDES).to_settings()).tables
    tables = {name: {k: np.asarray(v) for k, v in table.items()} for name, table in found.items()}
    metered, late = tables["hardware"], tables["hardware_corrections"]
    assert metered["is_metered"].all() and metered["is_steerable"].all()
    assert len(metered["period"]) == PERIODS * len(stations)
    assert (metered["quality"] == 0).mean() > 0.9
    again = replay(tmp_path / "hw" / "recording")
    assert again.differences == []
    settled = {name: [s for s in again.settled if s["station"] == name] for name, _, _ in stations}
    for name, _, _ in stations:
        register = again.points[name].register
        start_s = settled[name][0]["start_utc_s"]
        risen_kwh = (register.value_wh(start_s + PERIODS * PERIOD_S) - register.value_wh(start_s)) / 1000.0
        mine, later = metered["station_id"] == name, late["station_id"] == name
        booked_kwh = metered["energy_kwh"][mine].sum() + late["energy_kwh"][later].sum()
        assert booked_kwh == pytest.approx(risen_kwh, abs=1e-6)
        assert risen_kwh > 0.05  # at least 1.5 kW on average
        told = np.minimum(metered["limit_kw"][mine], 11.04)
        assert (metered["last_kw"][mine] <= 1.05 * told + 0.05).all()
    assert np.abs(tables["energy"]["residual_kwh"]).max() < 1e-6
    paid = tables["ledger"]["amount_eur"][tables["ledger"]["reason"] == "charging_at_station"]
    assert len(paid) and np.isfinite(paid).all()
