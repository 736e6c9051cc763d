"""A car at a socket and the station's meter: just enough physics for a virtual station."""

from __future__ import annotations

from dataclasses import dataclass

VOLT = 230.0
MIN_A = 6.0
TAPER_FROM = 0.8
TAPER_TO = 0.1


@dataclass
class Car:
    """Battery with a taper above 80 % state of charge.

    Attributes
    ----------
    capacity_kwh, soc_share : float
        Size and state of charge of the battery.
    max_a, phases : float, int
        On-board charger: current per phase and number of phases.
    discharge_kw : float
        Most power back to the grid; 0 = cannot.
    factor : float
        How much faster than the wall clock the battery fills (market time in hold mode).
    """

    capacity_kwh: float = 60.0
    soc_share: float = 0.3
    max_a: float = 16.0
    phases: int = 3
    discharge_kw: float = 0.0
    factor: float = 1.0

    @property
    def max_w(self) -> float:
        """Most the car takes at this state of charge, W."""
        whole_w = self.max_a * VOLT * self.phases
        if self.soc_share <= TAPER_FROM:
            return whole_w
        left = max(1.0 - self.soc_share, 0.0) / (1.0 - TAPER_FROM)
        return 0.0 if self.soc_share >= 1.0 else whole_w * (TAPER_TO + (1.0 - TAPER_TO) * left)

    def power_w(self, limit_w: float) -> float:
        """Power under a limit: it pauses below the least current; negative limits discharge if it can."""
        if limit_w < 0.0:
            return max(limit_w, -1000.0 * self.discharge_kw) if self.soc_share > 0.1 else 0.0
        if limit_w < MIN_A * VOLT * self.phases - 1.0:
            return 0.0
        return min(limit_w, self.max_w)

    def charge(self, power_w: float, seconds: float) -> None:
        """Let it charge for a while."""
        self.soc_share += self.factor * power_w * seconds / 3.6e6 / self.capacity_kwh
        self.soc_share = min(max(self.soc_share, 0.0), 1.0)


@dataclass
class Meter:
    """Registers of import and export, Wh."""

    import_wh: float = 12_000.0
    export_wh: float = 0.0

    def count(self, power_w: float, seconds: float) -> None:
        """Let power flow for a while."""
        if power_w >= 0.0:
            self.import_wh += power_w * seconds / 3600.0
        else:
            self.export_wh -= power_w * seconds / 3600.0
