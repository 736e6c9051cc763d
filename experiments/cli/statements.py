"""The statement of a run: what each party received and paid, by month and reason, from the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.screen import BAD_INPUT, faults_to_exit, say, show_json, show_table

if TYPE_CHECKING:
    from markets.statement import Statement


def statement(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    party: Annotated[
        str | None, typer.Argument(help="A company, an account such as 'dso: Noordnet', or a role; all if not given.")
    ] = None,
    month: Annotated[str | None, typer.Option("--month", help="One month, such as 2026-01.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Show what each party received and paid in a run, by month and reason."""
    with faults_to_exit():
        rows = statement_rows(folder)
    chosen = [r for r in rows if (party is None or _is_of(str(r["party"]), party)) and month in (None, r["month"])]
    if not chosen:
        accounts, months = (sorted({str(r[key]) for r in rows}) for key in ("party", "month"))
        say(f"no payments of {party or 'anybody'} in {month or 'any month'}")
        say(f"accounts: {', '.join(accounts)}; months: {', '.join(months)}")
        raise typer.Exit(BAD_INPUT)
    if json_output:
        show_json(chosen)
        return
    amounts = ("received_eur", "paid_eur", "net_eur")
    cells = [[str(r[k]) for k in ("party", "month", "reason")] + [f"{r[k]:,.2f}" for k in amounts] for r in chosen]
    sums = [f"{sum(r[k] for r in chosen):,.2f}" for k in amounts]
    head = ["party", "month", "reason", "received EUR", "paid EUR", "net EUR"]
    show_table("Statement", head, [*cells, ["all", "", "", *sums]], right=(3, 4, 5))


def statement_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of the statement of a stored run; FolderError if it is none."""
    found = _of_run(folder)
    columns = {name: getattr(found, name).tolist() for name in found._fields}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _of_run(folder: Path) -> Statement:
    from experiments.store.folder import read_table
    from markets.statement import statement as add_up

    clock = read_table(folder, "periods").sort("period")
    ledger = read_table(folder, "ledger")
    month = clock["time_utc"].dt.convert_time_zone("Europe/Amsterdam").dt.strftime("%Y-%m").to_numpy()
    return add_up({name: ledger[name].to_numpy() for name in ledger.columns}, month)


def _is_of(account: str, party: str) -> bool:
    """Whether an account (``role: company`` or a name) belongs to what was asked for."""
    role, _, company = account.partition(": ")
    return party in (account, role, company)
