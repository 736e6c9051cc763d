"""Draw the EVs: who is based where, which car, which driver."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from agents.fleet.figures import (
    BATTERY_CARS,
    DEPOT_VEHICLES,
    MODELS,
    PLUG_IN_HYBRIDS,
    V2X_ONE_WAY,
)
from agents.fleet.keyed import normals, uniforms
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import GROUPS, SEGMENT_OF_KIND, VOLT, ChargingPoints, Vehicles

HOME, STREET, DEPOT, SHARED, VISITOR = range(len(GROUPS))
TRUCK_ABOVE_KW = 40.0
# A: hybrids are rarer at home points and more common on the street, as the session energies say (home median 19.4 kWh,
# more than a hybrid holds; public 7.2 kWh); with the usual mix of both the fleet keeps its share of hybrids.
HYBRID_AT_HOME, HYBRID_ON_STREET = 0.5, 1.3
_V2X_MAX_KW = 11.04
# A: range anxiety. Anxious drivers want the battery full and at least half of it at once, and plug in more often for
# less; arriving low they want no steering at all.
ANXIOUS_MINIMUM_SHARE, ANXIOUS_FREQUENCY, ANXIOUS_BELOW_SHARE = 0.5, 1.4, 0.3


def _roster(spec: FleetSpec, points: ChargingPoints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, own point and base point (whose area is home) of every EV; groups in the order of GROUPS."""
    groups, own, base = [], [], []
    for group, kind in enumerate(("home", "public_ac", "depot", "shared", "dc")):
        rows = np.flatnonzero(points.segment == SEGMENT_OF_KIND[kind])
        count = round(len(rows) * spec.evs_per_point.get(kind, 0.0))
        if group == STREET and spec.n_evs is not None:
            count = _street_count(spec, points)
        if len(rows) == 0:
            continue
        places = rows[np.arange(count) % len(rows)]
        groups.append(np.full(count, group))
        owns_point = (group in (HOME, DEPOT, SHARED)) & (np.arange(count) < len(rows))
        own.append(np.where(owns_point, places, -1))
        base.append(places)
    if not groups:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, empty
    return np.concatenate(groups), np.concatenate(own), np.concatenate(base)


def _street_count(spec: FleetSpec, points: ChargingPoints) -> int:
    """Street parkers that bring the fleet to ``n_evs``."""
    kinds = [kind for kind in ("home", "depot", "shared", "dc") if kind in spec.evs_per_point]
    others = [round(int(np.sum(points.segment == SEGMENT_OF_KIND[k])) * spec.evs_per_point[k]) for k in kinds]
    return max(0, (spec.n_evs or 0) - int(np.sum(others)))


def _uids(group: np.ndarray) -> np.ndarray:
    """Identity of every EV: group and number within the group, so that other groups may grow freely."""
    ordinal = np.zeros(len(group), dtype=np.uint64)
    for code in np.unique(group):
        members = group == code
        ordinal[members] = np.arange(np.count_nonzero(members))
    return (group.astype(np.uint64) << np.uint64(32)) | ordinal


def _pick(weights: np.ndarray, u: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.cumsum(weights) / np.sum(weights), u, side="right").clip(0, len(weights) - 1)


def _weights(car_model: str) -> np.ndarray:
    """How common each battery car is: as registered, or only one."""
    chosen = [m.registrations if car_model in ("", m.name) else 0.0 for m in BATTERY_CARS]
    return np.array(chosen)


