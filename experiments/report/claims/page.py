"""The page of the claims, made of verdicts as ``flexpolder claims --json`` gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from experiments.claims.claim import CONDITIONAL, NO_VERDICT, NOT_SUPPORTED, SUPPORTED
from experiments.report.claims.glyph import glyph
from experiments.report.section import Section, heading, note
from experiments.report.shell import header, page_of
from experiments.report.shell import summary as summary_section
from experiments.report.summary import Tile
from experiments.report.wording import count, inside, listing, number, plural, table
from experiments.store.folder import FolderError

ORDER = (SUPPORTED, CONDITIONAL, NOT_SUPPORTED, NO_VERDICT)
GOOD = {SUPPORTED: True, CONDITIONAL: None, NOT_SUPPORTED: False, NO_VERDICT: None}
HOLDS = {True: "holds", False: "fails", None: "open"}
TITLES = {
    "tou_rebound": "Time-of-use fee and its rebound peak",
    "clustering": "Twenty connections as one group",
    "non_firm": "Non-firm connections",
    "direct_signal": "Direct signal of the DSO",
    "v2x_doubles": "Bidirectional doubles steerable power",
    "hourly_settlement": "Hourly settlement",
    "dc_flexibility": "Flexibility at fast chargers",
    "pooling": "Pooling to 1 MW",
    "more_data": "More data, smarter charging",
    "redispatch_balance": "Redispatch and national balance",
    "passive_balancing": "Passive balancing",
    "relieves_strain": "Relief of the grid",
    "aggregator_choice": "Free choice of aggregator",
}
WORDS = {
    SUPPORTED: "every judged figure lies on the right side of its limit with its whole interval",
    CONDITIONAL: "some judged figures do and others do not, so the sentence holds under conditions",
    NOT_SUPPORTED: "no judged figure does: it lies on the wrong side, or the draws are too few to tell",
    NO_VERDICT: "a judged figure could not be measured",
}


def claims_report(verdicts: Sequence[Mapping[str, Any]], scale: str = "small") -> str:
    """One self-contained HTML page about tried claims.

    Parameters
    ----------
    verdicts : sequence of mapping
        As :meth:`experiments.claims.gallery.Verdict.as_dict` gives them.
    scale : str
        ``small`` or ``large``, said on the page.
    """
    parts = [_overview(verdicts), *(_claim(v) for v in verdicts), _method(verdicts, scale)]
    about = "Sentences of the source report (SCALE D1.4) as experiments with a criterion stated beforehand."
    meta = [f"{plural(len(verdicts), 'claim')} · {scale} experiments"]
    caution = (
        "<strong>Read this first.</strong> A verdict speaks of this model, its stylised country and synthetic towns. "
        "“Not supported” means not shown here, which is less than shown to be false."
    )
    top = header("Claims of the report", "What smart charging does, tested", about, meta, caution)
    top += summary_section([t.html() for t in _tiles(verdicts)], sentences(verdicts, scale))
    foot = "flexpolder · this page is self-contained and asks nothing of the network"
    return page_of("claims", top + _filter(verdicts), parts, foot, ("claims.js",), has_figures=False)


def write_claims_report(verdicts: Sequence[Mapping[str, Any]], place: Path, scale: str = "small") -> Path:
    """Write the page; FolderError if that cannot be done."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(claims_report(verdicts, scale), encoding="utf-8")
    except OSError as error:
        raise FolderError(f"cannot write {place}: {error.strerror or error}") from error
    return place


def title_of(verdict: Mapping[str, Any]) -> str:
    """Short title of a claim."""
    key = str(verdict["key"])
    return TITLES.get(key, key.replace("_", " ").capitalize())


def sentences(verdicts: Sequence[Mapping[str, Any]], scale: str) -> list[str]:
    """The summary: which claims the numbers support, which not, and what they hinge on."""
    out = []
    for verdict in ORDER:
        found = [inside(title_of(v)) for v in verdicts if v["verdict"] == verdict]
        if found:
            out.append(f"{verdict.capitalize()} ({count(len(found))}): {listing(found)}.")
    hinges = [f"{title_of(v)}: {v['remark']}" for v in verdicts if v["verdict"] == CONDITIONAL and v["remark"]]
    out += hinges
    n_open = sum(1 for v in verdicts for c in v["evidence"] if _is_judged(c) and c["holds"] is None)
    if n_open:
        tail = "; larger experiments (--scale large) narrow them" if scale == "small" else ""
        out.append(f"These draws do not tell on which side of the limit {plural(n_open, 'judged figure')} lie{tail}.")
    return out or ["No claim was tried."]


def _tiles(verdicts: Sequence[Mapping[str, Any]]) -> list[Tile]:
    out = []
    for verdict in ORDER:
        n = sum(v["verdict"] == verdict for v in verdicts)
        if n or verdict != NO_VERDICT:
            out.append(Tile(verdict.capitalize(), count(n), f"of {plural(len(verdicts), 'claim')}"))
    return out


