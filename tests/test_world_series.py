"""A user's series: what is accepted, every fault at once, days with a clock change, the prices of 2025."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.world.prices_2025 import PUBLISHED, price_figures
from agents.world.series import Series, SeriesError, read_series
from markets.calendar import Horizon

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "prices" / "nl_day_ahead_2025.csv"
ZONE = ZoneInfo("Europe/Amsterdam")


def written(folder: Path, header: str, rows: Sequence[str], name: str = "series.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def faults_of(path: Path, kind: str = "price", **options: object) -> tuple[str, ...]:
    with pytest.raises(SeriesError) as caught:
        read_series(path, kind, **options)  # type: ignore[arg-type]
    assert str(path) in str(caught.value)
    return caught.value.faults


def utc_rows(values: Sequence[object], step_min: int = 15, start: str = "2025-01-01T00:00") -> list[str]:
    first = datetime.fromisoformat(start)
    return [f"{first + timedelta(minutes=step_min * i):%Y-%m-%dT%H:%M:%SZ},{v}" for i, v in enumerate(values)]


def local_rows(day: date, step_min: int = 15) -> list[str]:
    """Rows of one local day in wall-clock time with its number as value."""
    horizon = Horizon(day, 1)
    instants = horizon.start_utc[:: step_min // 15]
    local = [t.astype(datetime).replace(tzinfo=ZoneInfo("UTC")).astimezone(ZONE) for t in instants]
    return [f"{t:%Y-%m-%d %H:%M},Europe/Amsterdam,{i}" for i, t in enumerate(local)]


@pytest.mark.parametrize("step_min, expected", [(15, [1, 2, 3, 4]), (30, [1, 1, 2, 2]), (60, [1, 1, 1, 1])])
def test_intervals_are_repeated_to_quarters(tmp_path: Path, step_min: int, expected: list[int]) -> None:
    series = read_series(written(tmp_path, "time_utc,load_mw", utc_rows([1, 2, 3, 4], step_min)), "load")
    assert series.step_min == step_min and series.filled_quarters == 0
    assert series.value.size == 4 * step_min // 15
    assert series.value[:4].tolist() == expected
    assert series.start_utc[0] == np.datetime64("2025-01-01T00:00:00")


@pytest.mark.parametrize(
    "kind, column, raw, value",
    [
        ("price", "price_eur_per_kwh", 0.3, 300.0),
        ("price", "day_ahead_ct_per_kwh", 30, 300.0),
        ("load", "load_gw", 13, 13_000.0),
        ("solar", "pv_percent", 40, 0.4),
        ("wind", "value_share", 0.4, 0.4),
    ],
)
def test_units_come_from_the_columns_name(tmp_path: Path, kind: str, column: str, raw: float, value: float) -> None:
    assert read_series(written(tmp_path, f"time_utc,{column}", utc_rows([raw, raw])), kind).value == pytest.approx(
        value
    )


def test_offsets_and_parquet(tmp_path: Path) -> None:
    rows = ["2025-01-01T01:00:00+01:00,5", "2025-01-01T00:15:00+00:00,6"]
    assert read_series(written(tmp_path, "time_utc,x_mw", rows), "load").value.tolist() == [5.0, 6.0]
    path = tmp_path / "series.parquet"
    times = pl.Series("time_utc", [datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 15)]).dt.replace_time_zone("UTC")
    pl.DataFrame([times, pl.Series("x_mw", [5, 6])]).write_parquet(path)
    series = read_series(path, "load")
    assert series.value.tolist() == [5.0, 6.0] and series.start_utc[0] == np.datetime64("2025-01-01T00:00:00")


@pytest.mark.parametrize("day, n", [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 6, 1), 96)])
@pytest.mark.parametrize("step_min", [15, 60])
def test_local_days_with_92_and_100_quarters(tmp_path: Path, day: date, n: int, step_min: int) -> None:
    series = read_series(written(tmp_path, "time_local,time_zone,load_mw", local_rows(day, step_min)), "load")
    values = series.on(Horizon(day, 1))
    assert values.size == n
    assert values[:: step_min // 15].tolist() == list(range(n * 15 // step_min))


def test_october_day_without_its_repeated_hour_is_a_gap(tmp_path: Path) -> None:
    rows = [row for i, row in enumerate(local_rows(date(2025, 10, 26))) if not 12 <= i < 16]
    path = written(tmp_path, "time_local,time_zone,load_mw", rows)
    assert "4 quarters missing from 2025-10-26 01:00 UTC to 2025-10-26 02:00 UTC" in faults_of(path, "load")[0]


def test_spring_hour_that_does_not_exist(tmp_path: Path) -> None:
    rows = [
        "2025-03-30 01:45,Europe/Amsterdam,1",
        "2025-03-30 02:00,Europe/Amsterdam,2",
        "2025-03-30 03:00,Europe/Amsterdam,3",
    ]
    faults = faults_of(written(tmp_path, "time_local,time_zone,load_mw", rows), "load")
    assert faults == (
        "row 2, column time_local, '2025-03-30 02:00': does not exist in Europe/Amsterdam (clock change in spring)",
    )


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    rows = utc_rows([50, "n/a", 60, 99999, 70, 80, 90, 95])
    rows[4] = rows[3].split(",")[0] + ",70"
    rows[6] = "yesterday,90"
    faults = faults_of(written(tmp_path, "time_utc,price_eur_per_mwh", rows))
    text = "\n".join(faults)
    assert "row 2, column price_eur_per_mwh, 'n/a': not a number" in text
    assert "row 4, column price_eur_per_mwh, '99999': must lie within -1000 to 10000 eur_per_mwh" in text
    assert "row 5, 2025-01-01 00:45 UTC: repeats the time of the row before; keep one" in text
    assert "row 7, column time_utc, 'yesterday': not a time" in text
    assert len(faults) == 4


def test_many_faults_are_counted_not_all_printed(tmp_path: Path) -> None:
    path = written(tmp_path, "time_utc,load_mw", utc_rows(["x"] * 50))
    with pytest.raises(ValueError, match="and 30 more") as caught:
        read_series(path, "load")
    assert len(caught.value.faults) == 50  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "header, rows, part",
    [
        ("time_utc,price", utc_rows([1, 2]), "must end in _eur_per_mwh or _eur_per_kwh or _ct_per_kwh"),
        ("time_utc,load_mw", utc_rows([1, 2]), "have no unit of a price"),
        ("time,price_eur_per_mwh", utc_rows([1, 2]), "needs a column time_utc, or time_local together with time_zone"),
        ("time_utc,price_eur_per_mwh", utc_rows([1, 50], 20), "intervals last 20 min"),
        ("time_utc,price_eur_per_mwh", utc_rows([1, 50], start="2025-01-01T00:05"), "does not start on a quarter-hour"),
        ("time_utc,price_eur_per_mwh", utc_rows([50, 60, 70])[::-1], "earlier than the row before; sort by time"),
        ("time_utc,price_eur_per_mwh", utc_rows([50]), "1 rows; at least two"),
        ("time_utc,price_eur_per_mwh", utc_rows([0.05, 0.3]), "look like EUR/kWh"),
        ("time_utc,a_eur_per_mwh,b_eur_per_mwh", [r + ",1" for r in utc_rows([1, 2])], "say which by column="),
        ("time_local,time_zone,x_eur_per_mwh", ["2025-01-01 00:00,Mars/Base,1"] * 2, "not a time zone"),
        (
            "time_local,time_zone,x_eur_per_mwh",
            ["2025-01-01 00:00,Europe/Amsterdam,50", "2025-01-01 00:15,UTC,50"],
            "one file has one zone",
        ),
        (
            "time_local,time_zone,x_eur_per_mwh",
            ["2025-01-01T00:00Z,UTC,50", "2025-01-01 00:15,UTC,50"],
            "name the column time_utc instead",
        ),
    ],
)
def test_each_fault_says_what_would_be_right(tmp_path: Path, header: str, rows: list[str], part: str) -> None:
    assert any(part in fault for fault in faults_of(written(tmp_path, header, rows)))


def test_unreadable_files_and_unknown_kinds(tmp_path: Path) -> None:
    assert faults_of(tmp_path / "absent.csv") == ("no such file",)
    assert "must end in .csv or .parquet" in faults_of(written(tmp_path, "a", ["1"], "series.txt"))[0]
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    assert "cannot be read" in faults_of(broken)[0]
    good = written(tmp_path, "time_utc,x_mw", utc_rows([1, 2]))
    assert "is not one of price, load, solar, wind" in faults_of(good, "heat")[0]
    assert "no column 'y_mw'" in faults_of(good, "load", column="y_mw")[0]
    assert (
        "has no unit of a load" in faults_of(written(tmp_path, "time_utc,x", utc_rows([1, 2])), "load", column="x")[0]
    )


def test_an_hour_among_quarters_overlaps(tmp_path: Path) -> None:
    rows = [*utc_rows([1, 2, 3], 60), "2025-01-01T02:15:00Z,4"]
    assert (
        "row 4, 2025-01-01 02:15 UTC: overlaps the row before, which lasts 60 min"
        in faults_of(written(tmp_path, "time_utc,x_mw", rows), "load")[0]
    )


def test_gaps_are_filled_only_when_allowed_and_counted(tmp_path: Path) -> None:
    rows = utc_rows([1, 2, 3, 4, 5, 6])
    path = written(tmp_path, "time_utc,x_mw", rows[:2] + rows[4:])
    assert (
        "2 quarters missing from 2025-01-01 00:30 UTC to 2025-01-01 01:00 UTC"
        in faults_of(path, "load", largest_gap_min=15)[0]
    )
    series = read_series(path, "load", largest_gap_min=30)
    assert series.value.tolist() == [1.0, 2.0, 2.0, 2.0, 5.0, 6.0] and series.filled_quarters == 2


def test_days_outside_the_file_are_named(tmp_path: Path) -> None:
    series = read_series(written(tmp_path, "time_utc,x_mw", utc_rows(range(96), start="2025-05-31T22:00")), "load")
    assert series.on(Horizon(date(2025, 6, 1), 1)).tolist() == list(range(96))
    with pytest.raises(SeriesError, match="2025-06-02 has 0 of 96 quarters"):
        series.on(Horizon(date(2025, 6, 1), 2))


@settings(max_examples=60, deadline=None)
@given(offset=st.integers(0, 60), n=st.integers(2, 40), day=st.integers(0, 364))
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, offset: int, n: int, day: int
) -> None:
    start = datetime(2025, 1, 1) + timedelta(days=day, minutes=15 * offset)
    rows = utc_rows([i * 1.5 for i in range(n)], start=start.isoformat())
    series = read_series(written(tmp_path_factory.mktemp("s"), "time_utc,x_mw", rows), "load")
    assert series.value == pytest.approx(np.arange(n) * 1.5)
    assert series.start_utc[0] == np.datetime64(start)


@pytest.fixture(scope="module")
def prices_2025() -> Series:
    if not SHARED.is_file():
        pytest.skip("the folder ../shared with the Dutch prices of 2025 is not beside this checkout")
    return read_series(SHARED, "price", largest_gap_min=60)


@pytest.mark.shared
def test_prices_of_2025_have_one_gap_of_four_quarters(prices_2025: Series) -> None:
    assert "4 quarters missing from 2025-10-26 01:00 UTC to 2025-10-26 02:00 UTC" in faults_of(SHARED)[0]
    assert prices_2025.filled_quarters == 4 and prices_2025.value.size == 35_040
    assert prices_2025.on(Horizon(date(2025, 10, 26), 1)).size == 100
    assert prices_2025.on(Horizon(date(2025, 3, 30), 1)).size == 92


@pytest.mark.shared
def test_prices_of_2025_give_the_published_figures(prices_2025: Series) -> None:
    year = Horizon(date(2025, 1, 1), 365)
    figures = price_figures(prices_2025.on(year), year)
    assert figures.mean == pytest.approx(PUBLISHED.mean, abs=0.1)
    assert figures.std == pytest.approx(PUBLISHED.std, abs=0.1)
    assert figures.negative_share == pytest.approx(PUBLISHED.negative_share, abs=0.001)
    assert figures.daily_spread == pytest.approx(PUBLISHED.daily_spread, abs=1.0)
    assert np.max(np.abs(figures.by_hour - PUBLISHED.by_hour)) < 1.0
    autumn = Horizon(date(2025, 10, 1), 92)
    assert price_figures(prices_2025.on(autumn), autumn).hour_range == pytest.approx(PUBLISHED.hour_range, abs=0.2)
