"""Pages made from declarations: levers, roles, data dictionary, scenario keys, calendar.

The same rows feed the command line and the Markdown files, so they cannot differ; tests check that the files are
up to date (``flexpolder docs`` writes them again).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from markets.calendar import market_day
from markets.levers import Regulation, levers

_UNITS = (
    ("_eur_per_kw_year", "EUR/kW/year"),
    ("_eur_per_mwh", "EUR/MWh"),
    ("_eur_per_kwh", "EUR/kWh"),
    ("_share_per_min", "share/min"),
    ("_eur_per_t", "EUR/t"),
    ("_share", "share"),
    ("_mwh", "MWh"),
    ("_kwh", "kWh"),
    ("_mw", "MW"),
    ("_kw", "kW"),
    ("_min", "min"),
    ("_hour", "h"),
    ("_eur", "EUR"),
    ("_h", "h"),
    ("_s", "s"),
)
_MADE = "<!-- made by `flexpolder docs`, do not edit -->\n"


def unit_of(name: str) -> str:
    """Unit that a name's suffix states; empty if there is none."""
    return next((unit for suffix, unit in _UNITS if name.endswith(suffix)), "")


def lever_rows() -> list[dict[str, Any]]:
    """Every lever: name, default, range or choices, unit, meaning, source."""
    rows = []
    for field in levers():
        meta = field.metadata
        if meta["choices"]:
            span = ", ".join(map(str, meta["choices"]))
        elif isinstance(field.default, bool):
            span = "true, false"
        else:
            span = f"{meta['low']:g} to {meta['high']:g}"
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        unit = "" if isinstance(field.default, bool | str) else unit_of(field.name)
        rows.append(
            {
                "lever": field.name,
                "default": default,
                "range": span,
                "unit": unit,
                "meaning": meta["meaning"],
                "source": meta["source"],
            }
        )
    return rows


def strategy_rows() -> list[list[str]]:
    """Charging strategies with the first line of what they say of themselves."""
    from agents.fleet.strategies import STRATEGIES

    return [[name, (inspect.getdoc(strategy) or "").partition("\n")[0]] for name, strategy in STRATEGIES.items()]


def calendar_rows(regulation: Regulation) -> list[dict[str, str]]:
    """What happens when for one delivery day D: day, time, what, source; what repeats every period comes last."""
    rows = [
        {"day": _day_text(g.day_offset), "time": _clock(g.hour), "what": g.name.replace("_", " "), "source": g.source}
        for g in market_day(regulation.capacity_call_hour)
    ]
    before = (
        ("intraday_cross_border_gate_min", "end of cross-border intraday trade"),
        ("redispatch_gate_min", "last redispatch clearing"),
        ("intraday_gate_closure_min", "end of domestic intraday trade"),
    )
    sources = {f.name: f.metadata["source"] for f in levers()}
    timed = sorted(((getattr(regulation, name), what, sources[name]) for name, what in before), reverse=True)
    rows += [{"day": "every period", "time": f"start - {m} min", "what": w, "source": s} for m, w, s in timed]
    return rows


def _day_text(offset: int) -> str:
    return "D" if offset == 0 else f"D{offset:+d}"


def _clock(hour: float) -> str:
    minutes = round(60 * hour)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def calendar_page() -> str:
    """``docs/calendar.md``."""
    rows = [[r["day"], r["time"], r["what"], r["source"]] for r in calendar_rows(Regulation())]
    text = (
        "Dutch clock time, D = day of delivery. `flexpolder calendar SCENARIO` shows it with a scenario's own levers."
    )
    return f"{_MADE}# Calendar of a market day\n\n{text}\n\n{markdown(['day', 'time', 'what', 'source'], rows)}"


def roles_page() -> str:
    """``docs/roles.md``."""
    from experiments.coverage import function_rows

    rows = [[r["id"], r["role"], r["function"]] for r in function_rows()]
    text = "From section 6.3 of SCALE D1.4. `flexpolder roles --coverage` shows where each has code and a test."
    return f"{_MADE}# Functions of the roles\n\n{text}\n\n{markdown(['ID', 'role', 'function'], rows)}"


