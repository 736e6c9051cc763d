"""What an aggregator believes of the sessions in its pool, and how that looks to a charging strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.figures import FIGURES, TAPER_AC_EDGE, TAPER_AC_SHARE, TAPER_DC_EDGE, TAPER_DC_SHARE
from agents.fleet.tables import SEGMENTS, ChargingPoints
from agents.fleet.view import SessionView
from agents.roles import belief_kernels as kernels

SAFE_STAY_SHARE = 0.4
"""Share of the mean stay after which a car is ready when its driver states nothing: most stay longer."""
TYPICAL_STAY_H = {"depot": 5.0, "shared": 1.0, "dc": 0.3}
"""Stay assumed where no mean by arrival hour is published."""
_CURVES = (TAPER_DC_EDGE, TAPER_DC_SHARE), (TAPER_AC_EDGE, TAPER_AC_SHARE)
_TOLD = (
    "arrival_min", "departure_min", "metered_kwh", "efficiency_share", "capacity_kwh", "soc_kwh", "desired_kwh",
    "stated_kwh", "urgent_kwh", "max_kw",
)  # fmt: skip
"""Columns that :func:`agents.roles.belief_kernels.look_at` works with, in its order."""


def _safe_stay_h() -> np.ndarray:
    """Safe stay by segment and hour of arrival, float64[n_segments, 24]."""
    rows = []
    for name in SEGMENTS:
        typical = TYPICAL_STAY_H.get(name)
        mean = np.asarray(FIGURES[name].stay_h) if typical is None else np.full(24, typical / SAFE_STAY_SHARE)
        rows.append(SAFE_STAY_SHARE * mean)
    return np.array(rows)


SAFE_STAY_H = _safe_stay_h()


@dataclass
class Beliefs:
    """What the aggregator believes of each session; NaN where nobody told it."""

    cp_row: np.ndarray
    arrival_min: np.ndarray
    departure_min: np.ndarray
    max_kw: np.ndarray
    min_kw: np.ndarray
    max_discharge_kw: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    desired_kwh: np.ndarray
    stated_kwh: np.ndarray
    urgent_kwh: np.ndarray
    metered_kwh: np.ndarray
    efficiency_share: np.ndarray
    charge_now: np.ndarray
    is_here: np.ndarray
    co2_focus: np.ndarray
    is_deaf: np.ndarray

    @classmethod
    def nothing(cls, n: int) -> Beliefs:
        """No session known."""
        nan = {k: np.full(n, np.nan) for k in cls.__dataclass_fields__}
        nan |= {"cp_row": np.full(n, -1), "metered_kwh": np.zeros(n), "co2_focus": np.zeros(n)}
        nan |= {k: np.zeros(n, dtype=bool) for k in ("charge_now", "is_here", "is_deaf")}
        return cls(**nan)

    def forget(self, rows: np.ndarray) -> None:
        """Erase sessions: their drivers withdrew consent, or the data are older than they may be kept."""
        blank = Beliefs.nothing(1)
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(blank, name)[0]

    def told(self, name: str, rows: np.ndarray, values: np.ndarray) -> None:
        """Take in what was told; what was not (NaN) changes nothing."""
        column = getattr(self, name)
        column[rows] = np.where(np.isnan(values), column[rows], values)

    def departure_of(self, rows: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """Believed time by which a car must be ready, minutes: a little before what was told, else a safe stay."""
        return np.asarray(kernels.ready_of(rows, segment, self.arrival_min, self.departure_min, SAFE_STAY_H))

    def need_of(self, rows: np.ndarray) -> np.ndarray:
        """Energy believed to be still needed in the battery, kWh.

        By the battery where the car says what it should hold; else as the driver stated; else as much as fits in, or
        what is usual. It never exceeds what the battery can still take.
        """
        return np.asarray(
            kernels.need_of(
                rows, self.metered_kwh, self.efficiency_share, self.capacity_kwh, self.soc_kwh, self.desired_kwh,
                self.stated_kwh,
            )
        )  # fmt: skip


def view_of(
    believed: Beliefs, points: ChargingPoints, rows: np.ndarray, period: int, may_deliver: np.ndarray | None = None
) -> SessionView:
    """Sessions as a strategy may see them at the start of a period.

    A car may only be asked to deliver when its state of charge, capacity and departure are known: table 7.1 gives
    them importance 1 for V2G. ``may_deliver`` says so for the other items that V2G needs, one per row.
    """
    cp = believed.cp_row[rows]
    may = np.ones(len(rows), dtype=bool) if may_deliver is None else may_deliver
    told = tuple(getattr(believed, name) for name in _TOLD)
    now_min = 15.0 * period
    ready, need, energy, most, reserve, taper, urgent, efficiency, knows_all = kernels.look_at(
        rows, now_min, may, points.is_dc[cp], points.segment[cp], told, SAFE_STAY_H, _CURVES
    )
    periods = (ready - now_min) / 15.0
    last = np.ceil(periods)
    return SessionView.of(
        len(rows),
        session_row=rows,
        cp_row=cp,
        energy_now_kwh=energy,
        energy_needed_kwh=need,
        taper_kwh=taper,
        capacity_kwh=most,
        reserve_kwh=reserve,
        max_kw=believed.max_kw[rows],
        min_kw=believed.min_kw[rows],
        max_discharge_kw=np.where(knows_all > 0.0, believed.max_discharge_kw[rows], 0.0),
        efficiency=efficiency,
        discharge_efficiency=efficiency,
        departure_period=last,
        last_share=periods - (last - 1.0),
        must_charge=believed.charge_now[rows],
        is_deaf=believed.is_deaf[rows],
        urgent_kwh=urgent,
        site=points.site[cp],
    )
