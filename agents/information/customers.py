"""Several aggregators: who has a contract with whom, who is told what, and who changes (report 6.1, freedom to choose).

A driver's sessions belong to the aggregator that the driver chose, wherever the car is plugged in; where the CPO
chooses, sessions at its public points belong to the aggregator of the CPO. A session stays with the one it began with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from agents.column_log import ColumnLog
from agents.fleet.keyed import uniforms
from agents.fleet.tables import SEGMENTS, Fleet
from agents.information.organisation import PUBLIC
from agents.messages import ChargeRates, HomeForecast, Message, SolarPanelData
from agents.settings import PartySettings, Settings
from agents.streams import generator

ATTENTION_SHARE = 0.2
"""Share of drivers who look on a day at what other aggregators bring (assumption: far more than the 20 % a year who
change their supplier, so that a week shows what a year would)."""
GAIN_EUR_PER_KWH = 0.005
"""Smallest advantage for which a driver, or a CPO, takes the trouble (assumption)."""


@dataclass
class SwitchLog(ColumnLog):
    """Customers of every aggregator by day, see table ``aggregators``."""

    day: list[int] = field(default_factory=list)
    party: list[str] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    points: list[float] = field(default_factory=list)
    charged_kwh: list[float] = field(default_factory=list)
    activated_mwh: list[float] = field(default_factory=list)
    benefit_eur_per_kwh: list[float] = field(default_factory=list)


class Customers:
    """The register of contracts, and a route of the links: each aggregator gets what concerns its customers.

    Parameters
    ----------
    fleet : Fleet
        Drivers, points and sessions.
    takes_part : bool array, shape (n_points,)
        Points that may be steered; a driver without one is nobody's customer, only forecast by somebody.
    holder_of_ev : int array, shape (n_evs,)
        Aggregator of every driver at the start.
    n : int
        Aggregators.
    is_cpo_choosing : bool
        The CPO chooses for its public points.

    Attributes
    ----------
    holder_of_session : int array, shape (n_sessions,)
        Aggregator of every session, fixed when it begins.
    holder_at : int array, shape (n_points,)
        Aggregator of the last session of every point.
    """

    def __init__(
        self, fleet: Fleet, takes_part: np.ndarray, holder_of_ev: np.ndarray, n: int, *, is_cpo_choosing: bool
    ) -> None:
        s, p = fleet.sessions, fleet.points
        self.n, self.holder_of_ev = n, holder_of_ev.copy()
        self._is_cpos = np.isin(p.segment, [SEGMENTS.index(x) for x in PUBLIC]) & is_cpo_choosing
        self.cpo_rows = np.flatnonzero(self._is_cpos)
        self._ev, self._cp = s.ev_row.astype(np.int64), s.cp_row.astype(np.int64)
        self._base = fleet.vehicles.base_point.astype(np.int64)
        self._connection_row = p.connection_row.astype(np.int64)
        self._holder_of_cpo = 0
        self._due: list[tuple[int, np.ndarray, int]] = []
        self.is_customer = np.bincount(self._ev, weights=takes_part[self._cp], minlength=fleet.n_evs) > 0
        self.holder_of_session = self._chosen(np.arange(len(self._ev)))
        self.holder_at = np.zeros(len(p.segment), dtype=np.int64)
        based = np.flatnonzero(self._base >= 0)
        self.holder_at[self._base[based]] = self.holder_of_ev[based]
        self.share = self._shares()
        self.joined, self.left = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)

    def _chosen(self, sessions: np.ndarray) -> np.ndarray:
        """Aggregator that a session which begins now belongs to."""
        of_driver = self.holder_of_ev[self._ev[sessions]]
        return np.where(self._is_cpos[self._cp[sessions]], self._holder_of_cpo, of_driver)

    def _shares(self) -> np.ndarray:
        """Part of each point's users that has a contract with each aggregator, float[n, n_points].

        Points with users of their own are theirs; at all others anybody may come.
        """
        n_points = len(self.holder_at)
        market = np.bincount(self.holder_of_ev, minlength=self.n) / max(len(self.holder_of_ev), 1)
        share = np.repeat(market[:, None], n_points, axis=1)
        based = np.flatnonzero(self._base >= 0)
        users = np.zeros((self.n, n_points))
        np.add.at(users, (self.holder_of_ev[based], self._base[based]), 1.0)
        total = users.sum(axis=0)
        share = np.where(total > 0.0, users / np.maximum(total, 1.0), share)
        share[:, self._is_cpos] = 0.0
        share[self._holder_of_cpo, self._is_cpos] = 1.0
        return share

    # --- route of the links ------------------------------------------------------------------------------------------

    def begin(self, sessions: np.ndarray) -> None:
        """Enter sessions that begin now."""
        self.holder_of_session[sessions] = self._chosen(sessions)
        self.holder_at[self._cp[sessions]] = self.holder_of_session[sessions]

    def split(self, message: Message) -> Iterator[tuple[int, Message]]:
        """Each aggregator's part of a message: its sessions, points and connections; all of what names none."""
        holder = self._holder(message)
        for k in range(self.n):
            if holder is None:
                yield k, message
                continue
            mine = holder == k if holder.ndim == 1 else holder[k]
            ended = isinstance(message, ChargeRates) and bool(len(message.ended_session_row))
            if not mine.any() and not ended:
                continue
            part = message if mine.all() else message.take(mine)
            if isinstance(part, ChargeRates):
                gone = part.ended_session_row
                part = replace(part, ended_session_row=gone[self.holder_of_session[gone] == k])
            yield k, part

    def _holder(self, message: Message) -> np.ndarray | None:
        """Aggregator of each row, int[n]; or whether each of them may know it, bool[n_aggregators, n]."""
        if message.row == "session_row":
            return self.holder_of_session[message.rows]
        if isinstance(message, ChargeRates):
            of = message.transaction_row
            return np.where(of >= 0, self.holder_of_session[np.maximum(of, 0)], self.holder_at[message.rows])
        if isinstance(message, HomeForecast | SolarPanelData):
            knows = np.zeros(
                (self.n, int(max(self._connection_row.max(), message.rows.max(initial=0))) + 1), dtype=bool
            )
            for k in range(self.n):
                knows[k, self._connection_row[self.share[k] > 0.0]] = True
            return knows[:, message.rows]
        return None

    # --- changes -----------------------------------------------------------------------------------------------------

    def register(self, evs: np.ndarray, holder: int, first_period: int) -> None:
        """Enter drivers who change to an aggregator; it takes over from a period on."""
        if len(evs):
            self._due.append((first_period, evs, holder))

    def register_cpo(self, holder: int, first_period: int) -> None:
        """Enter the CPO's change for all its public points."""
        self._due.append((first_period, np.zeros(0, dtype=np.int64), holder))

    def is_waiting(self) -> np.ndarray:
        """Drivers whose change is on its way, bool[n_evs]."""
        waiting = np.zeros(len(self.holder_of_ev), dtype=bool)
        for _, evs, _ in self._due:
            waiting[evs] = True
        return waiting

    @property
    def is_cpo_waiting(self) -> bool:
        """Whether a change of the CPO is on its way."""
        return any(not len(evs) for _, evs, _ in self._due)

    @property
    def holder_of_cpo(self) -> int:
        """Aggregator of the CPO's public points, where it chooses."""
        return self._holder_of_cpo

    def take_effect(self, period: int) -> bool:
        """Carry out the changes that are due; whether there were any."""
        due = [d for d in self._due if d[0] <= period]
        self._due = [d for d in self._due if d[0] > period]
        for _, evs, holder in due:
            if not len(evs):
                self._holder_of_cpo = holder
                continue
            np.add.at(self.left, self.holder_of_ev[evs], 1)
            self.joined[holder] += len(evs)
            self.holder_of_ev[evs] = holder
        if due:
            self.share = self._shares()
        return bool(due)


