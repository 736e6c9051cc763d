"""Where nodes stand in the picture of the grid: by voltage level, or on a map."""

from __future__ import annotations

import networkx as nx
import numpy as np

Places = tuple[np.ndarray, np.ndarray]


def feeding_tree(n: int, ends: np.ndarray, weight: np.ndarray) -> nx.Graph:
    """The branches that feed: rings are cut where least flows, which is at their normally open point.

    Parameters
    ----------
    n : int
        Number of nodes.
    ends : numpy.ndarray
        Node rows at both ends of each branch, int (n_branches, 2); negative = unknown.
    weight : numpy.ndarray
        Mean loading of each branch, float64[n_branches].

    Returns
    -------
    networkx.Graph
        A forest over ``range(n)``.
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    for (a, b), w in zip(ends.tolist(), np.nan_to_num(weight).tolist(), strict=True):
        if a >= 0 and b >= 0 and a != b:
            before = graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0.0
            graph.add_edge(a, b, weight=before + w)
    return nx.maximum_spanning_tree(graph)


def by_level(tree: nx.Graph, level: np.ndarray) -> Places:
    """One band per voltage level, distance from the feeding point downwards in it, leaves side by side.

    Parameters
    ----------
    tree : networkx.Graph
        Forest over the node rows.
    level : numpy.ndarray
        Rank of each node's voltage level, 0 = highest, int64[n_nodes].

    Returns
    -------
    tuple of numpy.ndarray
        x and y, float64[n_nodes] each.
    """
    n = len(level)
    x, depth = np.zeros(n), np.zeros(n)
    next_leaf, seen = 0.0, np.zeros(n, dtype=bool)
    for root in np.argsort(level, kind="stable").tolist():
        if seen[root]:
            continue
        below: dict[int, list[int]] = {}
        order = [root]
        for before, child in nx.bfs_edges(tree, root):
            below.setdefault(before, []).append(child)
            depth[child] = depth[before] + 1 if level[child] == level[before] else 0
            order.append(child)
        seen[order] = True
        for node in nx.dfs_postorder_nodes(tree, root):
            if node in below:
                x[node] = float(np.mean(x[below[node]]))
            else:
                x[node], next_leaf = next_leaf, next_leaf + 1.0
    return x, _bands(level, depth)


def _bands(level: np.ndarray, depth: np.ndarray) -> np.ndarray:
    deepest = np.array([max(1.0, float(depth[level == i].max(initial=0.0))) for i in range(int(level.max()) + 1)])
    height = np.where(deepest > 1, 1.0 + 0.12 * np.minimum(deepest, 12), 0.6)
    top = np.concatenate([[0.0], np.cumsum(height)])
    return -(top[level] + depth / deepest[level] * height[level] * 0.8)


def on_map(x: np.ndarray, y: np.ndarray, level: np.ndarray) -> Places | None:
    """The nodes' own coordinates, with the levels above the town's two drawn close to it; None where there are none.

    Parameters
    ----------
    x, y : numpy.ndarray
        Coordinates, float64[n_nodes], NaN = unknown.
    level : numpy.ndarray
        Rank of each node's voltage level, 0 = highest.
    """
    known = np.isfinite(x) & np.isfinite(y)
    if not known.all() or not (np.ptp(x) > 0 or np.ptp(y) > 0):
        return None
    near = level >= level.max() - 1
    width = max(float(np.ptp(x[near])), float(np.ptp(y[near])), 1e-9)
    far = np.flatnonzero(~near)
    if far.size and float(np.abs(np.stack([x - x[near].mean(), y - y[near].mean()])[:, far]).max()) > width:
        x, y = x.copy(), y.copy()
        rank = np.unique(y[far], return_inverse=True)[1]
        x[far] = x[near].mean()
        y[far] = y[near].max() + width * 0.08 * (1 + rank)
    return x, y


def spread_of_parallels(ends: np.ndarray) -> np.ndarray:
    """Where on its stroke a branch's mark stands (0 to 1), so that parallel branches do not hide each other."""
    out = np.full(len(ends), 0.5)
    pairs: dict[tuple[int, ...], list[int]] = {}
    for row, pair in enumerate(ends.tolist()):
        pairs.setdefault(tuple(sorted(pair)), []).append(row)
    for rows in pairs.values():
        forward = np.arange(1, len(rows) + 1) / (len(rows) + 1)
        out[rows] = np.where(ends[rows, 0] <= ends[rows, 1], forward, 1 - forward)
    return out
