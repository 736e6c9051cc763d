"""Read a scenario: TOML file or bundled name, with overrides, into a checked :class:`Scenario`."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments.scenario.checks import sections_of
from experiments.scenario.events import agreement_faults, event_faults
from experiments.scenario.faults import Fault, InputError, nearest
from experiments.scenario.scenario import Scenario
from experiments.scenario.sections import SIMBENCH, ScenarioFile, is_simbench
from experiments.scenario.series import read_series
from markets.calendar import Horizon

BUNDLED_DIR = Path(__file__).parent.parent / "scenarios"


def bundled() -> dict[str, Path]:
    """Scenarios that come with the product, by name in alphabetical order."""
    return {p.stem: p for p in sorted(BUNDLED_DIR.glob("*.toml"))}


def read_scenario(source: str | Path, overrides: Iterable[str] = ()) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    source : str or Path
        A ``.toml`` file or the name of a bundled scenario.
    overrides : iterable of str
        ``key.path=value`` with the value as in TOML (quotes around texts may be left out).

    Returns
    -------
    Scenario
        Checked, with the user's own series read.

    Raises
    ------
    InputError
        With every fault found.
    """
    path = find(source)
    raw = load(path)
    places: dict[str, str] = {}
    for text in overrides:
        key, value = parse_override(text)
        put(raw, key, value, text)
        places[key] = "--set"
    return from_raw(raw, path, places)


def from_raw(
    raw: Mapping[str, Any],
    path: Path,
    places: Mapping[str, str] | None = None,
    known_series: dict[str, np.ndarray] | None = None,
) -> Scenario:
    """Check a raw nested dict and build the scenario; see :func:`read_scenario` for errors.

    Parameters
    ----------
    raw : mapping
        Nested dict, base and overrides applied.
    path : Path
        The file it came from; relative paths start in its folder.
    places : mapping, optional
        Other places than the file for single dotted keys (command-line options).
    known_series : dict, optional
        The user's own series if they have been read before.
    """
    file = path.name
    sections, faults = sections_of(raw, file)
    series, wrong = _series_of(sections, path) if known_series is None else (known_series, [])
    faults += wrong
    if "grid" in sections and sections["grid"].file is not None:
        faults += [Fault(file, "grid.file", text) for text in grid_faults(sections["grid"].file, path.parent)]
    faults += _recorded_faults(sections, path)
    if faults:
        raise InputError([Fault((places or {}).get(f.key, f.file), f.key, f.text) for f in faults])
    checked = ScenarioFile.model_construct(**sections)
    scenario = Scenario(sections=checked, path=path, raw=copy.deepcopy(dict(raw)), series=series)
    faults = event_faults(scenario, file) + agreement_faults(scenario, file)
    if faults:
        raise InputError(faults)
    return scenario


def _recorded_faults(sections: Mapping[str, Any], path: Path) -> list[Fault]:
    """What is wrong with a file of recorded sessions as a whole; bad rows are counted in the run instead."""
    if "fleet" not in sections or sections["fleet"].sessions is None or "scenario" not in sections:
        return []
    from agents.fleet.recorded import read_recorded

    fleet, head = sections["fleet"], sections["scenario"]
    try:
        found = read_recorded(
            path.parent / fleet.sessions, Horizon(head.first_day, head.days), time_zone=fleet.sessions_time_zone or None
        )
    except (ValueError, OSError) as error:
        return [Fault(path.name, "fleet.sessions", str(error).splitlines()[0])]
    if len(found.fleet.sessions):
        return []
    reasons = found.rejections["reason"].to_list()
    first = f"; row {found.rejections['row'][0]}: {reasons[0]}" if reasons else ""
    return [Fault(path.name, "fleet.sessions", f"none of {found.n_rows} rows can be used{first}")]


def _series_of(sections: Mapping[str, Any], path: Path) -> tuple[dict[str, np.ndarray], list[Fault]]:
    """The user's own series, as far as the sections that name them are sound."""
    if "scenario" not in sections or "series" not in sections:
        return {}, []
    horizon = Horizon(sections["scenario"].first_day, sections["scenario"].days)
    found, faults = {}, []
    for kind, spec in sections["series"]:
        if spec is None:
            continue
        values, wrong = read_series(kind, spec, path.parent, horizon, path.name)
        faults += wrong
        if values is not None:
            found[kind] = values
    return found, faults


