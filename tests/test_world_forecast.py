"""Forecasts: unbiased, sharper with time, consistent from one issue to the next."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.world.forecast import (
    ErrorGrowth,
    ForecastSource,
    forecast_source,
    load_forecast,
    solar_forecast,
    wind_forecast,
)

GROWTH = ErrorGrowth((1.0, 24.0), (10.0, 50.0))


def many(n: int = 40_000) -> ForecastSource:
    return forecast_source(np.full(n, 1000.0), GROWTH, np.random.default_rng(0), memory_h=2.0)


def errors_at(source: ForecastSource, lead: int) -> np.ndarray:
    """One error per target: for a constant lead the weights are the same, so the pieces may be weighed at once."""
    weights = source.sigma_of_lead.known_shares(np.array([lead * source.period_h]))
    return weights[:, 0] @ source.error


def test_error_growth_by_hand() -> None:
    assert GROWTH.at(np.array([-1.0, 0.0, 0.5, 1.0, 12.5, 24.0, 99.0])) == pytest.approx([0, 0, 5, 10, 30, 50, 50])
    # at 24 h: piece of the first hour 10, piece of the rest sqrt(50^2 - 10^2)
    assert GROWTH.known_shares(np.array([24.0]))[:, 0] == pytest.approx([10.0, np.sqrt(2400.0)])
    assert GROWTH.known_shares(np.array([0.5]))[:, 0] == pytest.approx([5.0, 0.0])


@pytest.mark.parametrize(
    "leads, sigmas", [((0.0, 1.0), (1.0, 2.0)), ((1.0,), (1.0, 2.0)), ((1.0, 2.0), (2.0, 1.0)), ((), ())]
)
def test_impossible_growth_is_refused(leads: tuple, sigmas: tuple) -> None:
    with pytest.raises(ValueError, match="must rise"):
        ErrorGrowth(leads, sigmas)


@pytest.mark.parametrize("lead, sigma", [(2, 5.0), (4, 10.0), (50, 30.0), (96, 50.0)])
def test_size_of_the_error_by_lead(lead: int, sigma: float) -> None:
    errors = errors_at(many(), lead)
    assert errors.std() == pytest.approx(sigma, rel=0.06)
    assert abs(errors.mean()) < 0.06 * sigma


def test_issued_forecast_is_truth_plus_the_weighed_pieces() -> None:
    source = many(200)
    issued = source.issued_at(10, np.array([5, 10, 14, 106]))
    assert issued[:2] == pytest.approx([1000.0, 1000.0])
    assert issued[2] == pytest.approx(1000.0 + 10.0 * source.error[0, 14])
    assert issued[3] == pytest.approx(1000.0 + errors_at(source, 96)[106])


def test_revisions_cannot_be_predicted() -> None:
    source = many()
    late = errors_at(source, 4)
    revision = errors_at(source, 96) - late
    assert abs(np.corrcoef(late, revision)[0, 1]) < 0.05


def test_errors_of_neighbouring_targets_are_alike() -> None:
    errors = errors_at(many(), 96)
    assert np.corrcoef(errors[:-1], errors[1:])[0, 1] > 0.8


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), period=st.integers(-200, 150), start=st.integers(0, 90), data=st.floats(0.0, 1.0))
def test_shares_stay_physical_and_the_past_is_known(seed: int, period: int, start: int, data: float) -> None:
    share = np.full(192, data)
    clear = np.maximum(np.sin(np.linspace(0.0, 12.0, 192)), 0.0) * 800.0
    targets = np.arange(start, 192)
    for source in (
        wind_forecast(share, np.random.default_rng(seed)),
        solar_forecast(share, clear, np.random.default_rng(seed)),
    ):
        issued = source.issued_at(period, targets)
        assert issued.min() >= 0.0 and issued.max() <= 1.0
        assert np.array_equal(issued[targets <= period], share[targets[targets <= period]])


def test_no_solar_error_at_night_and_load_error_in_proportion() -> None:
    clear = np.zeros(96)
    assert np.array_equal(
        solar_forecast(np.zeros(96), clear, np.random.default_rng(0)).issued_at(-96, range(96)), clear
    )
    small = load_forecast(np.full(96, 10.0), np.random.default_rng(0)).issued_at(-40, range(96))
    large = load_forecast(np.full(96, 1000.0), np.random.default_rng(0)).issued_at(-40, range(96))
    assert large == pytest.approx(100.0 * small)


def test_scaled_forecast_is_the_same_forecast_in_another_unit() -> None:
    source = wind_forecast(np.full(96, 0.5), np.random.default_rng(3))
    targets = np.arange(96)
    assert source.scaled(4700.0).issued_at(-40, targets) == pytest.approx(4700.0 * source.issued_at(-40, targets))


def test_the_forecasts_of_the_next_hours_are_those_of_any_lead() -> None:
    source = load_forecast(1000.0 + 50.0 * np.sin(np.arange(96.0)), np.random.default_rng(3))
    for now in (0, 7, 90):
        span = slice(now + 1, min(now + 12, 96))
        assert source.soon(now, span) == pytest.approx(source.issued_at(now, np.arange(span.start, span.stop)))
    beyond = slice(20, 40)
    np.testing.assert_array_equal(source.soon(10, beyond), source.issued_at(10, np.arange(20, 40)))
    np.testing.assert_array_equal(source.soon(-96, slice(0, 4)), source.issued_at(-96, np.arange(4)))
