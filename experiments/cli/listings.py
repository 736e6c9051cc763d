"""Commands that show what there is: scenarios, levers, strategies, roles, calendar."""

from __future__ import annotations

from experiments.cli.runs import JsonOption
from experiments.cli.screen import faults_to_exit, show_json, show_table


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
    show_table("Levers", head, [[str(row[key]) for key in head] for row in rows])


def strategies() -> None:
    """List the charging strategies."""
    from experiments.pages import strategy_rows

    show_table("Charging strategies", ["strategy", "meaning"], strategy_rows())