def scenario_key_rows(model: type[BaseModel], path: str = "") -> list[list[str]]:
    """Every key of a section class: dotted path, default, range, meaning."""
    rows = []
    for name, field in model.model_fields.items():
        key = f"{path}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += scenario_key_rows(inner, f"{key}.")
            continue
        default = "required" if field.is_required() else _plain(field.get_default())
        rows.append([f"`{key}`", default, _span(field), field.description or ""])
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in (None, "", [], {}) else str(value)


def _span(field: Any) -> str:
    choices = [a for a in get_args(field.annotation) if isinstance(a, str)]
    if choices:
        return ", ".join(choices)
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [f"{word} {getattr(m, a)}" for m in field.metadata for a, word in words.items() if hasattr(m, a)]
    return ", ".join(found)


def levers_page() -> str:
    """``docs/levers.md``."""
    rows = [
        [f"`{r['lever']}`", str(r["default"]), r["range"], r["unit"], r["meaning"], r["source"]] for r in lever_rows()
    ]
    text = "Set one with `--set regulation.NAME=VALUE`, in a scenario's `[regulation]` or as an axis of a sweep."
    table = markdown(["lever", "default", "range", "unit", "meaning", "source"], rows)
    return f"{_MADE}# Levers: the rules a run may change\n\n{text}\n\n{table}"


def dictionary_page() -> str:
    """``results/README.md``, the data dictionary."""
    from experiments.kpis import KPIS
    from experiments.store import TABLES
    from experiments.store.folder import SCHEMA_VERSION

    parts = [
        f"{_MADE}# Results: what a run writes\n",
        f"Schema version {SCHEMA_VERSION}. A run's folder holds one Parquet file a table, `kpis.json`, `manifest.json` "
        "(resolved scenario, seed, versions, times, digest of the contents) and `report.html`.",
        "Signs: power and energy are positive as consumption or charging, balancing power as up, a BRP's imbalance as "
        "surplus. Missing numbers are NaN.\n",
        "## Key figures (`kpis.json`)\n",
        markdown(
            ["figure", "unit", "better", "meaning"], [[f"`{n}`", k.unit, k.better, k.meaning] for n, k in KPIS.items()]
        ),
    ]
    for table in TABLES.values():
        rows = [[f"`{c.name}`", c.kind, c.unit, c.meaning] for c in table.columns]
        parts += [
            f"## `{table.name}.parquet`: {table.meaning}\n",
            markdown(["column", "type", "unit", "meaning"], rows),
        ]
    return "\n".join(parts)


def scenario_page() -> str:
    """``docs/scenario.md``."""
    from experiments.scenario.sections import (
        AgreementSection,
        EventSection,
        HardwareSection,
        PartySection,
        ScenarioFile,
        SeriesSection,
        TenantSection,
    )

    head = ["key", "default", "range", "meaning"]
    parts = [f"{_MADE}# Scenario files: every key\n", markdown(head, scenario_key_rows(ScenarioFile))]
    lists: dict[str, type[BaseModel]] = {
        "party": PartySection,
        "tenant": TenantSection,
        "agreement": AgreementSection,
        "event": EventSection,
        "hardware": HardwareSection,
    }
    for name, section in lists.items():
        parts += [f"## `[[{name}]]`\n", markdown(head, scenario_key_rows(section))]
    parts += ["## `[series.KIND]`\n", markdown(head, scenario_key_rows(SeriesSection))]
    return "\n".join(parts)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with a line break at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


PAGES: dict[str, Callable[[], str]] = {
    "results/README.md": dictionary_page,
    "docs/levers.md": levers_page,
    "docs/scenario.md": scenario_page,
    "docs/calendar.md": calendar_page,
    "docs/roles.md": roles_page,
}
"""Generated files by path from the project's root."""


def write_pages(root: Path) -> list[Path]:
    """Write every generated page below a root; returns their paths."""
    written = []
    for name, page in PAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")
        written.append(path)
    return written
