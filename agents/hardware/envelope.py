"""What a point may be told, whatever the agents ask: limits of connection, station and cable, ramp, units."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agents.port import bounded_kw

VOLT = 230.0
MIN_A = 6.0
"""Least current of a charging car (IEC 61851-1); below it charging pauses."""


@dataclass(frozen=True)
class Envelope:
    """Limits of one point.

    Attributes
    ----------
    connection_kw, station_kw, cable_a : float
        The three limits; the least one holds.
    safe_kw : float
        What the point may draw when nobody steers it.
    phases : int
        Conductors of the socket.
    ramp_kw_per_s : float
        Fastest rise of the set-point; a fall is never delayed.
    discharge_kw : float
        Most power back to the grid, positive.
    """

    connection_kw: float
    station_kw: float
    cable_a: float = 32.0
    safe_kw: float = 4.14
    phases: int = 3
    ramp_kw_per_s: float = math.inf
    discharge_kw: float = 0.0

    @property
    def max_kw(self) -> float:
        """Least of the three limits."""
        return min(self.connection_kw, self.station_kw, self.cable_a * VOLT * self.phases / 1000.0)

    @property
    def physical_kw(self) -> float:
        """Most that hardware of this kind can draw whatever it was told: what is above is a fault of the meter."""
        return max(self.station_kw, self.cable_a * VOLT * 3 / 1000.0, self.discharge_kw)

    @property
    def min_kw(self) -> float:
        """Least power other than zero."""
        return MIN_A * VOLT * self.phases / 1000.0

    def bounded(self, limit_kw: float) -> float:
        """Limit inside the envelope."""
        return bounded_kw(limit_kw, self.max_kw, self.safe_kw, self.discharge_kw)

    def ramped(self, wanted_kw: float, last_kw: float, elapsed_s: float) -> float:
        """Limit allowed now on the way up from the last one."""
        if wanted_kw <= last_kw or math.isinf(self.ramp_kw_per_s):
            return wanted_kw
        return min(wanted_kw, last_kw + self.ramp_kw_per_s * max(elapsed_s, 0.0))

    def wire_limit(self, limit_kw: float, unit: str) -> float:
        """Limit on the wire, floored to a tenth as 1.6 demands; less than the least current is a pause.

        >>> Envelope(22.0, 11.04).wire_limit(7.36, "A"), Envelope(22.0, 11.04).wire_limit(2.0, "A")
        (10.6, 0.0)
        """
        if 0.0 <= limit_kw < self.min_kw - 1e-6:
            return 0.0
        number = limit_kw * 1000.0 / (VOLT * self.phases) if unit == "A" else limit_kw * 1000.0
        return math.floor(number * 10.0 + 1e-6) / 10.0

    def told_kw(self, limit_kw: float, unit: str) -> float:
        """What the point was told in fact, after rounding."""
        wire = self.wire_limit(limit_kw, unit)
        return wire * VOLT * self.phases / 1000.0 if unit == "A" else wire / 1000.0
