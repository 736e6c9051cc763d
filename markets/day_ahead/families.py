"""Admitted blocks as arrays: their links, their exclusive groups and what each gains at given prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from markets.day_ahead.orders import BlockOrder


@dataclass(frozen=True)
class BlockLimits:
    """Time for the choice of blocks, and the difference in welfare that counts as none."""

    time_s: float
    gap_eur: float


@dataclass(frozen=True)
class BlockSearch:
    """How the choice of blocks was found.

    Parameters
    ----------
    is_proven : bool
        Whether the gap was closed in time.
    gap_eur : float
        Largest welfare that a better choice could still add.
    n_rounds : int
        Mixed-integer programs solved.
    limits : BlockLimits
        The limits that were set.
    """

    is_proven: bool
    gap_eur: float
    n_rounds: int
    limits: BlockLimits


@dataclass(frozen=True)
class BlockTable:
    """Admitted blocks, one row each; a parent stands before its children.

    Parameters
    ----------
    row : int64[n]
        Position among the blocks that were handed in.
    supply_mw : float64[n, n_mtu]
        Power brought to the market at full acceptance: positive for a seller, negative for a buyer.
    limit_eur_per_mwh, min_share : float64[n]
        Limit on the mean price and smallest accepted share.
    parent : int64[n]
        Row in this table, -1 for none.
    group : int64[n]
        Exclusive group, -1 for none.
    mtu_h : float
        Length of an MTU in hours.
    """

    row: np.ndarray
    supply_mw: np.ndarray
    limit_eur_per_mwh: np.ndarray
    min_share: np.ndarray
    parent: np.ndarray
    group: np.ndarray
    mtu_h: float

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(cls, blocks: Sequence[BlockOrder], code: np.ndarray, n_mtu: int, mtu_h: float) -> BlockTable:
        """Take the admitted blocks (code 0), parents first and otherwise in the given order."""
        kept = [r for r in range(len(blocks)) if code[r] == 0]
        by_id = {blocks[r].block_id: r for r in reversed(kept) if blocks[r].block_id}
        depth = {r: _depth(blocks[r], blocks, by_id) for r in kept}
        kept.sort(key=lambda r: depth[r])
        place = {r: k for k, r in enumerate(kept)}
        names = sorted({blocks[r].exclusive_group for r in kept} - {""})
        supply = np.zeros((len(kept), n_mtu))
        for k, r in enumerate(kept):
            first = blocks[r].first_mtu
            sign = -1.0 if blocks[r].is_buy else 1.0
            supply[k, first : first + len(blocks[r].quantity_mw)] = sign * np.asarray(blocks[r].quantity_mw)
        return cls(
            np.array(kept, dtype=np.int64),
            supply,
            np.array([blocks[r].price_eur_per_mwh for r in kept], dtype=np.float64),
            np.array([blocks[r].min_acceptance_share for r in kept], dtype=np.float64),
            np.array([place[by_id[blocks[r].parent_id]] if blocks[r].parent_id else -1 for r in kept], dtype=np.int64),
            np.array([names.index(g) if (g := blocks[r].exclusive_group) else -1 for r in kept], dtype=np.int64),
            mtu_h,
        )

    @property
    def is_buy(self) -> np.ndarray:
        """Buyers, bool[n]."""
        return np.any(self.supply_mw < 0.0, axis=1)

    @property
    def energy_mwh(self) -> np.ndarray:
        """Energy at full acceptance, 0 or more, float64[n]."""
        return np.sum(np.abs(self.supply_mw), axis=1) * self.mtu_h

    @property
    def worth_eur(self) -> np.ndarray:
        """Value to a buyer, minus the cost of a seller, at full acceptance, float64[n]."""
        return -self.limit_eur_per_mwh * np.sum(self.supply_mw, axis=1) * self.mtu_h

    def surplus_eur(self, price_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Gain of each block at full acceptance, float64[n]."""
        return self.worth_eur + self.supply_mw @ price_eur_per_mwh * self.mtu_h

    def net_supply_mw(self, share: np.ndarray) -> np.ndarray:
        """Accepted sales minus purchases, float64[n_mtu]."""
        return share @ self.supply_mw

    def subtree_matrix(self, is_accepted: np.ndarray) -> np.ndarray:
        """Which accepted blocks (columns) belong to the family below each accepted block (rows), as 0 and 1."""
        member = np.diag(is_accepted.astype(np.float64))
        for k in range(len(self) - 1, -1, -1):
            if self.parent[k] >= 0 and is_accepted[k]:
                member[self.parent[k]] += member[k]
        return member

    def family_surplus_eur(self, surplus_eur: np.ndarray) -> np.ndarray:
        """Gain of each block with those below it that gain too, float64[n]."""
        worth = surplus_eur.copy()
        for k in range(len(self) - 1, -1, -1):
            if self.parent[k] >= 0:
                worth[self.parent[k]] += max(worth[k], 0.0)
        return worth

    def gaining_family(self, block: int, surplus_eur: np.ndarray) -> np.ndarray:
        """A block with those below it whose own families gain, bool[n]."""
        worth = self.family_surplus_eur(surplus_eur)
        is_in = np.arange(len(self)) == block
        for k in range(block + 1, len(self)):
            is_in[k] = self.parent[k] >= 0 and is_in[self.parent[k]] and worth[k] > 0.0
        return is_in

    def missed_surplus_eur(self, share: np.ndarray, surplus_eur: np.ndarray) -> np.ndarray:
        """Gain that each rejected block would have made, with those below it that gain too; 0 where it could not be.

        A block could not have been accepted when its parent is not accepted, or when its exclusive group is used up.
        """
        worth = self.family_surplus_eur(surplus_eur)
        used = np.bincount(self.group[self.group >= 0], weights=share[self.group >= 0], minlength=len(self) + 1)
        is_free = (self.group < 0) | (used[self.group] < 1.0 - 1e-9)
        has_parent = (self.parent < 0) | (share[self.parent] > 0.0)
        return np.where((share == 0.0) & is_free & has_parent, np.maximum(worth, 0.0), 0.0)


def _depth(block: BlockOrder, blocks: Sequence[BlockOrder], by_id: dict[str, int]) -> int:
    """Number of ancestors."""
    depth = 0
    while block.parent_id:
        block = blocks[by_id[block.parent_id]]
        depth += 1
    return depth
