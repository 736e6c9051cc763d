from __future__ import annotations

import importlib.util
import json
import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.scenario import InputError, bundled, read_scenario
from experiments.scenario.faults import nearest
from markets.levers import Regulation, levers

SHARED = Path(__file__).parents[2] / "shared"


def write(tmp_path: Path, text: str, name: str = "mine.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path | str, *overrides: str) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        read_scenario(path, overrides)
    return {f.key: f.text for f in caught.value.faults}


@pytest.mark.parametrize("name", sorted(bundled()))
def test_every_bundled_scenario_is_sound_and_says_what_it_is(name):
    if name == "simbench" and importlib.util.find_spec("simbench") is None:
        assert "pip install flexpolder[simbench]" in faults_of(name)["grid.file"]
        return
    scenario = read_scenario(name)
    assert scenario.name == name
    assert len(scenario.description) > 20
    assert scenario.to_settings().days == scenario.sections.scenario.days


def test_default_is_the_promised_week():
    settings = read_scenario("default").to_settings()
    assert sum(s.evs for s in settings.fleet.segments.values()) == 5000
    assert settings.days == 7
    assert settings.grid.homes == 6400


def test_settings_carry_levers_in_their_declared_types():
    settings = read_scenario("small", ["regulation.min_bid_mw=2", "regulation.state_sampling_s=60.0"]).to_settings()
    assert settings.regulation == Regulation(min_bid_mw=2.0, state_sampling_s=60)
    assert isinstance(settings.regulation.min_bid_mw, float)
    assert isinstance(settings.regulation.state_sampling_s, int)


def test_all_faults_come_at_once(tmp_path):
    path = write(
        tmp_path,
        """
        colour = "green"
        [scenario]
        name = "x"
        base = "small"
        days = 0
        [regulation]
        min_bid = 1
        min_bid_mw = 50
        transport_right = "firmm"
        [fleet.home]
        evs = "many"
        evz = 3
        [grid]
        fidelity = "exact"
        lv_areas = 1.5
        [system]
        load_scale = nan
        [links]
        cut = [["dso"], ["dso", "cps"]]
        [output]
        tables = ["price"]
        """,
    )
    found = faults_of(path)
    assert found["colour"].startswith("unknown key; known are")
    assert found["scenario.days"] == "0 is outside 1 to 366"
    assert found["regulation.min_bid"] == "unknown lever; did you mean 'min_bid_mw'?"
    assert found["regulation.min_bid_mw"] == "50 is outside 0.1 to 10"
    assert "'firm', 'non_firm'" in found["regulation.transport_right"]
    assert found["fleet.home.evs"] == "'many' is not a whole number"
    assert found["fleet.home.evz"] == "unknown key; did you mean 'evs'?"
    assert "linear" in found["grid.fidelity"]
    assert found["grid.lv_areas"] == "1.5 is not a whole number"
    assert found["system.load_scale"] == "nan is not a finite number"
    assert found["links.cut.1"] == "['dso'] is not a pair [sender role, receiver role]"
    assert found["links.cut.2"] == "'cps' is not a role; did you mean 'csp'?"
    assert found["output.tables"] == "'price' is not a table; did you mean 'prices'?"


def test_faults_between_keys(tmp_path):
    head = '[scenario]\nname = "x"\n'
    assert (
        "more than grid.homes = 10"
        in faults_of(write(tmp_path, head + "[fleet.home]\nevs=20\n[grid]\nhomes=10\nlv_areas=1"))["fleet.home.evs"]
    )
    assert "no segment has EVs" in faults_of(write(tmp_path, head))["fleet"]
    limits = faults_of(
        "small", "regulation.congestion_threshold_share=1.4", "regulation.absolute_signal_threshold_share=1.0"
    )
    assert "must come after the market" in limits["regulation.absolute_signal_threshold_share"]


def test_only_links_that_carry_messages_can_be_cut():
    settings = read_scenario("small", ['links.cut=[["dso", "csp"]]']).to_settings()
    assert settings.cut_links == (("dso", "csp"),)
    assert "ev speaks to" in faults_of("small", 'links.cut=[["ev", "dso"]]')["links.cut.1"]


def test_every_role_must_be_held_and_named_once(tmp_path):
    text = """
    [scenario]
    name = "x"
    base = "small"
    [[party]]
    name = "A"
    roles = ["supplier", "brp", "aggregator", "csp", "bsp", "cpo", "emsp", "dso", "producer"]
    [[party]]
    name = "A"
    roles = ["supplyer"]
    """
    found = faults_of(write(tmp_path, text))
    assert "appears twice" in found["party.2.name"]
    assert found["party.2.roles"] == "'supplyer' is not a role; did you mean 'supplier'?"
    assert "energy_manager, fleet_operator, tso, vehicle_maker" in found["party"]


def test_place_of_a_fault_is_the_option_or_the_file(tmp_path):
    with pytest.raises(InputError) as caught:
        read_scenario(write(tmp_path, '[scenario]\nname="x"\nbase="small"\nday=3'), ["grid.homes=0"])
    assert {f.key: f.file for f in caught.value.faults} == {"scenario.day": "mine.toml", "grid.homes": "--set"}


@pytest.mark.parametrize(
    ("text", "part"),
    [("a = \n", "line 1"), ('[scenario]\nname = "x"\nname = "y"', "line 3"), ("[scenario", "line 1")],
)
def test_syntax_errors_name_the_line(tmp_path, text, part):
    assert part in faults_of(write(tmp_path, text))[""]


def test_missing_files_and_names():
    assert "did you mean 'small'?" in faults_of("smal")[""]
    assert "no such file" in faults_of("nowhere/x.toml")[""]
    assert "no such file" in faults_of("small", "grid.file=town.json")["grid.file"]


def test_overrides_read_toml_values_and_bare_words():
    scenario = read_scenario("small", ["regulation.transport_right=non_firm", "scenario.first_day=2026-03-29"])
    assert scenario.regulation().transport_right == "non_firm"
    assert scenario.horizon.n_periods == 92
    for wrong in ("regulation", "min_bid_mw=1", "=3"):
        assert "must be key.path=value" in next(iter(faults_of("small", wrong).values()))


def test_base_scenarios_lay_below_and_circles_are_refused(tmp_path):
    write(tmp_path, '[scenario]\nname="a"\nbase="b.toml"\n[fleet.home]\nevs=7', "a.toml")
    write(tmp_path, '[scenario]\nname="b"\nbase="small"\ndays=2', "b.toml")
    settings = read_scenario(tmp_path / "a.toml").to_settings()
    assert (settings.name, settings.days, settings.fleet.segments["home"].evs) == ("a", 2, 7)
    assert settings.fleet.segments["office"].evs == 20
    write(tmp_path, '[scenario]\nname="b"\nbase="a.toml"', "b.toml")
    assert "leads back" in faults_of(tmp_path / "a.toml")["scenario.base"]


def test_digest_ignores_labels_and_seed_but_sees_every_lever():
    base = read_scenario("small")
    same = [read_scenario("small", [t]) for t in ("scenario.name=other", "scenario.seed=9", "output.is_report=false")]
    assert {s.digest() for s in same} == {base.digest()}
    others = {base.with_values({f"regulation.{f.name}": _another(f)}).digest() for f in levers()}
    assert base.digest() not in others
    assert len(others) == len(levers())


def _another(field):
    meta = field.metadata
    if meta["choices"]:
        return next(c for c in meta["choices"] if c != field.default)
    if isinstance(field.default, bool):
        return not field.default
    if "threshold" in field.name:
        return meta["low"] + 0.1 if field.name.startswith("congestion") else meta["high"]
    return meta["low"] if field.default != meta["low"] else meta["high"]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_share_is_taken_if_and_only_if_it_lies_between_zero_and_one(value):
    scenario = read_scenario("small")
    if math.isfinite(value) and 0 <= value <= 1:
        assert scenario.with_values({"fleet.v2x_share": value}).sections.fleet.v2x_share == value
    else:
        with pytest.raises(InputError):
            scenario.with_values({"fleet.v2x_share": value})


def test_strategy_names_are_those_of_the_registry():
    from agents.fleet.strategies import STRATEGIES
    from experiments.scenario.checks import strategy_names

    assert strategy_names() == tuple(STRATEGIES)
    assert (
        "did you mean 'uncontrolled'?" in faults_of("small", "fleet.home.strategy=uncontroled")["fleet.home.strategy"]
    )


def test_nearest_lists_what_is_known_when_nothing_is_close():
    assert nearest("qqq", ["b", "a"]) == "known are a, b"


# --- the user's own series


def scenario_with(tmp_path: Path, rows: list[str], head: str = "time_utc,price_eur_per_mwh", **keys: object) -> Path:
    (tmp_path / "p.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    spec: dict[str, object] = {"file": "p.csv", "column": "price_eur_per_mwh", "unit": "EUR/MWh"}
    spec.update({k: v for k, v in keys.items() if k not in {"first_day", "days"}})
    lines = [f"{k} = {v!r}".replace('"', "'") for k, v in spec.items()]
    text = f"""
[scenario]
name = "x"
base = "small"
first_day = {keys.get("first_day", "2026-01-20")}
days = {keys.get("days", 1)}
[series.price_eur_per_mwh]
""" + "\n".join(lines)
    return write(tmp_path, text)


def hours(day: str, n: int, offset: str = "Z", step_min: int = 60) -> list[str]:
    start = np.datetime64(f"{day}T00:00")
    return [f"{start + np.timedelta64(step_min * i, 'm')}:00{offset},{10.0 + i}" for i in range(n)]


def test_hourly_values_become_quarters(tmp_path):
    path = scenario_with(tmp_path, hours("2026-01-19", 24 * 3))
    price = read_scenario(path).to_settings().series["price_eur_per_mwh"]
    assert price.shape == (96,)  # the local day starts at 23:00 UTC
    assert price[:5].tolist() == [33.0, 33.0, 33.0, 33.0, 34.0]


def test_units_are_converted(tmp_path):
    rows = hours("2026-01-19", 72)
    path = scenario_with(tmp_path, rows, head="time_utc,p", column="p", unit="ct/kWh")
    assert read_scenario(path).series["price_eur_per_mwh"][0] == 330.0


@pytest.mark.parametrize(("day", "n"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_wall_clock_times_on_the_days_the_clock_changes(tmp_path, day, n):
    start = np.datetime64(f"{day}T00:00")
    local = [start + np.timedelta64(15 * i, "m") for i in range(96)]
    skipped = [t for t in local if str(t)[11:13] != "02"]
    repeated = local[:12] + local[8:]
    rows = [f"{t},{i}" for i, t in enumerate(skipped if n == 92 else repeated)]
    path = scenario_with(tmp_path, rows, first_day=day, time_zone="Europe/Amsterdam")
    assert read_scenario(path).series["price_eur_per_mwh"].tolist() == list(range(n))


def test_a_time_that_the_clock_skips_is_refused(tmp_path):
    rows = [f"2026-03-29T{h:02d}:00,1" for h in range(24)]
    path = scenario_with(tmp_path, rows, first_day="2026-03-29", time_zone="Europe/Amsterdam")
    assert "does not exist in Europe/Amsterdam" in faults_of(path)["series.price_eur_per_mwh.time_column"]


@pytest.mark.parametrize(
    ("change", "key", "part"),
    [
        ({"unit": "EUR/kWh"}, "unit", "contradicts the column's name 'price_eur_per_mwh' (EUR/MWh)"),
        ({"unit": "EUR/MW"}, "unit", "did you mean 'EUR/MWh'?"),
        ({"column": "price"}, "column", "did you mean 'price_eur_per_mwh'?"),
        ({"time_column": "time"}, "time_column", "did you mean 'time_utc'?"),
        ({"file": "q.csv"}, "file", "no such file"),
        ({"file": "mine.toml"}, "file", "must end in .csv or .parquet"),
        ({"time_zone": "Mars/Base"}, "time_zone", "is not a time zone"),
        ({"days": 9}, "file", "covers 2026-01-19 00:00 UTC to 2026-01-22 00:00 UTC, but the run needs"),
    ],
)
def test_series_faults(tmp_path, change, key, part):
    path = scenario_with(tmp_path, hours("2026-01-19", 72), **change)
    assert part in faults_of(path)[f"series.price_eur_per_mwh.{key}"]


@pytest.mark.parametrize(
    ("rows", "key", "part"),
    [
        (["2026-01-19T00:00Z,1", "2026-01-19T00:00Z,1"], "time_column", "rise without repetition; data row 2"),
        (["2026-01-19T00:00Z,1"], "file", "at least two"),
        (["2026-01-19T00:00Z,1", "tomorrow,1"], "time_column", "data row 2 is not a time"),
        (hours("2026-01-19", 900, step_min=5), "time_column", "15, 30 or 60 min, not 5 min"),
        (["2026-01-19T00:00Z,1", "2026-01-19T01:00Z,"], "column", "data row 2"),
        (["2026-01-19T00:00Z,1", "2026-01-19T01:00Z,cheap"], "column", "not numbers"),
        (
            [r.split(",")[0] + f",0.0{i % 9}" for i, r in enumerate(hours("2026-01-19", 72))],
            "unit",
            "looks like EUR/kWh",
        ),
        ([r.split(",")[0] + ",99999" for r in hours("2026-01-19", 72)], "unit", "outside -1000 to 10000"),
    ],
)
def test_bad_rows(tmp_path, rows, key, part):
    assert part in faults_of(scenario_with(tmp_path, rows))[f"series.price_eur_per_mwh.{key}"]


def test_gaps_are_refused_or_filled_as_told(tmp_path):
    rows = hours("2026-01-19", 72)
    del rows[40:42]
    assert (
        "8 quarter-hours of the run are missing, the first at 2026-01-20 16:00 UTC"
        in faults_of(scenario_with(tmp_path, rows, largest_gap_min=60))["series.price_eur_per_mwh.file"]
    )
    filled = read_scenario(scenario_with(tmp_path, rows, largest_gap_min=120)).series["price_eur_per_mwh"]
    assert set(filled[17 * 4 : 19 * 4]) == {49.0}


def test_parquet_series(tmp_path):
    import polars as pl

    path = scenario_with(tmp_path, hours("2026-01-19", 72), file="p.parquet")
    pl.read_csv(tmp_path / "p.csv").with_columns(pl.col("time_utc").str.to_datetime(time_zone="UTC")).write_parquet(
        tmp_path / "p.parquet"
    )
    assert read_scenario(path).series["price_eur_per_mwh"][0] == 33.0


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data folder ../shared is absent")
@pytest.mark.parametrize(("first_day", "n"), [("2025-03-30", 92), ("2025-10-26", 100), ("2025-07-01", 96)])
def test_dutch_prices_of_2025_quarter_by_quarter(first_day, n):
    file = SHARED / "data" / "prices" / "nl_day_ahead_2025.csv"
    keys = {"first_day": first_day, "days": 1}
    spec = {"file": f'"{file}"', "column": '"price_eur_per_mwh"', "unit": '"EUR/MWh"', "time_zone": '"UTC"'}
    overrides = [f"scenario.{k}={v}" for k, v in keys.items()]
    overrides += [f"series.price_eur_per_mwh.{k}={v}" for k, v in (spec | {"time_column": '"time_utc"'}).items()]
    if first_day == "2025-10-26":  # the source lacks one hour of that day
        assert "4 quarter-hours" in faults_of("own_prices", *overrides)["series.price_eur_per_mwh.file"]
        overrides.append("series.price_eur_per_mwh.largest_gap_min=60")
    price = read_scenario("own_prices", overrides).series["price_eur_per_mwh"]
    assert price.shape == (n,)
    day = np.datetime64(date.fromisoformat(first_day))
    lines = dict(row.split(",") for row in file.read_text().splitlines()[1:])
    offset = 1 if first_day == "2025-03-30" else 2
    first = day - np.timedelta64(offset * 60, "m")
    assert price[0] == float(lines[f"{first}:00Z"])
    assert price[5] == float(lines[f"{first + np.timedelta64(75, 'm')}:00Z"])


# --- the user's own grid


def test_grid_files_are_read_and_checked_at_the_door(tmp_path):
    from grid.files import write_grid
    from grid.generator import dutch_town
    from grid.parameters import GridParameters

    town = dutch_town(GridParameters(homes=20, lv_areas=1), np.random.default_rng(1))
    write_grid(town, tmp_path / "town.json")
    path = write(tmp_path, '[scenario]\nname = "x"\nbase = "small"\n[grid]\nfile = "town.json"')
    scenario = read_scenario(path)
    assert scenario.to_settings().grid.file == str(tmp_path / "town.json")
    assert scenario.digest() != read_scenario("small").digest()
    text = (tmp_path / "town.json").read_text()
    (tmp_path / "town.json").write_text(text[: len(text) // 2])
    assert "not a JSON file" in faults_of(path)["grid.file"]


def test_a_grid_that_is_not_connected_is_refused(tmp_path):
    nodes: list[dict[str, object]] = [{"id": n, "u_rated": 400.0, "level": "lv"} for n in "ab"]
    nodes[0]["u_ref"] = 1.0
    (tmp_path / "town.json").write_text(json.dumps({"nodes": nodes, "edges": [], "multigraph": True}))
    path = write(tmp_path, '[scenario]\nname = "x"\nbase = "small"\n[grid]\nfile = "town.json"')
    assert faults_of(path) == {"grid.file": "town.json: node b: isolated, no chain of branches leads to the source a"}
