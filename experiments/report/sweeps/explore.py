"""Section to explore: filters on levers and uncertainties, and two pictures that share one selection."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np
import polars as pl

from experiments.report.naming import name_of, scale_of, title_of
from experiments.report.section import Section, empty
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import plural

MOST_POINTS = 5000
MOST_CHOICES = 8


def section(view: SweepView) -> Section:
    """Every point of the design with filters, linked brushing and a table to download."""
    key, title = "explore", "Explore"
    if not view.kpis:
        return Section(key, title, "", [empty("No run has a value of any figure of interest.")])
    lead = (
        "Each dot is one point of the design, averaged over its replications. Choose what the axes show, filter by "
        "levers and uncertainties, or drag a box over dots: both pictures and the table follow."
    )
    return Section(key, title, lead, [_html(_columns(view))])


def _columns(view: SweepView) -> dict[str, Any]:
    points = view.points
    step = -(-points.height // MOST_POINTS)
    rows = np.arange(0, points.height, step)
    place = (points["policy"].to_numpy()[rows], points["sample"].to_numpy()[rows])
    factors = [_factor(f, points[f].gather(rows)) for f in view.factors if f in points.columns]
    figures = [
        {"key": k, "title": title_of(k), "values": _rounded(view.outcomes[k][place] * scale_of(k))} for k in view.kpis
    ]
    return {
        "factors": [f for f in factors if f is not None],
        "figures": figures,
        "names": [view.policies[p] for p in place[0].tolist()] if not view.is_joint else [str(r) for r in rows],
        "states": place[1].tolist(),
        "base": view.base,
        "policy": place[0].tolist(),
        "total": points.height,
    }


def _rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values.tolist()]


def _factor(key: str, column: pl.Series) -> dict[str, Any] | None:
    found = column.unique().sort().to_list()
    if len(found) < 2:
        return None
    if column.dtype == pl.Boolean or not column.dtype.is_numeric():
        words = ["yes" if v is True else "no" if v is False else str(v).replace("_", " ") for v in column.to_list()]
        return {"key": key, "title": name_of(key), "values": words, "choices": sorted(set(words))}
    values = _rounded(column.cast(pl.Float64).to_numpy() * scale_of(key))
    is_few = len(found) <= MOST_CHOICES
    return {"key": key, "title": title_of(key), "values": values, "choices": sorted(set(values)) if is_few else []}


def _html(data: dict[str, Any]) -> str:
    n = len(data["names"])
    every = -(-data["total"] // MOST_POINTS)
    few = f" One point in {every} is here." if every > 1 else ""
    filters = "".join(_filter(row, f) for row, f in enumerate(data["factors"]))
    packed = json.dumps(data).replace("</", "<\\/")
    return (
        f'<div class="filters" role="group" aria-label="Filters">{filters}</div>'
        '<p class="controls"><button type="button" data-act="reset">Reset filters and selection</button>'
        f'<output data-out="shown" aria-live="polite">{plural(n, "point")}</output></p>'
        f'<div class="pair">{_picture("a", data, 0, 1)}{_picture("b", data, 2, 3)}</div>'
        f'<p class="small">Hollow grey: filtered out or not selected. Star: the base policy.{few}</p>'
        '<div class="table"><table data-name="Selected points" id="explore-table"><caption class="quiet">'
        "Selected points</caption><thead></thead><tbody></tbody></table></div>"
        '<p><button type="button" data-act="download">Selected points as CSV</button></p>'
        f'<script type="application/json" id="explore-data">{packed}</script>'
    )


def _filter(row: int, factor: dict[str, Any]) -> str:
    title = escape(factor["title"])
    if factor["choices"]:
        boxes = "".join(
            f'<label><input type="checkbox" checked data-filter="{row}" value="{k}"> {escape(_shown(c))}</label>'
            for k, c in enumerate(factor["choices"])
        )
        return f"<fieldset><legend>{title}</legend>{boxes}</fieldset>"
    known = [v for v in factor["values"] if v is not None]
    low, high = min(known), max(known)
    ends = f'min="{low}" max="{high}" step="{(high - low) / 100:.6g}"'
    return (
        f"<fieldset><legend>{title}</legend>"
        f'<label>from <input type="range" {ends} value="{low}" data-low="{row}"></label>'
        f'<label>to <input type="range" {ends} value="{high}" data-high="{row}"></label>'
        f'<output data-range="{row}">{low:.4g} to {high:.4g}</output></fieldset>'
    )


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _picture(name: str, data: dict[str, Any], x: int, y: int) -> str:
    titles = [c["title"] for c in (*data["figures"], *data["factors"])]
    picks = ""
    for axis, wanted in (("x", x), ("y", y)):
        chosen = wanted % len(titles)
        options = "".join(
            f'<option value="{k}"{" selected" if k == chosen else ""}>{escape(t)}</option>'
            for k, t in enumerate(titles)
        )
        direction = "across" if axis == "x" else "up"
        picks += f'<label class="pick">{direction} <select data-axis="{name}{axis}">{options}</select></label>'
    plot = f'id="explore-{name}" class="plot" style="min-height:360px" role="img" aria-label="Points of the design"'
    return f"<div>{picks}<div {plot}></div></div>"
