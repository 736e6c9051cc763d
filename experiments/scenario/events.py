"""Checks of a scenario's grid events, which need the grid itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.settings import FleetSettings, GridSettings, SegmentSettings, Settings
from experiments.scenario.faults import Fault, nearest

if TYPE_CHECKING:
    from experiments.scenario.scenario import Scenario
    from grid.topology import Grid


def event_faults(scenario: Scenario, file: str) -> list[Fault]:
    """What is wrong with the events of a scenario whose sections are sound; the grid is made only if there are any."""
    events = scenario.sections.event
    if not events:
        return []
    grid, faults = _grid_of(scenario), []
    end_h = scenario.horizon.n_periods / 4.0
    for row, event in enumerate(events, start=1):
        if event.first_h >= end_h:
            text = f"{event.first_h:g} lies behind the end of the run at {end_h:g} h"
            faults.append(Fault(file, f"event.{row}.first_h", text))
        index = grid.arrays.branch_index.get(event.branch)
        if index is None:
            text = f"'{event.branch}' is not a branch of {grid.name}; {nearest(event.branch, grid.arrays.branch_index)}"
            faults.append(Fault(file, f"event.{row}.branch", text))
        elif event.kind == "island" and not _cuts_off(grid, index):
            text = f"opening '{event.branch}' cuts no connection off; an island needs a branch that is its only supply"
            faults.append(Fault(file, f"event.{row}.branch", text))
    return faults


def _cuts_off(grid: Grid, branch: int) -> bool:
    """Tell whether connections lose their supply with a branch."""
    lost = grid.arrays.is_energised & ~grid.arrays.switched({branch: False}).is_energised
    return bool(np.any(lost[grid.connections.node_index]))


def _grid_of(scenario: Scenario) -> Grid:
    settings = scenario.to_settings()
    file = Path(settings.grid.file or "none")
    changed_ns = file.stat().st_mtime_ns if file.is_file() else 0
    wires = replace(settings.grid, events=())
    sizes = tuple((name, s.evs, s.charging_points) for name, s in settings.fleet.segments.items())
    return _grid_once(settings.first_day, settings.seed, wires, sizes, changed_ns)


@lru_cache(maxsize=4)
def _grid_once(day: date, seed: int, wires: GridSettings, sizes: tuple[tuple[str, int, int], ...], _: int) -> Grid:
    """The grid of a run, made once for the variants of a sweep."""
    from agents.town import town_grid

    fleet = FleetSettings({name: SegmentSettings(evs, points, "") for name, evs, points in sizes})
    return town_grid(Settings("", day, 1, seed, fleet=fleet, grid=wires))
