"""The checker of grids: collects every fault with place, value and what is right."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, TypeGuard

import networkx as nx
import numpy as np

from grid.attributes import KINDS, LEVELS, NODE, PARAMETERS, REQUIRED, SIDES, WINDINGS, Attribute
from grid.cables import CABLES, TRANSFORMERS
from grid.connections import KINDS as CONNECTION_KINDS
from grid.connections import ConnectionTable
from grid.ean import LENGTH, is_valid_ean

VOLTAGE_MISMATCH_SHARE = 0.25
"""A transformer's rated voltage may differ this much from that of the node it stands at."""

CURRENT_DRAWN_KW = 100e3
"""No connection of a distribution grid is larger (100 MW)."""


def shape_faults(graph: nx.Graph) -> list[str]:
    """Refuse graphs of another class; nothing else can be said about them."""
    name = type(graph).__name__
    if not isinstance(graph, nx.Graph) or not graph.is_multigraph():
        return [f"grid: {name} given; a networkx.MultiGraph is needed (nx.Graph merges parallel cables)"]
    if graph.is_directed():
        return [f"grid: {name} is directed; a networkx.MultiGraph is needed (a and b of a branch hold its direction)"]
    return []


LARGEST_POSITION = 127
"""Tap positions are one byte in the engine."""


def grid_faults(graph: nx.MultiGraph, table: ConnectionTable) -> list[str]:
    """List all faults of a completed graph and its connections."""
    return graph_faults(graph) + connection_faults(table, len(graph))


def graph_faults(graph: nx.MultiGraph) -> list[str]:
    """List all faults of a completed graph: nodes, branches, sources and isolated nodes."""
    faults = [fault for node, data in graph.nodes(data=True) for fault in _node_faults(node, data)]
    faults += _source_faults(graph)
    keys = Counter(str(key) for _, _, key in graph.edges(keys=True))
    faults += [f"branch {key}: id used {n} times; every branch needs its own id" for key, n in keys.items() if n > 1]
    for u, v, key, data in graph.edges(keys=True, data=True):
        faults += _branch_faults(graph, u, v, str(key), data)
    return faults


def connection_faults(table: ConnectionTable, n_nodes: int) -> list[str]:
    """List all faults of a connection table against a grid of ``n_nodes`` nodes."""
    columns = ("node_index", "phase", "capacity_kw", "kind", "meter_id", "ev_phase")
    lengths = {name: len(getattr(table, name)) for name in columns}
    wrong = [f"connections: column {name} has {n} rows, ean has {len(table)}" for name, n in lengths.items()
             if n != len(table)]  # fmt: skip
    if wrong:
        return wrong
    faults = [f"connection {ean}: EAN used {n} times; every connection needs its own"
              for ean, n in Counter(table.ean).items() if n > 1]  # fmt: skip
    faults += [f"connection {e}: wrong check digit in the EAN; 18 digits with a GS1 check digit are right"
               for e in table.ean if len(e) == LENGTH and e.isdigit() and not is_valid_ean(e)]  # fmt: skip
    faults += _rows(table, (table.node_index < 0) | (table.node_index >= n_nodes), table.node_index,
                    "node index", f"0 to {n_nodes - 1}")  # fmt: skip
    for name in ("phase", "ev_phase"):
        column = getattr(table, name)
        faults += _rows(table, (column < 0) | (column > 3), column, name, "0 (L123), 1, 2 or 3")
    is_wrong = ~((table.capacity_kw > 0) & (table.capacity_kw <= CURRENT_DRAWN_KW))
    faults += _rows(table, is_wrong, table.capacity_kw, "capacity_kw", f"above 0 and at most {CURRENT_DRAWN_KW:g}")
    unknown = np.array([kind not in CONNECTION_KINDS for kind in table.kind], dtype=bool)
    return faults + _rows(table, unknown, table.kind, "kind", ", ".join(CONNECTION_KINDS))


def _rows(table: ConnectionTable, is_wrong: np.ndarray, values: Any, name: str, right: str) -> list[str]:
    """Name every wrong row of one column."""
    return [f"connection {table.ean[i]}: {name} {values[i]} is not allowed; {right}" for i in np.flatnonzero(is_wrong)]


