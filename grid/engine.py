"""power-grid-model behind the power flow: built from the frozen arrays, columns in, columns out."""

from __future__ import annotations

from typing import Any

import numpy as np
from power_grid_model import LoadGenType, PowerGridModel, initialize_array
from power_grid_model.errors import PowerGridError

from grid.arrays import LINE_KIND, LINK_KIND, TRANSFORMER_KIND, GridArrays
from grid.attributes import LINE, TRANSFORMER
from grid.flow_results import FlowBuffers
from grid.kernels import branch_power, highest_share, scatter_columns

MAX_ITERATIONS = 50
ERROR_TOLERANCE = 1e-8
_KINDS = {"line": LINE_KIND, "transformer": TRANSFORMER_KIND, "link": LINK_KIND}
_CURRENTS = {"line": ["loading"], "transformer": ["i_from", "i_to"], "link": []}
"""A line's loading is the engine's own (highest phase of both sides over i_n); a transformer's is made here."""


class Engine:
    """A permanent model with one load at each load node.

    Parameters
    ----------
    arrays : GridArrays
        The compiled grid.
    load_nodes : ndarray of int
        Nodes with connections.
    is_symmetric : bool
        False for three phases.

    Notes
    -----
    A pickled power-grid-model is a raw pointer that crashes the process that reads it, hence ``__reduce__``.
    """

    def __init__(self, arrays: GridArrays, load_nodes: np.ndarray, is_symmetric: bool) -> None:
        self.arrays = arrays
        self.load_nodes = load_nodes
        self.is_symmetric = is_symmetric
        self.component = "sym_load" if is_symmetric else "asym_load"
        self.model = build_model(arrays, load_nodes, is_symmetric)
        self.rows = {name: np.flatnonzero(arrays.kind == kind) for name, kind in _KINDS.items()}
        self.rows = {name: rows for name, rows in self.rows.items() if len(rows)}
        rated = arrays.rated_current_a
        self.rated_a = {name: np.ascontiguousarray(rated[rows]) for name, rows in self.rows.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Engine, (self.arrays, self.load_nodes, self.is_symmetric)

    def solve_one(self, p_w: np.ndarray, q_var: np.ndarray, into: FlowBuffers) -> str | None:
        """Solve one step on the permanent model into the only row of ``into``; returns the reason of a failure."""
        self.model.update(update_data={self.component: {"p_specified": p_w, "q_specified": q_var}})
        try:
            raw = self._run(into)
        except PowerGridError as error:
            into.is_good[:] = False
            return str(error)
        one = {name: {column: values[None] for column, values in part.items()} for name, part in raw.items()}
        self._read(one, into, slice(0, 1))
        return None

    def solve_batch(self, p_w: np.ndarray, q_var: np.ndarray, into: FlowBuffers, rows: slice) -> list[tuple[int, str]]:
        """Solve steps in one batch call into ``rows`` of ``into``; returns position and reason of every failure."""
        update = {self.component: {"p_specified": p_w, "q_specified": q_var}}
        raw = self._run(into, update_data=update, continue_on_batch_error=True)
        self._read(raw, into, rows)
        error = self.model.batch_error
        if error is None:
            return []
        failed = np.asarray(error.failed_scenarios)
        into.is_good[rows][failed] = False
        return [(int(i), text) for i, text in zip(failed, error.error_messages, strict=True)]

    def _run(self, into: FlowBuffers, **more: Any) -> dict[str, Any]:
        output = {"node": ["u_pu", "u_angle"] if into.has_angles else ["u_pu"], "source": ["p"]}
        power = ["p_from", "p_to"] if into.has_branch_kw else []
        output |= {name: [*_CURRENTS[name], *power] for name in self.rows if _CURRENTS[name] or power}
        return self.model.calculate_power_flow(
            symmetric=self.is_symmetric,
            calculation_method="iterative_current",
            error_tolerance=ERROR_TOLERANCE,
            max_iterations=MAX_ITERATIONS,
            output_component_types=output,
            **more,
        )

    def _read(self, raw: dict[str, Any], into: FlowBuffers, rows: slice) -> None:
        """Copy raw columns with a leading axis of steps into the buffers."""
        for name, part in raw.items():
            if name == "line":
                scatter_columns(part["loading"], into.loading[rows], self.rows[name])
            elif name == "transformer":
                both = self._phased(part["i_from"]), self._phased(part["i_to"])
                highest_share(*both, self.rated_a[name], into.loading[rows], self.rows[name])
            if into.has_branch_kw and name in self.rows:
                both = self._phased(part["p_from"]), self._phased(part["p_to"])
                branch_power(*both, into.losses_w[rows], into.branch_kw[rows], self.rows[name])
        into.voltage[rows] = self._phased(raw["node"]["u_pu"])
        if into.has_angles:
            into.angle[rows] = self._phased(raw["node"]["u_angle"])
        power = raw["source"]["p"]
        into.source_kw[rows] = power.reshape(len(power), -1).sum(axis=1) / 1e3
        if not into.has_branch_kw:
            into.losses_w[rows] = (into.source_kw[rows] - into.served_kw[rows]) * 1e3

    def _phased(self, values: np.ndarray) -> np.ndarray:
        """Give symmetric results an axis of one phase."""
        return values[..., None] if self.is_symmetric else values


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
