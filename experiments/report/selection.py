"""Filters that act on all charts of a page: days, segments and a role, with the figures of what is selected.

The page carries two cases to hold against each other (uncontrolled and as simulated, or run A and run B) as packed
columns; ``selection.js`` adds them up for any selection, so that a filtered figure is computed as the whole one is.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import polars as pl

from agents.outcome import SATISFIED_KWH, SATISFIED_SHARE
from experiments.report.figures.money_flows import role_names
from experiments.report.palette import SEGMENT
from experiments.report.section import Section
from experiments.report.view import RunView
from experiments.report.wording import label

HOURLY_UP_TO_DAYS = 35
"""Longest run whose sessions and payments are kept by the hour; longer ones by the day."""
ALL_ROLES = "all roles"


@dataclass(frozen=True)
class Case:
    """One side of the comparison: a run, how it is called, and whether its uncontrolled columns are meant."""

    name: str
    run: RunView
    is_uncontrolled: bool = False


def bar(cases: tuple[Case, Case], has_clock: bool = True) -> str:
    """The filter bar as HTML with the packed data; empty if there is nothing to filter."""
    run = cases[1].run
    segments = list(dict.fromkeys(s for case in cases for s in case.run.segments))
    if not run.n_periods or not segments:
        return ""
    data = packed(cases, segments, has_clock)
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    checks = "".join(
        f'<label><input type="checkbox" checked data-segment="{s}"> {escape(label(s))}</label>' for s in segments
    )
    roles = "".join(f'<option value="{i}">{escape(r)}</option>' for i, r in enumerate(data["roles"]))
    return (
        '<details class="filterbar" id="filters"><summary><span class="filtername">Filter all charts</span>'
        '<output data-out="selection" aria-live="polite">everything</output></summary><div class="filters">'
        f"{_days(data) if has_clock else ''}"
        f"<fieldset><legend>EVs at</legend>{checks}</fieldset>"
        f'<fieldset><legend>Money of</legend><select data-role aria-label="Role"><option value="-1">{ALL_ROLES}'
        f"</option>{roles}</select></fieldset>"
        '<button type="button" data-act="everything">Show everything</button></div></details>'
        f'<script type="application/json" id="selection-data">{text}</script>'
    )


def section(cases: tuple[Case, Case]) -> Section:
    """The table of figures of what is selected; ``selection.js`` fills it."""
    lead = (
        "Figures of the days and chargers chosen in the filter bar, at first of everything. Dragging over a chart with "
        "a time axis chooses those hours, a double click shows all. Sentences elsewhere speak of the whole run. Bills "
        "count on arrival, payments when they are booked; prices, loading and overload are those of all EVs together."
    )
    heads = ["Figure", cases[0].name, cases[1].name, "Change", "Change, %", "Follows"]
    head = "".join(f'<th scope="col"{" class=n" if 0 < i < 5 else ""}>{escape(h)}</th>' for i, h in enumerate(heads))
    table = (
        '<div class="table"><table data-name="Figures of the selection" id="selection-table">'
        '<caption class="quiet">Figures of the selection</caption>'
        f"<thead><tr>{head}</tr></thead><tbody></tbody></table>"
        '<button type="button" class="csv" data-from="table">Table as CSV</button></div>'
    )
    return Section("selection", "Look closer", lead, [table])


def _days(data: dict[str, Any]) -> str:
    first = "".join(f'<option value="{i}">{escape(d[0])}</option>' for i, d in enumerate(data["days"]))
    picks = "".join(f'<label>{word} <select data-day="{word}">{first}</select></label>' for word in ("from", "to"))
    return f"<fieldset><legend>Days</legend>{picks}</fieldset>"


def packed(cases: tuple[Case, Case], segments: list[str], has_clock: bool) -> dict[str, Any]:
    """Everything the script needs: bins of time, names, and both cases' columns."""
    run = max((c.run for c in cases), key=lambda r: r.n_periods)
    per_day = round(24 / run.period_h)
    is_hourly = run.n_periods <= HOURLY_UP_TO_DAYS * per_day
    per_bin = max(1, round(1 / run.period_h)) if is_hourly else per_day
    starts = run.local_time[::per_bin]
    names = [role_names(c.run) for c in cases]
    roles = sorted({r for found in names for r in found.values()})
    reasons = sorted({r for c in cases for r in c.run.table("ledger")["reason"].unique().drop_nulls()})
    groups = sorted({g for c in cases for g in c.run.table("sessions")["driver_group"].unique().drop_nulls()})
    keys = _Keys(per_bin, run.period_h, segments, groups, roles, reasons)
    return {
        "per": per_bin,
        "hours": run.period_h,
        "thin": run.thinning,
        "slots": per_day,
        "clock": has_clock,
        "bins": [str(t)[:16] for t in starts],
        "days": _day_bins(starts),
        "segments": [[s, label(s), SEGMENT[s]] for s in segments],
        "groups": [label(g) for g in groups],
        "roles": roles,
        "reasons": [label(r) for r in reasons],
        "cases": [_case(c, keys, found) for c, found in zip(cases, names, strict=True)],
        "pairs": _pairs(cases, keys),
    }


def _day_bins(starts: np.ndarray) -> list[list[Any]]:
    """Name, first bin and bin after the last of every local day."""
    days = starts.astype("datetime64[D]")
    first = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
    ends = np.r_[first[1:], len(days)]
    told = [days[i].item() for i in first]
    names = [f"{d:%a} {d.day} {d:%b}" for d in told]
    return [[n, int(a), int(b)] for n, a, b in zip(names, first, ends, strict=True)]


