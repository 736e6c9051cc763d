"""How experience changes a driver's acceptance of smart charging: let down, they leave; having saved, they stay.

A run that learns keeps one :class:`Experience` and calls :func:`learn` once a day with the sessions that ended; what
drivers then refuse, and the state of charge they want at once, come from :meth:`Experience.refuses` and
``minimum_share``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.comfort import missing_kwh, possible_kwh
from agents.fleet.keyed import uniforms
from agents.fleet.state import FleetState
from agents.fleet.tables import Fleet, Vehicles


@dataclass(frozen=True)
class AcceptanceSpec:
    """Sensitivities (assumptions): log-odds of opting out per experience.

    Attributes
    ----------
    refuse_share : float
        Drivers who opt out before any experience (``FleetSpec.opt_out_share``).
    per_missing_share : float
        Added when the whole needed energy was missing (scaled by the share missing).
    per_eur_saved : float
        Taken off per euro saved.
    anxiety_below_share : float
        Departures below this state of charge count as a full letdown: range anxiety.
    anxiety_step_share : float
        What an anxious driver adds to the state of charge wanted at once; it fades with ``memory``.
    memory : float
        Share of an old impression that is left after one more day with a session.
    """

    refuse_share: float = 0.05
    per_missing_share: float = 6.0
    per_eur_saved: float = 0.5
    anxiety_below_share: float = 0.15
    anxiety_step_share: float = 0.1
    memory: float = 0.8


@dataclass(frozen=True, eq=False)
class Experience:
    """What drivers remember, one entry per EV.

    Attributes
    ----------
    impression_log_odds : float array
        Added to the log-odds of opting out.
    anxiety_share : float array
        Added to the state of charge the driver wants at once.
    days : int array
        Days with a session so far.
    """

    impression_log_odds: np.ndarray
    anxiety_share: np.ndarray
    days: np.ndarray

    @classmethod
    def none(cls, n_evs: int) -> Experience:
        """Nothing experienced yet."""
        return cls(np.zeros(n_evs), np.zeros(n_evs), np.zeros(n_evs, dtype=np.int64))

    def refuses(self, vehicles: Vehicles, seed: int, spec: AcceptanceSpec | None = None) -> np.ndarray:
        """Who refuses smart charging now, bool[n_evs].

        The driver's draw is the one that made ``is_opt_out``: without experience both are the same, and a driver
        changes sides only when experience moves the odds past that draw.
        """
        return opts_out(spec or AcceptanceSpec(), self.impression_log_odds, uniforms(seed, "driver", vehicles.uid)[3])

    def minimum_share(self, vehicles: Vehicles) -> np.ndarray:
        """State of charge wanted at once, before anything smart, float64[n_evs]."""
        return np.clip(vehicles.minimum_share + self.anxiety_share, 0.0, vehicles.desired_share)


def impression(
    spec: AcceptanceSpec,
    before: np.ndarray,
    missing_kwh: np.ndarray,
    needed_kwh: np.ndarray,
    departure_soc_share: np.ndarray,
    saved_eur: np.ndarray,
) -> np.ndarray:
    """Impression after one more session, in log-odds of opting out added to the base; arrays per driver."""
    share = np.clip(missing_kwh / np.maximum(needed_kwh, 1.0), 0.0, 1.0)
    letdown = np.where(departure_soc_share < spec.anxiety_below_share, 1.0, share)
    return spec.memory * before + spec.per_missing_share * letdown - spec.per_eur_saved * saved_eur


def opts_out(spec: AcceptanceSpec, impression_log_odds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Whether each driver opts out; ``u`` is the driver's own fixed uniform draw, so choices move with experience."""
    share = min(max(spec.refuse_share, 1e-9), 1.0 - 1e-9)
    odds = np.log(share / (1.0 - share)) + impression_log_odds
    return np.asarray(u < 1.0 / (1.0 + np.exp(-odds)))


def learn(
    before: Experience,
    fleet: Fleet,
    state: FleetState,
    ended: np.ndarray,
    saved_eur: np.ndarray,
    spec: AcceptanceSpec | None = None,
) -> Experience:
    """Experience after a day: all sessions of a driver that ended count as one impression.

    Parameters
    ----------
    before : Experience
        Until yesterday.
    fleet, state : Fleet, FleetState
        The run.
    ended : int array
        Session rows that ended during the day.
    saved_eur : float array, shape (n_ended,)
        What steering saved the driver in each; unknown (nan) counts as nothing.
    spec : AcceptanceSpec, optional
        Sensitivities.

    Returns
    -------
    Experience
        Drivers without a session that day keep theirs.
    """
    spec = spec or AcceptanceSpec()
    ev, n = fleet.sessions.ev_row[ended], fleet.n_evs

    def per_driver(values: np.ndarray) -> np.ndarray:
        return np.bincount(ev, weights=np.nan_to_num(values), minlength=n)

    lowest = np.full(n, np.inf)
    np.minimum.at(lowest, ev, np.nan_to_num(state.departure_kwh[ended], nan=np.inf) / fleet.vehicles.capacity_kwh[ev])
    missing = per_driver(missing_kwh(fleet, state, ended))
    needed = per_driver(possible_kwh(fleet, state, ended) - state.arrival_kwh[ended])
    new = impression(spec, before.impression_log_odds, missing, needed, lowest, per_driver(saved_eur))
    anxiety = spec.memory * before.anxiety_share + spec.anxiety_step_share * (lowest < spec.anxiety_below_share)
    was_there = np.bincount(ev, minlength=n) > 0
    return Experience(
        np.where(was_there, new, before.impression_log_odds),
        np.where(was_there, anxiety, before.anxiety_share),
        before.days + was_there,
    )
