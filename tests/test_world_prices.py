"""The stylised system against the published prices of 2025, and what it must do whatever the year."""

from datetime import date

import numpy as np
import pytest

from agents.world.neighbours import N_STEPS, build_neighbours
from agents.world.prices_2025 import PUBLISHED, PriceFigures, price_figures
from agents.world.system import StylisedSystem, SystemClearing, build_system, clear_system
from agents.world.weather import build_weather
from markets.calendar import Horizon

YEAR = Horizon(date(2025, 1, 1), 365)


@pytest.fixture(scope="module")
def year() -> tuple[StylisedSystem, SystemClearing]:
    system = build_system(YEAR, np.random.default_rng(0))
    return system, clear_system(system)


@pytest.fixture(scope="module")
def figures(year: tuple[StylisedSystem, SystemClearing]) -> PriceFigures:
    return price_figures(year[1].price_eur_per_mwh, YEAR)


def test_price_figures_by_hand() -> None:
    day = Horizon(date(2025, 1, 15), 1)
    price = np.repeat(np.arange(24.0) * 10.0 - 10.0, 4)
    price[:4] = (-20.0, -10.0, -10.0, 0.0)
    measured = price_figures(price, day)
    assert measured.mean == pytest.approx(105.0)
    assert measured.negative_share == pytest.approx(1 / 24)
    assert measured.daily_spread == pytest.approx(230.0)
    assert measured.hour_range == pytest.approx(20.0 / 24)
    assert measured.by_hour[[0, 5, 23]] == pytest.approx([-10.0, 40.0, 220.0])


@pytest.mark.parametrize("first, rows", [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100)])
def test_price_figures_on_days_with_a_clock_change(first: date, rows: int) -> None:
    measured = price_figures(np.full(rows, 5.0), Horizon(first, 1))
    assert measured.mean == 5.0
    assert np.isnan(measured.by_hour[2]) == (rows == 92)


@pytest.mark.parametrize(
    "name, within",
    [
        ("mean", 10),
        ("std", 10),
        ("low", 8),
        ("high", 25),
        ("negative_share", 0.025),
        ("daily_spread", 20),
        ("hour_range", 6),
    ],
)
def test_year_resembles_2025(figures: PriceFigures, name: str, within: float) -> None:
    assert abs(getattr(figures, name) - getattr(PUBLISHED, name)) < within


def test_shape_of_the_day_resembles_2025(figures: PriceFigures) -> None:
    assert np.max(np.abs(figures.by_hour - PUBLISHED.by_hour)) < 20.0
    assert np.corrcoef(figures.by_hour, PUBLISHED.by_hour)[0, 1] > 0.97
    assert int(np.argmin(figures.by_hour)) in (12, 13, 14)
    assert int(np.argmax(figures.by_hour)) in (18, 19, 20)


def test_system_balances_and_stays_within_its_limits(year: tuple[StylisedSystem, SystemClearing]) -> None:
    system, clearing = year
    supplied = np.sum(clearing.dispatch_mw, axis=0) + clearing.import_mw
    assert supplied == pytest.approx(system.load_mw)
    assert np.all(clearing.dispatch_mw <= system.available_mw + 1e-6)
    assert clearing.price_eur_per_mwh.min() >= -500.0 and clearing.price_eur_per_mwh.max() <= 4000.0


def test_yearly_energy_by_technology_is_dutch(year: tuple[StylisedSystem, SystemClearing]) -> None:
    system, clearing = year
    energy: dict[str, float] = {}
    for unit, mw in zip(system.units, clearing.dispatch_mw, strict=True):
        energy[unit.technology] = energy.get(unit.technology, 0.0) + float(mw.sum()) / 4e6
    # production of 2024: sun 22, wind about 33, gas about 45 TWh (there with doubt), nuclear 3.5
    assert 19.0 < energy["solar"] < 27.0
    assert 27.0 < energy["wind_onshore"] + energy["wind_offshore"] < 37.0
    assert 40.0 < energy["combined cycle"] + energy["CHP"] + energy["peaker"] < 65.0
    assert 2.5 < energy["nuclear"] < 4.3
    assert 6.0 < energy["coal"] < 17.0


def test_more_load_never_lowers_the_price() -> None:
    system = build_system(Horizon(date(2025, 1, 13), 3), np.random.default_rng(3))
    base, more = clear_system(system), clear_system(system, extra_load_mw=800.0)
    assert np.all(more.price_eur_per_mwh >= base.price_eur_per_mwh)
    assert more.price_eur_per_mwh.mean() > base.price_eur_per_mwh.mean() + 0.5


def test_border_sells_above_and_buys_below_its_level() -> None:
    horizon = Horizon(date(2025, 6, 2), 7)
    weather = build_weather(horizon, np.random.default_rng(0))
    border = build_neighbours(
        horizon, weather, np.random.default_rng(1), import_limit_mw=4000.0, export_limit_mw=3000.0
    )
    assert border.import_mw.shape == (N_STEPS, horizon.n_periods)
    assert border.import_mw.sum(axis=0) == pytest.approx(4000.0)
    assert border.export_mw.sum(axis=0) == pytest.approx(3000.0)
    assert np.all(np.diff(border.import_price_eur_per_mwh, axis=0) > 0.0)
    assert np.all(np.diff(border.export_price_eur_per_mwh, axis=0) < 0.0)
    assert np.all(border.import_price_eur_per_mwh[0] > border.export_price_eur_per_mwh[0])
    dearer = build_neighbours(horizon, weather, np.random.default_rng(1), level_shift_eur_per_mwh=30.0)
    assert dearer.level_eur_per_mwh == pytest.approx(border.level_eur_per_mwh + 30.0)
    closed = build_neighbours(horizon, weather, np.random.default_rng(1), import_limit_mw=0.0)
    assert closed.import_mw.sum() == 0.0


def test_neighbours_share_our_weather() -> None:
    horizon = Horizon(date(2025, 6, 2), 28)
    system = build_system(horizon, np.random.default_rng(5))
    assert np.corrcoef(system.neighbours.level_eur_per_mwh, system.weather.solar_share)[0, 1] < -0.6


def test_same_seed_same_prices() -> None:
    horizon = Horizon(date(2025, 10, 24), 4)
    one, two = (clear_system(build_system(horizon, np.random.default_rng(9))).price_eur_per_mwh for _ in range(2))
    assert np.array_equal(one, two)
