"""EV driver: decides a charging preference and tells EMSP, CPO or the car."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.acceptance import AcceptanceSpec, Experience, learn
from agents.fleet.comfort import missing_kwh, possible_kwh
from agents.fleet.state import FleetState
from agents.fleet.tables import Fleet
from agents.fleet.vehicles import ANXIOUS_BELOW_SHARE
from agents.information.consent import NEVER
from agents.information.customers import attentive, choices
from agents.links import Links
from agents.messages import (
    AggregatorChosen,
    AggregatorTerms,
    ChargingOutlook,
    ConsentWithdrawn,
    DriverInformation,
    DriverWish,
    DriverWishAtStation,
    DriverWishInCar,
    PriceEffectToDriver,
)
from agents.role import Role

SHORT_SHARE, SHORT_KWH = 0.05, 0.5
"""A driver is let down when more than this share, and this energy, of what the car could hold is missing."""
DRIVERS_EFFICIENCY = 0.9
"""What drivers reckon of a kWh at the meter that ends in the battery."""


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

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        fleet: Fleet,
        seed: int = 1,
        acceptance: AcceptanceSpec | None = None,
    ) -> None:
        super().__init__(model, party, links)
        self.fleet, self.seed, self.acceptance = fleet, seed, acceptance or AcceptanceSpec()
        self.withdrawals = np.full(fleet.n_evs, NEVER)
        """Period in which each driver withdraws consent."""
        self.refuses = fleet.vehicles.is_opt_out.astype(bool).copy()
        """Who wants no smart charging now; experience changes it from day to day."""
        self.refused = np.zeros(len(fleet.sessions.rows), dtype=bool)
        """Sessions whose driver asked to charge at once."""
        self.experience = Experience.none(fleet.n_evs)
        self._ended: list[np.ndarray] = []
        self.told_site_kw, self.told_power_kw = np.full((2, len(fleet.sessions.rows)), np.nan)
        self.told_saving_eur = np.full(len(fleet.sessions.rows), np.nan)

    def wish(self, arrived: np.ndarray, battery_kwh: np.ndarray) -> None:
        """Tell app, station and car what the stays that begin should bring (DRV-1 to DRV-3).

        A driver sees the state of charge in the car: what is below the wanted minimum should come at once, and who is
        anxious and arrives low wants no steering.
        """
        s, v = self.fleet.sessions, self.fleet.vehicles
        ev = s.ev_row[arrived]
        is_low = v.is_anxious[ev] & (battery_kwh[ev] < ANXIOUS_BELOW_SHARE * v.capacity_kwh[ev])
        refuses = s.is_override[arrived] | self.refuses[ev] | is_low
        self.refused[arrived] = refuses
        stated = s.stated_departure_min[arrived] >= 0
        with_app = arrived[stated]
        if len(with_app):
            departure = s.stated_departure_min[with_app].copy()
            urgent = self._urgent_kwh(ev[stated], battery_kwh[ev[stated]])
            wanted = s.stated_kwh[with_app].astype(np.float64)
            co2_focus = 1.0 - v.price_focus[ev[stated]].astype(np.float64)
            self.send(DriverWish(with_app, departure, wanted, urgent, refuses[stated], co2_focus))
            self.send(DriverWishInCar(with_app, departure))
        if refuses.any():
            self.send(DriverWishAtStation(arrived[refuses], np.ones(int(refuses.sum()), dtype=bool)))

    def _urgent_kwh(self, ev: np.ndarray, battery_kwh: np.ndarray) -> np.ndarray:
        """Energy at the meter that lifts the battery to the minimum the driver feels safe with."""
        v = self.fleet.vehicles
        below = self.experience.minimum_share(v)[ev] * v.capacity_kwh[ev] - battery_kwh
        return np.asarray(np.maximum(below, 0.0) / DRIVERS_EFFICIENCY)

    def leave(self, ended: np.ndarray) -> None:
        """Drive off: the day's sessions are remembered until the evening."""
        self._ended.append(ended)

    def learn(self, state: FleetState, seed: int) -> None:
        """End a day: who was let down may opt out, who saved money stays or comes back.

        A driver knows the own battery at departure and the saving that was told; the draw behind the choice never
        changes, so that two policies differ only by what drivers experience.
        """
        ended = np.concatenate(self._ended) if self._ended else np.zeros(0, dtype=np.int64)
        self._ended = []
        if len(ended):
            self.experience = learn(
                self.experience, self.fleet, state, ended, self.told_saving_eur[ended], self.acceptance
            )
        self.refuses = self.experience.refuses(self.fleet.vehicles, seed, self.acceptance)

    def choose_aggregator(
        self, parties: Sequence[str], holder: np.ndarray, may: np.ndarray, state: FleetState, rule: str, day: int
    ) -> None:
        """Ask another aggregator to take over where the own one let the driver down or others bring more.

        Parameters
        ----------
        parties : sequence of str
            Aggregators there are.
        holder : int array, shape (n_evs,)
            The one each driver has.
        may : bool array, shape (n_evs,)
            Customers without a change on its way.
        state : FleetState
            The cars; every driver knows the own battery at departure.
        rule : str
            Lever ``aggregator_switching``.
        day : int
            The day that ends.
        """
        told = self.knowledge.newest_of(AggregatorTerms)
        benefit = np.array([told[p].benefit_eur_per_kwh if p in told else np.nan for p in parties])
        looks = attentive(self.seed, self.fleet.vehicles.uid, day)
        wanted = choices(holder, benefit, self._is_let_down(state) & may, looks & may, rule)
        for k, party in enumerate(parties):
            rows = np.flatnonzero((wanted == k) & (holder != k))
            if len(rows):
                self.send(AggregatorChosen(rows), party)

    def _is_let_down(self, state: FleetState) -> np.ndarray:
        """Drivers whose car held less at a departure of this day than it could have, bool[n_evs]."""
        ended = np.concatenate(self._ended) if self._ended else np.zeros(0, dtype=np.int64)
        missing = np.nan_to_num(missing_kwh(self.fleet, state, ended))
        needed = np.nan_to_num(possible_kwh(self.fleet, state, ended) - state.arrival_kwh[ended])
        is_short = missing > np.maximum(SHORT_SHARE * needed, SHORT_KWH)
        return np.bincount(self.fleet.sessions.ev_row[ended], weights=is_short, minlength=self.fleet.n_evs) > 0

    def forget_day(self) -> None:
        """Start a new day without yesterday's sessions."""
        self._ended = []

    def withdraw(self, period: int, session_at: np.ndarray) -> None:
        """Drivers whose car is connected withdraw their consent in this period (report 7.3)."""
        here = session_at[session_at >= 0]
        rows = here[self.withdrawals[self.fleet.sessions.ev_row[here]] == period]
        if len(rows):
            self.send(ConsentWithdrawn(rows.astype(np.int64)))

    def listen(self) -> None:
        """Take in what app and station say about limits, steering and price."""
        for outlook in self.knowledge.take(ChargingOutlook):
            self.told_site_kw[outlook.session_row] = outlook.site_limit_kw
            self.told_power_kw[outlook.session_row] = outlook.power_kw
        for told in self.knowledge.take(DriverInformation) + self.knowledge.take(PriceEffectToDriver):
            self.told_saving_eur[told.session_row] = told.saving_eur
