"""Recorded sessions: known column names, rows rejected with number and reason, the others kept and counted."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agents.fleet.behaviour import rated
from agents.fleet.counterfactual import uncontrolled
from agents.fleet.recorded import SCHEMA, read_recorded, recorded_sessions
from markets.calendar import Horizon

WEEK = Horizon(date(2025, 1, 13), 7)
HEADER = "point,arrival,departure,energy_kwh,ev,segment,max_kw,battery_kwh,connector\n"
ROWS = [
    ("A,2025-01-13T08:00:00+01:00,2025-01-13T17:00:00+01:00,20,car1,office,11,60,Type 2", None),
    (
        "A,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,5,car2,office,11,60,Type 2",
        "charging point A/ is already",
    ),
    ("B,2025-01-13T12:00:00+01:00,2025-01-13T11:00:00+01:00,5,car3,office,11,60,Type 2", "not after arrival"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,80,car4,office,11,60,Type 2", "than the battery"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,20,car4,office,11,60,Type 2", "than the stay allows"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,-1,car4,office,11,60,Type 2", "negative"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,1,car4,office,-3,60,Type 2", "power -3"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,1,car4,office,11,60,Schuko", "connector 'Schuko'"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,1,car4,garage,11,60,CCS", "segment 'garage'"),
    ("C,2025-01-13T12:00:00,2025-01-13T13:00:00+01:00,1,car4,office,11,60,CCS", "no time zone"),
    ("C,yesterday,2025-01-13T13:00:00+01:00,1,car4,office,11,60,CCS", "arrival is missing"),
    ("C,2025-01-13T12:00:00+01:00,2025-01-13T13:00:00+01:00,much,car4,office,11,60,CCS", "not a number"),
    ("D,2025-01-13T09:00:00+01:00,2025-01-13T10:00:00+01:00,1,car1,office,11,60,CCS", "car car1 is already"),
    ("D,2025-03-13T09:00:00+01:00,2025-03-13T10:00:00+01:00,1,car5,office,11,60,CCS", "outside the horizon"),
    ("D,2025-01-12T20:00:00+01:00,2025-01-13T07:00:00+01:00,10,car5,home,11,60,Type 2", None),
]


def write(tmp_path, rows, name="s.csv"):
    path = tmp_path / name
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def test_bad_rows_are_named_and_the_others_kept(tmp_path):
    result = read_recorded(write(tmp_path, [row for row, _ in ROWS]), WEEK)
    expected = {i: reason for i, (_, reason) in enumerate(ROWS, start=1) if reason}
    found = dict(result.rejections.iter_rows())
    assert set(found) == set(expected)
    for row, reason in expected.items():
        assert reason in found[row], (row, found[row])
    assert result.n_rows == len(ROWS) == len(found) + len(result.fleet.sessions)


def test_kept_sessions_deliver_the_recorded_energy(tmp_path):
    fleet = read_recorded(write(tmp_path, [row for row, reason in ROWS if not reason]), WEEK).fleet
    outcome = uncontrolled(fleet)
    inside = fleet.sessions.arrival_min >= 0
    np.testing.assert_allclose(outcome.state.session_import_kwh[inside], fleet.sessions.need_kwh[inside], rtol=1e-6)
    assert fleet.sessions.arrival_min.tolist() == [-240, 480]


def test_dutch_and_acn_column_names_are_mapped():
    dutch = pl.DataFrame(
        {
            "TransactionId": [1],
            "ChargePoint": ["NL-1"],
            "Connector": [2],
            "UTCTransactionStart": ["2025-01-13 07:00:00"],
            "UTCTransactionStop": ["2025-01-13 15:30:00"],
            "StartCard": ["x"],
            "TotalEnergy": [12.5],
            "MaxPower": [3.7],
        }
    )
    acn = pl.DataFrame(
        {
            "stationID": ["2-39"],
            "connectionTime": ["Mon, 13 Jan 2025 07:00:00 GMT"],
            "disconnectTime": ["Mon, 13 Jan 2025 15:30:00 GMT"],
            "kWhDelivered": [12.5],
            "userID": ["7"],
        }
    )
    for frame in (dutch, acn):
        result = recorded_sessions(frame, WEEK)
        assert len(result.rejections) == 0
        assert result.fleet.sessions.arrival_min.tolist() == [480]  # 07:00 UTC is 08:00 in the Netherlands
        assert result.fleet.sessions.departure_min.tolist() == [990]
    assert recorded_sessions(dutch, WEEK).fleet.vehicles.phases.tolist() == [1]


def test_a_whole_record_of_the_acn_interface_is_read():
    record = {
        "_id": "5c36621ef9af8b4639a8e0b0",
        "clusterID": "0039",
        "connectionTime": "Mon, 13 Jan 2025 07:00:00 GMT",
        "disconnectTime": "Mon, 13 Jan 2025 15:30:00 GMT",
        "doneChargingTime": None,
        "kWhDelivered": 9.5,
        "sessionID": "2_39_138_560_2025",
        "siteID": "0002",
        "spaceID": "CA-303",
        "stationID": "2-39-138-560",
        "timezone": "America/Los_Angeles",
        "userID": None,
    }
    result = recorded_sessions(pl.DataFrame([record]), WEEK)
    assert len(result.rejections) == 0 and len(result.fleet.sessions) == 1


def test_times_as_dutch_spreadsheets_write_them():
    frame = pl.DataFrame(
        {
            "ChargePoint": ["a"],
            "UTCTransactionStart": ["13-01-2025 07:00"],
            "UTCTransactionStop": ["13-01-2025 08:00:00"],
            "TotalEnergy": ["3,5"],
        }
    )
    assert recorded_sessions(frame, WEEK).fleet.sessions.arrival_min.tolist() == [480]


def test_the_page_names_every_column_that_is_understood():
    page = (Path(__file__).parents[1] / "docs" / "sessions.md").read_text(encoding="utf-8")
    for target, (_, _, names) in SCHEMA.items():
        assert f"| `{target}` |" in page
        assert all(f"`{name}`" in page for name in names)


def test_two_sockets_of_one_point_do_not_clash():
    frame = pl.DataFrame(
        {
            "ChargePoint": ["P", "P"],
            "Connector": ["1", "2"],
            "UTCTransactionStart": ["2025-01-13 07:00:00"] * 2,
            "UTCTransactionStop": ["2025-01-13 09:00:00"] * 2,
            "TotalEnergy": [5.0, 5.0],
        }
    )
    assert recorded_sessions(frame, WEEK).fleet.n_points == 2


def test_parquet_with_real_datetimes_and_a_given_zone(tmp_path):
    frame = pl.DataFrame(
        {"point": ["a"], "start": ["2025-01-13 08:00:00"], "end": ["2025-01-13 10:00:00"], "Energy": [3]}
    )
    frame = frame.with_columns(pl.col("start", "end").str.to_datetime())
    path = tmp_path / "s.parquet"
    frame.write_parquet(path)
    assert read_recorded(path, WEEK).fleet.sessions.arrival_min.tolist() == [480]
    assert read_recorded(path, WEEK, time_zone="UTC").fleet.sessions.arrival_min.tolist() == [540]


def test_naive_times_need_a_zone(tmp_path):
    path = write(tmp_path, [ROWS[0][0].replace("+01:00", "")])
    assert len(read_recorded(path, WEEK).rejections) == 1
    assert read_recorded(path, WEEK, time_zone="Europe/Amsterdam").fleet.sessions.arrival_min.tolist() == [480]


def test_missing_columns_and_files_are_refused_with_what_would_be_right(tmp_path):
    with pytest.raises(ValueError, match=r"missing columns: departure.*energy_kwh.*found point, arrival"):
        recorded_sessions(pl.DataFrame({"point": ["a"], "arrival": ["x"]}), WEEK)
    with pytest.raises(ValueError, match="no such file"):
        read_recorded(tmp_path / "none.csv", WEEK)
    other = tmp_path / "a.xlsx"
    other.write_text("")
    with pytest.raises(ValueError, match=r"expected \.csv or \.parquet"):
        read_recorded(other, WEEK)


def test_a_semicolon_file_with_decimal_commas(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("point;arrival;departure;energy_kwh\na;2025-01-13T08:00:00Z;2025-01-13T10:00:00Z;3,5\n")
    assert read_recorded(path, WEEK).fleet.sessions.need_kwh.tolist() == [3.5]


def test_a_file_without_good_rows_gives_an_empty_fleet(tmp_path):
    result = read_recorded(write(tmp_path, [ROWS[2][0]]), WEEK)
    assert result.fleet.n_evs == 0 and len(result.rejections) == 1


def test_power_is_as_stated_and_ordinary_where_nothing_was():
    """7.4 kW is one phase of 32 A; who states nothing charges with 11 kW, however long the stay."""
    day = Horizon(date(2026, 1, 20), 1)
    rows = {
        "point": ["a", "b", "c"],
        "arrival": ["2026-01-20T08:00:00Z"] * 3,
        "departure": ["2026-01-20T18:00:00Z"] * 3,
        "energy_kwh": [22.1, 12.5, 200.0],
        "max_kw": [7.4, None, None],
    }
    found = recorded_sessions(pl.DataFrame(rows), day).fleet
    s = found.sessions
    high = rated(found.vehicles, found.points, s.ev_row, s.cp_row)[1]
    by_point = dict(zip(s.cp_row.tolist(), high.tolist(), strict=True))
    assert by_point[0] == pytest.approx(7.36)
    assert by_point[1] == pytest.approx(11.04)
    assert by_point[2] >= 20.0
