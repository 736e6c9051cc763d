"""What a power flow returns: one step (:class:`FlowState`) or many (:class:`FlowBatch`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.kernels import sequence_voltages


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
    asked for.
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
