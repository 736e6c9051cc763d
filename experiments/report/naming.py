"""Key figures and levers as people read them: a name, a unit, and values in that unit."""

from __future__ import annotations

from math import isfinite

from experiments.analysis.intervals import Interval
from experiments.kpis import KPIS
from experiments.report.wording import number

_SUFFIXES = (
    ("_eur_per_mw_h", "EUR/MW/h"),
    ("_eur_per_kw_year", "EUR/kW/year"),
    ("_eur_per_kwh", "EUR/kWh"),
    ("_eur_per_mwh", "EUR/MWh"),
    ("_share_per_min", "share/min"),
    ("_g_per_kwh", "g/kWh"),
    ("_eur_per_t", "EUR/t"),
    ("_eur", "EUR"),
    ("_kwh", "kWh"),
    ("_mwh", "MWh"),
    ("_mw", "MW"),
    ("_kw", "kW"),
    ("_share", "share"),
    ("_pu", "pu"),
    ("_kg", "kg"),
    ("_min", "min"),
    ("_hour", "h"),
    ("_h", "h"),
    ("_s", "s"),
)
_WORDS = {
    "ev": "EV",
    "evs": "EVs",
    "co2": "CO₂",
    "v2x": "V2X",
    "fcr": "FCR",
    "afrr": "aFRR",
    "mfrrda": "mFRRda",
    "brp": "BRP",
    "cpo": "CPO",
    "emsp": "EMSP",
    "dso": "DSO",
    "tso": "TSO",
    "oem": "OEM",
    "api": "API",
    "iso15118": "ISO 15118",
    "dc": "DC",
    "ac": "AC",
    "lv": "LV",
    "mtu": "market time unit",
    "max": "highest",
    "mean": "mean",
    "vat": "VAT",
    "pv": "PV",
}


def unit_of(key: str) -> str:
    """Unit of a key figure or scenario key, as written in code; empty for none."""
    if key in KPIS:
        return KPIS[key].unit
    name = key.rpartition(".")[2]
    return next((u for s, u in _SUFFIXES if name.endswith(s)), "")


def shown_unit(key: str) -> str:
    """Unit as people read it: % for shares, € for euros, "of nominal" for per unit."""
    unit = unit_of(key)
    return {"share": "%", "pu": "× nominal"}.get(unit, unit.replace("EUR", "€"))


def scale_of(key: str) -> float:
    """Factor from the stored value to the shown unit."""
    return 100.0 if unit_of(key) == "share" else 1.0


_NAMES = {
    "eur_per_avoided_mwh": "Cost per MWh of overload avoided",
    "missing_kwh": "Missing energy",
    "withheld_kwh": "Transport right withheld",
    "driver_cost_eur_per_kwh": "Drivers' cost",
    "driver_saving_eur_per_kwh": "Drivers' saving per kWh",
    "driver_saving_eur": "Drivers' saving",
    "satisfied_share": "Satisfied sessions",
    "missing_share": "Missing share of energy",
    "ev_co2_g_per_kwh": "CO₂ of charging",
    "ev_peak_reduction_share": "Reduction of the EV peak",
    "transformer_loading_max_share": "Highest transformer loading",
    "transformer_uncontrolled_loading_max_share": "Highest uncontrolled transformer loading",
    "line_loading_max_share": "Highest line loading",
    "overload_branch_h": "Overload, branch-hours",
    "uncontrolled_overload_branch_h": "Uncontrolled overload, branch-hours",
    "voltage_min_pu": "Lowest voltage",
    "voltage_max_pu": "Highest voltage",
    "voltage_outside_share": "Share of voltages outside limits",
    "unbalance_max_share": "Highest unbalance",
    "losses_share": "Grid losses",
    "day_ahead_mean_eur_per_mwh": "Mean day-ahead price",
    "day_ahead_spread_eur_per_mwh": "Daily day-ahead spread",
    "imbalance_shortage_mean_eur_per_mwh": "Mean price for shortage",
    "state_2_share": "Share of regulation state 2",
    "brp_imbalance_cost_eur": "Imbalance cost of BRPs",
    "brp_imbalance_mwh": "Imbalance of BRPs",
    "congestion_avoided_share": "Avoided share of congestion",
    "system.gas_eur_per_mwh": "Gas price",
    "system.coal_eur_per_mwh": "Coal price",
    "system.co2_eur_per_t": "CO₂ price",
}


def name_of(key: str) -> str:
    """Plain name of a key figure or lever without its unit: "EV peak" for ``ev_peak_kw``."""
    if key in _NAMES:
        return _NAMES[key]
    name = key.rpartition(".")[2]
    stem = next((name.removesuffix(s) for s, _ in _SUFFIXES if name.endswith(s) and s != "_share"), name)
    words = [_WORDS.get(w, w) for w in (stem or name).removeprefix("is_").split("_")]
    if key.startswith("fleet."):
        words = [*(_WORDS.get(w, w) for w in key.split(".")[1].split("_")), *words]
    text = " ".join(dict.fromkeys(words))
    return text if words[:1] and words[0] in _WORDS.values() and not words[0].islower() else text[:1].upper() + text[1:]


def title_of(key: str) -> str:
    """Name with unit: "EV peak (kW)"."""
    unit = shown_unit(key)
    return f"{name_of(key)} ({unit})" if unit else name_of(key)


def change_unit(key: str) -> str:
    """Unit of a difference: percentage points for shares, else that of the value."""
    return "points" if unit_of(key) == "share" else shown_unit(key)


def value_text(key: str, value: float | None, *, is_change: bool = False, sign: bool = False) -> str:
    """A value with its unit: "€1,230", "12.5 %", "431 kW".

    Parameters
    ----------
    key : str
        Key figure or scenario key.
    value : float or None
        As stored; a dash stands for what is not known.
    is_change : bool
        A difference of two values, so that shares are told in points.
    sign : bool
        Always with its sign.
    """
    if value is None or not isfinite(value):
        return "–"
    unit = change_unit(key) if is_change else shown_unit(key)
    text = number(value * scale_of(key), max(3, _whole_digits(value * scale_of(key))), sign)
    if unit == "€":
        return text[:1] + "€" + text[1:] if text[:1] in "−+" else f"€{text}"
    return f"{text} {unit}".rstrip()


def interval_text(key: str, found: Interval, *, is_change: bool = False) -> str:
    """Mean and half width with one unit: "431 ± 12 kW"; only the mean where no interval is known or it is nothing."""
    middle = value_text(key, found.mean, is_change=is_change, sign=is_change)
    if not isfinite(found.half_width) or found.half_width <= 1e-9 * abs(found.mean):
        return middle
    half = number(found.half_width * scale_of(key), 2)
    unit = change_unit(key) if is_change else shown_unit(key)
    if unit == "€":
        return f"{middle} ± {half}"
    return f"{middle.removesuffix(' ' + unit)} ± {half} {unit}".rstrip()


def _whole_digits(value: float) -> int:
    """Digits before the point, so that whole numbers are not rounded to three digits."""
    return len(str(int(abs(value))))


def setting_text(key: str, value: object) -> str:
    """A lever's value as people read it: "0.1 MW", "yes", "non firm"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value * scale_of(key):,.4g} {shown_unit(key)}".rstrip().replace("-", "−")
    return str(value).replace("_", " ")


def is_better(kpi: str, change: float) -> bool | None:
    """Whether a change of a key figure is good; None where no direction is better or nothing changes."""
    better = KPIS[kpi].better if kpi in KPIS else ""
    if not better or change == 0 or not isfinite(change):
        return None
    return (change < 0) == (better == "lower")
