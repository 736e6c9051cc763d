"""What a power flow returns: one step (:class:`FlowState`) or many (:class:`FlowBatch`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.kernels import sequence_voltages

PHASE_ANGLES = np.array([0.0, -2.0, 2.0]) * np.pi / 3.0
"""Angles of L1, L2, L3 in a symmetric system."""


@dataclass(frozen=True)
class FlowFailure:
    """A step for which no voltages were found.

    Parameters
    ----------
    step : int
        Row of the batch (period).
    nodes : tuple of str
        The nodes most likely behind it: the lowest voltages of the linear estimate.
    reason : str
        The engine's words.
    """

    step: int
    nodes: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"period {self.step}: power flow did not converge near {', '.join(self.nodes)} ({self.reason})"


@dataclass(frozen=True)
class FlowState:
    """Result of one step; nan throughout if it did not converge.

    Parameters
    ----------
    voltage_pu : ndarray, (n_nodes, 3)
        Phase-neutral voltage of L1, L2, L3; 0 at nodes without supply.
    voltage_angle : ndarray, (n_nodes, 3)
        Angle in rad.
    loading_share : ndarray, (n_branches,)
        Highest phase current of both sides over the rated current.
    branch_kw : ndarray, (n_branches,)
        Active power into the branch at its from side.
    source_kw : float
        Power that the grid takes at the source; negative when it feeds back.
    losses_kw : float
        Sum of what enters the branches and does not leave them.
    served_kw : float
        Consumption at nodes that have supply.
    has_converged : bool
        False if the solver found no solution.
    failure : FlowFailure or None
        Period and nodes when it did not converge.
    """

    voltage_pu: np.ndarray
    voltage_angle: np.ndarray
    loading_share: np.ndarray
    branch_kw: np.ndarray
    source_kw: float
    losses_kw: float
    served_kw: float
    has_converged: bool
    failure: FlowFailure | None = None

    @cached_property
    def vuf_share(self) -> np.ndarray:
        """Negative- over positive-sequence voltage, (n_nodes,)."""
        return voltage_unbalance_share(self.voltage_pu, self.voltage_angle)

    @property
    def phase_deviation_share(self) -> np.ndarray:
        """Largest deviation of a phase from the mean of the phases over that mean, (n_nodes,)."""
        return phase_deviation_share(self.voltage_pu)

    @property
    def energy_gap_kw(self) -> float:
        """Source less consumption less losses: 0 up to the solver's tolerance."""
        return self.source_kw - self.served_kw - self.losses_kw


@dataclass(frozen=True)
class FlowBatch:
    """Results of many steps; rows that did not converge hold nan.

    Shapes have a leading axis of steps; see :class:`FlowState`. ``voltage_angle`` and ``branch_kw`` are None unless
    asked for. Without branch powers ``losses_kw`` is what the source gives and nobody is served, so that
    ``energy_gap_kw`` says nothing; with them both are measured apart.
    """

    voltage_pu: np.ndarray
    loading_share: np.ndarray
    source_kw: np.ndarray
    losses_kw: np.ndarray
    served_kw: np.ndarray
    has_converged: np.ndarray
    failures: tuple[FlowFailure, ...] = ()
    voltage_angle: np.ndarray | None = None
    branch_kw: np.ndarray | None = None

    @cached_property
    def vuf_share(self) -> np.ndarray:
        """Negative- over positive-sequence voltage, (n_steps, n_nodes)."""
        if self.voltage_angle is None:
            raise ValueError("The unbalance factor needs angles: call solve_many(..., with_angles=True)")
        return voltage_unbalance_share(self.voltage_pu, self.voltage_angle)

    @property
    def phase_deviation_share(self) -> np.ndarray:
        """Largest deviation of a phase from the mean of the phases over that mean, (n_steps, n_nodes)."""
        return phase_deviation_share(self.voltage_pu)

    @property
    def energy_gap_kw(self) -> np.ndarray:
        """Source less consumption less losses, (n_steps,): 0 up to the solver's tolerance."""
        return self.source_kw - self.served_kw - self.losses_kw

    def state(self, step: int) -> FlowState:
        """Return one step; the batch must hold angles and branch powers."""
        if self.voltage_angle is None or self.branch_kw is None:
            raise ValueError("A single state needs solve_many(..., with_angles=True, with_branch_kw=True)")
        failure = next((failure for failure in self.failures if failure.step == step), None)
        return FlowState(
            voltage_pu=self.voltage_pu[step],
            voltage_angle=self.voltage_angle[step],
            loading_share=self.loading_share[step],
            branch_kw=self.branch_kw[step],
            source_kw=float(self.source_kw[step]),
            losses_kw=float(self.losses_kw[step]),
            served_kw=float(self.served_kw[step]),
            has_converged=bool(self.has_converged[step]),
            failure=failure,
        )


