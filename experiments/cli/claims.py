"""Command that tries the claims of the source report."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.runs import JsonOption, QuietOption, number
from experiments.cli.screen import faults_to_exit, out, progress_bar, say, show_json, show_table
from experiments.cli.sweeps import WorkersOption, worker_count

if TYPE_CHECKING:
    from experiments.claims.claim import Check
    from experiments.claims.gallery import Verdict


def claims(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Claims to try; all if none.")] = None,
    scale: Annotated[str, typer.Option(help="small (minutes) or large (many draws, hours).")] = "small",
    list_only: Annotated[bool, typer.Option("--list", help="Only show what is claimed; nothing is run.")] = False,
    workers: WorkersOption = 0,
    page: Annotated[Path | None, typer.Option("--out", help="HTML page to write besides.")] = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Try what the source report claims: evidence with intervals, and a verdict each."""
    with faults_to_exit():
        from experiments.claims.gallery import SCALES, chosen, try_claims
        from experiments.scenario.faults import Fault, InputError, nearest

        if scale not in SCALES:
            raise InputError([Fault("--scale", "", f"'{scale}' is no scale; {nearest(scale, SCALES)}")])
        if list_only:
            rows = [[c.key, c.section, c.sentence] for c in chosen(keys or [])]
            show_table("Claims of the report", ["claim", "section", "what it says"], rows)
            return
        with progress_bar("claims", quiet=quiet or json_output) as tick:
            found = try_claims(keys or [], scale, workers=worker_count(workers), tick=tick)
        if page is not None:
            from experiments.report.claims import write_claims_report

            write_claims_report([v.as_dict() for v in found], page, scale)
    if json_output:
        show_json([v.as_dict() for v in found])
        return
    for verdict in found:
        _show(verdict)
    rows = [[v.claim.key, v.claim.section, v.verdict, _counted(v), f"{v.wall_s:.1f} s"] for v in found]
    show_table("Verdicts", ["claim", "section", "verdict", "checks", "took"], rows)
    if scale == "small":
        say("small experiments: intervals are wide; --scale large narrows them")
    if page is not None:
        out.print(f"page: {page}", soft_wrap=True)


def _show(found: Verdict) -> None:
    out.print(f"{found.claim.key} (section {found.claim.section})", style="bold", markup=False)
    out.print(f"  says: {found.claim.sentence}", markup=False)
    out.print(f"  counts as supported if: {found.claim.criterion}", markup=False)
    for check in found.evidence.checks:
        out.print(f"  {_mark(check)} {check.what}: {_value(check)}", markup=False)
    if found.evidence.remark:
        out.print(f"  {found.evidence.remark}", markup=False)
    if any(c.is_judged and c.holds is None for c in found.evidence.checks):
        out.print("  ? = the interval holds the limit: these draws do not tell", markup=False)
    out.print(f"  verdict: {found.verdict}\n", style="bold", markup=False)


def _mark(check: Check) -> str:
    if not check.is_judged:
        return "·"
    return {True: "✓", False: "✗", None: "?"}[check.holds]


def _counted(found: Verdict) -> str:
    """How many checks hold, fail and are open."""
    marks = [_mark(c) for c in found.evidence.checks if c.is_judged]
    return " ".join(f"{marks.count(m)}{m}" for m in "✓✗?" if m in marks)


def _value(check: Check) -> str:
    half = (
        f" ± {number(check.found.half_width)}"
        if check.found.half_width > 0 and isfinite(check.found.half_width)
        else ""
    )
    limit = ""
    if check.is_judged:
        limit = f" (must be above {check.above:g})" if check.above is not None else f" (must be below {check.below:g})"
    return f"{number(check.found.mean)}{half} {check.unit}".rstrip() + limit
