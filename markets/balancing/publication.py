"""What the market can see of the balance: the sampled balance delta, after its publication delay."""

from __future__ import annotations

import numpy as np

from markets.balancing.activation import IspActivation
from markets.balancing.controller import CYCLE_S
from markets.balancing.imbalance import sample_delta


def visible_samples(now_s: float, *, sampling_s: int, delay_s: float) -> int:
    """How many samples of a series that starts at 0 are public.

    Parameters
    ----------
    now_s : float
        Seconds since the start of the series.
    sampling_s : int
        Sampling interval.
    delay_s : float
        Time between the end of an interval and its publication.

    Returns
    -------
    int
    """
    return max(0, int((now_s - delay_s + 1e-9) // sampling_s))


def visible_delta_mw(
    delta_mw: np.ndarray, now_s: float, *, sampling_s: int = 12, delay_s: float = 146.0, step_s: int = CYCLE_S
) -> np.ndarray:
    """Published values of a balance delta at an instant.

    Parameters
    ----------
    delta_mw : array of float, shape (n_steps,)
        Balance delta per control cycle, the first at time 0.
    now_s : float
        The instant.
    sampling_s, delay_s, step_s
        As in :func:`visible_samples` and :func:`markets.balancing.imbalance.sample_delta`.

    Returns
    -------
    array of float, shape (n_visible,)
        Oldest first; empty while nothing is public.
    """
    samples = sample_delta(delta_mw, sampling_s, step_s=step_s)
    return samples[: visible_samples(now_s, sampling_s=sampling_s, delay_s=delay_s)]


def balance_delta_table(
    activation: IspActivation, *, sampling_s: int = 12, mfrrda_mw: float = 0.0
) -> dict[str, np.ndarray]:
    """The balance delta of one ISP with the columns in which it is published.

    Parameters
    ----------
    activation : IspActivation
        The ISP.
    sampling_s : int
        Sampling interval.
    mfrrda_mw : float
        Incident reserve that runs, + = up.

    Returns
    -------
    dict of str to array of float, shape (900 // sampling_s,)
        ``second`` (of the ISP, when sampled), ``afrr_in_mw`` and ``afrr_out_mw`` (up and down), ``picasso_in_mw`` and
        ``picasso_out_mw`` (netting and exchange), ``mfrrda_in_mw`` and ``mfrrda_out_mw`` (incident reserve),
        ``max_upw_regulation_price_eur_per_mwh``, ``min_downw_regulation_price_eur_per_mwh`` (price-setting bids, NaN
        for none), ``mid_price_eur_per_mwh``.
    """
    cycles = np.arange(activation.delta_mw.size) * float(CYCLE_S)
    columns = {
        "second": cycles,
        "afrr_in_mw": activation.activated_up_mw,
        "afrr_out_mw": activation.activated_down_mw,
        "picasso_in_mw": np.maximum(activation.import_mw, 0.0),
        "picasso_out_mw": np.maximum(-activation.import_mw, 0.0),
        "mfrrda_in_mw": np.full(cycles.size, max(mfrrda_mw, 0.0)),
        "mfrrda_out_mw": np.full(cycles.size, max(-mfrrda_mw, 0.0)),
        "max_upw_regulation_price_eur_per_mwh": activation.marginal_up_eur_per_mwh,
        "min_downw_regulation_price_eur_per_mwh": activation.marginal_down_eur_per_mwh,
        "mid_price_eur_per_mwh": np.full(cycles.size, activation.mid_price_eur_per_mwh),
    }
    return {name: sample_delta(values, sampling_s) for name, values in columns.items()}