def _filter(verdicts: Sequence[Mapping[str, Any]]) -> str:
    found = [w for w in ORDER if any(v["verdict"] == w for v in verdicts)]
    boxes = "".join(
        f'<label><input type="checkbox" checked data-verdict="{escape(w)}"> {escape(w)}</label>' for w in found
    )
    shown = plural(len(verdicts), "claim")
    return (
        '<div class="filterbar" id="filters"><div class="filters"><fieldset><legend>Show claims that are</legend>'
        f'{boxes}</fieldset><output data-out="shown" aria-live="polite">{shown} shown</output></div></div>'
    )


def _overview(verdicts: Sequence[Mapping[str, Any]]) -> Section:
    rows = [[title_of(v), str(v["section"]), str(v["verdict"]), _strongest(v)] for v in verdicts]
    lead = "Each claim with its verdict and the judged figure that is closest to its limit."
    inside_ = table(["Claim", "Section", "Verdict", "Tightest figure"], rows, "Claims and verdicts", 9)
    return Section("overview", "All claims at a glance", lead, [inside_])


def _strongest(verdict: Mapping[str, Any]) -> str:
    """The judged figure nearest to its limit, in half widths."""
    judged = [c for c in verdict["evidence"] if _is_judged(c) and c["mean"] is not None]
    if not judged:
        return "–"
    check = min(judged, key=lambda c: abs(c["mean"] - _limit(c)) / max(c["half_width"] or 0.0, 1e-12))
    return f"{check['what']}: {_value(check)} ({_rule(check)})"


def _is_judged(check: Mapping[str, Any]) -> bool:
    return check["above"] is not None or check["below"] is not None


def _limit(check: Mapping[str, Any]) -> float:
    return float(check["above"] if check["above"] is not None else check["below"])


def _rule(check: Mapping[str, Any]) -> str:
    if not _is_judged(check):
        return "told, not judged"
    side = "above" if check["above"] is not None else "below"
    return f"must be {side} {number(_limit(check))}"


def _value(check: Mapping[str, Any]) -> str:
    """Mean, half width and unit."""
    spread = number(check["half_width"], 2) if check["half_width"] else "0"
    mean, unit = number(check["mean"]), str(check["unit"] or "").replace("EUR", "€")
    if _is_judged(check) and mean == number(_limit(check)):
        mean = number(check["mean"], 7)
    return f"{mean}{f' ± {spread}' if spread != '0' else ''} {unit}".strip()


def _claim(verdict: Mapping[str, Any]) -> Section:
    kind = {True: "better", False: "worse", None: "plain"}[GOOD[str(verdict["verdict"])]]
    badge = f'<p class="verdict {kind}"><strong>{escape(str(verdict["verdict"]))}</strong></p>'
    rows = "".join(
        f'<tr><td>{escape(c["what"])}</td><td class="n">{escape(_value(c))}</td><td class="n">{c["n"]}</td>'
        f"<td>{escape(_rule(c))}</td><td>{glyph(c)}</td>"
        f"<td>{HOLDS[c['holds']] if _is_judged(c) else '–'}</td></tr>"
        for c in verdict["evidence"]
    )
    head = "".join(
        f'<th scope="col"{side}>{h}</th>'
        for h, side in (
            ("Measured", ""),
            ("Mean ± 95 % interval", ' class="n"'),
            ("Draws", ' class="n"'),
            ("Limit", ""),
            ("Interval against limit", ""),
            ("Check", ""),
        )
    )
    title = escape(title_of(verdict))
    evidence = (
        f'<div class="table"><table data-name="{title}"><caption class="quiet">{title}</caption><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table>"
        '<button type="button" class="csv" data-from="table">Table as CSV</button></div>'
    )
    said = f"The report says (section {verdict['section']}): {verdict['sentence']}"
    blocks = [badge, note(f"Counts as supported if: {verdict['criterion']}"), evidence]
    if verdict["remark"]:
        blocks.append(note(f"What it hinges on: {verdict['remark']}"))
    return Section(f"claim-{verdict['key']}", title_of(verdict), said, blocks)


def _method(verdicts: Sequence[Mapping[str, Any]], scale: str) -> Section:
    lead = (
        "An experiment returns figures with a 95 % interval over independent draws, and the limit each must be above "
        "or below. A check holds if the whole interval lies on the right side. No verdict is written down anywhere."
    )
    meaning = [[w, WORDS[w]] for w in ORDER]
    took = [[title_of(v), str(v["key"]), number(v["wall_s"])] for v in verdicts]
    blocks = [heading("What the verdicts mean"), table(["Verdict", "Meaning"], meaning, "Verdicts", 9)]
    blocks.append(note(f"These are {scale} experiments. flexpolder claims KEY runs one of them again."))
    blocks.append(table(["Claim", "Key on the command line", "Took (s)"], took, "Run times", 2))
    return Section("method", "Method and provenance", lead, blocks)
