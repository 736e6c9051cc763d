"""What the report reads: the tables of one run with every column present, local time and plain names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

EV_SEGMENTS = ("home", "public_ac", "office", "depot", "shared", "dc_site")
MAX_POINTS = 3000
"""Longest line drawn; longer runs are shown as means of several periods."""

_TEXT, _REAL, _WHOLE, _FLAG = pl.String(), pl.Float64(), pl.Int64(), pl.Boolean()

# Columns the report uses, by table and kind. A table may have more; a missing one is read as empty.
_OUTAGES = {
    _TEXT: "kind resupplied_by",
    _WHOLE: "branch_index first_period periods connections",
    _REAL: "connection_h unserved_kwh postponed_kwh emergency_kwh",
}
COLUMNS: dict[str, dict[pl.DataType, str]] = {
    "periods": {_WHOLE: "period day", _REAL: "local_hour", pl.Datetime("ms"): "time_utc"},
    "prices": {
        _WHOLE: "period regulation_state",
        _REAL: "day_ahead_eur_per_mwh intraday_vwap_eur_per_mwh imbalance_shortage_eur_per_mwh "
        "imbalance_surplus_eur_per_mwh mid_eur_per_mwh up_eur_per_mwh down_eur_per_mwh co2_g_per_kwh",
    },
    "system": {
        _WHOLE: "period",
        _REAL: "load_mw load_forecast_mw wind_mw solar_mw thermal_mw import_mw system_imbalance_mw "
        "afrr_up_mwh afrr_down_mwh",
    },
    "load": {_WHOLE: "period", _TEXT: "segment", _REAL: "power_kw uncontrolled_kw"},
    "branches": {_WHOLE: "branch_index", _TEXT: "branch kind level from_node to_node area", _REAL: "rating_a"},
    "branch_loading": {_WHOLE: "period branch_index", _REAL: "loading_share uncontrolled_loading_share"},
    "nodes": {_WHOLE: "node_index", _TEXT: "node level", _REAL: "x y u_rated_v"},
    "node_voltage": {_WHOLE: "period node_index", _REAL: "voltage_min_pu voltage_max_pu vuf_share"},
    "connections": {_WHOLE: "connection_row node_index phase", _TEXT: "ean kind", _REAL: "capacity_kw"},
    "parties": {_TEXT: "party roles account"},
    "trades": {
        _TEXT: "market seller buyer",
        _WHOLE: "gate_period period",
        _REAL: "volume_mw price_eur_per_mwh",
    },
    "positions": {_WHOLE: "period", _TEXT: "brp", _REAL: "imbalance_mwh imbalance_eur"},
    "energy": {_WHOLE: "period", _REAL: "source_kwh connections_kwh losses_kwh residual_kwh"},
    "ledger": {_WHOLE: "period", _TEXT: "payer payee reason", _REAL: "amount_eur"},
    "sessions": {
        _WHOLE: "session_row ev_row charging_point_row arrival_min departure_min",
        _TEXT: "driver_group segment",
        _REAL: "desired_kwh delivered_kwh metered_kwh missing_kwh possible_kwh cost_eur uncontrolled_cost_eur "
        "co2_kg uncontrolled_co2_kg discharged_kwh",
        _FLAG: "is_opted_out is_v2x",
    },
    "drivers": {_TEXT: "segment", _WHOLE: "sessions", _REAL: "opt_out_share satisfied_share missing_kwh"},
    "messages": {
        _TEXT: "message sender_role receiver_role protocol",
        _WHOLE: "count items bytes lost withheld waited refused",
        _REAL: "delay_mean_s wire_mb completeness_share timeliness_share",
    },
    "announcements": {
        _WHOLE: "announced_period period branch_index",
        _TEXT: "operator direction outcome",
        _REAL: "forecast_loading_share probability needed_mw",
    },
    "interventions": {_WHOLE: "period branch_index", _TEXT: "kind route", _REAL: "relief_mw cost_eur"},
    "reserves": {
        _TEXT: "product provider",
        _WHOLE: "block_start_period",
        _REAL: "offered_mw awarded_mw price_eur_per_mw_h",
    },
    "activations": {_WHOLE: "period", _TEXT: "provider direction", _REAL: "energy_mwh price_eur_per_mwh"},
    "aggregators": {
        _WHOLE: "day customers joined left",
        _TEXT: "party",
        _REAL: "charged_kwh benefit_eur_per_kwh",
    },
    "operators": {
        _TEXT: "operator tool",
        _WHOLE: "interventions avoided missed needless",
        _REAL: "bought_mwh avoided_mwh perfect_mwh cost_eur eur_per_avoided_mwh",
    },
    "forecast_calibration": {
        _TEXT: "operator horizon",
        _WHOLE: "forecasts",
        _REAL: "low high mean_probability observed_share",
    },
    "agreements": {
        _WHOLE: "connection_row group breach_quarters",
        _TEXT: "agreement",
        _REAL: "fee_eur withheld_kwh breach_kwh",
    },
    "quality": {
        _TEXT: "aspect area",
        _WHOLE: "week nodes nodes_met worst_node_index",
        _REAL: "outside_share p95 limit_low limit_high required_share",
        _FLAG: "is_met",
    },
    "ageing": {
        _WHOLE: "branch_index",
        _REAL: "hot_spot_max_c loss_of_life_h uncontrolled_hot_spot_max_c uncontrolled_loss_of_life_h",
    },
    "outages": _OUTAGES,
    "uncontrolled_outages": _OUTAGES,
    "breaches": {
        _TEXT: "agreement rule by",
        _WHOLE: "connection_row group first_period quarters",
        _REAL: "energy_kwh penalty_eur",
    },
    "signals": {
        _TEXT: "route learns",
        _WHOLE: "signals lost quarters sessions",
        _REAL: "delay_min bought_mwh used_mwh deviation_mwh imbalance_mwh imbalance_eur withheld_mwh withheld_eur "
        "missing_kwh hardware_eur",
    },
    "market_monitor": {
        _TEXT: "market largest_seller pivotal_party",
        _WHOLE: "trades trades_after_gate beyond_prequalification",
        _REAL: "volume_mwh churn hhi_sellers hhi_buyers pivotal_share spread_eur_per_mwh welfare_eur",
    },
    "reserve_shortfalls": {
        _WHOLE: "period",
        _TEXT: "provider product",
        _REAL: "contracted_mw missing_mw penalty_eur",
    },
    "gap": {_TEXT: "segment strategy solver", _REAL: "energy_kwh run_eur optimum_eur gap_share"},
    "hardware": {
        _WHOLE: "period charging_point_row quality",
        _TEXT: "station_id",
        _REAL: "limit_kw power_kw energy_kwh register_kwh",
        _FLAG: "is_metered",
    },
    "refusals": {_TEXT: "message sender_role receiver_role reason", _WHOLE: "count"},
    "rejections": {_WHOLE: "period count", _TEXT: "market party rule"},
    "events": {_WHOLE: "period", _TEXT: "kind text"},
}


@dataclass(frozen=True)
class RunView:
    """Tables, KPIs and manifest of one run, read-only.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        Result tables by name; absent ones count as empty.
    kpis : mapping
        ``kpis.json``; values are numbers or mappings with ``value``.
    manifest : mapping
        ``manifest.json``.
    """

    tables: Mapping[str, pl.DataFrame]
    kpis: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def table(self, name: str) -> pl.DataFrame:
        """One table with every column of :data:`COLUMNS`; what is missing or NaN is null.

        A run without periods has no place in time for anything that happened, so such tables are then empty.
        """
        frame = self.tables.get(name, pl.DataFrame())
        wanted = {column: kind for kind, columns in COLUMNS[name].items() for column in columns.split()}
        casts = [
            (pl.col(c).cast(kind, strict=False) if c in frame.columns else pl.lit(None, dtype=kind)).alias(c)
            for c, kind in wanted.items()
        ]
        if not frame.width or (self.n_periods == 0 and "period" in wanted):
            return pl.DataFrame(schema=wanted)
        return frame.with_columns(casts).with_columns(pl.col(pl.Float64).fill_nan(None))

    @cached_property
    def n_periods(self) -> int:
        """Length of the run in periods."""
        return self.tables["periods"].height if "periods" in self.tables else 0

    @cached_property
    def period_h(self) -> float:
        """Length of a period in hours."""
        if self.n_periods < 2:
            return 0.25
        first, second = self.table("periods").sort("period")["time_utc"].head(2).to_list()
        return float((second - first).total_seconds() / 3600)

    @cached_property
    def time_zone(self) -> str:
        """IANA name of the local time shown on the axes."""
        return str(self.scenario("time_zone") or "Europe/Amsterdam")

    @cached_property
    def local_time(self) -> np.ndarray:
        """Start of every period on the local wall clock, datetime64[ms] of shape (n_periods,)."""
        utc = self.table("periods").sort("period")["time_utc"]
        local = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone).dt.replace_time_zone(None)
        return local.to_numpy().astype("datetime64[ms]")

    @cached_property
    def thinning(self) -> int:
        """Periods per drawn point (1 up to :data:`MAX_POINTS` periods)."""
        return max(1, -(-self.n_periods // MAX_POINTS))

    def thin(self, values: np.ndarray) -> np.ndarray:
        """Means over :attr:`thinning` periods, float32."""
        k = self.thinning
        if k == 1:
            return values.astype(np.float32)
        padded = np.full(-(-len(values) // k) * k, np.nan)
        padded[: len(values)] = values
        blocks = padded.reshape(-1, k)
        known = np.isfinite(blocks).sum(axis=1)
        total = np.where(known > 0, np.nansum(blocks, axis=1), np.nan)
        return (total / np.maximum(known, 1)).astype(np.float32)

    def clock(self) -> dict[str, Any]:
        """Arguments ``x0``/``dx`` of a drawn line, or ``x`` where the clock is put forward or back in the run."""
        local = self.local_time[:: self.thinning]
        if len(local) < 2:
            return {"x": [str(t) for t in local]}
        steps = np.diff(local)
        if (steps == steps[0]).all():
            return {"x0": str(local[0]), "dx": int(steps[0].astype(np.int64))}
        return {"x": local}

    def series(self, table: str, column: str, **where: str) -> np.ndarray:
        """One value per period (summed over rows), float64[n_periods]; NaN where the table has none."""
        frame = self.table(table).filter(*[pl.col(k) == v for k, v in where.items()])
        out = np.full(self.n_periods, np.nan)
        if frame.is_empty():
            return out
        sums = frame.group_by("period").agg(pl.col(column).sum(), pl.col(column).count().alias("n"))
        sums = sums.filter((pl.col("period") >= 0) & (pl.col("period") < self.n_periods) & (pl.col("n") > 0))
        out[sums["period"].to_numpy()] = sums[column].to_numpy()
        return out

    def kpi(self, name: str) -> float | None:
        """A KPI as a number, or None where the run has none."""
        value = self.kpis.get(name)
        if isinstance(value, Mapping):
            value = value.get("value")
        return float(value) if isinstance(value, int | float) and np.isfinite(value) else None

    def scenario(self, *path: str) -> Any:
        """A value of the resolved scenario in the manifest by key path, or None."""
        value: Any = self.manifest.get("scenario")
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    @cached_property
    def representation(self) -> int:
        """EVs of the national fleet one simulated EV stands for."""
        value = self.manifest.get("representation") or self.scenario("representation") or 1
        return int(value)

    @cached_property
    def n_evs(self) -> int:
        """Simulated EVs: as the scenario says, else those that were seen charging."""
        told = [self.scenario("fleet", s, "evs") for s in EV_SEGMENTS]
        if any(n is not None for n in told):
            return int(np.sum([n or 0 for n in told]))
        return int(self.table("sessions")["ev_row"].n_unique())

    @cached_property
    def n_homes(self) -> int:
        """Homes on the grid: as the scenario says, else (or on a grid of a file) home connections."""
        homes = None if self.scenario("grid", "file") else self.scenario("grid", "homes")
        return int(homes) if homes else self.table("connections").filter(pl.col("kind") == "home").height

    @cached_property
    def segments(self) -> list[str]:
        """EV segments that occur, in the fixed order."""
        seen = set(self.table("load")["segment"].unique()) | set(self.table("sessions")["segment"].unique())
        return [s for s in EV_SEGMENTS if s in seen]

    @cached_property
    def matrices(self) -> dict[str, np.ndarray]:
        """Branch loading and node voltage as float32 (n_periods, n_rows); NaN where nothing was written."""
        loading, voltage = self.table("branch_loading"), self.table("node_voltage")
        n_branches, n_nodes = self.table("branches").height, self.table("nodes").height
        pairs = [("loading_share", n_branches), ("uncontrolled_loading_share", n_branches)]
        out = {c: self._matrix(loading, "branch_index", c, n) for c, n in pairs}
        return out | {
            c: self._matrix(voltage, "node_index", c, n_nodes)
            for c in ("voltage_min_pu", "voltage_max_pu", "vuf_share")
        }

    def _matrix(self, frame: pl.DataFrame, row: str, column: str, n_rows: int) -> np.ndarray:
        out = np.full((self.n_periods, n_rows), np.nan, dtype=np.float32)
        inside = pl.col("period").is_between(0, self.n_periods - 1) & pl.col(row).is_between(0, n_rows - 1)
        frame = frame.filter(inside)
        out[frame["period"].to_numpy(), frame[row].to_numpy()] = frame[column].to_numpy()
        return out
