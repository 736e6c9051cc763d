"""A role decides on what it saw or was told: a cut link takes one ability away, and what it carried changes nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.fleet.tables import SEGMENTS
from agents.messages import MESSAGES, SmartChargingSignal
from agents.model import Flexpolder
from tests.model_worlds import Played, play, until, world

TALKATIVE: dict[str, Any] = {"iso15118_share": 0.3, "oem_api_share": 1.0, "emsp_app_share": 1.0, "min_bid_mw": 0.1}
"""A world in which everybody says something and the pool is in every market."""
TIGHT: dict[str, Any] = {"absolute_signal_threshold_share": 0.15, "congestion_tool": "none"}
CALLS: dict[str, Any] = {"days": 2, "congestion_tool": "capacity_call", "congestion_threshold_share": 0.05}
EVERY_LINK = tuple(sorted({(kind.sender, kind.receiver) for kind in MESSAGES.values()}))


@cache
def run(*cut: tuple[str, str], **changes: Any) -> Played:
    return play(world(cut=cut, **(TALKATIVE | changes)))


def lost(found: Played) -> set[str]:
    """Message types of which something, and then everything, never arrived."""
    table = found.tables["messages"]
    gone = table["lost"] > 0
    np.testing.assert_array_equal(table["lost"][gone], table["items"][gone])
    return set(table["message"][gone].tolist())


def carried_by(*links: tuple[str, str]) -> set[str]:
    return {name for name, kind in MESSAGES.items() if (kind.sender, kind.receiver) in links}


@pytest.mark.parametrize("link", [("aggregator", "brp"), ("tso", "bsp"), ("supplier", "aggregator")], ids="-".join)
def test_a_cut_link_loses_its_own_messages_and_no_others(link):
    sent = set(run(link).tables["messages"]["message"].tolist())
    assert lost(run(link)) == carried_by(link) & sent
    assert lost(run(link))
    assert not lost(run())


def test_without_the_aggregators_word_the_brp_knows_only_its_meters():
    told, untold = run().model.cast.pool_brp, run(("aggregator", "brp")).model.cast.pool_brp
    assert told.pool_mw.max() > 0.0
    assert not untold.pool_mw.any()
    row = told.row
    bought, alone = (r.by_party("day_ahead_mwh")[row] for r in (run(), run(("aggregator", "brp"))))
    assert not np.allclose(bought, alone)


def test_without_the_cpos_word_the_pool_is_not_steered():
    blind = run(("cpo", "aggregator"))
    assert not blind.model.cast.aggregator.believed.is_here.any()
    assert not blind.model.cast.aggregator.plan_kw.any()
    np.testing.assert_allclose(blind.ev_kw, blind.uncontrolled_kw, atol=0.01)
    assert not np.allclose(run().ev_kw, run().uncontrolled_kw)


def test_without_the_suppliers_word_plans_follow_no_price():
    deaf, hearing = run(("supplier", "aggregator")), run()
    paid = deaf.model.cast.supplier.price_eur_per_kwh
    assert not np.allclose(deaf.model.cast.aggregator.price_eur_per_kwh[: len(paid)], paid)
    np.testing.assert_allclose(
        hearing.model.cast.aggregator.price_eur_per_kwh[: len(paid)], hearing.model.cast.supplier.price_eur_per_kwh
    )


def test_without_the_tsos_word_the_pool_does_not_follow_activations():
    followed, missed = run(), run(("tso", "bsp"))
    assert followed.message("ActivationNotice")["count"] > 0
    assert missed.message("Activation")["count"] > 0
    assert missed.message("ActivationNotice")["count"] == missed.message("ReserveNotice")["count"] == 0
    assert np.abs(followed.model.cast.aggregator.activation_mw).max() > 0.0
    assert not missed.model.cast.aggregator.activation_mw.any()


def test_without_the_csps_word_the_dso_calls_no_limits():
    kinds = [run(*cut, **CALLS).tables["interventions"]["kind"].tolist() for cut in ((), (("csp", "dso"),))]
    assert "capacity_call" in kinds[0]
    assert "capacity_call" not in kinds[1]


def test_a_direct_signal_that_does_not_arrive_is_no_signal():
    direct, cut, never = (
        run(**TIGHT, absolute_signal_path="direct"),
        run(("dso", "charging_point"), **TIGHT, absolute_signal_path="direct"),
        run(**TIGHT, absolute_signal_path="none"),
    )
    assert direct.message("AbsoluteSignalDirect")["count"] > 0
    np.testing.assert_array_equal(cut.ev_kw, never.ev_kw)
    assert not np.array_equal(direct.ev_kw, never.ev_kw)


def test_makers_that_are_not_heard_are_makers_that_share_nothing():
    cut, silent = run(("vehicle_maker", "aggregator")), run(oem_api_share=0.0)
    np.testing.assert_array_equal(cut.ev_kw, silent.ev_kw)
    assert not np.array_equal(run().ev_kw, silent.ev_kw)


def test_with_every_link_cut_everybody_charges_as_if_nobody_steered():
    alone = run(*EVERY_LINK)
    np.testing.assert_allclose(alone.ev_kw, alone.uncontrolled_kw, atol=0.01)
    assert len(alone.tables["periods"]["period"]) == 96


# --- planted values --------------------------------------------------------------------------------------------------

PLANTED = (("vehicle_maker", "aggregator"), ("emsp", "aggregator"), ("aggregator", "bsp"), ("csp", "dso"))


def forged(message: Any) -> Any:
    """The same message with every amount in it wrong; rows and periods stay what they are."""
    changed = {}
    for f in fields(message):
        value = getattr(message, f.name)
        is_amount = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        if is_amount:
            changed[f.name] = 0.37 * value + 4.321
    return replace(message, **changed)


def planted(links: tuple[tuple[str, str], ...], cut: bool) -> Played:
    """A run in which everything that some links are given to carry is wrong."""

    def plant(message: Any, period: int) -> Any:
        return forged(message) if (message.sender, message.receiver) in links else message

    return play(world(cut=links if cut else (), **TALKATIVE), meddle=plant)


def test_what_a_cut_link_was_given_changes_nothing():
    clean, wrong = run(*PLANTED), planted(PLANTED, cut=True)
    for name in clean.tables:
        for column, values in clean.tables[name].items():
            np.testing.assert_array_equal(wrong.tables[name][column], values, err_msg=f"{name}.{column}")


@pytest.mark.parametrize("link", PLANTED[:3], ids="-".join)
def test_what_a_whole_link_was_given_does_change_decisions(link):
    """Otherwise the test above would pass on words that nobody listens to."""
    wrong = planted((link,), cut=False)
    is_same = [np.array_equal(wrong.load()[name], power) for name, power in run().load().items()]
    assert not all(is_same) or not np.array_equal(wrong.tables["activations"]["energy_mwh"],
                                                  run().tables["activations"]["energy_mwh"])  # fmt: skip


# --- what nobody told ------------------------------------------------------------------------------------------------

SILENT: dict[str, Any] = {"iso15118_share": 0.0, "oem_api_share": 0.0, "emsp_app_share": 0.0, "depot": 0}
"""Nobody says when cars leave or what is in their batteries; the depot's operator, who would, has no cars."""
EVENING = 80


