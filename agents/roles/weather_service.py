"""Weather service: publishes how much of its peak the sun will let a panel give (report section 9.1, weather data)."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.links import Links
from agents.messages import WeatherForecast
from agents.role import Role
from agents.world.forecast import ForecastSource

ISSUE_PERIODS = 24
"""A new forecast comes out every six hours."""
AHEAD = 192
"""Periods that a forecast covers."""


class WeatherService(Role):
    """The national weather service.

    Parameters
    ----------
    sun : ForecastSource
        Output of panels against their peak, and what is not known of it yet.
    """

    role: ClassVar[str] = "weather_service"

    def __init__(self, model: mesa.Model, party: str, links: Links, sun: ForecastSource) -> None:
        super().__init__(model, party, links)
        self._sun = sun

    def publish(self, period: int) -> None:
        """Tell aggregators what is expected of the coming days, where a new forecast is due."""
        if period % ISSUE_PERIODS == 0:
            ahead = np.arange(period, min(period + AHEAD, self._sun.actual.size))
            self.send(WeatherForecast(period, self._sun.issued_at(period, ahead)))
