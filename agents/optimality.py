"""How far each segment of a run was from the cheapest way to charge the same, from its tables of results.

The optimum knows every arrival, departure and price; the strategy had to plan on what was said and expected. Energy
that a connection could not have carried counts as possible for the optimum, which keeps it a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.fleet.gap import gap_of_sessions
from agents.settings import SEGMENTS

COLUMNS = ("segment", "strategy", "energy_kwh", "run_eur", "optimum_eur", "gap_share", "solver")


def gap_columns(
    sessions: Mapping[str, Any], price_eur_per_kwh: np.ndarray, strategy_of: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Columns of table ``gap``: one row per segment with sessions, by the contract price of each quarter-hour.

    Parameters
    ----------
    sessions : mapping
        Columns of table ``sessions``.
    price_eur_per_kwh : float array, shape (n_periods,)
        Column ``contract_eur_per_kwh`` of table ``prices``.
    strategy_of : mapping
        Charging strategy by segment.
    """
    rows: list[tuple[Any, ...]] = []
    columns = {name: np.asarray(values) for name, values in sessions.items()}
    for name in SEGMENTS:
        here = columns["segment"] == name
        if here.any():
            gap = gap_of_sessions({k: v[here] for k, v in columns.items()}, price_eur_per_kwh)
            strategy = strategy_of.get(name, "uncontrolled")
            rows.append((name, strategy, gap.energy_kwh, gap.run_eur, gap.optimum_eur, gap.gap_share, gap.solver))
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}
