"""Functions of EV, charging point, CPO, EMSP and driver (report 6.3), each by the effect it has on a run's results.

Most effects are shown by taking away what the function tells: a message is silenced, blanked or forged on its way
and the results change in the way that they must. Runs are shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.fleet.tables import SEGMENTS
from agents.messages import Message, PowerDrawn, SmartChargingSignal
from agents.model import Flexpolder
from tests.model_worlds import Meddle, Played, play, world

MUTE: dict[str, Any] = {"iso15118_share": 0.0, "oem_api_share": 0.0, "emsp_app_share": 0.0}
ISO: dict[str, Any] = {"iso15118_share": 1.0, "oem_api_share": 0.0, "emsp_app_share": 1.0, "v2x_share": 1.0,
                       "cut": (("ev_driver", "emsp"),)}  # fmt: skip
"""Every car speaks ISO 15118, and the drivers' app does not work: the car is the only one who tells anything."""
OEM: dict[str, Any] = MUTE | {"oem_api_share": 1.0}
APP: dict[str, Any] = MUTE | {"emsp_app_share": 1.0}
HASTY: dict[str, Any] = MUTE | {"opt_out_share": 0.7}
SIGNAL: dict[str, Any] = {"absolute_signal_threshold_share": 0.15, "congestion_tool": "none"}
HALF = 48
OFFICE_KW = 6.0


def blank(name: str, *columns: str, value: float = np.nan) -> Meddle:
    """Take some columns out of a message type."""

    def change(message: Any, period: int) -> Message | None:
        if type(message).__name__ != name:
            return message
        return replace(message, **{c: np.full_like(getattr(message, c), value) for c in columns})

    return change


def silence(name: str, since: int = 0) -> Meddle:
    """Lose all messages of a type from a period on."""
    return lambda message, period: None if type(message).__name__ == name and period >= since else message


def swap_names(message: Any, period: int) -> Message | None:
    """Cars that plug in together give each other's name."""
    if type(message).__name__ != "EvStatus":
        return message
    return replace(message, session_row=message.session_row[::-1].copy())


def narrow_offices(model: Flexpolder) -> None:
    """Give sites of offices little of their connection."""
    points = model.cast.cpo.points
    model.cast.cpo.site_kw[points.site[points.segment == SEGMENTS.index("work")]] = OFFICE_KW


NAMED: dict[str, Callable[..., Any] | None] = {
    "": None,
    "no soc": blank("EvStatus", "soc_kwh"),
    "no departure": blank("EvStatus", "departure_min", value=-1.0),
    "no desire": blank("EvStatus", "desired_kwh"),
    "no capacity": blank("EvStatus", "capacity_kwh"),
    "wrong names": swap_names,
    "makers hear nothing": silence("VehicleData"),
    "meters at zero": blank("MeterValues", "power_kw", value=0.0),
    "rates at zero": blank("ChargeRates", "power_kw", value=0.0),
    "full homes": blank("LocalLoad", "load_kw", value=1e4),
    "no wishes told": blank("SessionOffer", "departure_min", "desired_kwh"),
    "no hurry told": blank("SessionOffer", "is_override", value=0.0),
    "lost at noon": silence("StationLimit", HALF),
}


@cache
def run_of(name: str, items: tuple[tuple[str, Any], ...], prepare: Callable[[Flexpolder], None] | None) -> Played:
    limits = Limits()
    found = play(world(**dict(items)), limits, meddle=NAMED[name], prepare=prepare)
    SEEN[id(found)] = limits
    return found


def run(name: str = "", prepare: Callable[[Flexpolder], None] | None = None, **changes: Any) -> Played:
    """A shared run of a world in which something of :data:`NAMED` is done to the messages."""
    return run_of(name, tuple(changes.items()), prepare)


class Limits:
    """Watches how cars keep to what their stations allow."""

    def __init__(self) -> None:
        self.excess_kw: list[float] = []
        self.of_session: dict[int, set[float]] = {}

    def __call__(self, model: Flexpolder) -> None:
        step, evs, s = model.dispatch._step, model.cast.evs, model.town.fleet.sessions
        assert step is not None
        limit = evs.limit_kw
        self.excess_kw.append(float(np.max(np.where(limit >= 0.0, step.power_kw - limit, -np.inf))))
        for session in step.present.tolist():
            self.of_session.setdefault(session, set()).add(round(float(limit[s.cp_row[session]]), 3))


