"""A small stand-in for the model: a few numbers computed from settings and seed, in the declared tables."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.settings import Settings
from experiments.store.tables import TABLES
from markets.calendar import Horizon


@dataclass(frozen=True)
class FakeOutcome:
    settings: Settings
    tables: dict[str, dict[str, Any]]


def declared(tables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tables with every declared column; what the stand-in says nothing of is unknown, zero or empty."""
    blank: dict[str, Any] = {"float64": np.nan, "float32": np.nan, "string": "", "bool": False}
    for name, columns in tables.items():
        n = len(next(iter(columns.values())))
        for column in TABLES[name].columns:
            columns.setdefault(column.name, [blank.get(column.kind, 0)] * n)
    return tables


def simulate(settings: Settings, progress=None) -> FakeOutcome:
    horizon = Horizon(settings.first_day, settings.days)
    n = horizon.n_periods
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed))
    period = np.arange(n, dtype=np.int32)
    noise = rng.normal(0.0, 1.0, n)
    rules = settings.regulation
    price = settings.series.get("price_eur_per_mwh", 80.0 + 10.0 * np.sin(period / 12) + noise)
    evs = sum(s.evs for s in settings.fleet.segments.values())
    smart_kw = evs * (1.0 - 0.5 * rules.iso15118_share) + 10.0 * rules.min_bid_mw + noise
    dumb_kw = np.full(n, float(evs)) + noise
    reserves = max(0.0, evs * settings.representation / 1e5 - rules.min_bid_mw)
    tables: dict[str, dict[str, Any]] = {
        "periods": {
            "period": period,
            "time_utc": horizon.start_utc,
            "local_hour": horizon.local_hour,
            "day": horizon.day_of.astype(np.int32),
        },
        "prices": {
            "period": period,
            "day_ahead_eur_per_mwh": price,
            "intraday_vwap_eur_per_mwh": np.full(n, np.nan),
            "imbalance_shortage_eur_per_mwh": price + 20,
            "imbalance_surplus_eur_per_mwh": price - 20,
            "mid_eur_per_mwh": price,
            "up_eur_per_mwh": price,
            "down_eur_per_mwh": price,
            "regulation_state": np.ones(n, dtype=np.int8),
            "co2_g_per_kwh": np.full(n, 250.0),
        },
        "load": {"period": period, "segment": ["home"] * n, "power_kw": smart_kw, "uncontrolled_kw": dumb_kw},
        "reserves": {
            "product": ["fcr"],
            "block_start_period": [0],
            "offered_mw": [reserves],
            "awarded_mw": [reserves],
            "price_eur_per_mw_h": [15.0],
            "provider": ["Flexio"],
        },
        "ledger": {
            "period": period,
            "payer": ["driver"] * n,
            "payee": ["Voltan Energy"] * n,
            "reason": ["energy"] * n,
            "amount_eur": price * smart_kw * 0.25 / 1000,
        },
    }
    if progress is not None:
        progress(n, n)
    return FakeOutcome(settings, declared(tables))


def simulate_or_raise(settings: Settings) -> FakeOutcome:
    """Raises for one corner of the design."""
    if settings.regulation.min_bid_mw == 0.1 and settings.regulation.iso15118_share == 0.9:
        raise RuntimeError("the far corner\nis not computable")
    return simulate(settings)


def simulate_or_die(settings: Settings) -> FakeOutcome:
    """Kills its own process for one corner of the design."""
    if settings.regulation.min_bid_mw == 0.1 and settings.regulation.iso15118_share == 0.9:
        os.kill(os.getpid(), signal.SIGKILL)
    return simulate(settings)


def simulate_or_die_once(settings: Settings) -> FakeOutcome:
    """Kills its own process on the first call of all, marked by a file."""
    mark = Path(os.environ["FAKE_MARK"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return simulate(settings)


def simulate_slowly(settings: Settings) -> FakeOutcome:
    time.sleep(0.25)
    return simulate(settings)


_has_run = False


def simulate_slowly_at_first(settings: Settings) -> FakeOutcome:
    """Like a model that compiles on its first run."""
    global _has_run
    if not _has_run:
        time.sleep(0.6)  # times 20 further runs: more than in one process
    _has_run = True
    return simulate(settings)
