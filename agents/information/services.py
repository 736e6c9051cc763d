"""Which services an aggregator may offer at which points, by the data items that reach it (report table 7.1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from agents.fleet.tables import SEGMENTS
from agents.information.items import ITEMS, necessary
from agents.messages import PointRegistration

BEHIND_THE_METER = ("home", "work", "depot", "shared")
"""Segments where charging follows prices to optimise what is behind one meter (report 6.2.1, 6.2.2); on the road it is
part of a portfolio (6.2.3)."""
OF_A_POINT = ("location", "grid_capacity", "cp_capacity", "connection_groups")
"""Items that are told per charging point; all others are told for the whole pool or per session."""
OF_A_SESSION = ("charging_preferences", "state_of_charge", "battery_capacity", "battery_efficiency")
"""Items that are told per session: V2X looks at each car's own (:func:`agents.roles.beliefs.view_of`)."""


class Services:
    """What an aggregator may offer.

    Parameters
    ----------
    segment : int array, shape (n_points,)
        Segment of every charging point.
    absent : iterable of str
        Items that do not come at all, which the aggregator knows.
    is_certified : bool
        It may act on behalf of the grid (report 6.1); without that it offers nothing to grid operators.
    """

    def __init__(self, segment: np.ndarray, absent: Iterable[str] = (), *, is_certified: bool = True) -> None:
        self.absent = frozenset(absent)
        unknown = self.absent - set(ITEMS)
        if unknown:
            raise ValueError(f"unknown data items: {', '.join(sorted(unknown))}")
        self.is_certified = is_certified
        names = [SEGMENTS.index(s) for s in BEHIND_THE_METER]
        self._is_local = np.isin(segment, names)
        self._has = {item: np.ones(len(segment), dtype=bool) for item in OF_A_POINT}
        self._found: dict[tuple[str, str], np.ndarray] = {}
        """Answers since the last registration: they are asked for several times a period."""

    def register(self, told: PointRegistration) -> None:
        """Note which master data came with a registration."""
        self._found.clear()
        self._has["location"][told.cp_row] = told.location_row >= 0
        self._has["connection_groups"][told.cp_row] = told.group_row >= 0
        self._has["grid_capacity"][told.cp_row] = ~np.isnan(told.grid_kw)
        self._has["cp_capacity"][told.cp_row] = ~np.isnan(told.max_kw)

    def offers(self, cluster: str, mode: str = "v1g") -> np.ndarray:
        """Points at which a service can be offered, bool[n_points]; not to be written to."""
        key = (cluster, mode)
        if key not in self._found:
            self._found[key] = self._offered(cluster, mode)
        return self._found[key]

    def _offered(self, cluster: str, mode: str) -> np.ndarray:
        needed = necessary(cluster, mode)
        n = len(self._is_local)
        if self.absent & set(needed) or (cluster == "congestion_management" and not self.is_certified):
            return np.zeros(n, dtype=bool)
        found = np.ones(n, dtype=bool)
        for item in needed:
            if item in self._has:
                found &= self._has[item]
        return found

    def follows_prices(self, mode: str = "v1g") -> np.ndarray:
        """Points whose charging may follow prices: behind a meter as local optimisation, on the road as a portfolio."""
        key = ("follows_prices", mode)
        if key not in self._found:
            local, portfolio = self.offers("local_optimisation", mode), self.offers("portfolio_management", mode)
            self._found[key] = np.where(self._is_local, local, portfolio)
        return self._found[key]