SEEN: dict[int, Limits] = {}


def differ(one: Played, other: Played) -> bool:
    """Whether charging differs between two runs."""
    return not np.allclose(one.ev_kw, other.ev_kw, atol=0.01)


# --- EV --------------------------------------------------------------------------------------------------------------


@pytest.mark.function("EV-1")
def test_cars_draw_power_and_batteries_fill():
    found = run(**ISO)
    assert found.ev_kw.max() > 0.0
    assert found.tables["sessions"]["delivered_kwh"].sum() > 0.0
    assert found.message("PowerDrawn")["items"] >= np.count_nonzero(found.ev_kw.sum(axis=0))


@pytest.mark.function("EV-2", "CP-1")
def test_cars_draw_no_more_than_stations_allow():
    assert max(SEEN[id(run(**ISO))].excess_kw) <= 1e-6
    deaf = run(**(ISO | {"cut": (*ISO["cut"], ("charging_point", "ev"))}))
    np.testing.assert_allclose(deaf.ev_kw, deaf.uncontrolled_kw, atol=0.01)
    assert not np.allclose(run(**ISO).ev_kw, run(**ISO).uncontrolled_kw, atol=0.01)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("no soc", marks=pytest.mark.function("EV-3")),
        pytest.param("wrong names", marks=pytest.mark.function("EV-4")),
        pytest.param("no departure", marks=pytest.mark.function("EV-5")),
        pytest.param("no desire", marks=pytest.mark.function("EV-6")),
        pytest.param("no capacity", marks=pytest.mark.function("EV-8")),
    ],
)
def test_what_a_car_tells_its_station_changes_how_it_is_charged(what):
    assert run(**ISO).message("EvStatus")["items"] > 0
    assert differ(run(what, **ISO), run(**ISO))


@pytest.mark.function("EV-7", "DRV-3")
def test_a_driver_who_tells_the_car_nothing_is_not_spoken_for_by_it():
    untold = run(**(ISO | {"cut": (*ISO["cut"], ("ev_driver", "ev"))}))
    assert differ(untold, run(**ISO))


@pytest.mark.function("EV-9")
def test_cars_deliver_only_when_their_battery_is_known():
    assert run(**ISO).tables["sessions"]["discharged_kwh"].sum() > 0.0
    assert run("no capacity", **ISO).tables["sessions"]["discharged_kwh"].sum() == 0.0


@pytest.mark.function("EV-10")
def test_what_a_car_tells_its_maker_changes_how_it_is_charged():
    assert run(**OEM).message("VehicleData")["items"] > 0
    assert run(**MUTE).message("VehicleData")["items"] == 0
    assert differ(run("makers hear nothing", **OEM), run(**OEM))


# --- charging point --------------------------------------------------------------------------------------------------


@pytest.mark.function("CP-2")
def test_limits_change_during_sessions():
    changes = [len(limits) for limits in SEEN[id(run(**ISO))].of_session.values()]
    assert max(changes) > 2


@pytest.mark.function("CP-3")
def test_a_car_that_draws_more_than_allowed_is_interrupted():
    def greedy(message: Any, period: int) -> Message | None:
        return replace(message, power_kw=3.0 * message.power_kw) if isinstance(message, PowerDrawn) else message

    noted: list[bool] = []
    found = play(world(**ISO), lambda m: noted.append(bool(m.cast.stations.is_interrupted.any())), meddle=greedy)
    assert any(noted)
    assert found.tables["sessions"]["delivered_kwh"].sum() < run(**ISO).tables["sessions"]["delivered_kwh"].sum()


@pytest.mark.function("CP-4")
def test_what_points_measure_reaches_planning():
    assert run(**ISO).message("MeterValues")["items"] > 0
    assert differ(run("meters at zero", **ISO), run(**ISO))


