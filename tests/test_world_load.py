"""National load, homes, heat pumps, panels and sites against the published figures."""

from datetime import date

import numpy as np
import pytest

from agents.world.daytypes import SATURDAY, SUNDAY, WEEKDAY, day_kinds, shape_over
from agents.world.homes import E1A_WEEKDAY, draw_yearly_kwh, heat_pump_kw, home_load_kw, home_pv_kw
from agents.world.load import SITE_SHAPES, is_working_day, national_load_mw, site_load_kw
from agents.world.weather import Weather, build_weather
from markets.calendar import Horizon

YEAR = Horizon(date(2025, 1, 1), 365)
WINTER_WEEK = Horizon(date(2025, 1, 13), 7)


@pytest.fixture(scope="module")
def year_weather() -> Weather:
    return build_weather(YEAR, np.random.default_rng(0))


@pytest.fixture(scope="module")
def year_homes(year_weather: Weather) -> np.ndarray:
    return home_load_kw(YEAR, 150, np.random.default_rng(1), year_weather)


@pytest.mark.parametrize("language", ["en_US.UTF-8", "nl_NL.UTF-8", "C"])
def test_kinds_of_days_know_dutch_holidays(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LANGUAGE", "LC_ALL", "LANG"):
        monkeypatch.setenv(variable, language)
    # 18 Apr 2025 Good Friday (work), 19 Saturday, 20-21 Easter, 26 King's Day (Saturday), 5 May Liberation Day
    kinds = day_kinds(Horizon(date(2025, 4, 17), 19))
    assert kinds[:6].tolist() == [WEEKDAY, WEEKDAY, SATURDAY, SUNDAY, SUNDAY, WEEKDAY]
    assert kinds[9] == SUNDAY and kinds[18] == SUNDAY
    assert is_working_day(Horizon(date(2025, 12, 24), 4)).tolist() == [True, False, False, False]


def test_shape_meets_the_hour_in_its_middle_and_follows_the_clock_on_a_long_day() -> None:
    shape = tuple(float(h) for h in range(24))
    day = Horizon(date(2025, 10, 26), 1)
    values = shape_over(day, shape, shape, shape)
    assert values.size == 100
    # 14:15-14:30 has its middle at 14.375: 13 + (14.375 - 13.5) = 13.875
    row = np.flatnonzero(np.isclose(day.local_hour, 14.25))[0]
    assert values[row] == pytest.approx(13.875)


def test_national_load(year_weather: Weather) -> None:
    load = national_load_mw(YEAR, year_weather, np.random.default_rng(2))
    assert 12_600 < load.mean() < 13_400
    assert 17_500 < load.max() < 19_800
    assert 7_500 < load.min() < 9_500
    working = is_working_day(YEAR)[YEAR.day_of]
    assert load[working].mean() > 1.08 * load[~working].mean()
    half = national_load_mw(YEAR, year_weather, np.random.default_rng(2), mean_mw=6_500.0)
    assert half == pytest.approx(load / 2.0)


def test_yearly_use_of_homes() -> None:
    drawn = draw_yearly_kwh(40_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(2500.0, rel=0.01)
    assert 0.3 < drawn.std() / drawn.mean() < 0.6


def test_homes_over_a_year(year_homes: np.ndarray) -> None:
    assert year_homes.dtype == np.float32 and year_homes.shape == (150, YEAR.n_periods)
    assert 2200 < year_homes.mean() * 8760 < 2800
    assert 0.9 <= year_homes.mean(axis=0).max() <= 1.3


def test_homes_have_the_e1a_form_on_weekdays(year_homes: np.ndarray) -> None:
    mean = year_homes.mean(axis=0)
    weekday = day_kinds(YEAR)[YEAR.day_of] == WEEKDAY
    hour = YEAR.local_hour.astype(int)
    form = np.array([mean[weekday & (hour == h)].mean() for h in range(24)])
    assert np.max(np.abs(form / form.mean() - np.array(E1A_WEEKDAY))) < 0.17
    assert np.corrcoef(form, E1A_WEEKDAY)[0, 1] > 0.98


def test_single_homes_are_spiky_and_many_are_smooth() -> None:
    weather = build_weather(WINTER_WEEK, np.random.default_rng(0))
    homes = home_load_kw(WINTER_WEEK, 1000, np.random.default_rng(1), weather)
    assert 2.5 < np.median(homes.max(axis=1)) < 6.0
    assert homes.mean(axis=0).max() < 1.0
    assert homes.min() > 0.0
    # coincidence falls as the group grows
    peaks = [np.mean([homes[i : i + n].mean(axis=0).max() for i in range(0, 1000 - n + 1, n)]) for n in (1, 10, 100)]
    assert peaks[0] > 2.0 * peaks[1] > 2.0 * peaks[2]


def test_heat_pumps_follow_the_cold() -> None:
    weather = build_weather(WINTER_WEEK, np.random.default_rng(0))
    flat = {k: getattr(weather, k) for k in Weather.__dataclass_fields__}
    mean = {}
    for degrees in (-6.0, 5.0, 20.0):
        cold = Weather(**{**flat, "temperature_c": np.full(WINTER_WEEK.n_periods, degrees)})
        power = heat_pump_kw(WINTER_WEEK, 300, np.random.default_rng(1), cold)
        mean[degrees] = float(power.mean())
        if degrees == -6.0:
            assert 1.5 < power.mean(axis=0).max() < 2.5
    assert mean[-6.0] > 2.0 * mean[5.0] > 4.0 * mean[20.0]
    # only hot water is left: one hour of 1.4 kW a day
    assert mean[20.0] == pytest.approx(1.4 / 24.0, rel=0.03)


def test_share_of_heat_pumps_and_no_homes() -> None:
    weather = build_weather(WINTER_WEEK, np.random.default_rng(0))
    without = home_load_kw(WINTER_WEEK, 400, np.random.default_rng(1), weather)
    with_all = home_load_kw(WINTER_WEEK, 400, np.random.default_rng(1), weather, heat_pump_share=1.0)
    assert np.all(with_all.sum(axis=1) > without.sum(axis=1))
    assert home_load_kw(WINTER_WEEK, 0, np.random.default_rng(1), weather).shape == (0, 672)


def test_panels_of_homes(year_weather: Weather) -> None:
    power = home_pv_kw(300, np.random.default_rng(1), year_weather)
    assert power.dtype == np.float32
    assert 3.0 * 850 < power.sum(axis=1).mean() / 4.0 < 5.0 * 980
    assert power.max() <= 5.0 * 1.1
    some = home_pv_kw(2000, np.random.default_rng(1), year_weather, pv_share=0.3)
    assert np.mean(some.max(axis=1) > 0.0) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("kind", sorted(SITE_SHAPES))
def test_sites_stay_within_their_connection(kind: str, year_weather: Weather) -> None:
    load = site_load_kw(kind, 200.0, YEAR, np.random.default_rng(4), year_weather)
    assert load.shape == (YEAR.n_periods,)
    assert load.min() >= 0.0 and load.max() <= 200.0


def test_offices_rest_at_weekends_and_unknown_kinds_are_refused() -> None:
    load = site_load_kw("office", 100.0, WINTER_WEEK, np.random.default_rng(4))
    assert load[: 5 * 96].mean() > 1.8 * load[5 * 96 :].mean()
    with pytest.raises(ValueError, match="'castle' is not one of office"):
        site_load_kw("castle", 100.0, WINTER_WEEK, np.random.default_rng(4))
