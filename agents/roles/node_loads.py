"""A grid operator's expectation of every node: profile, what it has measured since, and the sun that is forecast."""

from __future__ import annotations

import numpy as np

from agents.world.standard import COMMON_SPREAD, StandardLoads

LEVEL_MEMORY = 0.99
"""What a node's level against its profile keeps of itself every quarter-hour: about a day."""
QUARTER_WEIGHT, QUARTER_SHARE = 0.5, 0.4
"""Weight of the newest day in the usual deviation of a quarter-hour, and the part of it that is expected again."""
MOMENT_MEMORY = 0.8
"""The same for the deviation of the moment: about an hour."""
PROGNOSIS_ERROR_SHARE = 0.25
"""Standard error of the prognosis of a node's flexible connections (assumption)."""
SUN_ERROR_SHARE = 0.15
"""Standard error of a roof's generation beside that of the forecast: its neighbours' clouds (assumption)."""


class NodeLoads:
    """Learns loads of nodes without the charging that was announced.

    Parameters
    ----------
    standard : StandardLoads
        What is known beforehand.
    """

    def __init__(self, standard: StandardLoads) -> None:
        self.standard = standard
        n = standard.n_nodes
        day = min(96, len(standard.mean_kw))
        self._weight = 0.5 * np.mean(standard.mean_kw[:day] ** 2, axis=0) / (1.0 - LEVEL_MEMORY)
        self._sum = self._weight.copy()
        self._usual = np.zeros((2, 96, n))
        self._moment = np.zeros(n)
        self._scale = np.ones(n)
        self._last = -1

    @property
    def level(self) -> np.ndarray:
        """Consumption against the profile, float64[n_nodes]."""
        return np.asarray(self._sum / np.maximum(self._weight, 1e-9))

    def measure(self, period: int, net_kw: np.ndarray, prognosis_kw: np.ndarray) -> None:
        """Learn from a period; nan (no supply) teaches nothing.

        Parameters
        ----------
        net_kw : float array, shape (n_nodes,)
            Measured consumption less generation.
        prognosis_kw : float array, shape (n_nodes,)
            What flexible connections had announced.
        """
        s, now = self.standard, np.array([period])
        seen = np.isfinite(net_kw)
        sun = s.roof_kwp * float(s.solar(period, now)[0])
        used = np.where(seen, net_kw - prognosis_kw + sun, 0.0)
        expected, sigma = self.expected(period, now, prognosis_kw[None])
        surprise = np.where(seen, (net_kw - expected[0]) ** 2 / sigma[0] ** 2, 1.0)
        self._scale = np.clip(0.98 * self._scale + 0.02 * np.minimum(surprise, 25.0) * self._scale, 0.2, 10.0)
        profile = s.mean_kw[period]
        self._weight = np.where(seen, LEVEL_MEMORY * self._weight + profile**2, self._weight)
        self._sum = np.where(seen, LEVEL_MEMORY * self._sum + profile * used, self._sum)
        left = np.where(seen, used - self.level * profile, 0.0)
        kind, quarter = int(s.is_free_day[period]), s.quarter[period]
        before = self._usual[kind, quarter]
        self._usual[kind, quarter] = np.where(seen, before + QUARTER_WEIGHT * (left - before), before)
        self._moment = np.where(seen, MOMENT_MEMORY * self._moment + (1.0 - MOMENT_MEMORY) * left, self._moment)
        self._last = period

    def expected(self, now: int, periods: np.ndarray, prognosis_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected net consumption and the standard error of a node, float64[n_periods, n_nodes] each.

        Parameters
        ----------
        now : int
            When it is asked; the weather is known as it was forecast then.
        periods : int array
            Of interest.
        prognosis_kw : float array, shape (n_periods, n_nodes)
            Flexible connections.
        """
        s = self.standard
        usual = self._usual[s.is_free_day[periods].astype(np.int64), s.quarter[periods]]
        fades = MOMENT_MEMORY ** np.maximum(periods - self._last, 0)
        base = self.level * s.mean_kw[periods] + QUARTER_SHARE * usual + fades[:, None] * self._moment
        sun = s.solar(now, periods)[:, None] * s.roof_kwp
        own = s.variance_kw2[periods] * np.maximum(self.level, 0.2) ** 2
        error = (COMMON_SPREAD * base) ** 2 + (SUN_ERROR_SHARE * sun) ** 2 + (PROGNOSIS_ERROR_SHARE * prognosis_kw) ** 2
        return base - sun + prognosis_kw, np.sqrt(self._scale * (own + error) + 0.01)
