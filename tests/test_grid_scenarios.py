"""The bundled scenarios on contracts and on control routes, played by name: what their comments promise happens."""

import json
from functools import cache

import numpy as np
import polars as pl
import pytest

from experiments.kpis import kpis_of
from experiments.report.page import write_run_report
from experiments.run import run_scenario
from experiments.scenario import InputError, bundled, read_scenario
from experiments.store import read_table
from markets.contracts import NonFirm
from markets.tariffs import GRID_TARIFFS as MODELS
from tests.model_worlds import play, world


@cache
def run(name, *sets):
    return play(read_scenario(name, list(sets)).to_settings())


def test_called_capacity_limits_relieve_the_transformer_and_are_paid_for():
    called, free = run("agreements"), run("agreements", "regulation.congestion_tool=none")
    t, k = called.tables["interventions"], called.model.town.grid.arrays.branch_index["transformer"]
    mine = (t["kind"] == "capacity_call") & (t["branch_index"] == k)
    at = np.unique(t["period"][mine])
    assert len(at) > 4 and at.min() >= 96  # a day ahead, from what was learned of the first
    loading, without = (r.model.record.loading_share[at, k] for r in (called, free))
    assert loading.mean() < without.mean() - 0.05
    price = called.settings.regulation.capacity_call_eur_per_mwh
    assert t["cost_eur"][mine] == pytest.approx(0.25 * t["relief_mw"][mine] * price)
    assert kpis_of(called.tables)["capacity_call_cost_eur"] == pytest.approx(t["cost_eur"][mine].sum())
    assert len(free.tables["interventions"]["kind"]) == 0


def test_forms_of_right_differ_in_fee_withheld_energy_and_breaches():
    found = {"non_firm": kpis_of(run("agreements").tables)}
    for kind in ("time_block", "firm"):
        found[kind] = kpis_of(run("agreements", f"regulation.transport_right={kind}").tables)
    fee = {kind: kpis["transport_fee_eur"] for kind, kpis in found.items()}
    assert fee["non_firm"] < fee["time_block"] < fee["firm"]
    assert found["non_firm"]["withheld_kwh"] > 0.0 == found["firm"]["withheld_kwh"]
    assert found["time_block"]["transport_penalty_eur"] > 0.0 == found["firm"]["transport_penalty_eur"]


def test_both_routes_are_used_and_only_the_direct_one_surprises_somebody():
    t = run("signals").tables["signals"]
    assert t["route"].tolist() == ["direct", "via_csp"]
    assert t["learns"][0] == "charging station only" and t["delay_min"].tolist() == [0.0, 15.0]
    assert 0 < t["lost"][0] < 0.15 * t["signals"][0] and t["lost"][1] == 0
    assert t["withheld_mwh"][0] > 10.0 and t["withheld_eur"][0] != 0.0
    assert t["hardware_eur"][0] > 0.0 == t["hardware_eur"][1]


# --- agreements of one's own


def scenario(tmp_path, *agreements):
    path = tmp_path / "mine.toml"
    blocks = "".join("[[agreement]]\n" + "".join(f"{k} = {v}\n" for k, v in one.items()) for one in agreements)
    path.write_text(f'[scenario]\nname = "mine"\nbase = "agreements"\ndays = 1\n{blocks}')
    return path


NON_FIRM_P = {"site": '"public_ac"', "kind": '"non_firm"', "capacity_kw": 16.0, "min_kw": 0.0, "day_mean_kw": 10.0,
              "block_mean_kw": 4.0, "fee_eur_per_year": 450.0}  # fmt: skip


