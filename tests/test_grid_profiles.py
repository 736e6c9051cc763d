"""A grid's own year of profiles in a run: the right day, the right connection, active and reactive."""

import importlib.util
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

import agents.town
from agents.world.weather import build_weather
from grid.files import read_source
from grid.importers import ImportedYear, pandapower_grid, simbench_grid
from grid.power_flow import PowerFlow
from grid.profiles import N_STEPS, ProfileYear, profile_day
from grid.sources import with_sites
from grid.topology import Grid
from markets.calendar import Horizon
from tests.grid_cases import record, station_grid
from tests.model_worlds import play, world

EXTRA = "needs the extra: pip install flexpolder[simbench]"
HAS_EXTRA = importlib.util.find_spec("simbench") is not None


@pytest.mark.parametrize(
    ("day", "stands_for"),
    [
        (date(2016, 2, 29), date(2016, 2, 29)),  # the year itself
        (date(2026, 1, 20), date(2016, 1, 19)),  # a Tuesday; 20 January 2016 was a Wednesday
        (date(2026, 7, 1), date(2016, 6, 29)),  # a Wednesday; 1 July 2016 was a Friday
        (date(2025, 1, 1), date(2016, 1, 6)),  # a Wednesday; 30 December 2015 lies outside the year
        (date(2026, 12, 31), date(2016, 12, 29)),  # a Thursday; 31 December 2016 was a Saturday
    ],
)
def test_a_day_takes_the_nearest_of_its_weekday(day, stands_for):
    assert profile_day(day) == (stands_for - date(2016, 1, 1)).days
    assert day.weekday() == stands_for.weekday()


