"""The horizon's clock: days that are short or long, and the hours of the peak product."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from markets.calendar import Horizon, agenda, market_day


@pytest.mark.parametrize(
    ("day", "n_periods"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 6, 1), 96)]
)
def test_days_follow_the_local_clock(day, n_periods):
    horizon = Horizon(day, 1)
    assert horizon.n_periods == n_periods
    assert horizon.local_hour[-1] == 23.75
    assert np.sum(horizon.local_hour == 12.0) == 1


def test_peak_hours_are_those_of_working_days():
    week = Horizon(date(2025, 3, 24), 7)  # Monday to the Sunday on which the clock changes
    assert week.is_peak.sum() == 5 * 48
    assert not week.is_peak[week.day_of >= 5].any()
    assert week.local_hour[week.is_peak].min() == 8.0
    assert week.local_hour[week.is_peak].max() == 19.75


def test_every_gate_comes_once_for_every_delivery_day_in_order_of_time():
    horizon = Horizon(date(2025, 3, 29), 3)
    events = agenda(horizon)
    assert len(events) == 3 * len(market_day())
    assert [p for p, _, _ in events] == sorted(p for p, _, _ in events)
    auction = {day: period for period, gate, day in events if gate.name == "day_ahead_auction"}
    assert auction == {0: -48, 1: 48, 2: 96 + 44}  # noon of the day before; 30 March has 92 quarters
