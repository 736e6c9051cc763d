"""Transport agreements in a run: what flexible connections may draw, decided day by day, and what either side owes.

Concerned are connections with charging points other than homes: public posts, offices, depots, shared cars, fast
charging. The form is a lever; pooling the connections of one low-voltage area into one virtual limit is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from agents.fleet.tables import ChargingPoints
from agents.settings import AgreementSettings
from grid.connections import ConnectionTable
from markets.contracts import Clock, DurationBound, NonFirm, TransportAgreement, agreement_for, exceedances

GROUP_SHARE = 0.6
"""Virtual limit of a group against the sum of its members' capacities (assumption; report 7.4.2 pools 20 homes)."""


@dataclass
class TransportRights:
    """Rights of the flexible connections.

    Parameters
    ----------
    kind : str
        Lever ``transport_right``.
    is_clustered : bool
        Lever ``is_clustering_allowed``, or the kind is ``group``.
    table : ConnectionTable
        All connections.
    points : ChargingPoints
        All charging points.
    clock : Clock
        Local time of the run.
    own : sequence of AgreementSettings
        Agreements of single kinds or connections; the last that fits holds.

    Attributes
    ----------
    rows : int array, shape (n,)
        Connection rows concerned.
    limit_kw : float array, shape (n, n_periods)
        What each may draw: the right, or what the operator left of it.
    kinds : list of str
        Form of each right.
    has_own_fee : bool array, shape (n,)
        Whose right has a price of its own in place of the grid tariff.
    """

    kind: str
    is_clustered: bool
    table: ConnectionTable
    points: ChargingPoints
    clock: Clock
    own: Sequence[AgreementSettings] = ()
    rows: np.ndarray = field(init=False)
    agreements: list[TransportAgreement] = field(init=False)
    limit_kw: np.ndarray = field(init=False)
    right_kw: np.ndarray = field(init=False)
    group: np.ndarray = field(init=False)
    kinds: list[str] = field(init=False)
    has_own_fee: np.ndarray = field(init=False)
    _share: np.ndarray = field(init=False)
    capacity_kw: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        kinds = np.array(self.table.kind)
        rows = np.unique(self.points.connection_row)
        self.rows = rows[kinds[rows] != "home"]
        self.capacity_kw = capacity = self.table.capacity_kw[self.rows]
        self.group = self._groups()
        chosen = [self._own_of(int(row)) for row in self.rows]
        self.kinds = [self.kind if one is None else one.kind for one in chosen]
        own_fee = [name != "firm" or one is not None for name, one in zip(self.kinds, chosen, strict=True)]
        self.has_own_fee = np.array(own_fee, dtype=bool)
        self.agreements = [
            agreement_for(self.kind, float(kw)) if one is None else one.of(float(kw))
            for one, kw in zip(chosen, capacity, strict=True)
        ]
        self._share = np.array([GROUP_SHARE if name == "group" else 1.0 for name in self.kinds])
        rights = [share * a.right_kw(self.clock) for share, a in zip(self._share, self.agreements, strict=True)]
        self.right_kw = np.array(rights).reshape(len(self.rows), self.clock.n_periods)
        self.limit_kw = self.right_kw.copy()

    @property
    def is_pooled(self) -> bool:
        """Connections of an area answer together."""
        return self.is_clustered or self.kind == "group"

    @property
    def may_be_limited(self) -> bool:
        """Some right is weak, or shared, so that the operator tells limits."""
        return len(self.rows) > 0 and (self.is_pooled or any(name != "firm" for name in self.kinds))

    def _own_of(self, row: int) -> AgreementSettings | None:
        names = (self.table.kind[row], self.table.ean[row])
        return next((one for one in reversed(self.own) if one.site in names), None)

    def _groups(self) -> np.ndarray:
        """Group of every row: its area when rights are pooled, else itself."""
        if not self.is_pooled:
            return np.arange(len(self.rows))
        area = np.zeros(len(self.table), dtype=np.int64)
        area[self.points.connection_row] = self.points.area
        return np.unique(area[self.rows], return_inverse=True)[1]

    def withhold(self, periods: np.ndarray, wanted_kw: np.ndarray) -> np.ndarray:
        """Limit a day as the operator wants, within what the agreements promise.

        Parameters
        ----------
        periods : int array
            The day.
        wanted_kw : float array, shape (n, n_periods of the day)
            What the operator would leave.

        Returns
        -------
        float array, shape (n, n_periods of the day)
            What it may leave.
        """
        day = _part(self.clock, periods)
        for k, agreement in enumerate(self.agreements):
            right = self.right_kw[k, periods]
            wanted = np.minimum(wanted_kw[k], right)
            if (right - wanted <= 1e-9).all():
                continue
            if isinstance(agreement, NonFirm):
                allowed = wanted if agreement.guarantee is None else agreement.guarantee.admissible_kw(wanted, day)
                self.limit_kw[k, periods] = np.minimum(allowed, right)
            elif isinstance(agreement, DurationBound):
                self.limit_kw[k, periods] = self._within_hours(agreement, k, periods, wanted, right)
        return self.limit_kw[:, periods]

    def _within_hours(
        self, agreement: DurationBound, k: int, periods: np.ndarray, wanted: np.ndarray, right: np.ndarray
    ) -> np.ndarray:
        """Limit the worst quarters, as many as the year still allows, spread evenly over its days."""
        per_day = round(agreement.limitable_h() / 365.0 / self.clock.period_h)
        order = np.argsort(wanted - right, kind="stable")
        limited = right.copy()
        chosen = order[: max(per_day, 0)]
        limited[chosen] = wanted[chosen]
        return limited

    def fee_eur(self) -> np.ndarray:
        """Price of each right for the run, EUR without VAT."""
        fees = np.array([a.fee_eur(self.clock.hours) for a in self.agreements])
        return fees * self._share

    def breaches(self, connection_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Quarter-hours above the limit and energy above it, per row; groups answer together.

        Parameters
        ----------
        connection_kw : float array, shape (n_connections, n_periods)
            Measured consumption.
        """
        measured, limit = connection_kw[self.rows].T, self.limit_kw.T
        n = int(self.group.max(initial=-1)) + 1
        if n < len(self.rows):
            pool = np.zeros((n, len(self.rows)))
            pool[self.group, np.arange(len(self.rows))] = 1.0
            measured, limit = measured @ pool.T, limit @ pool.T
        found = exceedances(measured, limit + 1e-6, self.clock.period_h)
        count = np.bincount(found.row, minlength=max(n, 1))
        energy = np.bincount(found.row, weights=found.energy_kwh, minlength=max(n, 1))
        return count, energy

    def operator_breaches(self) -> int:
        """Promises that the operator's limits broke."""
        return int(
            np.sum(
                [
                    len(a.operator_breaches(self.limit_kw[k], self.clock))
                    for k, a in enumerate(self.agreements)
                    if self.kinds[k] not in ("group", "time_block")
                ]
            )
        )


def _part(clock: Clock, periods: np.ndarray) -> Clock:
    """The clock of some periods, its days counted from 0."""
    day = clock.day[periods]
    return replace(
        clock,
        local_hour=clock.local_hour[periods],
        day=day - day.min(),
        month=clock.month[periods],
        is_weekend=clock.is_weekend[periods],
    )
