"""Section on checks, method and provenance: what was verified, what the numbers rest on, what they cannot say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import polars as pl

from experiments.report.figures.money import money_residual_eur
from experiments.report.figures.prices import moment
from experiments.report.section import Section, empty, fold, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, label, number, plural, table
from markets.levers import Regulation

TOLERANCE = 1e-6
LIMITS = (
    "Currents and voltages are means of 15 minutes; EN 50160 uses means of 10 minutes, so short excursions are hidden.",
    "A run shorter than a week says less than EN 50160 asks for, which judges a whole week.",
    "The rest of the Dutch system (plants, wind, sun, neighbours) is stylised; prices come out of bids of that system.",
    "Towns, drivers and companies are synthetic; shares and shapes follow published figures, persons do not.",
    "The uncontrolled counterfactual keeps prices as they are: it does not feed back into the markets.",
    "This is one draw of weather and behaviour; a difference between rules needs several seeds.",
)


def section(run: RunView) -> Section:
    """Residuals, rejected bids and events."""
    blocks = [_residuals(run), *_rejections(run), *_events(run)]
    lead = "What the run verified about itself. A failed check is a reason to look before using the numbers."
    return Section("checks", "Checks", lead, blocks)


def method(run: RunView) -> Section:
    """Provenance: scenario, seed, versions, rules in force, limits."""
    blocks = [heading("Limits of what this page can say")]
    blocks.append("<ul>" + "".join(f"<li>{escape(t)}</li>" for t in LIMITS) + "</ul>")
    blocks += [heading("Provenance"), _provenance(run), *_levers(run), *_scenario(run)]
    lead = (
        "The model follows the reference architecture for smart and bidirectional charging of the SCALE project "
        "(deliverable D1.4) and Dutch market rules. The full result tables lie beside this page as Parquet files."
    )
    return Section("method", "Method and provenance", lead, blocks)


def verdicts(run: RunView) -> list[tuple[str, str, str]]:
    """The checks as (what, measured, passed | failed | not checked)."""
    out = []
    ledger = run.table("ledger")
    if ledger.is_empty():
        out.append(("Money: receipts − payments over all accounts (€)", "no payments", "not checked"))
    else:
        residual = abs(money_residual_eur(run))
        allowed = TOLERANCE * max(1.0, float(ledger["amount_eur"].abs().sum()) * 1e-3)
        out.append(("Money: receipts − payments over all accounts (€)", _tiny(residual), _word(residual <= allowed)))
    residuals = run.table("energy")["residual_kwh"].drop_nulls()
    if residuals.is_empty():
        out.append(("Energy: source − connections − losses, worst period (kWh)", "no power flow", "not checked"))
    else:
        worst, sent = float(residuals.abs().max()), run.table("energy")["source_kwh"].abs().max()  # type: ignore[arg-type]
        allowed = TOLERANCE * max(1.0, float(sent or 0.0))  # type: ignore[arg-type]
        title = "Energy: source − connections − losses, worst period (kWh)"
        out.append((title, _tiny(worst), _word(worst <= allowed)))
    out.append(_convergence(run))
    return out


def _tiny(value: float) -> str:
    """A residual, with its order of magnitude if it is only rounding."""
    return f"{value:.1e}".replace("-", "−") if 0 < value < 1e-3 else number(value)


def _word(is_good: bool) -> str:
    return "passed" if is_good else "failed"


def _convergence(run: RunView) -> tuple[str, str, str]:
    title = "Power flow: periods without a solution"
    if run.table("branch_loading").is_empty():
        return title, "no power flow", "not checked"
    unknown = int(np.sum(np.isnan(run.matrices["loading_share"]).all(axis=1)))
    told = run.table("events").filter(pl.col("kind").str.contains("(?i)power.?flow|converg"))["period"].n_unique()
    bad = max(unknown, told)
    return title, count(bad), _word(bad == 0)


def _residuals(run: RunView) -> str:
    rows = [list(v) for v in verdicts(run)]
    return table(["Check", "Measured", "Verdict"], rows, "Checks")


def _rejections(run: RunView) -> list[str]:
    rejected = run.table("rejections")
    if rejected.is_empty():
        return [note("No bid was rejected.")]
    grouped = rejected.group_by("market", "party", "rule").agg(pl.col("count").sum()).sort("count", descending=True)
    rows = [[label(m), p, r, count(n)] for m, p, r, n in grouped.head(40).iter_rows()]
    total = plural(float(rejected["count"].sum()), "bid")
    text = note(f"{total} rejected: a bid that breaks a rule is refused with the rule's name and the run goes on.")
    return [heading("Rejected bids"), text, table(["Market", "Party", "Rule", "Count"], rows, "Rejected bids", 3)]


def _events(run: RunView) -> list[str]:
    events = run.table("events").sort("period")
    if events.is_empty():
        return [note("No special events were recorded.")]
    inside = events.filter(pl.col("period").is_between(0, run.n_periods - 1))
    rows = [
        [moment(run, p), label(k), t or ""] for p, k, t in inside.select("period", "kind", "text").head(50).iter_rows()
    ]
    more = note(f"The first 50 of {count(inside.height)} are shown.") if inside.height > 50 else ""
    return [heading("Events"), table(["Moment", "Kind", "What happened"], rows, "Events", 9), more]


def _provenance(run: RunView) -> str:
    known = {
        "name": "Scenario",
        "seed": "Seed",
        "representation": "National EVs per simulated EV",
        "python": "Python",
        "platform": "Platform",
        "wall_time_s": "Wall time (s)",
        "simulation_s": "Simulation (s)",
        "peak_memory_mb": "Peak memory (MB)",
        "source_digest": "Digest of the program",
        "scenario_digest": "Digest of the scenario",
        "content_sha256": "Digest of the results",
    }
    rows = [[name, _text(run.manifest[k])] for k, name in known.items() if run.manifest.get(k) is not None]
    versions = run.manifest.get("versions")
    if isinstance(versions, Mapping):
        rows += [[f"Version of {k}", _text(v)] for k, v in versions.items()]
    elif versions:
        rows.append(["Versions", _text(versions)])
    if not rows:
        return empty("This run has no manifest, so its provenance is unknown.")
    sizes = run.manifest.get("tables")
    listed = [[k, _text(v.get("rows", v) if isinstance(v, Mapping) else v)] for k, v in (sizes or {}).items()]
    return table(["Item", "Value"], rows, "Provenance", 9) + fold(
        "Result tables and their rows", table(["Table", "Rows"], listed, "Result tables")
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return number(value, 4)
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _levers(run: RunView) -> list[str]:
    chosen = run.scenario("regulation")
    if not isinstance(chosen, Mapping):
        return []
    rows: list[list[str]] = []
    for name, field in Regulation.__dataclass_fields__.items():
        if name not in chosen:
            continue
        mark = "changed" if chosen[name] != field.default else ""
        shown = [_text(chosen[name]), _text(field.default), mark, field.metadata["source"], f"regulation.{name}"]
        rows.append([field.metadata["meaning"], *shown])
    heads = ["Rule", "This run", "Default", "", "Source", "Key"]
    changed = [row for row in rows if row[3]]
    every = fold(f"All {len(rows)} rules in force", table(heads, rows, "Rules in force", 9))
    title = heading("Rules that differ from their default")
    if not changed:
        return [title, note("None: every rule of this run has its default value."), every]
    few = [row[:3] + row[4:] for row in changed]
    return [title, table(heads[:3] + heads[4:], few, "Rules that differ from their default", 9), every]


def _scenario(run: RunView) -> list[str]:
    scenario = run.manifest.get("scenario")
    if not scenario:
        return []
    text = json.dumps(scenario, indent=1, default=str)
    return [fold("The resolved scenario", f"<pre>{escape(text)}</pre>")]
