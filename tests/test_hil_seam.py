"""What the main loop sees: four calls, a process beside it, killed and started again, replayed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.hardware.config import HardwareSettings
from agents.hardware.keep import Leases, read_known
from agents.hardware.pipe import HardwareFault
from agents.hardware.recorder import read, recover
from agents.hardware.replay import replay
from agents.hardware.seam import HardwarePort
from agents.hardware.virtual.station import StationOptions, VirtualStation
from agents.port import Quality
from tests.hil_rig import proven, settings, station

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def stations(port: int, *versions: str, **other: Any) -> Iterator[list[VirtualStation]]:
    """Virtual stations S1, S2, … in a thread of their own, each with a car."""
    started, ended = threading.Event(), threading.Event()
    made: list[VirtualStation] = []

    async def live() -> None:
        for i, version in enumerate(versions):
            options = StationOptions(
                f"ws://127.0.0.1:{port}", f"S{i + 1}", version, meter_interval_s=0.25, reconnect_s=0.2, **other
            )
            made.append(VirtualStation(options))
        tasks = [asyncio.create_task(one.run()) for one in made]
        for one in made:
            await one.booted.wait()
            one.plug()
        while not all(one.transaction not in (None, "0") for one in made):
            await asyncio.sleep(0.05)
        started.set()
        while not ended.is_set():
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert started.wait(15.0)
    try:
        yield made
    finally:
        ended.set()
        thread.join(5.0)


def run_periods(port: HardwarePort, limits: list[list[float]]) -> tuple[list[Any], float]:
    """Steps of a main loop; snapshots and the sum of all energy with its corrections."""
    snapshots, energy_kwh = [], 0.0
    for period, limit_kw in enumerate(limits):
        port.post(period, limit_kw)
        port.pace(period)
        snapshot = port.read(period)
        snapshots.append(snapshot)
        energy_kwh += snapshot.energy_kwh.sum() + sum(e.energy_kwh for e in port.late_energy())
    return snapshots, energy_kwh


def drawn_kwh(made: list[VirtualStation]) -> float:
    return sum(one.meter.import_wh - 12_000.0 for one in made) / 1000.0


def test_metered_and_settled_at_factor_1(tmp_path):
    """Two stations, four periods: each follows, and what is settled is what their meters counted."""
    given = proven(settings(tmp_path, station(row=7), station("S2", row=3), period_s=2.0))
    port = HardwarePort(given)
    try:
        assert port.points.tolist() == [7, 3]
        with stations(port.port, "1.6", "2.0.1") as made:
            before = drawn_kwh(made)
            snapshots, energy_kwh = run_periods(port, [[6.0, 11.0], [11.0, 5.0], [11.0, 5.0], [8.0, 8.0]])
            after = drawn_kwh(made)
    finally:
        port.close("done")
    assert all(s.is_metered and not s.is_late for s in snapshots)
    assert snapshots[2].last_kw == pytest.approx([10.971, 4.968], rel=0.01)
    assert all((s.quality == Quality.FRESH).all() for s in snapshots)
    assert all(s.is_steerable.all() for s in snapshots)
    assert energy_kwh == pytest.approx(after - before, abs=0.0025)
    assert not port.is_running


def test_hold_mode_is_marked_as_not_metered(tmp_path):
    port = HardwarePort(proven(settings(tmp_path, mode="hold", period_s=1.0)))
    try:
        with stations(port.port, "1.6"):
            snapshots, _ = run_periods(port, [[8.0], [8.0], [8.0]])
    finally:
        port.close("done")
    last = snapshots[-1]
    assert not last.is_metered
    assert last.power_kw == pytest.approx([7.935], rel=0.05)
    assert last.energy_kwh == pytest.approx(last.power_kw * 0.25)


def test_a_replay_gives_the_same_outcome_twice_and_what_was_recorded(tmp_path):
    port = HardwarePort(settings(tmp_path, station(insist=False), period_s=1.5))
    try:
        with stations(port.port, "1.6"):
            snapshots, _ = run_periods(port, [[6.0], [11.0], [8.0], [8.0], [8.0]])
    finally:
        port.close("done")
    first, second = replay(tmp_path / "rec"), replay(tmp_path / "rec")
    assert json.dumps(first.outcome()) == json.dumps(second.outcome())
    assert first.differences == []
    assert first.calls > 10
    again = [one["energy_kwh"] for one in first.settled]
    assert again == pytest.approx([s.energy_kwh[0] for s in snapshots], abs=1e-9)
    recorded = [(kind, text) for _, _, kind, text in port.events if kind.startswith("proof")]
    replayed = [(e.kind, e.text) for e in first.points["S1"].events() if e.kind.startswith("proof")]
    assert recorded == replayed
    text = "".join(row.payload for row in read(tmp_path / "rec"))
    assert "CAR-TAG-1" not in text


def test_what_cannot_start_says_why(tmp_path):
    with pytest.raises(HardwareFault, match="loopback only"):
        HardwarePort(settings(tmp_path, host="0.0.0.0"))
    given = settings(tmp_path)
    with Leases(given.state_folder / "leases") as held:
        held.take("S1")
        with pytest.raises(HardwareFault, match="held by another run"):
            HardwarePort(given)


def test_neither_absent_stations_nor_a_dead_central_system_stop_the_loop(tmp_path):
    port = HardwarePort(settings(tmp_path, period_s=0.2))
    try:
        snapshots, energy_kwh = run_periods(port, [[8.0], [np.inf], [np.nan]])
        assert (snapshots[-1].quality == Quality.ABSENT).all()
        assert energy_kwh == 0.0
        os.kill(port._central.pid, signal.SIGKILL)
        wait_for(lambda: not port.is_running)
        port.post(3, [8.0])
        snapshot = port.read(3)
        assert snapshot.is_late
        assert (snapshot.quality >= Quality.ESTIMATED).all()
    finally:
        port.close("done")
    port.close("again")
    assert recover(tmp_path / "rec")  # the journal of the killed process is turned into Parquet


SIMULATION = """
import sys, time
from pathlib import Path
from agents.hardware.config import HardwareSettings
from agents.hardware.seam import HardwarePort
port = HardwarePort(HardwareSettings.from_json(Path(sys.argv[1]).read_text()))
total, period = 0.0, 0
while True:
    port.post(period, [float(sys.argv[2])])
    port.pace(period)
    total += float(port.read(period).energy_kwh[0]) + sum(e.energy_kwh for e in port.late_energy())
    print(total, flush=True)
    period += 1
    if len(sys.argv) > 3 and period == int(sys.argv[3]):
        time.sleep(0.6)
        total += float(port.read(period).energy_kwh[0]) + sum(e.energy_kwh for e in port.late_energy())
        port.close("done")
        print(total, flush=True)
        break
