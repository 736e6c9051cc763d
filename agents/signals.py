"""The DSO's absolute signals as they went out, and their consequences by route (table ``signals``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from agents.model import Flexpolder

DIRECT, VIA_CSP = "direct", "via_csp"
LEARNS = {
    (DIRECT, False): "charging station only",
    (DIRECT, True): "charging station; CSP, aggregator and BRP are told",
    (VIA_CSP, True): "CSP, aggregator and BRP, then the station",
}
COLUMNS = (
    "route", "learns", "delay_min", "signals", "lost", "quarters", "bought_mwh", "used_mwh", "deviation_mwh",
    "imbalance_mwh", "imbalance_eur", "withheld_mwh", "withheld_eur", "sessions", "missing_kwh", "hardware_eur",
)  # fmt: skip


class Signal(NamedTuple):
    """One sending: the route, the first period in which it holds, for how long, whom it reached and how many not."""

    route: str
    first: int
    periods: int
    rows: np.ndarray
    lost: int
    is_told: bool


@dataclass
class SignalLog:
    """All signals of a run."""

    sent: list[Signal] = field(default_factory=list)

    def in_force(self, route: str, n_connections: int, n_periods: int) -> np.ndarray:
        """Connections and periods in which a signal of a route holds, bool[n_connections, n_periods]."""
        held = np.zeros((n_connections, n_periods), dtype=bool)
        for one in self.sent:
            if one.route == route:
                held[one.rows, one.first : one.first + one.periods] = True
        return held


def signals_table(m: Flexpolder) -> dict[str, Any]:
    """Columns of table ``signals``: one row for each route that was used."""
    log, n = m.cast.dso.signal_log, m.horizon.n_periods
    rows = []
    for route in (DIRECT, VIA_CSP):
        sent = [s for s in log.sent if s.route == route]
        if not sent:
            continue
        held = log.in_force(route, m.town.n_connections, n)
        n_signals, n_lost = sum(len(one.rows) + one.lost for one in sent), sum(one.lost for one in sent)
        periods = np.asarray(held.any(axis=0))
        head = (route, LEARNS[route, sent[0].is_told], _delay_min(m, route), n_signals, n_lost, int(periods.sum()))
        hardware = _hardware_eur(m) if route == DIRECT else 0.0
        rows.append((*head, *_imbalance(m, periods), *_withheld(m, route), *_comfort(m, held), hardware))
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}


def _delay_min(m: Flexpolder, route: str) -> float:
    chosen = m.settings.signals
    return chosen.direct_delay_min if route == DIRECT else chosen.csp_delay_min


def _imbalance(m: Flexpolder, periods: np.ndarray) -> tuple[float, float, float, float, float]:
    """Energy that the BRP held for the pool at gate closure and what it used, and its imbalance, while signals held."""
    brp = m.cast.pool_brp
    held = 0.25 * brp.pool_at_gate_mw
    used = 0.25 * m.record.ev_kw.sum(axis=0, dtype=np.float64) * m.settings.representation / 1000.0
    known = periods & np.isfinite(held)
    bought, taken = float(held[known].sum()), float(used[known].sum())
    imbalance = sum(float(m.positions.imbalance_mwh(t)[brp.row]) for t in np.flatnonzero(periods).tolist())
    eur = float(m.record.imbalance_eur[brp.row, periods].sum())
    return bought, taken, bought - taken, imbalance, eur


def _withheld(m: Flexpolder, route: str) -> tuple[float, float]:
    """Charging that direct signals kept from cars, and what it brought as imbalance: the surplus price.

    Not known through the CSP, where the pool plans anew and trades.
    """
    if route != DIRECT:
        return float("nan"), float("nan")
    mwh = m.record.withheld_kwh * m.settings.representation / 1000.0
    return float(mwh.sum()), float(np.nansum(mwh * m.record.price["surplus"]))


def _comfort(m: Flexpolder, held: np.ndarray) -> tuple[int, float]:
    """Sessions that stood at a limited connection, and the energy they missed of what was asked and possible."""
    s, state = m.town.fleet.sessions, m.cast.evs.state
    row = m.town.fleet.points.connection_row[s.cp_row]
    before = np.concatenate([np.zeros((len(held), 1)), np.cumsum(held, axis=1)], axis=1)
    first, last = (np.clip(x // 15, 0, held.shape[1]).astype(np.int64) for x in (s.arrival_min, s.departure_min + 14))
    touched = (before[row, np.maximum(last, first)] > before[row, first]) & ~np.isnan(state.departure_kwh)
    start = state.arrival_kwh[touched]
    possible = m.twin.state.departure_kwh[touched] - start
    asked = np.fmin(np.maximum(s.desired_kwh[touched] - start, 0.0), np.maximum(possible, 0.0))
    missing = np.maximum(asked - np.maximum(state.departure_kwh[touched] - start, 0.0), 0.0)
    return int(touched.sum()), float(np.nansum(missing))


def _hardware_eur(m: Flexpolder) -> float:
    """What the DSO pays in the run for what hears its direct signals, at connections with charging points."""
    fitted = np.count_nonzero(m.cast.dso.has_hardware[np.unique(m.town.fleet.points.connection_row)])
    return fitted * m.settings.signals.hardware_eur_per_year * m.settings.days / 365.0


def charge_hardware(m: Flexpolder) -> None:
    """Book the hardware where the direct route is chosen, used or not."""
    if m.settings.regulation.absolute_signal_path == DIRECT:
        last = m.horizon.n_periods - 1
        m.cashbook.pay(last, m.cast.dso.account, "equipment makers", _hardware_eur(m), "signal_hardware")
