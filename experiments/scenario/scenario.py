"""A checked scenario and its translation into the model's settings."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.settings import (
    DEFAULT_PARTIES,
    SEGMENTS,
    AgreementSettings,
    CarSettings,
    DriverSettings,
    EventSettings,
    FleetSettings,
    GridSettings,
    HardwarePlan,
    PartySettings,
    SegmentSettings,
    Settings,
    SignalSettings,
    StationPlan,
    SystemSettings,
    TenantSettings,
)
from experiments.scenario.information import information_settings
from experiments.scenario.sections import FleetSection, ScenarioFile, is_simbench
from grid.quality import QualityRules
from markets.calendar import Horizon
from markets.levers import Regulation


@dataclass(frozen=True)
class Scenario:
    """A scenario whose checks have passed.

    Parameters
    ----------
    sections : ScenarioFile
        The validated keys.
    path : Path
        The file it came from.
    raw : dict
        The nested dict it came from, base and overrides applied.
    series : dict
        The user's own series, float64[n_periods] by kind.
    """

    sections: ScenarioFile
    path: Path
    raw: dict[str, Any]
    series: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """Short name."""
        return self.sections.scenario.name

    @property
    def description(self) -> str:
        """One line."""
        return self.sections.scenario.description

    @property
    def horizon(self) -> Horizon:
        """The simulated periods."""
        return Horizon(self.sections.scenario.first_day, self.sections.scenario.days)

    def with_values(self, values: Mapping[str, Any]) -> Scenario:
        """The same scenario with other values at some dotted keys; InputError if they do not fit."""
        from experiments.scenario.reader import from_raw, put

        raw = copy.deepcopy(self.raw)
        for key, value in values.items():
            put(raw, key, value)
        moves_series = any(key.startswith(("series.", "scenario.first_day", "scenario.days")) for key in values)
        return from_raw(raw, self.path, known_series=None if moves_series else self.series)

    def regulation(self) -> Regulation:
        """The levers; whole-number levers as int, other numbers as float."""
        default = Regulation()
        kinds = {f.name: type(getattr(default, f.name)) for f in fields(default)}
        return Regulation(**{k: kinds[k](v) for k, v in self.sections.regulation.items()})

    def resolved(self) -> dict[str, Any]:
        """Every key with the value that holds, plain JSON types; own series appear with a digest of their values."""
        plain = self.sections.model_dump(mode="json")
        regulation = self.regulation()
        plain["regulation"] = {f.name: getattr(regulation, f.name) for f in fields(regulation)}
        plain["party"] = [{"name": p.name, "roles": list(p.roles)} for p in self._parties()]
        plain["scenario"].pop("base")
        plain["series"] = {k: v for k, v in plain["series"].items() if v is not None}
        for kind, values in self.series.items():
            plain["series"][kind]["sha256"] = hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
        source = self.sections.grid.file
        if source is not None:
            content = source.encode() if is_simbench(source) else (self.path.parent / source).read_bytes()
            plain["grid"]["file_sha256"] = hashlib.sha256(content).hexdigest()
        if self.sections.fleet.sessions is not None:
            content = (self.path.parent / self.sections.fleet.sessions).read_bytes()
            plain["fleet"]["sessions_sha256"] = hashlib.sha256(content).hexdigest()
        return plain

    def digest(self) -> str:
        """Short hash of everything that shapes the results, seed and labels apart."""
        plain = self.resolved()
        for label in ("name", "description", "seed"):
            plain["scenario"].pop(label)
        plain.pop("output")
        plain["grid"].pop("file")
        plain["fleet"].pop("sessions")
        for spec in plain["series"].values():
            spec.pop("file")
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_settings(self, seed: int | None = None) -> Settings:
        """The frozen bundle that the model takes.

        Parameters
        ----------
        seed : int, optional
            Another root of the random streams than the scenario's.
        """
        head = self.sections.scenario
        return Settings(
            name=head.name,
            description=head.description,
            first_day=head.first_day,
            days=head.days,
            seed=head.seed if seed is None else seed,
            representation=head.representation,
            regulation=self.regulation(),
            fleet=self._fleet(),
            grid=self._grid(),
            signals=SignalSettings(**self.sections.absolute_signal.model_dump()),
            agreements=tuple(AgreementSettings(**a.model_dump()) for a in self.sections.agreement),
            is_gap_wanted=self.sections.output.is_gap,
            tenants=tuple(TenantSettings(**t.model_dump()) for t in self.sections.tenant),
            system=SystemSettings(**self.sections.system.model_dump()),
            parties=self._parties(),
            series=dict(self.series),
            cut_links=tuple((pair[0], pair[1]) for pair in self.sections.links.cut),
            hardware=self._hardware(),
            **information_settings(self.sections),
        )

    def _hardware(self) -> HardwarePlan | None:
        stations = tuple(StationPlan(**s.model_dump()) for s in self.sections.hardware)
        return HardwarePlan(stations, **self.sections.hardware_port.model_dump()) if stations else None

    def _fleet(self) -> FleetSettings:
        fleet = fleet_settings(self.sections.fleet)
        return fleet if fleet.sessions is None else replace(fleet, sessions=str(self.path.parent / fleet.sessions))

    def _grid(self) -> GridSettings:
        events = tuple(EventSettings(**e.model_dump()) for e in self.sections.event)
        keys = self.sections.grid.model_dump()
        grid = GridSettings(**(keys | {"quality": QualityRules(**keys["quality"])}), events=events)
        is_path = grid.file is not None and not is_simbench(grid.file)
        return replace(grid, file=str(self.path.parent / str(grid.file))) if is_path else grid

    def _parties(self) -> tuple[PartySettings, ...]:
        written = tuple(PartySettings(**(p.model_dump() | {"roles": tuple(p.roles)})) for p in self.sections.party)
        return written or DEFAULT_PARTIES


def fleet_settings(fleet: FleetSection) -> FleetSettings:
    """The fleet section as settings; segments in their fixed order, zero charging points becoming one per EV."""
    segments = {}
    for name in SEGMENTS:
        segment = getattr(fleet, name)
        points = segment.charging_points or segment.evs
        segments[name] = SegmentSettings(segment.evs, points, segment.strategy, segment.smart_share)
    return FleetSettings(
        segments=segments,
        v2x_share=fleet.v2x_share,
        plug_in_hybrid_share=fleet.plug_in_hybrid_share,
        opt_out_share=fleet.opt_out_share,
        car_model=fleet.car_model,
        truck_share=fleet.truck_share,
        is_learning=fleet.is_learning,
        sessions=fleet.sessions,
        sessions_time_zone=fleet.sessions_time_zone,
        drivers=DriverSettings(**fleet.drivers.model_dump()),
        cars=CarSettings(**fleet.cars.model_dump()),
    )
