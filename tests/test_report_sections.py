"""What the sections say of operators, markets, quality, service, money and stations, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from experiments.report.figures import balancing, congestion, drivers, hardware, messages, money
from experiments.report.figures.aggregators import aggregators
from experiments.report.figures.congestion import outages
from experiments.report.figures.markets import monitor
from experiments.report.figures.quality import ageing, quality
from experiments.report.section import Chart, Section
from experiments.report.view import RunView
from tests.test_report_example import example_tables
from tests.test_report_page import _text


def _run(n: int = 8, **tables: dict | pl.DataFrame) -> RunView:
    frames = {k: v if isinstance(v, pl.DataFrame) else pl.DataFrame(v) for k, v in tables.items()}
    return RunView({"periods": example_tables(days=1)["periods"].head(n), **frames}, {}, {})


def _said(found: Section | list[Chart | str] | None) -> str:
    assert found is not None
    blocks = found.blocks if isinstance(found, Section) else found
    return (
        " ".join(_text(b.html() if isinstance(b, Chart) else b) for b in blocks)
        .replace("\u00a0", " ")
        .replace("\u2060", "")
    )


OPERATORS = {
    "operator": ["dso", "dso", "dso"],
    "tool": ["redispatch", "absolute_signal", "all"],
    "interventions": [7, 1, 8],
    "avoided": [2, 1, 3],
    "missed": [1, 0, 5],
    "needless": [4, 0, 4],
    "bought_mwh": [0.5, 0.0, 0.5],
    "avoided_mwh": [0.1, 0.1, 0.2],
    "perfect_mwh": [0.3, 0.3, 0.3],
    "cost_eur": [50.0, 0.0, 50.0],
    "eur_per_avoided_mwh": [500.0, 0.0, 250.0],
}


def test_operators_are_told_against_perfect_foresight() -> None:
    said = _said(congestion.section(_run(operators=OPERATORS)))
    assert "Of the 8 times and places where the DSO intervened, 3 were needed and enough, 1 needed but not" in said
    assert "and 4 not needed; 4 overloads passed without intervention." in said  # 5 missed, 1 of them with a tool
    assert "It paid €50.00 for 500 kWh of relief, which is €250 per MWh of overload avoided" in said
    assert "perfect foresight would have bought 300 kWh" in said


def test_overload_that_nobody_announced_is_no_announcement() -> None:
    announced = {
        "announced_period": [0, 0, 3],
        "period": [2, 3, 3],
        "branch_index": [0, 0, 1],
        "operator": ["dso"] * 3,
        "forecast_loading_share": [1.1, 1.2, None],
        "probability": [0.6, 0.8, 0.0],
        "needed_mw": [0.01, 0.02, None],
        "direction": ["less_load"] * 3,
        "outcome": ["avoided", "needless", "missed"],
    }
    said = _said(congestion.section(_run(announcements=announced)))
    assert "2 announcements of congestion (1 avoided and 1 needless), 1 overload that nobody had announced" in said
    assert "Missed 1" not in said


def test_breaches_of_transport_rights_are_added_up() -> None:
    held = {
        "connection_row": [4, 5, 6],
        "agreement": ["group", "group", "firm"],
        "group": [0, 0, 1],
        "fee_eur": [10.0, 20.0, 30.0],
        "withheld_kwh": [5.0, 0.0, 0.0],
        "breach_quarters": [3, 0, 0],
        "breach_kwh": [1.5, 0.0, 0.0],
    }
    said = _said(congestion.section(_run(agreements=held)))
    assert "3 flexible connections paid €60.00" in said and "5.00 kWh of that right was taken back" in said
    assert "limits were broken in 3 quarter-hours by 1.50 kWh" in said
    assert "connection 4" in said and "connection 5" not in said


def test_quality_names_what_is_not_kept() -> None:
    found = {
        "aspect": ["voltage", "unbalance", "unbalance"],
        "area": ["all", "all", "a1"],
        "week": [0, 0, 0],
        "nodes": [10, 10, 4],
        "nodes_met": [10, 7, 1],
        "worst_node_index": [0, 1, 1],
        "outside_share": [0.0, 0.25, 0.25],
        "p95": [0.05, 0.03, 0.03],
        "is_met": [True, False, False],
        "limit_low": [0.9, 0.0, 0.0],
        "limit_high": [1.1, 0.03, 0.03],
        "required_share": [0.95, 0.99, 0.99],
    }
    said = _said(quality(_run(quality=found)))
    assert "Voltage within ±10 %, 95 % of the time" in said
    assert "Not kept: “Unbalance (negative sequence) at most 3 %, 99 % of the time” at 3 of 10 nodes in 1 area." in said


def test_ageing_is_told_against_uncontrolled() -> None:
    found = {
        "branch_index": [0, 1],
        "hot_spot_max_c": [70.0, 60.0],
        "loss_of_life_h": [0.2, 0.2],
        "uncontrolled_hot_spot_max_c": [90.0, 60.0],
        "uncontrolled_loss_of_life_h": [0.6, 0.2],
    }
    said = _said(ageing(_run(ageing=found)))
    assert "used 0.400 hours of life in 2.00 hours of clock time each (−50 % against uncontrolled)" in said
    assert "70.0 °C, uncontrolled 90.0 °C" in said


def test_outages_name_their_element_and_what_was_not_served() -> None:
    found = {
        "kind": ["trip"],
        "branch_index": [0],
        "first_period": [2],
        "periods": [4],
        "connections": [50],
        "resupplied_by": ["open-1"],
        "connection_h": [50.0],
        "unserved_kwh": [75.0],
        "postponed_kwh": [3.0],
        "emergency_kwh": [1.0],
    }
    said = _said(outages(_run(outages=found, branches=example_tables(days=1)["branches"])))
    assert (
        "Supply was interrupted 1 time: 75.0 kWh of homes and sites was not served, 1.00 kWh came out of cars." in said
    )
    assert "trafo-380" in said and "open-1" in said


def test_market_monitor_says_who_is_indispensable() -> None:
    found = {
        "market": ["day_ahead", "fcr capacity"],
        "trades": [10, 4],
        "volume_mwh": [1000.0, 40.0],
        "churn": [0.8, None],
        "hhi_sellers": [2000.0, 9000.0],
        "hhi_buyers": [3000.0, None],
        "largest_seller": ["Centrale", "Flexio"],
        "pivotal_party": ["", "Flexio"],
        "pivotal_share": [0.0, 0.5],
        "spread_eur_per_mwh": [None, None],
        "welfare_eur": [5.0, None],
        "trades_after_gate": [0, 2],
        "beyond_prequalification": [0, 0],
    }
    said = _said(monitor(_run(market_monitor=found), {"day_ahead": 81.5}))
    assert "Sellers in 1 of 2 markets are more concentrated than 2,500" in said
    assert "without Flexio in 50 % of Frequency containment (FCR) capacity" in said
    assert "2 trades came after the gate." in said and "81.5" in said


def test_service_is_measured_against_the_possible() -> None:
    sessions = {
        "session_row": [0, 1],
        "segment": ["home", "home"],
        "arrival_min": [0, 0],
        "departure_min": [60, 60],
        "desired_kwh": [10.0, 10.0],
        "possible_kwh": [10.0, 6.0],
        "delivered_kwh": [10.0, 4.0],
        "missing_kwh": [0.0, 2.0],
        "cost_eur": [3.0, 1.0],
        "uncontrolled_cost_eur": [3.0, 2.0],
    }
    said = _said(drivers.section(_run(sessions=sessions)))
    assert "in finished sessions 80.0 % was physically possible" in said  # 16 of 20 kWh
    assert "of that, 87.5 % was delivered. The remaining 20.0 %" in said  # 14 of 16 kWh


def test_gap_to_the_optimum_is_weighted_with_money() -> None:
    gap = {
        "segment": ["home", "office"],
        "strategy": ["price_optimal_v1g"] * 2,
        "energy_kwh": [100.0, 10.0],
        "run_eur": [11.0, 1.0],
        "optimum_eur": [9.0, 1.0],
        "gap_share": [2 / 9, 0.0],
        "solver": ["highs"] * 2,
    }
    said = _said(drivers.section(_run(gap=gap, sessions=example_tables(days=1)["sessions"])))
    assert "cost €12.00; who had known everything beforehand would have paid €10.00" in said and "20.0 % above" in said


def test_a_negative_amount_went_the_other_way() -> None:
    ledger = {
        "period": [0, 1],
        "payer": ["a", "a"],
        "payee": ["b", "b"],
        "reason": ["imbalance"] * 2,
        "amount_eur": [100.0, -30.0],
    }
    found = {account: rest for account, *rest in money._net_by_account(_run(ledger=ledger)).iter_rows()}
    assert found == {"a": [100.0, 30.0, -70.0], "b": [30.0, 100.0, 70.0]}  # paid, got, net
    assert money.account_name("driver:public_ac") == "Drivers: public AC chargers"
    assert money.account_name("bsp: Flexio") == "Flexio as balancing service provider"


def test_short_reserve_and_its_penalty() -> None:
    short = {
        "period": [0, 1, 1],
        "provider": ["Flexio"] * 3,
        "product": ["afrr_up", "afrr_up", "afrr_down"],
        "contracted_mw": [10.0, 10.0, 5.0],
        "missing_mw": [2.0, 4.0, 5.0],
        "penalty_eur": [20.0, 40.0, 50.0],
    }
    said = _said(balancing.section(_run(reserve_shortfalls=short)))
    assert "In 2 quarter-hours a provider had less reserve ready than it had sold; that cost €110" in said


def test_aggregators_are_shown_only_if_there_are_several() -> None:
    parties = {"party": ["A", "B", "D"], "roles": ["aggregator,csp", "aggregator", "dso"], "account": ["A", "B", "D"]}
    ledger = {
        "period": [0, 0, 0],
        "payer": ["D", "A", "D"],
        "payee": ["A", "D", "B"],
        "reason": ["redispatch"] * 3,
        "amount_eur": [70.0, 20.0, 5.0],
    }
    reserves = {
        "product": ["fcr", "fcr"],
        "block_start_period": [0, 4],
        "offered_mw": [2.0, 2.0],
        "awarded_mw": [2.0, 1.0],
        "price_eur_per_mw_h": [9.0, 9.0],
        "provider": ["A", "B"],
    }
    said = _said(aggregators(_run(parties=parties, ledger=ledger, reserves=reserves)))
    assert "A €70.00 €20.00 +€50.00 1.00" in " ".join(said.split())  # 2 MW in one of two blocks
    assert "B €5.00 €0.00 +€5.00 0.500" in " ".join(said.split())
    days = {
        "day": [0, 0, 1, 1],
        "party": ["A", "B", "A", "B"],
        "customers": [5, 5, 3, 7],
        "joined": [0, 0, 0, 2],
        "left": [0, 0, 2, 0],
        "charged_kwh": [10.0, 20.0, 30.0, 40.0],
        "benefit_eur_per_kwh": [0.0, 0.0, 0.01, 0.02],
    }
    switched = _said(aggregators(_run(parties=parties, ledger=ledger, reserves=reserves, aggregators=days)))
    assert "2 drivers changed to another aggregator" in switched
    assert "A 3 0 2 40 1.00" in " ".join(switched.split()) and "B 7 2 0 60 2.00" in " ".join(switched.split())
    one = {k: v[1:] for k, v in parties.items()}
    assert aggregators(_run(parties=one, ledger=ledger, reserves=reserves)) == []


def test_physical_stations_have_a_section_of_their_own() -> None:
    assert hardware.section(_run()) is None
    seen = {
        "period": [0, 1],
        "charging_point_row": [7, 7],
        "station_id": ["CP-7", "CP-7"],
        "limit_kw": [11.0, 4.0],
        "power_kw": [10.0, 6.0],
        "energy_kwh": [2.5, 1.5],
        "register_kwh": [100.0, 101.5],
        "quality": [0, 3],
        "is_metered": [True, True],
    }
    said = _said(hardware.section(_run(hardware=seen)))
    assert "4.00 kWh charged, at most 10.0 kW; above its limit in 1 quarter-hour" in said
    assert "50 % of the values are not freshly measured" in said and "1.500" in said


@pytest.mark.parametrize("lost", [0, 3])
def test_messages_that_did_not_arrive(lost: int) -> None:
    sent = example_tables(days=1)["messages"].head(1).with_columns(items=pl.lit(30), lost=pl.lit(lost))
    said = _said(messages.section(_run(messages=sent)))
    assert ("3 never arrived" in said) == bool(lost) and ("all arrived and were believed" in said) == (not lost)
