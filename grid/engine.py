"""Building the power-grid-model from the frozen arrays, and the ids of its components."""

from __future__ import annotations

import numpy as np
from power_grid_model import LoadGenType, PowerGridModel, initialize_array

from grid.arrays import LINE_KIND, LINK_KIND, TRANSFORMER_KIND, GridArrays
from grid.attributes import LINE, TRANSFORMER


def build_model(arrays: GridArrays, load_nodes: np.ndarray, is_symmetric: bool) -> PowerGridModel:
    """Return a permanent model with one constant-power load at each of ``load_nodes``.

    Ids are dense and unique across component types, as the engine wants: nodes, branches, the source, loads. Results
    of a component type come back in the order of the input, so they need no join.
    """
    n, m = arrays.n_nodes, arrays.n_branches
    node = initialize_array("input", "node", n)
    node["id"], node["u_rated"] = np.arange(n), arrays.node["u_rated"]
    load = initialize_array("input", "sym_load" if is_symmetric else "asym_load", len(load_nodes))
    load["id"], load["node"], load["status"] = n + m + 1 + np.arange(len(load_nodes)), load_nodes, 1
    load["type"], load["p_specified"], load["q_specified"] = LoadGenType.const_power, 0.0, 0.0
    parts = {
        "node": node,
        "line": _branches(arrays, "line", LINE_KIND),
        "transformer": _branches(arrays, "transformer", TRANSFORMER_KIND),
        "link": _branches(arrays, "link", LINK_KIND),
        "source": _source(arrays),
        "sym_load" if is_symmetric else "asym_load": load,
    }
    return PowerGridModel({name: part for name, part in parts.items() if len(part)}, system_frequency=50.0)


def _branches(arrays: GridArrays, component: str, kind: int) -> np.ndarray:
    """Fill the input array of one kind of branch."""
    rows = np.flatnonzero(arrays.kind == kind)
    part = initialize_array("input", component, len(rows))
    part["id"] = arrays.n_nodes + rows
    part["from_node"], part["to_node"] = arrays.from_node[rows], arrays.to_node[rows]
    part["from_status"], part["to_status"] = arrays.from_status[rows], arrays.to_status[rows]
    for item in {LINE_KIND: LINE, TRANSFORMER_KIND: TRANSFORMER}.get(kind, ()):
        part[item.name] = arrays.branch[item.name][rows]
    return part


def _source(arrays: GridArrays) -> np.ndarray:
    """Fill the input array of the source."""
    part = initialize_array("input", "source", 1)
    part["id"], part["node"], part["status"] = arrays.n_nodes + arrays.n_branches, arrays.source_node, 1
    for name in ("u_ref", "sk", "rx_ratio", "z01_ratio"):
        part[name] = arrays.node[name][arrays.source_node]
    return part