def _models(spec: FleetSpec, group: np.ndarray, base_kw: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Row in MODELS of every EV; depots get a truck where the point is strong enough."""
    share = np.where(group == HOME, HYBRID_AT_HOME, HYBRID_ON_STREET) * spec.plug_in_hybrid_share
    is_hybrid = (draw[0] < share) & ((group == HOME) | (group == STREET))
    battery = _pick(_weights(spec.car_model), draw[1])
    hybrid = len(BATTERY_CARS) + _pick(np.array([m.registrations for m in PLUG_IN_HYBRIDS]), draw[1])
    depot = len(MODELS) - len(DEPOT_VEHICLES) + (base_kw > TRUCK_ABOVE_KW)
    return np.where(group == DEPOT, depot, np.where(is_hybrid, hybrid, battery))


def _work_sites(spec: FleetSpec, group: np.ndarray, points: ChargingPoints, draw: np.ndarray) -> np.ndarray:
    """Site of the workplace of every commuter, sites weighted by their points."""
    sites = points.site[points.segment == SEGMENT_OF_KIND["work"]]
    if len(sites) == 0:
        return np.full(len(group), -1)
    chosen = sites[(draw[1] * len(sites)).astype(int).clip(0, len(sites) - 1)]
    commutes = (draw[0] < spec.commuter_share) & ((group == HOME) | (group == STREET))
    return np.where(commutes, chosen, -1)


def draw_vehicles(spec: FleetSpec, points: ChargingPoints, seed: int) -> Vehicles:
    """Draw every EV of the run.

    Parameters
    ----------
    spec : FleetSpec
        Shares and counts.
    points : ChargingPoints
        Where EVs can be based.
    seed : int
        Seed of the run; draws are keyed by (seed, purpose, EV) and nothing else.

    Returns
    -------
    Vehicles
        Grouped by owner, in the order of ``GROUPS``.
    """
    group, own_point, base = _roster(spec, points)
    uid = _uids(group)
    car, driver = uniforms(seed, "vehicle", uid), uniforms(seed, "driver", uid)
    more, health = uniforms(seed, "driver", uid, slot=1), normals(seed, "battery", uid)
    model = _models(spec, group, points.max_kw[base], car)
    fields = {name: np.array([getattr(m, name) for m in MODELS])[model] for name in ("usable_kwh", "phases", "ac_a")}
    is_hybrid = (model >= len(BATTERY_CARS)) & (model < len(BATTERY_CARS) + len(PLUG_IN_HYBRIDS))
    is_v2x = (car[2] < spec.v2x_share) & ~is_hybrid & (group != VISITOR)
    soh = np.clip(spec.soh_mean_share + 0.025 * health[0], 0.8, 1.0)
    capacity = fields["usable_kwh"] * soh
    desired = np.where(is_hybrid | (group == DEPOT) | (driver[0] < spec.desired_full_share), 1.0, 0.8)
    is_anxious = (more[3] < spec.anxious_share) & ((group == HOME) | (group == STREET))
    desired = np.where(is_anxious, 1.0, np.where(group == VISITOR, 0.85, desired))
    is_sleeper = car[3] < spec.sleeper_share + spec.deaf_share
    is_deaf = car[3] < spec.deaf_share
    has_thin_cable = (fields["ac_a"] <= 16) | (uniforms(seed, "cable", uid)[0] < spec.cable_16a_share)
    discharge = np.minimum(fields["phases"] * fields["ac_a"] * VOLT / 1000.0, _V2X_MAX_KW)
    return Vehicles(
        uid=uid,
        group=group,
        model=model,
        home_area=points.area[base],
        base_point=own_point,
        work_site=_work_sites(spec, group, points, uniforms(seed, "workplace", uid)),
        capacity_kwh=capacity,
        soh_share=soh,
        start_kwh=capacity * desired,
        phases=fields["phases"],
        ac_a=fields["ac_a"],
        min_a=np.array([m.min_a for m in MODELS])[model],
        cable_a=np.where(has_thin_cable, 16, 32),
        dc_kw=np.array([m.dc_kw for m in MODELS])[model],
        efficiency_pu=np.where(is_v2x, V2X_ONE_WAY / 0.90, np.clip(1.0 + 0.01 * health[1], 0.97, 1.03)),
        discharge_kw=np.where(is_v2x, discharge, 0.0),
        reserve_share=np.full(len(uid), spec.v2x_reserve_share),
        warranty_kwh=np.full(len(uid), spec.v2x_warranty_kwh_per_week),
        desired_share=desired,
        minimum_share=np.where(is_anxious, ANXIOUS_MINIMUM_SHARE, spec.minimum_share * (0.5 + driver[1])),
        sleep_after_min=np.where(is_sleeper, spec.sleep_after_min, np.inf),
        wake_min=np.where(is_deaf, np.inf, spec.wake_min),
        price_focus=np.where(driver[2] < spec.co2_focus_share, 0.0, 1.0),
        app_u=more[0],
        oem_u=more[1],
        iso15118_u=more[2],
        is_opt_out=driver[3] < spec.opt_out_share,
        is_anxious=is_anxious,
    )


def driver_effects(seed: int, uid: np.ndarray) -> np.ndarray:
    """Standard normal habits of every driver, shape (4, n): arrival, stay, energy and how often."""
    return normals(seed, "habit", uid)


def frequency_factor(z: np.ndarray, sigma: float = 0.3) -> np.ndarray:
    """Mean-one factor on how often a driver plugs in."""
    return np.exp(sigma * z - sigma * sigma / 2.0)


def rank(z: np.ndarray) -> np.ndarray:
    """Uniform rank of a standard normal value."""
    return ndtr(z)
