"""Functions of aggregator, CSP, BSP, BRP, supplier, producer and grid operators (report 6.3), by their effect in runs.

As for the cars: a message is silenced, blanked or cut and the results change in the way that they must. Runs are
shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.messages import Message
from agents.model import Flexpolder
from tests.model_worlds import Meddle, Played, play, world

POOL: dict[str, Any] = {"iso15118_share": 1.0, "oem_api_share": 1.0, "emsp_app_share": 1.0, "min_bid_mw": 0.1}
"""Everybody says everything, and the pool is in every market."""
TIGHT: dict[str, Any] = POOL | {
    "congestion_threshold_share": 0.05,
    "redispatch_min_order_mw": 0.001,
    "congestion_tool": "redispatch",
    "absolute_signal_path": "none",
}
"""Redispatch happens even on a few streets."""
SIGNAL: dict[str, Any] = {"absolute_signal_threshold_share": 0.15, "congestion_tool": "none"}


def blank(name: str, *columns: str, value: float = 0.0) -> Meddle:
    """Put one value in some columns of a message type."""

    def change(message: Any, period: int) -> Message | None:
        if type(message).__name__ != name:
            return message
        return replace(message, **{c: np.full_like(getattr(message, c), value) for c in columns})

    return change


def nobody(name: str) -> Meddle:
    """Say that no connection can take part."""

    def change(message: Any, period: int) -> Message | None:
        if type(message).__name__ != name:
            return message
        return replace(message, **{
            f: getattr(message, f)[:0] for f in ("connection_row", "prognosis_kw", "reducible_kw", "increasable_kw")
        })  # fmt: skip

    return change


NAMED: dict[str, Callable[..., Any] | None] = {
    "": None,
    "full homes": blank("HomeForecast", "load_kw", value=1e4),
    "nobody offers": nobody("CongestionOffer"),
    "no room offered": blank("CongestionOffer", "reducible_kw", "increasable_kw"),
    "no prognosis": blank("CongestionOffer", "prognosis_kw"),
    "no room passed on": blank("CongestionOfferToDso", "reducible_kw", "increasable_kw"),
    "no balancing offered": blank("BalancingOffer", "up_mw", "down_mw"),
}


@cache
def run_of(name: str, items: tuple[tuple[str, Any], ...]) -> Played:
    return play(world(**dict(items)), meddle=NAMED[name])


def run(name: str = "", **changes: Any) -> Played:
    """A shared run of a world in which something of :data:`NAMED` is done to the messages."""
    return run_of(name, tuple(changes.items()))


def differ(one: Played, other: Played) -> bool:
    """Whether charging differs between two runs."""
    return not np.allclose(one.ev_kw, other.ev_kw, atol=0.01)


def trades(found: Played, market: str) -> int:
    return int(np.sum(found.tables["trades"]["market"] == market))


def interventions(found: Played, kind: str) -> int:
    return int(np.sum(found.tables["interventions"]["kind"] == kind))


def paid(found: Played, reason: str, payer: str = "", payee: str = "") -> float:
    """Sum of some payments of the ledger, EUR."""
    table = found.tables["ledger"]
    here = table["reason"] == reason
    for column, name in (("payer", payer), ("payee", payee)):
        here = here & (np.char.startswith(table[column].astype(str), name))
    return float(np.sum(table["amount_eur"][here]))


def pool_row(found: Played) -> int:
    return int(found.model.cast.pool_brp.row)


# --- aggregator ------------------------------------------------------------------------------------------------------


@pytest.mark.function("AGG-1")
def test_the_aggregator_heeds_what_homes_use():
    # without net metering, power that the house takes from the car saves the full price
    bare = POOL | {"is_net_metering": False, "v2x_share": 1.0, "iso15118_share": 1.0}
    assert run(**bare).message("HomeForecast")["items"] > 0
    full, usual = run("full homes", **bare), run(**bare)
    assert not np.array_equal(full.tables["trades"]["volume_mw"], usual.tables["trades"]["volume_mw"])


@pytest.mark.function("AGG-2")
def test_the_aggregator_uses_what_makers_tell():
    oem: dict[str, Any] = {"iso15118_share": 0.0, "oem_api_share": 1.0, "emsp_app_share": 0.0}
    assert run(**oem).message("OemData")["items"] > 0
    assert differ(run(**oem, cut=(("vehicle_maker", "aggregator"),)), run(**oem))


@pytest.mark.function("AGG-3", "CSP-1", "DSO-3")
def test_the_absolute_signal_goes_through_csp_and_aggregator():
    """Sent by the DSO to the CSP, passed on by it and obeyed; each link of the way is needed."""
    whole = run(**SIGNAL, absolute_signal_path="via_csp")
    never = run(**SIGNAL, absolute_signal_path="none")
    table = whole.tables["interventions"]
    sent = np.unique(table["period"][(table["kind"] == "absolute_signal") & (table["route"] == "via_csp")])
    assert len(sent)
    assert whole.ev_kw[:, sent].sum() < never.ev_kw[:, sent].sum()
    for link in (("dso", "csp"), ("csp", "aggregator")):
        np.testing.assert_array_equal(run(**SIGNAL, absolute_signal_path="via_csp", cut=(link,)).ev_kw, never.ev_kw)


@pytest.mark.function("AGG-4", "BRP-1", "SUP-1")
def test_the_price_of_the_auction_reaches_the_aggregator_through_brp_and_supplier():
    whole = run(**POOL)
    told = whole.model.cast.aggregator.price_eur_per_kwh[:96]
    spot = whole.tables["prices"]["day_ahead_eur_per_mwh"]
    np.testing.assert_allclose(np.diff(told), np.diff(spot) / 1000.0 * 1.21, atol=1e-9)
    for link in (("brp", "supplier"), ("supplier", "aggregator")):
        cut = run(**POOL, cut=(link,))
        assert not np.allclose(np.diff(cut.model.cast.aggregator.price_eur_per_kwh[:96]), np.diff(told))
        assert differ(cut, whole)


@pytest.mark.function("SUP-1")
@pytest.mark.parametrize("contract", ["fixed", "time_of_use", "pass_through"])
def test_each_contract_bills_another_price(contract):
    other, dynamic = run(**POOL, supply_contract=contract), run(**POOL)
    mine, theirs = (r.model.cast.supplier.price_eur_per_kwh for r in (other, dynamic))
    assert not np.allclose(mine, theirs)
    assert (np.ptp(mine) < 1e-9) == (contract == "fixed")
    assert not np.isclose(paid(other, "retail_energy", "cpo"), paid(dynamic, "retail_energy", "cpo"))


@pytest.mark.function("AGG-6", "CSP-2")
def test_only_connections_that_are_offered_are_redispatched():
    assert trades(run(**TIGHT), "redispatch") > 0
    assert trades(run("nobody offers", **TIGHT), "redispatch") == 0


@pytest.mark.function("AGG-7", "CSP-3")
@pytest.mark.parametrize("what", ["no room offered", "no room passed on"])
def test_only_power_that_is_offered_is_redispatched(what):
    if what == "no room offered":
        assert trades(run(what, **TIGHT), "redispatch") == 0
    told = run(what, **TIGHT).model.cast.dso._last_offer
    assert told is not None and not told.reducible_kw.any()


@pytest.mark.function("AGG-8", "CSP-4")
def test_operators_count_on_the_prognosis_of_the_pool():
    with_it, without = run(**TIGHT), run("no prognosis", **TIGHT)
    need = [float(np.nansum(r.tables["announcements"]["needed_mw"])) for r in (with_it, without)]
    assert need[0] > 0.0
    assert need[0] != pytest.approx(need[1])
    cut = run(**TIGHT, cut=(("csp", "dso"),))
    assert not cut.model.cast.dso._prognosis_kw.any()


@pytest.mark.function("AGG-9", "AGG-10", "BSP-1", "BSP-2")
def test_the_pool_balances_only_what_it_offered():
    offered, withheld = run(**POOL), run("no balancing offered", **POOL)
    names = [set(r.tables["activations"]["provider"].tolist()) for r in (offered, withheld)]
    party = {offered.model.cast.bsp.party, offered.model.cast.pool_brp.party}
    assert names[0] & party
    assert not names[1] & party
    assert offered.message("BalancingOffer")["items"] >= offered.message("BalancingOffer")["count"]
    assert offered.message("BalancingOfferToTso")["count"] == offered.message("BalancingOffer")["count"]


@pytest.mark.function("AGG-11", "BSP-3", "CSP-5")
def test_what_was_really_used_is_reported_up_to_the_operators():
    found = run(**TIGHT)
    cast = found.model.cast
    assert np.abs(cast.bsp.used_mw).max() > 0.0
    np.testing.assert_array_equal(cast.tso.used_mw, cast.bsp.used_mw)
    assert found.message("FlexibilityUsedToDso")["count"] == found.message("FlexibilityUsedToCsp")["count"] == 96
    silent = run(**TIGHT, cut=(("bsp", "tso"),)).model.cast.tso
    assert not silent.used_mw.any()


@pytest.mark.function("MR-AGG")
def test_aggregation_models_decide_who_pays_for_moved_energy():
    reasons = {"integrated": "internal_transfer", "corrected_meter": "retail_on_corrected_meter",
               "central_settlement": "transfer_of_energy", "contractual": "agreed_transfer"}  # fmt: skip
    for model, reason in reasons.items():
        found = run(**(POOL | {"aggregation_model": model}))
        assert set(found.tables["ledger"]["reason"].tolist()) & set(reasons.values()) == {reason}
    uncorrected = run(**(POOL | {"aggregation_model": "uncorrected"}))
    assert not uncorrected.by_party("activated_mwh")[pool_row(uncorrected)].any()
    assert run(**POOL).by_party("activated_mwh")[pool_row(uncorrected)].any()


# --- CSP and BSP -----------------------------------------------------------------------------------------------------


@pytest.mark.function("CSP-6", "DSO-4")
def test_accepted_flexibility_reaches_the_aggregator_through_the_csp():
    whole = run(**TIGHT)
    assert whole.message("RedispatchNotice")["count"] == whole.message("RedispatchOrder")["count"] > 0
    for link in (("dso", "csp"), ("csp", "aggregator")):
        cut = run(**TIGHT, cut=(link,))
        assert cut.message("RedispatchNotice")["lost"] or not cut.message("RedispatchNotice")["count"]
        assert not cut.model.cast.aggregator.redispatched_mw.any()
    assert whole.model.cast.aggregator.redispatched_mw.any()
    assert differ(whole, run(**TIGHT, cut=(("csp", "aggregator"),)))


@pytest.mark.function("BSP-4", "TSO-3")
def test_activations_reach_the_aggregator_through_the_bsp():
    whole = run(**POOL)
    assert whole.message("ActivationNotice")["count"] == whole.message("Activation")["count"] > 0
    for link in (("tso", "bsp"), ("bsp", "aggregator")):
        assert not run(**POOL, cut=(link,)).model.cast.aggregator.activation_mw.any()
    assert differ(whole, run(**POOL, cut=(("tso", "bsp"),)))


@pytest.mark.function("MR-BSP")
def test_a_pool_below_the_minimum_cannot_bid():
    small, large = run(**(POOL | {"representation": 1})), run(**POOL)
    assert small.model.cast.bsp.prequalified_mw == 0.0
    assert large.model.cast.bsp.prequalified_mw > 1.0
    for found, takes_part in ((small, False), (large, True)):
        pool = {found.model.cast.bsp.party, found.model.cast.pool_brp.party}
        providers = set(found.tables["activations"]["provider"]) | set(found.tables["reserves"]["provider"])
        assert bool(providers & pool) == takes_part
        assert (paid(found, "balancing_energy", payee="bsp") != 0.0) == takes_part


# --- BRP and producers -----------------------------------------------------------------------------------------------


@pytest.mark.function("BRP-2")
def test_the_aggregator_uses_the_brps_forecast_of_its_connections():
    assert run(**POOL).message("ConnectionForecast")["items"] > 0
    longer = POOL | {"days": 2}
    cut, whole = run(**longer, cut=(("brp", "aggregator"),)), run(**longer)
    assert not np.array_equal(cut.tables["trades"]["volume_mw"], whole.tables["trades"]["volume_mw"])


@pytest.mark.function("MR-BRP")
def test_a_brp_builds_its_position_market_by_market_and_pays_for_the_rest():
    found = run(**POOL)
    row = pool_row(found)
    for market in ("forward", "day_ahead", "intraday"):
        assert np.abs(found.by_party(f"{market}_mwh")[row]).sum() > 0.0, market
    nominated = found.model.cast.pool_brp.nominated_mwh
    np.testing.assert_allclose(
        nominated, found.by_party("forward_mwh")[row] + found.by_party("day_ahead_mwh")[row], atol=1e-9
    )
    used = found.by_party("metered_mwh")[row]
    late = np.abs(found.by_party("imbalance_mwh")[row]).sum()
    assert 0.0 < late < np.abs(nominated - used).sum()
    assert np.abs(found.by_party("imbalance_eur")[row]).sum() > 0.0


@pytest.mark.function("MR-PROD")
def test_producers_sell_every_kind_of_unit_in_every_market():
    found = run(**POOL)
    system = found.tables["system"]
    for kind in ("wind_mw", "solar_mw", "thermal_mw"):
        assert system[kind].max() > 0.0, kind
    for producer in found.model.cast.producers:
        assert found.by_party("day_ahead_mwh")[producer.row].min() < 0.0
    parties = {p.party for p in found.model.cast.producers}
    assert parties & set(found.tables["activations"]["provider"])
    sold = -sum(found.by_party(f"{m}_mwh")[p.row] for m in ("forward", "day_ahead", "intraday")
                for p in found.model.cast.producers)  # fmt: skip
    made = 0.25 * sum(system[kind] for kind in ("wind_mw", "solar_mw", "thermal_mw"))
    np.testing.assert_allclose(np.sum(sold), np.sum(made), rtol=0.02)


# --- DSO and TSO -----------------------------------------------------------------------------------------------------


@pytest.mark.function("DSO-1")
def test_the_dso_predicts_congestion_of_its_own_wires_that_comes():
    found = run(**TIGHT)
    table = found.tables["announcements"]
    mine = table["operator"] == "dso"
    announced = mine & (table["announced_period"] < table["period"])
    assert announced.any()
    assert found.model.cast.dso.is_own[table["branch_index"][mine]].all()
    loading = found.tables["branch_loading"]["loading_share"].reshape(96, -1)
    realised = loading[table["period"][announced], table["branch_index"][announced]]
    assert np.corrcoef(table["forecast_loading_share"][announced], realised)[0, 1] > 0.3


@pytest.mark.function("DSO-2")
def test_the_direct_signal_passes_everybody_else():
    links = (("dso", "csp"), ("csp", "aggregator"), ("aggregator", "cpo"))
    found, never = (run(**SIGNAL, absolute_signal_path=path, cut=links) for path in ("direct", "none"))
    assert interventions(found, "absolute_signal") > 0
    assert found.ev_kw.max() < never.ev_kw.max() or found.ev_kw.sum() < never.ev_kw.sum()
    assert differ(found, never)


@pytest.mark.function("MR-DSO")
@pytest.mark.parametrize("tariff", ["monthly_peak", "time_of_use", "bandwidth"])
def test_grid_tariffs_change_who_pays_the_dso(tariff):
    other, band = run(**POOL, grid_tariff=tariff), run(**POOL)
    assert paid(other, "grid_tariff", payee="dso") > 0.0
    assert paid(other, "grid_tariff", payee="dso") != pytest.approx(paid(band, "grid_tariff", payee="dso"))


@pytest.mark.function("MR-DSO")
def test_a_capacity_limiting_contract_is_called_and_paid():
    calls: dict[str, Any] = {"days": 2, "congestion_threshold_share": 0.05, "absolute_signal_path": "none"}
    called = run(**calls, congestion_tool="capacity_call")
    assert interventions(called, "capacity_call") > 0
    assert paid(called, "capacity_call", "dso", "csp") > 0.0
    assert trades(called, "redispatch") == 0
    assert differ(called, run(**calls, congestion_tool="none"))


TSO_TIGHT: dict[str, Any] = TIGHT | {"congestion_threshold_share": 0.0005}
"""A few streets hardly load a high-voltage transformer: its operator is made to mind."""


@pytest.mark.function("TSO-1")
def test_the_tso_predicts_load_and_congestion_of_its_own_wires():
    found = run(**TSO_TIGHT)
    system, table = found.tables["system"], found.tables["announcements"]
    assert np.abs(system["load_forecast_mw"] / system["load_mw"] - 1.0).mean() < 0.05
    mine = table["operator"] == "tso"
    assert mine.any()
    assert found.model.cast.tso.is_own[table["branch_index"][mine]].all()


@pytest.mark.function("TSO-2")
def test_accepted_flexibility_of_the_tso_reaches_the_aggregator():
    def without_a_dso(model: Flexpolder) -> None:
        model.cast.dso.is_own = np.zeros_like(model.cast.dso.is_own)

    found = play(world(**TSO_TIGHT), prepare=without_a_dso)
    assert found.message("TsoRedispatchOrder")["count"] > 0
    assert found.message("RedispatchOrder")["count"] == 0
    assert found.model.cast.aggregator.redispatched_mw.any()
    assert trades(found, "redispatch") > 0


@pytest.mark.function("MR-TSO")
def test_the_tso_buys_reserve_balances_and_settles():
    found = run(**POOL)
    reserves, prices, system = (found.tables[k] for k in ("reserves", "prices", "system"))
    assert {"fcr", "afrr_up", "afrr_down"} <= set(reserves["product"].tolist())
    assert set(prices["regulation_state"].tolist()) <= {-1, 0, 1, 2}
    assert len(set(prices["regulation_state"].tolist())) > 1
    up, down = system["afrr_up_mwh"] > 0.0, system["afrr_down_mwh"] > 0.0
    assert up.any() and down.any()
    short = prices["regulation_state"] == 1
    surplus = prices["regulation_state"] == -1
    dear, cheap = prices["imbalance_shortage_eur_per_mwh"], prices["day_ahead_eur_per_mwh"]
    assert np.mean(dear[short] - cheap[short]) > np.mean(dear[surplus] - cheap[surplus])
    assert paid(found, "imbalance") != 0.0
    assert paid(found, "afrr_capacity", "tso") > 0.0
