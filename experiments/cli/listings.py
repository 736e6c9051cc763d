"""Commands that show what there is: scenarios, levers, strategies, roles, calendar."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli.runs import JsonOption, ScenarioArgument, SetOption
from experiments.cli.screen import faults_to_exit, out, show_json, show_table


def scenarios(json_output: JsonOption = False) -> None:
    """List the bundled scenarios."""
    with faults_to_exit():
        from experiments.scenario.reader import bundled, load

        heads = {name: load(path)["scenario"] for name, path in bundled().items()}
    if json_output:
        show_json({name: head.get("description", "") for name, head in heads.items()})
        return
    rows = [[name, str(head.get("days", 7)), head.get("description", "")] for name, head in heads.items()]
    show_table("Bundled scenarios", ["name", "days", "description"], rows, right=(1,))


def levers(json_output: JsonOption = False) -> None:
    """List the regulatory parameters with unit, default, range and source."""
    from experiments.pages import lever_rows

    rows = lever_rows()
    if json_output:
        show_json(rows)
        return
    head = ["lever", "default", "range", "unit", "meaning", "source"]
    if out.is_terminal and out.width < 160:
        texts = [f"{row['meaning']} [{row['source']}]" for row in rows]
        ranges = [f"{row['range']} {row['unit']}" for row in rows]
        short = [[row["lever"], str(row["default"]), *pair] for row, *pair in zip(rows, ranges, texts, strict=True)]
        show_table("Levers", ["lever", "default", "range", "meaning [source]"], short)
        return
    show_table("Levers", head, [[str(row[key]) for key in head] for row in rows])


def strategies() -> None:
    """List the charging strategies."""
    from experiments.pages import strategy_rows

    show_table("Charging strategies", ["strategy", "meaning"], strategy_rows())


def roles(
    coverage: Annotated[bool, typer.Option("--coverage", help="Which functions have code and a test.")] = False,
    json_output: JsonOption = False,
) -> None:
    """List the roles' functions; with --coverage, whether each has code and a test."""
    from experiments.coverage import function_rows

    rows = function_rows(with_coverage=coverage)
    if json_output:
        show_json(rows)
        return
    head = ["id", "role", "function", *(["code", "test"] if coverage else [])]
    show_table("Functions of the roles", head, [[str(row[key]) for key in head] for row in rows])
    if coverage:
        n = [sum(bool(row[key]) for row in rows) for key in ("code", "test")]
        show_table("Coverage", ["functions", "with code", "with test"], [[str(len(rows)), *map(str, n)]])


def calendar(
    scenario: ScenarioArgument = "default", settings: SetOption = None, json_output: JsonOption = False
) -> None:
    """Show when everything of a market day happens in a scenario."""
    with faults_to_exit():
        from experiments.pages import calendar_rows
        from experiments.scenario import read_scenario

        rows = calendar_rows(read_scenario(scenario, settings or []).regulation())
    if json_output:
        show_json(rows)
        return
    head = ["day", "time", "what", "source"]
    show_table(f"Market day of {scenario}", head, [[str(row[key]) for key in head] for row in rows])
