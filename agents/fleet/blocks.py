"""Cut a fleet into blocks that share no car and no limit, so that each can run its whole week within the cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from agents.fleet.tables import Fleet

_POINTS_PER_BLOCK = 600


@dataclass(frozen=True)
class Blocks:
    """Blocks and what belongs to them.

    Attributes
    ----------
    group : int32 array, shape (n_points,)
        New group number of each point; the groups of a block stand together.
    old_group : int array, shape (n_groups,)
        Old number of each new group.
    group_start : int array, shape (n_blocks + 1,)
        First new group of each block.
    sessions : int32 array
        Session rows by block, then by arrival.
    session_start : int array, shape (n_blocks + 1,)
        First entry of each block in ``sessions``.
    """

    group: np.ndarray
    old_group: np.ndarray
    group_start: np.ndarray
    sessions: np.ndarray
    session_start: np.ndarray

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.group_start) - 1


def cut(fleet: Fleet, group: np.ndarray) -> Blocks:
    """Cut along groups that are linked by cars, and put small parts together.

    Parameters
    ----------
    fleet : Fleet
        The fleet.
    group : int array, shape (n_points,)
        Points that must stay together because they share a limit.
    """
    n_groups = int(np.max(group, initial=-1)) + 1
    s = fleet.sessions
    of_session = np.asarray(group)[s.cp_row] if len(s) else np.zeros(0, dtype=np.int64)
    n_nodes = n_groups + fleet.n_evs
    edges = (np.ones(len(s), dtype=np.int8), (of_session, n_groups + s.ev_row))
    part = connected_components(sparse.csr_matrix(edges, shape=(n_nodes, n_nodes)), directed=False)[1][:n_groups]
    points_per_group = np.bincount(group, minlength=n_groups)
    size = np.bincount(part, weights=points_per_group, minlength=int(part.max(initial=-1)) + 1)
    first_seen = np.full(len(size), n_groups)
    np.minimum.at(first_seen, part, np.arange(n_groups))
    turn = np.argsort(first_seen, kind="stable")
    block_of_part = np.empty(len(size), dtype=np.int64)
    block_of_part[turn] = ((np.cumsum(size[turn]) - size[turn]) // _POINTS_PER_BLOCK).astype(np.int64)
    block = np.unique(block_of_part[part], return_inverse=True)[1] if n_groups else np.zeros(0, dtype=np.int64)
    old_group = np.argsort(block, kind="stable")
    new_group = np.empty(n_groups, dtype=np.int32)
    new_group[old_group] = np.arange(n_groups)
    n_blocks = int(block.max(initial=-1)) + 1
    block_of_session = block[of_session]
    sessions = np.argsort(block_of_session, kind="stable").astype(np.int32)
    return Blocks(
        group=new_group[group],
        old_group=old_group,
        group_start=np.searchsorted(block[old_group], np.arange(n_blocks + 1)),
        sessions=sessions,
        session_start=np.searchsorted(block_of_session[sessions], np.arange(n_blocks + 1)),
    )
