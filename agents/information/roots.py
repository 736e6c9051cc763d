"""Two root authorities of plug and charge that do not trust each other (report 7.2.2)."""

from __future__ import annotations

import numpy as np

from agents.messages import EnergyCounted, EvStatus, Message


class PlugAndChargeRoots:
    """A screen of the links: a car whose certificate the station does not trust cannot speak ISO 15118 with it.

    It charges all the same, by card and IEC 61851, but tells nothing.

    Parameters
    ----------
    is_trusted : bool array, shape (n_sessions,)
        Whether car and station of a session share a root.
    """

    def __init__(self, is_trusted: np.ndarray) -> None:
        self.is_trusted = is_trusted
        self.refused = 0

    def touches(self, kind: type[Message]) -> bool:
        """Only what cars tell stations over ISO 15118."""
        return kind in (EvStatus, EnergyCounted)

    def screen(self, message: Message, period: int) -> Message | None:
        """The batch without cars of the other root."""
        keep = self.is_trusted[message.rows]
        self.refused += int(np.sum(~keep))
        if keep.all():
            return message
        return message.take(keep) if keep.any() else None
