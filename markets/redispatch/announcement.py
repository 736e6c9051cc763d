"""The market message by which grid operators ask for redispatch.

Source: GOPACS glossary (market message, direction table).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NEED_MW = 1e-9


@dataclass(frozen=True)
class Announcement:
    """Congestion expected on one element.

    Parameters
    ----------
    element_row : int
        Row of the congested element among those given to ``clear``.
    direction : str
        ``"offtake"`` or ``"feed_in"``.
    first_period, last_period : int
        Stretch in which relief is needed somewhere, both included.
    needed_mw : float64[n_periods]
        Relief per period of the horizon.
    is_mandatory : bool
        Obliged parties must bid.
    """

    element_row: int
    direction: str
    first_period: int
    last_period: int
    needed_mw: np.ndarray
    is_mandatory: bool = False

    @property
    def inside_side(self) -> str:
        """What connections inside the area should do: ``"sell"`` for offtake congestion, ``"buy"`` for feed-in."""
        return "sell" if self.direction == "offtake" else "buy"


def announcements(
    needed_relief_mw: np.ndarray, is_feed_in: np.ndarray, is_mandatory: bool = False
) -> tuple[Announcement, ...]:
    """One announcement for every element that needs relief.

    Parameters
    ----------
    needed_relief_mw : float64[n_elements, n_periods]
        Expected overload in the congested direction.
    is_feed_in : bool[n_elements]
        The congested direction is that of feed-in.
    is_mandatory : bool
        Obliged parties must bid.

    Returns
    -------
    tuple of Announcement
        In the order of the elements.
    """
    found = []
    for row in np.flatnonzero((needed_relief_mw > _NEED_MW).any(axis=1)):
        periods = np.flatnonzero(needed_relief_mw[row] > _NEED_MW)
        direction = "feed_in" if is_feed_in[row] else "offtake"
        needed = np.maximum(needed_relief_mw[row], 0.0)
        found.append(Announcement(int(row), direction, int(periods[0]), int(periods[-1]), needed, is_mandatory))
    return tuple(found)
