"""Two runs side by side: their settings, key figures, sessions and money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval
from experiments.kpis import KPIS
from experiments.report.figures.money_flows import role_names
from experiments.report.view import RunView
from experiments.store.folder import FolderError, read_json, read_manifest

LABELS = ("scenario.name", "scenario.description", "scenario.base", "output")
SAME_SHARE = 0.9
"""Share of sessions that must be found in both runs to compare them one by one."""


@dataclass(frozen=True)
class Pair:
    """Run A, to start from, and run B."""

    a: RunView
    b: RunView

    @cached_property
    def names(self) -> tuple[str, str]:
        """Names of both; with A and B where they are the same."""
        found = [str(r.manifest.get("name") or r.scenario("scenario", "name") or "run") for r in (self.a, self.b)]
        return (found[0], found[1]) if found[0] != found[1] else (f"{found[0]} (A)", f"{found[1]} (B)")

    @cached_property
    def settings(self) -> list[tuple[str, Any, Any]]:
        """Keys whose values differ with both values, labels and outputs apart."""
        both = [flat(run.manifest.get("scenario") or {}) for run in (self.a, self.b)]
        keys = [k for k in dict.fromkeys([*both[0], *both[1]]) if not k.startswith(LABELS)]
        return [(k, both[0].get(k), both[1].get(k)) for k in keys if both[0].get(k) != both[1].get(k)]

    @property
    def is_same_world(self) -> bool:
        """Whether both met the same random draws: seed, days, fleet and grid."""
        world = ("scenario.seed", "scenario.first_day", "scenario.days", "fleet.", "grid.", "series.")
        is_known = bool(self.a.manifest.get("scenario")) and bool(self.b.manifest.get("scenario"))
        return is_known and not [k for k, _, _ in self.settings if k.startswith(world)]

    @cached_property
    def is_same_clock(self) -> bool:
        """Whether both have the same periods."""
        return self.a.n_periods == self.b.n_periods and bool(np.array_equal(self.a.local_time, self.b.local_time))

    @cached_property
    def kpis(self) -> list[tuple[str, float, float]]:
        """Key figures that both have: name, value of A, value of B."""
        found = [(name, self.a.kpi(name), self.b.kpi(name)) for name in KPIS]
        return [(name, a, b) for name, a, b in found if a is not None and b is not None]

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """Sessions found in both runs with the change of cost and missing energy; empty if they do not match."""
        keys = ["session_row", "ev_row", "arrival_min"]
        a, b = (r.table("sessions") for r in (self.a, self.b))
        both = a.join(b, on=keys, suffix="_b")
        if not a.height or both.height < SAME_SHARE * max(a.height, b.height):
            return pl.DataFrame()
        return both.select(
            "segment",
            "driver_group",
            change_eur=pl.col("cost_eur_b") - pl.col("cost_eur"),
            change_missing_kwh=pl.col("missing_kwh_b").fill_null(0.0) - pl.col("missing_kwh").fill_null(0.0),
        )

    def session_change(self, **where: str) -> Interval:
        """Mean change of a session's cost with its interval over the sessions."""
        part = self.sessions.filter(*[pl.col(k) == v for k, v in where.items()])
        return mean_interval(part["change_eur"].drop_nulls().to_numpy())

    @cached_property
    def money(self) -> list[tuple[str, float, float]]:
        """Net receipts by role in A and in B, those that change most first."""
        a, b = (_net_by_role(r) for r in (self.a, self.b))
        rows = [(role, a.get(role, 0.0), b.get(role, 0.0)) for role in dict.fromkeys([*a, *b])]
        return sorted(rows, key=lambda r: -abs(r[2] - r[1]))


def flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested dict as dotted keys; lists stay values."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = f"{before}{key}"
        found |= flat(inner, f"{name}.") if isinstance(inner, Mapping) else {name: inner}
    return found


def _net_by_role(run: RunView) -> dict[str, float]:
    roles = role_names(run)
    net: dict[str, float] = {}
    for payer, payee, amount in run.table("ledger").select("payer", "payee", "amount_eur").iter_rows():
        if amount is not None and payer != payee:
            net[roles[payer]] = net.get(roles[payer], 0.0) - amount
            net[roles[payee]] = net.get(roles[payee], 0.0) + amount
    return net


def open_pair(a: Path, b: Path) -> Pair:
    """Open two folders of runs; FolderError if one is none."""
    return Pair(*(_open(folder) for folder in (a, b)))


def _open(folder: Path) -> RunView:
    manifest = read_manifest(folder)
    if manifest["kind"] != "run":
        raise FolderError(f"{folder} holds a {manifest['kind']}, not a run; flexpolder report shows it")
    tables = {p.stem: pl.read_parquet(p) for p in sorted(folder.glob("*.parquet"))}
    return RunView(tables, json.loads(json.dumps(read_json(folder / "kpis.json"))), manifest)
