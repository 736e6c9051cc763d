"""Scenario files: what may stand in them, the checks at the door, and their translation into the model's settings."""

from experiments.scenario.faults import Fault, InputError
from experiments.scenario.reader import bundled, read_scenario
from experiments.scenario.scenario import Scenario

__all__ = ["Fault", "InputError", "Scenario", "bundled", "read_scenario"]
