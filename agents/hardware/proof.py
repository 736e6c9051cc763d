"""Commissioning: a station must be seen to fall back to its safe limit when nobody renews its profile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from agents.port import within_limit


class ProofState(StrEnum):
    """Where the proof stands."""

    WAITING = "waiting"
    """No session yet in which it can be tried."""
    RAISED = "raised"
    """Told a limit above the safe one; waiting to see power above it."""
    EXPIRING = "expiring"
    """Seen above; the profile is not renewed, waiting for its end."""
    PROVEN = "proven"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """The car did not draw enough to tell; tried again in the next session."""


@dataclass
class Proof:
    """The proof of one station.

    Parameters
    ----------
    safe_kw, high_kw : float
        Limits below and above.
    lease_s, reaction_s : float
        Duration of the profile, and time that the meter needs to show a change.
    """

    safe_kw: float
    high_kw: float
    lease_s: float
    reaction_s: float
    state: ProofState = ProofState.WAITING
    took_s: float = math.nan
    """Seconds from the last profile to the first sample at the safe limit."""
    _since_s: float = math.nan

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided."""
        return self.state in (ProofState.WAITING, ProofState.RAISED, ProofState.EXPIRING)

    @property
    def wants_high(self) -> bool:
        """Whether the point must be told the high limit now."""
        return self.state in (ProofState.WAITING, ProofState.RAISED)

    @property
    def forbids_renewal(self) -> bool:
        """Whether the profile must be left to expire."""
        return self.state == ProofState.EXPIRING

    def told_high(self, utc_s: float) -> None:
        """The high limit was accepted (or renewed)."""
        if self.state in (ProofState.WAITING, ProofState.RAISED):
            self.state, self._since_s = ProofState.RAISED, utc_s

    def saw(self, power_kw: float, utc_s: float) -> None:
        """A believed sample."""
        is_safe = within_limit(power_kw, self.safe_kw)
        if self.state == ProofState.RAISED and not is_safe and utc_s >= self._since_s:
            self.state = ProofState.EXPIRING
        elif self.state == ProofState.EXPIRING:
            passed_s = utc_s - self._since_s
            if is_safe and passed_s < 0.5 * self.lease_s:
                self.state = ProofState.UNDECIDED  # it fell for another reason, such as a full battery
            elif is_safe:
                self.state, self.took_s = ProofState.PROVEN, passed_s
            elif passed_s > self.lease_s + self.reaction_s:
                self.state = ProofState.FAILED

    def postpone(self) -> None:
        """Nothing can be shown now: the session ended, or less is wanted than would show it."""
        if self.state in (ProofState.RAISED, ProofState.EXPIRING):
            self.state = ProofState.WAITING

    def give_up(self) -> None:
        """The car does not draw enough."""
        if self.is_open:
            self.state = ProofState.UNDECIDED
