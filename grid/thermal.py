"""Hot spot and loss of life of oil-immersed transformers after IEC 60076-7.

The exponential equations of the loading guide, solved exactly over steps of constant load; time in minutes,
temperatures in °C, loads as a share of the rated current.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ThermalConstants:
    """Thermal data of a transformer; defaults: distribution transformer, ONAN (IEC 60076-7:2005, annex E).

    At rated load and 20 °C the hot spot is 20 + 55 + 23 = 98 °C and the insulation ages at rate 1.
    """

    oil_rise_k: float = 55.0
    """Top-oil rise at rated load."""
    hot_spot_gradient_k: float = 23.0
    """Hot spot above top oil at rated load (gradient times hot-spot factor 1.1)."""
    loss_ratio: float = 5.0
    """Copper loss at rated load over iron loss."""
    oil_exponent: float = 0.8
    winding_exponent: float = 1.6
    oil_time_min: float = 180.0
    winding_time_min: float = 4.0
    k11: float = 1.0
    k21: float = 1.0
    k22: float = 2.0
    is_thermally_upgraded: bool = False
    """Thermally upgraded paper ages at rate 1 at 110 °C, plain kraft paper at 98 °C."""


DISTRIBUTION_ONAN = ThermalConstants()


@dataclass(frozen=True)
class ThermalState:
    """Temperature rises of a set of transformers.

    Parameters
    ----------
    oil_k : ndarray, (n_units,)
        Top oil above ambient.
    fast_k, slow_k : ndarray, (n_units,)
        The two parts of the hot spot above top oil (their difference counts).
    """

    oil_k: np.ndarray
    fast_k: np.ndarray
    slow_k: np.ndarray

    @property
    def gradient_k(self) -> np.ndarray:
        """Hot spot above top oil."""
        return self.fast_k - self.slow_k


@dataclass(frozen=True)
class ThermalRun:
    """Result of a load series.

    Parameters
    ----------
    hot_spot_c : ndarray, (n_steps, n_units)
        At the end of each step.
    ageing_rate : ndarray, (n_steps, n_units)
        Mean relative ageing over each step; 1 = normal.
    loss_of_life_h : ndarray, (n_units,)
        Hours of normal life used up.
    state : ThermalState
        At the end.
    """

    hot_spot_c: np.ndarray
    ageing_rate: np.ndarray
    loss_of_life_h: np.ndarray
    state: ThermalState


def steady_state(load_share: np.ndarray, constants: ThermalConstants = DISTRIBUTION_ONAN) -> ThermalState:
    """Return the state after a load has stood long enough."""
    oil, gradient = _final_rises(np.asarray(load_share, dtype=np.float64), constants)
    return ThermalState(oil, constants.k21 * gradient, (constants.k21 - 1.0) * gradient)


def advance(
    state: ThermalState, load_share: np.ndarray, step_min: float, constants: ThermalConstants = DISTRIBUTION_ONAN
) -> ThermalState:
    """Return the state after ``step_min`` minutes of a constant load.

    Parameters
    ----------
    state : ThermalState
        At the start.
    load_share : ndarray, (n_units,)
        Current over rated current.
    """
    c = constants
    oil, gradient = _final_rises(np.asarray(load_share, dtype=np.float64), c)
    return ThermalState(
        _approach(state.oil_k, oil, step_min / (c.k11 * c.oil_time_min)),
        _approach(state.fast_k, c.k21 * gradient, step_min / (c.k22 * c.winding_time_min)),
        _approach(state.slow_k, (c.k21 - 1.0) * gradient, step_min * c.k22 / c.oil_time_min),
    )


def ageing_rate(hot_spot_c: np.ndarray, constants: ThermalConstants = DISTRIBUTION_ONAN) -> np.ndarray:
    """Return the relative ageing rate: doubling every 6 K around 98 °C, or the Arrhenius form for upgraded paper."""
    if constants.is_thermally_upgraded:
        return np.exp(15_000.0 / (110.0 + 273.0) - 15_000.0 / (hot_spot_c + 273.0))
    return 2.0 ** ((hot_spot_c - 98.0) / 6.0)


def run_thermal(
    load_share: np.ndarray,
    ambient_c: np.ndarray | float,
    step_min: float = 15.0,
    constants: ThermalConstants = DISTRIBUTION_ONAN,
    start: ThermalState | None = None,
) -> ThermalRun:
    """Run a load series through the model.

    Parameters
    ----------
    load_share : ndarray, (n_steps, n_units)
        Current over rated current; a step without result (nan) keeps the load of the step before.
    ambient_c : ndarray, (n_steps,) or float
        Outdoor temperature; add about 10 K for a closed compact station.
    step_min : float
        Length of a step.
    start : ThermalState, optional
        By default the steady state of the first load.

    Returns
    -------
    ThermalRun
        Ageing within a step is the mean of its start and its end.
    """
    load = _without_gaps(np.asarray(load_share, dtype=np.float64))
    ambient = np.broadcast_to(np.asarray(ambient_c, dtype=np.float64), (len(load),))
    state = steady_state(load[0], constants) if start is None else start
    hot_spot = np.empty((len(load) + 1, load.shape[1]))
    hot_spot[0] = ambient[0] + state.oil_k + state.gradient_k
    for step, share in enumerate(load):
        state = advance(state, share, step_min, constants)
        hot_spot[step + 1] = ambient[step] + state.oil_k + state.gradient_k
    rate = ageing_rate(hot_spot, constants)
    mean = (rate[:-1] + rate[1:]) / 2.0
    return ThermalRun(hot_spot[1:], mean, np.sum(mean, axis=0) * step_min / 60.0, state)


def _final_rises(load_share: np.ndarray, c: ThermalConstants) -> tuple[np.ndarray, np.ndarray]:
    """Final top-oil rise and hot-spot gradient of a constant load."""
    loss = (1.0 + c.loss_ratio * load_share**2) / (1.0 + c.loss_ratio)
    return c.oil_rise_k * loss**c.oil_exponent, c.hot_spot_gradient_k * load_share**c.winding_exponent


def _approach(now: np.ndarray, final: np.ndarray, time_constants: float) -> np.ndarray:
    return final + (now - final) * np.exp(-time_constants)


def _without_gaps(load: np.ndarray) -> np.ndarray:
    """Carry the last load over gaps; gaps at the start count as no load."""
    row = np.where(np.isfinite(load), np.arange(len(load))[:, None], -1)
    last = np.maximum.accumulate(row, axis=0)
    filled = np.take_along_axis(load, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, filled, 0.0)
