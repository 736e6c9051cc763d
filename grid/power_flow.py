"""Power flow of a grid: one step inside the loop or a whole batch, at three fidelities.

``three_phase`` (default) for every low-voltage result, ``symmetric`` for medium and high voltage, ``linear`` for
screening. The engine is power-grid-model with the iterative-current method; loading is by the highest phase current of
both sides for lines and transformers alike (the engine's own transformer figure is total power, which hides a
one-phase overload).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from power_grid_model.errors import PowerGridError

from grid.arrays import LINE_KIND, LINK_KIND, TRANSFORMER_KIND
from grid.engine import build_model
from grid.flow_results import FlowBatch, FlowFailure, FlowState
from grid.kernels import highest_share, sum_to_balanced_loads, sum_to_loads
from grid.linear import LinearLayer
from grid.topology import Grid

Fidelity = Literal["linear", "symmetric", "three_phase"]
FIDELITIES = ("linear", "symmetric", "three_phase")

MAX_ITERATIONS = 50
ERROR_TOLERANCE = 1e-8
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
        table = grid.connections
        self.load_nodes, slot = np.unique(table.node_index, return_inverse=True)
        self._slot = slot.astype(np.int64)
        self._phase = np.ascontiguousarray(table.phase, dtype=np.int64)
        self._ev_phase = np.ascontiguousarray(table.ev_phase, dtype=np.int64)
        self._has_supply = self.arrays.is_energised[self.load_nodes]
        self._engine = _Engine(self) if fidelity != "linear" and len(self.load_nodes) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return PowerFlow, (self.grid, self.fidelity)

    @property
    def is_symmetric(self) -> bool:
        """True if the phases are not told apart."""
        return self.fidelity == "symmetric"

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
        kw = np.asarray(connection_kw, dtype=np.float64)[None]
        p_w, q_var = self._loads(kw, power_factor, _row(ev_kw), _row(connection_kvar))
        if self._engine is None:
            return _first(self._solve_linear(p_w, q_var))
        return self._engine.solve(p_w[0], q_var[0])

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
            Keep the active power of every branch.

        Returns
        -------
        FlowBatch
            Rows that did not converge hold nan; ``failures`` names their period and nodes.
        """
        many = np.atleast_2d(np.asarray(connection_kw, dtype=np.float64))
        parts = []
        for start in range(0, max(len(many), 1), CHUNK_STEPS):
            rows = slice(start, start + CHUNK_STEPS)
            extra = [None if x is None else np.asarray(x, dtype=np.float64)[rows] for x in (ev_kw, connection_kvar)]
            p_w, q_var = self._loads(many[rows], power_factor, extra[0], extra[1], start)
            parts.append(self._solve_chunk(p_w, q_var, start))
        return _join(parts, with_angles, with_branch_kw)

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
        kw = np.asarray(connection_kw, dtype=np.float64)[None]
        p_w, q_var = self._loads(kw, power_factor, None, _row(connection_kvar))
        k = len(slots)
        p_many, q_many = (np.repeat(x, 2 * k, axis=0) for x in (p_w, q_var))
        change_w = 1e3 * step_kw / (1 if self.is_symmetric else 3)
        p_many[np.arange(k), slots] += change_w
        p_many[np.arange(k, 2 * k), slots] -= change_w
        parts = [self._solve_chunk(p_many[i : i + CHUNK_STEPS], q_many[i : i + CHUNK_STEPS], i)
                 for i in range(0, 2 * k, CHUNK_STEPS)]  # fmt: skip
        return _join(parts, False, True)

    def _solve_chunk(self, p_w: np.ndarray, q_var: np.ndarray, first_step: int) -> FlowBatch:
        if self._engine is None:
            return self._solve_linear(p_w, q_var, first_step)
        return self._engine.solve_many(p_w, q_var, first_step)

    def node_kw(self, connection_kw: np.ndarray) -> np.ndarray:
        """Return consumption per node, (n_nodes,) or (n_steps, n_nodes), for use with the linear layer."""
        many = np.atleast_2d(np.asarray(connection_kw, dtype=np.float64))
        total = np.zeros((len(many), self.arrays.n_nodes))
        total[:, self.load_nodes] = self._loads(many, 1.0, None, None)[0].sum(axis=2) / 1000.0
        return total[0] if np.ndim(connection_kw) == 1 else total

    def _loads(
        self,
        kw: np.ndarray,
        power_factor: float | np.ndarray,
        ev_kw: np.ndarray | None,
        kvar: np.ndarray | None,
        first_step: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum connections to loads per phase in W and var, (n_steps, n_loads, 3); without axis 3 if symmetric."""
        n = len(self._slot)
        shape = (len(kw), len(self.load_nodes)) + (() if self.is_symmetric else (3,))
        p_w, q_var = np.zeros(shape), np.zeros(shape)
        none = np.zeros(n)
        given = ((kw, _tan_phi(power_factor, n), self._phase, p_w, q_var), (ev_kw, none, self._ev_phase, p_w, q_var),
                 (kvar, none, self._phase, q_var, np.zeros_like(q_var) if kvar is not None else q_var))  # fmt: skip
        for values, tan_phi, phase, p, q in given:
            if values is None:
                continue
            self._check(values, len(kw), first_step)
            values = np.ascontiguousarray(values)
            if self.is_symmetric:
                sum_to_balanced_loads(values, tan_phi, self._slot, p, q)
            else:
                sum_to_loads(values, tan_phi, self._slot, phase, p, q)
        return p_w, q_var

    def _check(self, values: np.ndarray, n_steps: int, first_step: int) -> None:
        """Refuse wrong shapes and loads that are not finite."""
        if values.shape != (n_steps, len(self._slot)):
            right = f"{n_steps} step(s) x {len(self._slot)} connections"
            raise ValueError(f"load of shape {values.shape}; {right} are needed")
        if np.isfinite(values.sum()):
            return
        step, row = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        n_bad = int((~np.isfinite(values)).sum())
        place = f"period {first_step + step}, connection {self.grid.connections.ean[row]}"
        raise ValueError(
            f"{n_bad} load(s) are not finite, first at {place}: {values[step, row]}; kW as numbers are needed"
        )

    def _solve_linear(self, p_w: np.ndarray, q_var: np.ndarray, first_step: int = 0) -> FlowBatch:
        """Loading, voltage and losses from the linear layer."""
        a = self.arrays
        node_p, node_q = (np.zeros((len(p_w), a.n_nodes, 3)) for _ in range(2))
        node_p[:, self.load_nodes], node_q[:, self.load_nodes] = p_w / 1e3, q_var / 1e3
        node_p *= a.is_energised[:, None]
        p, q = self.linear.flow(node_p.sum(axis=2)), self.linear.flow(node_q.sum(axis=2))
        voltage = self.linear.voltage(p, q)
        r_kw = self.linear.impedance_pu.real / 1e3
        losses = np.sum(r_kw * (p**2 + q**2), axis=1)
        served = node_p.sum(axis=(1, 2))
        is_good = np.isfinite(voltage).all(axis=1)
        loading = self.linear.loading(node_p, node_q)
        loading[~is_good], voltage[~is_good] = np.nan, np.nan
        failures = tuple(self.failure(first_step + int(i), p_w[i], q_var[i], "voltage below zero")
                         for i in np.flatnonzero(~is_good))  # fmt: skip
        phases = np.repeat(voltage[..., None], 3, axis=2)
        turn = np.broadcast_to(_PHASE_ANGLES, phases.shape)
        source = np.where(is_good, served + losses, np.nan)
        return FlowBatch(phases, loading, source, np.where(is_good, losses, np.nan), served, is_good, failures, turn, p)

    def failure(self, step: int, p_w: np.ndarray, q_var: np.ndarray, reason: str) -> FlowFailure:
        """Name the nodes of a step without solution: the lowest voltages of the linear estimate, worst phase."""
        worst = 1.0 if p_w.ndim == 1 else 3.0
        order = (p_w[:, None] if p_w.ndim == 1 else p_w, q_var[:, None] if q_var.ndim == 1 else q_var)
        a = self.arrays
        lowest = np.full(a.n_nodes, np.inf)
        for phase in range(order[0].shape[1]):
            p, q = np.zeros(a.n_nodes), np.zeros(a.n_nodes)
            p[self.load_nodes], q[self.load_nodes] = (worst * part[:, phase] / 1e3 for part in order)
            z = self.linear.impedance_pu
            drop = 2.0 * (z.real * self.linear.flow(p) + z.imag * self.linear.flow(q)) / 1e3
            lowest = np.minimum(lowest, 1.0 - abs(self.linear.incidence.T) @ np.abs(drop))
        lowest = np.where(a.is_energised, lowest, np.inf)
        named = np.argsort(lowest, kind="stable")[:_NAMED_NODES]
        nodes = tuple(a.node_ids[i] for i in named if np.isfinite(lowest[i]))
        return FlowFailure(step, nodes, " ".join(reason.split())[:_LONGEST_REASON])


_PHASE_ANGLES = np.array([0.0, -2.0, 2.0]) * np.pi / 3.0


class _Engine:
    """power-grid-model behind :class:`PowerFlow`: columns in, columns out."""

    def __init__(self, flow: PowerFlow) -> None:
        self.flow = flow
        a = flow.arrays
        self.is_symmetric = flow.is_symmetric
        self.model = build_model(a, flow.load_nodes, self.is_symmetric)
        self.component = "sym_load" if self.is_symmetric else "asym_load"
        kinds = {"line": LINE_KIND, "transformer": TRANSFORMER_KIND, "link": LINK_KIND}
        self.rows = {name: np.flatnonzero(a.kind == kind) for name, kind in kinds.items() if (a.kind == kind).any()}
        self.rated_a = {name: np.ascontiguousarray(a.rated_current_a[rows]) for name, rows in self.rows.items()}
        columns = ["p_from", "p_to", "i_from", "i_to"]
        self.output: dict[str, list[str]] = {"node": ["u_pu", "u_angle"], "source": ["p"]}
        self.output |= dict.fromkeys(self.rows, columns)

    def _run(self, **more: Any) -> dict[str, Any]:
        return self.model.calculate_power_flow(
            symmetric=self.is_symmetric,
            calculation_method="iterative_current",
            error_tolerance=ERROR_TOLERANCE,
            max_iterations=MAX_ITERATIONS,
            output_component_types=self.output,
            **more,
        )

    def solve(self, p_w: np.ndarray, q_var: np.ndarray) -> FlowState:
        """Solve one step on the permanent model."""
        served_kw = float(np.sum(p_w[self.flow._has_supply])) / 1e3
        self.model.update(update_data={self.component: {"p_specified": p_w, "q_specified": q_var}})
        try:
            raw = self._run()
        except PowerGridError as error:
            return self._failed(p_w, q_var, served_kw, str(error))
        raw = {name: {column: values[None] for column, values in part.items()} for name, part in raw.items()}
        return _first(self._read(raw, np.array([served_kw])))

    def solve_many(self, p_w: np.ndarray, q_var: np.ndarray, first_step: int) -> FlowBatch:
        """Solve a chunk of steps in one batch call."""
        served = p_w[:, self.flow._has_supply].reshape(len(p_w), -1).sum(axis=1) / 1e3
        update = {self.component: {"p_specified": p_w, "q_specified": q_var}}
        raw = self._run(update_data=update, continue_on_batch_error=True, decode_error=True)
        error = self.model.batch_error
        if error is None:
            return self._read(raw, served)
        failed = np.asarray(error.failed_scenarios)
        failures = tuple(self.flow.failure(first_step + int(i), p_w[i], q_var[i], text)
                         for i, text in zip(failed, error.error_messages, strict=True))  # fmt: skip
        return self._read(raw, served, failed, failures)

    def _read(
        self,
        raw: dict[str, Any],
        served_kw: np.ndarray,
        failed: np.ndarray | None = None,
        failures: tuple[FlowFailure, ...] = (),
    ) -> FlowBatch:
        """Turn raw columns with a leading axis of steps into results."""
        steps, a = len(served_kw), self.flow.arrays
        loading, branch_kw = np.zeros((steps, a.n_branches)), np.zeros((steps, a.n_branches))
        losses = np.zeros(steps)
        is_good = np.ones(steps, dtype=bool)
        if failed is not None:
            is_good[failed] = False
            for part in raw.values():
                for values in part.values():
                    values[failed] = np.nan
        for name, rows in self.rows.items():
            part = {column: _phases(values, self.is_symmetric) for column, values in raw[name].items()}
            highest_share(part["i_from"], part["i_to"], self.rated_a[name], loading, rows)
            into = part["p_from"].sum(axis=2)
            branch_kw[:, rows] = into / 1e3
            losses += np.sum(into, axis=1) + part["p_to"].sum(axis=(1, 2))
        voltage, angle = (_phases(raw["node"][column], self.is_symmetric) for column in ("u_pu", "u_angle"))
        if self.is_symmetric:
            voltage = np.broadcast_to(voltage, (*voltage.shape[:2], 3))
            angle = angle + _PHASE_ANGLES
        loading[~is_good] = np.nan
        source = raw["source"]["p"].reshape(steps, -1).sum(axis=1) / 1e3
        return FlowBatch(voltage, loading, source, losses / 1e3, served_kw, is_good, failures, angle, branch_kw)

    def _failed(self, p_w: np.ndarray, q_var: np.ndarray, served_kw: float, reason: str) -> FlowState:
        a = self.flow.arrays
        volts, branches = np.full((a.n_nodes, 3), np.nan), np.full(a.n_branches, np.nan)
        failure = self.flow.failure(0, p_w, q_var, reason)
        return FlowState(volts, volts, branches, branches, np.nan, np.nan, served_kw, False, failure)


def _phases(values: np.ndarray, is_symmetric: bool) -> np.ndarray:
    """Give symmetric results an axis of one phase."""
    return values[..., None] if is_symmetric else values


def _row(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values, dtype=np.float64)[None]


def _tan_phi(power_factor: float | np.ndarray, n: int) -> np.ndarray:
    """Return kvar per kW of each connection."""
    factor = np.broadcast_to(np.asarray(power_factor, dtype=np.float64), (n,))
    if not np.all((factor > 0.0) & (factor <= 1.0)):
        raise ValueError(f"power_factor {factor.min() if n else factor}; above 0 and at most 1 is right")
    return np.sqrt(1.0 / factor**2 - 1.0)


def _first(batch: FlowBatch) -> FlowState:
    """Take the only step of a batch."""
    assert batch.voltage_angle is not None and batch.branch_kw is not None
    return FlowState(
        voltage_pu=batch.voltage_pu[0],
        voltage_angle=batch.voltage_angle[0],
        loading_share=batch.loading_share[0],
        branch_kw=batch.branch_kw[0],
        source_kw=float(batch.source_kw[0]),
        losses_kw=float(batch.losses_kw[0]),
        served_kw=float(batch.served_kw[0]),
        has_converged=bool(batch.has_converged[0]),
        failure=batch.failures[0] if batch.failures else None,
    )


def _join(parts: list[FlowBatch], with_angles: bool, with_branch_kw: bool) -> FlowBatch:
    """Put the chunks of a batch together."""

    def whole(name: str) -> np.ndarray:
        columns = [getattr(part, name) for part in parts]
        return columns[0] if len(columns) == 1 else np.concatenate(columns)

    return FlowBatch(
        voltage_pu=whole("voltage_pu"),
        loading_share=whole("loading_share"),
        source_kw=whole("source_kw"),
        losses_kw=whole("losses_kw"),
        served_kw=whole("served_kw"),
        has_converged=whole("has_converged"),
        failures=tuple(failure for part in parts for failure in part.failures),
        voltage_angle=whole("voltage_angle") if with_angles else None,
        branch_kw=whole("branch_kw") if with_branch_kw else None,
    )
