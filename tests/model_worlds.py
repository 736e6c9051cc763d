"""Small worlds for tests of the whole model, played once and looked at by many tests.

A world is a few streets for a winter day: two to four seconds. Tests share runs through module-scoped fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from agents.messages import Message
from agents.model import Flexpolder
from agents.outcome import collect
from agents.role import Role
from agents.settings import FleetSettings, GridSettings, SegmentSettings, Settings
from markets.levers import Regulation

Meddle = Callable[[Message, int], Message | None]
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
    opt_out_share: float = 0.05,
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
        fleet=FleetSettings(segments, v2x_share=v2x_share, opt_out_share=opt_out_share),
        grid=GridSettings(homes=homes, lv_areas=1, fidelity=fidelity),
        cut_links=cut,
    )


@dataclass(frozen=True)
class Played:
    """A finished run: its model, with everything hidden in it, and its result tables as arrays."""

    model: Flexpolder
    tables: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def ev_kw(self) -> np.ndarray:
        """Charging by segment, float[n_segments, n_periods]."""
        load = self.load()
        return np.stack([load[name] for name in self.settings.fleet.segments])

    @property
    def uncontrolled_kw(self) -> np.ndarray:
        """The same with nobody steering."""
        load = self.load("uncontrolled_kw")
        return np.stack([load[name] for name in self.settings.fleet.segments])

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


@contextmanager
def meddling(change: Meddle | None) -> Iterator[None]:
    """Pass everything that roles send through a function first."""
    honest = Role.send

    def send(self: Role, message: Message, to: str = "") -> None:
        changed = message if change is None else change(message, self.model.period)
        if changed is not None:
            honest(self, changed, to)

    Role.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        Role.send = honest  # type: ignore[method-assign]


def play(
    settings: Settings,
    watch: Callable[[Flexpolder], None] | None = None,
    *,
    meddle: Meddle | None = None,
    prepare: Callable[[Flexpolder], None] | None = None,
) -> Played:
    """Run a world to its end.

    Parameters
    ----------
    settings : Settings
        The world.
    watch : callable, optional
        Shown the model after every period.
    meddle : callable, optional
        Sees every message that a role sends, and the period; what it returns is sent instead, None is not sent.
    prepare : callable, optional
        May change the model before it runs.
    """
    model = Flexpolder(settings)
    if prepare is not None:
        prepare(model)
    with meddling(meddle):
        return _play(model, watch)


def _play(model: Flexpolder, watch: Callable[[Flexpolder], None] | None) -> Played:
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
