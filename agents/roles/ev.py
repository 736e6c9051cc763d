"""EV: draws power, follows the station's signal, tells what it knows over ISO 15118 or its maker's API."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.behaviour import rated
from agents.fleet.emergency import Dark
from agents.fleet.physics import StepResult, step
from agents.fleet.state import FleetState, initial_state
from agents.fleet.tables import Fleet
from agents.links import Links
from agents.messages import ChargeLimit, DriverWishInCar, EnergyCounted, EvStatus, PowerDrawn, VehicleData
from agents.role import Role


class EV(mesa.Agent):
    """One car: a view on a row of the fleet's arrays."""

    def __init__(self, model: mesa.Model, row: int, fleet: Fleet, state: FleetState) -> None:
        super().__init__(model)
        self.row, self._fleet, self._state = row, fleet, state

    @property
    def battery_kwh(self) -> float:
        """Energy in the battery."""
        return float(self._state.battery_kwh[self.row])

    @property
    def capacity_kwh(self) -> float:
        """Usable capacity."""
        return float(self._fleet.vehicles.capacity_kwh[self.row])


class Evs(Role):
    """All EVs together: their physics and what they say."""

    role: ClassVar[str] = "ev"

    def __init__(
        self, model: mesa.Model, party: str, links: Links, fleet: Fleet, iso15118_share: float, oem_api_share: float
    ) -> None:
        super().__init__(model, party, links)
        self.fleet = fleet
        self.state = initial_state(fleet)
        v = fleet.vehicles
        # delivering power needs ISO 15118-20: such cars speak it everywhere
        self.speaks_iso15118 = (v.iso15118_u < iso15118_share) | (v.discharge_kw > 0.0)
        self.shares_with_maker = v.oem_u < oem_api_share
        self.card_share = 1.0
        """Share of drivers with a card beside plug and charge."""
        self.count_factor = np.ones(fleet.n_evs)
        """What each car's own meter shows of a true kWh."""
        self.limit_kw = np.full(fleet.n_points, np.inf)
        self.real_rows, self.real_kw = np.zeros(0, dtype=np.int64), np.zeros(0)
        self.real_extra_kwh = np.zeros(0)
        self.told_departure_min = np.full(len(fleet.sessions), -1.0)
        """What drivers set in the car, -1 where nothing: the car speaks for nobody who did not tell it."""
        self.dark: Dark | None = None

    def introduce(self, arrived: np.ndarray) -> None:
        """Tell station and maker about the cars that plug in (EV-3 to EV-8, EV-10)."""
        s, v = self.fleet.sessions, self.fleet.vehicles
        for wish in self.knowledge.take(DriverWishInCar):
            self.told_departure_min[wish.session_row] = wish.departure_min
        ev = s.ev_row[arrived]
        efficiency = rated(v, self.fleet.points, ev, s.cp_row[arrived])[3]
        speaks, shares = self.speaks_iso15118[ev], self.shares_with_maker[ev]
        station = arrived[speaks]
        if len(station):
            car = s.ev_row[station]
            self.send(
                EvStatus(
                    station,
                    self.state.battery_kwh[car].copy(),
                    v.capacity_kwh[car].astype(np.float64),
                    efficiency[speaks],
                    v.soh_share[car].astype(np.float64),
                    self.told_departure_min[station],
                    s.desired_kwh[station].astype(np.float64),
                )
            )
        maker = arrived[shares]
        if len(maker):
            car = s.ev_row[maker]
            self.send(
                VehicleData(
                    maker,
                    self.state.battery_kwh[car].copy(),
                    v.capacity_kwh[car].astype(np.float64),
                    efficiency[shares],
                    v.soh_share[car].astype(np.float64),
                )
            )

    def ratings(self, sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Highest, lowest and highest discharging power of sessions, as the control pilot shows them."""
        s, v, p = self.fleet.sessions, self.fleet.vehicles, self.fleet.points
        ev, cp = s.ev_row[sessions], s.cp_row[sessions]
        _, high, low, _ = rated(v, p, ev, cp)
        can_deliver = p.is_bidirectional[cp] & (v.discharge_kw[ev] > 0)
        return high, low, np.where(can_deliver, np.minimum(v.discharge_kw[ev], high), 0.0)

    def obey(self) -> None:
        """Take the newest limits of the stations (EV-2)."""
        for message in self.knowledge.take(ChargeLimit):
            self.limit_kw[message.cp_row] = message.limit_kw

    def rehearse(self, period: int) -> StepResult:
        """What the period would bring under the present limits: the baseline of everything sold on top."""
        return self._step(self.state.copy(), period)

    def wish(self, period: int, limit_kw: np.ndarray | None = None) -> StepResult:
        """What the period would bring had no connection lost its supply, or under other limits."""
        return step(self.fleet, self.state.copy(), period, self.limit_kw if limit_kw is None else limit_kw)

    def _step(self, state: FleetState, period: int) -> StepResult:
        """Move a state through a period; without supply nobody charges, and V2X cars feed their home or building."""
        if self.dark is None:
            return step(self.fleet, state, period, self.limit_kw)
        result = step(self.fleet, state, period, np.where(self.dark.is_point, 0.0, self.limit_kw))
        self.dark.book(state, result)
        return result

    def charge(self, period: int) -> StepResult:
        """Draw and deliver power for one period and tell the meters (EV-1, EV-9)."""
        self.limit_kw[self.real_rows] = self.real_kw
        result = self._step(self.state, period)
        self._measure_real(result)
        in_use = np.flatnonzero(result.energy_kwh)
        self.send(PowerDrawn(in_use, result.power_kw[in_use]))
        self._count_energy(result.departed)
        return result

    def _measure_real(self, result: StepResult) -> None:
        """Where a physical station stands, its meter counts; what it shows beyond the simulated car is kept apart."""
        metered = 0.25 * self.real_kw
        self.real_extra_kwh = metered - result.energy_kwh[self.real_rows]
        result.energy_kwh[self.real_rows] = metered

    def _count_energy(self, gone: np.ndarray) -> None:
        """Cars that speak ISO 15118 tell the energy they counted themselves when they leave."""
        ev = self.fleet.sessions.ev_row[gone]
        tells = self.speaks_iso15118[ev]
        if tells.any():
            net = self.state.session_import_kwh[gone] - self.state.session_export_kwh[gone]
            self.send(EnergyCounted(gone[tells], (net * self.count_factor[ev])[tells]))
