"""What a controller may see, ageing, emergency power and acceptance: hand-computed."""

from datetime import date

import numpy as np
import pytest

from agents.fleet import physics
from agents.fleet.acceptance import AcceptanceSpec, impression, opts_out
from agents.fleet.ageing import AgeingSpec, calendar_cost_eur, cycle_cost_eur
from agents.fleet.emergency import island_supply
from agents.fleet.state import initial_state
from agents.fleet.tables import ChargingPoints, Fleet, Sessions, Vehicles
from agents.fleet.view import SessionView, available_share, session_view
from markets.calendar import Horizon


def fleet_of(n=2, car=None, **stay):
    points = ChargingPoints.of(np.arange(n), ["home"] * n, 11.04, 3, 0)
    stays = Sessions.of(n, **({"drive_kwh": 18.0} | stay))
    return Fleet(Vehicles.of(n, **(car or {})), points, stays, Horizon(date(2025, 1, 15), 1))


def plugged_in(fleet):
    state = initial_state(fleet)
    physics.plug_in(fleet, state, 0)
    return state


@pytest.mark.function("EV-3", "EV-5")
def test_a_view_tells_only_what_was_shared():
    fleet = fleet_of(2, stated_departure_min=[400, -1], stated_kwh=[25.0, -1.0])
    state = plugged_in(fleet)
    known = session_view(fleet, state, 0)
    np.testing.assert_allclose(known.energy_needed_kwh, 18.0)
    np.testing.assert_array_equal(known.departure_period, [27, 32])  # 400 min stated; 8 h assumed
    np.testing.assert_allclose(known.last_share, [400 / 15 - 26, 1.0])
    blind = session_view(fleet, state, 0, knows_soc=False, assumed_stay_h=10.0)
    np.testing.assert_allclose(blind.energy_needed_kwh, [25.0 * 0.9, 20.0 * 0.9])
    assert blind.departure_period[1] == 40
    perfect = session_view(fleet, state, 0, knows_departure=True)
    np.testing.assert_array_equal(perfect.departure_period, [48, 48])


def test_what_was_metered_counts_off_what_was_asked():
    fleet = fleet_of(1, stated_kwh=10.0)
    state = plugged_in(fleet)
    physics.step(fleet, state, 0, np.array([8.0]))
    assert session_view(fleet, state, 1, knows_soc=False).energy_needed_kwh[0] == pytest.approx((10.0 - 2.0) * 0.9)


def test_a_stated_departure_that_has_passed_means_soon():
    fleet = fleet_of(1, stated_departure_min=30)
    state = plugged_in(fleet)
    assert session_view(fleet, state, 8).departure_period[0] == 1


@pytest.mark.function("EV-7")
def test_override_and_opt_out_must_charge_and_a_low_battery_is_urgent():
    fleet = fleet_of(
        3, car={"is_opt_out": [True, False, False], "minimum_share": 0.8}, is_override=[False, True, False]
    )
    view = session_view(fleet, plugged_in(fleet), 0)
    assert view.must_charge.tolist() == [True, True, False]
    np.testing.assert_allclose(view.urgent_kwh, 0.8 * 60.0 - 42.0, rtol=1e-6)
    calm = fleet_of(1, car={"minimum_share": 0.2})
    assert not session_view(calm, plugged_in(calm), 0).must_charge[0]
    assert session_view(calm, plugged_in(calm), 0).urgent_kwh[0] == 0.0


def test_available_share_counts_first_and_last_period_in_part():
    view = SessionView.of(1, arrival_period=1, departure_period=4, first_share=0.4, last_share=0.2)
    np.testing.assert_allclose(available_share(view, 6), [[0, 0.4, 1.0, 0.2, 0, 0]])


def test_unknown_columns_are_refused():
    with pytest.raises(ValueError, match="colour"):
        Vehicles.of(1, colour=3)
    with pytest.raises(ValueError, match="soc"):
        SessionView.of(1, soc=3)


def test_ageing_by_hand():
    spec = AgeingSpec(battery_eur_per_kwh=120.0, end_of_life_share=0.3, calendar_share_per_year=0.015)
    assert calendar_cost_eur(spec, np.array([60.0]), np.array([0.5]), 8760.0)[0] == pytest.approx(0.05 * 120 * 60)
    full, half = (calendar_cost_eur(spec, np.array([60.0]), np.array([s]), 1.0)[0] for s in (1.0, 0.5))
    assert full == pytest.approx(1.4 * half)
    assert cycle_cost_eur(spec, np.array([10.0]))[0] == pytest.approx(0.4)


def island(load, battery=(30.0,), reserve=(24.0,), site=(0,)):
    n = len(battery)
    return island_supply(
        np.array(load),
        np.array(site),
        np.array(battery),
        np.array(reserve),
        np.full(n, 60.0),
        np.full(n, 11.0),
        np.full(n, 11.0),
        np.full(n, 0.9),
    )


def test_a_home_runs_on_its_car_until_the_reserve():
    result = island(np.full((1, 12), 4.0))
    # 6 kWh above the reserve x 0.9 = 5.4 kWh at 4 kW = 5.4 quarters
    np.testing.assert_allclose(result.served_kw[0], [4, 4, 4, 4, 4, 1.6, 0, 0, 0, 0, 0, 0], atol=1e-9)
    assert result.battery_kwh[0] == pytest.approx(24.0)


def test_surplus_sun_charges_the_car_during_an_outage():
    result = island([[-4.0, 2.0]])
    assert result.car_kw[0, 0] == pytest.approx(4.0)
    assert result.battery_kwh[0] == pytest.approx(30.0 + 0.9 - 0.5 / 0.9)


def test_a_building_shares_the_load_over_its_cars():
    result = island(np.full((1, 1), 12.0), battery=(60.0, 60.0), reserve=(10.0, 10.0), site=(0, 0))
    np.testing.assert_allclose(result.car_kw[:, 0], [-6.0, -6.0])
    too_much = island(np.full((1, 1), 40.0), battery=(60.0, 60.0), reserve=(10.0, 10.0), site=(0, 0))
    assert too_much.served_kw[0, 0] == pytest.approx(22.0)


def test_a_driver_let_down_leaves_and_one_who_saved_stays():
    spec = AcceptanceSpec()
    u = (np.arange(1000) + 0.5) / 1000
    zero = np.zeros(1000)
    fine = impression(spec, zero, zero, zero + 10, zero + 0.8, zero + 1.0)
    down = impression(spec, zero, zero + 8.0, zero + 10, zero + 0.5, zero)
    anxious = impression(spec, zero, zero, zero + 10, zero + 0.1, zero)
    shares = [opts_out(spec, x, u).mean() for x in (fine, zero, down, anxious)]
    assert shares[0] < shares[1] == pytest.approx(0.05, abs=0.002)
    assert shares[2] > 0.8 and shares[3] > 0.9
    forgiven = impression(spec, down, zero, zero + 10, zero + 0.8, zero)
    assert opts_out(spec, forgiven, u).mean() < shares[2]
