"""Frequency of the continental system after a sudden change of load: one inertia, one droop (swing equation)."""

from __future__ import annotations

import numpy as np

NOMINAL_HZ = 50.0
SYSTEM_MW = 150_000.0
"""Load of the continental system in the light hour for which its reserve is sized (ENTSO-E, reference incident)."""
START_TIME_S = 10.0
"""Mechanical starting time of the rotating masses (ENTSO-E 2016: 10 to 12 s)."""
SELF_REGULATION_PER_HZ = 0.01
"""Share of the load that follows frequency, per Hz (ENTSO-E: 1 %/Hz)."""
FCR_MW, FCR_FULL_HZ, FCR_LAG_S = 3000.0, 0.2, 10.0
"""Containment reserve, the deviation that activates all of it, and its lag (full within 30 s: SO GL art. 154)."""
STEP_S, AFTER_S = 0.05, 90.0


def lowest_hz(step_mw: float, ramp_s: float = 0.0) -> float:
    """Largest deviation of frequency after a change of load, Hz, with the sign of the deviation.

    Parameters
    ----------
    step_mw : float
        Change of load; + = more load.
    ramp_s : float
        Time over which it happens; 0 = at once.

    Returns
    -------
    float
        The largest deviation from 50 Hz during the change and the minute and a half after it.
    """
    deviation = reserve = worst = 0.0
    for k in range(round((ramp_s + AFTER_S) / STEP_S)):
        time_s = k * STEP_S
        load = step_mw * (1.0 if ramp_s <= 0.0 else min(time_s / ramp_s, 1.0))
        wanted = -FCR_MW * np.clip(deviation / FCR_FULL_HZ, -1.0, 1.0)
        reserve += (wanted - reserve) * STEP_S / FCR_LAG_S
        balance = reserve - load - SELF_REGULATION_PER_HZ * SYSTEM_MW * deviation
        deviation += balance * NOMINAL_HZ / (SYSTEM_MW * START_TIME_S) * STEP_S
        worst = deviation if abs(deviation) > abs(worst) else worst
    return float(worst)
