"""Service level in whole runs: truthful drivers miss next to nothing of what was possible, whoever steers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pytest

from agents.fleet.possible import service
from agents.fleet.state import initial_state
from agents.fleet.strategies import STRATEGIES
from agents.fleet.tables import SEGMENTS, ChargingPoints, Fleet, Sessions, Vehicles
from agents.settings import SegmentSettings
from experiments.kpis import kpis_of
from markets.calendar import Horizon
from tests.model_worlds import Played, play, world

PROMISED_SHARE = 0.005


@cache
def run(strategy: str, error_min: float = 0.0) -> Played:
    """A busy day of drivers who all state when they leave and what they need."""
    base = world(
        home=30, public=30, office=50, depot=8, dc=40, homes=60, strategy=strategy, opt_out_share=0.0,
        emsp_app_share=1.0, seed=3,
    )  # fmt: skip
    segments = base.fleet.segments | {
        "office": SegmentSettings(50, 25, strategy),
        "dc_site": SegmentSettings(40, 4, strategy),
        "home": SegmentSettings(60, 60, strategy),
    }
    said = replace(base.fleet.drivers, stating_error_min=error_min, stating_error_share=error_min / 180.0)
    return play(replace(base, fleet=replace(base.fleet, segments=segments, drivers=said)))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_truthful_drivers_miss_at_most_half_a_percent_of_what_was_possible(strategy):
    table = run(strategy).tables["drivers"]
    assert {"home", "public_ac", "office", "dc_site"} <= set(table["segment"].tolist())
    assert (table["service_possible_kwh"] > 0.0).all()
    worst = dict(zip(table["segment"].tolist(), table["service_missing_share"].tolist(), strict=True))
    assert max(worst.values()) <= PROMISED_SHARE, worst


def test_the_key_figure_is_the_share_of_all_segments_and_rises_with_wrong_statements():
    truthful, wrong = run("delayed"), run("delayed", 180.0)
    table = wrong.tables["drivers"]
    share = table["service_missing_kwh"].sum() / table["service_possible_kwh"].sum()
    figures = [kpis_of(found.tables)["service_missing_share"] for found in (truthful, wrong)]
    assert figures[1] == pytest.approx(share)
    assert figures[1] > 2.0 * max(figures[0], 0.001)


def service_at_a_post(capacity_kw: float, load_kw: float = 0.0) -> tuple[float, float]:
    """Possible and missing energy of two cars that stood two hours at one connection and got 5 kWh each."""
    points = ChargingPoints.of([0, 0], ["office", "office"], 11.04, 3, 0)
    stays = Sessions.of(2, departure_min=120, desired_kwh=60.0)
    fleet = Fleet(Vehicles.of(2), points, stays, Horizon(date(2026, 1, 20), 1))
    state = initial_state(fleet)
    state.arrival_kwh[:], state.departure_kwh[:] = 20.0, 25.0
    found = service(fleet, state, np.array([capacity_kw]), np.full((1, 96), load_kw))
    return found.of_segment(SEGMENTS.index("work"))


@pytest.mark.parametrize(
    ("capacity_kw", "load_kw", "possible_kwh"),
    [
        (30.0, 0.0, 2 * 2 * 11.04 * 0.9),  # the points decide: two cars, two hours, 90 % at 16 A
        (14.0, 0.0, 2 * 14.0 * 0.9),  # the connection decides
        (14.0, 4.0, 2 * 10.0 * 0.9),  # less what the building takes
        (14.0, -4.0, 2 * 18.0 * 0.9),  # and more with what its roof makes
    ],
)
def test_what_was_possible_counts_points_and_connection(capacity_kw, load_kw, possible_kwh):
    possible, missing = service_at_a_post(capacity_kw, load_kw)
    assert possible == pytest.approx(possible_kwh, rel=1e-9)
    assert missing == pytest.approx(possible_kwh - 10.0, rel=1e-9)
