"""Time series of the user's own: one schema, every fault at once.

Schema of a CSV or Parquet file, one row per interval:

* the start of the interval: ``time_utc`` (ISO 8601, ``2025-01-01T00:15:00Z``; an offset may stand instead of ``Z``),
  or ``time_local`` (wall-clock time) with a column ``time_zone`` that names the zone on every row, always the same; on
  the October day the repeated hour is told apart by its order in the file;
* the value, in a column whose name ends in the unit: ``price_eur_per_mwh``, ``load_mw``, ``value_share`` …

Intervals last 15, 30 or 60 minutes, start on a quarter, rise and do not repeat. Gaps are refused unless they are at
most ``largest_gap_min`` long; then the last value before the gap is repeated and the filled quarters are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from markets.calendar import Horizon

MOST_FAULTS_SHOWN = 20
STEPS_MIN = (15, 30, 60)
UNIT_FACTORS: dict[str, dict[str, float]] = {
    "price": {"_eur_per_mwh": 1.0, "_eur_per_kwh": 1000.0, "_ct_per_kwh": 10.0},
    "load": {"_mw": 1.0, "_gw": 1000.0, "_kw": 0.001},
    "solar": {"_share": 1.0, "_percent": 0.01},
    "wind": {"_share": 1.0, "_percent": 0.01},
}
RANGES = {"price": (-1000.0, 10_000.0), "load": (0.0, 100_000.0), "solar": (0.0, 1.0), "wind": (0.0, 1.0)}


class SeriesError(ValueError):
    """All that is wrong with one file.

    Parameters
    ----------
    path : Path
        The file.
    faults : sequence of str
        Place, value and what would be right, each.
    """

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        hidden = len(faults) - MOST_FAULTS_SHOWN
        more = [f"and {hidden} more"] if hidden > 0 else []
        super().__init__(f"{path}: " + "; ".join([*faults[:MOST_FAULTS_SHOWN], *more]))


@dataclass(frozen=True)
class Series:
    """A checked series in quarter-hours.

    Parameters
    ----------
    path : Path
        Where it came from.
    start_utc : array of datetime64[s], shape (n,)
        First instants of consecutive quarters, without gaps.
    value : array of float, shape (n,)
        EUR/MWh for prices, MW for loads, 0 to 1 for sun and wind.
    step_min : int
        Resolution of the file.
    filled_quarters : int
        Quarters that repeat the value before a gap.
    """

    path: Path
    start_utc: np.ndarray
    value: np.ndarray
    step_min: int
    filled_quarters: int

    def on(self, horizon: Horizon) -> np.ndarray:
        """Values of a horizon's periods, shape (n_periods,).

        Raises
        ------
        SeriesError
            Naming every local day that is not covered, with the quarters it has and should have (92, 96 or 100).
        """
        row = (horizon.start_utc - self.start_utc[0]) // np.timedelta64(900, "s")
        is_there = (row >= 0) & (row < self.value.size)
        if is_there.all():
            return self.value[row]
        covered = f"{self.start_utc[0]} to {self.start_utc[-1] + np.timedelta64(900, 's')} UTC"
        faults = [
            f"{horizon.date_of(day)} has {int(is_there[part].sum())} of {part.stop - part.start} quarters; the file "
            f"covers {covered}"
            for day, part in ((d, horizon.day_slice(d)) for d in range(horizon.days))
            if not is_there[part].all()
        ]
        raise SeriesError(self.path, faults)


def read_series(path: Path, kind: str, *, column: str | None = None, largest_gap_min: int = 0) -> Series:
    """Read and check one file.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.parquet`` file of the schema above.
    kind : str
        "price", "load", "solar" or "wind".
    column : str, optional
        Value column; needed where several columns carry a unit of this kind.
    largest_gap_min : int
        Longest gap that is filled.

    Raises
    ------
    SeriesError
        With every fault: file, row (the first data row is 1), column, value and what would be right.
    """
    table = _table(path)
    name, factor = _value_column(path, table, kind, column)
    faults: list[str] = []
    seconds = _instants(path, table, faults)
    value = _numbers(table[name], name, kind, factor, faults)
    step_min = _check_times(seconds, faults)
    if faults:
        raise SeriesError(path, faults)
    return _without_gaps(path, seconds, value, step_min, largest_gap_min)


def _table(path: Path) -> Any:
    """Read the file; every CSV cell stays text so that faults can quote it."""
    import polars as pl

    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise SeriesError(path, ["the name must end in .csv or .parquet"])
    if not path.is_file():
        raise SeriesError(path, ["no such file"])
    try:
        return pl.read_csv(path, infer_schema=False) if suffix == ".csv" else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SeriesError(path, [f"cannot be read: {str(error).splitlines()[0]}"]) from None


def _value_column(path: Path, table: Any, kind: str, column: str | None) -> tuple[str, float]:
    """Name of the value column and the factor to the internal unit, by the unit in the name."""
    if kind not in UNIT_FACTORS:
        raise SeriesError(path, [f"kind {kind!r} is not one of {', '.join(UNIT_FACTORS)}"])
    units = UNIT_FACTORS[kind]
    fitting = [name for name in table.columns if _factor(name, units) is not None]
    if column is not None and column not in table.columns:
        raise SeriesError(path, [f"no column {column!r}; there are {', '.join(table.columns)}"])
    chosen = column if column is not None else fitting[0] if len(fitting) == 1 else None
    factor = None if chosen is None else _factor(chosen, units)
    if chosen is None and fitting:
        raise SeriesError(path, [f"columns {', '.join(fitting)} all look like a {kind}; say which by column="])
    if chosen is None or factor is None:
        said = f"column {column!r} has no unit" if column else f"columns {', '.join(table.columns)} have no unit"
        raise SeriesError(path, [f"{said} of a {kind}; the name must end in {' or '.join(units)}"])
    return chosen, factor


def _factor(name: str, units: dict[str, float]) -> float | None:
    return next((factor for suffix, factor in units.items() if name.endswith(suffix)), None)


def _instants(path: Path, table: Any, faults: list[str]) -> np.ndarray:
    """Starts in seconds since 1970 UTC, float64[n]; NaN where a fault was noted."""
    if "time_utc" in table.columns:
        return np.array([_utc_s(raw, row, faults) for row, raw in enumerate(table["time_utc"].to_list(), start=1)])
    if not {"time_local", "time_zone"} <= set(table.columns):
        text = "needs a column time_utc, or time_local together with time_zone (for example Europe/Amsterdam)"
        raise SeriesError(path, [f"columns {', '.join(table.columns)}: {text}"])
    zones = table["time_zone"].unique(maintain_order=True).to_list()
    try:
        zone = ZoneInfo(str(zones[0]))
    except (KeyError, ValueError, OSError, IndexError):
        raise SeriesError(path, [f"column time_zone, {zones[:1]}: not a time zone such as Europe/Amsterdam"]) from None
    if len(zones) > 1:
        faults.append(f"column time_zone: {zones} differ; one file has one zone")
    seen: set[datetime] = set()
    return np.array(
        [_local_s(raw, row, zone, seen, faults) for row, raw in enumerate(table["time_local"].to_list(), start=1)]
    )


def _moment(raw: Any, row: int, column: str, faults: list[str]) -> datetime | None:
    if isinstance(raw, datetime):
        return raw
    try:
        return datetime.fromisoformat(str(raw).strip())
    except ValueError:
        faults.append(f"row {row}, column {column}, {raw!r}: not a time such as 2025-01-01T00:15:00")
        return None


def _utc_s(raw: Any, row: int, faults: list[str]) -> float:
    moment = _moment(raw, row, "time_utc", faults)
    if moment is None:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _local_s(raw: Any, row: int, zone: ZoneInfo, seen: set[datetime], faults: list[str]) -> float:
    moment = _moment(raw, row, "time_local", faults)
    if moment is None:
        return np.nan
    if moment.tzinfo is not None:
        faults.append(f"row {row}, column time_local, {raw!r}: carries an offset; name the column time_utc instead")
        return np.nan
    instant = moment.replace(tzinfo=zone, fold=1 if moment in seen else 0)
    seen.add(moment)
    if instant.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        faults.append(f"row {row}, column time_local, {raw!r}: does not exist in {zone.key} (clock change in spring)")
        return np.nan
    return instant.timestamp()


def _numbers(cells: Any, name: str, kind: str, factor: float, faults: list[str]) -> np.ndarray:
    import polars as pl

    value = cells.cast(pl.Float64, strict=False).to_numpy().astype(np.float64) * factor
    low, high = RANGES[kind]
    unit = next(iter(UNIT_FACTORS[kind]))[1:]
    wrong = dict.fromkeys(np.flatnonzero(~np.isfinite(value)), "not a number")
    outside = np.flatnonzero((value < low) | (value > high))
    wrong |= dict.fromkeys(outside, f"must lie within {low:g} to {high:g} {unit}")
    faults += [f"row {row + 1}, column {name}, {cells[int(row)]!r}: {text}" for row, text in sorted(wrong.items())]
    largest = float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
    if kind == "price" and factor == 1.0 and 0.0 < largest < 2.0:
        faults.append(f"column {name}: all prices are below 2 EUR/MWh and look like EUR/kWh; rename to ..._eur_per_kwh")
    return value


def _check_times(seconds: np.ndarray, faults: list[str]) -> int:
    """Note repeated, falling and uneven starts; return the resolution in minutes."""
    if seconds.size < 2:
        faults.append(f"{seconds.size} rows; at least two are needed to see the resolution")
        return 15
    gaps_s = np.diff(seconds)
    _note(np.flatnonzero(gaps_s == 0.0) + 1, seconds, "repeats the time of the row before; keep one", faults)
    _note(np.flatnonzero(gaps_s < 0.0) + 1, seconds, "earlier than the row before; sort by time", faults)
    _note(np.flatnonzero(seconds % 900.0 > 0.0), seconds, "does not start on a quarter-hour", faults)
    sizes, counts = np.unique(gaps_s[gaps_s > 0.0], return_counts=True)
    if sizes.size == 0:
        return 15
    step_min = float(sizes[np.argmax(counts)]) / 60.0
    if step_min not in STEPS_MIN:
        faults.append(f"intervals last {step_min:g} min; they must last 15, 30 or 60 min")
        return 15
    # a quarter among hours has no single resolution, so its end would be a guess
    overlaps = np.flatnonzero((gaps_s > 0.0) & (gaps_s < 60.0 * step_min)) + 1
    _note(overlaps, seconds, f"overlaps the row before, which lasts {step_min:g} min", faults)
    return int(step_min)


def _note(rows: np.ndarray, seconds: np.ndarray, text: str, faults: list[str]) -> None:
    faults += [f"row {row + 1}, {_said(seconds[row])}: {text}" for row in rows]


def _without_gaps(path: Path, seconds: np.ndarray, value: np.ndarray, step_min: int, largest_gap_min: int) -> Series:
    """Repeat intervals to quarters and fill what may be filled."""
    missing_min = np.diff(seconds) / 60.0 - step_min
    faults = [
        f"after row {row + 1}: {missing_min[row] / 15:g} quarters missing from {_said(seconds[row] + 60 * step_min)} "
        f"to {_said(seconds[row + 1])}; repair the file or allow gaps by largest_gap_min = {missing_min[row]:g}"
        for row in np.flatnonzero(missing_min > largest_gap_min)
    ]
    if faults:
        raise SeriesError(path, faults)
    start = np.int64(seconds[0])
    n = int(seconds[-1] - seconds[0]) // 900 + step_min // 15
    quarters = start + 900 * np.arange(n)
    row = np.searchsorted(seconds, quarters, side="right") - 1
    filled = round(float(np.sum(missing_min))) // 15
    return Series(path, quarters.astype("datetime64[s]"), value[row], step_min, filled)


def _said(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if np.isfinite(seconds) else "no time"
