"""What DSO and TSO have in common: they measure their own network, predict congestion and announce it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import mesa
import numpy as np
from scipy.sparse import csr_matrix

from agents.column_log import ColumnLog
from agents.links import Links
from agents.messages import CongestionOfferToDso, CongestionOfferToTso, Message
from agents.role import Role
from agents.roles.node_loads import NodeLoads
from agents.world.standard import StandardLoads
from grid.congestion import LoadingForecast, forecast_loading
from grid.linear import LinearLayer
from grid.sensitivity import NodeFactors

ERROR_CORRELATION = 0.4
"""Correlation of the errors of two nodes: weather, habits and errors of the announced charging are common. Of 0.1, 0.25
and 0.4 the one whose probabilities came true best (log loss) on streets with offices in January and May."""
FIRST_PHASE_FACTOR = 1.1
"""Highest phase against the mean of phases before it was measured (assumption)."""


@dataclass
class AnnouncementLog(ColumnLog):
    """Announced congestion as columns, see table ``announcements``."""

    announced_period: list[int] = field(default_factory=list)
    period: list[int] = field(default_factory=list)
    branch_index: list[int] = field(default_factory=list)
    operator: list[str] = field(default_factory=list)
    forecast_loading_share: list[float] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    needed_mw: list[float] = field(default_factory=list)
    direction: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Needs:
    """Relief that one operator needs.

    Attributes
    ----------
    first : int
        First period.
    branches : int array, shape (n,)
        Congested elements.
    needed_kw : float array, shape (n, n_periods)
        Power above the limit.
    sign : int array, shape (n, n_periods)
        +1 where less consumption helps, -1 where more does.
    """

    first: int
    branches: np.ndarray
    needed_kw: np.ndarray
    sign: np.ndarray


class GridOperator(Role):
    """Operator of some of the branches of a grid.

    Parameters
    ----------
    linear : LinearLayer
        Its model of the network.
    is_own : bool array, shape (n_branches,)
        Branches it operates.
    node_of_connection : int array, shape (n_connections,)
        Where every connection is.
    standard : StandardLoads
        What it knows of every node before it measures.
    limit_share : float
        Loading above which a forecast counts as congestion.
    """

    offer: ClassVar[type[CongestionOfferToDso] | type[CongestionOfferToTso]] = CongestionOfferToDso
    announcement: ClassVar[type[Message]]
    order: ClassVar[type[Message]]

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        linear: LinearLayer,
        is_own: np.ndarray,
        node_of_connection: np.ndarray,
        standard: StandardLoads,
        limit_share: float,
    ) -> None:
        super().__init__(model, party, links)
        self.linear, self.is_own, self.node_of_connection = linear, is_own, node_of_connection
        self.limit_share = limit_share
        self._quarter, self.loads = standard.quarter, NodeLoads(standard)
        self._now = -1
        n = len(standard.quarter)
        self._prognosis_kw = np.zeros((n, linear.arrays.n_nodes), dtype=np.float32)
        self._has_prognosis = np.zeros(n, dtype=bool)
        self._told_rows: np.ndarray | None = None
        self.phase_factor = np.full(linear.arrays.n_branches, FIRST_PHASE_FACTOR)
        self.log = AnnouncementLog()
        shape = (n, linear.arrays.n_branches)
        self.probability = {name: np.full(shape, np.nan, dtype=np.float32) for name in ("day_ahead", "intraday")}
        self.uses_ac = True
        self.rewire(linear)

    def rewire(self, linear: LinearLayer) -> None:
        """Take the present switch positions into the own model of the network."""
        self.linear = linear
        factors = np.asarray(linear.incidence.T.todense())
        outward = np.sign(factors.sum(axis=0))
        self._outward = np.where(outward == 0, 1.0, outward)
        self._effectivity = factors * self._outward
        self._ac: NodeFactors | None = None
        self._ac_day = -1
        self._ac_rows: dict[int, np.ndarray] = {}

    # --- monitoring and prediction (DSO-1, TSO-1) --------------------------------------------------------------------

    def hear(self) -> None:
        """Take in the demand prognoses of flexible connections."""
        for told in self.knowledge.take(self.offer):
            n = min(told.prognosis_kw.shape[1], len(self._prognosis_kw) - told.first_period)
            span = slice(told.first_period, told.first_period + n)
            if self._told_rows is None or not np.array_equal(self._told_rows, told.connection_row):
                self._told_rows = told.connection_row
                nodes = self.node_of_connection[told.connection_row]
                shape = self._prognosis_kw.shape[1], len(nodes)
                self._to_node = csr_matrix((np.ones(len(nodes)), (nodes, np.arange(len(nodes)))), shape=shape)
            self._prognosis_kw[span] = (self._to_node @ told.prognosis_kw[:, :n]).T
            self._has_prognosis[span] = True

    def monitor(self, period: int, node_kw: np.ndarray, loading_share: np.ndarray) -> None:
        """Measure the own network: learn the usual load of every node, and how far phases differ.

        A node without supply (nan) teaches nothing.
        """
        self.loads.measure(period, node_kw, self._prognosis_kw[period].astype(np.float64))
        self._now = period
        expected = np.abs(self.linear.flow(np.nan_to_num(node_kw))) / np.maximum(self.linear.arrays.rated_kva, 1e-9)
        telling = (expected > 0.3) & np.isfinite(loading_share) & np.isfinite(self.linear.arrays.rated_kva)
        ratio = np.clip(loading_share / np.maximum(expected, 1e-9), 0.8, 3.0)
        self.phase_factor = np.where(telling, 0.95 * self.phase_factor + 0.05 * ratio, self.phase_factor)

    def expected_kw(self, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected consumption of every node and its standard error, float[n_periods, n_nodes] each."""
        return self.loads.expected(self._now, periods, self._prognosis_kw[periods].astype(np.float64))

    def forecast(self, periods: np.ndarray) -> LoadingForecast:
        """Expected loading of every branch with its spread, from prognoses and history."""
        mean, sigma = self.expected_kw(periods)
        plain = forecast_loading(self.linear, mean, sigma, ERROR_CORRELATION)
        return LoadingForecast(
            plain.mean_share * self.phase_factor, plain.sigma_share * self.phase_factor, plain.rated_kva
        )

    def needs(self, periods: np.ndarray, probability: float = 0.5, forecast: LoadingForecast | None = None) -> Needs:
        """Relief that is needed at a quantile of the forecast, own branches only."""
        forecast = self.forecast(periods) if forecast is None else forecast
        needed = forecast.needed_relief_kw(probability, self.limit_share, 0.0)
        needed[~self.is_own] = 0.0
        rows = np.flatnonzero((needed > 0.1).any(axis=1))
        # power into an area is positive where the branch points away from the source
        outward = np.sign(np.asarray(self.linear.incidence.sum(axis=1)).ravel())
        direction = np.sign(forecast.mean_share[:, rows]).T * np.where(outward[rows] == 0, 1, outward[rows])[:, None]
        return Needs(int(periods[0]), rows, needed[rows], np.where(direction == 0, 1, direction).astype(np.int64))

    def announce(self, now: int, periods: np.ndarray) -> Needs:
        """Publish expected congestion, one market message per element and direction."""
        forecast = self.forecast(periods)
        found = self.needs(periods, forecast=forecast)
        chance = forecast.probability(self.limit_share, 0.0)
        if len(periods) > 4:
            self.probability["day_ahead"][periods] = chance
        self.probability["intraday"][periods] = chance
        factors = self.effectivity()
        for k, branch in enumerate(found.branches.tolist()):
            rows = np.flatnonzero(np.abs(factors[self.node_of_connection, branch]) > 0.0)
            for sign in (1, -1):
                needed = np.where(found.sign[k] == sign, found.needed_kw[k], 0.0)
                if (needed > 0.1).any():
                    self.send(self.announcement(found.first, rows, needed, sign, branch))  # type: ignore[call-arg]
            self._note(now, found, k, branch, forecast, chance[:, branch])
        return found

    def _note(
        self, now: int, found: Needs, k: int, branch: int, forecast: LoadingForecast, probability: np.ndarray
    ) -> None:
        for i in np.flatnonzero(found.needed_kw[k] > 0.1).tolist():
            direction = "less_load" if found.sign[k, i] > 0 else "less_infeed"
            self.log.note(
                now, found.first + i, branch, self.role, abs(float(forecast.mean_share[i, branch])),
                float(probability[i]), float(found.needed_kw[k, i]) / 1000.0, direction,
            )  # fmt: skip

    def connections_behind(self, branch: int) -> np.ndarray:
        """Connections whose power a branch carries, int[n]."""
        return np.flatnonzero(self._effectivity[self.node_of_connection, branch] != 0.0)

    def prognosis_behind_kw(self, branch: int, periods: np.ndarray) -> np.ndarray:
        """What the CSP told of flexible demand behind a branch, kW, float[n_periods]."""
        nodes = np.flatnonzero(self._effectivity[:, branch] != 0.0)
        return np.asarray(self._prognosis_kw[np.ix_(periods, nodes)].sum(axis=1, dtype=np.float64))

    def effectivity(self) -> np.ndarray:
        """Change of every branch per kW at a node, from the topology, float[n_nodes, n_branches]."""
        return self._effectivity

    def effectivity_for(self, needs: Needs, nodes: np.ndarray) -> np.ndarray:
        """What a kW at some nodes relieves, for decisions about money, float[n_nodes, n_branches].

        By small changes of an AC power flow at the forecast of the quarter in which most relief is needed; one
        operating point serves a day, as the factors hardly move within it. Nodes that reach no congested element, and
        runs on the linear layer, keep the factors of the topology.
        """
        factors = self._effectivity
        if not self.uses_ac or not len(needs.branches):
            return factors
        worst = needs.first + int(np.argmax(needs.needed_kw.sum(axis=0)))
        if worst // 96 != self._ac_day:
            self._ac_day, self._ac_rows = worst // 96, {}
        reach = np.flatnonzero((factors[:, needs.branches] != 0.0).any(axis=1))
        new = [node for node in np.intersect1d(nodes, reach).tolist() if node not in self._ac_rows]
        if new:
            self._ac = self._ac or NodeFactors(self.linear.arrays)
            found = self._ac.at(self.expected_kw(np.array([worst]))[0][0], np.array(new))
            if found is not None:
                self._ac_rows |= dict(zip(new, found * self._outward, strict=True))
        mixed = factors.copy()
        for node, row in self._ac_rows.items():
            mixed[node] = row
        return mixed