def test_own_agreements_hold_beside_the_lever_and_are_billed(tmp_path):
    office = {"site": '"office"', "kind": '"firm"'}
    settings = read_scenario(scenario(tmp_path, NON_FIRM_P, office)).to_settings()
    played = play(settings)
    rights, t, table = played.model.rights, played.tables["agreements"], played.model.town.grid.connections
    for k, row in enumerate(rights.rows.tolist()):
        kind = table.kind[row]
        if kind == "public_ac":
            assert t["agreement"][k] == "non_firm" and rights.limit_kw[k].max() <= 16.0
            assert t["fee_eur"][k] == pytest.approx(450.0 / 365.0)
            agreement = rights.agreements[k]
            assert isinstance(agreement, NonFirm) and agreement.guarantee is not None
            assert agreement.guarantee.day_mean_kw == 10.0
            assert rights.limit_kw[k].mean() >= 10.0 - 1e-9
        elif kind == "office":
            assert t["agreement"][k] == "firm" and t["withheld_kwh"][k] == 0.0
        else:
            assert t["agreement"][k] == "non_firm" and rights.right_kw[k].max() == table.capacity_kw[row]
    cpo = played.model.cast.cpo.account
    ledger = played.tables["ledger"]
    paid = ledger["amount_eur"][(ledger["reason"] == "grid_tariff") & (ledger["payer"] == cpo)].sum()
    mine = [k for k, row in enumerate(rights.rows) if table.kind[row] in ("public_ac", "dc_site")]
    vat = 0.21 if MODELS[settings.regulation.grid_tariff]().has_vat else 0.0
    assert paid == pytest.approx(t["fee_eur"][mine].sum() * (1.0 + vat))


@pytest.mark.parametrize(
    ("own", "key", "expected"),
    [
        ({"site": '"public_ac"', "kind": '"firm"', "capacity_kw": 80.0}, "agreement.1",
         "promises 80 kW, the connection carries 17.25 kW"),
        (NON_FIRM_P | {"day_mean_kw": 20.0}, "agreement.1", "day_mean_kw 20 is above max_kw 16"),
        ({"site": '"public_ac"', "kind": '"tdtr85"', "min_kw": 2.0}, "agreement.1", "min_kw are bounds of a non_firm"),
        ({"site": '"castle"', "kind": '"firm"'}, "agreement.1.site", "'castle' has no charging site here; right are"),
        ({"site": '"home"', "kind": '"firm"'}, "agreement.1.site", "'home' has no charging site here"),
        ({"site": '"office"', "kind": '"rented"'}, "agreement.1.kind", "'rented'"),
    ],
)  # fmt: skip
def test_an_agreement_that_cannot_be_is_one_message(tmp_path, own, key, expected):
    with pytest.raises(InputError) as caught:
        read_scenario(scenario(tmp_path, own))
    assert [fault.key for fault in caught.value.faults] == [key] and expected in str(caught.value)
    assert "mine.toml" in str(caught.value)


# --- bad grids


def broken_street(tmp_path, change):
    """The bundled street with one thing changed, and a scenario on it."""
    content = json.loads((bundled()["protection"].parent / "weak_street.json").read_text())
    change(content)
    (tmp_path / "street.json").write_text(json.dumps(content))
    path = tmp_path / "mine.toml"
    path.write_text('[scenario]\nname = "mine"\nbase = "protection"\n[grid]\nfile = "street.json"\n')
    return path


def nodes(content):
    return content["graph"]["nodes"]


def edges(content):
    return content["graph"]["edges"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: nodes(c).append({"id": "hut", "u_rated": 400.0}),
         "node hut: isolated, no chain of branches leads to the source station"),
        (lambda c: edges(c)[1].update(r1=-0.02, x1=0.01, r0=0.1, x0=0.1, c1=0.0, c0=0.0, i_n=200.0),
         "branch cable-north-1: r1 = -0.02 ohm is negative; impedances are 0 or more"),
        (lambda c: nodes(c)[3].update(u_ref=1.0), "2 sources (station, north-2); exactly one node may have u_ref"),
        (lambda c: edges(c)[2].update(cable="4x150 Gold"), "cable type '4x150 Gold' is unknown; known are"),
        (lambda c: c["connections"][4].update(phase="L4"), "phase 'L4' does not exist; allowed are L123, L1, L2, L3"),
        (lambda c: c["connections"][4].update(capacity_kw=0.0), "capacity_kw 0.0 is not allowed; above 0"),
        (lambda c: edges(c)[0].update(transformer_type="9 kVA"), "transformer type '9 kVA' is unknown; known are"),
    ],
)  # fmt: skip
def test_every_bad_grid_is_one_clear_message(tmp_path, change, expected):
    with pytest.raises(InputError) as caught:
        read_scenario(broken_street(tmp_path, change))
    assert len(caught.value.faults) == 1, str(caught.value)
    assert expected in str(caught.value) and "mine.toml: grid.file" in str(caught.value)
    assert "street.json" in str(caught.value)


