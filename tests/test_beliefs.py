"""What an aggregator believes of its sessions: the compiled loops against the same rules in plain NumPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.fleet.figures import TAPER_AC_EDGE, TAPER_AC_SHARE, TAPER_DC_EDGE, TAPER_DC_SHARE
from agents.fleet.tables import SEGMENTS
from agents.roles.belief_kernels import (
    EFFICIENCY,
    FIRST_KWH,
    NEED_MARGIN,
    READY_BEFORE_MIN,
    RESERVE_SHARE,
    STATED_MARGIN,
    STATED_STAY_SHARE,
    UNKNOWN_DC_TAPER_SHARE,
    UNKNOWN_ENERGY_KWH,
    UNKNOWN_MOST_KWH,
    UNKNOWN_NEED_KWH,
)
from agents.roles.beliefs import SAFE_STAY_H, Beliefs, view_of

N, NOW = 60, 40


def drawn(seed: int) -> tuple[Beliefs, Any]:
    """Sessions of which something is known, and their charging points."""
    rng = np.random.default_rng(seed)
    b = Beliefs.nothing(N)

    def known(low: float, high: float, share: float = 0.6) -> np.ndarray:
        return np.where(rng.random(N) < share, rng.uniform(low, high, N), np.nan)

    b.cp_row[:] = np.arange(N)
    b.arrival_min[:] = rng.uniform(-600.0, 600.0, N)
    b.departure_min[:] = b.arrival_min + known(10.0, 1500.0)
    b.capacity_kwh[:], b.soc_kwh[:] = known(40.0, 90.0), known(0.0, 40.0)
    b.desired_kwh[:], b.stated_kwh[:], b.urgent_kwh[:] = known(30.0, 90.0), known(0.0, 40.0), known(0.0, 20.0)
    b.metered_kwh[:] = rng.uniform(-3.0, 20.0, N)
    b.efficiency_share[:] = known(0.8, 0.95)
    b.max_kw[:], b.min_kw[:], b.max_discharge_kw[:] = 11.04, 4.14, 11.04
    points = SimpleNamespace(
        segment=rng.integers(0, len(SEGMENTS), N), is_dc=rng.random(N) < 0.3, site=np.zeros(N, dtype=np.int64)
    )
    return b, points


def plain_need(b: Beliefs, efficiency: np.ndarray) -> np.ndarray:
    received = b.metered_kwh * efficiency
    room = b.capacity_kwh - b.soc_kwh - received
    by_battery = NEED_MARGIN * (b.desired_kwh - b.soc_kwh - received)
    need = np.where(np.isnan(by_battery), STATED_MARGIN * b.stated_kwh * efficiency - received, by_battery)
    unknown = np.where(np.isnan(room), NEED_MARGIN * (UNKNOWN_NEED_KWH - received), room)
    unsaid = np.where(np.isnan(b.stated_kwh), UNKNOWN_MOST_KWH, np.inf)
    most = np.where(np.isnan(room), unsaid, NEED_MARGIN * room)
    return np.clip(np.where(np.isnan(need), unknown, need), 0.0, most)


def plain_ready(b: Beliefs, segment: np.ndarray) -> np.ndarray:
    hour = np.floor_divide(b.arrival_min, 60.0).astype(np.int64) % 24
    safe = b.arrival_min + 60.0 * SAFE_STAY_H[segment, hour]
    late = b.arrival_min + STATED_STAY_SHARE * (b.departure_min - b.arrival_min)
    return np.where(np.isnan(b.departure_min), safe, np.maximum(b.departure_min - READY_BEFORE_MIN, late))


def plain_taper(
    b: Beliefs, is_dc: np.ndarray, ready: np.ndarray, need: np.ndarray, efficiency: np.ndarray
) -> np.ndarray:
    stop = np.where(np.isnan(b.desired_kwh), b.capacity_kwh, b.desired_kwh)
    now = b.soc_kwh + b.metered_kwh * efficiency

    def slow(edges: np.ndarray, shares: np.ndarray) -> np.ndarray:
        low = np.concatenate([[0.0], edges[:-1]])
        above = np.maximum(np.outer(b.capacity_kwh, low), now[:, None])
        inside = np.minimum(np.outer(b.capacity_kwh, edges), stop[:, None]) - above
        return np.maximum(inside, 0.0) @ (1.0 / shares - 1.0)

    known = np.where(is_dc, slow(TAPER_DC_EDGE, TAPER_DC_SHARE), slow(TAPER_AC_EDGE, TAPER_AC_SHARE))
    told = np.where(np.isnan(known), np.where(is_dc, UNKNOWN_DC_TAPER_SHARE * need, 0.0), known)
    spare_h = np.where(is_dc, 0.0, np.nan_to_num(b.departure_min - ready) / 60.0)
    return np.maximum(told - spare_h * b.max_kw * efficiency, 0.0)


@given(st.integers(0, 10_000))
def test_beliefs_are_those_of_the_plain_rules(seed: int) -> None:
    b, points = drawn(seed)
    rows = np.arange(N)
    efficiency = np.where(np.isnan(b.efficiency_share), EFFICIENCY, b.efficiency_share)
    need, ready = plain_need(b, efficiency), plain_ready(b, points.segment)
    np.testing.assert_allclose(b.need_of(rows), need)
    np.testing.assert_allclose(b.departure_of(rows, points.segment), ready)

    view = view_of(b, points, rows, NOW)
    ready = np.maximum(ready, 15.0 * NOW + 15.0)
    has_soc = ~np.isnan(b.soc_kwh)
    energy = np.where(has_soc, b.soc_kwh + b.metered_kwh * efficiency, UNKNOWN_ENERGY_KWH)
    knows = has_soc & ~np.isnan(b.capacity_kwh) & ~np.isnan(b.departure_min)
    top = np.where(knows & ~np.isnan(b.desired_kwh), b.desired_kwh, energy + need)
    unsaid = np.where(np.isnan(b.departure_min), FIRST_KWH, 0.0)
    first = np.maximum(np.nan_to_num(b.urgent_kwh) * efficiency, unsaid)
    wanted = np.where(b.urgent_kwh > 0.0, b.soc_kwh + first, 0.0)
    expected = {
        "energy_now_kwh": energy,
        "energy_needed_kwh": need,
        "capacity_kwh": np.maximum(top, energy),
        "reserve_kwh": np.maximum(RESERVE_SHARE * np.nan_to_num(b.capacity_kwh), np.nan_to_num(wanted)),
        "taper_kwh": plain_taper(b, points.is_dc, ready, need, efficiency),
        "urgent_kwh": np.minimum(np.maximum(first - np.maximum(b.metered_kwh, 0.0) * efficiency, 0.0), need),
        "efficiency": efficiency,
        "max_discharge_kw": np.where(knows, 11.04, 0.0),
        "departure_period": np.ceil((ready - 15.0 * NOW) / 15.0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(view, name), values, atol=1e-9, err_msg=name)


def test_who_may_not_deliver_is_not_asked_to() -> None:
    b, points = drawn(1)
    view = view_of(b, points, np.arange(N), NOW, np.zeros(N, dtype=bool))
    assert view_of(b, points, np.arange(N), NOW).max_discharge_kw.any() and not view.max_discharge_kw.any()
