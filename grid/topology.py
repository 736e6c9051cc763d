"""The grid as a graph: authoring, completion from the type library, and the frozen :class:`Grid`.

Five levels as in the report (section 3.1.1): 380/220 kV, 150/110 kV, 50–10 kV and 0.4 kV nodes in the graph, and the
connections (EAN, phase, capacity) in a table that is summed to one load per node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from grid.arrays import GridArrays, compile_arrays
from grid.attributes import PARAMETERS, REQUIRED, SOURCE_DEFAULTS, ZERO_SEQUENCE_FACTORS, level_of
from grid.cables import CABLES, TRANSFORMERS
from grid.checks import grid_faults, is_number, shape_faults
from grid.connections import ConnectionTable, connection_table, empty_connections, row_faults


@dataclass(frozen=True)
class Grid:
    """A checked grid; the graph is completed (types expanded, defaults written out) and frozen.

    Parameters
    ----------
    graph : networkx.MultiGraph
        Nodes and branches with the attributes of :mod:`grid.attributes`; a copy is taken.
    connections : ConnectionTable
        Who is connected where.
    name : str
        Shown in reports.

    Raises
    ------
    ValueError
        Lists all faults of graph and connections with place, value and what is right.
    """

    graph: nx.MultiGraph
    connections: ConnectionTable = field(default_factory=empty_connections)
    name: str = "grid"

    def __post_init__(self) -> None:
        refuse(self.name, shape_faults(self.graph))
        graph = complete_graph(self.graph)
        refuse(self.name, grid_faults(graph, self.connections))
        object.__setattr__(self, "graph", nx.freeze(graph))

    @cached_property
    def arrays(self) -> GridArrays:
        """The frozen columns, compiled once."""
        return compile_arrays(self.graph)

    def switched(self, status: Mapping[str, bool]) -> Grid:
        """Return the grid with known branches closed or opened at both sides; the rest was checked and stays.

        A switch in a town of thousands of connections takes milliseconds this way, anew checked a second.
        """
        graph = nx.MultiGraph(self.graph)
        for u, v, key in self.graph.edges(keys=True):
            if key in status:
                graph.edges[u, v, key].update(from_status=int(status[key]), to_status=int(status[key]))
        other = copy(self)
        object.__setattr__(other, "graph", nx.freeze(graph))
        other.__dict__["arrays"] = self.arrays.switched({self.arrays.branch_index[k]: on for k, on in status.items()})
        return other

    @classmethod
    def from_records(cls, graph: nx.MultiGraph, records: Iterable[Mapping[str, Any]], name: str = "grid") -> Grid:
        """Build a grid whose connections are rows naming their node by id (see ``connection_table``).

        Faults of rows and graph are listed together.
        """
        rows = list(records)
        refuse(name, shape_faults(graph))
        faults = row_faults(rows, graph)
        if faults:
            good = connection_table([row for row in rows if not row_faults([row], graph)], graph)
            refuse(name, grid_faults(complete_graph(graph), good) + faults)
        return cls(graph, connection_table(rows, graph), name)


def refuse(name: str, faults: list[str]) -> None:
    """Raise one ValueError with all faults, a line each, if there are any."""
    if faults:
        raise ValueError(f"{name} has {len(faults)} fault(s):\n" + "\n".join(faults))


def add_source(graph: nx.MultiGraph, node: str, u_ref: float = 1.0, **impedance: float) -> None:
    """Make ``node`` the source that holds ``u_ref`` (pu); ``sk`` (VA), ``rx_ratio``, ``z01_ratio`` are optional."""
    graph.nodes[node].update(u_ref=u_ref, **impedance)


def add_cable(graph: nx.MultiGraph, key: str, a: str, b: str, cable: str, length_m: float, **more: Any) -> None:
    """Add a line of a library type between the nodes ``a`` and ``b``."""
    graph.add_edge(a, b, key=key, kind="line", a=a, b=b, cable=cable, length_m=length_m, **more)


def add_transformer(graph: nx.MultiGraph, key: str, a: str, b: str, transformer_type: str, **more: Any) -> None:
    """Add a transformer of a library type with its high-voltage side at ``a``."""
    graph.add_edge(a, b, key=key, kind="transformer", a=a, b=b, transformer_type=transformer_type, **more)


def complete_graph(graph: nx.MultiGraph) -> nx.MultiGraph:
    """Return a copy with library types expanded, statuses and defaults written out; own values are kept."""
    full = nx.MultiGraph()
    for node, data in graph.nodes(data=True):
        full.add_node(node, **_complete_node(data))
    for u, v, key, data in graph.edges(keys=True, data=True):
        full.add_edge(u, v, key=key, **_complete_branch(data))
    return full


def _complete_node(data: Mapping[str, Any]) -> dict[str, Any]:
    node = {name: value for name, value in data.items() if value is not None}
    u_rated = node.get("u_rated")
    if "level" not in node and is_number(u_rated):
        node["level"] = level_of(float(u_rated))
    return SOURCE_DEFAULTS | node if is_number(node.get("u_ref")) else node


def _complete_branch(data: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in data.items() if value is not None}
    branch = {"from_status": 1, "to_status": 1} | _library_values(own) | own
    for item in PARAMETERS.get(str(branch.get("kind")), ()):
        if item.default is REQUIRED or item.name in branch:
            continue
        base, factor = ZERO_SEQUENCE_FACTORS.get(item.name, ("", 0.0))
        value = branch.get(base, float("nan"))
        branch[item.name] = (factor * value if is_number(value) else float("nan")) if base else item.default
    return branch


def _library_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the named type; nothing where name or length are no use (the checker says so)."""
    cable, unit, length = data.get("cable"), data.get("transformer_type"), data.get("length_m")
    if data.get("kind") == "line" and isinstance(cable, str) and cable in CABLES:
        return CABLES[cable].parameters(length) if is_number(length) and length > 0 else {}
    if data.get("kind") == "transformer" and isinstance(unit, str) and unit in TRANSFORMERS:
        return TRANSFORMERS[unit].parameters()
    return {}


__all__ = [
    "ConnectionTable",
    "Grid",
    "add_cable",
    "add_source",
    "add_transformer",
    "complete_graph",
    "connection_table",
    "refuse",
]
