"""Harmonised limits that widen after prices came near them."""

from __future__ import annotations

import numpy as np
import pytest

from markets.day_ahead import LOWER, UPPER, moving_limit


def days(n, **prices):
    series = np.zeros(n)
    for day, price in prices.items():
        series[int(day[1:])] = price
    return series


@pytest.mark.case("C11")
def test_two_days_near_the_lower_limit_lower_it_by_a_hundred():
    limit = moving_limit(days(60, d3=-350.0, d20=-400.0), -500.0, LOWER)
    assert limit[47] == -500.0
    assert limit[48:].tolist() == [-600.0] * 12  # 28 days after the second
    assert (moving_limit(days(60, d3=-349.99, d20=-400.0), -500.0, LOWER) == -500.0).all()


@pytest.mark.case("C11")
def test_two_days_near_the_upper_limit_raise_it_by_five_hundred():
    limit = moving_limit(days(60, d0=2800.0, d29=4000.0), 4000.0, UPPER)
    assert limit[56] == 4000.0
    assert limit[57] == 4500.0
    assert (moving_limit(days(60, d0=2800.0, d30=4000.0), 4000.0, UPPER) == 4000.0).all()  # 31 days, not 30
    assert (moving_limit(days(60, d0=2799.99, d5=4000.0), 4000.0, UPPER) == 4000.0).all()


def test_the_trigger_moves_with_the_limit_and_the_transition_does_not_count():
    prices = days(120, d0=3000.0, d1=3000.0, d20=3000.0, d28=3000.0, d40=3150.0, d50=3150.0, d60=3200.0)
    limit = moving_limit(prices, 4000.0, UPPER)
    # days 0 and 1 raise it on day 29; days 20 and 28 lie in the transition; 3150 is 70 % of 4500 on days 40 and 50
    assert limit[28] == 4000.0
    assert limit[29:78].tolist() == [4500.0] * 49
    assert limit[78:].tolist() == [5000.0] * 42  # day 60 lies in the second transition


def test_days_without_prices_do_not_count():
    assert moving_limit(np.array([np.nan, 4000.0, np.nan]), 4000.0, UPPER).tolist() == [4000.0] * 3
