"""The page that compares two runs."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from experiments.report import selection
from experiments.report.comparison import sections
from experiments.report.comparison.findings import findings
from experiments.report.comparison.pair import Pair, open_pair
from experiments.report.naming import interval_text, is_better, name_of, setting_text, value_text
from experiments.report.section import Section
from experiments.report.shell import header, page_of
from experiments.report.shell import summary as summary_section
from experiments.report.summary import Tile, representation
from experiments.report.wording import inside, listing, plural
from experiments.store.folder import FolderError

SECTIONS: tuple[Callable[[Pair], Section], ...] = (
    sections.settings,
    sections.figures,
    sections.time,
    sections.money,
    sections.drivers,
    sections.method,
)
HEADLINES = (
    "driver_cost_eur_per_kwh",
    "ev_peak_kw",
    "transformer_loading_max_share",
    "overload_branch_h",
    "satisfied_share",
    "ev_co2_g_per_kwh",
    "redispatch_cost_eur",
    "brp_imbalance_cost_eur",
    "fcr_awarded_mw",
    "voltage_min_pu",
)
MOST_TILES = 8
SMALL_SESSION_EUR = 0.005
"""Change of a session's bill below which nobody would notice it."""


def comparison_report(pair: Pair) -> str:
    """One self-contained HTML page about two runs."""
    cases = (selection.Case(pair.names[0], pair.a), selection.Case(pair.names[1], pair.b))
    filters = selection.bar(cases, pair.is_same_clock)
    parts = [build(pair) for build in SECTIONS]
    if filters:
        parts.insert(1, selection.section(cases))
    title = f"{pair.names[0]} against {pair.names[1]}"
    foot = "flexpolder · this page is self-contained and asks nothing of the network"
    return page_of(title, _top(pair, title) + filters, parts, foot, ("selection.js",))


def write_comparison(a: Path, b: Path, place: Path) -> Path:
    """Write the page about two folders of runs.

    Raises
    ------
    FolderError
        If a folder holds no run, or the page cannot be written.
    """
    page = comparison_report(open_pair(a, b))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FolderError(f"cannot write {place}: {error.strerror or error}") from error
    return place


def _top(pair: Pair, title: str) -> str:
    about = "What changes when going from the first run to the second."
    scale = f"<strong>Scale.</strong> {escape(representation(pair.b))}"
    meta = [f"A: {pair.names[0]}", f"B: {pair.names[1]}"]
    tiles = [t.html() for t in _tiles(pair)]
    return header("Comparison of two runs", title, about, meta, scale) + summary_section(tiles, sentences(pair))


def _tiles(pair: Pair) -> list[Tile]:
    known = {k: (a, b) for k, a, b in pair.kpis}
    out: list[Tile] = []
    for kpi in HEADLINES:
        if kpi in known and len(out) < MOST_TILES:
            a, b = known[kpi]
            is_small = abs(b - a) <= sections.SMALL_SHARE * max(abs(a), abs(b))
            change = f"{value_text(kpi, b - a, is_change=True, sign=True)} from {value_text(kpi, a)}"
            words = "no change" if a == b else f"hardly changes from {value_text(kpi, a)}" if is_small else change
            out.append(Tile(name_of(kpi), value_text(kpi, b), words, None if is_small else is_better(kpi, b - a)))
    return out


def sentences(pair: Pair) -> list[str]:
    """The summary, one finding a sentence."""
    parts = [_settings(pair), *findings(pair), *_money(pair), _drivers(pair), _trust(pair)]
    return [p for p in parts if p]


def _settings(pair: Pair) -> str:
    b = pair.names[1]
    if not pair.settings:
        return f"{b} has the same settings as {pair.names[0]}."
    told = [f"{inside(name_of(k))} ({_value(k, x)} → {_value(k, y)})" for k, x, y in pair.settings[:4]]
    more = f" and {len(pair.settings) - 4} more" if len(pair.settings) > 4 else ""
    return f"{b} differs in {plural(len(pair.settings), 'setting')}: {listing(told)}{more}."


def _value(key: str, value: object) -> str:
    return "none" if value is None else setting_text(key, value)


def _money(pair: Pair) -> list[str]:
    """Winners and losers around the town, then in the country."""
    if not pair.money:
        return []
    out = []
    for is_national, where in ((False, "In and around the town"), (True, "In the whole country")):
        up, down = sections.winners(pair, is_national)
        if up or down:
            won = f"better off are {listing(up[:3])}" if up else "nobody is better off"
            out.append(
                f"{where}, {won}; " + (f"worse off are {listing(down[:3])}." if down else "nobody is worse off.")
            )
    return out or ["No money moves from one role to another."]


def _drivers(pair: Pair) -> str:
    if pair.sessions.is_empty():
        return ""
    found = pair.session_change()
    text = interval_text("x_eur", found, is_change=True)
    if not abs(found.mean) > found.half_width or abs(found.mean) < SMALL_SESSION_EUR:
        return f"A charging session costs about the same in both ({text})."
    return f"A charging session costs {text} on average, compared session by session."


def _trust(pair: Pair) -> str:
    if pair.is_same_world:
        return (
            "Both runs met the same drivers, weather and faults, so the change is due to the settings; it holds for "
            "this one draw, and a sweep would tell how far it varies."
        )
    return (
        "Caution: the runs differ in seed, days, fleet, grid or series, so part of the change is due to other drivers "
        "and weather, not to the rules."
    )
