"""What one run needs to know, as frozen data: the bridge between a scenario file and the model.

The scenario reader in :mod:`experiments.scenario` fills these classes after all checks; the model trusts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from markets.levers import Regulation

SEGMENTS = ("home", "public_ac", "office", "depot", "shared", "dc_site")


@dataclass(frozen=True)
class SegmentSettings:
    """EVs of one segment and how they are steered."""

    evs: int
    charging_points: int
    strategy: str
    is_smart_share: float = 1.0
    """Share of drivers who take part in smart charging unless they opt out of a session."""


@dataclass(frozen=True)
class FleetSettings:
    """The simulated EVs by segment."""

    segments: dict[str, SegmentSettings]
    v2x_share: float = 0.05
    plug_in_hybrid_share: float = 0.3
    opt_out_share: float = 0.05
    """Share of sessions whose driver presses "charge now"."""


@dataclass(frozen=True)
class GridSettings:
    """The simulated wires."""

    homes: int = 6400
    lv_areas: int = 40
    fidelity: str = "three_phase"
    heat_pump_share: float = 0.15
    pv_share: float = 0.35
    file: str | None = None


@dataclass(frozen=True)
class SystemSettings:
    """The rest of the Dutch power system."""

    gas_eur_per_mwh: float = 30.0
    coal_eur_per_mwh: float = 12.0
    co2_eur_per_t: float = 70.0
    wind_capacity_scale: float = 1.0
    solar_capacity_scale: float = 1.0
    load_scale: float = 1.0
    load_forecast_error_share: float = 0.02


@dataclass(frozen=True)
class PartySettings:
    """A company and the market roles it holds."""

    name: str
    roles: tuple[str, ...]


DEFAULT_PARTIES = (
    PartySettings("Voltan Energy", ("supplier", "brp")),
    PartySettings("Flexio", ("aggregator", "csp", "bsp")),
    PartySettings("Laadpaal", ("cpo",)),
    PartySettings("Rijpas", ("emsp",)),
    PartySettings("Noordnet", ("dso",)),
    PartySettings("Hoogspan", ("tso",)),
    PartySettings("Centrale", ("producer", "brp")),
    PartySettings("Windzon", ("producer", "brp")),
    PartySettings("Rest of the country", ("brp",)),
    PartySettings("Autobouw", ("vehicle_maker",)),
    PartySettings("Depot Zuid", ("fleet_operator",)),
    PartySettings("Thuismeester", ("energy_manager",)),
)


@dataclass(frozen=True)
class Settings:
    """Everything that defines a run: same settings and versions, same bytes."""

    name: str
    first_day: date
    days: int
    seed: int = 1
    description: str = ""
    representation: int = 1
    """National EVs that one simulated EV stands for in the national markets."""
    regulation: Regulation = field(default_factory=Regulation)
    fleet: FleetSettings = field(default_factory=lambda: FleetSettings(segments={}))
    grid: GridSettings = field(default_factory=GridSettings)
    system: SystemSettings = field(default_factory=SystemSettings)
    parties: tuple[PartySettings, ...] = DEFAULT_PARTIES
    series: dict[str, np.ndarray] = field(default_factory=dict)
    """User's own series by kind (``price_eur_per_mwh``, ``load_mw``, ``solar_share``, ``wind_share``), one value a
    period; they replace the embedded ones."""
    cut_links: tuple[tuple[str, str], ...] = ()
    """Pairs (sender role, receiver role) whose link delivers nothing."""
