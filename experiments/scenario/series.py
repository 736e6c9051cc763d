"""A user's own time series: read, check and bring to one value per 15-minute period of the run.

One schema for all kinds: a CSV or Parquet file with a column of interval starts and a column of values. Times carry
an offset (``2025-01-01T00:00:00Z``) or are wall-clock times of the stated ``time_zone``; on the October change day the
repeated hour is told apart by its order in the file. Intervals of 15, 30 or 60 minutes are repeated to quarters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from experiments.scenario.faults import Fault, nearest
from experiments.scenario.sections import SeriesSection
from markets.calendar import Horizon


@dataclass(frozen=True)
class Kind:
    """What a kind of series must look like: factor to the internal unit by unit name, and the sensible range."""

    units: Mapping[str, float]
    low: float
    high: float


KINDS: dict[str, Kind] = {
    "price_eur_per_mwh": Kind({"EUR/MWh": 1.0, "EUR/kWh": 1000.0, "ct/kWh": 10.0}, -1000.0, 10000.0),
    "load_mw": Kind({"MW": 1.0, "GW": 1000.0, "kW": 0.001}, 0.0, 100_000.0),
    "solar_share": Kind({"share": 1.0, "%": 0.01}, 0.0, 1.0),
    "wind_share": Kind({"share": 1.0, "%": 0.01}, 0.0, 1.0),
}
_UNIT_SUFFIXES = {
    "_eur_per_mwh": "EUR/MWh",
    "_eur_per_kwh": "EUR/kWh",
    "_ct_per_kwh": "ct/kWh",
    "_mw": "MW",
    "_gw": "GW",
    "_kw": "kW",
    "_share": "share",
    "_percent": "%",
}
_STEPS_MIN = (15, 30, 60)


class _Refused(Exception):
    """One fault inside a series, as (key, text)."""


def read_series(
    kind: str, spec: SeriesSection, folder: Path, horizon: Horizon, file: str
) -> tuple[np.ndarray | None, list[Fault]]:
    """Read one series for a horizon.

    Parameters
    ----------
    kind : str
        Key of :data:`KINDS`.
    spec : SeriesSection
        Where it is and what unit it has.
    folder : Path
        Folder of the scenario; relative paths start there.
    horizon : Horizon
        Periods of the run.
    file : str
        Scenario name for faults.

    Returns
    -------
    values : numpy.ndarray or None
        float64[n_periods] in the unit of the kind's name, None if refused.
    faults : list of Fault
        What is wrong.
    """
    place = f"series.{kind}"
    try:
        factor = _factor(kind, spec)
        table = _table(folder / spec.file, spec)
        starts_min, values = _columns(table, spec)
        filled = _on_periods(starts_min, values * factor, spec, horizon)
        _check_range(kind, filled, spec)
    except _Refused as refused:
        key, text = refused.args
        return None, [Fault(file, f"{place}.{key}", text)]
    return filled, []


def _factor(kind: str, spec: SeriesSection) -> float:
    units = KINDS[kind].units
    if spec.unit not in units:
        raise _Refused("unit", f"'{spec.unit}' is not a unit of {kind}; {nearest(spec.unit, units)}")
    for suffix, unit in sorted(_UNIT_SUFFIXES.items(), key=lambda item: -len(item[0])):
        if spec.column.endswith(suffix):
            if unit != spec.unit:
                raise _Refused("unit", f"'{spec.unit}' contradicts the column's name '{spec.column}' ({unit})")
            break
    return units[spec.unit]


def _table(path: Path, spec: SeriesSection) -> Any:
    import polars as pl

    if not path.is_file():
        raise _Refused("file", f"no such file: {path}")
    readers: dict[str, Callable[[Path], Any]] = {".csv": pl.read_csv, ".parquet": pl.read_parquet}
    if path.suffix.lower() not in readers:
        raise _Refused("file", f"{path.name} must end in .csv or .parquet")
    try:
        table = readers[path.suffix.lower()](path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _Refused("file", f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    for key in ("time_column", "column"):
        name = getattr(spec, key)
        if name not in table.columns:
            raise _Refused(key, f"{path.name} has no column '{name}'; {nearest(name, table.columns)}")
    return table


def _columns(table: Any, spec: SeriesSection) -> tuple[np.ndarray, np.ndarray]:
    """Interval starts in UTC minutes since 1970, int64[n], and values, float64[n]."""
    values = table[spec.column]
    if not values.dtype.is_numeric():
        raise _Refused("column", f"'{spec.column}' holds {values.dtype}, not numbers")
    numbers = values.cast(float).to_numpy()
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise _Refused("column", f"'{spec.column}' is empty or not finite in data row {row + 1}")
    return _utc_minutes(table[spec.time_column].to_list(), spec), numbers


def _utc_minutes(times: list[Any], spec: SeriesSection) -> np.ndarray:
    try:
        zone = ZoneInfo(spec.time_zone)
    except (KeyError, ValueError, OSError):
        text = f"'{spec.time_zone}' is not a time zone; write for example UTC or Europe/Amsterdam"
        raise _Refused("time_zone", text) from None
    seen: set[datetime] = set()
    minutes = np.empty(len(times), dtype=np.int64)
    for row, raw in enumerate(times):
        minutes[row] = _minute(_instant(raw, row), zone, seen, row)
    return minutes


def _instant(raw: Any, row: int) -> datetime:
    if isinstance(raw, datetime):
        return raw
    try:
        return datetime.fromisoformat(str(raw))
    except ValueError:
        text = f"{raw!r} in data row {row + 1} is not a time such as 2026-01-19T00:15:00Z"
        raise _Refused("time_column", text) from None


def _minute(instant: datetime, zone: ZoneInfo, seen: set[datetime], row: int) -> int:
    if instant.tzinfo is None:
        local = instant.replace(tzinfo=zone, fold=1 if instant in seen else 0)
        seen.add(instant)
        if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != instant:
            text = f"{instant} in data row {row + 1} does not exist in {zone.key} (clock change)"
            raise _Refused("time_column", text)
        instant = local
    seconds = instant.timestamp()
    if seconds % 60:
        raise _Refused("time_column", f"{instant} in data row {row + 1} is not a whole minute")
    return int(seconds // 60)


def _on_periods(starts_min: np.ndarray, values: np.ndarray, spec: SeriesSection, horizon: Horizon) -> np.ndarray:
    """Values of the run's periods, each from the interval that covers it."""
    if len(starts_min) < 2:
        raise _Refused("file", f"{spec.file} has {len(starts_min)} rows; at least two are needed to see its step")
    gaps = np.diff(starts_min)
    if (gaps <= 0).any():
        wrong = int(np.flatnonzero(gaps <= 0)[0]) + 2
        raise _Refused("time_column", f"times must rise without repetition; data row {wrong} does not")
    step = int(np.bincount(np.minimum(gaps, 1441)).argmax())
    if step not in _STEPS_MIN or (starts_min % 15).any():
        raise _Refused("time_column", f"intervals must start at quarters and last 15, 30 or 60 min, not {step} min")
    wanted = horizon.start_utc.astype("datetime64[m]").astype(np.int64)
    row: np.ndarray = np.searchsorted(starts_min, wanted, side="right") - 1
    last = np.maximum(row, 0)
    gap_min = np.append(gaps - step, 1_000_000)[last]
    is_covered = wanted < starts_min[last] + step
    absent = (row < 0) | (~is_covered & (gap_min > spec.largest_gap_min))
    if absent.any():
        raise _Refused(*_missing(wanted, absent, starts_min, step, spec))
    return values[row]


