"""From connections to loads: powers of the table summed to one load per node and phase."""

from __future__ import annotations

import numpy as np

from grid.connections import ConnectionTable
from grid.kernels import sum_to_balanced_loads, sum_to_loads


class LoadMap:
    """Where each connection's power goes.

    Parameters
    ----------
    table : ConnectionTable
        Connections.
    is_balanced : bool
        True to ignore phases.
    """

    def __init__(self, table: ConnectionTable, is_balanced: bool) -> None:
        self.table = table
        self.is_balanced = is_balanced
        self.nodes, slot = np.unique(table.node_index, return_inverse=True)
        self._slot = slot.astype(np.int64)
        self._phase = np.ascontiguousarray(table.phase, dtype=np.int64)
        self._ev_phase = np.ascontiguousarray(table.ev_phase, dtype=np.int64)

    def sum(
        self,
        kw: np.ndarray,
        power_factor: float | np.ndarray = 1.0,
        ev_kw: np.ndarray | None = None,
        kvar: np.ndarray | None = None,
        first_step: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return W and var of every load.

        Parameters
        ----------
        kw : ndarray, (n_steps, n_connections)
            Consumption over the phases of the connection, with ``power_factor`` (lagging).
        ev_kw : ndarray, (n_steps, n_connections), optional
            Consumption on ``ev_phase`` with power factor 1.
        kvar : ndarray, (n_steps, n_connections), optional
            Further reactive power.
        first_step : int
            Period of the first row, for messages.

        Returns
        -------
        tuple of ndarray
            (n_steps, n_loads, 3), or (n_steps, n_loads) if balanced.

        Raises
        ------
        ValueError
            For a load that is not finite, a wrong shape or an impossible power factor.
        """
        shape = (len(kw), len(self.nodes)) + (() if self.is_balanced else (3,))
        p_w, q_var = np.zeros(shape), np.zeros(shape)
        none = np.zeros(len(self._slot))
        self._add(kw, tan_phi(power_factor, len(none)), self._phase, p_w, q_var, first_step)
        if ev_kw is not None:
            self._add(ev_kw, none, self._ev_phase, p_w, q_var, first_step)
        if kvar is not None:
            self._add(kvar, none, self._phase, q_var, np.zeros_like(q_var), first_step)
        return p_w, q_var

    def _add(
        self, kw: np.ndarray, tan: np.ndarray, phase: np.ndarray, p_w: np.ndarray, q_var: np.ndarray, first: int
    ) -> None:
        self._check(kw, len(p_w), first)
        values = np.ascontiguousarray(kw)
        if self.is_balanced:
            sum_to_balanced_loads(values, tan, self._slot, p_w, q_var)
        else:
            sum_to_loads(values, tan, self._slot, phase, p_w, q_var)

    def _check(self, values: np.ndarray, n_steps: int, first_step: int) -> None:
        """Refuse wrong shapes and loads that are not finite: the engine would keep the last value of a nan."""
        if values.shape != (n_steps, len(self._slot)):
            right = f"{n_steps} step(s) x {len(self._slot)} connections"
            raise ValueError(f"load of shape {values.shape}; {right} are needed")
        if np.isfinite(values.sum()):
            return
        is_bad = ~np.isfinite(values)
        step, row = (int(i) for i in np.argwhere(is_bad)[0])
        place = f"period {first_step + step}, connection {self.table.ean[row]}"
        value = values[step, row]
        raise ValueError(f"{int(is_bad.sum())} load(s) are not finite, first at {place}: {value}; kW are needed")


def tan_phi(power_factor: float | np.ndarray, n: int) -> np.ndarray:
    """Return kvar per kW of ``n`` connections for lagging power factors in (0, 1]."""
    factor = np.broadcast_to(np.asarray(power_factor, dtype=np.float64), (n,))
    is_wrong = ~((factor > 0.0) & (factor <= 1.0))
    if is_wrong.any():
        raise ValueError(f"power_factor {factor[is_wrong][0]}; above 0 and at most 1 is right")
    return np.sqrt(1.0 / factor**2 - 1.0)
