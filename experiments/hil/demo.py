"""The bundled demo: an hour of market time with simulated points and real programs that speak OCPP, in hold mode.

The hour has four quarter-hours. In the third one a redispatch calls for less power at all points; the stations follow
it like the simulated ones. Set-points come from a plain series here; a scenario with ``[[hardware]]`` takes them from
the market.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agents.hardware.config import HardwareSettings, StationSettings
from agents.hardware.envelope import Envelope
from agents.hardware.seam import HardwarePort, Snapshot
from agents.port import Quality
from experiments.hil.programs import station_programs

STATIONS = (("DEMO-1", "1.6"), ("DEMO-2", "1.6"), ("DEMO-3", "2.0.1"))
LIMIT_SHARE = (1.0, 1.0, 0.5, 1.0)
"""Limit of each quarter-hour as a share of the rated power; the third is the redispatch."""
RATED_KW = 11.04
COMMISSIONING_S = 30.0
PERIOD_H = 0.25


@dataclass
class Crowd:
    """Simulated points: a battery each, with a taper above 80 % state of charge."""

    soc_share: np.ndarray
    capacity_kwh: np.ndarray

    @classmethod
    def of(cls, n: int, seed: int = 1) -> Crowd:
        """``n`` cars of 40 to 80 kWh, 10 to 75 % full."""
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(0.1, 0.75, n), rng.uniform(40.0, 80.0, n))

    def step(self, limit_kw: np.ndarray) -> np.ndarray:
        """Power over a quarter-hour under limits, kW."""
        room_kw = (1.0 - self.soc_share) * self.capacity_kwh / PERIOD_H
        taper = np.clip((1.0 - self.soc_share) / 0.2, 0.1, 1.0)
        power_kw = np.minimum(np.minimum(limit_kw, RATED_KW * taper), room_kw)
        self.soc_share = self.soc_share + power_kw * PERIOD_H / self.capacity_kwh
        return power_kw


@dataclass(frozen=True)
class DemoResult:
    """What the demo found: one row per period and point, and the figures of the port."""

    periods: pl.DataFrame
    figures: dict[str, float]
    folder: Path

    @property
    def has_followed(self) -> bool:
        """Whether every station kept the redispatch limit and went up again after it."""
        real = self.periods.filter(pl.col("is_hardware"))
        called = real.filter(pl.col("limit_kw") < RATED_KW)
        after = real.filter(pl.col("period") == len(LIMIT_SHARE) - 1)
        told_kw = called["limit_kw"].to_numpy()
        kept = called["last_kw"].to_numpy() <= 1.05 * told_kw + 0.05
        back = after["last_kw"].to_numpy() > 1.1 * told_kw.max(initial=0.0)
        return bool(kept.all() and kept.size and back.all())


def run_demo(folder: Path, seconds: float, points: int, say: Callable[[str], None]) -> DemoResult:
    """Run the demo.

    Parameters
    ----------
    folder : Path
        Where results and recording go.
    seconds : float
        Wall-clock length of the hour.
    points : int
        Simulated points.
    say : callable
        Takes a line of progress.
    """
    port = HardwarePort(_settings(folder, seconds / len(LIMIT_SHARE), points))
    try:
        with station_programs(_arguments(port.port, 3600.0 / seconds)):
            say(f"{len(STATIONS)} stations call 127.0.0.1:{port.port}; commissioning: does each fall back by itself?")
            _commission(port, say)
            rows = _hour(port, Crowd.of(points), say)
    finally:
        port.close("the demo ended")
    return _write(folder, rows, port)


def _settings(folder: Path, period_s: float, points: int) -> HardwareSettings:
    stations = tuple(
        StationSettings(
            name,
            row=points + i,
            envelope=Envelope(22.0, RATED_KW),
            lease_s=3.0,
            meter_interval_s=1.0,
            start_after_s=1.0,
        )
        for i, (name, _) in enumerate(STATIONS)
    )
    return HardwareSettings(stations, folder / "recording", folder / "state", port=0, mode="hold", period_s=period_s)


def _arguments(port: int, factor: float) -> list[list[str]]:
    """Arguments of each station program."""
    options = ["--interval", "1", "--factor", f"{factor:g}", "--capacity", "80", "--soc", "0.2", "--quiet"]
    return [[f"ws://127.0.0.1:{port}", "--id", name, "--ocpp", version, *options] for name, version in STATIONS]


def _commission(port: HardwarePort, say: Callable[[str], None]) -> None:
    """Give every station time to show that it falls back; goes on without those that do not."""
    end_s = time.monotonic() + COMMISSIONING_S
    steerable: set[str] = set()
    while time.monotonic() < end_s and len(steerable) < len(STATIONS):
        time.sleep(0.25)
        port.look()
        for name in sorted(set(port.figures.get("steerable", ())) - steerable):
            steerable.add(name)
            say(f"{name} returns to its safe limit by itself: it may be steered")
    if len(steerable) < len(STATIONS):
        say(f"{len(STATIONS) - len(steerable)} stations did not show it and are held at their safe limit")


def _hour(port: HardwarePort, crowd: Crowd, say: Callable[[str], None]) -> list[pl.DataFrame]:
    rows = []
    for period, share in enumerate(LIMIT_SHARE):
        limit_kw = share * RATED_KW
        port.post(period, np.full(len(port.points), limit_kw))
        simulated_kw = crowd.step(np.full(len(crowd.soc_share), limit_kw))
        port.pace(period)
        snapshot = port.read(period)
        rows.append(_rows(period, limit_kw, simulated_kw, snapshot, port))
        real = ", ".join(f"{kw:.2f}" for kw in snapshot.power_kw)
        called = " (redispatch)" if share < 1.0 else ""
        drawn = f"{simulated_kw.mean():.2f} simulated, {real} real"
        say(f"quarter {period + 1}{called}: told {limit_kw:.2f} kW; drawn {drawn}")
    return rows


def _rows(period: int, limit_kw: float, simulated_kw: np.ndarray, real: Snapshot, port: HardwarePort) -> pl.DataFrame:
    n = len(simulated_kw)
    power_kw = np.concatenate([simulated_kw, real.power_kw])
    return pl.DataFrame(
        {
            "period": np.full(n + len(port.points), period, dtype=np.int32),
            "point_row": np.concatenate([np.arange(n), port.points]),
            "is_hardware": np.concatenate([np.zeros(n, dtype=bool), np.ones(len(port.points), dtype=bool)]),
            "limit_kw": np.full(n + len(port.points), limit_kw),
            "power_kw": power_kw,
            "last_kw": np.concatenate([simulated_kw, real.last_kw]),
            "energy_kwh": power_kw * PERIOD_H,
            "quality": [Quality.FRESH.name] * n + [Quality(int(q)).name for q in real.quality],
            "is_metered": np.full(n + len(port.points), False),
        }
    )


def _write(folder: Path, rows: list[pl.DataFrame], port: HardwarePort) -> DemoResult:
    periods = pl.concat(rows)
    periods.write_parquet(folder / "periods.parquet")
    events = pl.DataFrame(port.events, schema=["station", "utc_s", "kind", "text"], orient="row")
    events.write_parquet(folder / "events.parquet")
    latency_ms = [1000.0 * s for s in port.timing.set_point_s]
    trips_ms = [1000.0 * s for s in port.timing.round_trip_s]
    figures = {
        "set_point_to_socket_max_ms": max(latency_ms, default=float("nan")),
        "round_trip_median_ms": float(np.median(trips_ms)) if trips_ms else float("nan"),
        "read_max_ms": 1000.0 * max(port.timing.read_s, default=float("nan")),
        "late_step_max_ms": 1000.0 * max(port.timing.late_steps_s, default=float("nan")),
        "late_reads": float(port.timing.late_reads),
    }
    return DemoResult(periods, figures, folder)
