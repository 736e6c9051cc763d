"""All aggregators of a run as one pool: whoever asks the pool asks each of them, and what they hold adds up.

With one aggregator this is that aggregator; with several, drivers may change from one to another at the end of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.information.customers import Customers, SwitchLog
from agents.messages import ContractShares, PointSwitchRequest, SwitchRequest
from agents.roles.aggregator import Aggregator
from agents.roles.cpo import CPO
from agents.roles.dso import DSO
from agents.roles.ev_driver import Drivers

if TYPE_CHECKING:
    from agents.fleet.state import FleetState


class Pool:
    """The aggregators of a run.

    Parameters
    ----------
    members : tuple of Aggregator
        All of them, in the order of the scenario.
    customers : Customers
        The register of contracts.
    switching : str
        Lever ``aggregator_switching``.
    notice_days : int
        Lever ``aggregator_notice_days``.
    """

    def __init__(self, members: tuple[Aggregator, ...], customers: Customers, switching: str, notice_days: int) -> None:
        self.members, self.customers = members, customers
        self.log = SwitchLog()
        self._reacted = np.ones(len(members))
        self._switching, self._notice_days = switching, notice_days
        self._activated_mwh = dict.fromkeys((m.party for m in members), 0.0)

    # --- what every member does --------------------------------------------------------------------------------------

    def each(self, act: Callable[[Aggregator], object]) -> None:
        """Let every aggregator act, in the order of the scenario."""
        for member in self.members:
            act(member)

    def begin(self, sessions: np.ndarray) -> None:
        """Enter sessions that begin with the aggregators of their drivers."""
        self.customers.begin(sessions)

    def hear(self, period: int) -> None:
        """Take in what links delivered."""
        self.each(lambda a: a.hear(period))

    def plan(self, period: int) -> None:
        """Plan all sessions whose plan is out of date."""
        self.each(lambda a: a.plan(period))

    def steer(self, period: int) -> None:
        """Send targets."""
        self.each(lambda a: a.steer(period))

    def update_forecast(self, now: int, periods: np.ndarray, quarters: np.ndarray, *, is_hourly: bool) -> None:
        """Tell the BRP of plans, every hour and when the grid has limited something."""
        for a in self.members:
            if is_hourly or a.has_news:
                a.update_forecast(now, periods, quarters)
                a.has_news = False

    def offer_against_congestion(self, now: int, periods: np.ndarray, quarters: np.ndarray) -> None:
        """Tell the CSP what there is."""
        self.each(lambda a: a.offer_against_congestion(now, periods, quarters))

    def remember(self, period: int, quarter: int) -> None:
        """Learn what is usual."""
        self.each(lambda a: a.remember(period, quarter))

    def report_use(self, period: int) -> None:
        """Tell BSP and CSP what was really used."""
        self.each(lambda a: a.report_use(period))

    # --- what the pool holds together --------------------------------------------------------------------------------

    @property
    def fcr_mw(self) -> np.ndarray:
        """Contracted FCR of all, float[n_periods and beyond]."""
        first = self.members[0].fcr_mw
        return first if len(self.members) == 1 else np.sum([a.fcr_mw for a in self.members], axis=0)

    def here(self) -> list[tuple[Aggregator, np.ndarray, np.ndarray]]:
        """Points with a car that may be steered, and their sessions, by aggregator."""
        found = []
        for a in self.members:
            points = np.flatnonzero((a.session_at >= 0) & a.takes_part)
            found.append((a, points, a.session_at[points]))
        return found

    def passive_range_mw(self, period: int) -> tuple[float, float]:
        """How far the parts on a pass-through contract move by themselves, MW up and down."""
        ranges = [a.passive_range_mw(period) for a in self.members]
        return sum(up for up, _ in ranges), sum(down for _, down in ranges)

    def react(self, period: int, passive_mw: float, droop_mw: float) -> None:
        """Move by itself: passive balancing by the range of each, the droop by the FCR of each, + = up."""
        if len(self.members) == 1:
            self.members[0].react(period, passive_mw + droop_mw)
            return
        side = 0 if passive_mw > 0.0 else 1
        room = np.array([a.passive_range_mw(period)[side] for a in self.members])
        fcr = np.array([float(a.fcr_mw[period]) for a in self.members])
        for a, moved, owed in zip(self.members, _split(passive_mw, room), _split(droop_mw, fcr), strict=True):
            a.react(period, float(moved + owed))
        self._reacted = np.abs(_split(passive_mw, room))

    def shares_of_reaction(self) -> list[tuple[Aggregator, float]]:
        """Part of each aggregator in what passive balancing brings, by what it last moved."""
        return self._shares(self._reacted)

    def shares_of_sale(self, called_mw: Mapping[str, float]) -> list[tuple[Aggregator, float]]:
        """Part of each aggregator in the revenue of balancing energy, by what it was asked for."""
        return self._shares([abs(called_mw.get(a.party, 0.0)) for a in self.members])

    def shares_of_reserve(self, parts: Mapping[str, np.ndarray], period: int) -> list[tuple[Aggregator, float]]:
        """Part of each aggregator in what contracted reserve brings, by the part of it that it holds."""
        return self._shares([parts[a.party][period] if a.party in parts else 0.0 for a in self.members])

    def shares_of_relief(self, period: int) -> list[tuple[Aggregator, float]]:
        """Part of each aggregator in what relief of the grid brings, by what it moved."""
        return self._shares([abs(a.redispatched_mw[period]) for a in self.members])

    def _shares(self, weight: Sequence[float] | np.ndarray) -> list[tuple[Aggregator, float]]:
        return list(zip(self.members, _split(1.0, np.asarray(weight)).tolist(), strict=True))

    def note_activated(self, called_mw: Mapping[str, float], energy_mwh: float) -> None:
        """Remember who delivered balancing energy, for the day's account."""
        for a, part in self.shares_of_sale(called_mw):
            self._activated_mwh[a.party] += part * energy_mwh

    # --- contracts ---------------------------------------------------------------------------------------------------

    def open_day(self, period: int, dso: DSO) -> None:
        """Changes of aggregator that are due take effect; the register tells every aggregator its shares."""
        c = self.customers
        if len(self.members) == 1 or not (c.take_effect(period) or period == 0):
            return
        points = np.arange(c.share.shape[1])
        for k, a in enumerate(self.members):
            dso.send(ContractShares(points, c.share[k].copy()), a.party)

    def close_day(self, day: int, next_period: int, drivers: Drivers, cpo: CPO, dso: DSO, state: FleetState) -> None:
        """Aggregators tell what they brought, drivers and CPO choose, and the register notes it (report 6.1).

        Parameters
        ----------
        day : int
            The day that ends.
        next_period : int
            First period of the next one.
        drivers, cpo, dso : roles
            Who chooses, and who keeps the register of connections.
        state : FleetState
            The cars; every driver knows the own one.
        """
        for k, a in enumerate(self.members):
            kwh, gain = a.close_day()
            self._log_day(day, k, kwh, gain)
            if len(self.members) > 1 and np.isfinite(gain):
                a.advertise(gain)
        c = self.customers
        if len(self.members) == 1 or self._switching == "never":
            return
        parties = [a.party for a in self.members]
        may = c.is_customer & ~c.is_waiting()
        drivers.choose_aggregator(parties, c.holder_of_ev, may, state, self._switching, day)
        if len(c.cpo_rows) and not c.is_cpo_waiting and self._switching in ("price", "both"):
            cpo.choose_aggregator(parties, c.holder_of_cpo, c.cpo_rows)
        self.each(lambda a: a.take_over())
        self._register(dso, next_period + 96 * self._notice_days)

    def _register(self, dso: DSO, first_period: int) -> None:
        """Enter what aggregators asked for."""
        number = {a.party: k for k, a in enumerate(self.members)}
        for party, request in dso.knowledge.take_from(SwitchRequest):
            self.customers.register(request.ev_row, number[party], first_period)
        for party, _ in dso.knowledge.take_from(PointSwitchRequest):
            self.customers.register_cpo(number[party], first_period)

    def _log_day(self, day: int, k: int, kwh: float, gain: float) -> None:
        c, a = self.customers, self.members[k]
        count = int(np.sum(c.is_customer & (c.holder_of_ev == k)))
        points, activated = float(np.sum(a.share[a.takes_part])), self._activated_mwh[a.party]
        self.log.note(day, a.party, count, int(c.joined[k]), int(c.left[k]), points, kwh, activated, gain)
        c.joined[k] = c.left[k] = 0
        self._activated_mwh[a.party] = 0.0


def _split(total: float, weight: np.ndarray) -> np.ndarray:
    """Shares of a total by weight; alike where nobody weighs anything."""
    whole = float(np.sum(weight))
    return np.asarray(total * weight / whole if whole > 0.0 else np.full(len(weight), total / len(weight)))
