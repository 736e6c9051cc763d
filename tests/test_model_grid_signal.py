"""The DSO's absolute signal on both routes, and mixed: who learns of it, who pays, how late and how surely it works."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from agents.settings import SignalSettings
from tests.model_worlds import play, world


@cache
def run(path, announced=False, **signals):
    """One street on a winter day; its wires may carry 30 % before the DSO intervenes."""
    settings = world(
        home=80, homes=80, public=0, office=0, depot=0, dc=0, v2x_share=0.0, strategy="price_optimal_v1g",
        congestion_tool="none", absolute_signal_threshold_share=0.3, absolute_signal_path=path,
        absolute_signal_announced=announced,
    )  # fmt: skip
    return play(replace(settings, signals=SignalSettings(**signals)))


def imbalance(played):
    return played.by_party("imbalance_mwh")[0]


def ev_kw(played):
    return played.model.record.ev_kw.sum(axis=0)


def first_effect(played):
    """The first quarter in which the signal changed what cars draw."""
    return int(np.flatnonzero(np.abs(ev_kw(played) - ev_kw(run("none"))) > 0.01)[0])


def test_a_direct_signal_is_the_imbalance_of_a_brp_that_was_not_told():
    """Until the first signal both days are the same; then what the cars leave is what the BRP holds too much."""
    free, direct = run("none"), run("direct")
    t = first_effect(direct)
    assert np.array_equal(imbalance(free)[:t], imbalance(direct)[:t])
    bought = ("forward_mwh", "day_ahead_mwh", "intraday_mwh", "redispatch_mwh")
    for name in bought:
        assert np.array_equal(free.by_party(name)[0, : t + 1], direct.by_party(name)[0, : t + 1])
    less = free.by_party("metered_mwh")[0, t] - direct.by_party("metered_mwh")[0, t]
    assert less > 0.0
    assert imbalance(direct)[t] - imbalance(free)[t] == pytest.approx(less, rel=1e-6)
    town_mwh = (ev_kw(free)[t] - ev_kw(direct)[t]) * 0.25 / 1000.0 * free.settings.representation
    assert less == pytest.approx(town_mwh, rel=0.1)  # and the losses of the wires


def test_that_imbalance_is_on_the_bill():
    direct = run("direct")
    t = first_effect(direct)
    ledger = direct.tables["ledger"]
    name = direct.model.exchange.accounts[0]
    mine = (ledger["reason"] == "imbalance") & (ledger["period"] == t)
    got = ledger["amount_eur"][mine & (ledger["payee"] == name)].sum()
    got -= ledger["amount_eur"][mine & (ledger["payer"] == name)].sum()
    share = direct.by_party("imbalance_eur")[0, t] / direct.settings.representation
    assert got == pytest.approx(share, abs=1e-9)
    assert direct.by_party("imbalance_eur")[0, t] != run("none").by_party("imbalance_eur")[0, t]


@pytest.mark.parametrize("told", [("via_csp", False), ("direct", True)])
def test_whoever_is_told_trades_and_is_less_out_of_balance(told):
    """Both ways of telling leave less extra imbalance than the signal nobody heard of."""
    free, direct, other = (np.abs(imbalance(r)).sum() for r in (run("none"), run("direct"), run(*told)))
    assert direct > free
    assert other - free < 0.8 * (direct - free)
    assert run(*told).by_party("intraday_mwh")[0].sum() != run("direct").by_party("intraday_mwh")[0].sum()


def test_both_routes_relieve_the_wires():
    loading = {path: run(path).model.record.loading_share for path in ("none", "direct", "via_csp")}
    peak = {path: share.max() for path, share in loading.items()}
    above = {path: np.maximum(share - 0.3, 0.0).max(axis=1).sum() for path, share in loading.items()}
    for path in ("direct", "via_csp"):
        assert peak[path] < 0.9 * peak["none"] and above[path] < 0.8 * above["none"]


def test_the_direct_signal_costs_comfort_that_a_pool_can_plan_around():
    missing = {path: run(path).tables["drivers"]["missing_kwh"].sum() for path in ("none", "direct", "via_csp")}
    assert missing["none"] <= missing["via_csp"] < missing["direct"]


def test_a_slow_route_acts_later():
    prompt, slow = run("via_csp"), run("via_csp", csp_delay_min=30.0)
    assert first_effect(slow) == first_effect(prompt) + 2
    assert first_effect(run("direct", direct_delay_min=15.0)) == first_effect(run("direct")) + 1


def test_signals_that_do_not_arrive_change_nothing():
    lost, free = run("direct", direct_failure_share=1.0), run("none")
    assert np.array_equal(lost.model.record.ev_kw, free.model.record.ev_kw)
    assert (lost.tables["interventions"]["kind"] == "absolute_signal").sum() > 0


def test_mixed_routes_reach_fitted_connections_directly_and_the_rest_through_the_csp():
    mixed = run("direct", direct_share=0.5)
    assert mixed.message("AbsoluteSignalDirect")["count"] > 0 and mixed.message("AbsoluteSignal")["count"] > 0
    assert run("direct").message("AbsoluteSignal")["count"] == 0
    assert run("via_csp").message("AbsoluteSignalDirect")["count"] == 0
    extra = {k: np.abs(imbalance(r)).sum() for k, r in (("mixed", mixed), ("direct", run("direct")))}
    assert extra["mixed"] < extra["direct"]


def test_the_hardware_is_on_the_dsos_bill():
    def paid(played):
        ledger = played.tables["ledger"]
        mine = ledger["reason"] == "signal_hardware"
        assert set(ledger["payer"][mine]) <= {played.model.cast.dso.account}
        return ledger["amount_eur"][mine].sum()

    assert paid(run("direct")) == pytest.approx(80 * 15.0 / 365.0)
    dso = run("direct", direct_share=0.5).model.cast.dso
    rows = np.unique(run("direct").model.town.fleet.points.connection_row)
    assert paid(run("direct", direct_share=0.5)) == pytest.approx(dso.has_hardware[rows].sum() * 15.0 / 365.0)
    assert paid(run("via_csp")) == 0.0


# --- the table of consequences


def consequences(played):
    t = played.tables["signals"]
    return {route: {name: t[name][k] for name in t} for k, route in enumerate(t["route"].tolist())}


def test_the_table_tells_who_learns_and_what_a_signal_nobody_was_told_of_costs():
    """Energy bought for the pool and not used while the signal held is in the BRP's imbalance of those quarters."""
    direct, told = consequences(run("direct"))["direct"], consequences(run("via_csp"))["via_csp"]
    assert set(consequences(run("direct"))) == {"direct"} and set(consequences(run("via_csp"))) == {"via_csp"}
    assert consequences(run("none")) == {}
    assert direct["learns"] == "charging station only" and "BRP" in told["learns"]
    t = first_effect(run("direct"))  # until then both days are the same: the difference is what the signal withheld
    record, free = run("direct").model.record, ev_kw(run("none"))
    assert record.withheld_kwh[t] == pytest.approx(0.25 * (free - ev_kw(run("direct")))[t], rel=1e-6)
    scale = run("direct").settings.representation / 1000.0
    assert direct["withheld_mwh"] == pytest.approx(record.withheld_kwh.sum() * scale) and direct["withheld_mwh"] > 100.0
    assert direct["withheld_eur"] == pytest.approx(np.nansum(record.withheld_kwh * scale * record.price["surplus"]))
    assert np.isnan(told["withheld_mwh"]) and run("via_csp").model.record.withheld_kwh.sum() == 0.0
    played = run("direct")
    held = np.zeros(96, dtype=bool)
    held[sorted({s.first for s in played.model.cast.dso.signal_log.sent if s.first < 96})] = True
    assert direct["quarters"] == held.sum()
    assert direct["imbalance_mwh"] == pytest.approx(imbalance(played)[held].sum())
    assert direct["imbalance_eur"] == pytest.approx(played.by_party("imbalance_eur")[0, held].sum())
    used = ev_kw(played)[held].sum() * 0.25 / 1000.0 * played.settings.representation
    assert direct["used_mwh"] == pytest.approx(used, rel=1e-5)
    assert direct["deviation_mwh"] == pytest.approx(direct["bought_mwh"] - direct["used_mwh"])


def test_the_table_tells_what_drivers_and_hardware_cost_and_what_was_lost():
    direct, told = consequences(run("direct"))["direct"], consequences(run("via_csp"))["via_csp"]
    assert direct["missing_kwh"] > told["missing_kwh"] >= 0.0 and direct["sessions"] > 0
    assert direct["hardware_eur"] == pytest.approx(80 * 15.0 / 365.0) and told["hardware_eur"] == 0.0
    lost = consequences(run("direct", direct_failure_share=1.0))["direct"]
    assert lost["lost"] == lost["signals"] > 0 and lost["quarters"] == lost["sessions"] == 0
    both = consequences(run("direct", direct_share=0.5))
    assert set(both) == {"direct", "via_csp"} and both["via_csp"]["delay_min"] == 0.0
    assert consequences(run("direct", direct_delay_min=15.0))["direct"]["delay_min"] == 15.0
    assert "are told" in consequences(run("direct", announced=True))["direct"]["learns"]
