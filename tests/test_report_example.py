"""A made-up but plausible run for the report's tests, and what the report reads from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.report.view import RunView

SEGMENTS = ("home", "public_ac", "office", "depot", "shared", "dc_site")
PEAK_HOUR = {"home": 19.0, "public_ac": 18.5, "office": 9.0, "depot": 20.0, "shared": 17.0, "dc_site": 15.0}
SIZE_KW = {"home": 900.0, "public_ac": 620.0, "office": 350.0, "depot": 260.0, "shared": 90.0, "dc_site": 240.0}


def _bump(hour: np.ndarray, centre: float, width: float) -> np.ndarray:
    distance = (hour - centre + 12) % 24 - 12
    return np.exp(-0.5 * (distance / width) ** 2)


def _grid() -> tuple[pl.DataFrame, pl.DataFrame]:
    nodes: list[tuple[str, str, float, float, float]] = [
        ("ehs-1", "380 kV", 0.0, 2600.0, 380e3),
        ("hs-1", "150 kV", 0.0, 2000.0, 150e3),
        ("ms-0", "10 kV", 0.0, 1400.0, 10e3),
    ]
    branches = [
        ("trafo-380", "transformer", "150 kV", "ehs-1", "hs-1", ""),
        ("trafo-150", "transformer", "10 kV", "hs-1", "ms-0", ""),
    ]
    for ring in range(2):
        before = "ms-0"
        for k in range(5):
            angle = np.pi * (ring + (k + 0.5) / 5)
            x, y = 1000 * np.cos(angle), 1000 * np.sin(angle)
            name, area = f"ms-{ring}{k}", f"area-{ring}{k}"
            nodes.append((name, "10 kV", x, y, 10e3))
            branches.append((f"cable-{name}", "cable", "10 kV", before, name, ""))
            before = name
            nodes.append((f"lv-{ring}{k}", "0.4 kV", x * 1.08, y * 1.08, 400.0))
            branches.append((f"trafo-{ring}{k}", "transformer", "0.4 kV", name, f"lv-{ring}{k}", area))
            for feeder in range(3):
                last = f"lv-{ring}{k}"
                for j in range(6):
                    spread = angle + (feeder - 1) * 0.22
                    reach = 1.12 + 0.07 * j
                    node = f"lv-{ring}{k}-{feeder}{j}"
                    nodes.append((node, "0.4 kV", 1000 * reach * np.cos(spread), 1000 * reach * np.sin(spread), 400.0))
                    branches.append((f"cable-{ring}{k}-{feeder}{j}", "cable", "0.4 kV", last, node, area))
                    last = node
    node_frame = pl.DataFrame(nodes, schema=["node", "level", "x", "y", "u_rated_v"], orient="row")
    branch_frame = pl.DataFrame(
        branches, schema=["branch", "kind", "level", "from_node", "to_node", "area"], orient="row"
    )
    return node_frame.with_row_index("node_index"), branch_frame.with_row_index("branch_index").with_columns(
        rating_a=pl.lit(250.0)
    )


def _long(values: np.ndarray, row: str, names: tuple[str, ...], *more: np.ndarray) -> pl.DataFrame:
    n, m = values.shape
    columns: dict[str, Any] = {"period": np.repeat(np.arange(n), m), row: np.tile(np.arange(m), n)}
    for name, array in zip(names, (values, *more), strict=True):
        columns[name] = array.reshape(-1).astype(np.float32)
    return pl.DataFrame(columns)


def _load(hour: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    parts = []
    n = np.arange(len(hour))
    for s in SEGMENTS:
        free = SIZE_KW[s] * _bump(hour, PEAK_HOUR[s], 2.5) * rng.uniform(0.9, 1.1, len(hour))
        shift = 0.0 if s == "dc_site" else 0.45
        smart = (1 - shift) * free + shift * SIZE_KW[s] * _bump(hour, 2.5, 2.7)
        parts.append(pl.DataFrame({"period": n, "segment": [s] * len(n), "power_kw": smart, "uncontrolled_kw": free}))
    house = 1500 + 1300 * _bump(hour, 19.0, 2.5) + 500 * _bump(hour, 8.5, 2.0)
    sun = -1900 * np.clip(np.sin((hour - 7) / 11 * np.pi), 0, None) * (np.abs(hour - 12.5) < 5.5)
    for s, kw in (("household", house), ("pv", sun)):
        parts.append(pl.DataFrame({"period": n, "segment": [s] * len(n), "power_kw": kw, "uncontrolled_kw": kw}))
    return pl.concat(parts)


def _sessions(rng: np.random.Generator, n: int, days: int) -> pl.DataFrame:
    segment = rng.choice(SEGMENTS, n, p=[0.45, 0.25, 0.14, 0.05, 0.04, 0.07])
    arrival = np.sort(rng.integers(0, days * 1440 - 600, n))
    desired = rng.gamma(3.0, 5.0, n)
    missing = np.where(rng.random(n) < 0.03, 0.2 * desired, 0.0)
    metered = (desired - missing) / 0.9
    price = np.where(segment == "dc_site", 0.62, np.where(segment == "public_ac", 0.42, 0.27))
    free = metered * price * rng.uniform(0.95, 1.15, n)
    saving = np.where(segment == "dc_site", 1.0, rng.uniform(0.75, 1.02, n))
    co2 = metered * 0.24
    return pl.DataFrame(
        {
            "session_row": np.arange(n),
            "ev_row": rng.integers(0, n // 4, n),
            "driver_group": [f"driver:{s}" for s in segment],
            "charging_point_row": rng.integers(0, n // 5, n),
            "segment": segment,
            "arrival_min": arrival,
            "departure_min": arrival + rng.integers(60, 900, n),
            "desired_kwh": desired,
            "delivered_kwh": desired - missing,
            "metered_kwh": metered,
            "missing_kwh": missing,
            "possible_kwh": desired,
            "cost_eur": free * saving,
            "uncontrolled_cost_eur": free,
            "co2_kg": co2 * 0.93,
            "uncontrolled_co2_kg": co2,
            "is_opted_out": rng.random(n) < 0.05,
            "is_v2x": rng.random(n) < 0.04,
            "discharged_kwh": np.where(rng.random(n) < 0.02, 3.0, 0.0),
        }
    )


def _ledger(rng: np.random.Generator, n: int) -> pl.DataFrame:
    flows = [
        ("driver:home", "Voltan Energy", "retail_energy", 16000.0),
        ("driver:public_ac", "Rijpas", "charging_session", 13000.0),
        ("Rijpas", "Laadpaal", "charging_session", 11800.0),
        ("Laadpaal", "Voltan Energy", "retail_energy", 7200.0),
        ("Voltan Energy", "Centrale", "day_ahead", 15800.0),
        ("Voltan Energy", "Hoogspan", "imbalance", 900.0),
        ("Hoogspan", "Flexio", "afrr_up", 640.0),
        ("Noordnet", "Flexio", "redispatch", 410.0),
        ("Flexio", "driver:home", "flexibility_reward", 520.0),
        ("household", "Noordnet", "grid_tariff", 4200.0),
        ("driver:home", "state", "energy_tax", 2400.0),
    ]
    rows = []
    for payer, payee, reason, total in flows:
        share = rng.dirichlet(np.ones(n))
        rows.append(
            pl.DataFrame(
                {
                    "period": np.arange(n),
                    "payer": [payer] * n,
                    "payee": [payee] * n,
                    "reason": [reason] * n,
                    "amount_eur": share * total,
                }
            )
        )
    return pl.concat(rows)


def _parties() -> pl.DataFrame:
    names = {
        "Voltan Energy": "supplier,brp",
        "Flexio": "aggregator,csp,bsp",
        "Laadpaal": "cpo",
        "Rijpas": "emsp",
        "Noordnet": "dso",
        "Hoogspan": "tso",
        "Centrale": "producer,brp",
    }
    return pl.DataFrame({"party": list(names), "roles": list(names.values()), "account": list(names)})


def _prices(hour: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    n = len(hour)
    day_ahead = 75 + 50 * _bump(hour, 19, 2) + 25 * _bump(hour, 8, 2) - 70 * _bump(hour, 13, 2.5) + rng.normal(0, 4, n)
    state = rng.choice([-1, 0, 1, 2], n, p=[0.4, 0.12, 0.4, 0.08])
    up, down = day_ahead + rng.gamma(2, 30, n), day_ahead - rng.gamma(2, 30, n)
    return pl.DataFrame(
        {
            "period": np.arange(n),
            "day_ahead_eur_per_mwh": day_ahead,
            "intraday_vwap_eur_per_mwh": np.where(rng.random(n) < 0.1, np.nan, day_ahead + rng.normal(0, 9, n)),
            "imbalance_shortage_eur_per_mwh": np.where(state == -1, down, np.where(state == 0, day_ahead, up)),
            "imbalance_surplus_eur_per_mwh": np.where(state == 1, up, np.where(state == 0, day_ahead, down)),
            "mid_eur_per_mwh": (up + down) / 2,
            "up_eur_per_mwh": np.where(state > 0, up, np.nan),
            "down_eur_per_mwh": np.where((state == -1) | (state == 2), down, np.nan),
            "regulation_state": state.astype(np.int8),
            "co2_g_per_kwh": 250 + 60 * _bump(hour, 19, 3) - 120 * _bump(hour, 13, 3),
        }
    )


def _small_tables(rng: np.random.Generator, n: int) -> dict[str, pl.DataFrame]:
    chain = [("aggregator", "cpo", "OCPI"), ("cpo", "charging_point", "OCPP"), ("charging_point", "cpo", "OCPP")]
    chain += [("dso", "csp", "UFTP"), ("csp", "aggregator", "OpenADR"), ("aggregator", "csp", "UFTP")]
    chain += [("ev_driver", "emsp", "app"), ("emsp", "cpo", "OCPI"), ("bsp", "tso", "aFRR bid"), ("tso", "bsp", "aFRR")]
    sent = rng.integers(50, 90000, len(chain))
    hot = rng.integers(0, n, 14)
    return {
        "messages": pl.DataFrame(
            {
                "message": ["SetPoint", "Limit", "Meter", "Order", "Order", "Prognosis", "Wish", "Wish", "Bid", "Call"],
                "sender_role": [c[0] for c in chain],
                "receiver_role": [c[1] for c in chain],
                "protocol": [c[2] for c in chain],
                "count": sent,
                "items": sent * 3,
                "bytes": sent * 180,
                "delay_mean_s": rng.uniform(0.1, 4, len(chain)),
                "lost": [0] * len(chain),
            }
        ),
        "announcements": pl.DataFrame(
            {
                "announced_period": hot - 30,
                "period": hot,
                "branch_index": rng.choice([3, 24, 45], 14),
                "operator": ["Noordnet"] * 14,
                "forecast_loading_share": rng.uniform(1.0, 1.3, 14),
                "probability": rng.uniform(0.4, 0.95, 14),
                "needed_mw": rng.uniform(0.02, 0.2, 14),
                "direction": ["less"] * 14,
                "outcome": rng.choice(["avoided", "missed", "needless"], 14, p=[0.6, 0.15, 0.25]),
            }
        ),
        "interventions": pl.DataFrame(
            {
                "period": hot[:9],
                "kind": ["redispatch"] * 6 + ["capacity_call"] * 2 + ["absolute_signal"],
                "route": ["via_csp"] * 9,
                "branch_index": [3, 24, 45] * 3,
                "relief_mw": rng.uniform(0.02, 0.1, 9),
                "cost_eur": rng.uniform(5, 60, 9),
            }
        ),
        "reserves": pl.DataFrame(
            {
                "product": np.tile(["fcr", "afrr_up", "afrr_down"], n // 16),
                "block_start_period": np.repeat(np.arange(0, n, 16), 3),
                "offered_mw": rng.uniform(1, 6, 3 * (n // 16)),
                "awarded_mw": rng.uniform(0, 3, 3 * (n // 16)),
                "price_eur_per_mw_h": rng.uniform(4, 30, 3 * (n // 16)),
                "provider": ["Flexio"] * (3 * (n // 16)),
            }
        ),
        "activations": pl.DataFrame(
            {
                "period": np.arange(0, n, 3),
                "provider": ["Flexio"] * len(range(0, n, 3)),
                "direction": np.resize(["up", "down"], len(range(0, n, 3))),
                "energy_mwh": rng.uniform(0.01, 0.5, len(range(0, n, 3))),
                "price_eur_per_mwh": rng.uniform(20, 180, len(range(0, n, 3))),
            }
        ),
        "rejections": pl.DataFrame(
            {
                "period": [3, 9],
                "market": ["redispatch", "day_ahead"],
                "party": ["Flexio", "Voltan Energy"],
                "rule": ["minimum quantity", "price limit"],
                "count": [12, 1],
            }
        ),
        "events": pl.DataFrame({"period": [40], "kind": ["power_flow"], "text": ["did not converge"]}),
    }


def _system(hour: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    n = len(hour)
    load = 11500 + 2500 * _bump(hour, 18, 4)
    wind, solar = 3000 + 900 * np.sin(np.arange(n) / 70), 6000 * _bump(hour, 13, 2.2)
    return pl.DataFrame(
        {
            "period": np.arange(n),
            "load_mw": load,
            "load_forecast_mw": load + rng.normal(0, 150, n),
            "wind_mw": wind,
            "solar_mw": solar,
            "thermal_mw": load - wind - solar - 500,
            "import_mw": np.full(n, 500.0),
            "system_imbalance_mw": rng.normal(0, 120, n),
            "afrr_up_mwh": rng.gamma(2, 8, n),
            "afrr_down_mwh": rng.gamma(2, 8, n),
        }
    )


def example_tables(days: int = 7, seed: int = 4) -> dict[str, pl.DataFrame]:
    """All result tables of a made-up winter week (from Monday 13 January 2025)."""
    rng = np.random.default_rng(seed)
    n = days * 96
    start = datetime(2025, 1, 12, 23)
    hour = (np.arange(n) % 96) / 4
    nodes, branches = _grid()
    load = _load(hour, rng)
    total = load.group_by("period", maintain_order=True).agg(pl.col("power_kw", "uncontrolled_kw").sum())
    size = rng.uniform(0.25, 0.85, branches.height)
    size[[3, 24]] = 1.02, 0.95
    share = np.outer(np.abs(total["power_kw"].to_numpy()) / 3800, size)
    free = np.outer(np.abs(total["uncontrolled_kw"].to_numpy()) / 3800, size)
    drop = np.linspace(0.0, 0.09, nodes.height)
    low = 1.02 - np.outer(total["power_kw"].to_numpy() / 4000, drop)
    return {
        "periods": pl.DataFrame(
            {
                "period": np.arange(n, dtype=np.int32),
                "time_utc": pl.Series(
                    [start + timedelta(minutes=15 * i) for i in range(n)], dtype=pl.Datetime("ms", "UTC")
                ),
                "local_hour": hour.astype(np.float32),
                "day": (np.arange(n) // 96).astype(np.int32),
            }
        ),
        "prices": _prices(hour, rng),
        "system": _system(hour, rng),
        "load": load,
        "branches": branches,
        "branch_loading": _long(share, "branch_index", ("loading_share", "uncontrolled_loading_share"), free),
        "nodes": nodes,
        "node_voltage": _long(
            low, "node_index", ("voltage_min_pu", "voltage_max_pu", "vuf_share"), low + 0.006, 0 * low + 0.005
        ),
        "connections": pl.DataFrame(
            {
                "connection_row": np.arange(400),
                "ean": [f"8716{i:014d}" for i in range(400)],
                "node_index": np.arange(400) % nodes.height,
                "kind": ["home"] * 360 + ["public_ac"] * 40,
                "capacity_kw": [17.25] * 400,
                "phase": [1] * 400,
            }
        ),
        "parties": _parties(),
        "trades": pl.DataFrame(
            {
                "market": ["day_ahead", "intraday", "redispatch"],
                "gate_period": [0, 10, 12],
                "period": [20, 20, 20],
                "seller": ["Centrale", "Centrale", "Flexio"],
                "buyer": ["Voltan Energy"] * 3,
                "volume_mw": [3.0, 0.5, 0.1],
                "price_eur_per_mwh": [80.0, 85.0, 120.0],
            }
        ),
        "positions": pl.DataFrame(
            {"period": np.arange(n), "brp": ["Voltan Energy"] * n, "imbalance_mwh": rng.normal(0, 0.1, n)}
        ).with_columns(imbalance_eur=pl.col("imbalance_mwh") * 90),
        "energy": total.select(
            "period",
            source_kwh=pl.col("power_kw") * 0.26,
            connections_kwh=pl.col("power_kw") * 0.25,
            losses_kwh=pl.col("power_kw") * 0.01,
            residual_kwh=pl.lit(1e-9),
        ),
        "ledger": _ledger(rng, n),
        "sessions": _sessions(rng, 300 * days, days),
        **_small_tables(rng, n),
    }


def example_manifest() -> dict[str, Any]:
    """The manifest that goes with :func:`example_tables`."""
    segments = {s: {"evs": 100, "charging_points": 60, "strategy": "cheapest"} for s in SEGMENTS}
    return {
        "name": "example",
        "description": "A made-up winter week that shows every part of the report.",
        "representation": 1000,
        "seed": 4,
        "versions": {"flexpolder": "0.1.0", "python": "3.11"},
        "python": "3.11.9",
        "wall_time_s": 12.4,
        "simulation_s": 8.1,
        "peak_memory_mb": 512.0,
        "digest": "abc123",
        "tables": {"periods": 672},
        "scenario": {
            "fleet": segments,
            "grid": {"homes": 360, "fidelity": "linear"},
            "regulation": {"redispatch_gate_min": 30},
        },
    }


@pytest.fixture
def view() -> RunView:
    return RunView(example_tables(days=1), {"a": {"value": 2.0, "unit": "kWh"}, "b": 3, "c": None}, example_manifest())


def test_view_fills_in_missing_tables_and_columns(view: RunView) -> None:
    nothing = RunView({})
    assert nothing.n_periods == 0 and nothing.table("ledger").height == 0
    assert RunView({"load": view.table("load")}).table("load").is_empty()  # without a clock nothing has a place in time
    partly = dict(view.tables) | {"load": pl.DataFrame({"period": [0], "segment": ["home"]})}
    assert RunView(partly).table("load")["power_kw"].to_list() == [None]


def test_view_reads_sizes_and_kpis(view: RunView) -> None:
    assert (view.n_periods, view.period_h, view.n_evs, view.n_homes) == (96, 0.25, 600, 360)
    assert (view.kpi("a"), view.kpi("b"), view.kpi("c"), view.kpi("d")) == (2.0, 3.0, None, None)
    assert view.segments == list(SEGMENTS)


def test_local_time_is_dutch(view: RunView) -> None:
    assert str(view.local_time[0]) == "2025-01-13T00:00:00.000"
    assert view.clock() == {"x0": "2025-01-13T00:00:00.000", "dx": 900_000}


def test_clock_change_gives_explicit_times() -> None:
    start = datetime(2025, 3, 29, 23)  # midnight of the day on which the clock goes forward
    times = pl.DataFrame({"period": range(92), "time_utc": [start + timedelta(minutes=15 * i) for i in range(92)]})
    run = RunView({"periods": times})
    assert "x" in run.clock() and str(run.local_time[-1]) == "2025-03-30T23:45:00.000"


def test_matrices_hold_nan_where_nothing_was_written(view: RunView) -> None:
    few = dict(view.tables) | {"branch_loading": view.tables["branch_loading"].filter(pl.col("period") == 3)}
    loading = RunView(few).matrices["loading_share"]
    assert np.isfinite(loading[3]).all() and np.isnan(loading[4]).all()


def test_long_runs_are_thinned_to_means() -> None:
    n = 7000
    start = datetime(2025, 1, 1)
    times = pl.DataFrame({"period": range(n), "time_utc": [start + timedelta(minutes=15 * i) for i in range(n)]})
    run = RunView({"periods": times})
    assert run.thinning == 3
    assert run.thin(np.array([1.0, 2.0, 3.0, 5.0] + [0.0] * (n - 4)))[:2].tolist() == pytest.approx([2.0, 5 / 3])
