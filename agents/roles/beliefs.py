"""What an aggregator believes of the sessions in its pool, and how that looks to a charging strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.figures import FIGURES, TAPER_AC_EDGE, TAPER_AC_SHARE, TAPER_DC_EDGE, TAPER_DC_SHARE
from agents.fleet.tables import SEGMENTS, ChargingPoints
from agents.fleet.view import SessionView

EFFICIENCY = 0.88
"""Charging efficiency that the aggregator assumes of a car it knows nothing about (calibration, physics)."""
UNKNOWN_NEED_KWH = 30.0
"""Energy that a car is kept ready for when nobody says what it needs: dear, because data is missing (report 7.1)."""
SAFE_STAY_SHARE = 0.4
"""Share of the mean stay after which a car is ready when its driver states nothing: most stay longer."""
FIRST_KWH = 8.0
"""What a car gets at once when its driver states no departure: enough for a short stay between two trips."""
TYPICAL_STAY_H = {"depot": 5.0, "shared": 1.0, "dc": 0.3}
"""Stay assumed where no mean by arrival hour is published."""
READY_BEFORE_MIN = 90.0
"""A car is ready this long before its stated departure (twice the spread of statements): drivers leave early as often
as late."""
STATED_STAY_SHARE = 0.45
"""Of a short stay this share counts at least."""
NEED_MARGIN = 1.08
"""Energy planned on top of what the battery needs: chargers lose more at low current."""
STATED_MARGIN = 1.3
"""The same on top of what a driver stated: statements are as often too low as too high (spread a quarter)."""
UNKNOWN_DC_TAPER_SHARE = 0.5
"""Time for the taper of direct current against that for the need, where the battery is unknown."""
RESERVE_SHARE = 0.3
"""Charge below which a car does not deliver."""
_AC, _DC = (TAPER_AC_EDGE, TAPER_AC_SHARE), (TAPER_DC_EDGE, TAPER_DC_SHARE)


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

    @classmethod
    def nothing(cls, n: int) -> Beliefs:
        """No session known."""
        nan = {k: np.full(n, np.nan) for k in cls.__dataclass_fields__}
        nan |= {"cp_row": np.full(n, -1), "metered_kwh": np.zeros(n)}
        nan |= {k: np.zeros(n, dtype=bool) for k in ("charge_now", "is_here")}
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

    def efficiency_of(self, rows: np.ndarray) -> np.ndarray:
        """One-way efficiency: as told, else what is usual."""
        told = self.efficiency_share[rows]
        return np.where(np.isnan(told), EFFICIENCY, told)

    def departure_of(self, rows: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """Believed time by which a car must be ready, minutes: a little before what was told, else a safe stay."""
        hour = np.floor_divide(self.arrival_min[rows], 60.0).astype(np.int64) % 24
        stay_min = 60.0 * SAFE_STAY_H[segment, hour]
        arrival, told = self.arrival_min[rows], self.departure_min[rows]
        ready = np.maximum(told - READY_BEFORE_MIN, arrival + STATED_STAY_SHARE * (told - arrival))
        return np.where(np.isnan(told), arrival + stay_min, ready)

    def need_of(self, rows: np.ndarray) -> np.ndarray:
        """Energy believed to be still needed in the battery, kWh.

        By the battery where the car says what it should hold; else as the driver stated; else as much as fits in, or
        what is usual. It never exceeds what the battery can still take.
        """
        efficiency = self.efficiency_of(rows)
        received = self.metered_kwh[rows] * efficiency
        room = self.capacity_kwh[rows] - self.soc_kwh[rows] - received
        by_battery = NEED_MARGIN * (self.desired_kwh[rows] - self.soc_kwh[rows] - received)
        need = np.where(np.isnan(by_battery), STATED_MARGIN * self.stated_kwh[rows] * efficiency - received, by_battery)
        unknown = np.where(np.isnan(room), NEED_MARGIN * (UNKNOWN_NEED_KWH - received), room)
        return np.clip(
            np.where(np.isnan(need), unknown, need), 0.0, np.where(np.isnan(room), 100.0, NEED_MARGIN * room)
        )

    def taper_of(self, rows: np.ndarray, is_dc: np.ndarray, ready_min: np.ndarray) -> np.ndarray:
        """Time that the taper near full will cost, as energy at full power, kWh.

        By the battery where its capacity is told (to the charge the car wants, else to full). Of direct current, whose
        taper begins half-way, a share of the need is assumed where the battery is unknown. The short taper of
        alternating current needs no plan where it fits between the time by which a car shall be ready and its leave.
        """
        capacity, soc = self.capacity_kwh[rows], self.soc_kwh[rows]
        stop = np.where(np.isnan(self.desired_kwh[rows]), capacity, self.desired_kwh[rows])
        now = soc + self.metered_kwh[rows] * self.efficiency_of(rows)
        known = np.where(is_dc, *(_slow_kwh(now, stop, capacity, *curve) for curve in (_DC, _AC)))
        unknown = np.where(is_dc, UNKNOWN_DC_TAPER_SHARE * self.need_of(rows), 0.0)
        told = np.where(np.isnan(known), unknown, known)
        spare_h = np.where(is_dc, 0.0, np.nan_to_num(self.departure_min[rows] - ready_min) / 60.0)
        return np.asarray(np.maximum(told - spare_h * self.max_kw[rows] * self.efficiency_of(rows), 0.0))

    def urgent_of(self, rows: np.ndarray) -> np.ndarray:
        """Part of the need that comes at once, kWh in the battery: as the driver wants, or nobody said anything."""
        received = np.maximum(self.metered_kwh[rows], 0.0) * self.efficiency_of(rows)
        return np.asarray(np.maximum(self._first_of(rows) - received, 0.0))

    def _first_of(self, rows: np.ndarray) -> np.ndarray:
        """What the battery should gain at once after arrival, kWh."""
        unsaid = np.where(np.isnan(self.departure_min[rows]), FIRST_KWH, 0.0)
        return np.asarray(np.maximum(np.nan_to_num(self.urgent_kwh[rows]) * self.efficiency_of(rows), unsaid))

    def reserve_of(self, rows: np.ndarray) -> np.ndarray:
        """Charge below which a car shall not deliver, kWh: the usual reserve, and what its driver wanted at once."""
        wanted = np.where(self.urgent_kwh[rows] > 0.0, self.soc_kwh[rows] + self._first_of(rows), 0.0)
        return np.maximum(RESERVE_SHARE * np.nan_to_num(self.capacity_kwh[rows]), np.nan_to_num(wanted))


def _slow_kwh(
    now_kwh: np.ndarray, stop_kwh: np.ndarray, capacity_kwh: np.ndarray, edges: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Energy that full power would bring in the time lost below it, by the bands of a taper; nan where not known."""
    low = np.concatenate([[0.0], edges[:-1]])
    inside = np.minimum(np.outer(capacity_kwh, edges), stop_kwh[:, None]) - np.maximum(
        np.outer(capacity_kwh, low), now_kwh[:, None]
    )
    return np.asarray(np.maximum(inside, 0.0) @ (1.0 / shares - 1.0))


