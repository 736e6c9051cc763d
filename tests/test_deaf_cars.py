"""Cars that do not resume after a pause: the aggregator learns from the meter who they are, and pauses them no more."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from agents.fleet.tables import ChargingPoints
from agents.roles import followers
from agents.roles.beliefs import Beliefs
from agents.roles.followers import Followers
from experiments.scenario import read_scenario
from tests.model_worlds import Played, play

HOMES = ("fleet.home.evs=60", "fleet.public_ac.evs=0", "fleet.office.evs=0", "fleet.depot.evs=0", "fleet.shared.evs=0",
         "fleet.dc_site.evs=0", "fleet.home.strategy=price_optimal_v1g", "fleet.opt_out_share=0.0",
         "fleet.drivers.refuse_share=0.0", "fleet.is_learning=false", "regulation.emsp_app_share=1.0",
         "scenario.days=7")  # fmt: skip
NEVER = 10**6


@cache
def run(deaf_share: float, sessions_to_learn: int) -> Played:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(followers, "SILENT_SESSIONS", sessions_to_learn)
        return play(read_scenario("small", [*HOMES, f"fleet.cars.deaf_share={deaf_share}"]).to_settings())


def missing_kwh(played: Played, sessions: np.ndarray) -> float:
    """Missing energy of some sessions."""
    s = played.tables["sessions"]
    return float(np.nansum(s["missing_kwh"][np.isin(s["session_row"], sessions)]))


# --- by hand ---------------------------------------------------------------------------------------------------------


class World:
    """A point of a kind with a car that needs 20 kWh."""

    def __init__(self, segment: str = "home") -> None:
        self.followers = Followers(ChargingPoints.of([0], [segment], 7.4, 1, 0))
        self.believed = Beliefs.nothing(1)
        self.believed.stated_kwh[0], self.believed.arrival_min[0] = 20.0, 15.0
        self.at = np.zeros(1, dtype=np.int64)

    def session(self, *pairs: tuple[float, float]) -> bool:
        """A session with pairs of target and meter, kW; whether the car counts as deaf after it."""
        self.followers.begin(self.at)
        self.believed.metered_kwh[0] = 0.0
        for told, metered in pairs:
            self.believed.metered_kwh[0] += 0.25 * metered
            self.followers.note(self.at, self.at, np.array([told]), np.array([metered]), self.believed)
        return bool(self.followers.is_deaf(self.at)[0])


SLEPT = ((0.0, 0.0), (0.0, 0.0), (7.0, 0.0), (7.0, 0.0), (7.0, 0.0))


def test_a_car_that_twice_did_not_resume_is_known():
    world = World()
    assert [world.session(*SLEPT) for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "pairs",
    [
        ((0.0, 0.0), (7.0, 0.0), (7.0, 7.0), (7.0, 7.0)),  # a sleeper that took a quarter to wake
        ((7.0, 7.0), (7.0, 7.0), (7.0, 0.0), (7.0, 0.0), (7.0, 0.0)),  # stopped by itself: full
        ((7.0, 7.0), *[(7.0, 7.0)] * 3, (0.0, 0.0), (7.0, 0.0), (7.0, 0.0)),  # over a quarter of it done: may be full
        ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),  # never asked
        ((-5.0, 0.0), (-5.0, 0.0), (7.0, 7.0), (7.0, 7.0)),  # asked to deliver
    ],
)
def test_other_silences_prove_nothing(pairs):
    world = World()
    assert not any(world.session(*pairs) for _ in range(4))


def test_at_a_public_point_the_next_car_is_another_one():
    world = World("public_ac")
    assert not any(world.session(*SLEPT) for _ in range(4))


# --- in a run --------------------------------------------------------------------------------------------------------


def test_deaf_cars_cost_less_energy_once_they_are_known():
    knowing, blind = run(1.0, 2), run(1.0, NEVER)
    known = np.flatnonzero(knowing.model.cast.aggregator.believed.is_deaf)
    assert len(known) > 5
    lost = [missing_kwh(r, known) for r in (knowing, blind)]
    assert lost[1] > 20.0
    assert lost[0] < 0.3 * lost[1]
    everybody = np.arange(len(knowing.model.town.fleet.sessions))
    assert missing_kwh(knowing, everybody) < missing_kwh(blind, everybody)


def test_no_car_that_resumes_is_taken_for_deaf():
    played = run(0.0, 2)
    assert not (played.model.cast.aggregator.followers.silent_sessions >= 2).any()
    np.testing.assert_array_equal(played.ev_kw, run(0.0, NEVER).ev_kw)