@pytest.mark.function("CP-5", "CPO-4")
def test_points_that_hear_nothing_follow_their_stored_profile():
    """The CPO stored an even share of each site; two quarters after the last word the points keep to it."""
    whole, lost = run(prepare=narrow_offices, **ISO), run("lost at noon", prepare=narrow_offices, **ISO)
    np.testing.assert_array_equal(lost.ev_kw[:, :HALF], whole.ev_kw[:, :HALF])
    assert not np.allclose(lost.ev_kw[:, HALF + 3 :], whole.ev_kw[:, HALF + 3 :], atol=0.01)
    offices = lost.model.town.fleet.points
    n_sites = len(np.unique(offices.site[offices.segment == SEGMENTS.index("work")]))
    assert lost.load()["office"][HALF + 3 :].max() <= n_sites * OFFICE_KW + 1e-6


@pytest.mark.function("CP-6")
def test_points_tell_their_cpo_who_came_and_went():
    found = run(**ISO)
    ended = np.sum(found.tables["sessions"]["departure_min"] <= 96 * 15)
    assert found.message("SessionStarted")["items"] == len(found.tables["sessions"]["session_row"])
    assert found.message("SessionEnded")["items"] == ended
    unheard = run(**(ISO | {"cut": (*ISO["cut"], ("charging_point", "cpo"))}))
    np.testing.assert_allclose(unheard.load()["home"], unheard.load("uncontrolled_kw")["home"], atol=0.01)


@pytest.mark.function("CP-7")
def test_points_leave_room_for_what_the_home_uses():
    assert run(**ISO).load()["home"].max() > 0.0
    assert run("full homes", **ISO).load()["home"].max() == 0.0


@pytest.mark.function("CP-8")
def test_points_obey_the_absolute_signal():
    free, limited = (run(**MUTE, **SIGNAL, absolute_signal_path=path) for path in ("none", "direct"))
    table = limited.tables["interventions"]
    sent = np.unique(table["period"][(table["kind"] == "absolute_signal") & (table["route"] == "direct")])
    assert len(sent)
    assert limited.ev_kw[:, sent].sum() < free.ev_kw[:, sent].sum()
    assert not len(free.tables["interventions"]["period"])


# --- CPO -------------------------------------------------------------------------------------------------------------


@pytest.mark.function("CPO-1")
def test_without_the_aggregators_signal_the_cpo_lets_everybody_charge():
    cut = run(**(ISO | {"cut": (*ISO["cut"], ("aggregator", "cpo"))}))
    assert cut.message("SmartChargingSignal")["count"] > 0
    np.testing.assert_allclose(cut.ev_kw, cut.uncontrolled_kw, atol=0.01)


@pytest.mark.function("CPO-2")
def test_a_site_keeps_to_its_connection_whatever_the_aggregator_wants():
    whole, narrow = run(**ISO), run(prepare=narrow_offices, **ISO)
    points = narrow.model.town.fleet.points
    n_sites = len(np.unique(points.site[points.segment == SEGMENTS.index("work")]))
    assert narrow.load()["office"].max() <= n_sites * OFFICE_KW + 1e-6
    assert whole.load()["office"].max() > n_sites * OFFICE_KW


@pytest.mark.function("CPO-3")
def test_without_the_cpos_set_points_nobody_is_steered():
    cut = run(**(ISO | {"cut": (*ISO["cut"], ("cpo", "charging_point"))}))
    for segment in ("home", "depot", "dc_site"):  # elsewhere points of one connection still share it by themselves
        np.testing.assert_allclose(cut.load()[segment], cut.load("uncontrolled_kw")[segment], atol=0.01)


@pytest.mark.function("CPO-5", "AGG-5")
def test_nobody_can_speak_in_anothers_name():
    cast = run(**ISO).model.cast
    signal = SmartChargingSignal(np.array([0]), np.array([0.0]))
    for role in (cast.cpo, cast.csp, cast.bsp, cast.supplier, cast.stations, cast.dso):
        with pytest.raises(ValueError, match="is sent by aggregator"):
            role.send(signal)


@pytest.mark.function("CPO-6", "DRV-1")
def test_charge_now_at_the_station_reaches_the_cpo():
    heard, unheard = run(**HASTY), run(**HASTY, cut=(("ev_driver", "cpo"),))
    assert heard.message("DriverWishAtStation")["items"] > 0
    assert differ(heard, unheard)


