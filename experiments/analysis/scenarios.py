"""Scenario discovery: the patient rule induction method, PRIM (Friedman and Fisher 1999; Bryant and Lempert 2010).

Finds a box in the space of levers and uncertainties in which cases of interest (a transformer above its rating, a
policy that loses money) are frequent. *Density* is the share of cases of interest within the box, *coverage* the share
of all cases of interest that the box holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A box and how good it is.

    Parameters
    ----------
    low, high : numpy.ndarray
        Limits by factor, float64[factors], inclusive.
    coverage, density, mass : float
        Share of the cases of interest inside; share of interest among those inside; share of all cases inside.
    """

    low: np.ndarray
    high: np.ndarray
    coverage: float
    density: float
    mass: float

    def limits(self, factors: tuple[str, ...], x: np.ndarray) -> dict[str, tuple[float, float]]:
        """The factors that the box restricts, with their limits."""
        is_cut = (self.low > x.min(axis=0)) | (self.high < x.max(axis=0))
        return {f: (float(self.low[i]), float(self.high[i])) for i, f in enumerate(factors) if is_cut[i]}


def peel(x: np.ndarray, is_of_interest: np.ndarray, share: float = 0.05, smallest_mass: float = 0.05) -> list[Box]:
    """Peel thin slices off a box as long as it gets denser.

    Parameters
    ----------
    x : numpy.ndarray
        Factors of every case, float64[n, factors].
    is_of_interest : numpy.ndarray
        bool[n].
    share : float
        Part of the cases that one peel aims to remove.
    smallest_mass : float
        Share of all cases below which peeling ends.

    Returns
    -------
    list of Box
        The trajectory from the whole space to the densest box; pick one by eye or with :func:`best_box`.

    Raises
    ------
    ValueError
        Without cases, or if none is of interest.
    """
    if x.ndim != 2 or len(x) != len(is_of_interest) or not is_of_interest.any():
        raise ValueError("PRIM needs one row of factors per case and at least one case of interest")
    low, high = x.min(axis=0), x.max(axis=0)
    inside = np.ones(len(x), dtype=bool)
    boxes = [_box(low, high, inside, is_of_interest)]
    while (cut := _best_cut(x, is_of_interest, inside, share, smallest_mass)) is not None:
        factor, is_low, limit = cut
        low, high = low.copy(), high.copy()
        (low if is_low else high)[factor] = limit
        inside = inside & (x[:, factor] >= low[factor]) & (x[:, factor] <= high[factor])
        boxes.append(_box(low, high, inside, is_of_interest))
    return boxes


def _best_cut(
    x: np.ndarray, is_of_interest: np.ndarray, inside: np.ndarray, share: float, smallest_mass: float
) -> tuple[int, bool, float] | None:
    """The slice whose removal raises density most; the first of equals; None if none does."""
    best, best_density = None, float(np.mean(is_of_interest[inside]))
    for factor in range(x.shape[1]):
        column = x[inside, factor]
        for is_low in (True, False):
            limit = _limit(column, share, is_low=is_low)
            kept = inside & ((x[:, factor] >= limit) if is_low else (x[:, factor] <= limit))
            if np.count_nonzero(kept) < max(1.0, smallest_mass * len(x)) or kept.sum() == inside.sum():
                continue
            density = float(np.mean(is_of_interest[kept]))
            if density > best_density:
                best, best_density = (factor, is_low, limit), density
    return best


def _limit(column: np.ndarray, share: float, *, is_low: bool) -> float:
    """The value beyond which about a share of the cases lies; for levels, the next level inwards."""
    ordered = np.unique(column)
    edge = float(np.quantile(column, share if is_low else 1.0 - share))
    inner = ordered[ordered > ordered[0]] if is_low else ordered[ordered < ordered[-1]]
    if not inner.size:
        return float(ordered[0])
    if is_low:
        return float(max(edge, inner[0]))
    return float(min(edge, inner[-1]))


def _box(low: np.ndarray, high: np.ndarray, inside: np.ndarray, is_of_interest: np.ndarray) -> Box:
    n_found = np.count_nonzero(inside & is_of_interest)
    coverage = n_found / np.count_nonzero(is_of_interest)
    return Box(low, high, float(coverage), float(n_found / inside.sum()), float(np.mean(inside)))


def best_box(boxes: list[Box], smallest_coverage: float = 0.5) -> Box:
    """The densest box that still covers a share of the cases of interest."""
    allowed = [b for b in boxes if b.coverage >= smallest_coverage]
    return max(allowed, key=lambda b: (b.density, b.coverage))
