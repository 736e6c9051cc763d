"""The register of all messages."""

from __future__ import annotations

from types import ModuleType

from agents.messages import balancing, cars, congestion, contracts, preferences, prices, stations, surroundings
from agents.messages.base import Message

SUBJECTS: tuple[ModuleType, ...] = (
    cars,
    stations,
    preferences,
    surroundings,
    contracts,
    prices,
    congestion,
    balancing,
)
"""Modules of this package that hold messages, from the car to the system: rows of result tables come in this order."""

MESSAGES: dict[str, type[Message]] = {
    name: kind
    for subject in SUBJECTS
    for name, kind in vars(subject).items()
    if isinstance(kind, type) and issubclass(kind, Message) and kind.__module__ == subject.__name__
}
"""All message types by name: subject by subject, each in the order of its module."""
