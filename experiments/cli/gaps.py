"""The gap of a run: how much more each segment's charging cost than the cheapest way to charge the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.screen import faults_to_exit, say, show_json, show_table


def gap(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    json_output: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Show how far each segment of a run was from the optimum that had known everything beforehand."""
    with faults_to_exit():
        columns = gap_of_run(folder)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if json_output:
        show_json(rows)
        return
    cells = [
        [str(r["segment"]), str(r["strategy"]), f"{r['energy_kwh']:,.0f}", f"{r['run_eur']:,.2f}",
         f"{r['optimum_eur']:,.2f}", f"{100.0 * r['gap_share']:.1f}", str(r["solver"])]
        for r in rows
    ]  # fmt: skip
    head = ["segment", "strategy", "kWh", "run EUR", "optimum EUR", "gap %", "found by"]
    show_table("Gap to the optimum", head, cells, right=(2, 3, 4, 5))
    say("The optimum knew every arrival, departure and price; energy is valued at the contract price both ways.")


def gap_of_run(folder: Path) -> dict[str, list[Any]]:
    """Columns of table ``gap`` of a stored run; FolderError if it is none, or if its tables were not kept."""
    from agents.optimality import gap_columns
    from agents.settings import SEGMENTS
    from experiments.results import Results

    found = Results.open(folder)
    sessions = found.table("sessions").collect()
    price = found.table("prices").sort("period").collect()["contract_eur_per_kwh"].to_numpy()
    fleet = found.manifest["scenario"]["fleet"]
    strategy_of = {name: fleet[name]["strategy"] for name in SEGMENTS}
    return gap_columns({name: sessions[name].to_numpy() for name in sessions.columns}, price, strategy_of)