def _type_faults(data: dict[str, Any]) -> list[str]:
    """Name a cable or transformer type the library does not know, or a length it cannot use."""
    cable, unit = data.get("cable"), data.get("transformer_type")
    if data["kind"] == "line" and "cable" in data and "r1" not in data:
        if not _is_known(cable, CABLES):
            return [f"cable type {cable!r} is unknown; known are {', '.join(CABLES)}"]
        return [f"length_m {data.get('length_m')!r} of cable {cable}; a length above 0 m is needed"]
    if data["kind"] == "transformer" and unit is not None and "sn" not in data and not _is_known(unit, TRANSFORMERS):
        return [f"transformer type {unit!r} is unknown; known are {', '.join(TRANSFORMERS)}"]
    return []


def _is_known(name: Any, library: dict[str, Any]) -> bool:
    return isinstance(name, str) and name in library


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a finite number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def _number_faults(data: dict[str, Any], attributes: tuple[Attribute, ...]) -> list[str]:
    """Name what is given and not of its type; a node's nan stands for absent."""
    faults = []
    for item in attributes:
        value = data.get(item.name)
        if item.dtype is int and not (is_number(value) and value == int(value) and abs(value) <= LARGEST_POSITION):
            faults.append(f"{item.name} {value!r}; a whole number up to {LARGEST_POSITION} is needed")
        elif item.dtype is float and not is_number(value):
            faults.append(f"{item.name} {value!r}; a number in {item.unit} is needed")
    return faults


def _node_faults(node: Any, data: dict[str, Any]) -> list[str]:
    faults = []
    if not isinstance(node, str):
        faults.append(f"node {node!r}: the id is a {type(node).__name__}; ids are text")
    if not is_number(data.get("u_rated")) or data["u_rated"] <= 0:
        faults.append(f"node {node}: u_rated {data.get('u_rated')!r}; a rated voltage above 0 V is needed")
    if data.get("level", "") not in (*LEVELS, ""):
        faults.append(f"node {node}: level {data['level']!r}; allowed are {', '.join(LEVELS)}")
    given = tuple(item for item in NODE if item.default is not REQUIRED and not _is_absent(data.get(item.name)))
    return faults + [f"node {node}: {text}" for text in _number_faults(data, given)]


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _source_faults(graph: nx.MultiGraph) -> list[str]:
    sources = [node for node, data in graph.nodes(data=True) if is_number(data.get("u_ref"))]
    if not sources:
        return ["grid: no source; give exactly one node the attribute u_ref (pu)"]
    faults = [fault for node in sources for fault in _one_source_faults(node, graph.nodes[node])]
    if len(sources) > 1:
        faults.append(f"grid: {len(sources)} sources ({', '.join(map(str, sources))}); exactly one node may have u_ref")
    reached = set().union(*(nx.node_connected_component(graph, node) for node in sources))
    isolated = [node for node in graph if node not in reached]
    text = f"isolated, no chain of branches leads to the source {sources[0]}"
    return faults + [f"node {node}: {text}" for node in isolated]


def _one_source_faults(node: Any, data: dict[str, Any]) -> list[str]:
    faults = []
    if not 0.5 <= data["u_ref"] <= 1.5:
        faults.append(f"node {node}: u_ref {data['u_ref']}; between 0.5 and 1.5 pu")
    for name, right in (("sk", "above 0 VA"), ("rx_ratio", "0 or more"), ("z01_ratio", "above 0")):
        value = data.get(name)
        if is_number(value) and (value < 0 or (value == 0 and right != "0 or more")):
            faults.append(f"node {node}: {name} {value}; {right}")
    return faults


def _branch_faults(graph: nx.MultiGraph, u: Any, v: Any, key: str, data: dict[str, Any]) -> list[str]:
    kind = data.get("kind")
    if kind not in KINDS:
        return [f"branch {key}: kind {kind!r}; allowed are {', '.join(KINDS)}"]
    faults = []
    if u == v:
        faults.append(f"branch {key}: both ends at node {u}; a branch joins two nodes")
    if sorted(map(str, (data.get("a"), data.get("b")))) != sorted(map(str, (u, v))):
        faults.append(f"branch {key}: a = {data.get('a')}, b = {data.get('b')}; its ends are {u} and {v}")
    faults += [f"branch {key}: {side} {data[side]!r}; 0 (open) or 1 (closed)"
               for side in ("from_status", "to_status") if data[side] not in (0, 1)]  # fmt: skip
    faults += [f"branch {key}: {text}" for text in _type_faults(data) or _parameter_faults(kind, data)]
    if any(not is_number(data.get(item.name)) for item in PARAMETERS[kind] if item.dtype is not str):
        return faults
    rated = [graph.nodes[n].get("u_rated") for n in (data.get("a"), data.get("b")) if n in graph]
    if len(rated) < 2 or not all(is_number(u) and u > 0 for u in rated):
        return faults
    check = {"line": _line_faults, "transformer": _transformer_faults, "link": _link_faults}[kind]
    return faults + [f"branch {key}: {text}" for text in check(data, rated)]


