"""Meter values in every unit, phase and sampling form; what is believed of a register."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.hardware.meter import Sample, register_sample, samples
from agents.hardware.register import Mark, Register
from agents.hardware.told import PowerBelief

STAMP = "2025-06-01T12:00:00Z"


def read(*values: dict, stamp: str = STAMP) -> Sample:
    return next(iter(samples([{"timestamp": stamp, "sampledValue": list(values)}])))


@pytest.mark.parametrize(
    ("values", "wh"),
    [
        ([{"value": "12345"}], 12345.0),  # 1.6: measurand and unit have defaults
        ([{"value": "12.345", "unit": "kWh", "measurand": "Energy.Active.Import.Register"}], 12345.0),
        ([{"value": 12.345, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}}], 12345.0),
        ([{"value": 12345, "unitOfMeasure": {}}], 12345.0),
        ([{"value": "4000", "phase": p} for p in ("L1", "L2", "L3")], 12000.0),
        ([{"value": "4000", "phase": "L1-N"}, {"value": "5000", "phase": "L2-N"}], 9000.0),
        ([{"value": "4000", "phase": "L1"}, {"value": "11900"}], 11900.0),  # a total beats its parts
        ([{"value": "99", "location": "Inlet"}, {"value": "77", "location": "Outlet"}], 77.0),
    ],
)
def test_register_in_every_form(values, wh):
    assert read(*values).import_wh == pytest.approx(wh)


@pytest.mark.parametrize(
    ("values", "watts"),
    [
        ([{"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"}], 7400.0),
        ([{"value": "2300", "measurand": "Power.Active.Import", "phase": p} for p in ("L1", "L2", "L3")], 6900.0),
        ([{"value": "5000", "measurand": "Power.Active.Export", "unit": "W"}], -5000.0),
        ([{"value": "10", "measurand": "Current.Import", "phase": p} for p in ("L1", "L2", "L3")], 6900.0),
        (
            [
                {"value": "10", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
                {"value": "400", "measurand": "Voltage", "phase": "L1-L2", "unit": "V"},
            ],
            10 * 400 / math.sqrt(3),
        ),
        (
            [
                {"value": "10", "measurand": "Current.Import", "phase": "L2"},
                {"value": "240", "measurand": "Voltage", "phase": "L2-N", "unit": "V"},
            ],
            2400.0,
        ),
    ],
)
def test_power_in_every_form(values, watts):
    assert read(*values).power_w == pytest.approx(watts)


@pytest.mark.parametrize("value", ["NaN", "1e999", "", "12,5", "Infinity", None, "9" * 30, [1], True])
def test_what_is_no_number_is_left_out_and_counted(value):
    sample = read({"value": value})
    assert math.isnan(sample.import_wh)
    assert sample.faults == 1


def test_signed_data_and_unknown_units_are_left_out():
    sample = read({"value": "deadbeef", "format": "SignedData"}, {"value": "3", "unit": "Fahrenheit"})
    assert sample.faults == 2


def test_soc_and_end_of_transaction():
    sample = read(
        {"value": "81", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": "5", "context": "Transaction.End"},
    )
    assert sample.soc_share == pytest.approx(0.81)
    assert sample.is_end


def test_quantum_is_the_last_written_digit():
    assert read({"value": "12.34", "unit": "kWh"}).quantum_wh == pytest.approx(10.0)
    assert read({"value": "12340"}).quantum_wh == pytest.approx(1.0)


def test_no_timestamp_is_nan_not_a_crash():
    assert math.isnan(read({"value": "1"}, stamp="yesterday").station_utc_s)
    assert math.isnan(next(iter(samples([{"sampledValue": [{"value": "1"}]}]))).station_utc_s)
    assert list(samples("nonsense")) == []


# --- the register ----------------------------------------------------------------------------------------------------

T0 = 1_000_000.0
KW11 = 11_040.0


def register(**other) -> Register:
    return Register(KW11, T0, **other)


def at(seconds: float, wh: float, quantum: float = 1.0) -> Sample:
    return Sample(T0 + seconds, import_wh=wh, quantum_wh=quantum)


def take(meter: Register, seconds: float, wh: float, arrives: float | None = None, power_w: float = math.nan) -> bool:
    return meter.take(at(seconds, wh), T0 + (seconds if arrives is None else arrives), power_w)


def test_energy_falls_into_its_period_between_samples():
    meter = register()
    for seconds, wh in ((0, 1000.0), (60, 1120.0), (120, 1240.0)):
        assert take(meter, seconds, wh)
    assert meter.settle(T0, T0 + 90) == pytest.approx(0.180)
    assert meter.settle(T0 + 90, T0 + 120) == pytest.approx(0.060)
    assert meter.corrections() == []


def test_a_session_that_starts_with_a_lower_register_is_another_meter_at_once():
    meter = register()
    take(meter, 0, 1000.0)
    take(meter, 60, 1100.0)
    assert meter.begin_session(at(600, 0.0), is_other_meter=False)
    assert take(meter, 600, 0.0) and take(meter, 660, 100.0)
    assert meter.risen_kwh == pytest.approx(0.2)


def test_what_rose_between_two_sessions_of_one_meter_counts():
    """The end of the first was never told: the register shows what it was."""
    meter = register()
    take(meter, 0, 1000.0)
    take(meter, 60, 1100.0)
    assert not meter.begin_session(at(600, 1150.0), is_other_meter=False)
    assert take(meter, 600, 1150.0)
    assert meter.risen_kwh == pytest.approx(0.15)


def test_a_late_sample_lands_in_its_own_period_as_a_correction():
    meter = register()
    take(meter, 0, 1000.0)
    assert meter.settle(T0, T0 + 60) == pytest.approx(0.0)
    take(meter, 120, 1300.0)
    take(meter, 60, 1180.0, arrives=121)  # the backlog comes after the newest sample
    corrections = meter.corrections()
    assert [(c.start_utc_s, round(c.energy_kwh, 9)) for c in corrections] == [(T0, 0.18)]
    assert meter.settle(T0 + 60, T0 + 120) == pytest.approx(0.12)
    assert meter.corrections() == []
    assert meter.booked_kwh == pytest.approx(meter.risen_kwh)


def test_an_estimate_while_the_link_is_down_is_reconciled_from_the_register():
    meter = register()
    take(meter, 0, 0.0)
    assert meter.settle(T0, T0 + 60, estimate_w=6000.0) == pytest.approx(0.1)
    take(meter, 90, 75.0)
    (correction,) = meter.corrections()
    assert correction.energy_kwh == pytest.approx(0.05 - 0.1)


@pytest.mark.parametrize(
    ("seconds", "wh", "arrives", "fault"),
    [
        (10, 900.0, 10, "backwards"),
        (10, 1036.0, 10, "too_fast"),  # 11.04 kW for 10 s is 30.7 Wh; a tenth and a rounding more is allowed
        (10, 1_010_000.0, 10, "too_fast"),  # Wh labelled kWh
        (86_400, 1010.0, 10, "future"),
        (-86_400, 1010.0, 10, "old_stamp"),
    ],
)
def test_implausible_samples_are_suspect_counted_and_left_out(seconds, wh, arrives, fault):
    meter = register()
    take(meter, 0, 1000.0)
    assert not take(meter, seconds, wh, arrives)
    assert meter.is_suspect
    assert meter.faults[fault] == 1
    assert meter.risen_kwh == 0.0


def test_the_bound_allows_full_power():
    meter = register()
    take(meter, 0, 1000.0)
    assert take(meter, 10, 1000.0 + 1.05 * KW11 * 10 / 3600)


def test_wh_called_kwh_is_never_believed():
    meter = register()
    take(meter, 0, 12_000.0)
    for i in range(1, 20):
        take(meter, i, 1000.0 * (12_000.0 + 3.0 * i))
    assert meter.risen_kwh < 0.002


def test_a_replaced_meter_goes_on_where_the_old_one_stood():
    meter = register()
    take(meter, 0, 50_000.0)
    take(meter, 10, 50_030.0)
    for seconds, wh in ((20, 30.0), (30, 60.0), (40, 90.0)):
        take(meter, seconds, wh, power_w=10_800.0)
    assert meter.faults["rebased"] == 1
    assert meter.risen_kwh == pytest.approx(0.030 + 0.030 + 0.060)
    assert take(meter, 50, 120.0)


@pytest.mark.parametrize("off_s", [86_400.0, -86_400.0, 3_600.0, -3_600.0])
def test_a_steadily_wrong_clock_is_found_and_no_energy_is_lost(off_s):
    meter = register()
    for i in range(8):
        take(meter, 10 * i + off_s, 1000.0 + 30 * i, arrives=10 * i + 0.2)
    assert meter.faults["clock_off"] == 1
    assert meter.risen_kwh == pytest.approx(0.21)
    assert meter.settle(T0, T0 + 70.5) == pytest.approx(0.21)


def test_a_backlog_burst_is_no_wrong_clock():
    meter = register()
    take(meter, 0, 1000.0)
    for i in range(1, 30):
        assert take(meter, 10 * i, 1000.0 + 30 * i, arrives=300 + 0.001 * i)
    assert meter.offset_s == 0.0
    assert meter.risen_kwh == pytest.approx(0.87)


def test_a_restart_books_the_energy_of_the_gap_once():
    first = register()
    take(first, 0, 1000.0)
    take(first, 60, 1120.0)
    booked = first.settle(T0, T0 + 50)
    mark = first.mark()
    assert mark == Mark(T0 + 50, 1100.0)
    second = Register(KW11, T0 + 100)
    second.resume(mark)
    take(second, 110, 1220.0)
    take(second, 160, 1320.0)
    booked += second.settle(T0 + 100, T0 + 160)
    assert booked == pytest.approx(0.320)


@pytest.mark.parametrize("truth_kw", [4.0, 8.0])
def test_an_estimate_booked_before_a_restart_is_not_booked_again(truth_kw):
    first = register()
    take(first, 0, 1000.0)
    booked = first.settle(T0, T0 + 60, estimate_w=6000.0)
    mark = first.mark()
    assert mark is not None
    assert mark.estimated_wh == pytest.approx(100.0)
    second = Register(KW11, T0 + 100)
    second.resume(mark)
    take(second, 120, 1000.0 + truth_kw * 1000.0 * 120 / 3600)
    booked += second.settle(T0 + 100, T0 + 120)
    assert booked == pytest.approx(truth_kw * 120 / 3600)


@settings(max_examples=300)
@example([(0.5, 0.0), (0.5, 1.0), (15.0, 0.0)], random.Random(1), [])
@given(
    st.lists(st.tuples(st.floats(0.5, 30.0), st.floats(0.0, 1.0)), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 39), max_size=10),
)
def test_nothing_is_counted_twice_or_lost(steps, rng, twice):
    """Late, repeated and shuffled samples: all bookings with their corrections are the rise of the register."""
    meter = register()
    clock, wh, line = 0.0, 5000.0, []
    for seconds, share in steps:
        line.append((clock, wh))
        clock, wh = clock + seconds, wh + share * KW11 * seconds / 3600.0
    first, *rest = line
    rest = rest + [rest[i % len(rest)] for i in twice] if rest else rest
    rng.shuffle(rest)
    take(meter, first[0], first[1])
    booked, start = 0.0, 0.0
    for i, (seconds, value) in enumerate(rest):
        meter.take(at(seconds, value), T0 + clock)
        if i % 3 == 0:
            end = start + clock / 15.0
            booked += meter.settle(T0 + start, T0 + end)
            start = end
        booked += sum(c.energy_kwh for c in meter.corrections())
    booked += meter.settle(T0 + start, T0 + max(clock, start) + 1.0)
    booked += sum(c.energy_kwh for c in meter.corrections())
    assert booked == pytest.approx(meter.risen_kwh, abs=1e-9 * (1 + len(steps)))  # a millionth of a Wh a period
    assert not meter.faults


# --- power --------------------------------------------------------------------------------------------------------


def powers(said, rises_wh, quantum=0.1, seconds=1.0):
    belief, wh, out = PowerBelief(), 1000.0, []
    for i, (power, rise) in enumerate(zip(said, rises_wh, strict=True)):
        wh += rise
        out.append(
            belief.take(Sample(T0 + i * seconds, power, wh, quantum_wh=quantum), T0 + i * seconds, is_believed=True)
        )
    return out


@pytest.mark.parametrize("said", [0.0, 7.2])
def test_power_that_the_register_contradicts_is_not_believed(said):
    """Zero, or kW under the name of W: from the third contradiction on only the register speaks."""
    found = powers([said] * 10, [2.0] * 10)
    assert found == pytest.approx([said] * 3 + [7200.0] * 7)


def test_a_register_that_stands_still_is_soon_a_power_of_zero():
    """7.2 kW need 5 s for 10 Wh; nothing for 10 s more is a pause, known to a Wh."""
    found = powers([math.nan] * 31, [2.0] * 11 + [0.0] * 20, quantum=1.0)
    told = [(i, p) for i, p in enumerate(found) if not math.isnan(p)]
    assert told == [(5, 7200.0), (10, 7200.0), (20, 0.0)]


def test_a_pause_is_no_contradiction():
    """4.1 kW, then nothing: the mean over the change lies between, and the register that stands still says no more."""
    found = powers([4140.0] * 3 + [0.0] * 30, [11.5] * 3 + [4.0] + [0.0] * 29, seconds=10.0, quantum=0.1)
    assert found == [4140.0] * 3 + [0.0] * 30


def test_a_mean_from_the_register_is_told_once_and_names_the_time_it_speaks_for():
    """Register alone, 2 Wh a second, whole Wh: a new mean every 10 Wh; between them nothing new is known."""
    belief, told = PowerBelief(), []
    for i in range(11):
        power = belief.take(Sample(T0 + i, math.nan, 1000.0 + 2.0 * i), T0 + i, is_believed=True)
        if not math.isnan(power):
            told.append((i, belief.since_s - T0, power))
    assert told == [(5, 0.0, 7200.0), (10, 5.0, 7200.0)]


def test_stated_power_is_believed_when_the_register_agrees():
    assert powers([7150.0] * 10, [2.0] * 10)[-1] == 7150.0


def test_whole_watt_hours_do_not_make_false_powers():
    rises = [1, 2, 1, 1, 2, 1, 2, 1, 1, 2, 1, 2, 1, 1] * 3
    found = powers([math.nan] * len(rises), [float(r) for r in rises], quantum=1.0)
    steady = [p for p in found if not math.isnan(p)]
    assert min(steady) > 0.8 * 1.357 * 3600
    assert max(steady) < 1.2 * 1.357 * 3600


def test_meter_start_is_whole_wh():
    assert register_sample(12000, STAMP).import_wh == 12000.0
    assert math.isnan(register_sample(True, STAMP).import_wh)