def view_of(
    believed: Beliefs, points: ChargingPoints, rows: np.ndarray, period: int, may_deliver: np.ndarray | None = None
) -> SessionView:
    """Sessions as a strategy may see them at the start of a period.

    A car may only be asked to deliver when its state of charge, capacity and departure are known: table 7.1 gives
    them importance 1 for V2G. ``may_deliver`` says so for the other items that V2G needs, one per row.
    """
    b, now = believed, period * 15.0
    cp = b.cp_row[rows]
    leave = np.maximum(b.departure_of(rows, points.segment[cp]), now + 15.0)
    need = b.need_of(rows)
    has_soc = ~np.isnan(b.soc_kwh[rows])
    efficiency = b.efficiency_of(rows)
    energy = np.where(has_soc, b.soc_kwh[rows] + b.metered_kwh[rows] * efficiency, 20.0)
    knows_all = has_soc & ~np.isnan(b.capacity_kwh[rows]) & ~np.isnan(b.departure_min[rows])
    if may_deliver is not None:
        knows_all = knows_all & may_deliver
    top = np.where(knows_all & ~np.isnan(b.desired_kwh[rows]), b.desired_kwh[rows], energy + need)
    periods = (leave - now) / 15.0
    last = np.ceil(periods)
    return SessionView.of(
        len(rows),
        session_row=rows,
        cp_row=cp,
        energy_now_kwh=energy,
        energy_needed_kwh=need,
        taper_kwh=b.taper_of(rows, points.is_dc[cp], leave),
        capacity_kwh=np.maximum(top, energy),
        reserve_kwh=b.reserve_of(rows),
        max_kw=b.max_kw[rows],
        min_kw=b.min_kw[rows],
        max_discharge_kw=np.where(knows_all, b.max_discharge_kw[rows], 0.0),
        efficiency=efficiency,
        discharge_efficiency=efficiency,
        departure_period=last,
        last_share=periods - (last - 1.0),
        must_charge=b.charge_now[rows],
        urgent_kwh=np.minimum(b.urgent_of(rows), need),
        site=points.site[cp],
    )
