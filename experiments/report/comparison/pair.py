"""Two runs side by side: their settings, key figures, sessions and money."""

from __future__ import annotations

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
from experiments.store.folder import FolderError, read_json, read_manifest, read_tables

LABELS = ("scenario.name", "scenario.description", "scenario.base", "output")
NATIONAL = ("producer", "tso", "exchange", "Border", "twin", "neighbouring", "brp: Rest", "market")
"""Beginnings of accounts whose money is that of the whole country."""
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
        return [row for row in self._differing if row[0] not in self.unknown_to_one]

    @cached_property
    def unknown_to_one(self) -> list[str]:
        """Keys that the program's version of one run did not have yet; empty if both are of the same version."""
        if self.a.manifest.get("source_digest") == self.b.manifest.get("source_digest"):
            return []
        a, b = self._flat
        return [k for k, _, _ in self._differing if (k in a) != (k in b)]

    @cached_property
    def _flat(self) -> tuple[dict[str, Any], dict[str, Any]]:
        a, b = (flat(run.manifest.get("scenario") or {}) for run in (self.a, self.b))
        return a, b

    @cached_property
    def _differing(self) -> list[tuple[str, Any, Any]]:
        a, b = self._flat
        keys = [k for k in dict.fromkeys([*a, *b]) if not k.startswith(LABELS)]
        return [(k, a.get(k), b.get(k)) for k in keys if a.get(k) != b.get(k)]

    @property
    def is_same_world(self) -> bool:
        """Whether both met the same random draws: seed, days, fleet (its strategy apart) and grid."""
        world = ("scenario.seed", "scenario.first_day", "scenario.days", "fleet.", "grid.", "series.")
        is_known = bool(self.a.manifest.get("scenario")) and bool(self.b.manifest.get("scenario"))
        changed = [k for k, _, _ in self.settings if k.startswith(world) and not k.endswith(".strategy")]
        return is_known and not changed

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
    def reasons(self) -> dict[tuple[str, str], float]:
        """Change of net receipts by role and kind of payment, B minus A."""
        out: dict[tuple[str, str], float] = {}
        for run, sign in ((self.a, -1.0), (self.b, 1.0)):
            for key, eur in _net_by_reason(run).items():
                out[key] = out.get(key, 0.0) + sign * eur
        return out

    @cached_property
    def national(self) -> set[str]:
        """Names of roles whose money is that of the whole country, not of the simulated town."""
        found = [role_names(r) for r in (self.a, self.b)]
        return {name for names in found for account, name in names.items() if account.startswith(NATIONAL)}

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


def _net_by_reason(run: RunView) -> dict[tuple[str, str], float]:
    """Net receipts by role and kind of payment, added in the ledger's own order."""
    roles = role_names(run)
    net: dict[tuple[str, str], float] = {}
    for payer, payee, why, eur in run.table("ledger").select("payer", "payee", "reason", "amount_eur").iter_rows():
        if eur is not None and payer != payee:
            for who, signed in ((roles[payer], -eur), (roles[payee], eur)):
                net[who, why or ""] = net.get((who, why or ""), 0.0) + signed
    return net


def _net_by_role(run: RunView) -> dict[str, float]:
    net: dict[str, float] = {}
    for (role, _), eur in _net_by_reason(run).items():
        net[role] = net.get(role, 0.0) + eur
    return net


def open_pair(a: Path, b: Path) -> Pair:
    """Open two folders of runs; FolderError if one is none."""
    return Pair(*(_open(folder) for folder in (a, b)))


def _open(folder: Path) -> RunView:
    manifest = read_manifest(folder)
    if manifest["kind"] != "run":
        raise FolderError(f"{folder} holds a {manifest['kind']}, not a run; flexpolder report shows it")
    return RunView(read_tables(folder), read_json(folder / "kpis.json"), manifest)
