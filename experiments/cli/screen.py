"""What a command shows: consoles, faults in one line each, progress only on a terminal."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 3, 130

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Tick = Callable[[int, int], None]


def say(text: str) -> None:
    """A line for people, on standard error, so that standard output stays clean for scripts."""
    err.print(text, markup=False)


def show_json(value: Any) -> None:
    """JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def show_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A table on standard output; tab-separated without frame when that is not a terminal."""
    if not out.is_terminal:
        for row in (head, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for index, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if index in right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=index == 0 or index in right)
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    out.print(table)


@contextmanager
def faults_to_exit(*, with_traceback: bool = False) -> Iterator[None]:
    """Turn a user's mistakes into one line each and an exit code.

    Parameters
    ----------
    with_traceback : bool
        Also show where a failed run failed.
    """
    from experiments.run import RunFailed
    from experiments.scenario.faults import InputError
    from experiments.store.folder import FolderError

    try:
        yield
    except InputError as error:
        n = len(error.faults)
        say(f"{n} fault{'s' if n > 1 else ''} in the input, nothing was written:")
        for fault in error.faults:
            say(f"  {fault}")
        raise typer.Exit(BAD_INPUT) from None
    except FolderError as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from None
    except RunFailed as error:
        say(str(error))
        if with_traceback:
            say("".join(traceback.format_exception(error.__cause__)))
        else:
            say("add --traceback to see where")
        raise typer.Exit(RUN_FAILED) from None
    except KeyboardInterrupt:
        say("interrupted, nothing was written")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def progress_bar(label: str, *, quiet: bool) -> Iterator[Tick | None]:
    """A progress bar on a terminal, None elsewhere; the tick takes (done, total)."""
    if quiet or not err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def tick(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tick
