"""Tenants behind the connections of office sites: who has which points, and how a connection's meter is settled.

A scenario names tenants with shares of points, load and connection; every office connection has them all. They share
the connection by :mod:`agents.fleet.park`, and each tenant's sub-meter is settled under its own supply contract.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.fleet.park import BusinessPark, SubMeter, settle, share_connection, tenant_load_kw
from agents.fleet.tables import SEGMENT_OF_KIND
from agents.settings import TenantSettings
from agents.town import Town
from markets.contracts import Clock
from markets.supply import SUPPLY_CONTRACTS, all_in_eur_per_kwh, feed_in_eur_per_kwh
from markets.tariffs import EnergyTax, NetMetering

Prices = tuple[np.ndarray, np.ndarray]


class SubMeters:
    """Sub-meters of a run.

    Parameters
    ----------
    tenants : tuple of TenantSettings
        Behind every office connection; none: there are no sub-meters.
    town : Town
        Points, loads and roofs.
    n_periods : int
        Length of the run.
    """

    def __init__(self, tenants: tuple[TenantSettings, ...], town: Town, n_periods: int) -> None:
        self.tenants, self.town = tenants, town
        points = town.fleet.points
        is_office = (points.segment == SEGMENT_OF_KIND["office"]) & bool(tenants)
        rows = np.unique(points.connection_row[is_office])
        nothing = np.zeros(n_periods)
        self.parks = {int(row): self._park(int(row), {t.name: (nothing, nothing) for t in tenants}) for row in rows}
        self._site = {row: int(points.site[points.connection_row == row][0]) for row in self.parks}
        self._mine = np.flatnonzero(np.isin(points.connection_row, list(self.parks)))
        self._point_kw = np.zeros((len(points) if self.parks else 0, n_periods), dtype=np.float32)

    def _park(self, row: int, prices: dict[str, Prices]) -> BusinessPark:
        points = np.flatnonzero(self.town.fleet.points.connection_row == row)
        edges = np.round(np.cumsum([0.0, *(t.point_share for t in self.tenants)]) * len(points)).astype(int)
        capacity = float(self.town.grid.connections.capacity_kw[row])
        meters = tuple(
            SubMeter(t.name, points[a:b], *prices[t.name], guaranteed_kw=t.guaranteed_share * capacity)
            for t, a, b in zip(self.tenants, edges, edges[1:], strict=False)
        )
        own = next(iter(prices.values()))
        return BusinessPark(capacity, meters, *own)

    def share(
        self,
        asked_kw: np.ndarray,
        taken_kw: np.ndarray,
        cp_row: np.ndarray,
        min_kw: np.ndarray,
        laxity_h: np.ndarray,
        load_kw: np.ndarray,
    ) -> np.ndarray:
        """Charging of one period within every park: first what each tenant is guaranteed, then what others leave.

        Parameters
        ----------
        asked_kw, taken_kw, min_kw, laxity_h : float arrays, shape (n,)
            Wanted by each session, what it is expected to take of it, lowest other than zero, and time to spare: who
            has least goes first.
        cp_row : int array, shape (n,)
            Charging point of each.
        load_kw : float array, shape (n_connections,)
            Load behind each connection without charging, as last measured.
        """
        shared = asked_kw.copy()
        row = self.town.fleet.points.connection_row[cp_row]
        share = np.array([t.load_share for t in self.tenants])
        for connection, park in self.parks.items():
            here, load = np.flatnonzero(row == connection), float(load_kw[connection])
            if np.sum(np.maximum(asked_kw[here], 0.0)) > park.capacity_kw - load:
                loads = (share * load, load * (1.0 - float(share.sum())))
                shared[here] = share_connection(
                    park, cp_row[here], taken_kw[here], min_kw[here], *loads, rank=laxity_h[here]
                )
        return shared

    def points_by_contract(self) -> dict[str, np.ndarray]:
        """Charging points behind the tenants' sub-meters, by supply contract."""
        found: dict[str, list[np.ndarray]] = {}
        for park in self.parks.values():
            for meter, tenant in zip(park.tenants, self.tenants, strict=True):
                found.setdefault(tenant.contract, []).append(np.asarray(meter.cp_row, dtype=np.int64))
        return {kind: np.concatenate(rows) for kind, rows in found.items()}

    def note(self, period: int, point_kw: np.ndarray) -> None:
        """Read the meters of the points behind sub-meters."""
        if self.parks:
            self._point_kw[self._mine, period] = point_kw[self._mine]

    def settled(
        self, wholesale_eur_per_mwh: np.ndarray, clock: Clock, tax: EnergyTax, metering: NetMetering
    ) -> dict[str, Any]:
        """Energy and cost of every allocation point, as columns of table ``submeters``."""
        contracts = {t.name: t.contract for t in self.tenants}
        prices = {name: _prices(kind, wholesale_eur_per_mwh, clock, tax, metering) for name, kind in contracts.items()}
        rows: list[tuple[int, str, str, int, float, float, float]] = []
        for connection in self.parks:
            park = self._park(connection, prices)
            base = self.town.base_kw[connection].astype(np.float64)
            load = np.array([t.load_share for t in self.tenants])[:, None] * base
            whole = base + self._point_kw[self.town.fleet.points.connection_row == connection].sum(axis=0)
            meters = tenant_load_kw(park, load, self._point_kw)
            for found in settle(park, whole, meters):
                own = next((t for t in park.tenants if t.name == found.name), None)
                taken, fed = np.maximum(found.energy_kwh, 0.0).sum(), np.maximum(-found.energy_kwh, 0.0).sum()
                rows.append(
                    (connection, found.name, contracts.get(found.name, self.tenants[0].contract),
                     0 if own is None else len(own.cp_row), float(taken), float(fed), found.cost_eur)
                )  # fmt: skip
        names = ("connection_row", "tenant", "contract", "charging_points", "taken_kwh", "fed_in_kwh", "cost_eur")
        return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _prices(
    contract: str, wholesale_eur_per_mwh: np.ndarray, clock: Clock, tax: EnergyTax, metering: NetMetering
) -> Prices:
    """Price of a kWh taken and of one fed in under a supply contract."""
    kind = SUPPLY_CONTRACTS[contract]()
    buy = all_in_eur_per_kwh(kind, clock, wholesale_eur_per_mwh, tax)
    return buy, feed_in_eur_per_kwh(kind, clock, wholesale_eur_per_mwh, tax, metering)
