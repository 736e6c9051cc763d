"""Building blocks of the page: a chart with its finding, a section with its text, and their HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

PLOT_OPTIONS = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud", "sendDataToCloud"],
}
"""plotly's own options: no button that would send the page's data anywhere."""


@dataclass(frozen=True)
class Chart:
    """A figure, its title and the finding it shows in one or two sentences (also its text alternative)."""

    key: str
    title: str
    finding: str
    figure: go.Figure

    def html(self) -> str:
        """The figure's place on the page with its data as JSON; ``report.js`` draws it."""
        data = self.figure.to_json().replace("</", "<\\/")
        height = self.figure.layout.height or 340
        return (
            f'<figure class="chart" id="{self.key}"><figcaption><h3>{escape(self.title)}</h3>'
            f"<p>{escape(unbroken(self.finding))}</p></figcaption>"
            f'<div class="plot" role="img" aria-label="{escape(self.title)}. {escape(self.finding)}" '
            f'style="min-height:{height}px" data-figure="{self.key}-data"></div>'
            f'<script type="application/json" id="{self.key}-data">{data}</script>'
            f'<button type="button" class="csv" data-from="figure" data-name="{escape(self.title)}">'
            "Data as CSV</button></figure>"
        )


def unbroken(text: str) -> str:
    """A sentence whose signs and percentages stay on one line with their numbers."""
    return text.replace(" %", "\u00a0%").replace("+€", "+\u2060€").replace("−€", "−\u2060€")


def note(text: str) -> str:
    """A paragraph of explanation."""
    return f"<p>{escape(unbroken(text))}</p>"


def empty(reason: str) -> str:
    """A paragraph that says why something is not shown."""
    return f'<p class="empty">{escape(reason)}</p>'


def heading(text: str) -> str:
    """A heading above a table."""
    return f"<h3>{escape(text)}</h3>"


def fold(title: str, inside: str) -> str:
    """Content that opens on request."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


@dataclass(frozen=True)
class Section:
    """One numbered part of the page: ``blocks`` are charts or ready HTML, in reading order."""

    key: str
    title: str
    lead: str
    blocks: Sequence[Chart | str] = ()

    def html(self) -> str:
        """The section as HTML."""
        inside = "".join(b.html() if isinstance(b, Chart) else b for b in self.blocks)
        head = f'<h2 id="{self.key}-title">{escape(self.title)}</h2>'
        lead = f'<p class="lead">{escape(self.lead)}</p>' if self.lead else ""
        return f'<section id="{self.key}" aria-labelledby="{self.key}-title">{head}{lead}{inside}</section>'
