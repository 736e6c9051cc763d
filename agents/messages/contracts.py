"""Contracts with aggregators, where there are several: terms, choices and the register of connections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class AggregatorTerms(Message):
    """What an aggregator brought its customers lately, cheaper hours and rewards together, as it tells drivers."""

    sender, receiver, protocol = "aggregator", "ev_driver", "app"
    benefit_eur_per_kwh: float


@dataclass(frozen=True)
class AggregatorTermsToCpo(Message):
    """The same for a CPO that chooses the aggregator of its public points."""

    sender, receiver, protocol = "aggregator", "cpo", "API"
    benefit_eur_per_kwh: float


@dataclass(frozen=True)
class AggregatorChosen(Message):
    """Drivers ask an aggregator to take them over from another."""

    sender, receiver, protocol = "ev_driver", "aggregator", "app"
    row = "ev_row"
    ev_row: np.ndarray


@dataclass(frozen=True)
class AggregatorChosenByCpo(Message):
    """A CPO asks an aggregator to take its public points over from another."""

    sender, receiver, protocol = "cpo", "aggregator", "API"
    row = "cp_row"
    cp_row: np.ndarray


@dataclass(frozen=True)
class SwitchRequest(Message):
    """An aggregator asks for new customers to be entered in the register of connections."""

    sender, receiver, protocol = "aggregator", "dso", "market API"
    row = "ev_row"
    ev_row: np.ndarray


@dataclass(frozen=True)
class PointSwitchRequest(Message):
    """An aggregator asks for charging points to be entered in the register of connections."""

    sender, receiver, protocol = "aggregator", "dso", "market API"
    row = "cp_row"
    cp_row: np.ndarray


@dataclass(frozen=True)
class ContractShares(Message):
    """The register tells an aggregator what part of each charging point's users has a contract with it."""

    sender, receiver, protocol = "dso", "aggregator", "market API"
    row = "cp_row"
    cp_row: np.ndarray
    share: np.ndarray
