"""A made-up model with sessions, money and wires, quick enough for sweeps in tests of the report."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.settings import Settings
from markets.calendar import Horizon
from tests.experiments_fake import FakeOutcome, declared

SEGMENTS = ("home", "public_ac", "office")


def simulate(settings: Settings) -> FakeOutcome:
    horizon = Horizon(settings.first_day, settings.days)
    n = horizon.n_periods
    rng = np.random.default_rng(settings.seed)
    rules, gas = settings.regulation, settings.system.gas_eur_per_mwh
    noise = rng.normal(0.0, 1.0, 3)
    period = np.arange(n, dtype=np.int32)
    steering = 0.2 + 0.6 * rules.iso15118_share + (0.1 if rules.transport_right == "non_firm" else 0.0)
    peak = 800.0 * (1 - 0.5 * steering) + 10 * noise[0] + 4 * rules.min_bid_mw
    shape = np.exp(-0.5 * ((period % 96 - 74) / 9.0) ** 2)
    price = 20 + 2 * gas + 3 * noise[1] + 10 * shape
    loading = peak / 700.0 + 0.002 * (gas - 30)
    paid = 0.1 + 0.004 * gas - 0.05 * steering
    fcr = max(0.0, 3.0 * rules.iso15118_share - rules.min_bid_mw + 0.1 * noise[2])
    grid_fee = 90.0 if rules.transport_right == "non_firm" else 160.0
    cost = np.array([110.0, 50.0, 20.0]) * 10 * (paid + 0.001 * noise[0])
    tables: dict[str, dict[str, Any]] = {
        "periods": {
            "period": period,
            "time_utc": horizon.start_utc,
            "local_hour": horizon.local_hour,
            "day": horizon.day_of.astype(np.int32),
        },
        "load": {
            "period": period,
            "segment": ["home"] * n,
            "power_kw": peak * shape,
            "uncontrolled_kw": 800 * shape,
        },
        "prices": _prices(period, price),
        "sessions": _sessions(cost, paid),
        "branches": {
            "branch_index": [0],
            "branch": ["T1"],
            "kind": ["transformer"],
            "level": ["lv"],
            "from_node": ["a"],
            "to_node": ["b"],
            "rating_a": [400.0],
            "area": ["1"],
        },
        "branch_loading": {
            "period": period,
            "branch_index": np.zeros(n, dtype=np.int32),
            "loading_share": loading * shape,
            "uncontrolled_loading_share": 1.1 * shape,
        },
        "reserves": {
            "product": ["fcr"],
            "block_start_period": [0],
            "offered_mw": [fcr],
            "awarded_mw": [fcr],
            "price_eur_per_mw_h": [15.0],
            "provider": ["Flexio"],
        },
        "parties": {
            "party": ["Voltan Energy", "Flexio", "Noordnet", "Hoogspan"],
            "roles": ["supplier,brp", "aggregator,csp,bsp", "dso", "tso"],
            "account": ["Voltan Energy", "Flexio", "Noordnet", "Hoogspan"],
        },
        "ledger": {
            "period": [0, 0, 0],
            "payer": ["driver", "driver", "Hoogspan"],
            "payee": ["Voltan Energy", "Noordnet", "Flexio"],
            "reason": ["energy", "grid", "fcr"],
            "amount_eur": [float(np.sum(cost)) - grid_fee, grid_fee, 15.0 * 24 * fcr],
        },
    }
    return FakeOutcome(settings, declared(tables))


def simulate_or_raise(settings: Settings) -> FakeOutcome:
    if settings.regulation.min_bid_mw == 1.0 and settings.regulation.transport_right == "non_firm":
        raise RuntimeError("no <b>solution</b> here")
    return simulate(settings)


def _prices(period: np.ndarray, price: np.ndarray) -> dict[str, Any]:
    names = ("day_ahead", "intraday_vwap", "imbalance_shortage", "imbalance_surplus", "mid", "up", "down")
    prices = {f"{name}_eur_per_mwh": price for name in names}
    zeros = np.zeros(period.size, dtype=np.int8)
    return {"period": period, **prices, "regulation_state": zeros, "co2_g_per_kwh": np.full(period.size, 250.0)}


def _sessions(cost: np.ndarray, paid: float) -> dict[str, Any]:
    n = len(SEGMENTS)
    energy = cost / paid
    numbers = {
        "desired_kwh": energy,
        "delivered_kwh": energy,
        "metered_kwh": energy,
        "missing_kwh": np.zeros(n),
        "possible_kwh": energy,
        "cost_eur": cost,
        "uncontrolled_cost_eur": energy * 0.3,
        "co2_kg": energy * 0.25,
        "uncontrolled_co2_kg": energy * 0.27,
        "discharged_kwh": np.zeros(n),
    }
    rows = np.arange(n, dtype=np.int32)
    whole = dict.fromkeys(("session_row", "ev_row", "charging_point_row", "arrival_min"), rows)
    flags = {"is_opted_out": np.zeros(n, bool), "is_v2x": np.zeros(n, bool)}
    words = {"driver_group": list(SEGMENTS), "segment": list(SEGMENTS)}
    return {**whole, "departure_min": rows + 60, **words, **numbers, **flags}
