"""Who may steer which charging point: choice of the aggregator, readiness of stations, participation (report 6.1)."""

from __future__ import annotations

import numpy as np

from agents.fleet.tables import SEGMENTS as POINT_SEGMENTS
from agents.fleet.tables import ChargingPoints
from agents.settings import SEGMENTS, Settings
from agents.streams import generator

PUBLIC = ("public_ac", "shared", "dc")
"""Segments whose stations a CPO owns (report 6.2.3)."""


def takes_part(settings: Settings, points: ChargingPoints) -> np.ndarray:
    """Points that the aggregator may steer, bool[n_points]; the draw of a point never changes.

    A driver who chooses takes part as often as the scenario says of the segment. Where the CPO chooses, all its
    public points are in. A station that is not ready for smart charging cannot be steered by anybody.
    """
    rules, known = settings.regulation, settings.fleet.segments
    share = np.array([known[n].is_smart_share if n in known else 0.0 for n in SEGMENTS])
    if rules.aggregator_choice == "none":
        return np.zeros(len(points.segment), dtype=bool)
    draw = generator(settings.seed, "smart").random(len(points.segment))
    chosen = draw < share[points.segment]
    if rules.aggregator_choice == "cpo":
        chosen |= np.isin(points.segment, [POINT_SEGMENTS.index(n) for n in PUBLIC])
    if rules.is_smart_ready_mandated or rules.smart_ready_share >= 1.0:
        return np.asarray(chosen)
    ready = generator(settings.seed, "ready").random(len(points.segment)) < rules.smart_ready_share
    return np.asarray(chosen & ready)