@pytest.mark.function("CPO-7", "EMSP-4")
def test_charge_now_in_the_app_reaches_the_cpo():
    app = APP | {"opt_out_share": 0.7}
    only_app = run(**app, cut=(("ev_driver", "cpo"),))
    neither = run(**app, cut=(("emsp", "cpo"), ("ev_driver", "cpo")))
    assert differ(only_app, neither)


@pytest.mark.function("CPO-8")
def test_the_aggregator_learns_preferences_from_the_cpo():
    assert run(**ISO).message("SessionOffer")["items"] > 0
    assert differ(run("no wishes told", **ISO), run(**ISO))


def test_the_aggregator_plans_for_drivers_in_a_hurry():
    """The CPO lets them charge anyway; what the pool's party buys for them should show it."""
    told, untold = run(**HASTY), run("no hurry told", **HASTY)
    assert not np.array_equal(told.tables["trades"]["volume_mw"], untold.tables["trades"]["volume_mw"])


def told_savings(*cut: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, Played]:
    """What drivers of finished sessions were told, and what their bills say."""
    found = run(**MUTE, cut=cut)
    s = found.tables["sessions"]
    done = s["departure_min"] <= 96 * 15
    told = found.model.cast.drivers.told_saving_eur[s["session_row"][done]]
    return told, (s["uncontrolled_cost_eur"] - s["cost_eur"])[done], found


@pytest.mark.function("CPO-9")
def test_the_station_tells_drivers_what_steering_saved():
    told, billed, _ = told_savings(("emsp", "ev_driver"))
    np.testing.assert_allclose(told, billed, atol=1e-9)
    assert np.abs(billed).max() > 0.0


@pytest.mark.function("CPO-10", "CPO-13", "EMSP-6")
def test_the_emsp_learns_and_tells_what_steering_saved():
    told, billed, found = told_savings(("cpo", "ev_driver"))
    np.testing.assert_allclose(told, billed, atol=1e-9)
    assert found.message("SteeringNotice")["items"] == len(billed)
    untold, _, _ = told_savings(("cpo", "ev_driver"), ("cpo", "emsp"))
    assert np.isnan(untold).all()


@pytest.mark.function("CPO-11")
def test_the_aggregator_learns_what_steering_saved():
    _, billed, found = told_savings(("emsp", "ev_driver"))
    assert found.model.cast.aggregator.saving_eur == pytest.approx(billed.sum())


@pytest.mark.function("CPO-12")
def test_the_aggregator_plans_on_the_real_rates_that_the_cpo_passes_on():
    assert run(**ISO).message("ChargeRates")["items"] > 0
    assert differ(run("rates at zero", **ISO), run(**ISO))


# --- EMSP and driver -------------------------------------------------------------------------------------------------


@pytest.mark.function("EMSP-1")
def test_the_emsp_tells_drivers_the_limits_of_the_site():
    told: list[np.ndarray] = []
    play(world(**ISO), lambda m: told.append(m.cast.drivers.told_site_kw.copy()))
    known = told[-1][np.isfinite(told[-1])]
    assert len(known) and (known > 0.0).all()
    silent: list[np.ndarray] = []
    play(world(**(ISO | {"cut": (("cpo", "emsp"),)})), lambda m: silent.append(m.cast.drivers.told_site_kw.copy()))
    assert np.isnan(silent[-1]).all()


@pytest.mark.function("EMSP-2")
def test_the_emsp_tells_drivers_how_they_are_charged():
    told: list[np.ndarray] = []
    play(world(**ISO), lambda m: told.append(m.cast.drivers.told_power_kw.copy()))
    known = told[-1][np.isfinite(told[-1])]
    assert len(known) and (known == 0.0).any() and (known > 0.0).any()


@pytest.mark.function("EMSP-3", "DRV-2")
def test_a_wish_in_the_app_reaches_the_emsp_and_changes_charging():
    assert run(**APP).message("DriverWish")["items"] > 0
    assert differ(run(**APP), run(**APP, cut=(("ev_driver", "emsp"),)))


@pytest.mark.function("EMSP-5")
def test_the_aggregator_learns_wishes_from_the_emsp():
    assert differ(run(**APP), run(**APP, cut=(("emsp", "aggregator"),)))
