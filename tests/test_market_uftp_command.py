"""Congestion management of a run as UFTP messages, against its tables; XML against the schemas where they are."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.cli.uftp import messages_of
from experiments.store.folder import SCHEMA_VERSION, write_json, write_tables
from markets.uftp import (
    DPrognosis,
    FlexOffer,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    Message,
    RequestIsp,
    Response,
    name_of,
    power_of,
)
from markets.uftp.exchange import CONTRACT, Order, Request, correspondence, rejected
from tests.model_worlds import Played, play, world

runner = CliRunner()
SCHEMAS = Path(__file__).resolve().parents[2] / "shared" / "data" / "uftp"
KEPT = ("periods", "branches", "parties", "flex_requests", "flex_orders")


@pytest.fixture(scope="module")
def run() -> Played:
    settings = world(
        days=2, congestion_threshold_share=0.05, redispatch_min_order_mw=0.001, absolute_signal_path="none"
    )
    return play(settings)


@pytest.fixture(scope="module")
def folder(run: Played, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    write_tables(path, {name: run.tables[name] for name in KEPT}, keep=KEPT)
    write_json({"schema_version": SCHEMA_VERSION, "seed": 3}, path / "manifest.json")
    return path


@pytest.fixture(scope="module")
def messages(folder: Path) -> list[Message]:
    return messages_of(folder, 11.0)


def test_every_kind_of_message_is_there_and_every_one_is_answered_and_accepted(messages: list[Message]) -> None:
    asked = [m for m in messages if not isinstance(m, Response)]
    answers = [m for m in messages if isinstance(m, Response)]
    assert {name_of(m) for m in asked} == {"D-Prognosis", "FlexRequest", "FlexOffer", "FlexOrder", "FlexSettlement"}
    assert Counter(a.reference_id for a in answers) == Counter(m.message_id for m in asked)
    assert rejected(messages) == []
    assert len({m.message_id for m in messages}) == len(messages)
    stamps = [m.time_stamp for m in messages]
    assert stamps == sorted(stamps)


def test_offers_and_orders_are_those_of_the_run(run: Played, messages: list[Message]) -> None:
    table = run.tables["flex_orders"]
    here = (table["rule"] == "") & (table["kind"] == "redispatch")
    offered_w = np.rint(table["offered_mw"][here] * 1e6)
    sent = [m.options[0].isps[0].power_w for m in messages if isinstance(m, FlexOffer)]
    assert sorted(sent) == sorted(offered_w[offered_w != 0.0].astype(int).tolist())
    taken = [m for m in messages if isinstance(m, FlexOrder) and m.contract_id is None]
    assert len(taken) == np.count_nonzero(np.abs(table["ordered_mw"][here]) > 1e-9) > 0
    by_number = {f"order-{n}": k for k, n in enumerate(table["order"].tolist())}
    for order in taken:
        row = by_number[order.order_reference]
        ordered_w = order.isps[0].power_w * float(order.activation_factor)
        step = max(0.0051 * abs(order.isps[0].power_w), 1.0)
        assert abs(ordered_w - 1e6 * table["ordered_mw"][row]) <= step or order.activation_factor == Decimal("0.01")
        worth = abs(order.isps[0].power_w) / 4e6 * table["price_eur_per_mwh"][row]
        assert float(order.price_eur) * np.sign(-order.isps[0].power_w) == pytest.approx(worth, abs=1e-3)


def test_requests_ask_what_was_announced_and_prognoses_cover_the_day(run: Played, messages: list[Message]) -> None:
    table = run.tables["flex_requests"]
    assert "capacity_call" in table["kind"]
    wanted_w = np.rint(1e6 * table["needed_mw"][table["kind"] == "redispatch"])
    requested = [i for m in messages if isinstance(m, FlexRequest) for i in m.isps]
    assert all(i.disposition == "Requested" for i in requested)
    assert sorted(-i.min_power_w or -i.max_power_w for i in requested) == sorted(wanted_w[wanted_w != 0].tolist())
    for told in (m for m in messages if isinstance(m, DPrognosis)):
        assert sum(i.duration for i in told.isps) == 96
        assert np.abs(power_of(told.isps, 96)).max() <= 1000.0 * run.model.town.fleet.points.max_kw.sum()


def test_redispatch_trades_are_the_orders_that_were_taken(run: Played) -> None:
    trades, orders = run.tables["trades"], run.tables["flex_orders"]
    sold = (trades["market"] == "redispatch") & (trades["seller"] == run.model.cast.csp.party)
    here = (orders["kind"] == "redispatch") & (orders["ordered_mw"] < 0.0)
    for period in np.unique(orders["period"][here]).tolist():
        taken = -float(np.sum(orders["ordered_mw"][here & (orders["period"] == period)]))
        assert float(np.sum(trades["volume_mw"][sold & (trades["period"] == period)])) == pytest.approx(taken)


def test_metered_power_is_that_of_the_cars_behind_the_element(run: Played) -> None:
    table, model = run.tables["flex_requests"], run.model
    root = table["branch_index"] == np.min(table["branch_index"])
    rows = model.cast.dso.connections_behind(int(np.min(table["branch_index"])))
    for period, mw in zip(table["period"][root].tolist(), table["metered_mw"][root].tolist(), strict=True):
        assert 1000.0 * mw == pytest.approx(float(np.sum(model.record.ev_kw[rows, period])), abs=1e-3)


def test_settlement_has_every_order_once(messages: list[Message]) -> None:
    ordered = [m.order_reference for m in messages if isinstance(m, FlexOrder)]
    settled = [s.order_reference for m in messages if isinstance(m, FlexSettlement) for s in m.settlements]
    assert sorted(settled) == sorted(ordered)
    assert len(set(settled)) == len(settled)


# --- by hand ---------------------------------------------------------------------------------------------------------

DAY = date(2026, 1, 20)
SENT = datetime(2026, 1, 19, 15, 0, tzinfo=UTC)
POINT = "ea1.2026-01.dso.example:trafo"


def by_hand(kind: str, needed_mw: float, offered_mw: float, ordered_mw: float, metered_mw: float) -> list[Message]:
    requests = [
        Request(SENT, "dso", kind, POINT, DAY, isp, needed_mw if isp == 69 else 0.0, 10.0, metered_mw)
        for isp in range(1, 97)
    ]
    orders = [Order(SENT, "dso", kind, POINT, 7, DAY, 69, offered_mw, ordered_mw, 14.0)]
    return correspondence(
        requests, orders, agr_domain="agr.example", operator_domains={"dso": "dso.example"}, months=[(DAY, DAY)],
        seed=1, penalty_eur_per_mw=11.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "metered_mw, paid, fine", [(7.0, 7.0, 0.0), (8.0, 7.0, 0.0), (9.0, 3.5, 11.0), (10.0, 0.0, 22.0)]
)
def test_c21_settlement_of_half_an_offer(metered_mw: float, paid: float, fine: float) -> None:
    # 4 MW for a quarter at 14 EUR/MWh cost 14 EUR; half of it, 2 MW for 7 EUR, is ordered
    sent = by_hand("redispatch", 2.0, -4.0, -2.0, metered_mw)
    order = next(m for m in sent if isinstance(m, FlexOrder))
    assert (order.price_eur, order.activation_factor) == (Decimal("14.0"), Decimal("0.5"))
    assert [tuple(i) for i in order.isps] == [(-4_000_000, 69, 1)]
    item = next(m for m in sent if isinstance(m, FlexSettlement)).settlements[0]
    assert (float(item.price_eur), float(item.penalty_eur)) == (paid, fine)
    assert item.isps[0].ordered_w == -2_000_000


def test_a_buy_order_pays_the_operator_and_asks_for_more_consumption() -> None:
    sent = by_hand("redispatch", -2.0, 4.0, 2.0, 12.0)
    request = next(m for m in sent if isinstance(m, FlexRequest))
    assert request.isps == (RequestIsp("Requested", 0, 2_000_000, 69),)
    assert next(m for m in sent if isinstance(m, FlexOrder)).price_eur == Decimal("-14.0")


def test_a_capacity_limit_is_an_order_under_its_contract_without_offer() -> None:
    sent = by_hand("capacity_call", 2.0, -2.0, -2.0, 8.0)
    names = [name_of(m) for m in sent if not isinstance(m, Response)]
    assert names == ["D-Prognosis", "FlexOrder", "FlexSettlement"]
    order = next(m for m in sent if isinstance(m, FlexOrder))
    assert (order.contract_id, order.price_eur, order.flex_offer_id) == (CONTRACT, Decimal("7.0"), None)
    assert rejected(sent) == []


def test_an_offer_nobody_ordered_has_no_order() -> None:
    sent = by_hand("redispatch", 2.0, -4.0, 0.0, 10.0)
    assert [name_of(m) for m in sent if not isinstance(m, Response)] == ["D-Prognosis", "FlexRequest", "FlexOffer"]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_command_writes_valid_xml_with_an_index(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("shapeshifter_uftp", reason="needs the extra flexpolder[uftp]: shapeshifter-uftp")
    xmlschema = pytest.importorskip("xmlschema", reason="needs the extra flexpolder[uftp]: xmlschema")
    if not SCHEMAS.is_dir():
        pytest.skip(f"needs the UFTP schemas in {SCHEMAS}")
    out = tmp_path / "uftp"
    done = runner.invoke(app, ["uftp", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    with (out / "index.csv").open(encoding="utf-8") as stream:
        index = list(csv.DictReader(stream))
    files = sorted(p.name for p in out.glob("*.xml"))
    assert files == [row["file"] for row in index]
    schema = xmlschema.XMLSchema(SCHEMAS / "UFTP-agr.xsd")
    faults = {name: [e.reason for e in schema.iter_errors(str(out / name))] for name in files}
    assert {name: found for name, found in faults.items() if found} == {}
    again = runner.invoke(app, ["uftp", str(folder), "--out", str(out)])
    assert again.exit_code == 2 and "already holds files" in again.output


def test_without_the_extra_the_command_names_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("markets.uftp.xml.find_spec", lambda name: None)
    done = runner.invoke(app, ["uftp", str(folder), "--out", str(tmp_path / "uftp")])
    assert done.exit_code == 2 and "flexpolder[uftp]" in done.output
    assert not (tmp_path / "uftp").exists()