def signals_until(period: int, secret: Any) -> list[np.ndarray]:
    """The aggregator's targets of every period before one."""
    told: list[np.ndarray] = []

    def prepare(model: Flexpolder) -> None:
        secret(model)
        honest = model.cast.aggregator.send

        def send(message: Any) -> None:
            if isinstance(message, SmartChargingSignal):
                told.append(message.target_kw.copy())
            honest(message)

        model.cast.aggregator.send = send  # type: ignore[method-assign, assignment]

    until(world(**SILENT), period, prepare)
    return told


def write(table: Any, column: str, rows: np.ndarray, values: np.ndarray) -> None:
    """Change a frozen table of the real world behind everybody's back."""
    table.rows.setflags(write=True)
    table.rows[column][rows] = values
    table.rows.setflags(write=False)


def later_departures(model: Flexpolder) -> None:
    """Everybody at home at night means to leave two hours later than they would, and nobody knows."""
    s = model.town.fleet.sessions
    at_home = model.town.fleet.points.segment[s.cp_row] == SEGMENTS.index("home")
    is_late = at_home & (s.departure_min > 15 * EVENING)
    assert is_late.any()
    write(s, "departure_min", is_late, s.departure_min[is_late] + 120)


def hungrier_cars(model: Flexpolder) -> None:
    """Whoever plugs in later today wants less than they would, and nobody knows."""
    s = model.town.fleet.sessions
    later = s.arrival_min > 15 * EVENING
    assert later.any()
    write(s, "desired_kwh", later, 0.5 * s.desired_kwh[later])


@pytest.mark.parametrize("secret", [later_departures, hungrier_cars])
def test_what_nobody_told_does_not_reach_the_aggregator(secret):
    for mine, theirs in zip(signals_until(EVENING, lambda _: None), signals_until(EVENING, secret), strict=True):
        np.testing.assert_array_equal(mine, theirs)
