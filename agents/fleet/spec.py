"""Parameters of the fleet: what a scenario may say about EVs and their drivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _frozen(values: dict[str, float]) -> Mapping[str, float]:
    return MappingProxyType(values)


@dataclass(frozen=True)
class FleetSpec:
    """How many EVs, of which kind, with which habits.

    Shares are 0 to 1. Figures without a source beside them are assumptions meant to be varied.

    Attributes
    ----------
    n_evs : int or None
        Total to aim for: owned points keep their EVs, street parkers fill up the rest. None: ``evs_per_point`` decides.
    evs_per_point : mapping
        EVs based at one point of a segment (190,000 public points for about 3 street EVs each; dc: visitors).
    plug_in_hybrid_share : float
        0.38 reproduces the AC power mix of registrations with hybrids (41.1 % at most 3.7 kW, figures R).
    car_model : str
        Name in ``figures.BATTERY_CARS`` that all battery cars have (one maker's fleet); empty: as registered.
    v2x_share : float
        Share of battery cars that can deliver to the grid; below 0.001 today.
    sessions_per_week : mapping
        Sessions an EV wants per week by segment (Nationaal Laadonderzoek 2022: 11 home, 5 nearby public, 2 fast a month
        over all drivers; those with an own point charge there more often).
    commuter_share : float
        Share of home and street EVs that charge at work on some days.
    stating_share : float
        Share of drivers who state departure and energy (lever ``emsp_app_share``).
    stating_error_min : float
        Spread of the error in stated departures; 0 makes every driver truthful.
    stating_error_share : float
        Log spread of the error in the stated energy.
    override_share : float
        Sessions in which the driver presses "charge now".
    opt_out_share : float
        Drivers who refuse smart charging.
    sleeper_share : float
        Cars that fall asleep in a pause (evcc #14348); the point wakes them in ``wake_min``.
    deaf_share : float
        Cars that a pause of ``sleep_after_min`` puts to sleep until they are plugged in anew (evcc #4788).
    cable_16a_share : float
        Drivers of cars with more than 16 A per phase who carry a 16 A cable.
    reaction_s, ramp_s : float
        Dead time after a new set-point, and length of the straight ramp to it that follows.
    anxious_share : float
        Drivers with range anxiety (assumption): they want the battery full and half of it at once, plug in more often
        for less, and press "charge now" when they arrive low.
    co2_focus_share : float
        Drivers who ask for little CO2 rather than for the lowest price (assumption).
    driver_rho : float
        Correlation of a driver's own habits over days, 0 to 1.
    """

    n_evs: int | None = None
    evs_per_point: Mapping[str, float] = field(
        default_factory=lambda: _frozen({"home": 1.0, "public_ac": 3.0, "depot": 1.0, "shared": 1.0, "dc": 30.0})
    )
    plug_in_hybrid_share: float = 0.38
    car_model: str = ""
    v2x_share: float = 0.0
    sessions_per_week: Mapping[str, float] = field(
        default_factory=lambda: _frozen(
            {"home": 3.4, "public_ac": 2.2, "work": 1.8, "depot": 6.0, "shared": 12.0, "dc": 2.0, "home_on_street": 0.5}
        )
    )
    commuter_share: float = 0.35
    stating_share: float = 0.6
    stating_error_min: float = 45.0
    stating_error_share: float = 0.25
    override_share: float = 0.02
    opt_out_share: float = 0.05
    sleeper_share: float = 0.03
    sleep_after_min: float = 30.0
    wake_min: float = 5.0
    deaf_share: float = 0.0
    cable_16a_share: float = 0.15
    driver_rho: float = 0.5
    soh_mean_share: float = 0.96
    desired_full_share: float = 0.5
    anxious_share: float = 0.1
    co2_focus_share: float = 0.0
    minimum_share: float = 0.2
    v2x_reserve_share: float = 0.3
    v2x_warranty_kwh_per_week: float = 200.0
    floor_share: float = 0.08
    reaction_s: float = 0.0
    ramp_s: float = 0.0

    @property
    def delay_s(self) -> float:
        """Time the old power counts on: a straight ramp moves as much energy as a jump in its middle."""
        return self.reaction_s + 0.5 * self.ramp_s

    def faults(self) -> list[str]:
        """Everything that is out of range, one sentence each."""
        shares = [name for name in self.__dataclass_fields__ if name.endswith(("_share", "_rho"))]
        wrong = [
            f"{name} = {getattr(self, name)!r} is outside 0 to 1"
            for name in shares
            if name != "stating_error_share" and not 0.0 <= getattr(self, name) <= 1.0
        ]
        amounts = ("stating_error_min", "stating_error_share", "sleep_after_min", "wake_min", "reaction_s", "ramp_s")
        wrong += [f"{n} = {getattr(self, n)!r} is negative" for n in amounts if not getattr(self, n) >= 0.0]
        tables = {"evs_per_point": self.evs_per_point, "sessions_per_week": self.sessions_per_week}
        wrong += [f"{t}.{k} = {v!r} is negative" for t, m in tables.items() for k, v in m.items() if not v >= 0.0]
        if self.n_evs is not None and self.n_evs < 0:
            wrong.append(f"n_evs = {self.n_evs} is negative")
        return wrong
