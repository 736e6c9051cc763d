"""Commands on many runs: sweep, plan, resume, query."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.reports import write_page
from experiments.cli.runs import JsonOption, QuietOption, number
from experiments.cli.screen import INTERRUPTED, faults_to_exit, out, progress_bar, say, show_json, show_table

if TYPE_CHECKING:
    from experiments.results import Results
    from experiments.store.place import Place
    from experiments.sweep.drive import SweepResult

MOST_ROWS = 200

SweepArgument = Annotated[str, typer.Argument(help="A sweep .toml file or the name of a bundled sweep.")]
FolderArgument = Annotated[str, typer.Argument(help="Folder of a sweep, or its URI in an object store.")]
OutOption = Annotated[
    str | None,
    typer.Option("--out", help="Folder to write, or a URI such as s3://bucket/folder; results/<name> if not given."),
]
WorkersOption = Annotated[int, typer.Option(help="Processes to use; 0 = one per processor.", min=0)]
AddressOption = Annotated[
    str | None, typer.Option(help="Ray cluster: auto, host:port or ray://host:port; 'local' starts Ray here.")
]
BackendOption = Annotated[
    str | None, typer.Option(help="in_process, process_pool or ray; chosen by address and estimate if not given.")
]


def worker_count(wanted: int) -> int:
    """Processes to use: as wanted, else one per processor of this process."""
    if wanted:
        return wanted
    available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return len(available)


def _check_backend(name: str | None) -> None:
    from experiments.scenario.faults import Fault, InputError, nearest

    known = ("in_process", "process_pool", "ray")
    if name is not None and name not in known:
        raise InputError([Fault("--backend", "", f"'{name}' is no backend; {nearest(name, known)}")])


def sweep(
    file: SweepArgument,
    out_dir: OutOption = None,
    address: AddressOption = None,
    workers: WorkersOption = 0,
    backend: BackendOption = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a sweep; it can be interrupted and resumed at any time."""
    with faults_to_exit():
        from experiments.store.place import place_of
        from experiments.sweep.drive import Conduct, start
        from experiments.sweep.plan import read_sweep

        _check_backend(backend)
        plan = read_sweep(file)
        place = place_of(out_dir or Path("results") / plan.file.sweep.name)
        with progress_bar(f"sweep {plan.file.sweep.name}", quiet=quiet or json_output) as tick, _resumable(place):
            result = start(plan, place, Conduct(worker_count(workers), address, backend, tick=tick))
        page = None if no_report else write_page(out_dir or str(place))
        _show(result, page, json_output=json_output, quiet=quiet)


