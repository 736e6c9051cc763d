"""The bundled scenarios on contracts and on control routes, played by name: what their comments promise happens."""

from functools import cache

import numpy as np
import pytest

from experiments.kpis import kpis_of
from experiments.scenario import read_scenario
from tests.model_worlds import play


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
