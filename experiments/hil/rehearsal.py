"""A run without hardware, to find the hour and the points that redispatch will touch; nothing of it is played back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.tables import ChargingPoints
from agents.model import Flexpolder
from agents.settings import SEGMENTS, Settings

HOUR = 4
"""Quarters of an hour."""
LEAST_CUT_KW = 2.0
LEAST_KW = 4.2
"""Least power of a three-phase car, a little above 6 A."""
SOCKET_PHASES, SOCKET_KW = 3, 11.04


@dataclass(frozen=True)
class Rehearsal:
    """Limits and powers of all points, kW, float[n_periods, n_points], and where redispatch gave relief."""

    limit_kw: np.ndarray
    power_kw: np.ndarray
    redispatched: np.ndarray
    points: ChargingPoints


@dataclass(frozen=True)
class Place:
    """An hour, and points (rows and names ``segment/number``) that redispatch holds back in it."""

    first: int
    rows: tuple[int, ...]
    names: tuple[str, ...]


def rehearse(settings: Settings) -> Rehearsal:
    """Run a scenario and keep what every point was told and drew."""
    model = Flexpolder(settings)
    limit_kw, power_kw = [], []
    try:
        model.open_early_gates()
        while model.period < model.horizon.n_periods:
            model.step()
            limit_kw.append(np.minimum(model.cast.evs.limit_kw, model.town.fleet.points.max_kw))
            power_kw.append(model.cast.stations.measured_kw.copy())
        relieved = {row[0] for row in model.market_day.desk.interventions.rows if row[1] == "redispatch"}
        periods = np.arange(model.horizon.n_periods)
        return Rehearsal(
            np.array(limit_kw), np.array(power_kw), np.isin(periods, list(relieved)), model.town.fleet.points
        )
    finally:
        model.close()


def find_place(held: Rehearsal, free: Rehearsal, n: int) -> Place | None:
    """The hour in which ``n`` points are held back most by redispatch, after they could charge more.

    Parameters
    ----------
    held, free : Rehearsal
        With and without redispatch.
    n : int
        Points wanted: three-phase sockets of 11 kW whose car would have charged where redispatch holds it back, and
        that may charge in a quarter before (what comes after, real stations change).
    """
    points = held.points
    fits = (points.phases == SOCKET_PHASES) & (np.abs(points.max_kw - SOCKET_KW) < 0.1)
    best: tuple[float, Place] | None = None
    for first in range(len(held.limit_kw) - HOUR + 1):
        hour = slice(first, first + HOUR)
        told, would = held.limit_kw[hour], free.limit_kw[hour]
        cut = np.maximum(would - told, 0.0)
        is_cut = held.redispatched[hour, None] & (cut >= LEAST_CUT_KW) & (free.power_kw[hour] >= LEAST_CUT_KW)
        cut = np.where(is_cut, cut, 0.0)
        is_before = ~np.logical_or.accumulate(is_cut, axis=0)
        high = np.where(is_before & (told >= LEAST_KW), told, 0.0).max(0)
        low = np.where(is_cut, told, np.inf).min(0)
        good = np.flatnonzero(fits & (high >= low + LEAST_CUT_KW))
        if len(good) < n:
            continue
        chosen = good[np.argsort(-cut[:, good].sum(0), kind="stable")[:n]]
        total = float(cut[:, chosen].sum())
        if best is None or total > best[0]:
            best = total, Place(first, tuple(chosen.tolist()), tuple(name_of(int(row), points) for row in chosen))
    return best[1] if best else None


def name_of(row: int, points: ChargingPoints) -> str:
    """Name of a charging point, ``segment/number``."""
    segment = int(points.segment[row])
    return f"{SEGMENTS[segment]}/{int(np.sum(points.segment[:row] == segment))}"
