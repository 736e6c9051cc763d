"""Events on the wires of a run: outages, supply over the ring, islands, protection trips, and what they leave dark.

A connection without supply neither draws nor charges. Its demand is noted as unserved; charging that would have
happened is noted as postponed, since the cars ask for it again. A connection with V2X cars plugged in runs on them,
down to their drivers' reserve, and its roof goes on feeding it; any other dark roof stops with the grid. The members
of an island share their cars and roofs. Losses inside a home or an island that feeds itself are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.fleet.behaviour import rated
from agents.fleet.emergency import Dark, island_supply
from agents.fleet.physics import StepResult
from agents.fleet.state import FleetState
from agents.fleet.tables import Fleet
from agents.settings import EventSettings, GridSettings
from agents.town import Town
from grid.arrays import LINK_KIND
from grid.events import ProtectionRule, outage, protection_step, resupply
from grid.power_flow import PowerFlow

PERIOD_H, PERIOD_MIN = 0.25, 15.0
RULE = ProtectionRule()
Note = Callable[[int, str, str], None]


@dataclass
class Interruption:
    """One event and what it did; a row of table ``outages``."""

    kind: str
    branch: str
    first: int
    last: int
    resupply: int
    """Period from which open points of the ring are closed."""
    connections: int = 0
    closed: tuple[str, ...] = ()
    unserved_kwh: float = 0.0
    postponed_kwh: float = 0.0
    emergency_kwh: float = 0.0
    connection_h: float = 0.0

    def is_on(self, period: int) -> bool:
        """Tell whether the branch is out in a period."""
        return self.first <= period < self.last


class GridEvents:
    """The state of the switches of a run.

    Parameters
    ----------
    town : Town
        Its ``home_kw``, ``site_kw`` and ``roof_kw`` are changed where supply fails.
    settings : GridSettings
        Events, and whether overloaded branches trip.
    note : callable
        Takes (period, kind, text) for table ``events``.

    Attributes
    ----------
    flow : PowerFlow
        Of the present topology.
    dark : Dark or None
        What has no supply in the present period.
    """

    def __init__(self, town: Town, settings: GridSettings, note: Note) -> None:
        self.town, self.settings, self.note = town, settings, note
        self.flow: PowerFlow = town.flow
        self.dark: Dark | None = None
        self.interruptions = [_scheduled(e) for e in settings.events]
        arrays = town.grid.arrays
        self._normally_dark = ~arrays.is_energised
        self._may_trip = arrays.kind != LINK_KIND
        self._wear = np.zeros(arrays.n_branches)
        self._key: tuple[tuple[str, bool], ...] = ()
        self._flows: dict[tuple[tuple[str, bool], ...], tuple[PowerFlow, tuple[str, ...]]] = {(): (town.flow, ())}
        self._rows = np.zeros(0, dtype=np.int64)
        self._site = np.zeros(0, dtype=np.int64)
        self._cause = np.zeros(0, dtype=np.int64)

    # --- switches ----------------------------------------------------------------------------------------------------

    def switch(self, period: int) -> bool:
        """Open and close what the events of a period ask for; True if the topology changed."""
        on = [e for e in self.interruptions if e.is_on(period)]
        key = tuple((e.branch, e.kind != "island" and period >= e.resupply) for e in on)
        if key == self._key:
            return False
        before, self._key = {branch for branch, _ in self._key}, key
        self.flow, closed = self._flow_of(on, key)
        self._find_dark(on)
        for e in on:
            e.closed = closed or e.closed
            if e.branch not in before:
                e.connections = int(np.sum(self._cause == self.interruptions.index(e)))
                self.note(period, e.kind, f"{e.branch} out of service: {e.connections} connections without supply")
        for branch in sorted(before - {e.branch for e in on}):
            self.note(period, "restored", f"{branch} back in service")
        if closed:
            left = f"{len(self._rows)} connections left without supply"
            self.note(period, "resupply", f"{', '.join(closed)} closed: {left}")
        return True

    def _flow_of(
        self, on: Sequence[Interruption], key: tuple[tuple[str, bool], ...]
    ) -> tuple[PowerFlow, tuple[str, ...]]:
        if key not in self._flows:
            failed = [e.branch for e in on if e.kind != "island"]
            islands = [e.branch for e in on if e.kind == "island"]
            closed: tuple[str, ...] = ()
            grid = outage(self.town.grid, failed)
            if any(is_resupplied for _, is_resupplied in key):
                grid, closed = resupply(grid, [*failed, *islands])
            self._flows[key] = PowerFlow(outage(grid, islands), self.town.flow.fidelity), closed
        return self._flows[key]

    def _find_dark(self, on: Sequence[Interruption]) -> None:
        """Connections without supply, who shares with whom, and which event is to blame."""
        node = self.town.grid.connections.node_index
        is_dark = ~self.flow.arrays.is_energised & ~self._normally_dark
        self._rows = np.flatnonzero(is_dark[node])
        site, cause = self._rows.copy(), np.full(len(self._rows), -1)
        for e in on:
            k = self.interruptions.index(e)
            arrays = self.town.grid.arrays
            alone = ~arrays.switched({arrays.branch_index[e.branch]: False}).is_energised
            behind = alone[node[self._rows]]
            cause[behind & (cause < 0)] = k
            if e.kind == "island" and behind.any():
                site[behind] = self._rows[behind][0]
        first = self.interruptions.index(on[0]) if on else -1
        self._cause = np.where(cause < 0, first, cause)
        self._site = np.unique(site, return_inverse=True)[1]

    # --- a period ----------------------------------------------------------------------------------------------------

    def supply(self, period: int, state: FleetState) -> Dark | None:
        """Let dark connections feed themselves for a period; the rest of their demand is not served."""
        self.dark = None
        if not len(self._rows):
            return None
        town, rows = self.town, self._rows
        load = (town.home_kw[rows, period] + town.site_kw[rows, period]).astype(np.float64)
        roof = town.roof_kw[rows, period].astype(np.float64)
        cars = _feeding_cars(town.fleet, state, rows, period)
        n = int(self._site.max()) + 1
        site_of_car = self._site[np.searchsorted(rows, town.fleet.points.connection_row[cars.point])]
        wanted, sun = (np.bincount(self._site, weights=w, minlength=n) for w in (load, roof))
        runs = np.bincount(site_of_car, minlength=n) > 0
        sun = np.where(runs, sun, 0.0)
        net = np.where(runs, wanted - sun, 0.0)
        island = island_supply(
            net[:, None], site_of_car, cars.battery_kwh, cars.reserve_kwh, cars.full_kwh, cars.discharge_kw,
            cars.charge_kw, cars.efficiency, PERIOD_H,
        )  # fmt: skip
        taken = np.bincount(site_of_car, weights=np.maximum(island.car_kw[:, 0], 0.0), minlength=n)
        served = np.minimum(wanted, sun + island.served_kw[:, 0]) * runs
        used_sun = np.minimum(sun, served + taken)
        self._leave(period, served / np.maximum(wanted, 1e-12), used_sun / np.maximum(sun, 1e-12), load, roof)
        is_point = np.isin(town.fleet.points.connection_row, rows)
        self.dark = Dark(is_point, cars.session, cars.ev, cars.point, island.car_kw[:, 0], island.battery_kwh)
        self._count(load, served / np.maximum(wanted, 1e-12), np.minimum(island.car_kw[:, 0], 0.0), site_of_car)
        return self.dark

    def _leave(self, period: int, served: np.ndarray, sunny: np.ndarray, load: np.ndarray, roof: np.ndarray) -> None:
        """Write what dark connections really use and make into the town."""
        town, rows = self.town, self._rows
        town.home_kw[rows, period] *= served[self._site].astype(np.float32)
        town.site_kw[rows, period] *= served[self._site].astype(np.float32)
        town.roof_kw[rows, period] *= sunny[self._site].astype(np.float32)
        town.base_kw[rows, period] = (
            town.home_kw[rows, period] + town.site_kw[rows, period] - town.roof_kw[rows, period]
        )

    def _count(self, load: np.ndarray, served: np.ndarray, fed_kw: np.ndarray, site_of_car: np.ndarray) -> None:
        left = load * (1.0 - served[self._site])
        cause_of_site = np.zeros(int(self._site.max()) + 1, dtype=np.int64)
        cause_of_site[self._site] = self._cause
        for k in np.unique(self._cause).tolist():
            e, mine = self.interruptions[k], self._cause == k
            e.unserved_kwh += PERIOD_H * float(np.sum(left[mine]))
            e.connection_h += PERIOD_H * float(np.sum(served[self._site][mine] < 1.0 - 1e-9))
            e.emergency_kwh -= PERIOD_H * float(np.sum(fed_kw[cause_of_site[site_of_car] == k]))

    def postpone(self, wished: StepResult) -> None:
        """Note charging that dark points would have done."""
        if self.dark is None:
            return
        points = np.flatnonzero(self.dark.is_point)
        kwh = np.maximum(wished.energy_kwh[points], 0.0)
        cause = self._cause[np.searchsorted(self._rows, self.town.fleet.points.connection_row[points])]
        for k in np.unique(cause).tolist():
            self.interruptions[k].postponed_kwh += float(np.sum(kwh[cause == k]))

    def protect(self, period: int, loading_share: np.ndarray) -> None:
        """Trip branches that were overloaded for too long; they are out from the next period until repaired."""
        if not self.settings.is_protected:
            return
        loading = np.where(self._may_trip, loading_share.astype(np.float64), 0.0)
        self._wear, trips = protection_step(self._wear, loading, PERIOD_MIN, RULE)
        for k in np.flatnonzero(trips).tolist():
            self._wear[k] = 0.0
            name = self.town.grid.arrays.branch_ids[k]
            self.note(period, "trip", f"{name} tripped at {100.0 * loading[k]:.0f} % of its rating")
            event = EventSettings("trip", name, (period + 1) * PERIOD_H, self.settings.repair_h)
            self.interruptions.append(_scheduled(event))


@dataclass(frozen=True)
class _Cars:
    """V2X cars that stay plugged in for a whole period at connections without supply."""

    session: np.ndarray
    ev: np.ndarray
    point: np.ndarray
    battery_kwh: np.ndarray
    reserve_kwh: np.ndarray
    full_kwh: np.ndarray
    discharge_kw: np.ndarray
    charge_kw: np.ndarray
    efficiency: np.ndarray


def _feeding_cars(fleet: Fleet, state: FleetState, rows: np.ndarray, period: int) -> _Cars:
    v, s, p = fleet.vehicles, fleet.sessions, fleet.points
    session = np.unique(state.active_sessions).astype(np.int64)
    ev, point = s.ev_row[session].astype(np.int64), s.cp_row[session].astype(np.int64)
    start = period * PERIOD_MIN
    stays = (s.arrival_min[session] <= start) & (s.departure_min[session] > start + PERIOD_MIN)
    is_here = state.ev_session[ev] == session
    feeds = p.is_bidirectional[point] & (v.discharge_kw[ev] > 0.0) & np.isin(p.connection_row[point], rows)
    chosen = stays & feeds & is_here
    session, ev, point = session[chosen], ev[chosen], point[chosen]
    _, high, _, efficiency = rated(v, p, ev, point)
    battery = state.battery_kwh[ev].astype(np.float64)
    return _Cars(
        session, ev, point, battery, v.reserve_share[ev] * v.capacity_kwh[ev],
        np.maximum(s.desired_kwh[session], battery), np.minimum(v.discharge_kw[ev], high), high, efficiency,
    )  # fmt: skip


def _scheduled(event: EventSettings) -> Interruption:
    first = round(event.first_h / PERIOD_H)
    n = max(1, round(event.hours / PERIOD_H))
    return Interruption(event.kind, event.branch, first, first + n, first + round(event.resupply_h / PERIOD_H))
