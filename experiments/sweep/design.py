"""Designs: which combinations of values are run.

A policy is a choice of levers; a sample is a state of the uncertainties. Every policy meets every sample, so policies
can be compared sample by sample. The designs ``sobol`` and ``morris`` vary levers and uncertainties together, because
their indices need one common space; there every point is its own policy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.sweep.axes import Axis

JOINT_DESIGNS = ("sobol", "morris")
MORRIS_LEVELS = 4
Values = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One combination: a policy under one sample of the uncertainties."""

    policy: int
    sample: int
    values: Values


def policies(design: str, axes: Sequence[Axis], base: Mapping[str, Any], samples: int, seed: int) -> list[Values]:
    """Lever values of every policy of a design that is not joint.

    Parameters
    ----------
    design : str
        ``full_factorial``, ``one_at_a_time`` or ``latin_hypercube``.
    axes : sequence of Axis
        The levers.
    base : mapping
        Values of the base scenario by key.
    samples : int
        Points of a Latin hypercube.
    seed : int
        Of the Latin hypercube.
    """
    return _POLICY_DESIGNS[design](axes, base, samples, seed)


def _full_factorial(axes: Sequence[Axis], base: Mapping[str, Any], samples: int, seed: int) -> list[Values]:
    keys = [a.key for a in axes]
    return [dict(zip(keys, combination, strict=True)) for combination in itertools.product(*(a.grid() for a in axes))]


def _one_at_a_time(axes: Sequence[Axis], base: Mapping[str, Any], samples: int, seed: int) -> list[Values]:
    centre = {a.key: base[a.key] for a in axes}
    return [centre | {a.key: value} for a in axes for value in a.grid() if value != base[a.key]]


def _latin_hypercube(axes: Sequence[Axis], base: Mapping[str, Any], samples: int, seed: int) -> list[Values]:
    from scipy.stats import qmc

    positions = qmc.LatinHypercube(d=len(axes), rng=np.random.default_rng(seed)).random(samples)
    return values_at(axes, positions)


_POLICY_DESIGNS: dict[str, Callable[[Sequence[Axis], Mapping[str, Any], int, int], list[Values]]] = {
    "full_factorial": _full_factorial,
    "one_at_a_time": _one_at_a_time,
    "latin_hypercube": _latin_hypercube,
}


def uncertainty_samples(axes: Sequence[Axis], samples: int, seed: int) -> list[Values]:
    """States of the uncertainties: a scrambled Sobol sequence, of which a longer one is a continuation."""
    if not axes:
        return [{}]
    from scipy.stats import qmc

    engine = qmc.Sobol(d=len(axes), rng=np.random.default_rng(seed))
    power = int(np.ceil(np.log2(samples)))
    return values_at(axes, engine.random_base2(power)[:samples])


def joint_positions(design: str, n_axes: int, samples: int, seed: int) -> np.ndarray:
    """Positions in the unit cube of a joint design, float64[n, n_axes], in the order that its indices need.

    ``sobol``: Saltelli's scheme with ``samples * (n_axes + 2)`` rows; ``morris``: ``samples * (n_axes + 1)``.
    """
    problem = joint_problem(n_axes)
    if design == "sobol":
        from SALib.sample import sobol

        return sobol.sample(problem, samples, calc_second_order=False, seed=seed)
    from SALib.sample import morris

    return morris.sample(problem, samples, num_levels=MORRIS_LEVELS, seed=seed)


def joint_problem(n_axes: int) -> dict[str, Any]:
    """SALib's description of a unit cube."""
    return {"num_vars": n_axes, "names": [f"x{i}" for i in range(n_axes)], "bounds": [[0.0, 1.0]] * n_axes}


def values_at(axes: Sequence[Axis], positions: np.ndarray) -> list[Values]:
    """Values at rows of positions in the unit cube."""
    return [{a.key: a.at(p) for a, p in zip(axes, row, strict=True)} for row in positions.tolist()]
