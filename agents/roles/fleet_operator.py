"""Fleet operator: plans the depot's vehicles and tells the aggregator when it needs which."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.charging import rate_stays
from agents.fleet.tables import SEGMENTS, Fleet
from agents.links import Links
from agents.messages import FleetSchedule
from agents.role import Role


class FleetOperator(Role):
    """Operator of depot vehicles and shared cars (report 5.1.2)."""

    role: ClassVar[str] = "fleet_operator"

    def __init__(self, model: mesa.Model, party: str, links: Links, fleet: Fleet) -> None:
        super().__init__(model, party, links)
        segment = fleet.points.segment[fleet.sessions.cp_row]
        self._own = np.isin(segment, [SEGMENTS.index("depot"), SEGMENTS.index("shared")])
        self._fleet = fleet
        self._departure_min, self._need_kwh = fleet.sessions.departure_min, fleet.sessions.need_kwh

    def schedule(self, arrived: np.ndarray, battery_kwh: np.ndarray) -> None:
        """Tell when vehicles that came in must leave and what they need to be full: the operator planned it and knows.

        It reads the batteries of its vehicles (telematics): who came home emptier than a tour makes gets that too.
        Those whose power falls towards full are said to leave by as much earlier.

        Parameters
        ----------
        arrived : int array
            Session rows that begin.
        battery_kwh : float array, shape (n_evs,)
            Energy in the batteries; only those of its own vehicles are looked at.
        """
        mine = arrived[self._own[arrived]]
        if len(mine):
            f = self._fleet
            _, high, _, best, _, taper_kwh = rate_stays(f.vehicles.rows, f.points.rows, f.sessions.rows, mine)
            slow_min = np.round(60.0 * taper_kwh / np.maximum(high * best, 1e-9))
            leave = np.maximum(self._departure_min[mine] - slow_min, f.sessions.arrival_min[mine] + 15)
            lacking = f.sessions.desired_kwh[mine] - battery_kwh[f.sessions.ev_row[mine]]
            need = np.maximum(lacking / np.maximum(best, 1e-9), self._need_kwh[mine])
            self.send(FleetSchedule(mine, leave, need))
