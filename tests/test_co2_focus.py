"""Drivers with CO2 focus: what they say changes when their cars charge, what these emit and what they cost."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from agents.fleet.view import Signal
from agents.roles.carbon import FOCUS_EUR_PER_KG, CarbonOutlook
from experiments.scenario import InputError, read_scenario
from tests.model_worlds import Played, play

STREET = ("fleet.home.evs=90", "fleet.public_ac.evs=60", "fleet.public_ac.charging_points=24", "fleet.office.evs=0",
          "fleet.depot.evs=0", "fleet.shared.evs=0", "fleet.dc_site.evs=0", "fleet.home.strategy=price_optimal_v1g",
          "fleet.public_ac.strategy=price_optimal_v1g", "regulation.emsp_app_share=1.0", "fleet.opt_out_share=0.0",
          "fleet.drivers.refuse_share=0.0", "fleet.drivers.anxious_share=0.0", "fleet.is_learning=false",
          "scenario.days=2", "scenario.representation=1", "regulation.supply_contract=time_of_use")  # fmt: skip


@cache
def run(share: float, *changes: str, cut: tuple[tuple[str, str], ...] = ()) -> Played:
    settings = read_scenario("small", [*STREET, f"fleet.drivers.co2_focus_share={share}", *changes]).to_settings()
    return play(replace(settings, cut_links=cut))


def totals(played: Played, mask: np.ndarray | None = None) -> tuple[float, float, float]:
    """Metered energy, kWh, its emission, kg/kWh, and cost, EUR/kWh, of finished sessions of some EVs."""
    s = played.tables["sessions"]
    of = s["departure_min"] < 1440 * played.settings.days
    if mask is not None:
        of = of & mask[s["ev_row"]]
    energy, co2, cost = (float(np.sum(s[name][of])) for name in ("metered_kwh", "co2_kg", "cost_eur"))
    return energy, co2 / energy, cost / energy


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_the_outlook_adds_its_price_of_co2_for_who_minds():
    outlook = CarbonOutlook(6)
    outlook.hear(1, np.array([0.1, 0.4]))
    np.testing.assert_allclose(outlook.co2_kg_per_kwh, [0.0, 0.1, 0.4, 0.1, 0.4, 0.0])
    signal = Signal(np.array([0.3, 0.2]), feed_in_eur_per_kwh=np.array([0.1, 0.05]))
    weighed = outlook.weigh(signal, np.array([0.0, 0.5, 1.0]), 1)
    extra = FOCUS_EUR_PER_KG * np.array([[0.0, 0.0], [0.05, 0.2], [0.1, 0.4]])
    np.testing.assert_allclose(weighed.price_eur_per_kwh, np.array([0.3, 0.2]) + extra)
    assert weighed.feed_in_eur_per_kwh is not None
    np.testing.assert_allclose(weighed.feed_in_eur_per_kwh, np.array([0.1, 0.05]) + extra)
    assert outlook.weigh(signal, np.zeros(3), 1) is signal


def test_a_published_day_replaces_what_was_expected_of_it_up_to_the_end():
    outlook = CarbonOutlook(5)
    outlook.hear(0, np.array([0.1, 0.2]))
    outlook.hear(2, np.array([0.3, 0.4]))
    np.testing.assert_allclose(outlook.co2_kg_per_kwh, [0.1, 0.2, 0.3, 0.4, 0.3])


# --- in a run --------------------------------------------------------------------------------------------------------


def test_what_the_tso_publishes_follows_what_the_mix_emits():
    played = run(0.0)
    told = played.model.cast.aggregator.carbon.co2_kg_per_kwh[: played.model.horizon.n_periods]
    assert played.message("CarbonForecast")["count"] == played.settings.days
    assert np.corrcoef(told, played.model.record.co2_g_per_kwh)[0, 1] > 0.7


def test_the_same_drivers_emit_less_and_pay_a_little_more_with_co2_focus():
    energy, co2, cost = zip(totals(run(0.0)), totals(run(1.0)), strict=True)
    assert energy[1] == pytest.approx(energy[0], rel=0.01)
    assert co2[1] < 0.96 * co2[0]
    assert 1.0 < cost[1] / cost[0] < 1.03


def test_a_dynamic_price_leaves_little_to_choose():
    """Hours of a low market price are hours of wind and sun: who follows the one follows the other."""
    (_, co2_0, cost_0), (_, co2_1, cost_1) = (
        totals(run(share, "regulation.supply_contract=dynamic")) for share in (0.0, 1.0)
    )
    assert 0.97 < co2_1 / co2_0 < 1.0
    assert cost_1 == pytest.approx(cost_0, rel=0.01)


def test_with_half_of_them_only_those_change():
    mixed, price = run(0.5), run(0.0)
    minds = mixed.model.town.fleet.vehicles.price_focus == 0.0
    assert 0.3 < minds.mean() < 0.7
    own, rest = ([totals(r, who) for r in (mixed, price)] for who in (minds, ~minds))
    change = [group[0][1] / group[1][1] - 1.0 for group in (own, rest)]
    assert change[0] < -0.04
    assert abs(change[1]) < 0.25 * abs(change[0])


@pytest.mark.parametrize(
    ("changes", "cut"),
    [(("regulation.emsp_app_share=0.0",), ()), ((), (("emsp", "aggregator"),)), ((), (("tso", "aggregator"),))],
)
def test_a_wish_or_a_forecast_that_nobody_heard_changes_nothing(changes, cut):
    minding, price = (run(share, *changes, cut=cut) for share in (1.0, 0.0))
    np.testing.assert_array_equal(minding.ev_kw, price.ev_kw)


def test_a_share_beyond_one_is_refused():
    with pytest.raises(InputError, match=r"fleet.drivers.co2_focus_share.*0 to 1|0 to 1.*co2_focus_share"):
        read_scenario("small", ["fleet.drivers.co2_focus_share=1.5"])