def grid_faults(source: str, folder: Path) -> tuple[str, ...]:
    """What is wrong with a grid source, a line each: a file in a folder, or a SimBench code."""
    if not is_simbench(source):
        return grid_file_faults(folder / source)
    from grid.importers import code_fault

    fault = code_fault(source.removeprefix(SIMBENCH))
    return () if fault is None else (fault,)


def grid_file_faults(path: Path) -> tuple[str, ...]:
    """What is wrong with a grid file, a line each: missing, unreadable, not connected, impossible values."""
    if not path.is_file():
        return (f"no such file: {path}",)
    return _grid_faults_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _grid_faults_once(path: Path, changed_ns: int) -> tuple[str, ...]:
    """The checks of a file's content, done once as long as the file does not change."""
    from grid.files import read_grid

    try:
        read_grid(path)
    except (ValueError, ImportError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        found = lines[1:] if len(lines) > 1 and lines[0].endswith(":") else lines
        return tuple(line if path.name in line else f"{path.name}: {line}" for line in found)
    return ()


def find(source: str | Path) -> Path:
    """Path of a scenario file or bundled name; InputError if there is none."""
    path = Path(source)
    if path.is_file():
        return path.resolve()
    if str(source) in bundled():
        return bundled()[str(source)]
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise InputError([Fault(str(source), "", "no such file; give a .toml file or a bundled name")])
    raise InputError(
        [Fault(str(source), "", f"no file and no bundled scenario of that name; {nearest(str(source), bundled())}")]
    )


def load(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read TOML and lay it over its base scenario, if it names one.

    Raises
    ------
    InputError
        For a syntax error (with line), an unreadable file, or a circle of bases.
    """
    raw = read_toml(path)
    scenario = raw.get("scenario")
    base = scenario.get("base") if isinstance(scenario, dict) else None
    if not isinstance(base, str):
        return raw
    beside = path.parent / base
    base_path = beside.resolve() if beside.is_file() else bundled().get(base)
    if base_path is None:
        known = nearest(base, bundled())
        raise InputError(
            [Fault(path.name, "scenario.base", f"'{base}' is no file here and no bundled scenario; {known}")]
        )
    if base_path in (*seen, path):
        raise InputError([Fault(path.name, "scenario.base", f"'{base}' leads back to this file")])
    below = load(base_path, (*seen, path))
    return _over(below if base_path.parent == path.parent else _anchored(below, base_path.parent), raw)


def _anchored(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Names of files in a base, relative to its own folder, as they hold for a scenario in another one."""
    anchored = copy.deepcopy(raw)
    series = anchored.get("series")
    places = [(anchored.get("grid"), "file"), (anchored.get("fleet"), "sessions")]
    places += [(spec, "file") for spec in series.values()] if isinstance(series, dict) else []
    for section, key in places:
        if isinstance(section, dict) and isinstance(section.get(key), str) and not is_simbench(section[key]):
            section[key] = str(folder / section[key])
    return anchored


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as nested dict; InputError with the line for a syntax error."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = f"(at line {text.count(chr(10)) + 1}, end of document)"
        words = str(error).replace("(at end of document)", last)
        raise InputError([Fault(path.name, "", f"is not valid TOML: {words}")]) from None
    except UnicodeDecodeError as error:
        raise InputError([Fault(path.name, "", f"is not UTF-8 text (byte {error.start})")]) from None
    except OSError as error:
        raise InputError([Fault(str(path), "", f"cannot be read: {error.strerror}")]) from None


def _over(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested dict over another, key by key; lists and values of the top win."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key.path=value``; the value is read as TOML, else taken as text."""
    key, mark, value = text.partition("=")
    key = key.strip()
    if not mark or not key or "." not in key:
        raise InputError([Fault("--set", text, "must be key.path=value, for example regulation.min_bid_mw=0.1")])
    try:
        return key, tomllib.loads(f"v = {value.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()


def put(raw: dict[str, Any], key: str, value: Any, text: str = "") -> None:
    """Set a dotted key of a nested dict in place, opening tables on the way."""
    *way, last = key.split(".")
    table: Any = raw
    for part in way:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
        if not isinstance(table, dict):
            raise InputError([Fault("--set", text or key, f"'{part}' is not a table of keys")])
    table[last] = value
