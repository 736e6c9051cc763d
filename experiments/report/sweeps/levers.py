"""Section on the levers and uncertainties: what moves which figure, and by how much."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import plotly.graph_objects as go

from experiments.analysis.effects import Effect
from experiments.report.naming import interval_text, name_of, scale_of, setting_text, shown_unit, title_of
from experiments.report.palette import CYCLE, RULE, chart
from experiments.report.section import Chart, Section, empty, fold, note
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, listing, plural, table

MOST_FACTORS = 6
OPEN_CHARTS = 4


def section(view: SweepView) -> Section:
    """One chart per key figure with a panel per factor, and all numbers as a table."""
    key, title = "levers", "Levers and their effects"
    if not any(view.effects.values()):
        why = "No lever takes two values in comparable runs, so there is no single effect to show; see the policies."
        return Section(key, title, "", [empty(why)])
    lead = _lead(view)
    still = [kpi for kpi, found in view.effects.items() if found and _is_still(found)]
    moving = {kpi: found for kpi, found in view.effects.items() if found and kpi not in still}
    charts = [_chart(kpi, found, row) for row, (kpi, found) in enumerate(moving.items())]
    more = [fold(plural(len(charts) - OPEN_CHARTS, "more figure"), "".join(c.html() for c in charts[OPEN_CHARTS:]))]
    blocks: list[Chart | str] = [*charts[:OPEN_CHARTS], *(more if len(charts) > OPEN_CHARTS else [])]
    if still:
        blocks.append(note(f"The same under every value: {listing([inside(name_of(k)) for k in still])}."))
    return Section(key, title, lead, [*blocks, fold("All effects as a table", _table(view))])


def _is_still(effects: list[Effect]) -> bool:
    """Whether a figure is the same at every value of every factor."""
    means = np.array([v.mean.mean for e in effects for v in e.levels])
    return bool(np.ptp(means) <= 1e-12 * max(1.0, float(np.abs(means).max()))) if means.size else True


def _lead(view: SweepView) -> str:
    around = {
        "one_at_a_time": "all other levers stay at their base values",
        "list": "all other levers stay at their base values",
    }.get(view.head["design"], "averaged over all values of the others")
    level = f"{100 * view.confidence:g} %"
    return (
        f"Each panel follows one lever or uncertainty, {around}. Bars are {level} intervals of the mean. A difference "
        "between two values of a lever is known better than the bars suggest, because the same drivers and weather "
        "meet each of them; the table gives the differences."
    )


def _chart(kpi: str, effects: list[Effect], row: int) -> Chart:
    shown = effects[:MOST_FACTORS]
    scale, traces, layout = scale_of(kpi), [], {}
    width = 1.0 / len(shown)
    for k, effect in enumerate(shown):
        axis = "" if k == 0 else str(k + 1)
        means = [v.mean.mean * scale for v in effect.levels]
        half = [v.mean.half_width * scale if isfinite(v.mean.half_width) else 0.0 for v in effect.levels]
        x = [v.position * scale_of(effect.factor) for v in effect.levels] if effect.is_numeric else _labels(effect)
        is_line = effect.is_numeric
        traces.append(
            go.Scatter(
                x=x,
                y=means,
                error_y={"type": "data", "array": half, "thickness": 1.5, "width": 5},
                mode="lines+markers" if is_line else "markers",
                name=name_of(effect.factor),
                line={"color": CYCLE[k % len(CYCLE)], "width": 1.5},
                marker={"size": 9, "color": CYCLE[k % len(CYCLE)]},
                xaxis=f"x{axis}",
                yaxis="y",
                hovertemplate=f"%{{x}}: %{{y:.4~g}} {shown_unit(kpi)}<extra></extra>",
            )
        )
        gap = 0.025
        layout[f"xaxis{axis}"] = {
            "domain": [k * width + (gap if k else 0), (k + 1) * width - (gap if k < len(shown) - 1 else 0)],
            "title": {"text": title_of(effect.factor), "font": {"size": 12}},
            "anchor": "y",
            "showgrid": True,
            "gridcolor": RULE,
            "zeroline": False,
            **_ticks(effect, x, len(shown)),
        }
    figure = chart(traces, title_of(kpi), 320, hovermode="closest", showlegend=False, **layout)
    return Chart(f"effect-{row}", name_of(kpi), _finding(kpi, effects), figure)


def _ticks(effect: Effect, x: list[Any], n_panels: int) -> dict[str, Any]:
    """Ticks at the values of the factor where they are few and apart."""
    if not effect.is_numeric:
        return {"range": [-0.5, len(x) - 0.5]}
    gaps = np.diff(sorted(x)) / (np.ptp(x) or 1.0)
    if len(x) > (5 if n_panels < 4 else 3) or np.min(gaps, initial=1.0) < 0.2:
        return {"nticks": 5 if n_panels < 4 else 4}
    return {"tickvals": x, "ticktext": [f"{v:.3g}" for v in x]}


def _labels(effect: Effect) -> list[str]:
    return [level_text(effect, v.label) for v in effect.levels]


def _finding(kpi: str, effects: list[Effect]) -> str:
    sure = [e for e in effects if e.strongest is not None]
    if not sure:
        return f"None of the factors moves {inside(name_of(kpi))} by more than its interval."
    parts = [
        f"{inside(name_of(e.factor))} from {level_text(e, e.levels[0].label)} to "
        f"{level_text(e, e.strongest.label)} changes it by {interval_text(kpi, e.strongest.change, is_change=True)}"
        for e in sure[:3]
        if e.strongest is not None
    ]
    quiet = [inside(name_of(e.factor)) for e in effects if e.strongest is None]
    tail = f" Within noise: {listing(quiet)}." if quiet else ""
    return f"{name_of(kpi)}: {listing(parts)}.{tail}"


def level_text(effect: Effect, label: str) -> str:
    """A level of a factor as people read it: \"0.1 MW\", \"20–40 %\", \"non firm\"."""
    if not effect.is_numeric:
        return setting_text(effect.factor, {"True": True, "False": False}.get(label, label))
    if " to " in label:
        low, high = (float(x) * scale_of(effect.factor) for x in label.split(" to "))
        unit = shown_unit(effect.factor)
        return f"{low:.3g}–{high:.3g} {unit}".rstrip()
    return setting_text(effect.factor, float(label))


def _table(view: SweepView) -> str:
    rows = []
    for kpi, effects in view.effects.items():
        for effect in effects:
            for k, level in enumerate(effect.levels):
                change = "–" if k == 0 else interval_text(kpi, level.change, is_change=True)
                is_sure = k > 0 and abs(level.change.mean) > level.change.half_width
                sure = "" if k == 0 else "yes" if is_sure else "within noise"
                what = [name_of(kpi), name_of(effect.factor), level_text(effect, level.label)]
                rows.append([*what, interval_text(kpi, level.mean), change, sure, str(level.mean.n)])
    heads = ["Figure", "Lever or uncertainty", "Value", "Mean", "Against the first value", "Sure?", "Values"]
    return table(heads, rows, "Effects of levers", 3)
