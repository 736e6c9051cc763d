"""Power quality after EN 50160 and ageing of transformers, as parts of the section on the grid."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, UNCONTROLLED, chart
from experiments.report.section import Chart, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, label, listing, number, percent, plural, table

ASPECT = {
    "voltage": "Voltage",
    "unbalance": "Unbalance (negative sequence)",
    "phase_difference": "Difference between phases",
    "frequency": "Frequency",
    "frequency_outer": "Frequency",
}
NOMINAL = {"voltage": 1.0, "frequency": 50.0, "frequency_outer": 50.0}
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
        name = _limit(str(aspect), part)
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


def asked(run: RunView, aspect: str, otherwise: tuple[float, float, float]) -> tuple[float, float, float]:
    """Lower and upper edge and share of time that the run's rules ask for; ``otherwise`` where no verdict tells."""
    found = run.table("quality").filter(pl.col("aspect") == aspect, pl.col("limit_low").is_not_null())
    if found.is_empty():
        return otherwise
    low, high, share = found.select("limit_low", "limit_high", "required_share").row(0)
    return float(low), float(high), float(share)


def _limit(aspect: str, part: pl.DataFrame) -> str:
    """What was asked, in words; an older run does not tell."""
    if part["limit_low"].null_count():
        return ASPECT.get(aspect, label(aspect))
    low, high, required = (float(part[c][0]) for c in ("limit_low", "limit_high", "required_share"))
    if aspect in NOMINAL:
        up, down = (digits(100 * abs(edge / NOMINAL[aspect] - 1)) for edge in (high, low))
        band = f"within ±{up} %" if up == down else f"within +{up} % and −{down} %"
    else:
        band = f"at most {digits(100 * high)} %"
    when = "always" if required == 1.0 else f"{digits(100 * required)} % of the time"
    return f"{ASPECT.get(aspect, label(aspect))} {band}, {when}"


def digits(value: float) -> str:
    """A number of at most four digits without noughts at its end."""
    return f"{value:.4g}"


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
