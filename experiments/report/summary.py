"""The top of the page: what happened, in sentences and tiles computed from the run's own numbers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import fsum

import numpy as np
import polars as pl

from experiments.report.facts import Facts, is_known
from experiments.report.figures.checks import verdicts
from experiments.report.figures.congestion import outcomes, supply
from experiments.report.figures.grid_picture import branch_title
from experiments.report.figures.load import totals
from experiments.report.figures.prices import moment
from experiments.report.view import RunView
from experiments.report.wording import count, energy, euro, inside, label, listing, number, percent, plural, power

SMALL_CHANGE = 0.005
"""Relative change below which a figure counts as unchanged."""


@dataclass(frozen=True)
class Tile:
    """One figure with its difference to uncontrolled charging and whether that is good (True), bad or neither."""

    name: str
    value: str
    change: str
    is_better: bool | None = None

    def html(self) -> str:
        """The tile as a list item."""
        kind = {True: "better", False: "worse", None: "plain"}[self.is_better]
        return (
            f'<li class="tile {kind}"><span class="name">{escape(self.name)}</span>'
            f'<strong>{escape(self.value)}</strong><span class="change">{escape(self.change)}</span></li>'
        )


def representation(run: RunView) -> str:
    """How the simulated EVs relate to the country, in one sentence."""
    n = run.representation
    if n == 1:
        return "Each simulated EV stands for one EV in the national markets and for itself on the wires."
    return (
        f"Each simulated EV stands for {count(n)} EVs in the national markets "
        f"({count(n * run.n_evs)} in all) and for one EV on the wires."
    )


def sentences(run: RunView, f: Facts) -> list[str]:
    """The summary, one finding a sentence."""
    parts = [_what(run, f), _shift(run, f), _grid(run, f), supply(run), _congestion(run, f)]
    parts += [_drivers_money(run, f), _others(run)]
    return [p for p in [*parts, _service(f), _climate(f), _trust(run)] if p]


def _what(run: RunView, f: Facts) -> str:
    if not f.sessions:
        return "There were no charging sessions in this run."
    used = f", which took {energy(f.ev_energy_kwh)} from the grid" if is_known(f.ev_energy_kwh) else ""
    where = f" in a town of {plural(run.n_homes, 'home')}" if run.n_homes else ""
    return f"{plural(run.n_evs, 'EV')}{where} made {plural(f.sessions, 'charging session')}{used}."


def _shift(run: RunView, f: Facts) -> str:
    if not is_known(f.peak_kw, f.free_peak_kw) or f.free_peak_kw <= 0:
        return ""
    change = f.peak_kw / f.free_peak_kw - 1
    verb = "lowered" if change < 0 else "raised"
    if abs(change) < SMALL_CHANGE:
        moved = (
            f"moved {percent(f.moved_share)} of that energy in time"
            if f.moved_share >= SMALL_CHANGE
            else "moved no energy"
        )
        return f"Smart charging {moved} and left the EVs' highest demand at {power(f.peak_kw)}."
    return (
        f"Smart charging moved {percent(f.moved_share)} of that energy in time and {verb} the EVs' highest demand by "
        f"{percent(abs(change))}, from {power(f.free_peak_kw)} to {power(f.peak_kw)}.{_why(run) if change > 0 else ''}"
    )


def _why(run: RunView) -> str:
    """Whether the highest demand came when power was cheap, which is what cars that follow one price do together."""
    kw = totals({s: run.series("load", "power_kw", segment=s) for s in run.segments})
    price, day = run.series("prices", "day_ahead_eur_per_mwh"), run.local_time.astype("datetime64[D]")
    if not kw.size or not np.isfinite(price).any():
        return ""
    top = int(np.argmax(kw))
    dearer = float(np.mean(price[day == day[top]] > price[top]))
    if not dearer > 0.5:
        return ""
    return (
        f" That was on {moment(run, top)}, when power cost {number(price[top])} €/MWh, less than in {percent(dearer)} "
        "of that day's quarter-hours: cars that follow the same price charge together."
    )


def _grid(run: RunView, f: Facts) -> str:
    if not is_known(f.loading_share):
        return "No power flow was computed, so nothing can be said about the grid."
    row = run.table("branches").filter(pl.col("branch_index") == f.loading_row)
    where = f" ({branch_title(row.row(0, named=True))})" if row.height else ""
    without = f", uncontrolled {percent(f.free_loading_share)}" if is_known(f.free_loading_share) else ""
    if f.overloaded_elements == 0:
        text = (
            f"The grid held: the most loaded element{where} reached {percent(f.loading_share)} of its rating{without}."
        )
        if f.free_overloaded_elements:
            n = plural(f.free_overloaded_elements, "element")
            text = text[:-1] + f", which would have overloaded {n}."
        return text
    hours = f"{number(f.overload_h)} element-hours"
    free = ""
    if is_known(f.free_overload_h):
        free = f" (uncontrolled: {count(f.free_overloaded_elements)} and {number(f.free_overload_h)})"
    return (
        f"The grid did not hold everywhere: {plural(f.overloaded_elements, 'element')} went above the rating for "
        f"{hours} in all{free}; the worst{where} reached {percent(f.loading_share)}{without}."
    )


def _congestion(run: RunView, f: Facts) -> str:
    if not f.announcements and not f.interventions and not f.unannounced:
        return "The grid operators announced no congestion and did not intervene."
    said = "no congestion"
    if f.announcements:
        said = f"congestion {plural(f.announcements, 'time')}, counted by quarter-hour and element "
        said += f"({outcomes(run.table('announcements'))})"
    did = "did not intervene"
    if f.interventions:
        did = f"intervened {plural(f.interventions, 'time')} at a cost of {euro(f.intervention_eur)}"
    rest = f"; {plural(f.unannounced, 'overload')} came unannounced" if f.unannounced else ""
    return f"The grid operators announced {said} and {did}{rest}."


def _drivers_money(run: RunView, f: Facts) -> str:
    if not is_known(f.cost_eur, f.free_cost_eur) or not f.delivered_kwh:
        return ""
    saved = f.free_cost_eur - f.cost_eur
    verb = "saved" if saved >= 0 else "cost"
    gains = {
        inside(label(s)): float((p["uncontrolled_cost_eur"] - p["cost_eur"]).sum())
        for s in run.segments
        if (p := run.table("sessions").filter(pl.col("segment") == s)).height
    }
    order = sorted(gains, key=lambda k: -gains[k])
    winners = [f"{k} ({euro(gains[k])})" for k in order if gains[k] > 0.5][:2]
    losers = [f"{k} ({euro(-gains[k])} more)" for k in reversed(order) if gains[k] < -0.5][:2]
    tail = f"; most at {listing(winners)}" if winners and saved >= 0 else ""
    tail += f"; worse off at {listing(losers)}" if losers else ""
    cents = f"{number(100 * f.price_eur_per_kwh)} instead of {number(100 * f.free_price_eur_per_kwh)} cents per kWh"
    return f"Smart charging {verb} drivers {euro(abs(saved))} against charging on arrival ({cents}){tail}."


def _others(run: RunView) -> str:
    """What keeping the balance cost in the whole country: reserves, their energy and settled imbalance."""
    ledger = run.table("ledger").filter(pl.col("payer") != pl.col("payee"))
    imbalance = run.table("positions")["imbalance_eur"].drop_nulls()
    parts = []
    for words, reasons in (
        ("was paid for reserve capacity", "^(afrr_capacity|fcr)"),
        ("changed hands for balancing energy, up and down", "^balancing_energy"),
    ):
        moved = fsum(ledger.filter(pl.col("reason").str.contains(reasons))["amount_eur"].abs().to_list())
        if moved:
            parts.append(f"{euro(moved)} {words}")
    if imbalance.len():
        net = -fsum(imbalance.to_list())
        verb = "paid" if net >= 0 else "received"
        parts.append(f"balance responsible parties {verb} {euro(abs(net))} net for imbalance")
    return f"In the whole country, {listing(parts)}." if parts else ""


def _service(f: Facts) -> str:
    if not f.sessions or not is_known(f.served_share):
        return ""
    if f.missing_kwh <= 0:
        return f"Every driver left with the energy asked for; {percent(f.opt_out_share, 1)} opted out of steering."
    return (
        f"{percent(f.served_share, 1)} of the sessions left with the energy asked for; {energy(f.missing_kwh)} was "
        f"missing in all, and {percent(f.opt_out_share, 1)} of the sessions opted out of steering."
    )


def _climate(f: Facts) -> str:
    if not is_known(f.co2_kg, f.free_co2_kg) or not f.free_co2_kg:
        return ""
    change = f.co2_kg / f.free_co2_kg - 1
    word = "less" if change < 0 else "more"
    return f"The electricity charged caused {number(f.co2_kg / 1000)} t of CO₂, {percent(abs(change), 1)} {word}."


def _trust(run: RunView) -> str:
    failed = [what.split(":")[0].lower() for what, _, verdict in verdicts(run) if verdict == "failed"]
    open_ = [what.split(":")[0].lower() for what, _, verdict in verdicts(run) if verdict == "not checked"]
    if failed:
        return f"Caution: the run's own check of {listing(failed)} failed; see Checks."
    if len(open_) == len(verdicts(run)):
        return "There was nothing that the run could check about itself."
    if open_:
        return f"The run could not check {listing(open_)}; its other checks passed."
    return "The run's own checks of money, energy and power flow passed."


def tiles(f: Facts) -> list[Tile]:
    """Key figures; those that are not known are left out."""
    out = []
    if is_known(f.ev_energy_kwh):
        out.append(Tile("Energy charged", energy(f.ev_energy_kwh), f"{percent(f.moved_share)} moved in time"))
    if is_known(f.peak_kw, f.free_peak_kw) and f.free_peak_kw:
        out.append(_compared("Highest EV demand", power(f.peak_kw), f.peak_kw / f.free_peak_kw - 1, percent))
    if is_known(f.loading_share, f.free_loading_share):
        gap = f.loading_share - f.free_loading_share
        out.append(_compared("Highest loading", percent(f.loading_share), gap, _points))
    if is_known(f.overload_h, f.free_overload_h):
        gap = f.overload_h - f.free_overload_h
        out.append(_compared("Overload, element-hours", f"{number(f.overload_h)} h", gap, _hours))
    if is_known(f.price_eur_per_kwh, f.free_price_eur_per_kwh):
        gap = 100 * (f.price_eur_per_kwh - f.free_price_eur_per_kwh)
        out.append(_compared("Drivers paid", f"{number(100 * f.price_eur_per_kwh)} ct/kWh", gap, _cents))
    if is_known(f.co2_kg, f.free_co2_kg) and f.free_co2_kg:
        out.append(_compared("CO₂ of charging", f"{number(f.co2_kg / 1000)} t", f.co2_kg / f.free_co2_kg - 1, percent))
    if is_known(f.served_share):
        out.append(Tile("Sessions served", percent(f.served_share, 1), f"{energy(f.missing_kwh)} missing"))
    if f.interventions or f.announcements:
        paid = f"{plural(f.interventions, 'intervention')}"
        out.append(Tile("Cost of congestion", euro(f.intervention_eur), paid))
    return out


def _points(share: float, *_: object, sign: bool = True) -> str:
    return percent(share, 0, sign).replace(" %", " points")


def _hours(hours: float, *_: object, sign: bool = True) -> str:
    return f"{number(hours, sign=sign)} h"


def _cents(cents: float, *_: object, sign: bool = True) -> str:
    return f"{number(cents, sign=sign)} ct/kWh"


def _compared(name: str, value: str, gap: float, wording: object) -> Tile:
    text = percent(gap, 0, sign=True) if wording is percent else wording(gap)  # type: ignore[operator]
    if text.split(" ")[0] == "0":
        return Tile(name, value, "same as uncontrolled")
    return Tile(name, value, f"{text} against uncontrolled", gap < 0)
