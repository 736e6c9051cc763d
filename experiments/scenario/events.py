"""Checks of a scenario's grid events and agreements, which need the grid itself."""

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


WITH_RIGHT = ("public_ac", "office", "depot", "shared", "dc_site")
"""Kinds of connection with charging points that may have an agreement of their own."""


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


def agreement_faults(scenario: Scenario, file: str) -> list[Fault]:
    """What is wrong with the agreements of a scenario: sites that do not exist, promises beyond the connection."""
    faults = []
    for number, own in enumerate(scenario.to_settings().agreements, start=1):
        table = _grid_of(scenario).connections
        rows = [k for k in range(len(table)) if own.site in (table.kind[k], table.ean[k])]
        rows = [k for k in rows if table.kind[k] in WITH_RIGHT]
        if not rows:
            here = [kind for kind in WITH_RIGHT if kind in table.kind]
            text = f"'{own.site}' has no charging site here; right are {', '.join(here)}, or an EAN of one"
            faults.append(Fault(file, f"agreement.{number}.site", text))
            continue
        smallest = min(rows, key=lambda k: float(table.capacity_kw[k]))
        try:
            wrong = own.of(float(table.capacity_kw[smallest])).faults(float(table.capacity_kw[smallest]))
        except ValueError as error:
            wrong = [str(error)]
        key = f"agreement.{number}"
        faults += [Fault(file, key, f"{own.kind} of {table.ean[smallest]}: {text}") for text in wrong]
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
