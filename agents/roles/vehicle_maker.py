"""Vehicle maker: its API passes what cars share to the aggregator."""

from __future__ import annotations

from typing import ClassVar

from agents.messages import OemData, VehicleData
from agents.role import Role


class VehicleMaker(Role):
    """All makers together."""

    role: ClassVar[str] = "vehicle_maker"

    def share(self) -> None:
        """Pass state of charge and capacity on (EV-10, AGG-2)."""
        for data in self.knowledge.take(VehicleData):
            self.send(OemData(data.session_row, data.soc_kwh, data.capacity_kwh, data.efficiency_share))
