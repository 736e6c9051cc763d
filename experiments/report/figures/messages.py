"""Section on messages: who talked to whom, with which protocol."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import chart
from experiments.report.section import Chart, Section, empty, heading
from experiments.report.view import RunView
from experiments.report.wording import count, label, number, plural, table


def section(run: RunView) -> Section:
    """The matrix of messages and the table by kind."""
    key, title = "messages", "Messages"
    messages = run.table("messages")
    if messages.is_empty():
        return Section(key, title, "", [empty("No messages were counted in this run.")])
    lead = (
        "Roles decide on what they observed themselves or were told by a message on a link. One message can carry "
        "items for many chargers."
    )
    return Section(key, title, lead, [_matrix(messages), heading("Messages by kind"), _table(messages)])


def _matrix(messages: pl.DataFrame) -> Chart:
    pairs = messages.group_by("sender_role", "receiver_role").agg(
        pl.col("count").sum(), pl.col("protocol").unique().sort().alias("protocols")
    )
    roles = sorted(set(pairs["sender_role"]) | set(pairs["receiver_role"]))
    place = {r: i for i, r in enumerate(roles)}
    n = len(roles)
    counts, words = np.full((n, n), np.nan), [["" for _ in roles] for _ in roles]
    for sender, receiver, number_, protocols in pairs.iter_rows():
        counts[place[sender], place[receiver]] = number_
        words[place[sender]][place[receiver]] = ", ".join(label(p) for p in protocols if p)
    names = [label(r) for r in roles]
    heat = go.Heatmap(
        x=names,
        y=names,
        z=np.log10(np.maximum(counts, 1)).tolist(),
        text=[[count(v) if np.isfinite(v) else "" for v in row] for row in counts],
        customdata=words,
        texttemplate="%{text}",
        textfont={"size": 11},
        hovertemplate="%{y} → %{x}: %{text} messages (%{customdata})<extra></extra>",
        colorscale=[[0, "#eaf3f9"], [1, "#2f8cc0"]],
        showscale=False,
        xgap=2,
        ygap=2,
    )
    top = messages.group_by("sender_role", "receiver_role").agg(pl.col("count").sum()).sort("count", descending=True)
    sender, receiver, most = top.row(0)
    lost = plural(float(messages["lost"].sum() or 0), "message")
    finding = (
        f"{plural(float(messages['count'].sum()), 'message')} on {plural(top.height, 'link')}; the busiest is "
        f"{label(sender)} to {label(receiver)} with {count(most)}. {lost} "
        "got lost. Rows send, columns receive."
    )
    layout = {
        "xaxis": {"side": "top", "tickangle": -35, "showgrid": False},
        "yaxis": {"autorange": "reversed", "showgrid": False},
        "margin": {"l": 190, "t": 150, "b": 10, "r": 130},
        "hovermode": "closest",
    }
    figure = chart([heat], "", 200 + 32 * n, **layout)
    return Chart("messages-matrix", "Who talked to whom", finding, figure)


def _table(messages: pl.DataFrame) -> str:
    ordered = messages.sort("count", "message", descending=[True, False])
    columns = ["message", "sender_role", "receiver_role", "protocol", "count", "items", "bytes", "delay_mean_s", "lost"]
    rows = [
        [m, label(a), label(b), label(p), count(c), count(i), number(s / 1000), number(d), count(x)]
        for m, a, b, p, c, i, s, d, x in ordered.select(
            pl.col(columns[:4]), pl.col(columns[4:]).cast(pl.Float64).fill_null(0.0)
        ).iter_rows()
    ]
    heads = ["Message", "From", "To", "Protocol", "Count", "Items", "Size (kB)", "Mean delay (s)", "Lost"]
    return table(heads, rows, "Messages by kind", 4)
