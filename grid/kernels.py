"""Compiled loops between the connection table and the engine's columns.

Each has a NumPy twin in the tests.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def sum_to_loads(kw: np.ndarray, tan_phi: np.ndarray, target: np.ndarray, p_w: np.ndarray, q_var: np.ndarray) -> None:
    """Add connection powers to the loads of their nodes, in W and var.

    Parameters
    ----------
    kw : ndarray, (n_steps, n_connections)
        Consumption.
    tan_phi : ndarray, (n_connections,), or (0,) for active power only
        kvar per kW.
    target : ndarray, (n_connections,)
        Three phases: four times the row of the load plus the phase (0 = a third on each, 1–3 that phase). One phase:
        the row of the load.
    p_w, q_var : ndarray, (n_steps, n_loads, 3) or (n_steps, n_loads, 1)
        Added to in place.
    """
    n_loads, n_phases = p_w.shape[1:]
    p = np.empty(n_loads * (4 if n_phases == 3 else 1))
    q = np.empty_like(p)
    for t in range(kw.shape[0]):
        p[:] = 0.0
        q[:] = 0.0
        for c in range(kw.shape[1]):
            p[target[c]] += kw[t, c] * 1000.0
        for c in range(tan_phi.shape[0]):
            q[target[c]] += kw[t, c] * 1000.0 * tan_phi[c]
        for i in range(n_loads):
            if n_phases == 1:
                p_w[t, i, 0] += p[i]
                q_var[t, i, 0] += q[i]
            else:
                for f in range(3):
                    p_w[t, i, f] += p[4 * i] / 3.0 + p[4 * i + 1 + f]
                    q_var[t, i, f] += q[4 * i] / 3.0 + q[4 * i + 1 + f]


@njit(cache=True)
def highest_share(
    i_from: np.ndarray, i_to: np.ndarray, rated_a: np.ndarray, out: np.ndarray, columns: np.ndarray
) -> None:
    """Write max over sides and phases of current / rating to ``out[:, columns]``.

    Parameters
    ----------
    i_from, i_to : ndarray, (n_steps, n_units, n_phases)
        Phase currents in A.
    rated_a : ndarray, (n_units, 2)
        Rated currents of both sides.
    """
    for t in range(i_from.shape[0]):
        for k in range(i_from.shape[1]):
            best = 0.0
            for f in range(i_from.shape[2]):
                best = max(best, i_from[t, k, f] / rated_a[k, 0], i_to[t, k, f] / rated_a[k, 1])
            out[t, columns[k]] = best


@njit(cache=True)
def scatter_columns(values: np.ndarray, out: np.ndarray, columns: np.ndarray) -> None:
    """Write ``values[t, k]`` to ``out[t, columns[k]]``."""
    for t in range(values.shape[0]):
        for k in range(values.shape[1]):
            out[t, columns[k]] = values[t, k]


@njit(cache=True)
def branch_power(
    p_from: np.ndarray, p_to: np.ndarray, losses_w: np.ndarray, branch_kw: np.ndarray, columns: np.ndarray
) -> None:
    """Add what enters and does not leave to ``losses_w`` and write the power at the from side.

    Parameters
    ----------
    p_from, p_to : ndarray, (n_steps, n_units, n_phases)
        Power into the branch at both sides, W.
    losses_w : ndarray, (n_steps,)
        Added to in place.
    branch_kw : ndarray, (n_steps, n_branches)
        Power at the from side, written in place.
    """
    for t in range(p_from.shape[0]):
        for k in range(p_from.shape[1]):
            into = 0.0
            out = 0.0
            for f in range(p_from.shape[2]):
                into += p_from[t, k, f]
                out += p_to[t, k, f]
            losses_w[t] += into + out
            branch_kw[t, columns[k]] = into / 1000.0


@njit(cache=True)
def sequence_voltages(u_pu: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return |U1| and |U2| of phase voltages.

    Parameters
    ----------
    u_pu, angle : ndarray, (n_steps, n_nodes, 3)
        Magnitude and angle (rad) of the phase-neutral voltages.

    Returns
    -------
    tuple of ndarray, (n_steps, n_nodes)
        Positive- and negative-sequence magnitudes in pu.
    """
    turn = np.exp(2j * np.pi / 3.0)
    u1 = np.empty(u_pu.shape[:2])
    u2 = np.empty(u_pu.shape[:2])
    for t in range(u_pu.shape[0]):
        for n in range(u_pu.shape[1]):
            a = u_pu[t, n, 0] * np.exp(1j * angle[t, n, 0])
            b = u_pu[t, n, 1] * np.exp(1j * angle[t, n, 1])
            c = u_pu[t, n, 2] * np.exp(1j * angle[t, n, 2])
            u1[t, n] = abs(a + turn * b + turn * turn * c) / 3.0
            u2[t, n] = abs(a + turn * turn * b + turn * c) / 3.0
    return u1, u2
