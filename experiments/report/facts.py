"""The numbers behind the summary: the run's KPIs where it has them, else the same figure from the tables."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from experiments.report.figures.drivers import overall, service
from experiments.report.figures.grid_picture import foretold
from experiments.report.figures.load import moved_share, totals
from experiments.report.view import RunView


@dataclass(frozen=True)
class Facts:
    """Figures of one run next to those of uncontrolled charging (``free_``); NaN = not known."""

    ev_energy_kwh: float = nan
    peak_kw: float = nan
    free_peak_kw: float = nan
    moved_share: float = nan
    loading_share: float = nan
    free_loading_share: float = nan
    loading_row: int = -1
    overloaded_elements: int = 0
    free_overloaded_elements: int = 0
    overload_h: float = nan
    free_overload_h: float = nan
    voltage_low_pu: float = nan
    voltage_high_pu: float = nan
    sessions: int = 0
    served_share: float = nan
    missing_kwh: float = nan
    opt_out_share: float = nan
    cost_eur: float = nan
    free_cost_eur: float = nan
    delivered_kwh: float = nan
    co2_kg: float = nan
    free_co2_kg: float = nan
    announcements: int = 0
    unannounced: int = 0
    interventions: int = 0
    intervention_eur: float = nan

    @property
    def price_eur_per_kwh(self) -> float:
        """Mean cost of a kWh in the battery."""
        return self.cost_eur / self.delivered_kwh if self.delivered_kwh > 0 else nan

    @property
    def free_price_eur_per_kwh(self) -> float:
        """Mean cost of a kWh in the battery, uncontrolled."""
        return self.free_cost_eur / self.delivered_kwh if self.delivered_kwh > 0 else nan


# KPI that stands for a figure where the run has it.
KPI_NAMES = {
    "peak_kw": "ev_peak_kw",
    "free_peak_kw": "ev_uncontrolled_peak_kw",
    "overload_h": "overload_branch_h",
    "free_overload_h": "uncontrolled_overload_branch_h",
    "voltage_low_pu": "voltage_min_pu",
    "voltage_high_pu": "voltage_max_pu",
    "served_share": "satisfied_share",
    "missing_kwh": "missing_kwh",
}


def facts(run: RunView) -> Facts:
    """All figures of a run."""
    values: dict[str, float] = {**_load(run), **_grid(run), **_drivers(run), **_congestion(run)}
    values |= {name: value for name, kpi in KPI_NAMES.items() if (value := run.kpi(kpi)) is not None}
    return Facts(**values)  # type: ignore[arg-type]


def _load(run: RunView) -> dict[str, float]:
    if run.table("load").is_empty() or not run.segments:
        return {}
    power = totals({s: run.series("load", "power_kw", segment=s) for s in run.segments})
    free = totals({s: run.series("load", "uncontrolled_kw", segment=s) for s in run.segments})
    return {
        "ev_energy_kwh": float(np.sum(power) * run.period_h),
        "peak_kw": float(np.max(power)),
        "free_peak_kw": float(np.max(free)),
        "moved_share": moved_share(power, free),
    }


def _grid(run: RunView) -> dict[str, float]:
    out: dict[str, float] = {}
    if run.table("branch_loading").is_empty():
        return out
    for column, prefix in (("loading_share", ""), ("uncontrolled_loading_share", "free_")):
        loading = np.nan_to_num(run.matrices[column], nan=-1.0)
        over = loading > 1.0
        if loading.max(initial=-1.0) >= 0:
            out[f"{prefix}loading_share"] = float(loading.max())
            out[f"{prefix}overloaded_elements"] = int(over.any(axis=0).sum())
            out[f"{prefix}overload_h"] = float(over.sum() * run.period_h)
            if not prefix:
                out["loading_row"] = int(np.argmax(loading.max(axis=0)))
    low, high = run.matrices["voltage_min_pu"], run.matrices["voltage_max_pu"]
    if np.isfinite(low).any() and np.isfinite(high).any():
        out |= {"voltage_low_pu": float(np.nanmin(low)), "voltage_high_pu": float(np.nanmax(high))}
    return out


def _drivers(run: RunView) -> dict[str, float]:
    sessions, by_segment = run.table("sessions"), service(run)
    if sessions.is_empty():
        return {}
    columns = ("missing_kwh", "cost_eur", "uncontrolled_cost_eur", "delivered_kwh", "co2_kg", "uncontrolled_co2_kg")
    sums = {c: float(sessions[c].sum()) if sessions[c].count() else nan for c in columns}
    return {
        "sessions": sessions.height,
        "served_share": overall(by_segment, "satisfied_share"),
        "opt_out_share": float(np.mean(sessions["is_opted_out"].fill_null(False).to_numpy())),
        "missing_kwh": float(by_segment["missing_kwh"].sum()),
        "delivered_kwh": sums["delivered_kwh"],
        "cost_eur": sums["cost_eur"],
        "free_cost_eur": sums["uncontrolled_cost_eur"],
        "co2_kg": sums["co2_kg"],
        "free_co2_kg": sums["uncontrolled_co2_kg"],
    }


def _congestion(run: RunView) -> dict[str, float]:
    announced, done = run.table("announcements"), run.table("interventions")
    return {
        "announcements": foretold(announced).height,
        "unannounced": announced.height - foretold(announced).height,
        "interventions": done.height,
        "intervention_eur": float(done["cost_eur"].sum()),
    }


def is_known(*values: float) -> bool:
    """Whether all values are finite numbers."""
    return all(isfinite(v) for v in values)
