"""The frozen form of a grid: dense indices and columns, compiled once per topology."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from grid.attributes import BRANCH, KINDS, LINE, NODE, SIDES, TEXT_CODES, TRANSFORMER, Attribute

LINE_KIND, TRANSFORMER_KIND, LINK_KIND = (KINDS.index(kind) for kind in ("line", "transformer", "link"))
PARAMETER_COLUMNS = (*LINE, *TRANSFORMER)


@dataclass(frozen=True)
class GridArrays:
    """Nodes and branches as columns; results of every solver come back in this order.

    Parameters
    ----------
    node_ids, branch_ids : tuple of str
        Position = index.
    node : dict of ndarray
        ``u_rated``, ``x``, ``y``, ``u_ref``, ``sk``, ``rx_ratio``, ``z01_ratio``, float64[n_nodes]; NaN = absent.
    level, area : tuple of str
        Voltage level and LV area of each node.
    from_node, to_node : ndarray of int32
        Node indices of the branch ends.
    from_status, to_status : ndarray of int8
        1 = closed.
    kind : ndarray of int8
        0 line, 1 transformer, 2 link.
    branch : dict of ndarray
        Parameters of lines and transformers under power-grid-model's names, float64[n_branches]; NaN where a branch
        does not have it.
    node_extra, branch_extra : tuple of dict
        Attributes beyond the declared ones (cable name, length, …), kept for the way back.
    """

    node_ids: tuple[str, ...]
    branch_ids: tuple[str, ...]
    node: dict[str, np.ndarray]
    level: tuple[str, ...]
    area: tuple[str, ...]
    from_node: np.ndarray
    to_node: np.ndarray
    from_status: np.ndarray
    to_status: np.ndarray
    kind: np.ndarray
    branch: dict[str, np.ndarray]
    node_extra: tuple[dict[str, Any], ...]
    branch_extra: tuple[dict[str, Any], ...]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_ids)

    @property
    def n_branches(self) -> int:
        """Number of branches."""
        return len(self.branch_ids)

    @cached_property
    def node_index(self) -> dict[str, int]:
        """Index by node id."""
        return {node: i for i, node in enumerate(self.node_ids)}

    @cached_property
    def branch_index(self) -> dict[str, int]:
        """Index by branch id."""
        return {branch: i for i, branch in enumerate(self.branch_ids)}

    @cached_property
    def source_node(self) -> int:
        """Index of the source node."""
        return int(np.flatnonzero(~np.isnan(self.node["u_ref"]))[0])

    @cached_property
    def is_closed(self) -> np.ndarray:
        """Branches closed at both sides, bool[n_branches]."""
        return (self.from_status == 1) & (self.to_status == 1)

    @cached_property
    def is_energised(self) -> np.ndarray:
        """Nodes joined to the source by closed branches, bool[n_nodes]."""
        closed = self.is_closed
        ends = (self.from_node[closed], self.to_node[closed])
        links = coo_matrix((np.ones(int(closed.sum())), ends), shape=(self.n_nodes, self.n_nodes))
        label = connected_components(links, directed=False)[1]
        return label == label[self.source_node]

    @cached_property
    def rated_current_a(self) -> np.ndarray:
        """Rated phase current at both sides, float64[n_branches, 2]; infinite for links."""
        rated = np.full((self.n_branches, 2), np.inf)
        lines, units = self.kind == LINE_KIND, self.kind == TRANSFORMER_KIND
        rated[lines] = self.branch["i_n"][lines, None]
        for side, name in enumerate(("u1", "u2")):
            rated[units, side] = self.branch["sn"][units] / (np.sqrt(3.0) * self.branch[name][units])
        return rated

    @cached_property
    def rated_kva(self) -> np.ndarray:
        """Three-phase power at rated current and voltage, float64[n_branches]; infinite for links."""
        by_current = np.sqrt(3.0) * self.node["u_rated"][self.from_node] * self.rated_current_a[:, 0]
        return np.where(self.kind == TRANSFORMER_KIND, self.branch["sn"], by_current) / 1000.0

    @cached_property
    def is_lv_branch(self) -> np.ndarray:
        """Branches of which the to side is low voltage, bool[n_branches]; transformers into LV are included."""
        is_lv = np.array([level == "lv" for level in self.level], dtype=bool)
        return is_lv[self.from_node] | is_lv[self.to_node]

    @cached_property
    def topology_hash(self) -> str:
        """SHA-256 of nodes, branches, switch states and impedances; stored beside effectivity matrices."""
        digest = hashlib.sha256()
        digest.update("\n".join((*self.node_ids, "", *self.branch_ids)).encode())
        for column in (self.from_node, self.to_node, self.from_status, self.to_status, self.kind):
            digest.update(np.ascontiguousarray(column).tobytes())
        for columns in (self.node, self.branch):
            for name in sorted(columns):
                digest.update(columns[name].tobytes())
        return digest.hexdigest()

    def switched(self, status: dict[int, bool]) -> GridArrays:
        """Return the arrays with some branches (by index) closed or opened at both sides."""
        ends = self.from_status.copy(), self.to_status.copy()
        for end in ends:
            end[list(status)] = list(status.values())
        return replace(self, from_status=ends[0], to_status=ends[1])

    def to_graph(self) -> nx.MultiGraph:
        """Return the graph these arrays were compiled from, with every attribute."""
        graph = nx.MultiGraph()
        for i, node in enumerate(self.node_ids):
            known = {"level": self.level[i], "area": self.area[i]} | {name: col[i] for name, col in self.node.items()}
            graph.add_node(node, **_present(known, NODE), **self.node_extra[i])
        for i, key in enumerate(self.branch_ids):
            a, b = self.node_ids[self.from_node[i]], self.node_ids[self.to_node[i]]
            ends = {"kind": KINDS[self.kind[i]], "a": a, "b": b}
            status = {"from_status": int(self.from_status[i]), "to_status": int(self.to_status[i])}
            known = _present({name: col[i] for name, col in self.branch.items()}, PARAMETER_COLUMNS)
            graph.add_edge(a, b, key=key, **ends, **status, **known, **self.branch_extra[i])
        return graph


def compile_arrays(graph: nx.MultiGraph) -> GridArrays:
    """Compile a completed and checked graph; nodes and branches keep the graph's order."""
    nodes = list(graph.nodes(data=True))
    edges = [(str(key), data) for _, _, key, data in graph.edges(keys=True, data=True)]
    index = {node: i for i, (node, _) in enumerate(nodes)}
    numeric = [item.name for item in NODE if item.dtype is float]
    node_names = {item.name for item in NODE}
    branch_names = {item.name for item in (*BRANCH, *PARAMETER_COLUMNS)}
    return GridArrays(
        node_ids=tuple(node for node, _ in nodes),
        branch_ids=tuple(key for key, _ in edges),
        node={name: np.array([float(data.get(name, np.nan)) for _, data in nodes]) for name in numeric},
        level=tuple(data.get("level", "") for _, data in nodes),
        area=tuple(data.get("area", "") for _, data in nodes),
        from_node=np.array([index[data["a"]] for _, data in edges], dtype=np.int32),
        to_node=np.array([index[data["b"]] for _, data in edges], dtype=np.int32),
        from_status=np.array([data["from_status"] for _, data in edges], dtype=np.int8),
        to_status=np.array([data["to_status"] for _, data in edges], dtype=np.int8),
        kind=np.array([KINDS.index(data["kind"]) for _, data in edges], dtype=np.int8),
        branch={item.name: np.array([_code(data, item.name) for _, data in edges]) for item in PARAMETER_COLUMNS},
        node_extra=tuple({k: v for k, v in data.items() if k not in node_names} for _, data in nodes),
        branch_extra=tuple({k: v for k, v in data.items() if k not in branch_names} for _, data in edges),
    )


def _code(data: dict[str, Any], name: str) -> float:
    """Return a parameter as a number; text attributes become their position in the list of allowed words."""
    value = data.get(name, np.nan)
    return float(TEXT_CODES[name].index(value)) if name in TEXT_CODES and isinstance(value, str) else float(value)


def _present(values: dict[str, Any], attributes: tuple[Attribute, ...]) -> dict[str, Any]:
    """Turn columns back into attributes: drop what is absent, restore whole numbers and words."""
    result: dict[str, Any] = {}
    for item in attributes:
        value = values.get(item.name)
        if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
            continue
        if item.name in TEXT_CODES:
            value = TEXT_CODES[item.name][int(value)]
        result[item.name] = item.dtype(value)
    return result


__all__ = ["LINE_KIND", "LINK_KIND", "SIDES", "TRANSFORMER_KIND", "GridArrays", "compile_arrays"]