"""


def simulation(given: HardwareSettings, *arguments: str) -> subprocess.Popen[str]:
    file = given.folder.parent / "settings.json"
    file.write_text(given.to_json())
    command = [sys.executable, "-c", SIMULATION, str(file), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_the_simulation_killed_and_started_again_in_mid_session(tmp_path):
    """No set-point above a limit, no energy lost or counted twice, the station at its safe limit in between."""
    given = proven(settings(tmp_path, station(lease_s=3.0), port=free_port(), period_s=0.5))
    first = simulation(given, "11.0")
    assert first.stdout is not None
    first.stdout.readline()
    with stations(given.port, "1.6") as made:
        (one,) = made
        wait_for(lambda: one.power_w > 10_000)
        booked = [float(first.stdout.readline()) for _ in range(3)][-1]
        first.kill()
        first.wait(5.0)
        rest = first.stdout.read().split()
        booked = float(rest[-1]) if rest else booked
        wait_for(lambda: one.power_w == pytest.approx(4140.0))  # told by the watchdog, or fallen back by itself
        wait_for(lambda: read_known(given.state_folder, "S1").mark is not None)
        assert one.transaction is not None
        second = simulation(given, "8.0", "6")
        out, _ = second.communicate(timeout=30.0)
        lines = [float(line) for line in out.split()]
        end_kwh = drawn_kwh(made)
        assert one.highest_w_over_limit <= 0.0
    assert second.returncode == 0
    assert booked + lines[-1] == pytest.approx(end_kwh, abs=0.004)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(is_true: Any, seconds: float = 12.0) -> None:
    deadline_s = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline_s, "did not come in time"
        time.sleep(0.02)
