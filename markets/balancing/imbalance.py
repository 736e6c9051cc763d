"""Regulation state and imbalance prices of an ISP (TenneT, Imbalance Pricing System v6.1, sections 4 and 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from markets.balancing.activation import IspActivation
from markets.balancing.controller import CYCLE_S


def sample_delta(delta_mw: np.ndarray, sampling_s: int, *, step_s: int = CYCLE_S) -> np.ndarray:
    """Published values of a balance delta: the value halfway each sampling interval.

    Parameters
    ----------
    delta_mw : array of float, shape (..., n_steps)
        Balance delta per control cycle.
    sampling_s : int
        60 (until 3 Feb 2026) or 12 seconds; any multiple of ``step_s``.
    step_s : int
        Length of a control cycle.

    Returns
    -------
    array of float, shape (..., n_steps * step_s // sampling_s)

    Raises
    ------
    ValueError
        If the interval is not a multiple of the cycle.

    Notes
    -----
    "Approximately halfway each minute": footnote 16 of the source.
    """
    if sampling_s < step_s or sampling_s % step_s:
        raise ValueError(f"sampling_s is {sampling_s}, must be a multiple of {step_s}")
    window = sampling_s // step_s
    whole = delta_mw.shape[-1] // window * window
    return np.asarray(delta_mw)[..., window // 2 : whole : window]


def regulation_state(
    delta_mw: np.ndarray,
    *,
    has_up: bool | None = None,
    has_down: bool | None = None,
    is_priced: np.ndarray | None = None,
    is_controller_on: bool = True,
) -> int:
    """Regulation state of one ISP from its series of balance deltas.

    Parameters
    ----------
    delta_mw : array of float, shape (n,)
        Sampled balance delta, positive = up.
    has_up, has_down : bool, optional
        Whether there was activation in a direction; by the sign of the deltas when left out.
    is_priced : array of bool, shape (n,), optional
        Samples with a price; samples with activation but without a price are left out.
    is_controller_on : bool
        Off: state 0.

    Returns
    -------
    int
        0 no regulation; 1 only up, or both while the series never falls; -1 only down, or both while it never rises;
        2 both and the series rises and falls. A constant series with both directions, which the source does not
        decide, takes the sign of the delta, +1 for zero.
    """
    if not is_controller_on:
        return 0
    delta = np.asarray(delta_mw, dtype=np.float64)
    if is_priced is not None:
        delta = delta[np.asarray(is_priced, dtype=bool) | (delta == 0.0)]
    up = bool(np.any(delta > 0.0)) if has_up is None else has_up
    down = bool(np.any(delta < 0.0)) if has_down is None else has_down
    if not (up and down):
        return int(up) - int(down)
    change = np.diff(delta)
    rises, falls = bool(np.any(change > 0.0)), bool(np.any(change < 0.0))
    if rises and falls:
        return 2
    if rises or falls:
        return 1 if rises else -1
    return -1 if delta.size and delta[0] < 0.0 else 1


def marginal_prices(
    up_bids: Any, down_bids: Any, *, peak_up_mw: float, peak_down_mw: float
) -> tuple[float, float, float]:
    """Prices on the static ladder, without ramps.

    Parameters
    ----------
    up_bids, down_bids : array_like of float, shape (n, 2)
        Power in MW (positive) and price per bid, in any order.
    peak_up_mw, peak_down_mw : float
        Largest activation in each direction, both positive.

    Returns
    -------
    price_up, price_down, mid : float
        €/MWh; NaN for a direction without activation, and for mid when a side has no bid. Activation beyond the
        ladder has the price of its last bid.
    """
    up, down = (np.asarray(b, dtype=np.float64).reshape(-1, 2) for b in (up_bids, down_bids))
    up, down = up[np.argsort(up[:, 1], kind="stable")], down[np.argsort(-down[:, 1], kind="stable")]
    mid = (up[0, 1] + down[0, 1]) / 2.0 if len(up) and len(down) else math.nan
    return _ladder_price(up, peak_up_mw), _ladder_price(down, peak_down_mw), float(mid)


def _ladder_price(ladder: np.ndarray, peak_mw: float) -> float:
    if peak_mw <= 0.0 or not len(ladder):
        return math.nan
    reached = np.searchsorted(np.cumsum(ladder[:, 0]), peak_mw - 1e-9)
    return float(ladder[min(int(reached), len(ladder) - 1), 1])


def bound_by_mfrrda(
    price_up_eur_per_mwh: float,
    price_down_eur_per_mwh: float,
    *,
    mfrrda_up_eur_per_mwh: float = math.nan,
    mfrrda_down_eur_per_mwh: float = math.nan,
) -> tuple[float, float]:
    """Apply directly activated mFRR (incident reserve), which has no bids: its price binds when it is more extreme.

    Parameters
    ----------
    price_up_eur_per_mwh, price_down_eur_per_mwh : float
        aFRR prices, NaN for none.
    mfrrda_up_eur_per_mwh, mfrrda_down_eur_per_mwh : float
        Price of the reserve in the directions in which it was activated, NaN for none.

    Returns
    -------
    price_up, price_down : float
        The higher upward and the lower downward price.
    """
    up = float(np.fmax(price_up_eur_per_mwh, mfrrda_up_eur_per_mwh))
    return up, float(np.fmin(price_down_eur_per_mwh, mfrrda_down_eur_per_mwh))


def carry_missing_prices(price_eur_per_mwh: np.ndarray, is_activated: np.ndarray) -> np.ndarray:
    """Give activated ISPs without a price the price of the last ISP that has one (section 4.2).

    Parameters
    ----------
    price_eur_per_mwh : array of float, shape (n_isp,)
        Prices of one direction, NaN for none.
    is_activated : array of bool, shape (n_isp,)
        ISPs with volume in that direction.

    Returns
    -------
    array of float, shape (n_isp,)
        NaN remains without activation, and before the first known price.
    """
    price = np.asarray(price_eur_per_mwh, dtype=np.float64)
    last = np.maximum.accumulate(np.where(np.isnan(price), -1, np.arange(price.size)))
    carried = np.where(last >= 0, price[np.maximum(last, 0)], math.nan)
    return np.where(np.isnan(price) & np.asarray(is_activated, dtype=bool), carried, price)


def imbalance_prices(
    state: Any,
    price_up_eur_per_mwh: Any,
    price_down_eur_per_mwh: Any,
    mid_price_eur_per_mwh: Any,
    *,
    is_dual_pricing: bool = True,
    incentive_component_eur_per_mwh: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Imbalance prices for shortage and surplus from the regulation state (table 2 of the source).

    Parameters
    ----------
    state : array_like of int
        Regulation state.
    price_up_eur_per_mwh, price_down_eur_per_mwh, mid_price_eur_per_mwh : array_like of float
        Balancing energy prices and mid price, same shape as ``state``.
    is_dual_pricing : bool
        Off: state 2 has the mid price on both sides (a lever, not the Dutch rule).
    incentive_component_eur_per_mwh : float
        Added to the shortage and taken from the surplus price; abolished 31 July 2020.

    Returns
    -------
    shortage, surplus : array of float
        €/MWh; a side is NaN only where the price that the state needs is NaN. In state 2 a missing price falls back
        to the mid price.
    """
    state = np.asarray(state)
    up, down, mid = np.broadcast_arrays(
        *(
            np.asarray(p, dtype=np.float64)
            for p in (price_up_eur_per_mwh, price_down_eur_per_mwh, mid_price_eur_per_mwh)
        )
    )
    both_short, both_long = (np.fmax(up, mid), np.fmin(down, mid)) if is_dual_pricing else (mid, mid)
    single = np.select([state == 1, state == -1], [up, down], mid)
    shortage = np.where(state == 2, both_short, single) + incentive_component_eur_per_mwh
    surplus = np.where(state == 2, both_long, single) - incentive_component_eur_per_mwh
    return shortage, surplus


@dataclass(frozen=True)
class IspPrices:
    """Settlement prices of one ISP, as published (TenneT, settlement-prices): all €/MWh, NaN for none.

    Parameters
    ----------
    state : int
        Regulation state -1, 0, 1 or 2.
    shortage_eur_per_mwh, surplus_eur_per_mwh : float
        Imbalance prices.
    dispatch_up_eur_per_mwh, dispatch_down_eur_per_mwh : float
        Balancing energy prices.
    mid_price_eur_per_mwh : float
        Mid price.
    has_incident_reserve_up, has_incident_reserve_down : bool
        Whether mFRRda was activated.
    """

    state: int
    shortage_eur_per_mwh: float
    surplus_eur_per_mwh: float
    dispatch_up_eur_per_mwh: float
    dispatch_down_eur_per_mwh: float
    mid_price_eur_per_mwh: float
    has_incident_reserve_up: bool = False
    has_incident_reserve_down: bool = False

    @property
    def regulating_condition(self) -> str:
        """Direction in which the operator regulated: "", "UP", "DOWN" or "UP_AND_DOWN"."""
        return {0: "", 1: "UP", -1: "DOWN", 2: "UP_AND_DOWN"}[self.state]


def _first_number(*prices: float) -> float:
    return next((p for p in prices if not math.isnan(p)), math.nan)


def _state_of(activation: IspActivation, sampling_s: int, has_reserve_up: bool, has_reserve_down: bool) -> int:
    """State from the sampled activation, incident reserve counting as activation in its direction."""
    up, down = (sample_delta(mw, sampling_s) for mw in (activation.activated_up_mw, activation.activated_down_mw))
    return regulation_state(
        up - down,
        has_up=bool(np.any(up > 0.0)) or has_reserve_up,
        has_down=bool(np.any(down > 0.0)) or has_reserve_down,
    )


def price_isp(
    activation: IspActivation,
    *,
    state_sampling_s: int = 12,
    is_dual_pricing: bool = True,
    incentive_component_eur_per_mwh: float = 0.0,
    mfrrda_up_eur_per_mwh: float = math.nan,
    mfrrda_down_eur_per_mwh: float = math.nan,
    is_controller_on: bool = True,
    fallback_eur_per_mwh: float = math.nan,
) -> IspPrices:
    """State and settlement prices of one activated ISP.

    Parameters
    ----------
    activation : IspActivation
        From :func:`markets.balancing.activation.activate_isp`.
    state_sampling_s : int
        Sampling of the balance delta for the state.
    is_dual_pricing, incentive_component_eur_per_mwh
        See :func:`imbalance_prices`.
    mfrrda_up_eur_per_mwh, mfrrda_down_eur_per_mwh : float
        Price of incident reserve where it was activated.
    is_controller_on : bool
        Off: state 0 and the mid price.
    fallback_eur_per_mwh : float
        Price, such as the day-ahead one, for an ISP without any bid now or before.

    Returns
    -------
    IspPrices
        A direction that is activated only between two samples counts for the price but not for the state. Where the
        state needs a price that does not exist, the one of the ISP before is used, then the mid price.
    """
    has_up, has_down = not math.isnan(mfrrda_up_eur_per_mwh), not math.isnan(mfrrda_down_eur_per_mwh)
    state = _state_of(activation, state_sampling_s, has_up, has_down) if is_controller_on else 0
    up, down = bound_by_mfrrda(
        activation.price_up_eur_per_mwh,
        activation.price_down_eur_per_mwh,
        mfrrda_up_eur_per_mwh=mfrrda_up_eur_per_mwh,
        mfrrda_down_eur_per_mwh=mfrrda_down_eur_per_mwh,
    )
    known, mid = activation.controller_state, activation.mid_price_eur_per_mwh
    mid = fallback_eur_per_mwh if math.isnan(mid) else mid
    # energy too small to set a price of its own is paid all the same (IPS 4.2: the price of the ISP before)
    if bool(np.any(activation.activated_up_mw > 0.0)):
        up = _first_number(up, known.price_up_eur_per_mwh, mid)
    if bool(np.any(activation.activated_down_mw > 0.0)):
        down = _first_number(down, known.price_down_eur_per_mwh, mid)
    shortage, surplus = imbalance_prices(
        state,
        _first_number(up, known.price_up_eur_per_mwh, mid),
        _first_number(down, known.price_down_eur_per_mwh, mid),
        mid,
        is_dual_pricing=is_dual_pricing,
        incentive_component_eur_per_mwh=incentive_component_eur_per_mwh,
    )
    return IspPrices(
        state=state,
        shortage_eur_per_mwh=float(shortage),
        surplus_eur_per_mwh=float(surplus),
        dispatch_up_eur_per_mwh=up,
        dispatch_down_eur_per_mwh=down,
        mid_price_eur_per_mwh=mid,
        has_incident_reserve_up=has_up,
        has_incident_reserve_down=has_down,
    )