def first_holders(settings: Settings, parties: Sequence[PartySettings], n_evs: int) -> np.ndarray:
    """Aggregator of every driver at the start, int[n_evs], by the shares that the scenario gives them."""
    told = np.array([p.customer_share for p in parties])
    rest = max(1.0 - float(np.sum(told)), 0.0)
    share = np.where(told > 0.0, told, rest / max(int(np.sum(told == 0.0)), 1))
    bounds = np.cumsum(share / np.sum(share))[:-1]
    return np.searchsorted(bounds, generator(settings.seed, "aggregators").random(n_evs), side="right").astype(np.int64)


def choices(
    holder: np.ndarray,
    benefit_eur_per_kwh: np.ndarray,
    is_let_down: np.ndarray,
    is_attentive: np.ndarray,
    rule: str,
) -> np.ndarray:
    """Aggregator that each driver wants from now on, int[n].

    A driver who was let down leaves for the best of the others; one who looks around leaves for a better one.

    Parameters
    ----------
    holder : int array
        Present aggregator.
    benefit_eur_per_kwh : float array, shape (n_aggregators,)
        What each told; NaN where it told nothing.
    is_let_down, is_attentive : bool arrays
        By driver.
    rule : str
        Lever ``aggregator_switching``.
    """
    told = np.where(np.isnan(benefit_eur_per_kwh), -np.inf, benefit_eur_per_kwh)
    others = np.repeat(told[None, :], len(holder), axis=0)
    others[np.arange(len(holder)), holder] = -np.inf
    best = np.argmax(others, axis=1)
    is_known = np.isfinite(others[np.arange(len(holder)), best])
    with np.errstate(invalid="ignore"):
        is_better = is_attentive & (told[best] - told[holder] > GAIN_EUR_PER_KWH)
    leaves = np.zeros(len(holder), dtype=bool)
    if rule in ("experience", "both"):
        leaves |= is_let_down
    if rule in ("price", "both"):
        leaves |= is_better
    return np.where(leaves & is_known, best, holder)


def attentive(seed: int, uid: np.ndarray, day: int) -> np.ndarray:
    """Drivers who look around on a day, bool[n]; the draw of a driver and day never changes."""
    return np.asarray(uniforms(seed, "aggregator", uid, day)[0] < ATTENTION_SHARE)
