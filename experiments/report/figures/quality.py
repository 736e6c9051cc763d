"""Power quality after EN 50160 and ageing of transformers, as parts of the section on the grid."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, UNCONTROLLED, chart
from experiments.report.section import Chart, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, label, listing, number, percent, plural, table

ASPECT = {
    "voltage": "Voltage within ±10 %, 95 % of the week",
    "unbalance": "Unbalance (negative sequence) at most 2 %, 95 % of the week",
    "phase_difference": "Difference between phases at most 2 %, 95 % of the week",
    "frequency": "Frequency within ±1 %, 99.5 % of the week",
    "frequency_outer": "Frequency within +4 % and −6 %, always",
}
MOST_TRANSFORMERS = 12


def quality(run: RunView) -> list[Chart | str]:
    """Verdicts of EN 50160 by aspect, and the areas that do not keep one."""
    found = run.table("quality")
    if found.is_empty():
        return []
    whole = found.filter(pl.col("area").is_in(["all", "country"]))
    rows, bad = [], []
    for (aspect,), part in whole.group_by("aspect", maintain_order=True):
        is_met = bool(part["is_met"].all())
        kept, judged = int(part["nodes_met"].sum()), int(part["nodes"].sum())
        name = ASPECT.get(str(aspect), label(str(aspect)))
        rows.append([name, count(judged), count(kept), percent(float(part["outside_share"].max() or 0), 1)])  # type: ignore[arg-type]
        rows[-1].append("kept" if is_met else "not kept")
        if not is_met:
            areas = found.filter(
                pl.col("aspect") == aspect, ~pl.col("area").is_in(["all", "country"]), ~pl.col("is_met")
            )
            where = f" in {plural(areas['area'].n_unique(), 'area')}" if areas.height else ""
            bad.append(f"“{name}” at {count(judged - kept)} of {plural(judged, 'node')}{where}")
    text = f"Not kept: {listing(bad)}." if bad else "Every node kept every limit."
    text += " Both ways to measure unbalance are shown, because the verdict can differ between them."
    heads = ["Limit", "Nodes × weeks", "Keep it", "Worst: time outside", "Verdict"]
    return [heading("Power quality after EN 50160"), note(text), table(heads, rows, "Power quality")]


def ageing(run: RunView) -> list[Chart | str]:
    """Life used by the transformers against the same week without steering."""
    found = run.table("ageing")
    hours = run.n_periods * run.period_h
    if found.is_empty() or not hours or not found["loss_of_life_h"].is_not_null().any():
        return []
    names = dict(run.table("branches").select("branch_index", "branch").iter_rows())
    top = found.sort("uncontrolled_loss_of_life_h", descending=True, nulls_last=True).head(MOST_TRANSFORMERS).reverse()
    labels = [names.get(i, str(i)) for i in top["branch_index"]]
    traces = [
        go.Bar(
            y=labels,
            x=(100 * top[c] / hours).to_list(),
            name=n,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{x:.2g} %",
        )
        for c, n, colour in (
            ("uncontrolled_loss_of_life_h", "uncontrolled", UNCONTROLLED),
            ("loss_of_life_h", "as simulated", BLUE),
        )
    ]
    used, free = (float(found[c].sum()) for c in ("loss_of_life_h", "uncontrolled_loss_of_life_h"))
    hot, hot_free = (float(found[c].max() or 0.0) for c in ("hot_spot_max_c", "uncontrolled_hot_spot_max_c"))  # type: ignore[arg-type]
    change = f"{percent(used / free - 1, 0, sign=True)} against uncontrolled" if free else ""
    text = (
        f"{plural(found.height, 'transformer')} together used {number(used)} hours of life in {number(hours)} hours of "
        f"clock time each ({change}); the hottest spot reached {number(hot)} °C, uncontrolled {number(hot_free)} °C. "
        "100 % means ageing as fast as under rated conditions (98 °C)."
    )
    axis = {"title": {"text": "Speed of ageing (% of rated)"}}
    figure = chart(traces, "", 140 + 30 * len(labels), barmode="group", xaxis=axis, hovermode="closest")
    return [Chart("ageing", "Ageing of transformers (IEC 60076-7)", text, figure)]