def test_every_day_finds_one_of_its_weekday_in_the_year():
    for ordinal in range(date(2024, 1, 1).toordinal(), date(2028, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        found = profile_day(day)
        assert 0 <= found < 366 and (found + date(2016, 1, 1).weekday()) % 7 == day.weekday()


def test_profiles_of_another_length_are_refused():
    one = np.zeros(1, dtype=int)
    with pytest.raises(ValueError, match="profiles have 96 steps; the 35136 quarter-hours of 2016 are readable"):
        ProfileYear(np.ones((96, 1)), one, one, np.ones(1), np.ones(1))


def four_connections():
    """Two homes, a firm and a roof on a street, each with a ramp of its own over the year."""
    rows = [
        record(0, "n1", "L2", 8.05, "home"),
        record(1, "n2", "L123", 17.25, "home"),
        record(2, "n3", "L123", 60.0, "business"),
        record(3, "n4", "L123", 20.0, "other"),
    ]
    ramp = np.arange(N_STEPS) / N_STEPS
    shape = np.column_stack([ramp, 1.0 - ramp, np.ones(N_STEPS)])
    profiles = ProfileYear(
        shape, np.array([0, 1, 0, 1]), np.array([0, 1, 2, 2]),
        np.array([2.0, 3.0, 40.0, -10.0]), np.array([0.5, 1.0, 12.0, 0.0]),
    )  # fmt: skip
    return ImportedYear(Grid.from_records(station_grid(4).graph, rows, "street"), profiles)


@pytest.fixture(scope="module")
def settings():
    small = world(home=2, public=2, office=0, depot=0, dc=0, homes=2, fidelity="three_phase")
    return replace(small, grid=replace(small.grid, file="street.json"))


@pytest.fixture(scope="module")
def run(settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents.town, "load_source", lambda source, least, rng: _with_post(rng))
        yield play(settings)


def _with_post(rng):
    source = four_connections()
    return ImportedYear(with_sites(source.grid, {"public_ac": 1}, rng), source.profiles)


def test_the_loads_of_a_run_are_those_of_the_grids_year(run):
    first = 96 * (date(2016, 1, 19) - date(2016, 1, 1)).days  # the Tuesday that stands for 20 January 2026
    ramp = np.arange(first, first + 96) / N_STEPS
    town = run.model.town
    assert town.home_kw[:2] == pytest.approx(np.stack([2.0 * ramp, 3.0 * (1 - ramp)]), rel=1e-6)
    assert town.site_kw[2] == pytest.approx(40.0 * ramp, rel=1e-6)
    assert town.roof_kw[3] == pytest.approx(10.0 * (1 - ramp), rel=1e-6)
    assert not town.roof_kw[:3].any() and not town.home_kw[2:].any() and not town.site_kw[4:].any()
    load = run.load()
    assert load["household"] == pytest.approx(2.0 * ramp + 3.0 * (1 - ramp), rel=1e-6)
    assert load["pv"] == pytest.approx(-10.0 * (1 - ramp), rel=1e-6)


def test_reactive_power_flows_in_the_run_and_in_its_twin(run):
    """The loading that is written is that of a flow with the profiles' kvar, and would be less without them."""
    town, t, table = run.model.town, 40, run.tables["branch_loading"]
    k = town.grid.arrays.branch_index["trafo"]
    flow, kw, ev = PowerFlow(town.grid), town.base_kw[:, t], run.model.record.ev_kw[:, t]
    kvar = np.array([0.5, 1.0, 12.0, 0.0, 0.0]) * np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    first = 96 * 18 + t
    kvar[:2] *= [first / N_STEPS, 1 - first / N_STEPS]
    with_q = flow.solve(kw, ev_kw=ev, connection_kvar=kvar).loading_share[k]
    n = town.grid.arrays.n_branches
    assert table["loading_share"].reshape(-1, n)[t, k] == pytest.approx(with_q, rel=1e-5)
    assert with_q > 1.01 * flow.solve(kw, ev_kw=ev).loading_share[k]
    free = flow.solve(kw, ev_kw=town.reference_ev_kw[:, t], connection_kvar=kvar).loading_share[k]
    assert table["uncontrolled_loading_share"].reshape(-1, n)[t, k] == pytest.approx(free, rel=1e-5)


def test_drawn_loads_are_a_choice(settings):
    drawn = replace(settings, grid=replace(settings.grid, loads="drawn"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents.town, "load_source", lambda source, least, rng: _with_post(rng))
        horizon = Horizon(drawn.first_day, 1)
        town = agents.town.build_town(drawn, horizon, build_weather(horizon, np.random.default_rng(0)))
    assert town.base_kvar is None
    assert len(np.unique(np.round(np.diff(town.home_kw[0]), 6))) > 5  # no ramp


@pytest.mark.skipif(not HAS_EXTRA, reason=EXTRA)
@pytest.mark.slow
def test_a_simbench_net_and_its_pandapower_file_bring_the_same_year(tmp_path):
    """The power at each bus against the product that SimBench itself makes of profiles and rated powers."""
    import pandapower
    import simbench

    code = "1-LV-rural2--1-sw"
    net = simbench.get_simbench_net(code)
    year = simbench_grid(code)
    assert year.profiles is not None
    step = 5000
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    load_kw = 1e3 * values["load", "p_mw"].loc[step].to_numpy()
    load_kvar = 1e3 * values["load", "q_mvar"].loc[step].to_numpy()
    kw, kvar = (v[:, 0] for v in year.profiles.at(np.array([step])))
    assert kw[: len(load_kw)] == pytest.approx(load_kw) and kvar[: len(load_kw)] == pytest.approx(load_kvar)
    sgen_kw = 1e3 * values["sgen", "p_mw"].loc[step].to_numpy()
    assert kw[len(load_kw) : len(load_kw) + len(sgen_kw)] == pytest.approx(-sgen_kw)
    table = year.grid.connections
    kinds = {meter.partition("-")[0]: kind for meter, kind in zip(table.meter_id, table.kind, strict=True)}
    assert kinds["charger"] == "other"  # a profile of charging is no household
    path = tmp_path / "rural.json"
    pandapower.to_json(net, str(path))
    again = read_source(path)
    assert again.profiles is not None and np.array_equal(again.profiles.shape, year.profiles.shape)
    assert np.array_equal(again.profiles.p_shape, year.profiles.p_shape)
    net["profiles"] = {name: frame.iloc[:96] for name, frame in net["profiles"].items()}
    with pytest.raises(ValueError, match="profiles have 96 steps"):
        pandapower_grid(net, code)
