"""Transport agreements, clustering and grid tariffs in runs: what they cost, withhold and find broken."""

import copy
from functools import cache

import numpy as np
import pytest

from agents.breaches import CapacityCallMade, broken_agreements
from agents.transport import GROUP_SHARE
from experiments.kpis import kpis_of
from markets.contracts import DurationBound, NonFirm
from markets.tariffs import GRID_TARIFFS as MODELS
from tests.model_worlds import play, world

KINDS = ("firm", "non_firm", "tdtr85", "time_block", "group")
TARIFFS = ("capacity_band", "monthly_peak", "time_of_use", "bandwidth")


@cache
def run(kind="firm", clustered=False, tariff="capacity_band"):
    """A street whose wires may carry 25 %, so that the operator uses what the agreements leave it."""
    return play(
        world(
            home=20, public=24, office=12, depot=6, dc=4, homes=30, congestion_threshold_share=0.25,
            absolute_signal_path="none", congestion_tool="none", transport_right=kind, is_clustering_allowed=clustered,
            grid_tariff=tariff, days=2,
        )
    )  # fmt: skip


def agreements(played):
    return played.tables["agreements"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_names_every_flexible_connection_and_its_right(kind):
    t, table = agreements(run(kind)), run(kind).model.town.grid.connections
    kinds = [table.kind[row] for row in t["connection_row"]]
    assert set(kinds) == {"public_ac", "office", "depot", "dc_site"}
    assert set(t["agreement"]) == {kind}
    assert (t["fee_eur"] > 0.0).all()


def test_weaker_rights_cost_less_than_firm_ones():
    fee = {kind: agreements(run(kind))["fee_eur"].sum() for kind in KINDS}
    assert all(fee[kind] < fee["firm"] for kind in KINDS if kind != "firm")
    assert fee["group"] == pytest.approx(GROUP_SHARE * fee["firm"])


def test_firm_rights_are_never_withheld_and_weak_ones_are():
    withheld = {kind: agreements(run(kind))["withheld_kwh"].sum() for kind in KINDS}
    assert withheld["firm"] == withheld["group"] == 0.0
    assert withheld["non_firm"] > 0.0 and withheld["tdtr85"] > 0.0


@pytest.mark.case("C25")
def test_what_is_withheld_stays_within_the_guarantee():
    """Non-firm: each day keeps what the bounds promise; duration-bound: no more quarters than the year's share."""
    rights = run("non_firm").model.rights
    clock = rights.clock
    cut = 0
    for k, agreement in enumerate(rights.agreements):
        assert isinstance(agreement, NonFirm)
        assert len(agreement.operator_breaches(rights.limit_kw[k], clock)) == 0
        assert (rights.limit_kw[k] <= rights.right_kw[k] + 1e-9).all()
        cut += int(np.sum(rights.limit_kw[k] < rights.right_kw[k] - 1e-6))
    assert cut > 0
    rights = run("tdtr85").model.rights
    for k, agreement in enumerate(rights.agreements):
        assert isinstance(agreement, DurationBound)
        limited = np.array([np.sum((rights.limit_kw[k] < rights.right_kw[k] - 1e-6)[clock.day == d]) for d in (0, 1)])
        assert limited.max() <= round(0.15 * 96)
    assert run("non_firm").model.rights.operator_breaches() == run("tdtr85").model.rights.operator_breaches() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_breaches_are_those_a_reader_counts_from_the_meters(kind):
    played = run(kind)
    rights, t = played.model.rights, agreements(played)
    net = (played.model.town.base_kw + played.model.record.ev_kw)[rights.rows].astype(float)
    quarters, kwh = 0, 0.0
    for g in np.unique(rights.group):
        over = net[rights.group == g].sum(axis=0) - rights.limit_kw[rights.group == g].sum(axis=0)
        quarters += int(np.sum(over > 1e-3))
        kwh += 0.25 * float(np.sum(over[over > 1e-3]))
    assert t["breach_quarters"].sum() == pytest.approx(quarters, abs=2)
    assert t["breach_kwh"].sum() == pytest.approx(kwh, abs=0.05)


def broken(played, **only):
    t = played.tables["breaches"]
    keep = np.ones(len(t["rule"]), dtype=bool)
    for name, value in only.items():
        keep &= t[name] == value
    return {name: column[keep] for name, column in t.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_breach_stands_in_the_table_and_is_paid_for(kind):
    """Quarters and energy as a reader counts them from the meters; each side owes what its breaches cost."""
    played = run(kind)
    t, mine = agreements(played), broken(played, by="customer", agreement=kind)
    counted = np.isin(mine["rule"], ["transport_right", "called_limit", "group_limit"])
    assert mine["energy_kwh"][counted].sum() == pytest.approx(t["breach_kwh"].sum(), rel=0.01, abs=0.1)
    assert set(mine["connection_row"]) <= set(t["connection_row"])
    assert len(broken(played, by="operator")["rule"]) == 0  # the run's operator keeps its promises
    penalty = 0.0 if kind == "firm" else 150.0
    every = broken(played, agreement=kind)
    assert every["penalty_eur"] == pytest.approx(every["energy_kwh"] / 1000.0 * penalty)
    ledger = played.tables["ledger"]
    paid = ledger["amount_eur"][ledger["reason"] == "transport_penalty"].sum()
    assert paid == pytest.approx(played.tables["breaches"]["penalty_eur"].sum())
    assert kpis_of(played.tables)["transport_penalty_eur"] == pytest.approx(paid)


def test_time_blocks_are_broken_by_buildings_and_never_by_stations():
    """Stations keep to the block; the load of offices and depots does not stop for it, and pays."""
    played = run("time_block")
    mine = broken(played, by="customer", rule="transport_right")
    kinds = {played.model.town.grid.connections.kind[row] for row in mine["connection_row"]}
    assert kinds == {"office", "depot"} and mine["penalty_eur"].sum() > 0.0
    rights = played.model.rights
    row = int(mine["connection_row"][0])
    k = int(np.flatnonzero(rights.rows == row)[0])
    hour = rights.clock.local_hour
    inside = (hour >= 22.0) | (hour < 6.0) | ((hour >= 10.0) & (hour < 16.0))
    net = (played.model.town.base_kw + played.model.record.ev_kw)[row].astype(float)
    over = np.where(inside, np.maximum(net - rights.capacity_kw[k], 0.0), np.maximum(net, 0.0))
    assert mine["quarters"][0] == np.sum(over > 1e-3)
    assert mine["energy_kwh"][0] == pytest.approx(0.25 * over.sum(), rel=1e-3, abs=0.05)


def test_an_operator_that_breaks_its_promise_is_found_and_owes():
    """Limits written below the guarantee, after the run: the checker of the table sees them (C25)."""
    rights = copy.deepcopy(run("non_firm").model.rights)
    rights.limit_kw[0] = 0.0
    nothing = np.zeros((len(rights.table), rights.clock.n_periods))
    found = [b for b in broken_agreements(rights, [], nothing, nothing) if b.by == "operator"]
    guarantee = rights.agreements[0].guarantee
    days = rights.clock.n_periods / 96
    rules = {b.rule: b for b in found}
    assert rules["day_mean"].energy_kwh == pytest.approx(guarantee.day_mean_kw * 24.0 * days)
    assert rules["day_mean"].penalty_eur == pytest.approx(rules["day_mean"].energy_kwh * 0.15)
    assert rules["block_mean"].energy_kwh == pytest.approx(guarantee.block_mean_kw * 24.0 * days)
    assert {b.connection_row for b in found} == {rights.rows[0]}


@pytest.mark.case("C20")
def test_charging_above_a_called_limit_is_a_breach_of_the_csp():
    """C20's violation: called to 600 kW, a quarter-hour's mean of 700 kW is 100 kW above, 25 kWh."""
    rights = run("firm").model.rights
    ev = np.zeros((len(rights.table), rights.clock.n_periods))
    ev[3, 68:84] = 600.0
    ev[3, 70] = 700.0
    call = CapacityCallMade(68, np.array([3]), np.full(16, 600.0))
    found = [b for b in broken_agreements(rights, [call], np.zeros_like(ev), ev) if b.agreement == "capacity_limiting"]
    assert len(found) == 1
    one = found[0]
    assert (one.rule, one.by, one.connection_row, one.first_period, one.quarters) == (
        "called_limit",
        "customer",
        3,
        70,
        1,
    )
    assert one.energy_kwh == pytest.approx(25.0, abs=1e-3) and one.penalty_eur == pytest.approx(3.75, abs=1e-3)


def test_limits_are_obeyed_by_the_pool():
    """With weak rights the pool draws less in limited quarters than firm ones let it."""
    for kind in ("non_firm", "tdtr85"):
        rights = run(kind).model.rights
        limited = rights.limit_kw < rights.right_kw - 1e-6
        drawn = {k: (run(k).model.record.ev_kw[rights.rows] * limited).sum() for k in ("firm", kind)}
        assert drawn[kind] <= drawn["firm"] + 1e-6


@pytest.mark.case("C24")
def test_a_group_answers_together_and_clustering_pools_what_single_limits_waste():
    alone, pooled = run("non_firm"), run("non_firm", clustered=True)
    assert len(np.unique(agreements(alone)["group"])) == len(agreements(alone)["group"])
    assert len(np.unique(agreements(pooled)["group"])) < len(agreements(pooled)["group"])
    assert agreements(pooled)["fee_eur"].sum() == pytest.approx(agreements(alone)["fee_eur"].sum())
    net = (pooled.model.town.base_kw + pooled.model.record.ev_kw)[pooled.model.rights.rows].astype(float)
    single = np.maximum(net - pooled.model.rights.limit_kw - 1e-6, 0.0).sum()
    together = agreements(pooled)["breach_kwh"].sum() * 4.0
    assert together <= single + 1e-6


def test_the_comparison_is_in_the_key_figures():
    for kind in ("firm", "non_firm"):
        kpis, t = kpis_of(run(kind).tables), agreements(run(kind))
        assert kpis["transport_fee_eur"] == pytest.approx(t["fee_eur"].sum())
        assert kpis["withheld_kwh"] == pytest.approx(t["withheld_kwh"].sum())
        assert kpis["transport_breach_quarters"] == t["breach_quarters"].sum()
    assert kpis_of(run("firm").tables)["transport_fee_eur"] > kpis_of(run("non_firm").tables)["transport_fee_eur"]


# --- grid tariffs


def tariff_bill(played):
    ledger = played.tables["ledger"]
    mine = ledger["reason"] == "grid_tariff"
    assert set(ledger["payee"][mine]) == {played.model.cast.dso.account}
    return {who: ledger["amount_eur"][mine & (ledger["payer"] == who)].sum() for who in set(ledger["payer"][mine])}


@pytest.mark.parametrize("tariff", TARIFFS)
def test_households_pay_what_their_meters_say(tariff):
    """The bill of all homes against the tariff on their metered load, connection by connection."""
    played = run(tariff=tariff)
    town, rows = played.model.town, played.model.town.grid.connections.rows_of_kind("home")
    load = town.base_kw[rows].astype(float)
    if tariff != "time_of_use":  # the energy fee of charging was collected with the energy
        load = load + played.model.record.ev_kw[rows]
    capacity = town.grid.connections.capacity_kw[rows]
    model = MODELS[tariff]()
    eur = [
        model.cost_with_vat_eur(load[k][:, None], capacity[k : k + 1], played.model.billing.clock, 0.21)[0]
        for k in range(len(rows))
    ]
    assert tariff_bill(played)["household"] == pytest.approx(sum(eur), rel=1e-6)


def test_the_lever_changes_who_pays_how_much():
    bills = {tariff: tariff_bill(run(tariff=tariff)) for tariff in TARIFFS}
    households = [round(bill["household"], 4) for bill in bills.values()]
    assert len(set(households)) == len(TARIFFS)
    # a band does not see what is behind it; the fee per kWh is collected at the charging point as well
    supplier = bills["time_of_use"].get(run().model.cast.supplier.account, 0.0)
    assert supplier > bills["capacity_band"].get(run().model.cast.supplier.account, 0.0)
