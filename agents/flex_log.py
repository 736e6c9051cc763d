"""What grid operators asked of flexible connections, what the CSP offered and what was ordered, per congestion point.

A congestion point is one element of the wires (:attr:`agents.messages.CongestionAnnouncement.branch_index`). The tables
``flex_requests`` and ``flex_orders`` come from here; ``flexpolder uftp`` writes them as UFTP messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.roles.csp import PlacedOrders
from agents.roles.dso import DSO, CalledLimit
from agents.roles.grid_operator import GridOperator, Needs
from markets.calendar import Horizon

REQUEST_COLUMNS = ("gate_period", "operator", "kind", "branch_index", "period", "needed_mw", "prognosis_mw")
ORDER_COLUMNS = (
    "gate_period", "operator", "kind", "branch_index", "order", "connection_row", "period", "offered_mw", "ordered_mw",
    "price_eur_per_mwh", "rule",
)  # fmt: skip


class FlexLog:
    """Requests and orders of a run as rows.

    Parameters
    ----------
    horizon : Horizon
        The periods and their days.
    """

    def __init__(self, horizon: Horizon) -> None:
        self.horizon = horizon
        self.requests: list[tuple[int, str, str, int, int, float, float]] = []
        self.orders: list[tuple[int, str, str, int, int, int, int, float, float, float, str]] = []
        self._behind: dict[int, np.ndarray] = {}
        self._told: set[tuple[str, int, int]] = set()
        self._n_orders = 0

    def note_needs(self, now: int, operator: GridOperator, needs: Needs) -> None:
        """Keep an announcement: relief wanted of each congestion point, and the prognosis it starts from.

        The first announcement of a point and day brings the whole day, as a D-prognosis does; later ones their window.
        """
        window = np.arange(needs.first, needs.first + needs.needed_kw.shape[1])
        for k, branch in enumerate(needs.branches.tolist()):
            wanted = needs.needed_kw[k] * needs.sign[k] / 1000.0
            self._note(now, operator, "redispatch", branch, dict(zip(window.tolist(), wanted.tolist(), strict=True)))

    def note_calls(self, now: int, dso: DSO, called: list[CalledLimit], price_eur_per_mwh: float) -> None:
        """Keep the calls of capacity-limiting contracts: request and order at once."""
        for branch in dict.fromkeys(c.branch for c in called):
            mine = [c for c in called if c.branch == branch]
            expected = {c.period: c.expected_mw for c in mine}
            self._note(now, dso, "capacity_call", branch, {c.period: c.withheld_mw for c in mine}, expected)
            for call in mine:
                power = -call.withheld_mw
                self.orders.append(
                    (now, dso.role, "capacity_call", branch, self._n_orders, -1, call.period, power, power,
                     price_eur_per_mwh, "")
                )  # fmt: skip
            self._n_orders += 1

    def note_orders(self, now: int, placed: PlacedOrders, accepted_mw: np.ndarray, rules: dict[int, str]) -> None:
        """Keep a round's orders of the CSP.

        Parameters
        ----------
        accepted_mw : float array, shape (n_orders, n_periods)
            What was taken of each.
        rules : dict
            Rule that a refused order broke, by row.
        """
        book, price = placed.orders, placed.orders.settled_price_eur_per_mwh
        for row in range(book.n_orders):
            sign = 1.0 if book.is_buy[row] else -1.0
            self.orders.append(
                (now, placed.operator[row], "redispatch", int(placed.branch[row]), self._n_orders,
                 int(book.connection_row[row]), int(placed.period[row]), sign * float(book.quantity_mw[row].max()),
                 sign * float(accepted_mw[row].sum()) + 0.0, float(price[row]), rules.get(row, ""))
            )  # fmt: skip
            self._n_orders += 1

    def _note(
        self,
        now: int,
        operator: GridOperator,
        kind: str,
        branch: int,
        wanted_mw: dict[int, float],
        expected_mw: dict[int, float] | None = None,
    ) -> None:
        self._behind[branch] = operator.connections_behind(branch)
        periods = dict.fromkeys(wanted_mw)
        for day in sorted({int(self.horizon.day_of[p]) for p in wanted_mw}):
            if (operator.role, branch, day) not in self._told:
                self._told.add((operator.role, branch, day))
                span = self.horizon.day_slice(day)
                periods |= dict.fromkeys(range(span.start, span.stop))
        rows = np.array(sorted(periods))
        prognosis = dict(
            zip(rows.tolist(), (operator.prognosis_behind_kw(branch, rows) / 1000.0).tolist(), strict=True)
        )
        prognosis |= expected_mw or {}
        self.requests += [
            (now, operator.role, kind, branch, p, wanted_mw.get(p, 0.0) + 0.0, prognosis[p]) for p in rows.tolist()
        ]

    def tables(self, ev_kw: np.ndarray) -> dict[str, dict[str, Any]]:
        """Columns of ``flex_requests`` and ``flex_orders``.

        Parameters
        ----------
        ev_kw : float array, shape (n_connections, n_periods)
            Measured power of flexible demand.
        """
        requests: dict[str, Any] = {n: [row[k] for row in self.requests] for k, n in enumerate(REQUEST_COLUMNS)}
        metered = {branch: ev_kw[rows].sum(axis=0, dtype=np.float64) / 1000.0 for branch, rows in self._behind.items()}
        requests["metered_mw"] = [float(metered[row[3]][row[4]]) for row in self.requests]
        return {
            "flex_requests": requests,
            "flex_orders": {name: [row[k] for row in self.orders] for k, name in enumerate(ORDER_COLUMNS)},
        }
