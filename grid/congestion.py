"""Congestion: where and when a grid element is, or is expected to be, above its limit, and who can relieve it.

congestion(element, period) = highest phase current of both sides over the rated current above a limit (default 1.0);
operators act earlier (80 % in the Enexis pilot). The forecast version works on the linear layer with a spread and gives
a probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from grid.linear import MARGIN_SHARE, LinearLayer
from grid.power_flow import PowerFlow
from grid.sensitivity import effectivity

LIMIT_SHARE = 1.0
ACTION_SHARE = 0.8
"""Share of the rating at which Enexis's net-aware charging reduces stations (Eindhoven, 2023)."""


@dataclass(frozen=True)
class LoadingForecast:
    """Expected loading of every branch with its spread.

    Parameters
    ----------
    mean_share : ndarray, (n_periods, n_branches)
        Signed: + = from the from to the to side.
    sigma_share : ndarray, (n_periods, n_branches)
        Standard deviation.
    rated_kva : ndarray, (n_branches,)
        Rating.
    """

    mean_share: np.ndarray
    sigma_share: np.ndarray
    rated_kva: np.ndarray

    def probability(self, limit_share: float = LIMIT_SHARE, margin_share: float = MARGIN_SHARE) -> np.ndarray:
        """Return the probability that a branch exceeds ``limit_share`` less the margin in either direction."""
        limit = limit_share - margin_share
        is_sharp = self.sigma_share <= 0.0
        sigma = np.where(is_sharp, 1.0, self.sigma_share)
        above = ndtr((self.mean_share - limit) / sigma) + ndtr((-limit - self.mean_share) / sigma)
        return np.where(is_sharp, (np.abs(self.mean_share) > limit).astype(float), above)

    def quantile(self, probability: float) -> np.ndarray:
        """Return the loading (magnitude) that is not exceeded with ``probability``, one-sided."""
        return np.abs(self.mean_share) + float(ndtri(probability)) * self.sigma_share

    def needed_relief_kw(
        self, probability: float = 0.5, limit_share: float = LIMIT_SHARE, margin_share: float = MARGIN_SHARE
    ) -> np.ndarray:
        """Return the power by which a branch must be relieved at a quantile, (n_branches, n_periods)."""
        return needed_relief_kw(self.quantile(probability), self.rated_kva, limit_share - margin_share)


@dataclass(frozen=True)
class CongestionArea:
    """A congested element and the connections that can relieve it.

    Parameters
    ----------
    element : str
        Branch id.
    branch_index : int
        Its index.
    connection_rows : ndarray of int
        Rows of the connection table with an effectivity other than 0.
    effectivity : ndarray, (n_rows,)
        + = relief when consumption falls.
    periods : ndarray of int
        Periods in which the element is congested.
    """

    element: str
    branch_index: int
    connection_rows: np.ndarray
    effectivity: np.ndarray
    periods: np.ndarray


def is_congested(loading_share: np.ndarray, limit_share: float = LIMIT_SHARE) -> np.ndarray:
    """Return congestion(period, element): loading above the limit; a step without result is not congested."""
    return np.nan_to_num(loading_share, nan=0.0) > limit_share


def needed_relief_kw(loading_share: np.ndarray, rated_kva: np.ndarray, limit_share: float = LIMIT_SHARE) -> np.ndarray:
    """Return the power above the limit, (n_branches, n_periods), as redispatch takes it (elements first).

    Parameters
    ----------
    loading_share : ndarray, (n_periods, n_branches)
        Share of the rating; nan counts as 0.
    rated_kva : ndarray, (n_branches,)
        Rating; links (infinite) never need relief.
    """
    over = np.maximum(np.nan_to_num(loading_share, nan=0.0) - limit_share, 0.0)
    return (over * np.where(np.isinf(rated_kva), 0.0, rated_kva)).T


def headroom_kw(loading_share: np.ndarray, rated_kva: np.ndarray, limit_share: float = LIMIT_SHARE) -> np.ndarray:
    """Return the power left below the limit, (n_branches, n_periods); infinite for links."""
    left = np.maximum(limit_share - np.nan_to_num(loading_share, nan=0.0), 0.0)
    return np.where(np.isinf(rated_kva), np.inf, left * np.where(np.isinf(rated_kva), 0.0, rated_kva)).T


def forecast_loading(
    linear: LinearLayer,
    mean_kw: np.ndarray,
    sigma_kw: np.ndarray,
    correlation: float = 0.0,
    power_factor: float = 0.98,
) -> LoadingForecast:
    """Turn a forecast per node into expected loading and its spread.

    Parameters
    ----------
    linear : LinearLayer
        Of the grid.
    mean_kw, sigma_kw : ndarray, (n_periods, n_nodes)
        Expected consumption of each node and the standard deviation of its error.
    correlation : float
        Correlation of the errors of any two nodes, 0 to 1 (weather and habits are common).
    power_factor : float
        Turns kW into kVA.
    """
    if not 0.0 <= correlation <= 1.0:
        raise ValueError(f"correlation {correlation}; between 0 and 1 is right")
    incidence = linear.incidence
    own = (incidence.multiply(incidence) @ (sigma_kw**2).T).T
    common = (incidence @ sigma_kw.T).T ** 2
    sigma = np.sqrt((1.0 - correlation) * own + correlation * common)
    kva = linear.arrays.rated_kva * power_factor
    return LoadingForecast(linear.flow(mean_kw) / kva, sigma / kva, linear.arrays.rated_kva)


def congestion_areas(flow: PowerFlow, congested: np.ndarray) -> tuple[CongestionArea, ...]:
    """Return one area for every element congested in any period.

    Parameters
    ----------
    flow : PowerFlow
        Grid and connections.
    congested : ndarray of bool, (n_periods, n_branches)
        From :func:`is_congested` or a threshold on the probability.
    """
    factors = effectivity(flow) if congested.any() else np.zeros((0, congested.shape[1]))
    areas = []
    for branch in np.flatnonzero(congested.any(axis=0)):
        rows = np.flatnonzero(factors[:, branch])
        areas.append(
            CongestionArea(
                flow.arrays.branch_ids[branch],
                int(branch),
                rows,
                factors[rows, branch],
                np.flatnonzero(congested[:, branch]),
            )
        )
    return tuple(areas)
