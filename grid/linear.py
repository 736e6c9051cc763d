"""The sparse linear layer: which branch feeds which node, loading and voltage without iterating.

For forecasts, screening and sweeps. Radial grids use subtree sums (LinDistFlow: Baran and Wu, 1989); meshed ones
share flows by |z|. Losses and cable charging are left out, so loading reads low by 1.5–2.3 points on branches above
80 % and never high: compare with a limit less ``MARGIN_SHARE``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, diags
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import splu

from grid.arrays import LINK_KIND, TRANSFORMER_KIND, GridArrays

MARGIN_SHARE = 0.03
"""Forecasts flag a branch this far below its limit; measured: no overload missed at a margin of 3 points."""

BASE_VA = 1e6
_SMALLEST_Z_PU = 1e-9
_TINY_FACTOR = 1e-9


@dataclass(frozen=True)
class LinearLayer:
    """Path incidence and impedances of the energised part of a grid.

    Parameters
    ----------
    arrays : GridArrays
        The compiled grid with its switch states.
    """

    arrays: GridArrays

    @cached_property
    def impedance_pu(self) -> np.ndarray:
        """Series impedance of each branch on 1 MVA and the to side's rated voltage, complex[n_branches]."""
        a = self.arrays
        u2 = a.node["u_rated"][a.to_node]
        z_line = np.nan_to_num(a.branch["r1"] + 1j * a.branch["x1"]) / u2**2 * BASE_VA
        is_unit = a.kind == TRANSFORMER_KIND
        sn, uk, pk = (a.branch[name][is_unit] for name in ("sn", "uk", "pk"))
        r = pk / sn
        z_unit = (r + 1j * np.sqrt(uk**2 - r**2)) * (a.branch["u2"][is_unit] / u2[is_unit]) ** 2 * BASE_VA / sn
        z_line[is_unit] = z_unit
        z_line[a.kind == LINK_KIND] = _SMALLEST_Z_PU
        return z_line

    @cached_property
    def ratio(self) -> np.ndarray:
        """No-load voltage at the to side (pu) over that at the from side (pu), float64[n_branches]."""
        a = self.arrays
        ratio = np.ones(a.n_branches)
        t = a.kind == TRANSFORMER_KIND
        column = {name: values[t] for name, values in a.branch.items()}
        step = (column["tap_pos"] - column["tap_nom"]) * np.sign(column["tap_max"] - column["tap_min"])
        u1 = column["u1"] + np.where(column["tap_side"] == 0, step * column["tap_size"], 0.0)
        u2 = column["u2"] + np.where(column["tap_side"] == 1, step * column["tap_size"], 0.0)
        ratio[t] = u2 / u1 * a.node["u_rated"][a.from_node[t]] / a.node["u_rated"][a.to_node[t]]
        return ratio

    @cached_property
    def _tree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Breadth-first order of the energised nodes, parent node and one parent branch of every node."""
        a = self.arrays
        live = np.flatnonzero(a.is_closed & a.is_energised[a.from_node])
        links = csr_matrix((live + 1.0, (a.from_node[live], a.to_node[live])), shape=(a.n_nodes, a.n_nodes))
        order, parent = breadth_first_order(links, a.source_node, directed=False)
        pair: dict[tuple[int, int], int] = {}
        for branch in live:
            pair.setdefault((int(a.from_node[branch]), int(a.to_node[branch])), int(branch))
        branch_of = np.full(a.n_nodes, -1, dtype=np.int64)
        for node in order[1:]:
            up = int(parent[node])
            ends = (up, int(node))
            branch_of[node] = pair[ends] if ends in pair else pair[ends[::-1]]
        return order, parent, branch_of

    @cached_property
    def is_radial(self) -> bool:
        """True if the energised grid has no loop other than parallel branches."""
        a = self.arrays
        live = a.is_closed & a.is_energised[a.from_node]
        low = np.minimum(a.from_node[live], a.to_node[live]).astype(np.int64)
        pairs = np.unique(low * a.n_nodes + np.maximum(a.from_node[live], a.to_node[live]))
        return len(pairs) == int(a.is_energised.sum()) - 1

    @cached_property
    def incidence(self) -> csr_matrix:
        """Flow from the from to the to side per unit of consumption at a node, csr[n_branches, n_nodes].

        Radial: +1 or -1 on the path to the source, 0 elsewhere; parallel branches share by their admittance.
        Meshed: the |z|-weighted current division. Columns of the source and of dead nodes are empty.
        """
        return self._tree_incidence() if self.is_radial else self._mesh_incidence()

    def _tree_incidence(self) -> csr_matrix:
        """Walk every node up to the source; parallel branches get their share."""
        a = self.arrays
        order, parent, branch_of = self._tree
        groups = self._parallel_groups()
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for node in order[1:]:
            up = int(node)
            while up != a.source_node:
                for branch, share in groups[int(branch_of[up])]:
                    rows.append(branch)
                    columns.append(int(node))
                    values.append(share if a.to_node[branch] == up else -share)
                up = int(parent[up])
        return csr_matrix((values, (rows, columns)), shape=(a.n_branches, a.n_nodes))

    def _parallel_groups(self) -> dict[int, list[tuple[int, float]]]:
        """Branches beside each live branch with the share of the flow that each carries."""
        a = self.arrays
        admittance = 1.0 / np.maximum(np.abs(self.impedance_pu), _SMALLEST_Z_PU)
        by_ends: dict[tuple[int, int], list[int]] = {}
        for branch in np.flatnonzero(a.is_closed & a.is_energised[a.from_node]):
            ends = sorted((int(a.from_node[branch]), int(a.to_node[branch])))
            by_ends.setdefault((ends[0], ends[1]), []).append(int(branch))
        groups: dict[int, list[tuple[int, float]]] = {}
        for members in by_ends.values():
            share = admittance[members] / admittance[members].sum()
            groups |= {branch: list(zip(members, share.tolist(), strict=True)) for branch in members}
        return groups

    def _mesh_incidence(self) -> csr_matrix:
        """Distribution factors of the |z|-weighted network (never 1/x: it is off by up to 0.14)."""
        a = self.arrays
        live = np.flatnonzero(a.is_closed & a.is_energised[a.from_node])
        nodes = np.flatnonzero(a.is_energised & (np.arange(a.n_nodes) != a.source_node))
        position = np.full(a.n_nodes, -1)
        position[nodes] = np.arange(len(nodes))
        ends = np.concatenate((position[a.from_node[live]], position[a.to_node[live]]))
        sign = np.repeat((1.0, -1.0), len(live))
        row = np.tile(np.arange(len(live)), 2)
        keep = ends >= 0
        out = csr_matrix((sign[keep], (row[keep], ends[keep])), shape=(len(live), len(nodes)))
        weight = diags(1.0 / np.maximum(np.abs(self.impedance_pu[live]), _SMALLEST_Z_PU))
        potential = splu(csc_matrix(out.T @ weight @ out)).solve(np.eye(len(nodes)))
        factors = np.zeros((a.n_branches, a.n_nodes))
        factors[np.ix_(live, nodes)] = -(weight @ out @ potential)
        factors[np.abs(factors) < _TINY_FACTOR] = 0.0
        return csr_matrix(factors)

    @cached_property
    def no_load_voltage_pu(self) -> np.ndarray:
        """Voltage without load after all tap settings, float64[n_nodes]; 0 at dead nodes."""
        a = self.arrays
        order, parent, branch_of = self._tree
        voltage = np.zeros(a.n_nodes)
        voltage[a.source_node] = a.node["u_ref"][a.source_node]
        for node in order[1:]:
            branch = branch_of[node]
            ratio = self.ratio[branch] if a.to_node[branch] == node else 1.0 / self.ratio[branch]
            voltage[node] = voltage[parent[node]] * ratio
        return voltage

    @cached_property
    def _drop(self) -> csr_matrix:
        """Path incidence with each branch's drop referred to the source's tap ratio, csr[n_nodes, n_branches]."""
        a = self.arrays
        relative = np.maximum(self.no_load_voltage_pu[a.to_node], 1e-3) ** 2
        return csr_matrix(self.incidence.T @ diags(1.0 / relative))

    def flow(self, node_value: np.ndarray) -> np.ndarray:
        """Return the flow through every branch for a consumption at every node.

        Parameters
        ----------
        node_value : ndarray, (n_nodes,) or (n_steps, n_nodes)
            kW or kvar.

        Returns
        -------
        ndarray, (n_branches,) or (n_steps, n_branches)
            Positive from the from to the to side.
        """
        return (self.incidence @ node_value.T).T

    def voltage(self, p_flow_kw: np.ndarray, q_flow_kvar: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the LinDistFlow voltage in pu for branch flows, (..., n_nodes); nan where it collapses."""
        z = self.impedance_pu
        drop = 2.0 * (z.real * p_flow_kw + z.imag * q_flow_kvar) * 1e3 / BASE_VA
        square = 1.0 - (self._drop @ np.asarray(drop).T).T
        return self.no_load_voltage_pu * np.sqrt(np.where(square > 0.0, square, np.nan))

    def loading(
        self,
        node_kw: np.ndarray,
        node_kvar: np.ndarray | None = None,
        *,
        with_voltage: bool = True,
    ) -> np.ndarray:
        """Return the loading of every branch as a share of its rating.

        Parameters
        ----------
        node_kw, node_kvar : ndarray
            Consumption per node, (n_nodes,) or (n_steps, n_nodes), or per phase, (n_nodes, 3) or
            (n_steps, n_nodes, 3). Per phase, LV branches read their highest phase, the others the mean.
        with_voltage : bool
            Divide by the estimated voltage instead of the rated one.

        Returns
        -------
        ndarray, (n_branches,) or (n_steps, n_branches)
            I / I_n; 0 for links and dead branches.
        """
        is_phased = node_kw.ndim > 1 and node_kw.shape[-1] == 3 and node_kw.shape[-2] == self.arrays.n_nodes
        kvar = np.zeros_like(node_kw) if node_kvar is None else node_kvar
        if not is_phased:
            return self._loading(self.flow(node_kw), self.flow(kvar), None, with_voltage)
        p = np.stack([self.flow(node_kw[..., phase]) for phase in range(3)], axis=-1)
        q = np.stack([self.flow(kvar[..., phase]) for phase in range(3)], axis=-1)
        highest = 3.0 * np.sqrt(np.max(p**2 + q**2, axis=-1))
        return self._loading(p.sum(axis=-1), q.sum(axis=-1), highest, with_voltage)

    def _loading(
        self, p_kw: np.ndarray, q_kvar: np.ndarray, highest_kva: np.ndarray | None, with_voltage: bool
    ) -> np.ndarray:
        """Loading from summed flows; ``highest_kva`` = three times the worst phase for LV branches."""
        a = self.arrays
        kva = np.hypot(p_kw, q_kvar)
        if highest_kva is not None:
            kva = np.where(a.is_lv_branch, highest_kva, kva)
        share = kva / a.rated_kva
        if not with_voltage:
            return share
        voltage = self.voltage(p_kw, q_kvar)
        end = np.minimum(voltage[..., a.from_node], voltage[..., a.to_node])
        return share / np.where(np.isfinite(end) & (end > 0.1), end, 1.0)
