"""The load-frequency controller: its settings, what it remembers, and its law in open form.

Signs: balancing power is positive upward (more injection or less load). The area control error (ACE) is negative in
a shortage, so a negative ACE calls upward power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

CYCLE_S = 4
CYCLES_PER_ISP = 225
HISTORY_CYCLES = 300  # of the balance delta, kept so that the longest publication delay (900 s) can be served


@dataclass(frozen=True)
class ActivationRules:
    """How the load-frequency controller activates bids.

    Parameters
    ----------
    beta : float
        Proportional factor of the controller, 0 to 0.5 (UCTE operation handbook, policy 1).
    integration_time_s : float
        Integration time Tr, 50 to 200 s (same source).
    import_capacity_mw : float
        Netting and aFRR exchange with other areas, the same in both directions, used before local bids.
    dead_band_mw : float
        Local demand up to this size calls no bid.
    recruiting_horizon_s : float
        A dearer bid is started in parallel when the cheaper ones cannot ramp to the demand within this time; the
        cycle time (4 s) is the fastest response, 300 s follows the static ladder (assumption; that ramps can lift
        the price above the ladder: TenneT, merit order list page).
    price_threshold_mw : float
        Activation below this power does not set a price.
    state_sampling_s : int
        Interval of the published balance delta, a multiple of the cycle.
    balance_delta_delay_s : float
        Time between the end of a sampling interval and its publication, at most 900 s.
    """

    beta: float = 0.3
    integration_time_s: float = 150.0
    import_capacity_mw: float = 0.0
    dead_band_mw: float = 0.0
    recruiting_horizon_s: float = 60.0
    price_threshold_mw: float = 1e-3
    state_sampling_s: int = 12
    balance_delta_delay_s: float = 146.0

    def __post_init__(self) -> None:
        faults = []
        if self.integration_time_s <= 0.0:
            faults.append(f"integration_time_s is {self.integration_time_s}, must be above 0")
        if self.state_sampling_s < CYCLE_S or self.state_sampling_s % CYCLE_S:
            faults.append(f"state_sampling_s is {self.state_sampling_s}, must be a multiple of {CYCLE_S}")
        if not 0.0 <= self.balance_delta_delay_s <= 900.0:
            faults.append(f"balance_delta_delay_s is {self.balance_delta_delay_s}, must be 0 to 900")
        if faults:
            raise ValueError("activation rules: " + "; ".join(faults))


@dataclass(frozen=True)
class ControllerState:
    """What the controller remembers from one ISP to the next.

    Parameters
    ----------
    integral_mw, import_mw : float
        Integral part of the controller and the running import.
    object_id, delivered_mw : arrays of shape (n,)
        Objects that deliver at the end of the ISP and their power, positive = up.
    delivered_up_mw, delivered_down_mw : float
        Delivered power per direction at the end of the ISP, both positive.
    passive_mw : array of float, shape (n_groups,)
        Power of the passive groups.
    delta_mw : array of float, shape (HISTORY_CYCLES,)
        Latest values of the balance delta as published: aFRR and incident reserve.
    price_up_eur_per_mwh, price_down_eur_per_mwh, mid_price_eur_per_mwh : float
        Latest known prices, NaN before the first.
    """

    integral_mw: float = 0.0
    import_mw: float = 0.0
    object_id: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    delivered_mw: np.ndarray = field(default_factory=lambda: np.zeros(0))
    delivered_up_mw: float = 0.0
    delivered_down_mw: float = 0.0
    passive_mw: np.ndarray = field(default_factory=lambda: np.zeros(0))
    delta_mw: np.ndarray = field(default_factory=lambda: np.zeros(HISTORY_CYCLES))
    price_up_eur_per_mwh: float = math.nan
    price_down_eur_per_mwh: float = math.nan
    mid_price_eur_per_mwh: float = math.nan


AT_REST = ControllerState()


def pi_demand_mw(
    area_control_error_mw: np.ndarray,
    rules: ActivationRules | None = None,
    *,
    step_s: float = CYCLE_S,
    integral_mw: float = 0.0,
) -> tuple[np.ndarray, float]:
    """Reserve that the controller asks for along a measured area control error, without limits.

    Parameters
    ----------
    area_control_error_mw : array of float, shape (n,)
        Measured error, negative = shortage.
    rules : ActivationRules, optional
        For beta and Tr.
    step_s : float
        Control cycle.
    integral_mw : float
        Integral part before the first cycle.

    Returns
    -------
    demand_mw : array of float, shape (n,)
        Minus (beta times the error plus its integral over Tr), positive = up.
    integral_mw : float
        Integral part after the last cycle.

    Notes
    -----
    UCTE operation handbook, policy 1. :func:`markets.balancing.activation.activate_isp` closes the loop.
    """
    rules = rules or ActivationRules()
    error = np.asarray(area_control_error_mw, dtype=np.float64)
    integral = integral_mw + np.cumsum(error) * (step_s / rules.integration_time_s)
    last = float(integral[-1]) if error.size else integral_mw
    return -(rules.beta * error + integral), last


def area_control_error_mw(
    exported_mw: object, scheduled_mw: object, frequency_hz: object, *, k_mw_per_hz: float, nominal_hz: float = 50.0
) -> np.ndarray:
    """Area control error: deviation of the exchange, freed of what frequency containment causes.

    Parameters
    ----------
    exported_mw, scheduled_mw : array_like of float
        Measured and scheduled export.
    frequency_hz : array_like of float
        Grid frequency.
    k_mw_per_hz : float
        The area's share of the network power-frequency characteristic.
    nominal_hz : float
        Nominal frequency.

    Returns
    -------
    array of float
        Negative = shortage in the area. With K right, a disturbance elsewhere gives zero (non-interaction).
    """
    exported, scheduled, frequency = (np.asarray(x, np.float64) for x in (exported_mw, scheduled_mw, frequency_hz))
    return exported - scheduled + k_mw_per_hz * (frequency - nominal_hz)
