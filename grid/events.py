"""Events on the wires: outage, re-supply over the normally open point, islanding and protection trips.

Every event returns a new frozen grid; the old one stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from grid.topology import Grid, add_source


@dataclass(frozen=True)
class ProtectionRule:
    """Inverse-time protection that forgets as soon as the loading is back at the pickup.

    Parameters
    ----------
    pickup_share : float
        Loading that is carried for ever.
    reference_share, reference_min : float
        At this loading it trips after this many minutes; in between time goes with 1 / (I² − pickup²).

    Notes
    -----
    Defaults: gG fuse of 160–400 A, which holds 1.25 I_n and melts within 3 h at 1.6 I_n (IEC 60269-1).
    """

    pickup_share: float = 1.25
    reference_share: float = 1.6
    reference_min: float = 180.0

    def __post_init__(self) -> None:
        if not 0 < self.pickup_share < self.reference_share or self.reference_min <= 0:
            raise ValueError(f"{self}: 0 < pickup_share < reference_share and reference_min above 0 are right")

    def minutes_to_trip(self, loading_share: np.ndarray) -> np.ndarray:
        """Return the time a constant loading is carried from cold; infinite at or below the pickup."""
        square = np.nan_to_num(np.asarray(loading_share, dtype=np.float64)) ** 2 - self.pickup_share**2
        reference = self.reference_min * (self.reference_share**2 - self.pickup_share**2)
        return np.where(square > 0.0, reference / np.where(square > 0.0, square, 1.0), np.inf)


def protection_step(
    wear_share: np.ndarray, loading_share: np.ndarray, step_min: float, rule: ProtectionRule
) -> tuple[np.ndarray, np.ndarray]:
    """Advance the protection of every branch by one period.

    Parameters
    ----------
    wear_share : ndarray, (n_branches,)
        How far each protection is on the way to its trip, 0 to 1.
    loading_share : ndarray, (n_branches,)
        Loading during the period; nan (no result) leaves the wear as it is.
    step_min : float
        Length of the period.
    rule : ProtectionRule
        Curve.

    Returns
    -------
    tuple of ndarray
        New wear (0 again as soon as the loading is back at the pickup) and the branches that trip.
    """
    is_over = loading_share > rule.pickup_share
    wear = np.where(is_over, wear_share + step_min / rule.minutes_to_trip(loading_share), 0.0)
    wear = np.where(np.isnan(loading_share), wear_share, wear)
    return np.minimum(wear, 1.0), wear >= 1.0 - 1e-12


def with_status(grid: Grid, status: Mapping[str, bool]) -> Grid:
    """Return the grid with branches closed (True) or opened (False) at both sides.

    Raises
    ------
    ValueError
        Names every branch that does not exist.
    """
    unknown = [key for key in status if key not in grid.arrays.branch_index]
    if unknown:
        raise ValueError(
            f"branches {', '.join(unknown)} are not in {grid.name}; it has {grid.arrays.n_branches} branches"
        )
    return grid.switched(status)


def outage(grid: Grid, branches: Iterable[str]) -> Grid:
    """Return the grid with failed branches taken out of service at both sides."""
    return with_status(grid, dict.fromkeys(branches, False))


def dark_nodes(grid: Grid) -> tuple[str, ...]:
    """Return the nodes without supply."""
    return tuple(grid.arrays.node_ids[i] for i in np.flatnonzero(~grid.arrays.is_energised))


def dark_connections(grid: Grid) -> np.ndarray:
    """Return the rows of the connections without supply."""
    return np.flatnonzero(~grid.arrays.is_energised[grid.connections.node_index])


def resupply(grid: Grid, failed: Iterable[str]) -> tuple[Grid, tuple[str, ...]]:
    """Close open points until no dark node can be reached any more.

    Parameters
    ----------
    grid : Grid
        After the outage.
    failed : iterable of str
        Branches that must stay open.

    Returns
    -------
    tuple
        The new grid and the branches that were closed, in order. Only points between a live and a dark node are
        closed, so the grid stays as radial as it was.
    """
    banned = set(failed)
    closed: list[str] = []
    while True:
        a = grid.arrays
        live = a.is_energised
        bridges = ~a.is_closed & (live[a.from_node] != live[a.to_node])
        choices = [a.branch_ids[i] for i in np.flatnonzero(bridges) if a.branch_ids[i] not in banned]
        if not choices:
            return grid, tuple(closed)
        closed.append(choices[0])
        grid = with_status(grid, {choices[0]: True})


@dataclass(frozen=True)
class Island:
    """A part of the grid that feeds itself.

    Parameters
    ----------
    grid : Grid
        The nodes and branches of the island with their own source.
    connection_rows : ndarray of int
        Rows of the original table that are in it, in the order of the island's own table.
    rest : Grid
        The original grid with the island cut off.
    """

    grid: Grid
    connection_rows: np.ndarray
    rest: Grid


def island(grid: Grid, cut: str, forming_node: str, u_ref: float = 1.0) -> Island:
    """Cut a site off and let a grid-forming source (battery, V2X charger) at one of its nodes hold the voltage.

    Parameters
    ----------
    grid : Grid
        Before the event.
    cut : str
        Branch to open.
    forming_node : str
        Node of the emergency supply; it must lose its supply by the cut.
    u_ref : float
        Voltage it holds, pu.

    Raises
    ------
    ValueError
        If the node is not cut off by the branch.
    """
    rest = outage(grid, [cut])
    dark = set(dark_nodes(rest))
    if forming_node not in dark:
        raise ValueError(f"island: opening {cut} does not cut {forming_node} off; cut off are {len(dark)} nodes")
    graph = nx.MultiGraph(grid.graph.subgraph(dark))
    reached = nx.node_connected_component(graph, forming_node)
    graph = nx.MultiGraph(grid.graph.subgraph(reached))
    add_source(graph, forming_node, u_ref)
    position = np.full(grid.arrays.n_nodes, -1, dtype=np.int32)
    position[[grid.arrays.node_index[node] for node in graph]] = np.arange(len(graph))
    table = grid.connections
    rows = np.flatnonzero(position[table.node_index] >= 0)
    own = table.take(rows, position[table.node_index[rows]])
    return Island(Grid(graph, own, f"island behind {cut}"), rows, rest)
