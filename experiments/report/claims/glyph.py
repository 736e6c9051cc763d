"""A small picture of one figure: its interval against its limit, drawn as SVG without a library."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from experiments.report.wording import number

WIDTH, HEIGHT, MARGIN = 220, 26, 10
COLOUR = {True: "#0072B2", False: "#D55E00", None: "#55616d"}


def glyph(check: Mapping[str, Any]) -> str:
    """Interval as a bar with its mean, the limit as an upright line, the right side shaded; text for screen readers."""
    mean, half = check["mean"], check["half_width"] or 0.0
    limit = check["above"] if check["above"] is not None else check["below"]
    if mean is None:
        return "not measured"
    low, high = mean - half, mean + half
    ends = [low, high] if limit is None else [low, high, limit]
    first, last = min(ends), max(ends)
    room = 0.25 * (last - first) or max(abs(first), 1.0) * 0.1
    first, last = first - room, last + room

    def x(value: float) -> float:
        return round(MARGIN + (value - first) / (last - first) * (WIDTH - 2 * MARGIN), 1)

    colour, middle = COLOUR[check["holds"]], HEIGHT / 2
    parts = []
    if limit is not None:
        start, end = (x(limit), WIDTH - MARGIN) if check["above"] is not None else (MARGIN, x(limit))
        parts.append(
            f'<rect x="{start}" y="2" width="{max(end - start, 0):.1f}" height="{HEIGHT - 4}" fill="#e8f1f7"/>'
        )
        parts.append(
            f'<line x1="{x(limit)}" x2="{x(limit)}" y1="2" y2="{HEIGHT - 2}" stroke="#1d2733" stroke-width="1.5"/>'
        )
    parts.append(f'<line x1="{x(low)}" x2="{x(high)}" y1="{middle}" y2="{middle}" stroke="{colour}" stroke-width="3"/>')
    parts.append(f'<circle cx="{x(mean)}" cy="{middle}" r="4.5" fill="{colour}"/>')
    text = f"from {number(low)} to {number(high)}" + (f", limit {number(limit)}" if limit is not None else "")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(text)}">'
        f"{''.join(parts)}</svg>"
    )
