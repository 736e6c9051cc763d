"""Section on messages: who talked to whom, with which protocol."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import chart
from experiments.report.section import Chart, Section, empty, fold, heading, note
from experiments.report.view import RunView
from experiments.report.wording import SHORT, count, label, number, percent, plural, table


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
    return Section(key, title, lead, [_matrix(messages), *_troubles(run), *_table(messages)])


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
        x=[SHORT.get(r) or label(r) for r in roles],
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
        "margin": {"l": 190, "t": 110, "b": 10, "r": 100},
        "hovermode": "closest",
    }
    figure = chart([heat], "", 200 + 32 * n, **layout)
    return Chart("messages-matrix", "Who talked to whom", finding, figure)


MOST_KINDS = 12


def _troubles(run: RunView) -> list[str]:
    """What did not arrive as sent: lost, withheld, late, refused."""
    seen = run.table("messages")
    sums = {c: float(seen[c].sum() or 0) for c in ("items", "lost", "withheld", "waited", "refused")}
    told = {
        "lost": "never arrived",
        "withheld": "were not told for want of consent, data or a certificate",
        "waited": "waited for a link to work again",
        "refused": "were refused by the receiver",
    }
    parts = [f"{count(sums[c])} {words}" for c, words in told.items() if sums[c]]
    late = seen.filter(pl.col("timeliness_share") < 0.9995)["message"].to_list()
    text = f"Of {count(sums['items'])} things told, " + ("; ".join(parts) if parts else "all arrived and were believed")
    text += f". Later than their own quarter-hour: {', '.join(sorted(set(late))[:6])}." if late else "."
    out = [heading("What did not arrive as sent"), note(text)]
    refusals = run.table("refusals")
    if refusals.height:
        rows = [
            [m, label(a), label(b), label(r), count(n)]
            for m, a, b, r, n in refusals.sort("count", descending=True).head(15).iter_rows()
        ]
        out.append(table(["Message", "Claimed sender", "Refused by", "Reason", "Count"], rows, "Refusals", 4))
    return out


def _table(messages: pl.DataFrame) -> list[str]:
    """The most frequent kinds, the rest folded."""
    real = ["bytes", "delay_mean_s", "lost", "completeness_share", "timeliness_share"]
    rows = [
        [
            r["message"],
            label(r["sender_role"]),
            label(r["receiver_role"]),
            label(r["protocol"]),
            count(r["count"]),
            count(r["items"]),
            number(r["bytes"] / 1000),
            number(r["delay_mean_s"]),
            count(r["lost"]),
            percent(r["completeness_share"], 1),
            percent(r["timeliness_share"], 1),
        ]
        for r in messages.sort("count", "message", descending=[True, False])
        .with_columns(pl.col(real[:3]).cast(pl.Float64).fill_null(0.0))
        .iter_rows(named=True)
    ]
    heads = ["Message", "From", "To", "Protocol", "Count", "Items", "Size (kB)", "Mean delay (s)", "Lost", "Complete"]
    heads += ["In time"]
    first = table(heads, rows[:MOST_KINDS], "Messages by kind", 4)
    if len(rows) <= MOST_KINDS:
        return [heading("Messages by kind"), first]
    every = fold(f"All {len(rows)} kinds of messages", table(heads, rows, "All messages by kind", 4))
    return [heading(f"The {MOST_KINDS} most frequent kinds of messages"), first, every]
