"""Colours and the base layout of every figure: Okabe and Ito's colour-blind-safe set, one colour per thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from experiments.report.view import RunView

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#1d2733"
GREY, BROWN, FAINT, RULE = "#7b8794", "#8c6d46", "#d7dde3", "#e6eaee"
UNCONTROLLED = "#5b6570"

SEGMENT = {
    "home": BLUE,
    "public_ac": ORANGE,
    "office": GREEN,
    "depot": PINK,
    "shared": SKY,
    "dc_site": VERMILLION,
    "household": GREY,
    "pv": YELLOW,
    "site": BROWN,
}
MARKET = {
    "day_ahead": BLUE,
    "intraday": GREEN,
    "shortage": VERMILLION,
    "surplus": PINK,
    "up": VERMILLION,
    "down": BLUE,
    "forward": GREY,
    "redispatch": ORANGE,
    "fcr": GREEN,
}
STATE = {-1: SKY, 0: "#eceff2", 1: ORANGE, 2: PINK}
STATE_NAME = {
    -1: "−1: too much power, regulation down",
    0: "0: no regulation",
    1: "+1: too little power, regulation up",
    2: "2: both directions in one period",
}
CYCLE = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILLION, BROWN, GREY)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def rgba(colour: str, alpha: float) -> str:
    """A ``#rrggbb`` colour with transparency."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def chart(traces: list[Any], y_title: str = "", height: int = 340, **layout: Any) -> go.Figure:
    """A figure in the house look; ``layout`` overrides it."""
    axis = {"gridcolor": RULE, "zerolinecolor": "#aab4be", "linecolor": "#aab4be", "automargin": True}
    base: dict[str, Any] = {
        "template": None,
        "height": height,
        "margin": {"l": 64, "r": 48, "t": 12, "b": 44},
        "modebar": {
            "orientation": "v",
            "bgcolor": "rgba(255,255,255,0.5)",
            "color": "#aab4be",
            "activecolor": "#0b4f6c",
        },
        "separators": ".,",
        "font": {"family": FONT, "size": 13, "color": BLACK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "x unified",
        "hoverlabel": {"font": {"size": 12}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": axis | {"showgrid": False, "ticks": "outside"},
        "yaxis": axis | {"title": {"text": y_title}, "tickformat": ",.6~g"},
    }
    for key, value in layout.items():
        known = base.get(key)
        base[key] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
    for key, value in base.items():
        if key.startswith(("xaxis", "yaxis")) and key not in ("xaxis", "yaxis"):
            base[key] = axis | value
    return go.Figure(data=traces, layout=base)


def time_chart(run: RunView, traces: list[Any], y_title: str, height: int = 340, **layout: Any) -> go.Figure:
    """A figure over local time."""
    axis: dict[str, Any] = {
        "type": "date",
        "tickformatstops": [
            {"dtickrange": [None, 43_200_000], "value": "%H:%M\n%a %-d %b"},
            {"dtickrange": [43_200_000, None], "value": "%a\n%-d %b"},
        ],
        "hoverformat": "%a %-d %b %Y, %H:%M",
        "title": {"text": f"Local time ({run.time_zone})", "font": {"size": 12}},
    }
    if run.n_periods and run.n_periods * run.period_h <= 24 * 9:
        axis["dtick"] = 86_400_000 if run.n_periods * run.period_h > 49 else 10_800_000
    return chart(traces, y_title, height, **({"xaxis": axis, "meta": {"time": True}} | layout))


def line(run: RunView, values: np.ndarray, name: str, colour: str, unit: str, **style: Any) -> go.Scatter:
    """One value a period as a stepped line over local time (a period's mean holds for the whole period)."""
    look = {"color": colour, "width": 1.6, "shape": "hv"} | style.pop("line", {})
    return go.Scatter(
        **run.clock(),
        y=run.thin(values),
        name=name,
        mode="lines",
        line=look,
        hovertemplate="%{y:,.4~g} " + unit,
        **style,
    )
