"""What a driver's wish for little CO2 does to the prices that the car is planned by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.fleet.view import Signal

FOCUS_EUR_PER_KG = 0.3
"""What a driver with full CO2 focus would pay to avoid a kg: some four times the allowance price (assumption)."""


class CarbonOutlook:
    """CO2 of a kWh from the grid as an aggregator expects it; none before anything was published.

    Parameters
    ----------
    n_periods : int
        Periods of the run and those that plans look beyond it.
    """

    def __init__(self, n_periods: int) -> None:
        self.co2_kg_per_kwh = np.zeros(n_periods)

    def hear(self, first_period: int, co2_kg_per_kwh: np.ndarray) -> None:
        """Take in a published day; until its own forecast is known, the day after is expected to be like it."""
        n = len(co2_kg_per_kwh)
        for first in (first_period, first_period + n):
            room = self.co2_kg_per_kwh[first : first + n]
            room[:] = co2_kg_per_kwh[: len(room)]

    def weigh(self, signal: Signal, focus: np.ndarray, first_period: int) -> Signal:
        """Prices of sessions with what their drivers would pay to avoid the emission, on buying and on delivering.

        Parameters
        ----------
        signal : Signal
            Prices from ``first_period`` on, one row for all or one per session.
        focus : float array, shape (n_sessions,)
            Weight that each driver gives to CO2, 0 to 1.

        Returns
        -------
        Signal
            The same object where nobody minds.
        """
        if not focus.any():
            return signal
        ahead = self.co2_kg_per_kwh[first_period : first_period + signal.n_ahead]
        extra = FOCUS_EUR_PER_KG * np.outer(focus, ahead)
        sell = None if signal.feed_in_eur_per_kwh is None else signal.feed_in_eur_per_kwh + extra
        return replace(signal, price_eur_per_kwh=signal.price_eur_per_kwh + extra, feed_in_eur_per_kwh=sell)
