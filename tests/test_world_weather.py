"""Weather: right sun, right seasons, right persistence, same numbers for the same seed."""

from datetime import date

import numpy as np
import pytest

from agents.world.noise import persistent, probability
from agents.world.sun import clear_sky_w_per_m2, clouded_share, sun_position
from agents.world.weather import Weather, build_weather, by_month
from markets.calendar import Horizon


@pytest.fixture(scope="module")
def year() -> Horizon:
    return Horizon(date(2025, 1, 1), 365)


@pytest.fixture(scope="module")
def years(year: Horizon) -> list[Weather]:
    return [build_weather(year, np.random.default_rng(seed)) for seed in range(3)]


def mean_of(years: list[Weather], name: str) -> float:
    return float(np.mean([np.mean(getattr(w, name)) for w in years]))


def test_persistent_series_have_unit_variance_and_the_stated_memory_from_the_first_step() -> None:
    rng = np.random.default_rng(1)
    draws = persistent(200, [6.0] * 4000, rng)
    assert draws[:, 0].std() == pytest.approx(1.0, abs=0.03)
    assert draws[:, -1].std() == pytest.approx(1.0, abs=0.03)
    assert np.mean(draws[:, 10] * draws[:, 34]) == pytest.approx(np.exp(-1.0), abs=0.04)


@pytest.mark.parametrize("step", [0, 5, 150])
def test_smoothed_series_start_stationary(step: int) -> None:
    draws = persistent(151, [8.0] * 4000, np.random.default_rng(2), smooth_h=1.0)
    assert draws[:, step].std() == pytest.approx(1.0, abs=0.03)


def test_probability_is_the_normal_distribution() -> None:
    from scipy.special import ndtr

    z = np.linspace(-4.0, 4.0, 101)
    assert np.max(np.abs(probability(z) - ndtr(z))) < 2e-4


def test_sun_position_equals_pvlib() -> None:
    import pandas as pd  # type: ignore[import-untyped]
    from pvlib.solarposition import get_solarposition

    horizon = Horizon(date(2025, 6, 20), 2)
    sun = sun_position(horizon.start_utc)
    times = pd.DatetimeIndex(horizon.start_utc + np.timedelta64(450, "s"), tz="UTC")
    oracle = get_solarposition(times, 52.1, 5.18, method="nrel_numpy")
    assert np.allclose(np.degrees(sun.azimuth_rad), oracle["azimuth"], atol=0.02)
    assert np.allclose(np.degrees(sun.zenith_rad), oracle["apparent_zenith"], atol=0.05)


def test_clear_sky_and_clouds_by_hand() -> None:
    # Haurwitz with the sun overhead: 1098 exp(-0.059); overcast lets a quarter through (Kasten & Czeplak)
    assert clear_sky_w_per_m2(np.array([1.0, 0.0])) == pytest.approx([1098.0 * np.exp(-0.059), 0.0])
    assert clouded_share(np.array([0.0, 1.0])) == pytest.approx([1.0, 0.25])


def test_yearly_figures(years: list[Weather]) -> None:
    assert 880 < mean_of(years, "solar_share") * 8760 < 1020
    assert 0.24 < mean_of(years, "wind_onshore_share") < 0.31
    assert 0.39 < mean_of(years, "wind_offshore_share") < 0.47
    assert 980 < mean_of(years, "ghi_w_per_m2") * 8.76 < 1110
    assert 9.5 < mean_of(years, "temperature_c") < 11.5
    assert mean_of(years, "panel_south_share") > mean_of(years, "panel_east_share")


def test_winter_is_dark_windy_and_cold(year: Horizon, years: list[Weather]) -> None:
    month = year.start_utc.astype("datetime64[M]").astype(int) % 12
    winter, summer = np.isin(month, (11, 0, 1)), np.isin(month, (5, 6, 7))

    def ratio(name: str) -> float:
        return float(np.mean([getattr(w, name)[winter].mean() / getattr(w, name)[summer].mean() for w in years]))

    assert ratio("solar_share") < 0.35
    assert ratio("wind_onshore_share") > 1.25
    assert ratio("temperature_c") < 0.4


def test_wind_persists_and_sea_follows_land(years: list[Weather]) -> None:
    def correlation(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a, b)[0, 1])

    for weather in years:
        sea = weather.wind_offshore_share
        assert correlation(sea[:-4], sea[4:]) > 0.97
        assert 0.25 < correlation(sea[:-96], sea[96:]) < 0.65
        assert 0.75 < correlation(sea, weather.wind_onshore_share) < 0.95


def test_values_are_physical_and_night_is_dark(year: Horizon, years: list[Weather]) -> None:
    for weather in years:
        for name in ("cloud", "solar_share", "wind_onshore_share", "wind_offshore_share"):
            values = getattr(weather, name)
            assert values.shape == (year.n_periods,) and values.min() >= 0.0 and values.max() <= 1.0
        assert np.all(weather.solar_share[year.local_hour < 3.0] == 0.0)
        assert weather.temperature_c.min() > -20.0 and weather.temperature_c.max() < 42.0


def test_same_seed_same_weather_and_any_date_works() -> None:
    for first in (date(2025, 3, 28), date(2025, 10, 24), date(2028, 2, 27)):
        horizon = Horizon(first, 4)
        one, two = (build_weather(horizon, np.random.default_rng(5)) for _ in range(2))
        assert all(np.array_equal(getattr(one, k), getattr(two, k)) for k in Weather.__dataclass_fields__)
        assert one.solar_share.size == horizon.n_periods


def test_month_values_are_met_in_the_middle_of_the_month() -> None:
    horizon = Horizon(date(2025, 1, 1), 365)
    values = by_month(horizon, tuple(float(m) for m in range(1, 13)))
    middle = np.flatnonzero(horizon.start_utc == np.datetime64("2025-04-16T00:00"))
    assert values[middle] == pytest.approx(4.0, abs=0.02)
    assert values.min() >= 1.0 and values.max() <= 12.0
