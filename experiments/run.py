"""Run one scenario and write its folder."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agents.settings import Settings
from experiments import provenance
from experiments.kpis import kpis_of
from experiments.scenario import Scenario
from experiments.store.folder import (
    MANIFEST,
    SCHEMA_VERSION,
    check_free,
    content_digest,
    write_folder,
    write_json,
    write_tables,
)


class Outcome(Protocol):
    """What a simulation hands back."""

    @property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Columns by table name."""


Simulate = Callable[..., Outcome]
"""Takes :class:`agents.settings.Settings` and, if it has that parameter, ``progress``: a function of (done, total)."""

Tick = Callable[[int, int], None]


class RunFailed(RuntimeError):
    """The simulation itself raised; the message is one line, the cause holds the traceback."""


@dataclass(frozen=True)
class RunResult:
    """A run that is on disk."""

    out: Path
    kpis: dict[str, float]
    digest: str
    manifest: dict[str, Any]


def model() -> Simulate:
    """The simulation, imported on first use because that takes seconds."""
    from agents.model import simulate  # type: ignore[import-untyped, unused-ignore]

    return simulate


def run_scenario(
    scenario: Scenario,
    out: Path,
    *,
    overwrite: bool = False,
    simulate: Simulate | None = None,
    write_report: Callable[[Path], Path] | None = None,
    progress: Tick | None = None,
) -> RunResult:
    """Simulate a scenario and write tables, key figures, manifest and report.

    Parameters
    ----------
    scenario : Scenario
        A checked scenario.
    out : Path
        Folder to write; appears whole or not at all.
    overwrite : bool
        Replace an earlier run at that place.
    simulate : callable, optional
        Another simulation than :func:`agents.model.simulate`.
    write_report : callable, optional
        Writes a report into the folder it is given; none = no report.
    progress : callable, optional
        Told (periods done, periods in all).

    Returns
    -------
    RunResult

    Raises
    ------
    FolderError
        If the folder cannot be written; checked before the simulation starts.
    RunFailed
        If the simulation raises.
    """
    check_free(out, overwrite=overwrite)
    begun = time.perf_counter()
    settings = scenario.to_settings()
    outcome, simulation_s = _timed(simulate or model(), settings, progress)
    kpis = kpis_of(outcome.tables)
    manifest: dict[str, Any] = {}

    def fill(folder: Path) -> None:
        rows = write_tables(folder, outcome.tables, scenario.sections.output.tables)
        write_json(json_ready(kpis), folder / "kpis.json")
        manifest.update(_manifest(scenario, rows, content_digest(folder)))
        manifest.update(simulation_s=round(simulation_s, 3), wall_time_s=round(time.perf_counter() - begun, 3))
        write_json(manifest, folder / MANIFEST)
        if write_report is not None and scenario.sections.output.is_report:
            write_report(folder)

    write_folder(out, fill, overwrite=overwrite)
    return RunResult(out.absolute(), kpis, manifest["content_sha256"], manifest)


def _timed(simulate: Simulate, settings: Settings, progress: Tick | None) -> tuple[Outcome, float]:
    begun = time.perf_counter()
    shows_progress = progress is not None and "progress" in inspect.signature(simulate).parameters
    try:
        outcome = simulate(settings, progress=progress) if shows_progress else simulate(settings)
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else ""
        raise RunFailed(f"simulation of '{settings.name}' failed: {type(error).__name__}: {text}") from error
    return outcome, time.perf_counter() - begun


def _manifest(scenario: Scenario, rows: dict[str, int], digest: str) -> dict[str, Any]:
    head = scenario.sections.scenario
    return {
        "kind": "run",
        "schema_version": SCHEMA_VERSION,
        "name": head.name,
        "description": head.description,
        "seed": head.seed,
        "representation": head.representation,
        "n_periods": scenario.horizon.n_periods,
        "scenario": scenario.resolved(),
        "scenario_digest": scenario.digest(),
        "versions": provenance.versions(),
        "python": provenance.python_version(),
        "source_digest": provenance.source_digest(),
        "peak_memory_mb": round(provenance.peak_memory_mb(), 1),
        "tables": rows,
        "content_sha256": digest,
    }


def json_ready(kpis: Mapping[str, float]) -> dict[str, float | None]:
    """Key figures with null for what is not defined."""
    return {name: None if math.isnan(value) else value for name, value in kpis.items()}
