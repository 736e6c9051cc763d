"""A business park behind one connection: sub-meters with contracts of their own share one limit.

Dutch practice (several suppliers on one connection): the connection has a primary allocation point and the tenants
have secondary ones. A secondary point is settled on its own meter with its own contract; the primary point is settled
on the connection's meter less all secondary ones. The sum of what is allocated is therefore what the connection
exchanged, period by period, and no kWh is settled twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.fleet.strategies.limits import Limit, allocate_within

PRIMARY = "connection"


@dataclass(frozen=True, eq=False)
class SubMeter:
    """A tenant of the park.

    Attributes
    ----------
    name : str
        Of the tenant.
    cp_row : int array
        Charging points behind the sub-meter.
    buy_eur_per_kwh, sell_eur_per_kwh : float arrays, shape (n_periods,)
        Contract: price of a kWh taken, and of a kWh fed in.
    guaranteed_kw : float
        What the park's agreement keeps free for this tenant when the connection is short.
    """

    name: str
    cp_row: np.ndarray
    buy_eur_per_kwh: np.ndarray
    sell_eur_per_kwh: np.ndarray
    guaranteed_kw: float = 0.0


@dataclass(frozen=True, eq=False)
class BusinessPark:
    """The connection and its tenants.

    Attributes
    ----------
    capacity_kw : float
        Most that the connection may take (feeding in: the same).
    tenants : tuple of SubMeter
        Secondary allocation points; no charging point hangs on two.
    buy_eur_per_kwh, sell_eur_per_kwh : float arrays, shape (n_periods,)
        Contract of the primary allocation point (lighting, pumps, losses, roof of the park).
    """

    capacity_kw: float
    tenants: tuple[SubMeter, ...]
    buy_eur_per_kwh: np.ndarray
    sell_eur_per_kwh: np.ndarray
    tenant_of_point: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        faults = [f"{t.name}: name is used twice" for k, t in enumerate(self.tenants) if t.name in self._names(k)]
        if PRIMARY in self._names(len(self.tenants)):
            faults.append(f"{PRIMARY}: is the name of the primary point")
        if not self.capacity_kw > 0.0:
            faults.append(f"capacity_kw = {self.capacity_kw} is not positive")
        if sum(t.guaranteed_kw for t in self.tenants) > self.capacity_kw:
            faults.append(f"guaranteed_kw of all tenants exceeds capacity_kw = {self.capacity_kw}")
        owner: dict[int, int] = {}
        for k, tenant in enumerate(self.tenants):
            for row in np.asarray(tenant.cp_row).tolist():
                if row in owner:
                    faults.append(f"point {row}: behind {self.tenants[owner[row]].name} and {tenant.name}")
                owner[row] = k
        if faults:
            raise ValueError("; ".join(faults))
        object.__setattr__(self, "tenant_of_point", owner)

    def _names(self, before: int) -> list[str]:
        return [tenant.name for tenant in self.tenants[:before]]


@dataclass(frozen=True)
class Allocation:
    """Settlement of one allocation point.

    Attributes
    ----------
    name : str
        Tenant, or ``connection`` for the primary point.
    energy_kwh : float array, shape (n_periods,)
        Allocated, positive taken.
    cost_eur : float
        Under its own contract.
    """

    name: str
    energy_kwh: np.ndarray
    cost_eur: float


def charging_room_kw(park: BusinessPark, tenant_load_kw: np.ndarray, common_load_kw: float | np.ndarray) -> np.ndarray:
    """Power that charging of each tenant may take in one period when all want more, float64[n_tenants].

    Parameters
    ----------
    park : BusinessPark
        The agreement.
    tenant_load_kw : float array, shape (n_tenants,)
        Load of each tenant without charging, less its own roof.
    common_load_kw : float
        The same of the primary point.

    Returns
    -------
    float array
        The guaranteed power less the own load, plus an equal part of what nobody was guaranteed; where it does not all
        fit (loads above what was guaranteed), every tenant's room is cut in proportion.
    """
    load = np.asarray(tenant_load_kw, dtype=np.float64)
    guaranteed = np.array([tenant.guaranteed_kw for tenant in park.tenants])
    free = max(park.capacity_kw - float(np.sum(guaranteed)) - float(np.maximum(common_load_kw, 0.0)), 0.0)
    room = np.maximum(guaranteed + free / max(len(load), 1) - load, 0.0)
    total = max(park.capacity_kw - float(np.sum(load)) - float(common_load_kw), 0.0)
    return room * min(1.0, total / max(float(np.sum(room)), 1e-12))


def share_connection(
    park: BusinessPark,
    cp_row: np.ndarray,
    requested_kw: np.ndarray,
    min_kw: np.ndarray,
    tenant_load_kw: np.ndarray,
    common_load_kw: float = 0.0,
    rank: np.ndarray | None = None,
) -> np.ndarray:
    """Charging power of one period within the connection: first what each tenant has, then what others leave.

    Parameters
    ----------
    park : BusinessPark
        The agreement.
    cp_row : int array, shape (n,)
        Charging point of each session; points of no tenant belong to the primary point.
    requested_kw, min_kw : float arrays, shape (n,)
        Wanted, and lowest other than zero.
    tenant_load_kw, common_load_kw
        As in :func:`charging_room_kw`.
    rank : float array, shape (n,), optional
        Who goes first, lowest first.

    Returns
    -------
    float array, shape (n,)
        Power; loads and charging together keep the connection's capacity (if the loads alone do).
    """
    request = np.asarray(requested_kw, dtype=np.float64)
    tenant = np.array([park.tenant_of_point.get(int(row), -1) for row in cp_row], dtype=np.int64)
    left = park.capacity_kw - float(np.sum(tenant_load_kw)) - float(common_load_kw)
    whole = Limit.of(np.zeros(len(request), dtype=np.int64), np.array([left]))
    own = Limit(tenant, np.ones(len(request)), charging_room_kw(park, tenant_load_kw, common_load_kw))
    is_tenant = tenant >= 0
    first = allocate_within(np.where(is_tenant, request, 0.0), min_kw, [whole, own], rank)
    rest = left - float(np.sum(first))
    more = np.where((request > 0.0) & (first <= 0.0), request, 0.0)
    second = allocate_within(more, min_kw, [Limit.of(np.zeros(len(request), dtype=np.int64), np.array([rest]))], rank)
    top = np.where(first > 0.0, request - first, 0.0)
    rest -= float(np.sum(second))
    third = allocate_within(
        top, np.zeros(len(top)), [Limit.of(np.zeros(len(top), dtype=np.int64), np.array([rest]))], rank
    )
    return np.where((request < 0.0) & ~is_tenant, request, first) + second + third


def settle(
    park: BusinessPark, connection_kw: np.ndarray, tenant_kw: np.ndarray, period_h: float = 0.25
) -> list[Allocation]:
    """Allocate the connection's exchange to its points and settle each under its own contract.

    Parameters
    ----------
    park : BusinessPark
        Contracts.
    connection_kw : float array, shape (n_periods,)
        Main meter, positive taken from the grid.
    tenant_kw : float array, shape (n_tenants, n_periods)
        Sub-meters.
    period_h : float
        Length of a period.

    Returns
    -------
    list of Allocation
        Tenants in order, then the primary point with what remains.
    """
    tenant_kwh = np.asarray(tenant_kw, dtype=np.float64) * period_h
    rest_kwh = np.asarray(connection_kw, dtype=np.float64) * period_h - tenant_kwh.sum(axis=0)
    points = [(t.name, tenant_kwh[k], t.buy_eur_per_kwh, t.sell_eur_per_kwh) for k, t in enumerate(park.tenants)]
    points.append((PRIMARY, rest_kwh, park.buy_eur_per_kwh, park.sell_eur_per_kwh))
    return [
        Allocation(name, kwh, float(np.sum(kwh * np.where(kwh > 0.0, buy, sell)))) for name, kwh, buy, sell in points
    ]


def tenant_load_kw(park: BusinessPark, base_kw: np.ndarray, point_kw: np.ndarray) -> np.ndarray:
    """What the sub-meters show: base load of each tenant and its charging points.

    Parameters
    ----------
    park : BusinessPark
        Who has which point.
    base_kw : float array, shape (n_tenants, n_periods)
        Load less own roof.
    point_kw : float array, shape (n_points, n_periods)
        Power of all charging points of the run.
    """
    charging = [np.asarray(point_kw, dtype=np.float64)[np.asarray(t.cp_row)].sum(axis=0) for t in park.tenants]
    return np.asarray(base_kw, dtype=np.float64) + np.array(charging).reshape(np.shape(base_kw))
