"""What steering changed: cost, peak, CO2 and comfort of the same drivers against nobody steering.

Both runs share every draw, so a difference is the effect of the policy alone. Sums over drivers start from sessions:
the power trace is split over the stays at each point, shared periods by the minutes of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.comfort import missing_kwh
from agents.fleet.counterfactual import Outcome
from agents.fleet.tables import GROUPS, SEGMENTS, Fleet


@dataclass(frozen=True)
class SessionShares:
    """The power trace split over sessions, one entry per session and period in which it was plugged in.

    Attributes
    ----------
    session, period : int arrays
        Row of the session and period.
    energy_kwh : float array
        Energy at the meter in that period, negative if delivered.
    """

    session: np.ndarray
    period: np.ndarray
    energy_kwh: np.ndarray


@dataclass(frozen=True)
class Difference:
    """Effect of steering on some drivers, against the same drivers uncontrolled.

    Attributes
    ----------
    name : str
        Segment or driver group.
    sessions : int
        Number of sessions.
    energy_kwh : float
        Net energy at the meter in the steered run.
    saved_eur, saved_kg : float
        Cost and CO2 of the uncontrolled run less those of this one.
    saved_eur_per_kwh : float
        Relative to the net energy.
    peak_kw, uncontrolled_peak_kw : float
        Highest mean power of a period.
    missing_kwh, uncontrolled_missing_kwh : float
        Energy missing at departure of what was physically possible.
    """

    name: str
    sessions: int
    energy_kwh: float
    saved_eur: float
    saved_kg: float
    saved_eur_per_kwh: float
    peak_kw: float
    uncontrolled_peak_kw: float
    missing_kwh: float
    uncontrolled_missing_kwh: float


def session_shares(fleet: Fleet, power_kw: np.ndarray) -> SessionShares:
    """Split a power trace over sessions.

    Parameters
    ----------
    fleet : Fleet
        The sessions.
    power_kw : float array, shape (n_points, n_periods)
        Mean power per point and period.
    """
    s, step = fleet.sessions, fleet.horizon.period_min
    n_periods = power_kw.shape[1]
    first = np.clip(s.arrival_min // step, 0, n_periods)
    end = np.clip(-(-s.departure_min // step), 0, n_periods)
    count = np.maximum(end - first, 0)
    session = np.repeat(np.arange(len(s)), count)
    period = np.arange(len(session)) - np.repeat(np.cumsum(count) - count - first, count)
    start_min = period * step
    minutes = np.minimum(start_min + step, s.departure_min[session]) - np.maximum(start_min, s.arrival_min[session])
    slot = s.cp_row[session].astype(np.int64) * n_periods + period
    there = np.bincount(slot, weights=minutes, minlength=power_kw.size)
    energy = np.asarray(power_kw, dtype=np.float64).ravel()[slot] * (step / 60.0) * minutes / there[slot]
    return SessionShares(session, period, energy)


def per_session(shares: SessionShares, n_sessions: int, value: np.ndarray) -> np.ndarray:
    """Sum of energy times a value per period (a price, an emission factor), per session."""
    weights = shares.energy_kwh * np.asarray(value, dtype=np.float64)[shares.period]
    return np.bincount(shares.session, weights=weights, minlength=n_sessions)


def _label(fleet: Fleet, by: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if by == "segment":
        return fleet.points.segment[fleet.sessions.cp_row], SEGMENTS
    if by == "group":
        return fleet.vehicles.group[fleet.sessions.ev_row], GROUPS
    raise ValueError(f"by = {by!r} is not one of segment, group")


def differences(
    run: Outcome,
    uncontrolled: Outcome,
    price_eur_per_kwh: np.ndarray,
    co2_kg_per_kwh: np.ndarray | None = None,
    by: str = "segment",
) -> list[Difference]:
    """Effect of steering per segment or per driver group.

    Parameters
    ----------
    run, uncontrolled : Outcome
        The steered run, and :func:`agents.fleet.counterfactual.uncontrolled` of the same fleet.
    price_eur_per_kwh : float array, shape (n_periods,)
        Price of a kWh at the meter.
    co2_kg_per_kwh : float array, shape (n_periods,), optional
        Emission of a kWh.
    by : str
        ``segment`` (where one charges) or ``group`` (who one is).

    Returns
    -------
    list of Difference
        One for every segment or group that has sessions.
    """
    fleet = run.fleet
    label, names = _label(fleet, by)
    n, n_periods = len(label), run.power_kw.shape[1]
    co2 = np.zeros(n_periods) if co2_kg_per_kwh is None else np.asarray(co2_kg_per_kwh)
    price = np.asarray(price_eur_per_kwh, dtype=np.float64)[:n_periods]
    sums = []
    for outcome in (run, uncontrolled):
        shares = session_shares(fleet, outcome.power_kw)
        totals = [per_session(shares, n, value) for value in (np.ones(n_periods), price, co2)]
        totals.append(missing_kwh(fleet, outcome.state, np.arange(n)))
        by_label = [np.bincount(label, weights=np.nan_to_num(total), minlength=len(names)) for total in totals]
        slot = label[shares.session].astype(np.int64) * n_periods + shares.period
        trace = np.bincount(slot, weights=shares.energy_kwh, minlength=len(names) * n_periods)
        peak = trace.reshape(len(names), n_periods).max(axis=1, initial=0.0) / fleet.horizon.period_h
        sums.append([*by_label, peak])
    mine, theirs = sums
    return [
        Difference(
            name=names[k],
            sessions=int(np.sum(label == k)),
            energy_kwh=float(mine[0][k]),
            saved_eur=float(theirs[1][k] - mine[1][k]),
            saved_kg=float(theirs[2][k] - mine[2][k]),
            saved_eur_per_kwh=float((theirs[1][k] - mine[1][k]) / max(mine[0][k], 1e-9)),
            peak_kw=float(mine[4][k]),
            uncontrolled_peak_kw=float(theirs[4][k]),
            missing_kwh=float(mine[3][k]),
            uncontrolled_missing_kwh=float(theirs[3][k]),
        )
        for k in np.unique(label)
    ]
