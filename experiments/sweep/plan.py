"""A checked sweep: its points, the distinct scenarios behind them, its jobs and their seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from experiments.kpis import KPIS
from experiments.scenario import Fault, InputError, Scenario, read_scenario
from experiments.scenario.checks import fault_of_error
from experiments.scenario.faults import nearest
from experiments.scenario.reader import read_toml
from experiments.store.tables import TABLES
from experiments.sweep.axes import Axis, axis_of, is_label, not_swept, overlap_faults
from experiments.sweep.design import JOINT_DESIGNS, Point, joint_positions, policies, uncertainty_samples, values_at
from experiments.sweep.file import MAX_RUNS, SweepFile

BUNDLED_DIR = Path(__file__).parent.parent / "sweeps"
SHOWN_FAULTS = 20


@dataclass(frozen=True)
class SweepPlan:
    """Everything a sweep will do.

    Parameters
    ----------
    file : SweepFile
        The validated sweep file.
    base : Scenario
        The base scenario.
    axes : tuple of Axis
        Levers, then uncertainties.
    policy_names : tuple of str
        Name of every policy.
    base_policy : int
        The policy that equals the base scenario; -1 = none.
    points : tuple of Point
        The design.
    designs : tuple of dict
        Distinct scenarios, as values over the base; several points may share one.
    design_ids : tuple of str
        Digest of each distinct scenario.
    point_design : tuple of int
        Row in ``designs`` of every point.
    """

    file: SweepFile
    base: Scenario
    axes: tuple[Axis, ...]
    policy_names: tuple[str, ...]
    base_policy: int
    points: tuple[Point, ...]
    designs: tuple[dict[str, Any], ...]
    design_ids: tuple[str, ...]
    point_design: tuple[int, ...]

    @property
    def replications(self) -> int:
        """Most replications of a point."""
        return self.file.sweep.replications

    @property
    def kpis(self) -> tuple[str, ...]:
        """Key figures of interest."""
        return tuple(self.file.sweep.kpis) or tuple(KPIS)

    @property
    def n_jobs(self) -> int:
        """Most runs that the sweep can take."""
        return len(self.designs) * self.replications

    def job(self, index: int) -> Job:
        """The job of a number below :attr:`n_jobs`."""
        design, replication = divmod(index, self.replications)
        return Job(index, design, replication, seed_of(self.file.sweep.seed, replication), self.designs[design])

    def jobs(self, replications: range) -> Iterator[int]:
        """Numbers of the jobs of some replications, design by design."""
        for design in range(len(self.designs)):
            for replication in replications:
                yield design * self.replications + replication


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    index: int
    design: int
    replication: int
    seed: int
    values: dict[str, Any]


def seed_of(root: int, replication: int) -> int:
    """Seed of a replication: the same for every policy (common random numbers), below 2**31."""
    return int(np.random.SeedSequence(root, spawn_key=(replication,)).generate_state(1)[0]) >> 1


def bundled_sweeps() -> dict[str, Path]:
    """Sweeps that come with the product, by name."""
    return {p.stem: p for p in sorted(BUNDLED_DIR.glob("*.toml"))}


def read_sweep(source: str | Path) -> SweepPlan:
    """Read and check a sweep file (or bundled sweep); InputError with every fault found."""
    path = Path(source)
    if not path.is_file():
        if str(source) not in bundled_sweeps():
            text = f"no such file and no bundled sweep; {nearest(str(source), bundled_sweeps())}"
            raise InputError([Fault(str(source), "", text)])
        path = bundled_sweeps()[str(source)]
    raw = read_toml(path)
    base = raw.get("sweep", {}).get("scenario") if isinstance(raw.get("sweep"), dict) else None
    beside = path.parent / str(base)
    return plan_of(raw, path.name, beside if beside.is_file() else base)


def plan_of(raw: Mapping[str, Any], file: str, base: Scenario | Path | str | None) -> SweepPlan:
    """Check a raw sweep and lay out its design; InputError with every fault found.

    Parameters
    ----------
    raw : mapping
        The sweep file as nested dict.
    file : str
        Name for faults.
    base : Scenario, path or name
        The base scenario.
    """
    try:
        sections = SweepFile.model_validate(raw)
    except ValidationError as error:
        raise InputError([fault_of_error(e, file, SweepFile) for e in error.errors(include_url=False)]) from None
    faults = _name_faults(sections, file)
    scenario, wrong = _base_of(base, sections, file)
    faults += wrong
    axes, wrong = _axes_of(sections, file)
    faults += wrong
    if faults or scenario is None:
        raise InputError(faults)
    return _laid_out(sections, scenario, axes, file)


def _base_of(base: Scenario | Path | str | None, sections: SweepFile, file: str) -> tuple[Scenario | None, list[Fault]]:
    if isinstance(base, Scenario):
        return base, []
    try:
        return read_scenario(base or sections.sweep.scenario), []
    except InputError as error:
        return None, [Fault(file, "sweep.scenario", str(f)) for f in error.faults]


def _axes_of(sections: SweepFile, file: str) -> tuple[tuple[Axis, ...], list[Fault]]:
    placed: list[tuple[str, Axis]] = []
    faults: list[Fault] = []
    for kind, found in (("lever", sections.lever), ("uncertainty", sections.uncertainty)):
        for row, section in enumerate(found, start=1):
            axis, wrong = axis_of(section, file, f"{kind}.{row}")
            faults += wrong
            if axis is not None:
                placed.append((f"{kind}.{row}", axis))
    keys = [(f"{place}.key", axis.key) for place, axis in placed]
    return tuple(axis for _, axis in placed), faults + overlap_faults(keys, file)


def _name_faults(sections: SweepFile, file: str) -> list[Fault]:
    named = [("sweep.kpis", k) for k in sections.sweep.kpis]
    named += [("stop.kpi", sections.stop.kpi)] if sections.stop else []
    faults = [
        Fault(file, place, f"'{k}' is not a key figure; {nearest(k, KPIS)}") for place, k in named if k not in KPIS
    ]
    wrong = [t for t in sections.output.tables if t not in TABLES]
    faults += [Fault(file, "output.tables", f"'{t}' is not a table; {nearest(t, TABLES)}") for t in wrong]
    if sections.stop and sections.stop.min_replications > sections.sweep.replications:
        text = f"{sections.stop.min_replications} is more than sweep.replications = {sections.sweep.replications}"
        faults.append(Fault(file, "stop.min_replications", text))
    return faults + _design_faults(sections, file)


def _design_faults(sections: SweepFile, file: str) -> list[Fault]:
    design, faults = sections.sweep.design, []
    if design == "list":
        if not sections.policy:
            faults.append(Fault(file, "policy", "a list design needs [[policy]] tables: the design has no points"))
        if sections.lever:
            faults.append(Fault(file, "lever", "a list design takes [[policy]] tables, not [[lever]]"))
        names = [p.name for p in sections.policy]
        faults += [Fault(file, "policy", f"'{n}' appears twice") for n in dict.fromkeys(names) if names.count(n) > 1]
        return faults + _policy_faults(sections, file)
    if sections.policy:
        faults.append(Fault(file, "policy", f"belongs to design = 'list', not '{design}'"))
    if not sections.lever and not (sections.uncertainty and design in (*JOINT_DESIGNS, "full_factorial")):
        faults.append(Fault(file, "lever", "nothing is varied: the design has no points"))
    if design == "sobol" and sections.sweep.samples & (sections.sweep.samples - 1):
        faults.append(Fault(file, "sweep.samples", f"{sections.sweep.samples} is not a power of two, as sobol needs"))
    return faults


def _policy_faults(sections: SweepFile, file: str) -> list[Fault]:
    """Named policies that set a label, the same thing twice, or what an uncertainty varies."""
    uncertain = [(f"uncertainty.{row}", a.key) for row, a in enumerate(sections.uncertainty, start=1)]
    faults = []
    for row, policy in enumerate(sections.policy, start=1):
        places = [(f"policy.{row}.set.{key}", key) for key in policy.set]
        faults += [Fault(file, place, not_swept(key)) for place, key in places if is_label(key)]
        faults += overlap_faults([*uncertain, *places], file)
    return list(dict.fromkeys(faults))


def _laid_out(sections: SweepFile, base: Scenario, axes: tuple[Axis, ...], file: str) -> SweepPlan:
    head = sections.sweep
    levers, uncertain = axes[: len(sections.lever)], axes[len(sections.lever) :]
    at_base = {a.key: value_at(base, a.key) for a in axes}
    if head.design in JOINT_DESIGNS:
        found = values_at(axes, joint_positions(head.design, len(axes), head.samples, head.seed))
        points = [Point(row, 0, values) for row, values in enumerate(found)]
        names, base_policy = [""] * len(found), -1
    else:
        chosen, names = _policies(sections, levers, at_base)
        base_policy = _base_row(chosen, base)
        if base_policy < 0 and head.has_base:
            chosen, names, base_policy = [{}, *chosen], ["base", *names], 0
        states = uncertainty_samples(uncertain, head.uncertainty_samples, head.seed)
        points = [Point(p, s, {**c, **u}) for p, c in enumerate(chosen) for s, u in enumerate(states)]
    _check_size(len(points) * head.replications, file)
    designs, ids, point_design = _distinct(points, base, file)
    named = axes if head.design in JOINT_DESIGNS else levers  # states of the uncertainties belong to no policy
    names = [name or _policy_name(p.values, named) for name, p in zip(names, _first_points(points), strict=True)]
    return SweepPlan(sections, base, axes, tuple(names), base_policy, tuple(points), designs, ids, point_design)


def _first_points(points: list[Point]) -> list[Point]:
    return list({p.policy: p for p in reversed(points)}.values())[::-1]


def _policies(
    sections: SweepFile, levers: tuple[Axis, ...], at_base: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    if sections.sweep.design == "list":
        return [dict(p.set) for p in sections.policy], [p.name for p in sections.policy]
    found = policies(sections.sweep.design, levers, at_base, sections.sweep.samples, sections.sweep.seed)
    return found, [""] * len(found)


def _base_row(chosen: list[dict[str, Any]], base: Scenario) -> int:
    """The first policy that changes nothing; -1 = none."""
    for row, values in enumerate(chosen):
        if all(value_at(base, key) == value for key, value in values.items()):
            return row
    return -1


def value_at(scenario: Scenario, key: str) -> Any:
    """Value of a scenario at a dotted key; None where there is none."""
    found: Any = scenario.resolved()
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _policy_name(values: Mapping[str, Any], axes: tuple[Axis, ...]) -> str:
    shown = [f"{a.key.rpartition('.')[2]}={_short(values[a.key])}" for a in axes if a.key in values]
    return ", ".join(shown) or "base"


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _check_size(n_runs: int, file: str) -> None:
    if n_runs > MAX_RUNS:
        raise InputError([Fault(file, "sweep", f"{n_runs:,} runs are more than {MAX_RUNS:,}; choose a smaller design")])


def _distinct(
    points: list[Point], base: Scenario, file: str
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...], tuple[int, ...]]:
    """Distinct scenarios of the points; every one is checked, faults of all are collected."""
    rows: dict[str, int] = {}
    designs: list[dict[str, Any]] = []
    point_design: list[int] = []
    faults: dict[tuple[str, str], Fault] = {}
    for point in points:
        try:
            digest = base.with_values(point.values).digest()
        except InputError as error:
            faults |= {(f.key, f.text): Fault(file, f.key, f.text) for f in error.faults}
            continue
        if digest not in rows:
            rows[digest] = len(designs)
            designs.append(point.values)
        point_design.append(rows[digest])
    if faults:
        raise InputError(list(faults.values())[:SHOWN_FAULTS])
    return tuple(designs), tuple(rows), tuple(point_design)
