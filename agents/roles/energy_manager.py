"""Energy manager of homes and buildings: measures what happens behind the meter."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.messages import HomeForecast, LocalLoad
from agents.role import Role


class EnergyManager(Role):
    """Home and building energy managers together (report 6.2.1, 6.2.2)."""

    role: ClassVar[str] = "energy_manager"

    def measure(self, connection_row: np.ndarray, load_kw: np.ndarray) -> None:
        """Tell charging points and aggregator the load behind the meter (CP-7, AGG-1)."""
        self.send(LocalLoad(connection_row, load_kw))
        self.send(HomeForecast(connection_row, load_kw))