def test_a_flow_that_does_not_converge_names_period_and_nodes_and_the_run_goes_on(tmp_path):
    """Cables of three kilometres cannot carry the evening: there is no solution, and everybody is told where."""

    def stretch(content):
        for edge in edges(content)[1:]:
            edge["length_m"] = 3000.0

    path = broken_street(tmp_path, stretch)
    result = run_scenario(read_scenario(path, ["grid.is_protected=false"]), tmp_path / "out")
    tables = {name: read_table(result.out, name) for name in ("events", "branch_loading", "energy", "periods")}
    told = tables["events"].filter(pl.col("kind") == "power_flow")
    assert told.height > 0 and told["text"].str.contains("did not converge near (north|south)-").all()
    unknown = tables["branch_loading"].filter(pl.col("loading_share").is_nan())["period"].unique()
    assert set(unknown.to_list()) == set(told["period"].to_list())
    assert tables["periods"].height == 96 and tables["energy"]["source_kwh"].is_finite().all()
    page = write_run_report(result.out).read_text(encoding="utf-8")
    assert "periods without a solution" in page and "did not converge near" in page


# --- grid tariffs in runs


@cache
def street(tariff, strategy):
    return play(
        world(
            home=80, homes=80, public=0, office=0, depot=0, dc=0, v2x_share=0.0, opt_out_share=0.0, strategy=strategy,
            grid_tariff=tariff, supply_contract="fixed", congestion_tool="none", absolute_signal_path="none",
        )
    )  # fmt: skip


@pytest.mark.case("C56")
def test_everybody_who_waits_for_the_low_fee_charges_at_once_when_it_begins():
    """Dear from 17 to 21: what is not charged then comes together afterwards, higher than any quarter of before."""
    free, waits = (street("time_of_use", s).ev_kw.sum(axis=0) for s in ("uncontrolled", "time_of_use"))
    dear, after = slice(68, 84), slice(84, 92)
    assert waits[dear].sum() < 0.5 * free[dear].sum()
    assert waits[after].max() > 1.4 * free[dear].max()
    assert waits.max() > 1.15 * free.max()  # the fee that was to lower the peak has raised it


@pytest.mark.case("C54")
def test_the_dutch_band_bills_the_same_whatever_the_peak():
    """And the Flemish monthly peak does not: moving the peak moves the bill."""

    def bill(tariff, strategy):
        ledger = street(tariff, strategy).tables["ledger"]
        mine = (ledger["reason"] == "grid_tariff") & (ledger["payer"] == "household")
        return ledger["amount_eur"][mine].sum()

    band = bill("capacity_band", "uncontrolled")
    assert bill("capacity_band", "delayed") == pytest.approx(band, rel=1e-12)
    sizes = street("capacity_band", "uncontrolled").model.town.grid.connections
    homes = sizes.capacity_kw[sizes.rows_of_kind("home")]
    model = MODELS["capacity_band"]()
    clock = street("capacity_band", "uncontrolled").model.billing.clock
    nothing = np.zeros((clock.n_periods, len(homes)))
    assert band == pytest.approx(model.cost_with_vat_eur(nothing, homes, clock, 0.21).sum())
    peaks = [bill("monthly_peak", strategy) for strategy in ("uncontrolled", "delayed")]
    assert abs(peaks[0] - peaks[1]) > 0.01 * peaks[0]
