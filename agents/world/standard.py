"""What a grid operator knows of its customers before it measures anything: register, last year's meters, weather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agents.world.daytypes import WEEKDAY, day_kinds, shape_over
from agents.world.homes import E1A_SATURDAY, E1A_SUNDAY, E1A_WEEKDAY
from agents.world.load import SITE_SHAPES
from grid.connections import ConnectionTable
from markets.calendar import Horizon

YEARLY_ERROR_SHARE = 0.10
"""Standard error of a connection's yearly use as known from last year's meter (assumption)."""
HOME_SPREAD, SITE_SPREAD, COMMON_SPREAD = 1.4, 0.15, 0.10
"""Standard error of a quarter-hour against its profile: of one home (its appliances come and go), of a firm, and of all
together (weather, habits); measured on the homes and sites that runs draw."""
CHARGING_SPREAD_SHARE = 0.10
"""The same where cars charge that nobody gives a prognosis of, share of the connection (assumption)."""
UNKNOWN = ("public_ac", "shared", "dc_site")

SolarForecast = Callable[[int, np.ndarray], np.ndarray]
"""``solar(now, periods)``: expected generation as a share of installed power."""


@dataclass(frozen=True)
class StandardLoads:
    """Expected loads of every node without charging.

    Attributes
    ----------
    mean_kw : float array, shape (n_periods, n_nodes)
        Consumption by registered profile, kind of day and yearly use, roofs apart.
    variance_kw2 : float array, shape (n_periods, n_nodes)
        Of the error of single connections.
    roof_kwp : float array, shape (n_nodes,)
        Panels as registered: what they give per unit of national solar generation.
    quarter, is_free_day : int, bool arrays, shape (n_periods,)
        Quarter of the local day; weekend or public holiday.
    solar : SolarForecast
        The weather service.
    """

    mean_kw: np.ndarray
    variance_kw2: np.ndarray
    roof_kwp: np.ndarray
    quarter: np.ndarray
    is_free_day: np.ndarray
    solar: SolarForecast

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.mean_kw.shape[1]


def standard_loads(
    horizon: Horizon,
    table: ConnectionTable,
    n_nodes: int,
    load_kw: np.ndarray,
    roof_kw: np.ndarray,
    solar_share: np.ndarray,
    solar: SolarForecast,
    rng: np.random.Generator,
) -> StandardLoads:
    """Profiles by kind of connection, scaled to the use of its meter.

    Parameters
    ----------
    horizon : Horizon
        The days.
    table : ConnectionTable
        Kinds and nodes.
    n_nodes : int
        Of the grid.
    load_kw, roof_kw : float arrays, shape (n_connections, n_periods)
        What the meters will show; only its mean counts, and it is known with an error.
    solar_share : float array, shape (n_periods,)
        National solar generation as a share of capacity.
    solar : SolarForecast
        Its forecast.
    rng : numpy.random.Generator
        Draws that error.
    """
    known = np.exp(YEARLY_ERROR_SHARE * rng.standard_normal(len(table)))
    level = load_kw.mean(axis=1, dtype=np.float64) * known
    mean = np.zeros((horizon.n_periods, n_nodes))
    variance = np.zeros_like(mean)
    kinds, node = np.array(table.kind), table.node_index.astype(np.int64)
    for kind in sorted(set(table.kind)):
        shape = _shape(kind, horizon)
        here = kinds == kind
        weight, square = (np.bincount(node[here], weights=w[here], minlength=n_nodes) for w in (level, level**2))
        mean += shape[:, None] * weight[None, :]
        spread = HOME_SPREAD if kind == "home" else SITE_SPREAD
        variance += (spread * shape[:, None]) ** 2 * square[None, :]
        if kind in UNKNOWN:
            charging = (CHARGING_SPREAD_SHARE * table.capacity_kw) ** 2
            variance += np.bincount(node[here], weights=charging[here], minlength=n_nodes)[None, :]
    sun = float(np.sum(solar_share))
    yield_kwp = roof_kw.sum(axis=1, dtype=np.float64) / sun if sun > 0.0 else np.zeros(len(table))
    free = (day_kinds(horizon) != WEEKDAY)[horizon.day_of]
    quarter = (horizon.local_hour * 4.0).astype(np.int64) % 96
    roof = np.bincount(node, weights=yield_kwp, minlength=n_nodes)
    return StandardLoads(mean, variance, roof, quarter, free, solar)


def _shape(kind: str, horizon: Horizon) -> np.ndarray:
    """Profile of a kind over the run with a mean of 1."""
    if kind == "home":
        shape = shape_over(horizon, E1A_WEEKDAY, E1A_SATURDAY, E1A_SUNDAY)
    else:
        hourly, saturday, sunday = SITE_SHAPES.get(kind, SITE_SHAPES["other"])
        day = np.asarray(hourly)
        weekend = (tuple(day.min() + share * (day - day.min())) for share in (saturday, sunday))
        shape = shape_over(horizon, hourly, *weekend)
    return np.asarray(shape / max(float(shape.mean()), 1e-9))
