"""What a strategy may see: the connected sessions and the signals, as arrays, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from agents.fleet.charging import rate_stays
from agents.fleet.state import FleetState
from agents.fleet.stepping import WEEK_MIN
from agents.fleet.tables import Fleet

_NO_STATEMENT_NEED_KWH = 20.0


@dataclass(frozen=True)
class SessionView:
    """Connected sessions as their controller sees them, one row each; period 0 is the one now being planned.

    Attributes
    ----------
    session_row, cp_row : int arrays
        Where the plan goes back to.
    energy_now_kwh : float array
        Believed energy in the battery.
    energy_needed_kwh : float array
        Energy in the battery still to come before departure.
    taper_kwh : float array
        What the taper near full costs in time, as energy at full power; plans reserve it on top of the need.
    capacity_kwh : float array
        Most the battery may hold (the car's own charge limit).
    reserve_kwh : float array
        Least it may hold while delivering.
    max_kw, min_kw, max_discharge_kw : float arrays
        Power at the meter: highest, lowest other than zero, highest delivered.
    efficiency, discharge_efficiency : float arrays
        One-way, at the highest power.
    min_efficiency : float array
        One-way at the lowest power; 0 if it is not known to differ.
    arrival_period : int array
        First period in which the car is there; above 0 for sessions that are only forecast.
    departure_period : int array
        First period in which the car is gone.
    last_share : float array
        Share of its last period the car is still there.
    first_share : float array
        Share of its first period the car is there.
    priority : float array
        Higher goes first.
    must_charge : bool array
        The driver wants no steering (override, opt-out).
    urgent_kwh : float array
        Part of the need that the driver wants in the battery at once (up to the minimum state of charge).
    site : int array
        Connection that sessions share.
    is_deaf : bool array
        The car is known not to resume after a pause: plans keep it at least at its minimum until it is full.
    discharge_left_kwh : float array
        Energy that the maker's warranty still lets it deliver this week, from the battery.
    """

    session_row: np.ndarray
    cp_row: np.ndarray
    energy_now_kwh: np.ndarray
    energy_needed_kwh: np.ndarray
    taper_kwh: np.ndarray
    capacity_kwh: np.ndarray
    reserve_kwh: np.ndarray
    max_kw: np.ndarray
    min_kw: np.ndarray
    max_discharge_kw: np.ndarray
    efficiency: np.ndarray
    discharge_efficiency: np.ndarray
    min_efficiency: np.ndarray
    arrival_period: np.ndarray
    departure_period: np.ndarray
    last_share: np.ndarray
    first_share: np.ndarray
    priority: np.ndarray
    must_charge: np.ndarray
    urgent_kwh: np.ndarray
    site: np.ndarray
    is_deaf: np.ndarray
    discharge_left_kwh: np.ndarray

    def __len__(self) -> int:
        return len(self.session_row)

    def take(self, rows: np.ndarray) -> SessionView:
        """Some rows."""
        return SessionView(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def of(cls, n: int, **columns: object) -> SessionView:
        """View for notebooks and tests: give what matters, the rest gets neutral values.

        Parameters
        ----------
        n : int
            Number of sessions.
        **columns
            Any attribute of the view, array or scalar.
        """
        neutral: dict[str, object] = {
            "session_row": np.arange(n),
            "cp_row": np.arange(n),
            "energy_now_kwh": 20.0,
            "energy_needed_kwh": 10.0,
            "taper_kwh": 0.0,
            "capacity_kwh": 60.0,
            "reserve_kwh": 0.0,
            "max_kw": 11.04,
            "min_kw": 0.0,
            "max_discharge_kw": 0.0,
            "efficiency": 0.9,
            "discharge_efficiency": 0.9,
            "min_efficiency": 0.0,
            "arrival_period": 0,
            "departure_period": 48,
            "last_share": 1.0,
            "first_share": 1.0,
            "priority": 0.0,
            "must_charge": False,
            "urgent_kwh": 0.0,
            "site": 0,
            "is_deaf": False,
            "discharge_left_kwh": np.inf,
        }
        integers = ("session_row", "cp_row", "arrival_period", "departure_period", "site")
        flags = {"must_charge": np.bool_, "is_deaf": np.bool_}
        types = {name: np.int64 if name in integers else np.float64 for name in neutral} | flags
        unknown = set(columns) - set(neutral)
        if unknown:
            raise ValueError(f"unknown columns of a session view: {', '.join(sorted(unknown))}")
        values = neutral | columns
        return cls(**{name: np.full(n, values[name], dtype=types[name]) for name in neutral})


@dataclass(frozen=True)
class Signal:
    """What a strategy steers by, from the period now being planned onwards.

    Attributes
    ----------
    price_eur_per_kwh : float array, shape (n_ahead,) or (n_sessions, n_ahead)
        Price of a kWh bought at the meter.
    feed_in_eur_per_kwh : same shape, optional
        Price of a kWh delivered; without it the buying price.
    pv_surplus_kw : float array, shape (n_ahead,) or (n_sites, n_ahead)
        Power left over at the connection (production less other load).
    limit_kw : float array, shape (n_ahead,) or (n_sites, n_ahead), optional
        Most that the sessions of one site may draw together.
    is_low_tariff : bool array, shape (n_ahead,)
        Hours of the low tariff.
    wear_eur_per_kwh : float
        Battery ageing per kWh taken from the battery to deliver.
    own_use_kw, own_use_eur_per_kwh : float arrays, shape (n_sessions, n_ahead), optional
        Other load behind each session's meter, and what a kWh delivered to it saves; delivery beyond earns the
        feed-in price.
    peak_eur_per_kw : float
        Price of the highest power of the horizon at a site.
    period_h : float
        Length of a period.
    """

    price_eur_per_kwh: np.ndarray
    feed_in_eur_per_kwh: np.ndarray | None = None
    pv_surplus_kw: np.ndarray | None = None
    limit_kw: np.ndarray | None = None
    is_low_tariff: np.ndarray | None = None
    wear_eur_per_kwh: float = 0.0
    own_use_kw: np.ndarray | None = None
    own_use_eur_per_kwh: np.ndarray | None = None
    peak_eur_per_kw: float = 0.0
    period_h: float = 0.25
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_ahead(self) -> int:
        """Number of periods looked ahead."""
        return int(np.shape(self.price_eur_per_kwh)[-1])

    def prices(self, n_sessions: int) -> np.ndarray:
        """Buying price per session and period, float64[n_sessions, n_ahead]."""
        return np.broadcast_to(np.asarray(self.price_eur_per_kwh, dtype=np.float64), (n_sessions, self.n_ahead))

    def selling(self, n_sessions: int) -> np.ndarray:
        """Selling price per session and period, float64[n_sessions, n_ahead]."""
        price = self.price_eur_per_kwh if self.feed_in_eur_per_kwh is None else self.feed_in_eur_per_kwh
        return np.broadcast_to(np.asarray(price, dtype=np.float64), (n_sessions, self.n_ahead))


def available_share(view: SessionView, n_ahead: int) -> np.ndarray:
    """Share of each coming period that each car is there, float64[n_sessions, n_ahead]."""
    return _shares(view.arrival_period, view.departure_period, view.first_share, view.last_share, n_ahead)


@njit(cache=True)
def _shares(first: np.ndarray, end: np.ndarray, first_share: np.ndarray, last_share: np.ndarray, n: int) -> np.ndarray:
    share = np.zeros((len(first), n))
    for i in range(len(first)):
        share[i, first[i] : end[i]] = 1.0
        if end[i] > first[i]:
            if end[i] <= n:
                share[i, end[i] - 1] = last_share[i]
            if first[i] < n:
                share[i, first[i]] = min(share[i, first[i]], first_share[i])
    return share


def session_view(
    fleet: Fleet,
    state: FleetState,
    period: int,
    sessions: np.ndarray | None = None,
    knows_soc: np.ndarray | bool = True,
    knows_departure: np.ndarray | bool | None = None,
    assumed_stay_h: float | np.ndarray = 8.0,
    period_h: float = 0.25,
) -> SessionView:
    """View of connected sessions at the start of a period, from what their controller may know.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        Read only.
    period : int
        The period to plan.
    sessions : int array, optional
        Session rows; all that are plugged in by default.
    knows_soc : bool or bool array per session
        The state of charge is shared (ISO 15118 or the maker's API). Otherwise the energy the driver stated less what
        was metered counts, and without a statement 20 kWh.
    knows_departure : bool or bool array per session, optional
        True: the real departure is known (perfect foresight). Default: what the driver stated, else
        ``assumed_stay_h`` after arrival.
    assumed_stay_h : float or float array per session
        Stay assumed of drivers who state nothing; at least one period from now.
    period_h : float
        Length of a period.

    Returns
    -------
    SessionView
    """
    rows = state.active_sessions.copy() if sessions is None else np.asarray(sessions)
    s, v, p = fleet.sessions, fleet.vehicles, fleet.points
    ev, cp = s.ev_row[rows], s.cp_row[rows]
    phases, high, low, eta, low_eta, taper = rate_stays(v.rows, p.rows, s.rows, rows)
    step_min = round(period_h * 60.0, 9)
    now_min = period * step_min
    leave = _believed_departure(fleet, rows, knows_departure, assumed_stay_h, now_min + step_min)
    departure = np.ceil((leave - now_min) / step_min).astype(np.int64)
    can_deliver = p.is_bidirectional[cp] & (phases > 0)
    battery = state.battery_kwh[ev]
    needed = _believed_need(fleet, state, rows, eta, knows_soc)
    below = np.maximum(v.minimum_share[ev] * v.capacity_kwh[ev] - battery, 0.0)
    slack = (leave - now_min) / 60.0 - needed / np.maximum(high * eta, 1e-9)
    return SessionView(
        session_row=rows,
        cp_row=cp,
        energy_now_kwh=battery,
        energy_needed_kwh=needed,
        taper_kwh=taper,
        capacity_kwh=s.desired_kwh[rows].astype(np.float64),
        reserve_kwh=v.reserve_share[ev] * v.capacity_kwh[ev],
        max_kw=high,
        min_kw=low,
        max_discharge_kw=np.where(can_deliver, np.minimum(v.discharge_kw[ev], high), 0.0),
        efficiency=eta,
        discharge_efficiency=eta,
        min_efficiency=low_eta,
        arrival_period=np.zeros(len(rows), dtype=np.int64),
        departure_period=departure,
        last_share=(leave - now_min) / step_min - (departure - 1),
        first_share=np.clip((now_min + step_min - s.arrival_min[rows]) / step_min, 0.0, 1.0),
        priority=-slack,
        must_charge=s.is_override[rows] | v.is_opt_out[ev],
        urgent_kwh=np.where(knows_soc, np.minimum(below, needed), 0.0),
        site=p.site[cp],
        is_deaf=np.isfinite(v.sleep_after_min[ev]) & np.isinf(v.wake_min[ev]),
        discharge_left_kwh=np.maximum(v.warranty_kwh[ev] * (1 + now_min // WEEK_MIN) - state.discharged_kwh[ev], 0.0),
    )


def _believed_departure(
    fleet: Fleet,
    rows: np.ndarray,
    knows_departure: np.ndarray | bool | None,
    assumed_stay_h: float | np.ndarray,
    earliest_min: float,
) -> np.ndarray:
    s = fleet.sessions
    stated = s.stated_departure_min[rows].astype(np.float64)
    leave = np.where(stated >= 0, stated, s.arrival_min[rows] + np.asarray(assumed_stay_h) * 60.0)
    if knows_departure is not None:
        leave = np.where(knows_departure, s.departure_min[rows], leave)
        return np.maximum(leave, np.minimum(earliest_min, s.departure_min[rows]))
    return np.maximum(leave, earliest_min)


def _believed_need(
    fleet: Fleet, state: FleetState, rows: np.ndarray, eta: np.ndarray, knows_soc: np.ndarray | bool
) -> np.ndarray:
    s = fleet.sessions
    real = s.desired_kwh[rows] - state.battery_kwh[s.ev_row[rows]]
    asked = np.where(s.stated_kwh[rows] >= 0, s.stated_kwh[rows], _NO_STATEMENT_NEED_KWH)
    metered = state.session_import_kwh[rows] - state.session_export_kwh[rows]
    return np.maximum(np.where(knows_soc, real, (asked - metered) * eta), 0.0)