@dataclass(frozen=True)
class _Keys:
    """Codes of the packed rows."""

    per_bin: int
    period_h: float
    segments: Sequence[str]
    groups: Sequence[str]
    roles: Sequence[str]
    reasons: Sequence[str]

    def session_bin(self) -> pl.Expr:
        """Bin of a session: that of its arrival."""
        return (pl.col("arrival_min") // round(self.per_bin * self.period_h * 60)).clip(lower_bound=0).alias("bin")

    @staticmethod
    def code(column: str, names: Sequence[str]) -> pl.Expr:
        """Place of a name in a list, -1 = not there."""
        return pl.col(column).replace_strict({n: i for i, n in enumerate(names)}, default=-1, return_dtype=pl.Float64)


def _case(case: Case, keys: _Keys, roles: Any) -> dict[str, Any]:
    run, free = case.run, case.is_uncontrolled
    power = "uncontrolled_kw" if free else "power_kw"
    loading = np.nan_to_num(run.matrices["uncontrolled_loading_share" if free else "loading_share"], nan=0.0)
    price = run.series("prices", "day_ahead_eur_per_mwh")
    return {
        "name": case.name,
        "power": {s: _floats(run.series("load", power, segment=s)) for s in keys.segments},
        "loading": _floats(loading.max(axis=1, initial=0.0)),
        "over": _floats((loading > 1.0).sum(axis=1)),
        "price": _floats(price),
        "sessions": _rows(_sessions(run, keys, free)),
        "money": _rows(_money(run, keys, roles)) if not free else None,
        "isPlanned": not free,
    }


def _sessions(run: RunView, keys: _Keys, free: bool) -> pl.DataFrame:
    """Bin, segment, sessions, served, cost, delivered, missing and CO₂, added up."""
    missing = pl.col("missing_kwh").fill_null(0.0)
    asked = pl.min_horizontal("desired_kwh", "possible_kwh").fill_null(0.0)
    is_done = pl.col("departure_min") <= round(run.n_periods * run.period_h * 60)
    served = (missing <= pl.max_horizontal(asked * SATISFIED_SHARE, pl.lit(SATISFIED_KWH))) & is_done
    cost, co2 = ("uncontrolled_cost_eur", "uncontrolled_co2_kg") if free else ("cost_eur", "co2_kg")
    return (
        run.table("sessions")
        .with_columns(keys.session_bin(), keys.code("segment", keys.segments).alias("s"))
        .group_by("bin", "s")
        .agg(
            is_done.sum().alias("done"),
            served.sum().alias("served"),
            pl.col(cost).sum().alias("cost"),
            pl.col("delivered_kwh").sum(),
            missing.sum().alias("missing"),
            pl.col(co2).sum().alias("co2"),
        )
        .sort("bin", "s")
    )


def _money(run: RunView, keys: _Keys, roles: Any) -> pl.DataFrame:
    """Bin, role, reason and net receipts."""
    ledger = run.table("ledger").filter(pl.col("payer") != pl.col("payee"))
    bin_ = (pl.col("period") // keys.per_bin).clip(0, max(0, (run.n_periods - 1) // keys.per_bin)).alias("bin")
    reason = keys.code("reason", keys.reasons).alias("w")
    sides = [
        ledger.select(bin_, pl.col(side).alias("r"), reason, (sign * pl.col("amount_eur")).alias("eur"))
        for side, sign in (("payer", -1.0), ("payee", 1.0))
    ]
    named = pl.concat(sides).with_columns(pl.col("r").replace(dict(roles)))
    coded = named.with_columns(keys.code("r", keys.roles))
    summed = coded.group_by("bin", "r", "w", maintain_order=True).agg(pl.col("eur").sum())
    return summed.filter(pl.col("eur").abs() > 1e-9).sort("bin", "r", "w")


def _pairs(cases: tuple[Case, Case], keys: _Keys) -> dict[str, str] | None:
    """Sessions found in both runs: bin, segment, group, number, sum and sum of squares of the change of the bill."""
    a, b = (c.run.table("sessions") for c in cases)
    if cases[0].run is cases[1].run or a.is_empty() or b.is_empty():
        return None
    on = ["session_row", "ev_row", "arrival_min"]
    both = a.join(b.select(*on, "cost_eur"), on=on, suffix="_b")
    change = pl.col("cost_eur_b") - pl.col("cost_eur")
    coded = both.with_columns(
        keys.session_bin(), keys.code("segment", keys.segments), keys.code("driver_group", keys.groups)
    )
    return _rows(
        coded.group_by("bin", "segment", "driver_group")
        .agg(pl.len().alias("n"), change.sum().alias("sum"), (change**2).sum().alias("squares"))
        .sort("bin", "segment", "driver_group")
    )


def _floats(values: np.ndarray) -> dict[str, str]:
    return {"f4": _packed(values.astype("<f4"))}


def _rows(frame: pl.DataFrame) -> dict[str, Any]:
    """A table as float64, column after column."""
    values = np.ascontiguousarray(frame.to_numpy().astype("<f8").T) if frame.height else np.empty((frame.width, 0))
    return {"f8": _packed(values), "n": frame.height}


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 6)).decode()
