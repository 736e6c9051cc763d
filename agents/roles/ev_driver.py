"""EV driver: decides a charging preference and tells EMSP, CPO or the car."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.tables import Fleet
from agents.information.consent import NEVER
from agents.links import Links
from agents.messages import (
    ConsentWithdrawn,
    DriverInformation,
    DriverWish,
    DriverWishAtStation,
    DriverWishInCar,
    PriceEffectToDriver,
)
from agents.role import Role


class EVDriver(mesa.Agent):
    """One driver: a view on a row of the fleet's arrays."""

    def __init__(self, model: mesa.Model, row: int, fleet: Fleet) -> None:
        super().__init__(model)
        self.row, self._fleet = row, fleet

    @property
    def is_opt_out(self) -> bool:
        """Whether this driver refuses smart charging."""
        return bool(self._fleet.vehicles.is_opt_out[self.row])


class Drivers(Role):
    """All drivers together: what they wish and what they were told."""

    role: ClassVar[str] = "ev_driver"

    def __init__(self, model: mesa.Model, party: str, links: Links, fleet: Fleet) -> None:
        super().__init__(model, party, links)
        self.fleet = fleet
        self.withdrawals = np.full(fleet.n_evs, NEVER)
        """Period in which each driver withdraws consent."""
        self.told_saving_eur = np.full(len(fleet.sessions.rows), np.nan)

    def wish(self, arrived: np.ndarray) -> None:
        """Tell app, station and car what the stays that begin should bring (DRV-1 to DRV-3)."""
        s, v = self.fleet.sessions, self.fleet.vehicles
        refuses = s.is_override[arrived] | v.is_opt_out[s.ev_row[arrived]].astype(bool)
        stated = s.stated_departure_min[arrived] >= 0
        with_app = arrived[stated]
        if len(with_app):
            departure = s.stated_departure_min[with_app].copy()
            self.send(DriverWish(with_app, departure, s.stated_kwh[with_app].astype(np.float64), refuses[stated]))
            self.send(DriverWishInCar(with_app, departure))
        if refuses.any():
            self.send(DriverWishAtStation(arrived[refuses], np.ones(int(refuses.sum()), dtype=bool)))

    def withdraw(self, period: int, session_at: np.ndarray) -> None:
        """Drivers whose car is connected withdraw their consent in this period (report 7.3)."""
        here = session_at[session_at >= 0]
        rows = here[self.withdrawals[self.fleet.sessions.ev_row[here]] == period]
        if len(rows):
            self.send(ConsentWithdrawn(rows.astype(np.int64)))

    def listen(self) -> None:
        """Take in what app and station say about steering and price."""
        for told in self.knowledge.take(DriverInformation) + self.knowledge.take(PriceEffectToDriver):
            self.told_saving_eur[told.session_row] = told.saving_eur
