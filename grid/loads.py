"""From connections to loads: powers of the table summed to one load per node and phase."""

from __future__ import annotations

import numpy as np

from grid.connections import ConnectionTable
from grid.kernels import sum_to_loads

_ACTIVE_ONLY = np.zeros(0)


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
        row = slot.astype(np.int64)
        self._own = row if is_balanced else 4 * row + table.phase
        self._charger = row if is_balanced else 4 * row + table.ev_phase

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
        p_w, q_var = np.zeros((2, len(kw), len(self.nodes), 1 if self.is_balanced else 3))
        tan = tan_phi(power_factor, len(self.table))
        self._add(kw, tan, self._own, p_w, q_var)
        if ev_kw is not None:
            self._add(ev_kw, _ACTIVE_ONLY, self._charger, p_w, q_var)
        if kvar is not None:
            self._add(kvar, _ACTIVE_ONLY, self._own, q_var, p_w)
        if not np.isfinite(p_w.sum() + q_var.sum()):
            for values in (kw, ev_kw, kvar):
                self._refuse_gaps(values, first_step)
        return (p_w[..., 0], q_var[..., 0]) if self.is_balanced else (p_w, q_var)

    def _add(self, kw: np.ndarray, tan: np.ndarray, target: np.ndarray, p_w: np.ndarray, q_var: np.ndarray) -> None:
        if kw.shape != (len(p_w), len(self.table)):
            right = f"{len(p_w)} step(s) x {len(self.table)} connections"
            raise ValueError(f"load of shape {kw.shape}; {right} are needed")
        sum_to_loads(np.ascontiguousarray(kw), tan, target, p_w, q_var)

    def _refuse_gaps(self, values: np.ndarray | None, first_step: int) -> None:
        """Name the first load that is not finite: the engine would silently keep the last value of a nan."""
        if values is None or np.isfinite(values).all():
            return
        is_bad = ~np.isfinite(values)
        step, row = (int(i) for i in np.argwhere(is_bad)[0])
        place = f"period {first_step + step}, connection {self.table.ean[row]}"
        value = values[step, row]
        raise ValueError(f"{int(is_bad.sum())} load(s) are not finite, first at {place}: {value}; kW are needed")


def tan_phi(power_factor: float | np.ndarray, n: int) -> np.ndarray:
    """Return kvar per kW of ``n`` connections for lagging power factors in (0, 1]; no column if all are 1."""
    factor = np.broadcast_to(np.asarray(power_factor, dtype=np.float64), (n,))
    is_wrong = ~((factor > 0.0) & (factor <= 1.0))
    if is_wrong.any():
        raise ValueError(f"power_factor {factor[is_wrong][0]}; above 0 and at most 1 is right")
    return np.sqrt(1.0 / factor**2 - 1.0) if (factor < 1.0).any() else _ACTIVE_ONLY
