"""Physical stations in a run: the market steers them, and their measured power flows back into the same period.

The simulated car at such a point lives on: it says what a driver would say and is steered like any other, but what it
draws is what the station's meter shows. What the meter shows beyond the simulated session is billed as a guest; what
it shows later, of a period that is settled, is booked as a correction.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from agents.fleet.tables import ChargingPoints
from agents.hardware_log import HardwareLog
from agents.port import Quality
from agents.settings import SEGMENTS, HardwarePlan, StationPlan
from grid.connections import ConnectionTable
from markets.calendar import Horizon

if TYPE_CHECKING:
    from agents.hardware.config import HardwareSettings, StationSettings
    from agents.hardware.seam import HardwarePort, Snapshot

PERIOD_H = 0.25
LOOK_EVERY_S = 0.25
NOWHERE = np.zeros(0, dtype=np.int64)


def point_row(name: str, points: ChargingPoints) -> int:
    """Row of a charging point named ``segment/number``, such as ``home/0``.

    Raises
    ------
    ValueError
        If there is no such point; says which there are.
    """
    segment, _, number = name.partition("/")
    if segment in SEGMENTS and number.isdigit():
        rows = np.flatnonzero(points.segment == SEGMENTS.index(segment))
        if int(number) < len(rows):
            return int(rows[int(number)])
    counts = {s: int(np.sum(points.segment == k)) for k, s in enumerate(SEGMENTS)}
    known = ", ".join(f"{s}/0 to {s}/{n - 1}" for s, n in counts.items() if n)
    raise ValueError(f"hardware: charging point {name!r} does not exist; there are {known}")


class RealStations:
    """The physical stations of a run.

    Parameters
    ----------
    plan : HardwarePlan
        Stations and how they are reached.
    points : ChargingPoints
        All charging points.
    table : ConnectionTable
        Capacities: a station is never told more than its connection carries.
    horizon : Horizon
        The days, to find the periods in which the stations take part.
    """

    def __init__(self, plan: HardwarePlan, points: ChargingPoints, table: ConnectionTable, horizon: Horizon) -> None:
        from agents.hardware.seam import HardwarePort

        self.live = live_periods(plan, horizon)
        self.port: HardwarePort = HardwarePort(hardware_settings(plan, points, table))
        self.log = HardwareLog(self.port)
        self._wait_s, self._is_closed = plan.wait_for_stations_s, False
        self.is_biddable = np.zeros(len(self.port.points), dtype=bool)

    @property
    def rows(self) -> np.ndarray:
        """Charging points they stand for."""
        return self.port.points

    def join(self, period: int) -> bool:
        """Whether the stations take part from this period on; waits for those that are not there yet."""
        if period != self.live.start:
            return False
        self._wait()
        self.is_biddable = np.isin(self.port.names, list(self.port.figures.get("steerable", ())))
        return True

    def _wait(self) -> None:
        """Let the stations come and show that they fall back; goes on without those that do not."""
        end_s = time.monotonic() + self._wait_s
        while len(self.port.figures.get("steerable", ())) < len(self.rows) and time.monotonic() < end_s:
            time.sleep(LOOK_EVERY_S)
            self.port.look()

    def drive(self, period: int, limit_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Post the limits, let the period pass on the wall clock, and read what was measured.

        Returns
        -------
        rows : int array
            Charging points that physical stations stand for now; none outside their hours.
        power_kw : float array
            Power that counts in the period, kW: the metered energy over a quarter-hour.
        """
        if period not in self.live:
            return NOWHERE, np.zeros(0)
        told = np.where(np.isfinite(limit_kw[self.rows]), limit_kw[self.rows], 1e3)
        self.port.post(period, told)
        late_s = self.port.pace(period)
        seen = self.port.read(period)
        self.log.note(period, told, seen, late_s)
        self.is_biddable = biddable(seen)
        return self.rows, seen.energy_kwh / PERIOD_H

    def leave(self, period: int) -> bool:
        """Whether the stations took part up to the period before: they return to their safe limits and are closed."""
        if period < self.live.stop or self._is_closed:
            return False
        self.close("their hours are over" if period == self.live.stop else "the run ended")
        return True

    def close(self, reason: str) -> None:
        """Stations return to their safe limit; may be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self.port.close(reason)
            self.is_biddable[:] = False


def biddable(seen: Snapshot) -> np.ndarray:
    """Points whose flexibility may be offered, bool: can be steered, metered well, and a car is there."""
    return np.asarray(seen.is_steerable & (seen.quality <= Quality.STALE) & seen.is_occupied)


def live_periods(plan: HardwarePlan, horizon: Horizon) -> range:
    """Periods in which the stations take part."""
    first = 0
    if plan.live_from:
        hour, minute = (int(part) for part in plan.live_from.split(":"))
        first = int(np.argmax(horizon.local_hour >= hour + minute / 60.0))
    count = round(plan.live_hours / PERIOD_H) if plan.live_hours else horizon.n_periods
    return range(first, min(first + max(count, 1), horizon.n_periods))


def hardware_settings(plan: HardwarePlan, points: ChargingPoints, table: ConnectionTable) -> HardwareSettings:
    """Settings of the port: each station with the limits of its charging point."""
    from agents.hardware.config import HardwareSettings, pace

    mode, period_s = pace(plan.real_time_factor)
    return HardwareSettings(
        tuple(station_settings(s, point_row(s.charging_point, points), points, table) for s in plan.stations),
        Path(plan.folder) / "recording",
        Path(plan.folder) / "state",
        host=plan.host,
        port=plan.port,
        security_profile=plan.security_profile,
        certificate=_path(plan.certificate),
        private_key=_path(plan.private_key),
        station_ca=_path(plan.station_ca),
        secrets=_path(plan.secrets),
        mode=mode,
        period_s=period_s,
        watchdog_s=plan.watchdog_s,
        on_death=cast(Literal["safe", "stop"], plan.on_death),
    )


def station_settings(station: StationPlan, row: int, points: ChargingPoints, table: ConnectionTable) -> StationSettings:
    """Settings of one station in the place of a charging point."""
    from agents.hardware.config import StationSettings
    from agents.hardware.envelope import Envelope

    limits = Envelope(
        float(table.capacity_kw[points.connection_row[row]]),
        float(points.max_kw[row]),
        cable_a=station.cable_a,
        safe_kw=station.safe_kw,
        phases=station.phases,
        ramp_kw_per_s=station.ramp_kw_per_s or float("inf"),
        discharge_kw=station.discharge_kw,
    )
    return StationSettings(
        station.station_id,
        row,
        limits,
        connector=station.connector or None,
        unit=station.unit,
        lease_s=station.lease_s,
        meter_interval_s=station.meter_interval_s,
        is_strict=station.strict,
        insist=station.insist,
        address=station.address,
        station_limit_kw=station.station_limit_kw or float("inf"),
        vendor=station.vendor,
        model=station.model,
        serial_number=station.serial_number,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