def resume(
    folder: FolderArgument,
    address: AddressOption = None,
    workers: WorkersOption = 0,
    backend: BackendOption = None,
    allow_changed_source: Annotated[
        bool, typer.Option("--allow-changed-source", help="Continue although the program has changed.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed runs again.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run what is missing in a sweep's folder, on any backend."""
    with faults_to_exit():
        from experiments.store.place import place_of
        from experiments.sweep import drive

        _check_backend(backend)
        place = place_of(folder)
        with progress_bar(f"sweep {place}", quiet=quiet or json_output) as tick, _resumable(place):
            conduct = drive.Conduct(worker_count(workers), address, backend, tick=tick)
            result = drive.resume(place, conduct, allow_changed_source=allow_changed_source, retry_failed=retry_failed)
        page = None if no_report else write_page(folder)
        _show(result, page, json_output=json_output, quiet=quiet)


@contextmanager
def _resumable(place: Place) -> Iterator[None]:
    """Ctrl-C during a sweep: say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted; nothing committed is lost, continue with: flexpolder resume {place}")
        raise typer.Exit(INTERRUPTED) from None


def _show(result: SweepResult, page: str | None, *, json_output: bool, quiet: bool) -> None:
    from experiments.analysis.summary import index_rows, policy_rows
    from experiments.results import Results
    from experiments.sweep.design import JOINT_DESIGNS

    if quiet and not json_output:
        return
    results = Results.open(result.out)
    is_joint = results.manifest["sweep"]["sweep"]["design"] in JOINT_DESIGNS
    if json_output:
        counts = {"new": result.n_new, "failed": result.n_failed, "crashed": result.n_crashed}
        answer = {"indices": index_rows(results)} if is_joint else {"policies": policy_rows(results)}
        show_json({"out": str(result.out), "backend": result.backend, "runs": counts} | answer)
        return
    (_index_table if is_joint else _policy_table)(results)
    bad = f", {result.n_failed} failed, {result.n_crashed} crashed" if result.n_failed + result.n_crashed else ""
    out.print(f"{result.n_new} new runs{bad} in {result.wall_s:.1f} s ({result.backend})")
    out.print(f"results: {result.out}" if page is None else f"report: {page}", soft_wrap=True)


def _title(results: Results) -> str:
    return f"{results.manifest['name']}: {results.manifest['description']}"


def _index_table(results: Results) -> None:
    from experiments.analysis.summary import index_rows

    rows = [
        [
            row["kpi"],
            row["factor"] or row["note"],
            *(_pair(row, name) if row["factor"] else "" for name in ("first", "total")),
        ]
        for row in index_rows(results)
    ]
    show_table(_title(results), ["figure", "factor", "first", "total"], rows, right=(2, 3))


def _pair(row: dict[str, Any], name: str) -> str:
    return f"{number(row[name])} ± {number(row[f'{name}_half_width'])}"


def _policy_table(results: Results) -> None:
    from experiments.analysis.summary import policy_rows

    found = policy_rows(results)
    rows = [
        [
            row["policy"],
            row["kpi"],
            f"{number(row['mean'])} ± {number(row['half_width'])}",
            "base" if row["is_base"] else _pair(row, "difference"),
            str(row["n"]),
        ]
        for row in found
    ]
    show_table(_title(results), ["policy", "figure", "mean", "against base", "runs"], rows[:MOST_ROWS], right=(2, 3, 4))
    if len(rows) > MOST_ROWS:
        say(f'{len(rows) - MOST_ROWS} more rows: flexpolder query {results.place} "SELECT * FROM observations"')


def plan(
    file: SweepArgument,
    workers: WorkersOption = 0,
    address: AddressOption = None,
    out_dir: Annotated[str, typer.Option("--out", help="Where results would go, to see the free space.")] = "results",
    json_output: JsonOption = False,
) -> None:
    """Say what a sweep will take, measured with one of its runs; nothing is written."""
    with faults_to_exit():
        from dataclasses import asdict

        from experiments.store.place import place_of
        from experiments.sweep.drive import Conduct
        from experiments.sweep.estimate import estimate
        from experiments.sweep.plan import read_sweep

        found = estimate(read_sweep(file), Conduct(worker_count(workers), address))
        free_mb = place_of(out_dir).free_mb()
    if json_output:
        show_json(asdict(found) | {"free_disk_mb": free_mb})
        return
    rows = [
        ["policies", str(found.n_policies), ""],
        ["points", str(found.n_points), "policies times samples of the uncertainties"],
        ["distinct scenarios", str(found.n_designs), "points that coincide are run once"],
        ["runs", str(found.n_runs), "the stop rule can make them fewer"],
        ["one run", f"{found.run_s:.2f} s", f"measured; the first of a process {found.first_s:.1f} s"],
        ["expected time", f"{found.wall_s:.0f} s", f"{found.backend} with {found.workers} workers"],
        ["memory of a worker", f"{found.memory_mb:.0f} MB", "measured"],
        ["disk", f"{found.disk_mb:.1f} MB", "" if free_mb is None else f"{free_mb:.0f} MB are free"],
    ]
    show_table(f"Plan of {file}", ["what", "value", "note"], rows, right=(1,))
    if free_mb is not None and found.disk_mb > free_mb:
        say("the results do not fit on the disk")


def query(
    folder: Annotated[str, typer.Argument(help="Folder of a run or a sweep, or its URI.")],
    sql: Annotated[str, typer.Argument(help="SQL over runs, points, observations, kpis and the result tables.")],
    json_output: JsonOption = False,
    limit: Annotated[int, typer.Option(help="Rows shown at most.", min=1)] = 100,
) -> None:
    """Ask a results folder in SQL."""
    with faults_to_exit():
        from experiments.results import Results

        found = Results.open(folder).sql(sql)
    if json_output:
        show_json(found.head(limit).to_dicts())
        return
    rows = [["" if v is None else str(v) for v in row] for row in found.head(limit).rows()]
    show_table(f"{found.height} rows", found.columns, rows)
