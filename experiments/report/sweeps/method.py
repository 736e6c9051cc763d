"""Section on method and provenance: what was run, how the intervals are made, what the page cannot say."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from experiments.report.naming import name_of, setting_text, shown_unit
from experiments.report.section import Section, fold, heading
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import count, label, number, table
from markets.levers import Regulation

_DESIGNS = {
    "full_factorial": "Full factorial: every combination of the values.",
    "one_at_a_time": "One at a time: each lever moves alone from the base.",
    "latin_hypercube": "Latin hypercube: every slice of every range is visited once.",
    "sobol": "Sobol sequence with Saltelli's scheme: made for variance shares.",
    "morris": "Morris trajectories: made for screening many factors.",
    "list": "A list of named policies.",
}
LIMITS = (
    "Intervals speak of the randomness inside the model (drivers, weather, prices, faults), not of how right it is.",
    "Levers and uncertainties that this sweep holds constant may matter as much as those it varies.",
    "Ranges of uncertainties are choices of the person who wrote the sweep file; their states are not probabilities.",
    "With many figures and policies some differences look sure by chance: at 95 %, one in twenty.",
    "The rest of the Dutch power system is stylised; towns, drivers and companies are synthetic.",
)


def section(view: SweepView) -> Section:
    """What the numbers rest on."""
    lead = _DESIGNS.get(view.head["design"], view.head["design"])
    lead += (
        " All policies meet the same replications: seeds depend on the replication only. Where policies meet several "
        "states of the uncertainties, one independent value is a replication averaged over the states; intervals are "
        "Student's t."
    )
    blocks = [heading("What was varied"), _varied(view), heading("Limits of what this page can say")]
    blocks.append("<ul>" + "".join(f"<li>{escape(t)}</li>" for t in LIMITS) + "</ul>")
    blocks += [heading("Provenance"), _provenance(view)]
    sweep = json.dumps(view.manifest["sweep"], indent=1, default=str)
    base = json.dumps(view.manifest["base"]["resolved"], indent=1, default=str)
    blocks += [
        fold("The sweep file", f"<pre>{escape(sweep)}</pre>"),
        fold("The base scenario", f"<pre>{escape(base)}</pre>"),
    ]
    return Section("method", "Method and provenance", lead, blocks)


def _varied(view: SweepView) -> str:
    rows = []
    for kind, sections in (
        ("lever", view.manifest["sweep"].get("lever", [])),
        ("uncertainty", view.manifest["sweep"].get("uncertainty", [])),
    ):
        rows += [
            [name_of(a["key"]), kind, _values(view, a), shown_unit(a["key"]), _meaning(a["key"]), a["key"]]
            for a in sections
        ]
    for policy in view.manifest["sweep"].get("policy", []):
        told = ", ".join(f"{name_of(k)}: {setting_text(k, v)}" for k, v in policy["set"].items()) or "as the base"
        rows.append([policy["name"], "policy", told, "", "", ""])
    return table(["What", "Kind", "Values", "Unit", "Meaning", "Key"], rows, "What was varied", 9)


def _values(view: SweepView, axis: dict[str, Any]) -> str:
    column = view.points[axis["key"]] if axis["key"] in view.points.columns else None
    if column is None:
        return ""
    found = column.unique().sort().to_list()
    if column.dtype.is_numeric() and len(found) > 8:
        return f"{setting_text(axis['key'], min(found))} to {setting_text(axis['key'], max(found))}"
    return ", ".join(setting_text(axis["key"], v) for v in found)


def _meaning(key: str) -> str:
    field = Regulation.__dataclass_fields__.get(key.removeprefix("regulation."))
    return str(field.metadata["meaning"]) if field is not None and key.startswith("regulation.") else ""


def _provenance(view: SweepView) -> str:
    m = view.manifest
    wall = view.runs["wall_s"].drop_nulls().drop_nans()
    rows = [
        ["Sweep", m["name"]],
        ["Base scenario", str(m["base"]["resolved"]["scenario"]["name"])],
        ["Root seed", str(view.head["seed"])],
        ["Distinct scenarios", count(m["n_designs"])],
        ["Runs made", count(view.runs.height)],
        ["Runs planned at most", count(m["n_jobs"])],
        ["Stop rule", _stop(m["sweep"].get("stop"))],
        ["Wall time of a run, mean (s)", number(float(wall.mean() or 0.0)) if wall.len() else "–"],  # type: ignore[arg-type]
        ["Python", m["python"]],
        ["Digest of the program", m["source_digest"]],
        *[[f"Version of {label(k)}", str(v)] for k, v in m["versions"].items()],
    ]
    return table(["Item", "Value"], rows, "Provenance", 9)


def _stop(stop: dict[str, Any] | None) -> str:
    if stop is None:
        return "none"
    unit = "of the mean" if stop.get("is_relative") else shown_unit(stop["kpi"])
    return f"half width of {name_of(stop['kpi'])} at most {number(stop['half_width'])} {unit}"
