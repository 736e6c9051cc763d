"""Whether a station takes part in the run: the answer to its BootNotification, and what follows from it.

Accepted is the rule. The proof of fallback needs a session, so a station that has still to show it is accepted and
held at its safe limit. Pending (OCPP 1.6-J 4.2, 2.0.1 B02): what it says of itself contradicts the scenario; it gets
its safe limit and nothing else. Rejected (2.0.1 B03): a session showed that it cannot be steered; it is told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from agents.hardware.config import StationSettings

HEARTBEAT_S, RETRY_S = 60, 30
"""Interval in the answer: between heartbeats when accepted, else until the next BootNotification."""


class Standing(StrEnum):
    """Status of the answer to a BootNotification, as every version writes it."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"

    @property
    def interval_s(self) -> int:
        """Interval that goes with the answer."""
        return HEARTBEAT_S if self is Standing.ACCEPTED else RETRY_S


def contradictions(settings: StationSettings, vendor: str, model: str, serial: str) -> list[str]:
    """What a station says of itself against what the scenario says; silence contradicts nothing.

    >>> contradictions(StationSettings("S1", model="M1", serial_number="7"), "V", "m1", "8")
    ['serial_number 8 instead of 7']
    """
    pairs = (
        ("vendor", vendor, settings.vendor),
        ("model", model, settings.model),
        ("serial_number", serial, settings.serial_number),
    )
    return [
        f"{name} {said} instead of {asked}"
        for name, said, asked in pairs
        if said and asked and said.casefold() != asked.casefold()
    ]


def standing_of_all(found: Iterable[Standing]) -> Standing:
    """Standing of a station by those of its connectors: one that is refused does not keep the others out."""
    every = set(found)
    if Standing.PENDING in every:
        return Standing.PENDING
    return Standing.ACCEPTED if Standing.ACCEPTED in every else Standing.REJECTED
