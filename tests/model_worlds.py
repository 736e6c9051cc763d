"""Small worlds for tests of the whole model, played once and looked at by many tests.

A world is a few streets for a winter day: two to four seconds. Tests share runs through module-scoped fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from agents.model import Flexpolder
from agents.outcome import collect
from agents.settings import FleetSettings, GridSettings, SegmentSettings, Settings
from markets.levers import Regulation

SMART = "price_optimal_v2x"
WINTER_DAY = date(2026, 1, 20)


def world(
    *,
    home: int = 24,
    public: int = 12,
    office: int = 6,
    depot: int = 4,
    dc: int = 4,
    strategy: str = SMART,
    homes: int = 40,
    v2x_share: float = 0.25,
    first_day: date = WINTER_DAY,
    days: int = 1,
    seed: int = 1,
    representation: int = 5000,
    fidelity: str = "linear",
    cut: tuple[tuple[str, str], ...] = (),
    **levers: Any,
) -> Settings:
    """Settings of a small world; further keywords are levers, also beyond their sensible range."""
    segments = {
        "home": SegmentSettings(home, home, strategy),
        "public_ac": SegmentSettings(public, max(public // 2, 1), strategy),
        "office": SegmentSettings(office, office, strategy),
        "depot": SegmentSettings(depot, depot, strategy),
        "dc_site": SegmentSettings(dc, 1, "uncontrolled"),
    }
    return Settings(
        name="small world",
        first_day=first_day,
        days=days,
        seed=seed,
        representation=representation,
        regulation=replace(Regulation(), **levers),
        fleet=FleetSettings(segments, v2x_share=v2x_share),
        grid=GridSettings(homes=homes, lv_areas=1, fidelity=fidelity),
        cut_links=cut,
    )


@dataclass(frozen=True)
class Played:
    """A finished run: its model, with everything hidden in it, and its result tables as arrays."""

    model: Flexpolder
    tables: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def settings(self) -> Settings:
        """What was played."""
        return self.model.settings

    def by_party(self, column: str) -> np.ndarray:
        """Column of table ``positions``, float[n_parties, n_periods]."""
        return np.asarray(self.tables["positions"][column]).reshape(len(self.model.positions.parties), -1)

    def load(self, column: str = "power_kw") -> dict[str, np.ndarray]:
        """Column of table ``load`` by segment."""
        table = self.tables["load"]
        return {name: table[column][table["segment"] == name] for name in dict.fromkeys(table["segment"].tolist())}

    def message(self, name: str) -> dict[str, Any]:
        """Row of table ``messages``; all zero where nothing was sent."""
        table = self.tables["messages"]
        row = np.flatnonzero(table["message"] == name)
        return {k: (v[row[0]] if len(row) else 0) for k, v in table.items()}


def play(settings: Settings, watch: Callable[[Flexpolder], None] | None = None) -> Played:
    """Run a world to its end.

    Parameters
    ----------
    settings : Settings
        The world.
    watch : callable, optional
        Shown the model after every period.
    """
    model = Flexpolder(settings)
    try:
        model.run(None if watch is None else lambda done, total: watch(model))
        tables = collect(model).tables
    finally:
        model.close()
    return Played(model, {name: {k: np.asarray(v) for k, v in table.items()} for name, table in tables.items()})


def until(settings: Settings, period: int, prepare: Callable[[Flexpolder], None] | None = None) -> Flexpolder:
    """The model of a world at the start of a period; ``prepare`` may change it before it runs."""
    model = Flexpolder(settings)
    try:
        if prepare is not None:
            prepare(model)
        model.open_early_gates()
        while model.period < period:
            model.step()
    finally:
        model.close()
    return model