def _missing(
    wanted: np.ndarray, absent: np.ndarray, starts_min: np.ndarray, step: int, spec: SeriesSection
) -> tuple[str, str]:
    def text(minute: int) -> str:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=int(minute))).strftime("%Y-%m-%d %H:%M UTC")

    first, last = int(starts_min[0]), int(starts_min[-1]) + step
    if wanted[0] < first or wanted[-1] >= last:
        return "file", (
            f"covers {text(first)} to {text(last)}, but the run needs {text(wanted[0])} to {text(wanted[-1] + 15)}; "
            "change scenario.first_day or scenario.days"
        )
    n = int(absent.sum())
    where = text(wanted[np.flatnonzero(absent)[0]])
    return (
        "file",
        f"{n} quarter-hours of the run are missing, the first at {where}; set largest_gap_min or repair the file",
    )


def _check_range(kind: str, values: np.ndarray, spec: SeriesSection) -> None:
    rule = KINDS[kind]
    low, high = float(values.min()), float(values.max())
    if low < rule.low or high > rule.high:
        text = (
            f"values {low:g} to {high:g} (in {_internal(kind)}) are outside {rule.low:g} to {rule.high:g}; check unit"
        )
        raise _Refused("unit", text)
    if kind == "price_eur_per_mwh" and max(abs(low), abs(high)) < 2.0 and high > low:
        text = f"prices stay within {low:g} to {high:g} EUR/MWh, which looks like EUR/kWh; the file says '{spec.unit}'"
        raise _Refused("unit", text)


def _internal(kind: str) -> str:
    return next(unit for unit, factor in KINDS[kind].units.items() if factor == 1.0)
