"""Experiments on information: frequency, value of items, attacks, and what may be shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.information.integrity import CAR_DECIDES, MID_DECIDES, settle
from agents.information.items import TABLE_7_1
from agents.information.organisation import takes_part
from agents.settings import Settings
from experiments.information import attacks, data_value
from experiments.information.frequency import FCR_FULL_HZ, FCR_MW, SELF_REGULATION_PER_HZ, SYSTEM_MW, lowest_hz
from experiments.information.sharing import pseudonymised, shareable
from experiments.information.worlds import in_mode, received_eur
from tests.model_worlds import world

# --- frequency -------------------------------------------------------------------------------------------------------


def test_the_reference_incident_stays_within_the_dynamic_limit():
    # SO GL annex III: 3000 MW may cost at most 800 mHz for a moment, 200 mHz in the end
    assert 0.2 < -lowest_hz(3000.0) < 0.8


def test_more_load_lowers_frequency_and_as_much_less_raises_it_equally():
    assert lowest_hz(500.0) == pytest.approx(-lowest_hz(-500.0))
    assert lowest_hz(500.0) < 0.0


def test_a_very_slow_change_costs_what_the_droop_says():
    # steady state: df = dP / (K_fcr + K_load)
    stiffness = FCR_MW / FCR_FULL_HZ + SELF_REGULATION_PER_HZ * SYSTEM_MW
    slow = lowest_hz(1000.0, ramp_s=600.0)
    assert -slow == pytest.approx(1000.0 / stiffness, rel=0.02)


@given(mw=st.floats(10.0, 3000.0), ramp_s=st.floats(1.0, 600.0))
@settings(max_examples=15, deadline=None)
def test_a_ramp_never_costs_more_than_a_jump(mw, ramp_s):
    assert abs(lowest_hz(mw, ramp_s)) <= abs(lowest_hz(mw)) + 1e-9


# --- value of items --------------------------------------------------------------------------------------------------


def tables(saving: float, csp: float, bsp: float) -> dict:
    return {
        "sessions": {
            "segment": ["home", "public_ac"],
            "cost_eur": [10.0 - saving, 5.0],
            "uncontrolled_cost_eur": [10.0, 5.0 + saving / 2],
            "missing_kwh": [0.0, 0.0],
        },
        "ledger": {
            "payer": ["dso: D", "tso: T", "aggregator: A"],
            "payee": ["csp: C", "bsp: B", "csp: C"],
            "reason": ["redispatch", "fcr", "other"],
            "amount_eur": [csp, bsp, 99.0],
        },
        "parties": {"party": ["B", "P"], "account": ["bsp: B", "producer: P"]},
        "prices": {"day_ahead_eur_per_mwh": [100.0, 50.0]},
        "activations": {
            "period": [0, 1, 1],
            "provider": ["B", "B", "P"],
            "direction": ["up", "down", "up"],
            "energy_mwh": [0.2, 0.2, 9.0],
        },
    }


def test_energy_on_call_counts_at_its_price_of_the_day_before():
    # 0.2 MWh not drawn at 100 EUR is bought later, 0.2 MWh drawn at 50 EUR need not be; one car stands for ten
    assert data_value.worth_eur(tables(0.0, 0.0, 20.0), "balancing", 10) == pytest.approx(20.0 - (20.0 - 10.0) / 10)


def test_values_are_what_is_lost_without_an_item():
    def simulate(run: Settings) -> SimpleNamespace:
        off = {i.item for i in run.data.items}
        return SimpleNamespace(
            tables=tables(
                saving=0.0 if "electricity_price" in off else 4.0,
                csp=0.0 if "location" in off else 3.0,
                bsp=0.0 if "regulation_state" in off else 20.0,
            )
        )

    seen: list[tuple[int, int]] = []
    values = data_value.measure(
        world(representation=10), simulate, modes=("v1g",), progress=lambda d, n: seen.append((d, n))
    )
    assert seen[-1] == (32, 32) and len(values) == len(TABLE_7_1) * 4
    worth = {(v.item, v.cluster): v.value_eur for v in values}
    assert worth["electricity_price", "local_optimisation"] == pytest.approx(4.0)
    assert worth["electricity_price", "portfolio_management"] == pytest.approx(2.0)
    assert worth["location", "congestion_management"] == pytest.approx(3.0)
    assert worth["regulation_state", "balancing"] == pytest.approx(20.0)
    assert worth["state_of_charge", "balancing"] == 0.0


def test_agreement_is_one_where_the_report_and_the_measurement_rank_alike():
    def value(importance: int, eur: float) -> data_value.ItemValue:
        return data_value.ItemValue("location", "balancing", "v1g", importance, eur, 0.0)

    assert data_value.agreement([value(1, 9.0), value(2, 5.0), value(0, 0.0)]) == pytest.approx(1.0)
    assert data_value.agreement([value(1, 0.0), value(2, 5.0), value(0, 9.0)]) == pytest.approx(-1.0)
    assert np.isnan(data_value.agreement([value(1, 1.0), value(2, 1.0)]))


def test_payments_between_own_roles_cancel():
    ledger = {"payer": ["bsp: B"], "payee": ["bsp: B"], "reason": ["fcr"], "amount_eur": [5.0]}
    assert received_eur({"ledger": ledger}, "bsp", ("fcr",)) == 0.0


# --- attacks ---------------------------------------------------------------------------------------------------------


def test_effects_are_differences_from_the_same_day_without_the_attack():
    from dataclasses import replace

    from agents.settings import AttackSettings, SecuritySettings

    def simulate(run: Settings) -> SimpleNamespace:
        is_hit = bool(run.security.attacks) and not run.security.is_verified
        power = np.array([5.0, 5.0, 25.0 if is_hit else 5.0, 5.0])
        load = {
            "segment": ["home"] * 4 + ["pv"] * 4,
            "period": [0, 1, 2, 3] * 2,
            "power_kw": [*power, 7.0, 7.0, 7.0, 7.0],
        }
        return SimpleNamespace(
            tables={
                "load": load,
                "sessions": {
                    "session_row": [0, 1],
                    "departure_min": [30, 90],
                    "cost_eur": [3.0 if is_hit else 1.0, 4.0],
                    "missing_kwh": [0.5 if is_hit else 0.0, 0.0],
                    "metered_kwh": [2.0, 8.0],
                    "delivered_kwh": [1.8, 5.0 if is_hit else 7.2],
                },
                "node_voltage": {"voltage_min_pu": [0.95], "voltage_max_pu": [1.02]},
                "branch_loading": {"loading_share": [0.8, np.nan]},
            }
        )

    security = SecuritySettings(attacks=(AttackSettings("replay", 1.0),))
    run = replace(world(representation=2000), security=security)
    found = attacks.measure(run, simulate, modes=("v1g",), countermeasures=("none", "verification"))
    bare, checked = found
    # half a euro a kWh on the quiet day, and 2.2 kWh that a car still connected has less
    assert [bare.moved_mw, bare.step_mw, bare.cost_eur] == pytest.approx([40.0, 40.0, 2.5 + 2.2 * 0.5])
    assert [bare.switched_mw, bare.missing_kwh, bare.owed_kwh] == pytest.approx([80.0, 0.5, 2.2])
    assert bare.frequency_hz < 0.0 == checked.frequency_hz
    assert checked.moved_mw == checked.cost_eur == 0.0


def test_modes_change_cars_and_strategies_but_not_who_charges_uncontrolled():
    both = {mode: in_mode(world(), mode) for mode in ("v1g", "v2x")}
    assert both["v1g"].fleet.v2x_share == 0.0 < both["v2x"].fleet.v2x_share
    assert both["v1g"].fleet.segments["home"].strategy == "price_optimal_v1g"
    assert both["v2x"].fleet.segments["dc_site"].strategy == "uncontrolled"


# --- sharing ---------------------------------------------------------------------------------------------------------


def sessions_table(drivers: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for (segment, group), n in drivers.items():
        rows += [
            {"session_row": len(rows) + k, "ev_row": 1000 * len(rows) + k, "charging_point_row": k, "segment": segment,
             "driver_group": group, "arrival_min": 61 + k, "departure_min": 599, "desired_kwh": 5.0,
             "delivered_kwh": 5.0, "missing_kwh": 0.0,
             "cost_eur": 1.0, "uncontrolled_cost_eur": 2.0, "discharged_kwh": 0.0}
            for k in range(n)
        ]  # fmt: skip
    return pl.DataFrame(rows)


@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from(["home", "public_ac"]), st.sampled_from(["a", "b", "c"])),
        st.integers(1, 25),
        min_size=1,
    ),
    least=st.integers(2, 15),
)
@settings(max_examples=40, deadline=None)
def test_no_small_group_is_shown_or_can_be_subtracted(counts, least):
    shown, hidden = shareable(sessions_table(counts), least)
    assert (shown["drivers"] >= least).all()
    kept = set(zip(shown["segment"], shown["driver_group"], strict=True))
    assert hidden == sum(n for key, n in counts.items() if key not in kept)
    for segment in {s for s, _ in counts}:
        gone = [n for (s, g), n in counts.items() if s == segment and (s, g) not in kept]
        if any(n < least for n in gone) and any(s == segment for s, _ in kept):
            assert len(gone) >= 2, "one hidden group could be found by subtraction"


def test_pseudonyms_hide_rows_and_need_the_key():
    table = sessions_table({("home", "a"): 12})
    first, again, other = (pseudonymised(table, key) for key in (b"one", b"one", b"two"))
    assert first["driver"].to_list() == again["driver"].to_list() != other["driver"].to_list()
    assert first["driver"].n_unique() == 12
    assert not {"ev_row", "session_row", "charging_point_row"} & set(first.columns)
    assert (first["arrival_min"] % 60 == 0).all()


# --- meters and organisation -----------------------------------------------------------------------------------------


def test_the_calibrated_meter_decides_unless_it_cannot_be_right():
    mid, car = np.array([10.0, 13.0, 0.0, 10.2, 900.0, 5.0]), np.array([10.0, 10.0, 8.0, 10.0, 10.0, np.nan])
    settled, rule = settle(mid, car, np.full(6, 100.0))
    assert rule.tolist() == ["agree", MID_DECIDES, CAR_DECIDES, "agree", CAR_DECIDES, "agree"]
    assert settled.tolist() == [10.0, 13.0, 8.0, 10.2, 10.0, 5.0]


@pytest.mark.parametrize(("choice", "least", "most"), [("none", 0.0, 0.0), ("driver", 0.2, 0.4), ("cpo", 0.3, 0.7)])
def test_who_chooses_the_aggregator_decides_who_is_in_the_pool(choice, least, most):
    from dataclasses import replace

    from agents.fleet.tables import SEGMENTS as NAMES

    base = world(aggregator_choice=choice)
    segments = {n: replace(s, is_smart_share=0.3) for n, s in base.fleet.segments.items()}
    run = replace(base, fleet=replace(base.fleet, segments=segments))
    points: Any = SimpleNamespace(segment=np.repeat([NAMES.index("home"), NAMES.index("public_ac")], [600, 200]))
    pool = takes_part(run, points)
    assert least <= pool.mean() <= most
    if choice == "cpo":
        assert pool[600:].all()


def test_a_mandate_makes_every_station_ready():
    points: Any = SimpleNamespace(segment=np.zeros(500, dtype=int))
    share = [
        takes_part(world(smart_ready_share=0.4, is_smart_ready_mandated=must), points).mean() for must in (False, True)
    ]
    assert share[0] == pytest.approx(0.4, abs=0.08) and share[1] == 1.0
