"""The command line's tree of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from experiments.cli import claims, gaps, hil, information, listings, pages, reports, runs, statements, sweeps, uftp

app = typer.Typer(
    name="flexpolder",
    help="Simulate how electric vehicles and the market roles around them trade flexibility under a set of rules.",
    epilog="Exit codes: 0 done, 1 fault of the program, 2 bad input or unusable folder, 3 run failed, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"flexpolder {version('flexpolder')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Options that stand before the command."""


_COMMANDS: tuple[Callable[..., None], ...] = (
    runs.run,
    runs.validate,
    reports.report,
    reports.compare,
    statements.statement,
    gaps.gap,
    uftp.uftp,
    listings.scenarios,
    listings.levers,
    listings.strategies,
    listings.roles,
    listings.calendar,
    sweeps.sweep,
    sweeps.plan,
    sweeps.resume,
    sweeps.query,
    claims.claims,
    information.data_value,
    information.attacks,
    information.share,
    pages.docs,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(hil.app)


def main() -> None:
    """Entry point of the console script."""
    app()
