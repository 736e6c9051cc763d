"""What no run may break, whatever its rules: money, energy, power, batteries, prices and gates."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.fleet.behaviour import rated
from agents.model import Flexpolder
from tests.model_worlds import SMART, Played, play, world

MARKETS = ("forward", "day_ahead", "intraday", "redispatch")
TIGHT = {
    "congestion_threshold_share": 0.1,
    "redispatch_min_order_mw": 0.001,
    "absolute_signal_threshold_share": 0.3,
    "absolute_signal_path": "direct",
    "min_bid_mw": 0.1,
}
"""Levers under which every market and every emergency happens in a small world."""


@dataclass
class Watch:
    """Looks at powers and batteries after every period and keeps what it saw."""

    point_excess_kw: list[float] = field(default_factory=list)
    connection_excess_kw: list[float] = field(default_factory=list)
    soc_low: list[float] = field(default_factory=list)
    soc_high: list[float] = field(default_factory=list)
    meter_gap_kw: list[float] = field(default_factory=list)

    def __call__(self, model: Flexpolder) -> None:
        town, state, t = model.town, model.cast.evs.state, model.period - 1
        step = model.dispatch._step
        assert step is not None
        power = step.power_kw
        allowed = town.fleet.points.max_kw.copy()
        alone, counts = np.unique(town.fleet.sessions.cp_row[step.present], return_counts=True)
        single = step.present[np.isin(town.fleet.sessions.cp_row[step.present], alone[counts == 1])]
        cp, ev = town.fleet.sessions.cp_row[single], town.fleet.sessions.ev_row[single]
        allowed[cp] = np.minimum(allowed[cp], rated(town.fleet.vehicles, town.fleet.points, ev, cp)[1])
        self.point_excess_kw.append(float(np.max(np.abs(power) - allowed)))
        ev_kw, base = town.at_connections(power), town.base_kw[:, t]
        room = np.maximum(town.grid.connections.capacity_kw - np.maximum(base, 0.0), 0.0)
        self.connection_excess_kw.append(float(np.max(ev_kw - room)))
        soc = state.battery_kwh / town.fleet.vehicles.capacity_kwh
        self.soc_low.append(float(soc.min()))
        self.soc_high.append(float(soc.max()))
        self.meter_gap_kw.append(float(abs(power.sum() - model.record.segment_kw[:, t].sum())))


@dataclass(frozen=True)
class Watched:
    run: Played
    seen: Watch


def watched(**changes) -> Watched:
    seen = Watch()
    return Watched(play(world(**changes), seen), seen)


# --- money -----------------------------------------------------------------------------------------------------------


def check_ledger_sums_to_zero(w: Watched) -> None:
    """Every account's balance follows from the entries of the table, and together they are nothing."""
    table, ledger = w.run.tables["ledger"], w.run.model.cashbook.ledger
    received: dict[str, list[float]] = defaultdict(list)
    for payer, payee, amount in zip(table["payer"], table["payee"], table["amount_eur"], strict=True):
        received[payee].append(float(amount))
        received[payer].append(-float(amount))
    turnover = math.fsum(abs(v) for values in received.values() for v in values)
    assert turnover > 0.0
    for name, balance in zip(ledger.accounts, ledger.balance_eur().tolist(), strict=True):
        assert balance == pytest.approx(math.fsum(received[name]), abs=1e-9 * turnover), name
    assert math.fsum(v for values in received.values() for v in values) == pytest.approx(0.0, abs=1e-9)


def check_exchange_keeps_nothing(w: Watched) -> None:
    """The central counterparty passes on in every period what it takes in."""
    table = w.run.tables["ledger"]
    kept = np.zeros(len(w.run.tables["periods"]["period"]))
    np.add.at(kept, table["period"][table["payee"] == "exchange"], table["amount_eur"][table["payee"] == "exchange"])
    np.add.at(kept, table["period"][table["payer"] == "exchange"], -table["amount_eur"][table["payer"] == "exchange"])
    np.testing.assert_allclose(kept, 0.0, atol=1e-4)


