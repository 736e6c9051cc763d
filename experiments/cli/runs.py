"""Commands on a single run: run, validate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.screen import faults_to_exit, out, progress_bar, say, show_json, show_table

if TYPE_CHECKING:
    from experiments.run import RunResult
    from experiments.scenario import Scenario

ScenarioArgument = Annotated[str, typer.Argument(help="A .toml file or the name of a bundled scenario.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Other value at a key, e.g. regulation.min_bid_mw=0.1; repeatable."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")]


HEADLINES = (
    "driver_cost_eur_per_kwh",
    "driver_saving_eur_per_kwh",
    "satisfied_share",
    "opt_out_share",
    "co2_saved_kg",
    "ev_peak_kw",
    "ev_peak_reduction_share",
    "transformer_loading_max_share",
    "transformer_uncontrolled_loading_max_share",
    "overload_branch_h",
    "voltage_min_pu",
    "redispatch_cost_eur",
    "day_ahead_mean_eur_per_mwh",
    "brp_imbalance_cost_eur",
    "fcr_awarded_mw",
    "rejected_orders",
)
"""Key figures shown after a run; ``kpis.json`` holds all."""


def _overrides(settings: list[str] | None, seed: int | None) -> list[str]:
    return [*(settings or []), *([] if seed is None else [f"scenario.seed={seed}"])]


def run(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(help="Root of all random streams, instead of the scenario's.")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder to write; results/<name> if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in that folder.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where a failed run failed.")] = False,
) -> None:
    """Simulate one scenario and write tables, key figures and a report."""
    with faults_to_exit(with_traceback=traceback):
        from experiments.hil.summary import announcement
        from experiments.run import run_scenario
        from experiments.scenario import read_scenario

        checked = read_scenario(scenario, _overrides(settings, seed))
        place = out_dir or Path("results") / checked.name
        writer = None if no_report else write_report
        for line in announcement(checked) if not quiet else ():
            say(line)
        with progress_bar(f"simulating {checked.name}", quiet=quiet or json_output) as tick:
            result = run_scenario(checked, place, overwrite=overwrite, write_report=writer, progress=tick)
    if json_output:
        show_json({"out": str(result.out), "kpis": result.kpis, "manifest": result.manifest})
    elif not quiet:
        show_summary(checked, result)


def show_summary(scenario: Scenario, result: RunResult) -> None:
    """The key figures and where everything is."""
    from experiments.hil.summary import station_lines
    from experiments.kpis import KPIS

    rows = [[name, number(result.kpis[name]), KPIS[name].unit, KPIS[name].meaning] for name in HEADLINES]
    show_table(f"{scenario.name}: {scenario.description}", ["figure", "value", "unit", "meaning"], rows, right=(1,))
    head = scenario.sections.scenario
    days = f"{head.days} day{'s' if head.days > 1 else ''}"
    took = f"{result.manifest['simulation_s']:.1f} s of simulation"
    for line in station_lines(result.out) if scenario.sections.hardware else ():
        out.print(line, soft_wrap=True)
    out.print(f"{days}, seed {head.seed}, one simulated EV stands for {head.representation}; {took}")
    report_path = result.out / "report.html"
    out.print(f"all {len(KPIS)} figures: {result.out / 'kpis.json'}", soft_wrap=True)
    out.print(f"report: {report_path}" if report_path.is_file() else f"results: {result.out}", soft_wrap=True)


def number(value: float) -> str:
    """A figure with about four digits; a dash where it is not defined."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def validate(scenario: ScenarioArgument, settings: SetOption = None, json_output: JsonOption = False) -> None:
    """Check a scenario file and show what it resolves to; nothing is simulated."""
    with faults_to_exit():
        from experiments.scenario import read_scenario

        checked = read_scenario(scenario, settings or [])
    if json_output:
        show_json(checked.resolved())
        return
    head = checked.sections.scenario
    say(f"{checked.path.name} is sound: {head.days} days from {head.first_day}, {checked.horizon.n_periods} periods")


def write_report(folder: Path) -> Path:
    """Write a run's report; plotly is imported here because it takes long."""
    from experiments.report import write_run_report

    return write_run_report(folder)
