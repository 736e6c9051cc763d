"""Energy manager of homes and buildings: measures what happens behind the meter."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.messages import HomeForecast, LocalLoad, SiteLoad, SolarPanelData
from agents.role import Role


class EnergyManager(Role):
    """Home and building energy managers together (report 6.2.1, 6.2.2)."""

    role: ClassVar[str] = "energy_manager"

    def register(self, connection_row: np.ndarray, peak_kw: np.ndarray) -> None:
        """Tell the aggregator of the panels behind the meter (AGG-1)."""
        has = peak_kw > 0.0
        if has.any():
            self.send(SolarPanelData(connection_row[has], peak_kw[has]))

    def measure(self, connection_row: np.ndarray, load_kw: np.ndarray, is_shared: np.ndarray) -> None:
        """Tell charging points, aggregator, and the CPO of shared connections the load behind the meter.

        Functions CP-7, AGG-1 and CPO-2.

        Parameters
        ----------
        connection_row, load_kw, is_shared : arrays, shape (n,)
            Connections, their load without charging, and whether several charging points share them.
        """
        self.send(LocalLoad(connection_row, load_kw))
        if is_shared.any():
            self.send(SiteLoad(connection_row[is_shared], load_kw[is_shared]))
        self.send(HomeForecast(connection_row, load_kw))
