"""How far each segment of a run was from the cheapest way to charge the same: asked for with ``output.is_gap``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.fleet.gap import Gap, gap_to_optimum
from agents.settings import SEGMENTS

if TYPE_CHECKING:
    from agents.model import Flexpolder


def gap_columns(model: Flexpolder) -> dict[str, Any]:
    """Columns of table ``gap``: one row per segment with sessions, by the prices that its drivers paid in the end.

    The optimum knows every arrival, departure and price; the strategy had to plan on what was said and expected. Energy
    that a connection could not have carried counts as possible for the optimum, which keeps it a lower bound.
    """
    rows: list[tuple[Any, ...]] = []
    if model.settings.is_gap_wanted:
        segments = model.settings.fleet.segments
        for code in np.unique(model.town.fleet.points.segment).tolist():
            name = SEGMENTS[code]
            gap = _gap_of(model, code)
            strategy = segments[name].strategy if name in segments else "uncontrolled"
            rows.append((name, strategy, gap.energy_kwh, gap.run_eur, gap.optimum_eur, gap.gap_share, gap.solver))
    names = ("segment", "strategy", "energy_kwh", "run_eur", "optimum_eur", "gap_share", "solver")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _gap_of(model: Flexpolder, segment: int) -> Gap:
    """Gap of the sessions at one segment's points alone."""
    fleet, state = model.town.fleet, model.cast.evs.state.copy()
    here = fleet.points.segment == segment
    is_mine = here[fleet.sessions.cp_row]
    state.arrival_kwh[~is_mine] = np.nan
    delivered = np.bincount(
        fleet.sessions.ev_row[is_mine], weights=state.session_export_kwh[is_mine], minlength=fleet.n_evs
    )
    state.discharged_kwh[:] = delivered / 0.933
    power = np.where(here[:, None], model.record.point_kw, 0.0)
    return gap_to_optimum(fleet, state, power, model.cast.supplier.price_eur_per_kwh)
