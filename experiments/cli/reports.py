"""Commands that write pages: the report of a run or a sweep, and the comparison of two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.screen import faults_to_exit, out


def report(folder: Annotated[str, typer.Argument(help="Folder of a run or a sweep, or its URI.")]) -> None:
    """Write the HTML report of a run or a sweep again."""
    with faults_to_exit():
        path = write_page(folder)
    out.print(f"report: {path}", soft_wrap=True)


def write_page(folder: str) -> str:
    """Write the report that fits a folder; plotly is imported here because it takes long."""
    from experiments.store.folder import FolderError, read_manifest
    from experiments.store.place import reason

    kind = read_manifest(folder)["kind"]
    try:
        if kind == "sweep":
            from experiments.report.sweeps import write_sweep_report

            return write_sweep_report(folder)
        from experiments.report import write_run_report
        from experiments.results import Results

        return str(write_run_report(Results.open(folder).folder))
    except OSError as error:
        raise FolderError(f"cannot write the report of {folder}: {reason(error)}") from error


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a run: the one to start from.")],
    run_b: Annotated[Path, typer.Argument(help="Folder of another run.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write; results/A-against-B.html if not given.")
    ] = None,
) -> None:
    """Compare two runs on one page: what differs in the rules, and what follows."""
    with faults_to_exit():
        from experiments.report.comparison import write_comparison

        place = out_file or Path("results") / f"{run_a.resolve().name}-against-{run_b.resolve().name}.html"
        path = write_comparison(run_a, run_b, place)
    out.print(f"comparison: {path}", soft_wrap=True)
