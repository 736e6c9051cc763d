"""The one look of all pages: contents at the side, head, sections, foot, and everything in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from plotly.offline import get_plotlyjs

from experiments.report.section import PLOT_OPTIONS, Section, unbroken


def asset(name: str) -> str:
    """Text of a file beside this module."""
    return (files("experiments.report") / name).read_text(encoding="utf-8")


def page_of(
    title: str,
    top: str,
    parts: Sequence[Section],
    foot: str,
    scripts: Sequence[str] = (),
    has_figures: bool = True,
) -> str:
    """A self-contained page.

    Parameters
    ----------
    title : str
        Title of the window.
    top : str
        HTML of the header and of the summary, whose section has the id ``summary``.
    parts : sequence of Section
        What follows, in order.
    foot : str
        One line at the end.
    scripts : sequence of str
        Names of further scripts; each may push an async function on ``window.extras``, which is awaited.
    has_figures : bool
        Whether the page needs the drawing library.
    """
    body = "".join(part.html() for part in parts)
    more = "".join(f"<script>{asset(name)}</script>" for name in scripts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>flexpolder: {escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{asset('style.css')}</style></head><body>"
        '<a class="skip" href="#summary">To the summary</a>'
        f"{_contents(parts)}<main>{top}{body}<footer>{escape(foot)}</footer></main>"
        + (f"<script>{get_plotlyjs()}</script>" if has_figures else "")
        + f'<script type="application/json" id="plot-options">{json.dumps(PLOT_OPTIONS)}</script>'
        f"{more}<script>{asset('report.js')}</script></body></html>"
    )


def _contents(parts: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#{p.key}">{escape(p.title)}</a></li>' for p in parts)
    return (
        '<nav aria-label="Contents"><a class="brand" href="#top">flexpolder</a>'
        f'<ol><li><a href="#summary">Summary</a></li>{links}</ol></nav>'
    )


def header(kind: str, name: str, about: str, meta: Sequence[str], scale: str) -> str:
    """Head of a page: what it is, its name, a line about it, sizes, and a caution about scale."""
    lines = "<br>".join(escape(m) for m in meta)
    return (
        f'<header id="top"><p class="kind">{escape(kind)}</p><h1>{escape(name)}</h1>'
        + (f'<p class="about">{escape(about)}</p>' if about else "")
        + f'<p class="meta">{lines}</p><p class="scale">{scale}</p></header>'
    )


def summary(tiles: Sequence[str], findings: Sequence[str], rest: str = "") -> str:
    """The summary section: tiles (ready HTML), findings (plain sentences), and what follows (ready HTML)."""
    text = "".join(f"<li>{escape(unbroken(s))}</li>" for s in findings)
    return (
        '<section id="summary" aria-labelledby="summary-title"><h2 id="summary-title">Summary</h2>'
        f'<ul class="tiles">{"".join(tiles)}</ul><ul class="findings">{text}</ul>{rest}</section>'
    )
