"""The compiled sums of a producer against the same in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.roles.plant_kernels import edge_prices, least_room_mw, meet_sales


def plants(seed: int, n_units: int, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    available = rng.uniform(0.0, 800.0, (n_units, n))
    return {
        "available_mw": available,
        "planned_mw": available * rng.uniform(0.0, 1.1, (n_units, n)),
        "must_run_share": rng.choice([0.0, 0.3, 1.0], n_units),
        "is_firm": rng.random(n_units) < 0.7,
        "ask_eur_per_mwh": rng.uniform(-50.0, 300.0, (n_units, n)),
        "value_eur_per_mwh": rng.uniform(-50.0, 300.0, n_units),
        "sold_mw": rng.uniform(-200.0, 900.0 * n_units, n),
    }


cases = given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([1, 2, 4, 96]))


@cases
def test_room_and_edges_are_those_of_the_plain_sums(seed: int, n_units: int, n: int) -> None:
    p = plants(seed, n_units, n)
    firm = p["is_firm"][:, None]
    must = p["must_run_share"][:, None] * p["available_mw"]
    wanted_up = np.where(firm, np.maximum(p["available_mw"] - p["planned_mw"], 0.0), 0.0).min(axis=1)
    wanted_down = np.where(firm, np.maximum(p["planned_mw"] - must, 0.0), 0.0).min(axis=1)
    up, down = least_room_mw(p["available_mw"], p["planned_mw"], p["must_run_share"], p["is_firm"])
    np.testing.assert_allclose(up, wanted_up)
    np.testing.assert_allclose(down, wanted_down)
    cheapest, dearest = edge_prices(up, down, p["ask_eur_per_mwh"], p["value_eur_per_mwh"])
    for found, room, price, best in (
        (cheapest, up, p["ask_eur_per_mwh"].mean(axis=1), np.min),
        (dearest, down, p["value_eur_per_mwh"], np.max),
    ):
        useful = room > 1.0 if (room > 1.0).any() else room > 0.0
        if useful.any():
            assert found == pytest.approx(best(price[useful]))


@cases
def test_units_move_in_merit_order_until_the_sum_is_sold(seed: int, n_units: int, n: int) -> None:
    p = plants(seed, n_units, n)
    firm = np.flatnonzero(p["is_firm"])
    order = firm[np.argsort(p["value_eur_per_mwh"][firm], kind="stable")]
    wanted = p["planned_mw"].copy()
    missing = p["sold_mw"] - wanted.sum(axis=0)
    for rows, sign in ((order, 1.0), (order[::-1], -1.0)):
        low = p["must_run_share"][rows, None] * p["available_mw"][rows]
        room = np.maximum(sign * (np.where(sign > 0, p["available_mw"][rows], low) - wanted[rows]), 0.0)
        before = np.cumsum(room, axis=0) - room
        wanted[rows] += sign * np.clip(np.maximum(sign * missing, 0.0) - before, 0.0, room)
    found = meet_sales(p["planned_mw"], p["available_mw"], p["must_run_share"], order, p["sold_mw"])
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    np.testing.assert_array_equal(found[~p["is_firm"]], p["planned_mw"][~p["is_firm"]])
