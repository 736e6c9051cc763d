"""Turn a raw nested dict into sections, or into the list of everything wrong with it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from agents.messages import MESSAGES
from agents.settings import DEFAULT_PARTIES, SEGMENTS
from experiments.scenario.faults import Fault, nearest
from experiments.scenario.hardware_checks import hardware_faults
from experiments.scenario.information import information_faults
from experiments.scenario.sections import (
    FleetSection,
    GridSection,
    LinksSection,
    OutputSection,
    PartySection,
    ScenarioFile,
    TenantSection,
)
from experiments.store.tables import TABLES
from markets import levers

ROLE_NAMES = tuple(sorted({role for party in DEFAULT_PARTIES for role in party.roles}))
"""Market roles that a scenario must give to at least one party each."""

_TYPE_WORDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "date_type": "a date such as 2026-01-19 (without quotes)",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table of keys",
    "model_attributes_type": "a table of keys",
    "finite_number": "a finite number",
}


def sections_of(raw: Mapping[str, Any], file: str) -> tuple[dict[str, Any], list[Fault]]:
    """Validate a raw scenario section by section, so that one bad section hides no fault of another.

    Parameters
    ----------
    raw : mapping
        Nested dict as read from TOML, overrides applied.
    file : str
        Name shown in faults.

    Returns
    -------
    sections : dict
        The sections that are sound, by name.
    faults : list of Fault
        Everything that is wrong; empty if the scenario is sound.
    """
    fields = ScenarioFile.model_fields
    faults = [_unknown(file, (key,)) for key in raw if key not in fields]
    sections: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in raw and not field.is_required():
            sections[name] = field.get_default()
            continue
        try:
            sections[name] = _adapter(name).validate_python(raw.get(name, {}), strict=True)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            faults += [fault_of_error({**e, "loc": (name, *e["loc"])}, file) for e in errors]
    if isinstance(raw.get("regulation", {}), Mapping):
        faults += regulation_faults(raw.get("regulation", {}), file)
    return sections, [*faults, *_cross_faults(sections, file)]


@cache
def _adapter(section: str) -> TypeAdapter[Any]:
    annotation: Any = ScenarioFile.model_fields[section].annotation
    return TypeAdapter(annotation)


def _cross_faults(sections: Mapping[str, Any], file: str) -> list[Fault]:
    """Faults between keys, of the sections that are sound in themselves."""
    faults = _party_faults(sections["party"], file) if "party" in sections else []
    if "fleet" in sections:
        faults += _fleet_faults(sections["fleet"], file)
    if {"hardware", "hardware_port", "fleet"} <= set(sections):
        faults += hardware_faults(sections["hardware"], sections["hardware_port"], sections["fleet"], file)
    if "tenant" in sections:
        faults += _tenant_faults(sections["tenant"], file)
    if "grid" in sections:
        faults += _grid_faults(sections["grid"], sections.get("fleet"), file)
    if "links" in sections:
        faults += _link_faults(sections["links"], file)
    if "output" in sections:
        faults += _output_faults(sections["output"], file)
    faults += information_faults(sections, file)
    return faults


def _unknown(file: str, location: tuple[Any, ...], root: type[BaseModel] = ScenarioFile) -> Fault:
    text = f"unknown key; {nearest(str(location[-1]), keys_at(location[:-1], root))}"
    return Fault(file, _key(location), text)


def _key(location: tuple[Any, ...]) -> str:
    """Dotted key; rows of lists count from 1."""
    return ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in location)


def fault_of_error(error: Any, file: str, root: type[BaseModel] = ScenarioFile) -> Fault:
    """One pydantic error in this product's words, with the key path below a root section."""
    location = tuple(error["loc"])
    key = _key(location)
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown(file, location, root)
    if kind == "missing":
        return Fault(file, key, f"is required: {_description(location, root)}")
    if kind in _TYPE_WORDS:
        return Fault(file, key, f"{value!r} is not {_TYPE_WORDS[kind]}")
    if kind == "literal_error":
        return Fault(file, key, f"{value!r} is not one of {error['ctx']['expected']}")
    if kind == "string_pattern_mismatch":
        return Fault(file, key, f"{value!r} may hold only letters, digits, '_', '-' and '.', at most 64")
    if kind in {"greater_than_equal", "less_than_equal", "greater_than", "less_than"}:
        return Fault(file, key, f"{_shown(value)} is outside {_range_text(location, root)}")
    return Fault(file, key, f"{_shown(value)}: {error['msg'][0].lower()}{error['msg'][1:]}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _model_at(location: Iterable[Any], root: type[BaseModel]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = root
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        if part not in model.model_fields:
            return None
        model = _model_in(model.model_fields[part].annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as ``list[PartySection]`` or ``SeriesSection | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(a) for a in getattr(annotation, "__args__", ()))
    return next((m for m in found if m is not None), None)


def keys_at(location: Iterable[Any], root: type[BaseModel] = ScenarioFile) -> list[str]:
    """Keys that may stand at a place of the file, such as ``("fleet", "home")``."""
    location = tuple(location)
    if location == ("regulation",):
        return [f.name for f in levers.levers()]
    model = _model_at(location, root)
    return list(model.model_fields) if model else []


def _field_at(location: tuple[Any, ...], root: type[BaseModel]) -> FieldInfo | None:
    model = _model_at(location[:-1], root)
    return model.model_fields.get(str(location[-1])) if model else None


def annotation_at(location: Iterable[Any]) -> str:
    """Name of the type of a scenario key, such as ``float``; empty if there is no such key."""
    found = _field_at(tuple(location), ScenarioFile)
    return getattr(found.annotation, "__name__", "") if found else ""


def _description(location: tuple[Any, ...], root: type[BaseModel]) -> str:
    found = _field_at(location, root)
    return (found.description or "see docs/scenario.md") if found else "see docs/scenario.md"


def _range_text(location: tuple[Any, ...], root: type[BaseModel]) -> str:
    low, high = bounds_at(location, root)
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def bounds_at(location: tuple[Any, ...], root: type[BaseModel] = ScenarioFile) -> tuple[Any, Any]:
    """Lowest and highest value of a key; None where there is no bound."""
    found = _field_at(location, root)
    low = high = None
    for rule in found.metadata if found else ():
        low = next((getattr(rule, a) for a in ("ge", "gt") if getattr(rule, a, None) is not None), low)
        high = next((getattr(rule, a) for a in ("le", "lt") if getattr(rule, a, None) is not None), high)
    return low, high


def regulation_faults(regulation: Mapping[str, Any], file: str) -> list[Fault]:
    """What is wrong with the levers of a scenario."""
    known = [f.name for f in levers.levers()]
    faults = []
    for name, value in regulation.items():
        if name not in known:
            faults.append(Fault(file, f"regulation.{name}", f"unknown lever; {nearest(name, known)}"))
        elif (text := levers.fault_of(name, value)) is not None:
            faults.append(Fault(file, f"regulation.{name}", text))
    return faults or _price_limit_faults(regulation, file)


def _price_limit_faults(regulation: Mapping[str, Any], file: str) -> list[Fault]:
    keys = ("absolute_signal_threshold_share", "congestion_threshold_share")
    default = levers.Regulation()
    signal, congestion = (regulation.get(k, getattr(default, k)) for k in keys)
    if signal >= congestion:
        return []
    text = f"{signal} is below regulation.{keys[1]} = {congestion}: the last resort must come after the market"
    return [Fault(file, f"regulation.{keys[0]}", text)]


def _party_faults(parties: list[PartySection], file: str) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    held: set[str] = set()
    for row, party in enumerate(parties, start=1):
        if party.name in seen:
            faults.append(
                Fault(file, f"party.{row}.name", f"'{party.name}' appears twice; every party needs its own name")
            )
        seen.add(party.name)
        for role in party.roles:
            if role not in ROLE_NAMES:
                text = f"'{role}' is not a role; {nearest(role, ROLE_NAMES)}"
                faults.append(Fault(file, f"party.{row}.roles", text))
        held.update(party.roles)
    faults += _aggregator_faults(parties, file)
    missing = [role for role in ROLE_NAMES if role not in held]
    if parties and missing:
        faults.append(Fault(file, "party", f"nobody holds {', '.join(missing)}; give each role to at least one party"))
    return faults


MANY_MAY_HOLD = ("aggregator", "brp", "producer")
"""Roles that several parties may hold side by side; every other one is held once."""


def _aggregator_faults(parties: list[PartySection], file: str) -> list[Fault]:
    """Roles held too often, and what is told of aggregators."""
    faults = []
    for role in ROLE_NAMES:
        names = [p.name for p in parties if role in p.roles]
        if role not in MANY_MAY_HOLD and len(names) > 1:
            faults.append(Fault(file, "party", f"{role} is held by {', '.join(names)}; one party is right"))
    share, known = sum(p.customer_share for p in parties if "aggregator" in p.roles), strategy_names()
    if share > 1.0 + 1e-9:
        faults.append(
            Fault(file, "party", f"customer_share of all aggregators adds up to {share:g}; at most 1 is right")
        )
    for row, party in enumerate(parties, start=1):
        if known and party.strategy and party.strategy not in known:
            text = f"'{party.strategy}' is not a strategy; {nearest(party.strategy, known)}"
            faults.append(Fault(file, f"party.{row}.strategy", text))
    return faults


def _fleet_faults(fleet: FleetSection, file: str) -> list[Fault]:
    segments = {name: getattr(fleet, name) for name in SEGMENTS}
    faults = []
    if fleet.sessions is None and all(s.evs == 0 for s in segments.values()):
        faults.append(Fault(file, "fleet", "no segment has EVs; set for example fleet.home.evs"))
    if fleet.car_model and fleet.car_model not in battery_cars():
        text = f"'{fleet.car_model}' is not a battery car; {nearest(fleet.car_model, battery_cars())}"
        faults.append(Fault(file, "fleet.car_model", text))
    known = strategy_names()
    for name, segment in segments.items():
        if known and segment.strategy not in known:
            text = f"'{segment.strategy}' is not a strategy; {nearest(segment.strategy, known)}"
            faults.append(Fault(file, f"fleet.{name}.strategy", text))
    if fleet.home.charging_points > fleet.home.evs:
        text = f"{fleet.home.charging_points} is more than fleet.home.evs = {fleet.home.evs}"
        faults.append(Fault(file, "fleet.home.charging_points", text))
    return faults


def battery_cars() -> tuple[str, ...]:
    """Names of the battery cars that a fleet may consist of."""
    from agents.fleet.figures import BATTERY_CARS

    return tuple(model.name for model in BATTERY_CARS)


def _tenant_faults(tenants: list[TenantSection], file: str) -> list[Fault]:
    """Names that are used twice, and shares that give away more than the whole."""
    faults, seen = [], set()
    for row, tenant in enumerate(tenants, start=1):
        if tenant.name in seen:
            faults.append(Fault(file, f"tenant.{row}.name", f"'{tenant.name}' appears twice"))
        seen.add(tenant.name)
    for key in ("point_share", "load_share", "guaranteed_share"):
        total = sum(getattr(t, key) for t in tenants)
        if total > 1.0 + 1e-9:
            faults.append(Fault(file, "tenant", f"{key} of all tenants adds up to {total:g}; at most 1"))
    return faults


def _grid_faults(grid: GridSection, fleet: FleetSection | None, file: str) -> list[Fault]:
    faults = []
    window_min, mean_min = 60.0 * grid.quality.window_h, grid.quality.average_min
    if window_min % mean_min:
        text = (
            f"{grid.quality.window_h:g} h is no whole number of means of grid.quality.average_min = {mean_min} minutes"
        )
        faults.append(Fault(file, "grid.quality.window_h", text))
    if grid.file is not None:
        return faults
    if fleet is not None and fleet.home.evs > grid.homes:
        text = f"{fleet.home.evs} is more than grid.homes = {grid.homes}; every home has at most one charging point"
        faults.append(Fault(file, "fleet.home.evs", text))
    if grid.lv_areas > grid.homes:
        faults.append(Fault(file, "grid.lv_areas", f"{grid.lv_areas} is more than grid.homes = {grid.homes}"))
    return faults


@cache
def strategy_names() -> tuple[str, ...]:
    """Names of the charging strategies, read from the registry's source text.

    Importing the registry would load the numerical kernels, which takes seconds; a test holds the two equal.
    """
    spec = importlib.util.find_spec("agents.fleet.strategies")
    assert spec is not None and spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.value, ast.Dict)
            and ast.unparse(node.target) == "STRATEGIES"
        ):
            return tuple(ast.literal_eval(key) for key in node.value.keys if key is not None)
    raise RuntimeError(f"no dict STRATEGIES in {spec.origin}")


def _link_faults(links: LinksSection, file: str) -> list[Fault]:
    pairs = sorted({(m.sender, m.receiver) for m in MESSAGES.values()})
    known = sorted({role for pair in pairs for role in pair})
    faults = []
    for row, pair in enumerate(links.cut, start=1):
        place = f"links.cut.{row}"
        wrong = [role for role in pair if role not in known]
        faults += [Fault(file, place, f"'{role}' is not a role; {nearest(role, known)}") for role in wrong]
        if len(pair) != 2:
            faults.append(Fault(file, place, f"{pair} is not a pair [sender role, receiver role]"))
        elif not wrong and tuple(pair) not in pairs:
            to = ", ".join(receiver for sender, receiver in pairs if sender == pair[0]) or "nobody"
            faults.append(Fault(file, place, f"no message goes from {pair[0]} to {pair[1]}; {pair[0]} speaks to {to}"))
    return faults


def _output_faults(output: OutputSection, file: str) -> list[Fault]:
    wrong = [t for t in output.tables if t not in TABLES]
    return [Fault(file, "output.tables", f"'{t}' is not a table; {nearest(t, TABLES)}") for t in wrong]
