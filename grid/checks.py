"""The checker of grids: collects every fault with place, value and what is right."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import networkx as nx
import numpy as np

from grid.attributes import KINDS, LEVELS, PARAMETERS, REQUIRED, SIDES, WINDINGS
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


def graph_faults(graph: nx.MultiGraph) -> list[str]:
    """List all faults of a completed graph: nodes, branches, sources and isolated nodes."""
    faults = [fault for node, data in graph.nodes(data=True) for fault in _node_faults(node, data)]
    faults += _source_faults(graph)
    keys = Counter(str(key) for _, _, key in graph.edges(keys=True))
    faults += [f"branch {key}: id used {n} times; every branch needs its own id" for key, n in keys.items() if n > 1]
    for u, v, key, data in graph.edges(keys=True, data=True):
        faults += _branch_faults(graph, u, v, str(key), data)
    return faults


def type_faults(graph: nx.MultiGraph) -> list[str]:
    """List branches that name a cable or transformer type the library does not know."""
    faults = []
    for _, _, key, data in graph.edges(keys=True, data=True):
        if data.get("kind") == "line" and "cable" in data and data["cable"] not in CABLES and "r1" not in data:
            faults.append(f"branch {key}: cable type {data['cable']!r} is unknown; known are {', '.join(CABLES)}")
        if data.get("kind") == "line" and data.get("cable") in CABLES and "r1" not in data:
            faults += _length_faults(key, data)
        name = data.get("transformer_type")
        if data.get("kind") == "transformer" and name is not None and name not in TRANSFORMERS and "sn" not in data:
            faults.append(f"branch {key}: transformer type {name!r} is unknown; known are {', '.join(TRANSFORMERS)}")
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


def _length_faults(key: str, data: dict[str, Any]) -> list[str]:
    length = data.get("length_m")
    if isinstance(length, int | float) and length > 0 and math.isfinite(length):
        return []
    return [f"branch {key}: length_m {length!r} of cable {data['cable']}; a length above 0 m is needed"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def _node_faults(node: Any, data: dict[str, Any]) -> list[str]:
    faults = []
    if not isinstance(node, str):
        faults.append(f"node {node!r}: the id is a {type(node).__name__}; ids are text")
    if not _is_number(data.get("u_rated")) or data["u_rated"] <= 0:
        faults.append(f"node {node}: u_rated {data.get('u_rated')!r}; a rated voltage above 0 V is needed")
    if data.get("level", "") not in (*LEVELS, ""):
        faults.append(f"node {node}: level {data['level']!r}; allowed are {', '.join(LEVELS)}")
    return faults


def _source_faults(graph: nx.MultiGraph) -> list[str]:
    sources = [node for node, data in graph.nodes(data=True) if _is_number(data.get("u_ref"))]
    if not sources:
        return ["grid: no source; give exactly one node the attribute u_ref (pu)"]
    if len(sources) > 1:
        return [f"grid: {len(sources)} sources ({', '.join(map(str, sources))}); exactly one node may have u_ref"]
    data = graph.nodes[sources[0]]
    faults = []
    if not 0.5 <= data["u_ref"] <= 1.5:
        faults.append(f"node {sources[0]}: u_ref {data['u_ref']}; between 0.5 and 1.5 pu")
    if data.get("sk", 1.0) <= 0:
        faults.append(f"node {sources[0]}: short-circuit power sk {data['sk']}; above 0 VA")
    reached = nx.node_connected_component(graph, sources[0])
    isolated = [node for node in graph if node not in reached]
    faults += [f"node {node}: isolated, no chain of branches leads to the source {sources[0]}" for node in isolated]
    return faults


def _branch_faults(graph: nx.MultiGraph, u: Any, v: Any, key: str, data: dict[str, Any]) -> list[str]:
    kind = data.get("kind")
    if kind not in KINDS:
        return [f"branch {key}: kind {kind!r}; allowed are {', '.join(KINDS)}"]
    faults = []
    if u == v:
        faults.append(f"branch {key}: both ends at node {u}; a branch joins two nodes")
    if {data.get("a"), data.get("b")} != {u, v}:
        faults.append(f"branch {key}: a = {data.get('a')}, b = {data.get('b')}; its ends are {u} and {v}")
    faults += [f"branch {key}: {side} {data[side]!r}; 0 (open) or 1 (closed)"
               for side in ("from_status", "to_status") if data[side] not in (0, 1)]  # fmt: skip
    missing = [
        item.name for item in PARAMETERS[kind] if item.default is REQUIRED and not _is_number(data.get(item.name))
    ]
    if missing:
        return [*faults, f"branch {key}: {', '.join(missing)} missing or not a number; a {kind} needs {_needed(kind)}"]
    rated = [graph.nodes[n].get("u_rated") for n in (data.get("a"), data.get("b")) if n in graph]
    if len(rated) < 2 or not all(map(_is_number, rated)):
        return faults
    check = {"line": _line_faults, "transformer": _transformer_faults, "link": _link_faults}[kind]
    return faults + [f"branch {key}: {text}" for text in check(data, rated)]


def _needed(kind: str) -> str:
    return ", ".join(f"{item.name} [{item.unit}]" for item in PARAMETERS[kind] if item.default is REQUIRED)


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
    if data["winding_from"].startswith("zigzag") or data["winding_to"].startswith("zigzag"):
        return []
    if bool(clock % 2) != is_odd:
        pair = f"{data['winding_from']}/{data['winding_to']}"
        return [f"clock {clock} with windings {pair}; an {'odd' if is_odd else 'even'} number is right"]
    return []