@dataclass
class FlowBuffers:
    """Results while a batch is solved; ``n_phases`` is 1 for symmetric flows.

    ``angle`` and ``branch_kw`` have no columns unless wanted.
    """

    voltage: np.ndarray
    angle: np.ndarray
    loading: np.ndarray
    branch_kw: np.ndarray
    source_kw: np.ndarray
    losses_w: np.ndarray
    served_kw: np.ndarray
    is_good: np.ndarray
    failures: list[FlowFailure]
    has_angles: bool
    has_branch_kw: bool

    @classmethod
    def empty(
        cls, sizes: tuple[int, int, int], n_phases: int, *, with_angles: bool, with_branch_kw: bool
    ) -> FlowBuffers:
        """Make room for (steps, nodes, branches)."""
        steps, nodes, branches = sizes
        return cls(
            voltage=np.empty((steps, nodes, n_phases)),
            angle=np.empty((steps, nodes if with_angles else 0, n_phases)),
            loading=np.zeros((steps, branches)),
            branch_kw=np.zeros((steps, branches if with_branch_kw else 0)),
            source_kw=np.empty(steps),
            losses_w=np.zeros(steps),
            served_kw=np.empty(steps),
            is_good=np.ones(steps, dtype=bool),
            failures=[],
            has_angles=with_angles,
            has_branch_kw=with_branch_kw,
        )

    def finish(self) -> FlowBatch:
        """Blank the failed steps and freeze; symmetric phases are copies turned by 120 degrees."""
        bad = ~self.is_good
        if bad.any():
            for column in (self.voltage, self.angle, self.loading, self.branch_kw, self.source_kw, self.losses_w):
                column[bad] = np.nan
        voltage, angle = self.voltage, self.angle
        if voltage.shape[2] == 1:
            voltage = np.broadcast_to(voltage, (*voltage.shape[:2], 3))
            angle = angle + PHASE_ANGLES if self.has_angles else angle
        return FlowBatch(
            voltage_pu=voltage,
            loading_share=self.loading,
            source_kw=self.source_kw,
            losses_kw=self.losses_w / 1e3,
            served_kw=self.served_kw,
            has_converged=self.is_good,
            failures=tuple(self.failures),
            voltage_angle=angle if self.has_angles else None,
            branch_kw=self.branch_kw if self.has_branch_kw else None,
        )


def voltage_unbalance_share(voltage_pu: np.ndarray, voltage_angle: np.ndarray) -> np.ndarray:
    """Return the unbalance factor U2/U1 (EN 50160, negative sequence) of phase voltages, shape without the last axis.

    Nodes without supply read 0.
    """
    shape = voltage_pu.shape
    flat = (-1, shape[-2], 3)
    u1, u2 = sequence_voltages(np.ascontiguousarray(voltage_pu).reshape(flat), voltage_angle.reshape(flat))
    return np.where(u1 > 1e-6, u2 / np.maximum(u1, 1e-6), 0.0 * u1).reshape(shape[:-1])


def phase_deviation_share(voltage_pu: np.ndarray) -> np.ndarray:
    """Return the largest deviation of a phase voltage from the mean of the three over that mean.

    This reads "the difference between the phases" of the report (section 3.1.2) as NEMA does; it is several times the
    negative-sequence factor under one-phase charging, so the verdict may differ. Nodes without supply read 0.
    """
    mean = voltage_pu.mean(axis=-1)
    gap = np.abs(voltage_pu - mean[..., None]).max(axis=-1)
    return np.where(mean > 1e-6, gap / np.maximum(mean, 1e-6), 0.0 * mean)
