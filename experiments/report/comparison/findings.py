"""What changes between two runs and why, in sentences computed from the numbers of both."""

from __future__ import annotations

import numpy as np

from experiments.kpis import KPIS
from experiments.report.comparison.pair import Pair
from experiments.report.comparison.sections import SMALL_SHARE, ev_kw
from experiments.report.figures.load import moved_share
from experiments.report.figures.prices import moment
from experiments.report.naming import is_better, name_of, value_text
from experiments.report.view import RunView
from experiments.report.wording import count, euro, inside, listing, number, percent, power

TOLD = ("driver_cost_eur_per_kwh", "overload_branch_h", "transformer_loading_max_share", "redispatch_cost_eur")
"""Figures that have a sentence of their own."""
OTHERS = (
    "ev_peak_kw",
    "satisfied_share",
    "missing_kwh",
    "ev_co2_g_per_kwh",
    "voltage_min_pu",
    "brp_imbalance_cost_eur",
    "fcr_awarded_mw",
    "afrr_up_awarded_mw",
    "capacity_call_cost_eur",
    "absolute_signals",
    "withheld_kwh",
    "day_ahead_mean_eur_per_mwh",
)
SMALL_MOVE = 0.005
"""Share of energy below which charging counts as unmoved."""


def findings(pair: Pair) -> list[str]:
    """Sentences on bills, wires and the rest; one sentence if nothing moves."""
    known = {k: (a, b) for k, a, b in pair.kpis}
    moved = {k for k, (a, b) in known.items() if abs(b - a) > SMALL_SHARE * max(abs(a), abs(b))}
    if not moved & {*TOLD, *OTHERS}:
        return ["None of the main figures changes by more than a thousandth."]
    parts = [_bills(pair, known, moved), _wires(pair, known, moved), _operators(known, moved)]
    return [p for p in [*parts, *_others(known, moved)] if p]


def _bills(pair: Pair, known: dict[str, tuple[float, float]], moved: set[str]) -> str:
    key = "driver_cost_eur_per_kwh"
    if key not in known:
        return ""
    a, b = known[key]
    if key not in moved:
        return f"Drivers pay the same per kWh in both ({number(100 * b)} cents)."
    word = "less" if b < a else "more"
    return (
        f"{pair.names[1]} costs drivers {euro(1000 * abs(b - a))} {word} per MWh "
        f"({number(100 * b)} instead of {number(100 * a)} cents per kWh, {percent((b - a) / a, 1, sign=True)})"
        f"{_why_bills(pair, b < a)}."
    )


def paid_price(kw: np.ndarray, price: np.ndarray) -> float:
    """Day-ahead price when EVs charged, weighted with their power; NaN without energy."""
    known = np.isfinite(price)
    total = float(np.sum(kw[known]))
    return float(np.sum(kw[known] * price[known])) / total if total > 0 else float("nan")


def _why_bills(pair: Pair, is_cheaper: bool) -> str:
    """Whether cars charged in other hours or the market price itself moved, told only if it points the same way."""
    if not pair.is_same_clock:
        return ""
    (kw_a, price_a), (kw_b, price_b) = ((ev_kw(r), _price(r)) for r in (pair.a, pair.b))
    before, after = paid_price(kw_a, price_a), paid_price(kw_b, price_b)
    by_hours = paid_price(kw_b, price_a) - before
    by_price = after - before - by_hours
    sign = -1.0 if is_cheaper else 1.0
    causes = []
    if sign * by_hours > max(SMALL_SHARE * abs(before), 0.05):
        hours = "cheaper" if is_cheaper else "dearer"
        causes.append(f"cars charge in {hours} hours ({number(by_hours, sign=True)} €/MWh at unchanged prices)")
    if sign * by_price > max(SMALL_SHARE * abs(before), 0.05):
        causes.append(f"the day-ahead price in those hours moves by {number(by_price, sign=True)} €/MWh")
    return f", because {listing(causes)}" if causes else ", though the day-ahead price when they charge hardly moves"


def _price(run: RunView) -> np.ndarray:
    return run.series("prices", "day_ahead_eur_per_mwh")


def _wires(pair: Pair, known: dict[str, tuple[float, float]], moved: set[str]) -> str:
    hours, share = "overload_branch_h", "transformer_loading_max_share"
    parts = []
    if hours in known:
        a, b = known[hours]
        parts.append(
            f"overload {'falls' if b < a else 'rises'} from {number(a)} to {number(b)} element-hours"
            if hours in moved
            else f"overload stays at {number(b)} element-hours"
            if b
            else "nothing is overloaded in either run"
        )
    if share in moved:
        a, b = known[share]
        parts.append(f"the highest transformer loading goes from {percent(a)} to {percent(b)}")
    if not parts:
        return ""
    text = listing(parts)
    return text[:1].upper() + text[1:] + (_why_wires(pair) if {hours, share} & moved else "") + "."


def _why_wires(pair: Pair) -> str:
    """How much charging moved, and what cars took at A's worst moment."""
    if not pair.is_same_clock:
        return ""
    kw_a, kw_b = ev_kw(pair.a), ev_kw(pair.b)
    share = moved_share(np.nan_to_num(kw_a), np.nan_to_num(kw_b))
    loading = pair.a.matrices["loading_share"]
    if not np.isfinite(share) or not np.isfinite(loading).any():
        return ""
    worst = int(np.argmax(np.nan_to_num(loading, nan=-1.0).max(axis=1)))
    moved = (
        f"{percent(share, 1)} of the energy is charged at other times"
        if share >= SMALL_MOVE
        else "hardly any energy is charged at other times"
    )
    return (
        f", because {moved}; at {pair.names[0]}'s worst moment ({moment(pair.a, worst)}) all cars together take "
        f"{power(kw_b[worst])} instead of {power(kw_a[worst])}"
    )


def _operators(known: dict[str, tuple[float, float]], moved: set[str]) -> str:
    key = "redispatch_cost_eur"
    if key not in moved:
        return ""
    a, b = known[key]
    avoided = known.get("eur_per_avoided_mwh")
    per = f", {euro(avoided[1])} instead of {euro(avoided[0])} per MWh of overload avoided" if avoided else ""
    needless = known.get("interventions_needless")
    rest = (
        f"; interventions that were not needed go from {count(needless[0])} to {count(needless[1])}" if needless else ""
    )
    return f"Redispatch costs operators {euro(b)} instead of {euro(a)}{per}{rest}."


def _others(known: dict[str, tuple[float, float]], moved: set[str]) -> list[str]:
    """The remaining main figures that move, sorted into better, worse and neither."""
    told: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for kpi in (k for k in OTHERS if k in moved):
        a, b = known[kpi]
        share = f", {percent((b - a) / abs(a), sign=True)}" if a and KPIS[kpi].unit != "share" else ""
        change = f"{inside(name_of(kpi))} ({value_text(kpi, b - a, is_change=True, sign=True)}{share})"
        told[is_better(kpi, b - a)].append(change)
    out = [f"Better besides: {listing(told[True])}."] if told[True] else []
    out += [f"Worse: {listing(told[False])}."] if told[False] else ["None of the other main figures gets worse."]
    return out + ([f"Also changed: {listing(told[None])}."] if told[None] else [])
