"""Physical stations in a run: the market steers them, and their measured power flows back into the same period.

The simulated car at such a point lives on: it says what a driver would say and is steered like any other, but what it
draws is what the station's meter shows. What the meter shows beyond the simulated session is billed as a guest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.fleet.tables import ChargingPoints
from agents.settings import SEGMENTS, HardwarePlan
from grid.connections import ConnectionTable

if TYPE_CHECKING:
    from agents.hardware.seam import HardwarePort, LateEnergy


@dataclass
class HardwareLog:
    """What stations were told and did, see table ``hardware``."""

    rows: list[tuple[int, int, str, float, float, float, float, int, bool]] = field(default_factory=list)


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
    """

    def __init__(self, plan: HardwarePlan, points: ChargingPoints, table: ConnectionTable) -> None:
        from agents.hardware.config import HardwareSettings, StationSettings, pace
        from agents.hardware.envelope import Envelope
        from agents.hardware.seam import HardwarePort

        mode, period_s = pace(plan.real_time_factor)
        stations = []
        for station in plan.stations:
            row = point_row(station.charging_point, points)
            limits = Envelope(
                float(table.capacity_kw[points.connection_row[row]]),
                float(points.max_kw[row]),
                cable_a=station.cable_a,
                safe_kw=station.safe_kw,
                phases=int(points.phases[row]),
                ramp_kw_per_s=station.ramp_kw_per_s,
            )
            stations.append(
                StationSettings(
                    station.station_id, row, limits, lease_s=station.lease_s,
                    meter_interval_s=station.meter_interval_s, insist=station.insist, address=station.address,
                )
            )  # fmt: skip
        self.port: HardwarePort = HardwarePort(
            HardwareSettings(
                tuple(stations), Path(plan.folder) / "recording", Path(plan.folder) / "state", host=plan.host,
                port=plan.port, security_profile=plan.security_profile, certificate=_path(plan.certificate),
                private_key=_path(plan.private_key), station_ca=_path(plan.station_ca), secrets=_path(plan.secrets),
                mode=mode, period_s=period_s,
            )
        )  # fmt: skip
        self.ids = [s.station_id for s in plan.stations]
        self.log = HardwareLog()
        self.late: list[LateEnergy] = []
        self.late_step_s: list[float] = []

    @property
    def rows(self) -> np.ndarray:
        """Charging points they stand for."""
        return self.port.points

    def drive(self, period: int, limit_kw: np.ndarray) -> np.ndarray:
        """Post the limits, let the period pass on the wall clock, and read what was measured, kW per station."""
        told = np.where(np.isfinite(limit_kw[self.rows]), limit_kw[self.rows], 1e3)
        self.port.post(period, told)
        self.late_step_s.append(self.port.pace(period))
        seen = self.port.read(period)
        self.late += self.port.late_energy()
        for k, row in enumerate(self.rows.tolist()):
            self.log.rows.append(
                (
                    period, row, self.ids[k], float(told[k]), float(seen.power_kw[k]), float(seen.energy_kwh[k]),
                    float(seen.register_kwh[k]), int(seen.quality[k]), seen.is_metered,
                )
            )  # fmt: skip
        return np.nan_to_num(seen.power_kw, nan=0.0)

    def close(self, reason: str) -> None:
        """Stations return to their safe limit."""
        self.port.close(reason)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