def check_imbalance_is_priced_by_its_sign(w: Watched) -> None:
    """Each party pays the shortage price or gets the surplus price for exactly its imbalance."""
    p, prices = w.run.tables["positions"], w.run.tables["prices"]
    energy, period = p["imbalance_mwh"], p["period"]
    price = np.where(energy < 0, prices["imbalance_shortage_eur_per_mwh"][period],
                     prices["imbalance_surplus_eur_per_mwh"][period])  # fmt: skip
    trading = p["brp"] != "Border"
    np.testing.assert_allclose(p["imbalance_eur"][trading], (energy * price)[trading], atol=1e-6)


def check_imbalance_reaches_the_ledger(w: Watched) -> None:
    """What the operator booked for imbalance, twins included, is what the accounts of energy say."""
    table = w.run.tables["ledger"]
    mine = table["reason"] == "imbalance"
    booked = math.fsum(np.where(table["payer"][mine] == w.run.model.cast.tso.account, 1.0, -1.0)
                       * table["amount_eur"][mine])  # fmt: skip
    assert booked == pytest.approx(math.fsum(w.run.tables["positions"]["imbalance_eur"]), abs=1e-4)


def check_town_pays_its_share_of_trade(w: Watched) -> None:
    """The day-ahead money on the town's own account is its trades at their price over the number of towns."""
    run, trades, ledger = w.run, w.run.tables["trades"], w.run.tables["ledger"]
    pool = run.model.cast.pool_brp
    account = run.model.exchange.accounts[pool.row]
    here = trades["market"] == "day_ahead"
    sign = np.where(trades["buyer"] == pool.party, 1.0, np.where(trades["seller"] == pool.party, -1.0, 0.0))
    owed = 0.25 * sign * trades["volume_mw"] * trades["price_eur_per_mwh"]
    paid = (ledger["reason"] == "day_ahead") & (ledger["payer"] == account)
    got = (ledger["reason"] == "day_ahead") & (ledger["payee"] == account)
    net = math.fsum(ledger["amount_eur"][paid]) - math.fsum(ledger["amount_eur"][got])
    assert net == pytest.approx(math.fsum(owed[here]) / run.settings.representation, rel=1e-6)


# --- energy ----------------------------------------------------------------------------------------------------------


def check_every_market_balances(w: Watched) -> None:
    """What is bought is sold, the border included, in every market and period, to 1e-6 MWh.

    Redispatch is cleared for one town to 1e-9 MW; for as many towns as it stands for the gap is as many times that.
    """
    for market in MARKETS:
        gap_mwh = w.run.by_party(f"{market}_mwh").sum(axis=0)
        towns = w.run.settings.representation if market == "redispatch" else 1
        np.testing.assert_allclose(gap_mwh / towns, 0.0, atol=1e-6, err_msg=market)


def check_positions_follow_from_trades(w: Watched) -> None:
    """The trades of the table, party by party, are the positions."""
    run, trades = w.run, w.run.tables["trades"]
    parties = run.model.positions.parties
    row = {name: k for k, name in enumerate(parties)}
    for market in ("forward", "day_ahead", "intraday"):
        names = (market,) if market != "intraday" else ("intraday", "ida1", "ida2", "ida3")
        built = np.zeros((len(parties), run.model.horizon.n_periods))
        for k in np.flatnonzero(np.isin(trades["market"], names)).tolist():
            mwh, period = 0.25 * float(trades["volume_mw"][k]), int(trades["period"][k])
            if trades["buyer"][k] in row:
                built[row[trades["buyer"][k]], period] += mwh
            if trades["seller"][k] in row:
                built[row[trades["seller"][k]], period] -= mwh
        np.testing.assert_allclose(built, run.by_party(f"{market}_mwh"), atol=1e-6, err_msg=market)


def check_energy_accounts_close(w: Watched) -> None:
    """Traded less metered less activated is the imbalance, for every party and period."""
    run = w.run
    traded = np.sum([run.by_party(f"{market}_mwh") for market in MARKETS], axis=0)
    left = traded - run.by_party("metered_mwh") - run.by_party("activated_mwh")
    np.testing.assert_allclose(left, run.by_party("imbalance_mwh"), atol=1e-6)


