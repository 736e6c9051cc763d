"""How much a kW at a connection relieves a branch: 0/1 from the tree, or AC by perturbation.

Sign: + = relief of the branch in the watched direction when consumption falls. GOPACS calls this the effectivity of
an (EAN, net element) pair, between -1 and 1; AC factors can exceed 1 because losses fall too. Never use 1/x factors
(PTDF of a DC flow) in distribution grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.engine import Engine
from grid.flow_results import FlowBuffers
from grid.power_flow import CHUNK_STEPS, PowerFlow

PERTURBATION_KW = 1.0


@dataclass(frozen=True)
class Effectivity:
    """AC factors at one operating point.

    Parameters
    ----------
    kw_per_kw : ndarray, (n_nodes, n_branches)
        Fall of the active power of a branch per kW less consumption at a node.
    share_per_kw : ndarray, (n_nodes, n_branches)
        Fall of the loading share (highest phase) per kW.
    topology_hash : str
        Of the grid they hold for.
    """

    kw_per_kw: np.ndarray
    share_per_kw: np.ndarray
    topology_hash: str


def effectivity(flow: PowerFlow, direction: np.ndarray | None = None) -> np.ndarray:
    """Return the effectivity of every connection on every branch from the topology alone.

    Parameters
    ----------
    flow : PowerFlow
        Grid and connection table; the fidelity does not matter.
    direction : ndarray, (n_branches,), optional
        Sign of the flow to relieve, + = from the from to the to side. By default the direction of consumption in
        each branch as seen from the source.

    Returns
    -------
    ndarray, (n_connections, n_branches)
        0 or 1 on radial grids (shares on parallel and meshed branches, sign included).
    """
    node = node_effectivity(flow, direction)
    return node[flow.grid.connections.node_index]


def node_effectivity(flow: PowerFlow, direction: np.ndarray | None = None) -> np.ndarray:
    """Return :func:`effectivity` per node, (n_nodes, n_branches)."""
    factors = np.asarray(flow.linear.incidence.T.todense())
    sign = np.sign(factors.sum(axis=0)) if direction is None else np.sign(direction)
    return factors * np.where(sign == 0, 1.0, sign)


def effectivity_ac(
    flow: PowerFlow,
    connection_kw: np.ndarray,
    nodes: np.ndarray | None = None,
    *,
    power_factor: float | np.ndarray = 1.0,
    connection_kvar: np.ndarray | None = None,
    perturbation_kw: float = PERTURBATION_KW,
) -> Effectivity:
    """Return AC factors around an operating point by central differences in one batch.

    Parameters
    ----------
    flow : PowerFlow
        Fidelity ``symmetric`` or ``three_phase``.
    connection_kw : ndarray, (n_connections,)
        Operating point.
    nodes : ndarray of int, optional
        Load nodes to perturb; all by default. Rows of other nodes are nan.
    perturbation_kw : float
        Step to both sides, three-phase.

    Raises
    ------
    ValueError
        If the operating point has no solution, or a node has no connection.
    """
    if flow.fidelity == "linear":
        raise ValueError("effectivity_ac needs fidelity symmetric or three_phase; linear has effectivity()")
    chosen = flow.load_nodes if nodes is None else np.asarray(nodes)
    slot = np.searchsorted(flow.load_nodes, chosen)
    if not np.array_equal(flow.load_nodes[np.minimum(slot, len(flow.load_nodes) - 1)], chosen):
        raise ValueError("effectivity_ac: nodes without connection cannot be perturbed; choose from flow.load_nodes")
    batch = flow.perturb(connection_kw, slot, perturbation_kw, power_factor, connection_kvar)
    if not batch.has_converged.all():
        raise ValueError(f"effectivity_ac: no solution around the operating point: {batch.failures[0]}")
    assert batch.branch_kw is not None
    up, down = slice(0, len(chosen)), slice(len(chosen), None)
    towards = np.sign(batch.branch_kw.mean(axis=0))
    result = np.full((2, flow.arrays.n_nodes, flow.arrays.n_branches), np.nan)
    step = 2.0 * perturbation_kw
    result[0, chosen] = (batch.branch_kw[up] - batch.branch_kw[down]) / step * np.where(towards == 0, 1.0, towards)
    result[1, chosen] = (batch.loading_share[up] - batch.loading_share[down]) / step
    return Effectivity(result[0], result[1], flow.arrays.topology_hash)


class NodeFactors:
    """AC factors per node on an operator's own model: symmetric, one load per node, at a forecast operating point.

    Parameters
    ----------
    arrays : GridArrays
        The grid with its switch states.
    """

    def __init__(self, arrays: GridArrays) -> None:
        self.arrays = arrays
        self._load_nodes = np.flatnonzero(arrays.is_energised)
        self._slot = np.full(arrays.n_nodes, -1)
        self._slot[self._load_nodes] = np.arange(len(self._load_nodes))
        self._engine = Engine(arrays, self._load_nodes, is_symmetric=True)

    def at(self, node_kw: np.ndarray, nodes: np.ndarray, less_kw: float = PERTURBATION_KW) -> np.ndarray | None:
        """Change of every branch per kW that a node consumes, + = from the from to the to side.

        Parameters
        ----------
        node_kw : ndarray, (n_nodes,)
            Operating point.
        nodes : ndarray of int, (k,)
            Nodes to change, with supply.
        less_kw : float
            Step: each node consumes this much less, one after the other.

        Returns
        -------
        ndarray, (k, n_branches), or None
            None if the operating point has no solution.
        """
        found = np.empty((len(nodes), self.arrays.n_branches))
        p_w = 1e3 * np.asarray(node_kw, dtype=np.float64)[self._load_nodes]
        for start in range(0, len(nodes), CHUNK_STEPS):
            part = nodes[start : start + CHUNK_STEPS]
            many = np.tile(p_w, (len(part) + 1, 1))
            many[np.arange(len(part)) + 1, self._slot[part]] -= 1e3 * less_kw
            into = FlowBuffers.empty(
                (len(many), self.arrays.n_nodes, self.arrays.n_branches), 1, with_angles=False, with_branch_kw=True
            )
            into.served_kw[:] = many.sum(axis=1) / 1e3
            if self._engine.solve_batch(many, np.zeros_like(many), into, slice(0, len(many))):
                return None
            found[start : start + len(part)] = (into.branch_kw[0] - into.branch_kw[1:]) / less_kw
        return found


@dataclass(frozen=True)
class ReliefCheck:
    """What bids would relieve a branch by, as predicted and as a full AC flow says.

    Parameters
    ----------
    ac_kw : ndarray, (n_bids,)
        Fall of the branch's active power when the bid is carried out, each bid alone.
    topology_kw, linear_kw : ndarray, (n_bids,)
        Predictions by the 0/1 factors and by the AC factors at the operating point.
    """

    ac_kw: np.ndarray
    topology_kw: np.ndarray
    linear_kw: np.ndarray

    @property
    def topology_error_share(self) -> np.ndarray:
        """Shortfall of the 0/1 prediction over the true relief; + = it promises too little."""
        return _shortfall(self.topology_kw, self.ac_kw)

    @property
    def linear_error_share(self) -> np.ndarray:
        """Shortfall of the AC factors over the true relief; + = they promise too little."""
        return _shortfall(self.linear_kw, self.ac_kw)


def check_relief(
    flow: PowerFlow, connection_kw: np.ndarray, branch: int, rows: np.ndarray, less_kw: np.ndarray
) -> ReliefCheck:
    """Compare predicted relief with the full AC flow, bid by bid.

    Parameters
    ----------
    flow : PowerFlow
        Fidelity ``symmetric`` or ``three_phase``.
    connection_kw : ndarray, (n_connections,)
        Operating point.
    branch : int
        Index of the branch to relieve.
    rows : ndarray of int, (n_bids,)
        Connection of each bid.
    less_kw : ndarray, (n_bids,)
        How much less it would consume.
    """
    nodes = flow.grid.connections.node_index[rows]
    factors = effectivity_ac(flow, connection_kw, np.unique(nodes))
    many = np.tile(np.asarray(connection_kw, dtype=np.float64), (len(rows) + 1, 1))
    many[np.arange(len(rows)) + 1, rows] -= less_kw
    batch = flow.solve_many(many, with_branch_kw=True)
    assert batch.branch_kw is not None
    power = batch.branch_kw[:, branch]
    direction = np.zeros(flow.arrays.n_branches)
    direction[branch] = 1.0 if power[0] >= 0 else -1.0
    plain = node_effectivity(flow, direction)[nodes, branch]
    return ReliefCheck(
        ac_kw=(power[0] - power[1:]) * direction[branch],
        topology_kw=plain * less_kw,
        linear_kw=factors.kw_per_kw[nodes, branch] * less_kw,
    )


def _shortfall(predicted_kw: np.ndarray, ac_kw: np.ndarray) -> np.ndarray:
    is_real = np.abs(ac_kw) > 1e-9
    return np.where(is_real, (ac_kw - predicted_kw) / np.where(is_real, ac_kw, 1.0), 0.0)
