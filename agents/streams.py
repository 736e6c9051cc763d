"""Random streams: one independent generator per purpose, so that a changed policy re-rolls nothing else."""

from __future__ import annotations

import numpy as np

PURPOSES = (
    "weather",
    "load",
    "plants",
    "neighbours",
    "homes",
    "roofs",
    "sites",
    "grid",
    "fleet",
    "disturbance",
    "forecast_load",
    "forecast_wind",
    "forecast_solar",
    "forecast_town",
    "reserves",
    "adoption",
    "frequency",
    "smart",
    "links",
    "failures",
    "data",
    "consent",
    "meters",
    "attacks",
    "ready",
    "signal_hardware",
    "yearly_meters",
    "aggregators",
)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Generator of one purpose.

    Parameters
    ----------
    seed : int
        Root seed of the run.
    purpose : str
        One of :data:`PURPOSES`; its place in the list is the key, so new purposes go to the end.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),)))