def check_wires_conserve_energy(w: Watched) -> None:
    """What comes from above is what connections took and wires lost; connections took what their users did."""
    energy, load = w.run.tables["energy"], w.run.load()
    scale = np.maximum(np.abs(energy["source_kwh"]), 1.0)
    gap = energy["source_kwh"] - energy["connections_kwh"] - energy["losses_kwh"]
    assert np.max(np.abs(gap) / scale) < 1e-6
    assert np.min(energy["losses_kwh"]) >= 0.0
    used = 0.25 * np.sum(list(load.values()), axis=0)
    np.testing.assert_allclose(energy["connections_kwh"], used, rtol=1e-5, atol=1e-3)


def check_town_is_metered_at_its_source(w: Watched) -> None:
    """The town's party answers for everything that flows into as many towns as it stands for."""
    metered = w.run.by_party("metered_mwh")[w.run.model.cast.pool_brp.row]
    source = w.run.tables["energy"]["source_kwh"] * w.run.settings.representation / 1000.0
    np.testing.assert_allclose(metered, source, rtol=1e-9, atol=1e-9)


def check_sessions_hold_all_charging(w: Watched) -> None:
    """Energy of the sessions is energy of the charging points."""
    segments = set(w.run.settings.fleet.segments)
    points = math.fsum(0.25 * v.sum() for k, v in w.run.load().items() if k in segments)
    assert math.fsum(w.run.tables["sessions"]["metered_kwh"]) == pytest.approx(points, rel=1e-6, abs=1e-3)


# --- power, batteries, prices, gates ---------------------------------------------------------------------------------


def check_power_keeps_to_limits(w: Watched) -> None:
    """No car draws or delivers beyond itself or its station, no charging lifts a connection beyond its capacity."""
    assert max(w.seen.point_excess_kw) <= 1e-6
    assert max(w.seen.connection_excess_kw) <= 1e-3
    assert max(w.seen.meter_gap_kw) <= 1e-6


def check_batteries_keep_to_their_window(w: Watched) -> None:
    """State of charge stays between empty and full."""
    assert min(w.seen.soc_low) >= 0.0
    assert max(w.seen.soc_high) <= 1.0 + 1e-9


def check_prices_keep_to_limits(w: Watched) -> None:
    """Every price lies within the limits of its market."""
    rules, prices, trades = w.run.settings.regulation, w.run.tables["prices"], w.run.tables["trades"]
    day_ahead = prices["day_ahead_eur_per_mwh"]
    assert np.isfinite(day_ahead).all()
    assert day_ahead.min() >= rules.day_ahead_price_min_eur_per_mwh
    assert day_ahead.max() <= rules.day_ahead_price_max_eur_per_mwh
    assert np.abs(trades["price_eur_per_mwh"]).max() <= 9999.0
    redispatch = trades["price_eur_per_mwh"][trades["market"] == "redispatch"]
    assert (np.abs(redispatch) <= rules.redispatch_price_cap_eur_per_mwh).all()
    assert (prices["imbalance_shortage_eur_per_mwh"] >= prices["imbalance_surplus_eur_per_mwh"] - 1e-9).all()
    assert (trades["volume_mw"] > 0.0).all()


def check_nobody_trades_after_a_gate(w: Watched) -> None:
    """Each trade was made before the gate of what it delivers."""
    run, trades = w.run, w.run.tables["trades"]
    horizon, rules = run.model.horizon, run.settings.regulation
    delivered, made, market = trades["period"], trades["gate_period"], trades["market"]
    day = horizon.day_of[delivered]
    for name, day_offset, hour in (("day_ahead", -1, 12.0), ("ida1", -1, 15.0), ("ida2", -1, 22.0), ("ida3", 0, 10.0)):
        gate = np.array([horizon.period_at(int(d) + day_offset, hour) for d in range(run.settings.days)])
        here = market == name
        assert here.any(), name
        np.testing.assert_array_equal(made[here], gate[day[here]])
    continuous = market == "intraday"
    assert (15 * made[continuous] <= 15 * delivered[continuous] - rules.intraday_gate_closure_min).all()
    relieved = market == "redispatch"
    assert (15 * made[relieved] <= 15 * delivered[relieved] - rules.redispatch_gate_min).all()
    assert (made[market == "forward"] < 0).all()


CHECKS = {name: check for name, check in globals().items() if name.startswith("check_")}

