"""Fleet operator: plans the depot's vehicles and tells the aggregator when it needs which."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

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
        self._departure_min, self._need_kwh = fleet.sessions.departure_min, fleet.sessions.need_kwh

    def schedule(self, arrived: np.ndarray) -> None:
        """Tell when vehicles that came in must leave and what their tour took: the operator planned it and knows."""
        mine = arrived[self._own[arrived]]
        if len(mine):
            self.send(FleetSchedule(mine, self._departure_min[mine].copy(), self._need_kwh[mine].astype(np.float64)))
