"""Emergency power: with the grid down, a home or building runs on the V2X cars plugged in, down to their reserves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.physics import StepResult
from agents.fleet.state import FleetState


@dataclass(frozen=True)
class IslandSupply:
    """What happened during an outage.

    Attributes
    ----------
    served_kw : float array, shape (n_sites, n_periods)
        Load above own production that the cars supplied.
    car_kw : float array, shape (n_cars, n_periods)
        Power of each car at the meter, positive charging (from surplus), negative delivering.
    battery_kwh : float array, shape (n_cars,)
        Left in the batteries.
    """

    served_kw: np.ndarray
    car_kw: np.ndarray
    battery_kwh: np.ndarray


@dataclass(frozen=True)
class Dark:
    """What has no supply in a period, and how it helps itself.

    Attributes
    ----------
    is_point : bool array, shape (n_points,)
        Charging points without supply.
    session, ev, point : int arrays, shape (n_cars,)
        V2X cars that feed (or take what is left over) there.
    car_kw : float array, shape (n_cars,)
        Their power at the meter, negative delivering.
    battery_kwh : float array, shape (n_cars,)
        Their batteries at the end of the period.
    """

    is_point: np.ndarray
    session: np.ndarray
    ev: np.ndarray
    point: np.ndarray
    car_kw: np.ndarray
    battery_kwh: np.ndarray

    def book(self, state: FleetState, result: StepResult) -> None:
        """Move the energy of the feeding cars in a state and in what a period did."""
        energy = self.car_kw * result.period_h
        before = state.battery_kwh[self.ev]
        state.loss_kwh[self.ev] += energy - (self.battery_kwh - before)
        state.discharged_kwh[self.ev] += np.maximum(before - self.battery_kwh, 0.0)
        state.battery_kwh[self.ev] = self.battery_kwh
        drawn, delivered = np.maximum(energy, 0.0), np.maximum(-energy, 0.0)
        state.import_kwh[self.point] += drawn
        state.export_kwh[self.point] += delivered
        state.session_import_kwh[self.session] += drawn
        state.session_export_kwh[self.session] += delivered
        result.energy_kwh[self.point] += energy


def island_supply(
    load_kw: np.ndarray,
    site: np.ndarray,
    battery_kwh: np.ndarray,
    reserve_kwh: np.ndarray,
    full_kwh: np.ndarray,
    discharge_kw: np.ndarray,
    charge_kw: np.ndarray,
    efficiency: np.ndarray,
    period_h: float = 0.25,
) -> IslandSupply:
    """Run sites on their own while the grid is away.

    Parameters
    ----------
    load_kw : float array, shape (n_sites, n_periods)
        Load less own production; negative is surplus, which charges the cars.
    site : int array, shape (n_cars,)
        Site each car is plugged in at.
    battery_kwh, reserve_kwh, full_kwh : float arrays, shape (n_cars,)
        Energy now, the reserve the driver set, the most it may hold.
    discharge_kw, charge_kw : float arrays, shape (n_cars,)
        Highest power at the meter in each direction.
    efficiency : float array, shape (n_cars,)
        One-way.
    period_h : float
        Length of a period.

    Returns
    -------
    IslandSupply
        Cars of one site share in proportion to what they can still give or take.
    """
    load = np.asarray(load_kw, dtype=np.float64)
    battery = np.array(battery_kwh, dtype=np.float64)
    served, power = np.zeros_like(load), np.zeros((len(battery), load.shape[1]))
    for t in range(load.shape[1]):
        can_give = np.minimum(discharge_kw, np.maximum(battery - reserve_kwh, 0.0) * efficiency / period_h)
        can_take = np.minimum(charge_kw, np.maximum(full_kwh - battery, 0.0) / efficiency / period_h)
        give = _share_out(np.maximum(load[:, t], 0.0), can_give, site)
        take = _share_out(np.maximum(-load[:, t], 0.0), can_take, site)
        power[:, t] = take - give
        battery += (take * efficiency - give / efficiency) * period_h
        served[:, t] = np.bincount(site, weights=give, minlength=len(load))
    return IslandSupply(served, power, battery)


def _share_out(wanted_kw: np.ndarray, able_kw: np.ndarray, site: np.ndarray) -> np.ndarray:
    """Split each site's power over its cars in proportion to what they can."""
    able_per_site = np.bincount(site, weights=able_kw, minlength=len(wanted_kw))
    share = np.divide(wanted_kw, able_per_site, out=np.zeros_like(able_per_site), where=able_per_site > 0.0)
    return able_kw * np.minimum(share, 1.0)[site]