def _parameter_faults(kind: str, data: dict[str, Any]) -> list[str]:
    """Name missing and unreadable parameters of a branch."""
    needed = [item for item in PARAMETERS[kind] if item.default is REQUIRED]
    missing = [item.name for item in needed if not is_number(data.get(item.name))]
    rest = tuple(item for item in PARAMETERS[kind] if item.default is not REQUIRED)
    if missing:
        words = ", ".join(f"{item.name} [{item.unit}]" for item in needed)
        return [f"{', '.join(missing)} missing or not a number; a {kind} needs {words}"]
    return _number_faults(data, rest)


def _line_faults(data: dict[str, Any], rated: list[float]) -> list[str]:
    faults = [f"{name} = {data[name]} ohm is negative; impedances are 0 or more"
              for name in ("r1", "x1", "r0", "x0") if data[name] < 0]  # fmt: skip
    faults += [
        f"{name} = {data[name]} F is negative; capacitances are 0 or more" for name in ("c1", "c0") if data[name] < 0
    ]
    if data["r1"] == 0 and data["x1"] == 0:
        faults.append("r1 and x1 are both 0; use kind = link for a busbar coupler")
    if data["i_n"] <= 0:
        faults.append(f"i_n = {data['i_n']} A; a rated current above 0 is needed")
    return faults + _link_faults(data, rated)


def _link_faults(data: dict[str, Any], rated: list[float]) -> list[str]:
    if abs(rated[0] - rated[1]) > 1e-6 * rated[0]:
        return [f"joins {rated[0]:g} V and {rated[1]:g} V; only a transformer may"]
    return []


def _transformer_faults(data: dict[str, Any], rated: list[float]) -> list[str]:
    faults = []
    if data["sn"] <= 0:
        faults.append(f"sn = {data['sn']} VA; a rated power above 0 is needed")
    elif not 0 <= data["pk"] / data["sn"] <= data["uk"] <= 1:
        faults.append(f"uk = {data['uk']} with pk = {data['pk']} W; a uk of at most 1 and at least pk/sn is right")
    for name, u_rated in zip(("u1", "u2"), rated, strict=True):
        if not abs(data[name] / u_rated - 1) <= VOLTAGE_MISMATCH_SHARE:
            faults.append(f"{name} = {data[name]} V at a node of {u_rated:g} V; within 25 % is right")
    faults += [f"{name} {data[name]!r}; allowed are {', '.join(WINDINGS)}"
               for name in ("winding_from", "winding_to") if data[name] not in WINDINGS]  # fmt: skip
    if data["tap_side"] not in SIDES:
        faults.append(f"tap_side {data['tap_side']!r}; from or to")
    low, high = sorted((data["tap_min"], data["tap_max"]))
    if not low <= data["tap_pos"] <= high:
        faults.append(f"tap_pos {data['tap_pos']}; between {low} and {high}")
    return faults + _clock_faults(data)


def _clock_faults(data: dict[str, Any]) -> list[str]:
    """A wye-wye or delta-delta pair turns by even, a wye-delta pair by odd clock numbers."""
    clock = data["clock"]
    if clock not in range(13):
        return [f"clock {clock!r}; a whole number from 0 to 12"]
    is_odd = (data["winding_from"] == "delta") != (data["winding_to"] == "delta")
    if any(str(data[name]).startswith("zigzag") for name in ("winding_from", "winding_to")):
        return []
    if bool(clock % 2) != is_odd:
        pair = f"{data['winding_from']}/{data['winding_to']}"
        return [f"clock {clock} with windings {pair}; an {'odd' if is_odd else 'even'} number is right"]
    return []