WORLDS = {
    "every rule as it is": {},
    "tight wires, every intervention": {**TIGHT, "seed": 2},
    "shortest day of the clock": {"first_day": date(2026, 3, 29), "seed": 3},
    "longest day of the clock": {"first_day": date(2025, 10, 26), "seed": 4, "day_ahead_mtu_min": 60},
    "every lever the other way": {
        "seed": 5, "representation": 1, "intraday_gate_closure_min": 60, "is_dual_pricing": False,
        "passive_balancing_share": 0.5, "aggregation_model": "corrected_meter", "grid_tariff": "time_of_use",
        "supply_contract": "pass_through", "is_net_metering": False, "congestion_tool": "none",
    },
}  # fmt: skip


@cache
def played_world(name: str) -> Watched:
    return watched(**WORLDS[name])


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_a_run_conserves_and_keeps_to_limits(name, check):
    check(played_world(name))


def test_the_tight_world_has_every_intervention():
    """Otherwise the checks above would pass on nothing."""
    run = played_world("tight wires, every intervention").run
    kinds = set(run.tables["interventions"]["kind"])
    assert {"redispatch", "absolute_signal"} <= kinds
    assert (run.tables["trades"]["market"] == "redispatch").any()
    assert np.abs(run.by_party("activated_mwh")[run.model.cast.pool_brp.row]).sum() > 0.0


RULES = st.fixed_dictionaries(
    {
        "day_ahead_mtu_min": st.sampled_from([15, 60]),
        "intraday_gate_closure_min": st.sampled_from([0, 5, 30, 60, 120]),
        "redispatch_gate_min": st.sampled_from([15, 45, 120]),
        "redispatch_min_order_mw": st.sampled_from([0.001, 0.1, 1.0]),
        "congestion_threshold_share": st.sampled_from([0.05, 0.3, 1.0]),
        "congestion_tool": st.sampled_from(["both", "redispatch", "capacity_call", "none"]),
        "absolute_signal_path": st.sampled_from(["direct", "via_csp", "none"]),
        "absolute_signal_threshold_share": st.sampled_from([0.2, 0.6, 1.2]),
        "min_bid_mw": st.sampled_from([0.1, 1.0, 10.0]),
        "aggregation_model": st.sampled_from(["integrated", "uncorrected", "corrected_meter", "central_settlement"]),
        "supply_contract": st.sampled_from(["fixed", "time_of_use", "dynamic", "pass_through"]),
        "grid_tariff": st.sampled_from(["capacity_band", "monthly_peak", "time_of_use", "bandwidth"]),
        "passive_balancing_share": st.sampled_from([0.0, 1.0]),
        "is_dual_pricing": st.booleans(),
        "is_net_metering": st.booleans(),
        "iso15118_share": st.sampled_from([0.0, 0.5, 1.0]),
        "oem_api_share": st.sampled_from([0.0, 1.0]),
    }
)
SIZES = st.fixed_dictionaries(
    {
        "home": st.integers(1, 40),
        "public": st.integers(0, 20),
        "office": st.integers(0, 8),
        "depot": st.integers(0, 6),
        "homes": st.integers(40, 80),
        "v2x_share": st.sampled_from([0.0, 0.25, 1.0]),
        "strategy": st.sampled_from([SMART, "uncontrolled", "delayed", "least_laxity", "pv_following"]),
        "representation": st.sampled_from([1, 100, 20000]),
        "seed": st.integers(0, 10_000),
        "first_day": st.sampled_from([date(2026, 1, 20), date(2026, 6, 14), date(2025, 10, 26), date(2026, 3, 29)]),
    }
)


SHORT_DAY = {"first_day": date(2026, 3, 29), "homes": 40, "home": 1, "public": 14, "strategy": SMART}
"""A day of 92 quarters with limits by its end: what is expected of the days after ran out before a plan did."""


@settings(max_examples=5)
@given(rules=RULES, sizes=SIZES)
@example(rules={"congestion_threshold_share": 0.05, "redispatch_min_order_mw": 0.001}, sizes=SHORT_DAY)
@example(
    rules={"congestion_threshold_share": 0.05, "redispatch_min_order_mw": 0.001, "bid_obligation_share": 0.2},
    sizes={"homes": 40, "home": 20, "public": 14, "strategy": SMART},
)
def test_any_small_world_conserves_and_keeps_to_limits(rules, sizes):
    found = watched(**rules, **sizes)
    for check in CHECKS.values():
        check(found)
