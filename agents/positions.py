"""Energy accounts of balance responsible parties: what each bought, used and had activated, per period."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MARKETS = ("forward", "day_ahead", "intraday", "redispatch")
"""Where a position is built, in the order of a market day."""


@dataclass
class Positions:
    """National energy of every party, MWh per period, bought and consumed positive.

    Parameters
    ----------
    parties : list of str
        Balance responsible parties; the border comes last and trades only.
    n_periods : int
        Length of the run.

    Attributes
    ----------
    bought_mwh : dict of float arrays, shape (n_parties, n_periods)
        By market of :data:`MARKETS`.
    metered_mwh : float array, shape (n_parties, n_periods)
        Metered consumption less generation.
    activated_mwh : float array, shape (n_parties, n_periods)
        Balancing energy delivered on the party's connections, + = up; the operator corrects the position by it.
    """

    parties: list[str]
    n_periods: int
    bought_mwh: dict[str, np.ndarray] = field(init=False)
    _all_mwh: np.ndarray = field(init=False, repr=False)
    metered_mwh: np.ndarray = field(init=False)
    activated_mwh: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.parties), self.n_periods)
        self._all_mwh = np.zeros((len(MARKETS), *shape))
        self.bought_mwh = dict(zip(MARKETS, self._all_mwh, strict=True))
        self.metered_mwh, self.activated_mwh = np.zeros(shape), np.zeros(shape)

    def row(self, party: str) -> int:
        """Row of a party."""
        return self.parties.index(party)

    def total_mwh(self, party: str, periods: slice | np.ndarray | int) -> np.ndarray:
        """Energy that a party has bought in all markets for some periods."""
        return np.asarray(np.add.reduce(self._all_mwh[:, self.row(party), periods]))

    def all_mwh(self, period: int) -> np.ndarray:
        """Energy that every party has bought in all markets for one period."""
        return np.asarray(np.add.reduce(self._all_mwh[:, :, period]))

    def imbalance_mwh(self, period: int) -> np.ndarray:
        """Surplus (+) or shortage of every party in a finished period, after the correction for activation."""
        return np.asarray(self.all_mwh(period) - self.metered_mwh[:, period] - self.activated_mwh[:, period])
