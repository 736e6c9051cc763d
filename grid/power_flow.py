"""Power flow of a grid: one step inside the loop or a whole batch, at three fidelities.

``three_phase`` (default) for every low-voltage result, ``symmetric`` for medium and high voltage, ``linear`` for
screening. The engine is power-grid-model with the iterative-current method; loading is by the highest phase current of
both sides for lines and transformers alike (the engine's own transformer figure is total power, which hides a
one-phase overload). Loads draw constant power. The source holds its voltage stiffly (sk = 1e20 VA) unless the source
node states a short-circuit power.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from grid.engine import Engine
from grid.flow_results import PHASE_ANGLES, FlowBatch, FlowBuffers, FlowFailure, FlowState
from grid.linear import LinearLayer
from grid.loads import LoadMap
from grid.topology import Grid

Fidelity = Literal["linear", "symmetric", "three_phase"]
FIDELITIES = ("linear", "symmetric", "three_phase")

CHUNK_STEPS = 336
"""Steps a batch hands to the engine at once; bounds the memory of the engine's raw output."""

_NAMED_NODES = 5
_LONGEST_REASON = 90


class PowerFlow:
    """A solver for one topology and one connection table.

    Parameters
    ----------
    grid : Grid
        Checked grid.
    fidelity : {"three_phase", "symmetric", "linear"}
        Model of the wires.

    Notes
    -----
    The engine's model holds a raw pointer: pickling this object ships the grid and builds the model anew.
    """

    def __init__(self, grid: Grid, fidelity: Fidelity = "three_phase") -> None:
        if fidelity not in FIDELITIES:
            raise ValueError(f"fidelity {fidelity!r} is unknown; allowed are {', '.join(FIDELITIES)}")
        self.grid = grid
        self.fidelity = fidelity
        self.arrays = grid.arrays
        self.linear = LinearLayer(grid.arrays)
        self.is_symmetric = fidelity == "symmetric"
        self.loads = LoadMap(grid.connections, self.is_symmetric)
        self._supplied = np.flatnonzero(self.arrays.is_energised[self.load_nodes])
        has_engine = fidelity != "linear" and len(self.load_nodes) > 0
        self._engine = Engine(self.arrays, self.load_nodes, self.is_symmetric) if has_engine else None

    def __reduce__(self) -> tuple[Any, ...]:
        return PowerFlow, (self.grid, self.fidelity)

    @property
    def load_nodes(self) -> np.ndarray:
        """Indices of the nodes with connections, ascending."""
        return self.loads.nodes

    def solve(
        self,
        connection_kw: np.ndarray,
        power_factor: float | np.ndarray = 1.0,
        *,
        ev_kw: np.ndarray | None = None,
        connection_kvar: np.ndarray | None = None,
    ) -> FlowState:
        """Solve one step on the permanent model.

        Parameters
        ----------
        connection_kw : ndarray, (n_connections,)
            Consumption per connection, spread over its phases.
        power_factor : float or ndarray, (n_connections,)
            Lagging power factor in (0, 1].
        ev_kw : ndarray, (n_connections,), optional
            Charging on top of ``connection_kw``, drawn on the phase of the charger (``ev_phase``); power factor 1.
        connection_kvar : ndarray, (n_connections,), optional
            Reactive power on top of what ``power_factor`` gives.

        Returns
        -------
        FlowState
            nan with ``has_converged`` False when no solution is found; it never raises for that.

        Raises
        ------
        ValueError
            If a load is not a number (the engine would silently keep the last one) or a shape is wrong.
        """
        p_w, q_var = self.loads.sum(_row(connection_kw), power_factor, _maybe(ev_kw), _maybe(connection_kvar))
        into = self._buffers(1, with_angles=True, with_branch_kw=True)
        into.served_kw[:] = self._served_kw(p_w)
        if self._engine is None:
            self._solve_linear(p_w, q_var, into, slice(0, 1))
        else:
            reason = self._engine.solve_one(p_w[0], q_var[0], into)
            if reason is not None:
                into.failures.append(self._failure(0, p_w[0], q_var[0], reason))
        return into.finish().state(0)

    def solve_many(
        self,
        connection_kw: np.ndarray,
        power_factor: float | np.ndarray = 1.0,
        *,
        ev_kw: np.ndarray | None = None,
        connection_kvar: np.ndarray | None = None,
        with_angles: bool = False,
        with_branch_kw: bool = False,
    ) -> FlowBatch:
        """Solve many steps; arguments as in :meth:`solve` with a leading axis of steps.

        Parameters
        ----------
        with_angles : bool
            Keep voltage angles, needed for the unbalance factor.
        with_branch_kw : bool
            Keep the active power of every branch, and sum the losses over the branches.

        Returns
        -------
        FlowBatch
            Rows that did not converge hold nan; ``failures`` names their period and nodes.
        """
        many = np.atleast_2d(connection_kw)
        more = [None if x is None else np.atleast_2d(x) for x in (ev_kw, connection_kvar)]
        into = self._buffers(len(many), with_angles=with_angles, with_branch_kw=with_branch_kw)
        for start in range(0, len(many), CHUNK_STEPS):
            rows = slice(start, min(start + CHUNK_STEPS, len(many)))
            kw = np.asarray(many[rows], dtype=np.float64)
            ev, kvar = (None if x is None else np.asarray(x[rows], dtype=np.float64) for x in more)
            p_w, q_var = self.loads.sum(kw, power_factor, ev, kvar, start)
            self._solve_chunk(p_w, q_var, into, rows)
        return into.finish()

    def perturb(
        self,
        connection_kw: np.ndarray,
        slots: np.ndarray,
        step_kw: float,
        power_factor: float | np.ndarray = 1.0,
        connection_kvar: np.ndarray | None = None,
    ) -> FlowBatch:
        """Solve around an operating point: first ``step_kw`` more at each load of ``slots``, then as much less.

        Returns
        -------
        FlowBatch
            2 × ``len(slots)`` steps with branch powers.
        """
        p_w, q_var = self.loads.sum(_row(connection_kw), power_factor, None, _maybe(connection_kvar))
        k = len(slots)
        change_w = np.repeat((1e3, -1e3), k) * step_kw / (1 if self.is_symmetric else 3)
        changed = np.tile(slots, 2)
        into = self._buffers(2 * k, with_angles=False, with_branch_kw=True)
        for start in range(0, 2 * k, CHUNK_STEPS):
            rows = slice(start, min(start + CHUNK_STEPS, 2 * k))
            n = rows.stop - start
            p_many, q_many = np.repeat(p_w, n, axis=0), np.repeat(q_var, n, axis=0)
            change = change_w[rows] if self.is_symmetric else change_w[rows, None]
            p_many[np.arange(n), changed[rows]] += change
            self._solve_chunk(p_many, q_many, into, rows)
        return into.finish()

    def node_kw(self, connection_kw: np.ndarray, *, per_phase: bool = False) -> np.ndarray:
        """Return consumption per node for the linear layer.

        Parameters
        ----------
        connection_kw : ndarray, (n_connections,) or (n_steps, n_connections)
            Consumption.
        per_phase : bool
            Keep the phases apart (not with fidelity ``symmetric``).

        Returns
        -------
        ndarray
            (n_nodes,) or (n_steps, n_nodes), with a last axis of 3 if ``per_phase``.
        """
        many = np.atleast_2d(np.asarray(connection_kw, dtype=np.float64))
        p_kw = self.loads.sum(many)[0] / 1e3
        if not per_phase and not self.is_symmetric:
            p_kw = p_kw.sum(axis=2)
        total = np.zeros((len(many), self.arrays.n_nodes, *p_kw.shape[2:]))
        total[:, self.load_nodes] = p_kw
        return total[0] if np.ndim(connection_kw) == 1 else total

    def _buffers(self, n_steps: int, *, with_angles: bool, with_branch_kw: bool) -> FlowBuffers:
        sizes = (n_steps, self.arrays.n_nodes, self.arrays.n_branches)
        phases = 1 if self.is_symmetric else 3
        return FlowBuffers.empty(sizes, phases, with_angles=with_angles, with_branch_kw=with_branch_kw)

    def _served_kw(self, p_w: np.ndarray) -> np.ndarray:
        """Consumption at loads that have supply, (n_steps,)."""
        p = p_w if len(self._supplied) == p_w.shape[1] else p_w[:, self._supplied]
        return p.reshape(len(p), -1).sum(axis=1) / 1e3

    def _solve_chunk(self, p_w: np.ndarray, q_var: np.ndarray, into: FlowBuffers, rows: slice) -> None:
        into.served_kw[rows] = self._served_kw(p_w)
        if self._engine is None:
            self._solve_linear(p_w, q_var, into, rows)
            return
        failed = self._engine.solve_batch(p_w, q_var, into, rows)
        into.failures += [self._failure(rows.start + i, p_w[i], q_var[i], reason) for i, reason in failed]

    def _solve_linear(self, p_w: np.ndarray, q_var: np.ndarray, into: FlowBuffers, rows: slice) -> None:
        """Loading, voltage and losses from the linear layer; the phases share one voltage."""
        a = self.arrays
        node_p, node_q = np.zeros((2, len(p_w), a.n_nodes, 3))
        node_p[:, self.load_nodes], node_q[:, self.load_nodes] = p_w / 1e3, q_var / 1e3
        node_p[:, ~a.is_energised], node_q[:, ~a.is_energised] = 0.0, 0.0
        p, q = self.linear.flow(node_p.sum(axis=2)), self.linear.flow(node_q.sum(axis=2))
        voltage = self.linear.voltage(p, q)
        into.voltage[rows] = voltage[..., None]
        into.loading[rows] = self.linear.loading(node_p, node_q)
        into.losses_w[rows] = np.sum(self.linear.impedance_pu.real * (p**2 + q**2), axis=1)
        into.source_kw[rows] = into.served_kw[rows] + into.losses_w[rows] / 1e3
        if into.has_angles:
            into.angle[rows] = PHASE_ANGLES
        if into.has_branch_kw:
            into.branch_kw[rows] = p
        into.is_good[rows] = np.isfinite(voltage).all(axis=1)
        into.failures += [self._failure(rows.start + int(i), p_w[i], q_var[i], "voltage below zero")
                          for i in np.flatnonzero(~into.is_good[rows])]  # fmt: skip

    def _failure(self, step: int, p_w: np.ndarray, q_var: np.ndarray, reason: str) -> FlowFailure:
        """Name the nodes of a step without solution: the deepest linear voltage drops, worst phase."""
        a, z = self.arrays, self.linear.impedance_pu
        loads = (p_w[:, None], q_var[:, None]) if self.is_symmetric else (3.0 * p_w, 3.0 * q_var)
        deepest = np.zeros(a.n_nodes)
        for phase in range(loads[0].shape[1]):
            p, q = np.zeros((2, a.n_nodes))
            p[self.load_nodes], q[self.load_nodes] = (part[:, phase] / 1e3 for part in loads)
            drop = np.abs(z) * np.hypot(self.linear.flow(p), self.linear.flow(q))
            deepest = np.maximum(deepest, abs(self.linear.incidence.T) @ drop)
        named = np.argsort(-deepest, kind="stable")[:_NAMED_NODES]
        nodes = tuple(a.node_ids[i] for i in named if deepest[i] > 0.0)
        return FlowFailure(step, nodes, " ".join(reason.split())[:_LONGEST_REASON])


def _row(values: np.ndarray) -> np.ndarray:
    """Give one step an axis of steps."""
    return np.asarray(values, dtype=np.float64)[None]


def _maybe(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else _row(values)
