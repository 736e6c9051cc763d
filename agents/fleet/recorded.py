"""A user's own recorded sessions instead of drawn ones: one schema, known column names mapped, bad rows named.

Schema (CSV or Parquet): ``point``, ``arrival``, ``departure``, ``energy_kwh`` are needed; ``ev``, ``segment``,
``max_kw``, ``battery_kwh``, ``connector`` may be there. Times carry an offset, or a time zone is given, or their column
says UTC. The names of the public Dutch (ElaadNL), Caltech (ACN) and municipal files are understood.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agents.fleet.behaviour import rated
from agents.fleet.tables import SEGMENT_OF_KIND, ChargingPoints, Fleet, Sessions, Vehicles
from markets.calendar import Horizon

SCHEMA: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "point": ("text", "charging point", ("ChargePoint", "ChargePoint_ID", "stationID", "station_id", "CP ID", "cp_id")),
    "arrival": (
        "time",
        "plug in",
        ("UTCTransactionStart", "TransactionStart", "connectionTime", "Start_datetime", "start", "arrival_time"),
    ),
    "departure": (
        "time",
        "plug out",
        ("UTCTransactionStop", "TransactionStop", "disconnectTime", "Stop_datetime", "end", "departure_time"),
    ),
    "energy_kwh": ("number", "energy at the meter", ("TotalEnergy", "kWhDelivered", "Energy", "energy", "Total kWh")),
    "ev": ("text", "car or card", ("StartCard", "userID", "user_id", "rfid", "card")),
    "segment": ("text", "home, public_ac, work, depot, shared or dc", ("segment_type", "location_type")),
    "max_kw": ("number", "highest power of the session or point", ("MaxPower", "max_power_kw", "P_max")),
    "battery_kwh": ("number", "usable battery", ("battery", "battery_capacity", "capacity_kwh")),
    "connector": ("text", "socket number or plug type", ("Connector", "Connector_ID", "connector_type")),
}
NEEDED = ("point", "arrival", "departure", "energy_kwh")
CONNECTORS = ("type2", "type1", "ccs", "ccs2", "combo2", "chademo", "mennekes", "tesla")
_AC_KW, _DC_KW = 22.08, 400.0
_USUAL_KW, _ONE_PHASE_KW = 11.04, 7.6
_ENERGY_TOLERANCE = 1.02
_LOCAL_FORMS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%d-%m-%Y %H:%M:%S",  # as Dutch spreadsheets write it; with slashes day and month could be meant either way
    "%d-%m-%Y %H:%M",
)


@dataclass(frozen=True)
class RecordedSessions:
    """What came out of a file.

    Attributes
    ----------
    fleet : Fleet
        EVs, points and sessions of the rows that were kept.
    rejections : polars.DataFrame
        ``row`` (1 = first row of data) and ``reason`` of every row that was not.
    n_rows : int
        Rows in the file; kept plus rejected.
    """

    fleet: Fleet
    rejections: pl.DataFrame
    n_rows: int


def read_recorded(path: Path | str, horizon: Horizon, *, time_zone: str | None = None) -> RecordedSessions:
    """Read a file of recorded sessions.

    Parameters
    ----------
    path : path
        CSV (comma or semicolon) or Parquet.
    horizon : Horizon
        Sessions that touch it are kept.
    time_zone : str, optional
        IANA name for times without offset.

    Raises
    ------
    ValueError
        If the file is missing, of another kind, or lacks needed columns (all named).
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
    elif path.suffix == ".csv":
        first = path.open(encoding="utf-8").readline()
        separator = ";" if first.count(";") > first.count(",") else ","
        frame = pl.read_csv(path, separator=separator, infer_schema=False)
    else:
        raise ValueError(f"{path}: {path.suffix or 'no suffix'}, expected .csv or .parquet")
    return recorded_sessions(frame, horizon, time_zone=time_zone, name=str(path))


def recorded_sessions(
    frame: pl.DataFrame, horizon: Horizon, *, time_zone: str | None = None, name: str = "sessions"
) -> RecordedSessions:
    """Build a fleet from a frame of recorded sessions; arguments as in :func:`read_recorded`."""
    table = _minutes(_mapped(frame, name), horizon, time_zone).with_row_index("row", offset=1)
    reasons = _reasons(table, horizon)
    table = table.with_columns(pl.Series("reason", reasons, dtype=pl.String))
    good = _without_overlaps(table.filter(pl.col("reason").is_null()))
    rejections = pl.concat(
        [
            table.filter(pl.col("reason").is_not_null()).select("row", "reason"),
            good.filter(pl.col("reason").is_not_null()).select("row", "reason"),
        ]
    ).sort("row")
    return RecordedSessions(_fleet(good.filter(pl.col("reason").is_null()), horizon), rejections, len(frame))


def _mapped(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Rename known columns, cast them, and add optional ones that are missing; remembers which times are in UTC."""
    found: dict[str, str] = {}
    lower = {column.lower(): column for column in frame.columns}
    for target, (_, _, names) in SCHEMA.items():
        match = next((lower[n.lower()] for n in (target, *names) if n.lower() in lower), None)
        if match is not None:
            found[target] = match
    missing = [target for target in NEEDED if target not in found]
    if missing:
        wanted = "; ".join(f"{t} (or {', '.join(SCHEMA[t][2])})" for t in missing)
        raise ValueError(f"{name}: missing columns: {wanted}; found {', '.join(frame.columns)}")
    columns = []
    for target, (kind, _, _) in SCHEMA.items():
        source = pl.col(found[target]) if target in found else pl.lit(None)
        if kind == "number":
            source = source.cast(pl.String).str.replace(",", ".").cast(pl.Float64, strict=False)
        elif kind == "text":
            source = source.cast(pl.String).str.strip_chars()
        columns.append(source.alias(target))
    says_utc = pl.lit(found["arrival"].lower().startswith("utc")).alias("is_utc")
    return frame.select(*columns, says_utc)


def _minutes(table: pl.DataFrame, horizon: Horizon, time_zone: str | None) -> pl.DataFrame:
    """Arrival and departure in minutes after the start of the horizon; null where they cannot be read."""
    origin = horizon.midnight_utc(0)
    is_utc = bool(table["is_utc"].any())
    columns = []
    for target in ("arrival", "departure"):
        series = table[target]
        if series.dtype == pl.String or series.dtype == pl.Null:
            instant = _instants(series.cast(pl.String), "UTC" if is_utc else time_zone)
        else:
            aware = series.cast(pl.Datetime("us", getattr(series.dtype, "time_zone", None)))
            if getattr(series.dtype, "time_zone", None) is None:
                zone = "UTC" if is_utc else time_zone or horizon.time_zone
                aware = aware.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            instant = aware.dt.convert_time_zone("UTC")
        minutes = (instant - pl.Series([origin]).cast(pl.Datetime("us", "UTC"))).dt.total_seconds() / 60.0
        columns.append(minutes.alias(f"{target}_min"))
    return table.with_columns(columns)


def _instants(text: pl.Series, zone: str | None) -> pl.Series:
    """Read ISO times with offset, or without if a zone is known, or the RFC 1123 times of ACN files."""
    aware = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us")
    spaced = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us")
    gmt = text.str.strip_suffix(" GMT").str.to_datetime("%a, %d %b %Y %H:%M:%S", strict=False, time_unit="us")
    result = aware.fill_null(spaced).fill_null(gmt.dt.replace_time_zone("UTC"))
    if zone is not None:
        for form in _LOCAL_FORMS:
            naive = text.str.to_datetime(form, strict=False, time_unit="us")
            local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            result = result.fill_null(local.dt.convert_time_zone("UTC"))
    return result


def _reasons(table: pl.DataFrame, horizon: Horizon) -> pl.Series:
    """First reason to reject each row, null if none."""
    stay_h = (pl.col("departure_min") - pl.col("arrival_min")) / 60.0
    segment = pl.col("segment").str.to_lowercase()
    plug = pl.col("connector").str.to_lowercase().str.replace_all(r"[\s_\-]", "")
    most = pl.col("max_kw").fill_null(pl.when(segment.is_in(["dc", "dc_site"])).then(_DC_KW).otherwise(_AC_KW))
    end = horizon.n_periods * horizon.period_min
    checks: list[tuple[pl.Expr, pl.Expr]] = [
        (pl.col("point").is_null(), pl.lit("no charging point")),
        (pl.col("arrival_min").is_null(), pl.lit("arrival is missing, unreadable or has no time zone")),
        (pl.col("departure_min").is_null(), pl.lit("departure is missing, unreadable or has no time zone")),
        (
            pl.col("energy_kwh").is_null() | ~pl.col("energy_kwh").is_finite(),
            pl.lit("energy is missing or not a number"),
        ),
        (pl.col("departure_min") <= pl.col("arrival_min"), pl.lit("departure is not after arrival")),
        (pl.col("energy_kwh") < 0.0, pl.format("energy {} kWh is negative", "energy_kwh")),
        (pl.col("max_kw") <= 0.0, pl.format("power {} kW is not positive", "max_kw")),
        (pl.col("battery_kwh") <= 0.0, pl.format("battery {} kWh is not positive", "battery_kwh")),
        (
            pl.col("segment").is_not_null() & ~segment.is_in(list(SEGMENT_OF_KIND)),
            pl.format("segment '{}' is unknown", "segment"),
        ),
        (
            pl.col("connector").is_not_null() & ~plug.is_in(CONNECTORS) & ~plug.str.contains(r"^\d+$"),
            pl.format("connector '{}' is unknown", "connector"),
        ),
        (
            pl.col("energy_kwh") > _ENERGY_TOLERANCE * pl.col("battery_kwh"),
            pl.format("energy {} kWh is more than the battery of {} kWh holds", "energy_kwh", "battery_kwh"),
        ),
        (
            pl.col("energy_kwh") > _ENERGY_TOLERANCE * most * stay_h,
            pl.format("energy {} kWh is more than the stay allows", "energy_kwh"),
        ),
        ((pl.col("departure_min") <= 0) | (pl.col("arrival_min") >= end), pl.lit("outside the horizon")),
    ]
    reason = pl.lit(None, dtype=pl.String)
    for condition, text in reversed(checks):
        reason = pl.when(condition.fill_null(False)).then(text).otherwise(reason)
    return table.select(reason.alias("reason"))["reason"]


def _socket(table: pl.DataFrame) -> pl.Series:
    """Charging point and socket number together; a plug type does not make another socket."""
    number = pl.col("connector").str.extract(r"^(\d+)$").fill_null("")
    return table.select(pl.concat_str([pl.col("point"), number], separator="/").alias("socket"))["socket"]


def _without_overlaps(table: pl.DataFrame) -> pl.DataFrame:
    """Mark rows whose point or car is still in use by an earlier row that was kept."""
    table = table.with_columns(_socket(table).alias("socket")).sort("arrival_min", "row")
    busy: dict[tuple[str, str], tuple[float, int]] = {}
    reasons: list[str | None] = []
    for row, socket, ev, arrival, departure in table.select(
        "row", "socket", "ev", "arrival_min", "departure_min"
    ).iter_rows():
        keys = [("charging point", socket)] + ([("car", ev)] if ev is not None else [])
        clash = next((k for k in keys if busy.get(k, (-np.inf, 0))[0] > arrival), None)
        reasons.append(f"{clash[0]} {clash[1]} is already in use by row {busy[clash][1]}" if clash else None)
        if not clash:
            busy.update(dict.fromkeys(keys, (departure, row)))
    return table.with_columns(pl.Series("reason", reasons, dtype=pl.String))


def _fleet(table: pl.DataFrame, horizon: Horizon) -> Fleet:
    """Fleet of the kept rows: points and cars as far as the file tells, typical values for the rest."""
    arrival = np.floor(table["arrival_min"].to_numpy()).astype(np.int64)
    departure = np.maximum(np.floor(table["departure_min"].to_numpy()).astype(np.int64), arrival + 1)
    energy = table["energy_kwh"].to_numpy()
    names, cp = np.unique(table["socket"].to_numpy().astype(str), return_inverse=True)
    owner = table.select(pl.col("ev").fill_null(pl.format("row {}", "row")))["ev"]
    cars, ev = np.unique(owner.to_numpy().astype(str), return_inverse=True)
    segment = np.full(len(names), SEGMENT_OF_KIND["public_ac"])
    kinds = table["segment"].cast(pl.String).str.to_lowercase().fill_null("public_ac").to_list()
    segment[cp] = [SEGMENT_OF_KIND[kind] for kind in kinds]
    stated_kw = table["max_kw"].fill_null(float("nan")).to_numpy()
    needed_kw = energy / ((departure - arrival) / 60.0)
    power = np.full(len(cars), 0.0)
    # a long stay says little of the power: who states none has an ordinary 11 kW charger, unless the energy needed more
    np.fmax.at(power, ev, np.fmax(np.where(np.isnan(stated_kw), _USUAL_KW, stated_kw), needed_kw))
    point_kw = np.where(segment == SEGMENT_OF_KIND["dc"], 150.0, _USUAL_KW)
    # a one-phase car of 7.4 kW draws 32 A, which a point of three phases and 11 kW does not give
    wanted_kw = np.where(power <= _ONE_PHASE_KW, 3.0, 1.0)[ev] * power[ev]
    np.fmax.at(point_kw, cp, np.where(wanted_kw > _USUAL_KW + 0.1, wanted_kw / 0.95, _USUAL_KW))
    points = ChargingPoints.of(np.arange(len(names)), segment, point_kw, 3, 0)
    vehicles = _cars(cars, ev, energy, power, table["battery_kwh"].fill_null(0.0).to_numpy())
    eta = rated(vehicles, points, ev, cp)[3]
    sessions = Sessions.of(
        len(ev),
        ev_row=ev,
        cp_row=cp,
        arrival_min=arrival,
        departure_min=departure,
        need_kwh=energy,
        drive_kwh=energy * eta,
        desired_kwh=vehicles.start_kwh[ev],
    )
    return Fleet(vehicles, points, sessions.take(np.lexsort((np.arange(len(ev)), arrival))), horizon)


def _cars(cars: np.ndarray, ev: np.ndarray, energy: np.ndarray, power: np.ndarray, battery: np.ndarray) -> Vehicles:
    """Cars that can hold what they charged, stop below the taper, and have the charger their power points to."""
    largest = np.zeros(len(cars))
    np.maximum.at(largest, ev, energy)
    known = np.zeros(len(cars))
    np.maximum.at(known, ev, battery)
    capacity = np.maximum(np.where(known > 0.0, known, 60.0), largest / 0.8)
    is_one_phase = power <= _ONE_PHASE_KW
    ampere = np.where(power <= 4.0, 16.0, np.where(power <= 7.6, 32.0, np.where(power <= 11.6, 16.0, 32.0)))
    return Vehicles.of(
        len(cars),
        capacity_kwh=capacity,
        start_kwh=0.95 * capacity,
        desired_share=0.95,
        phases=np.where(is_one_phase & (power > 0.0), 1, 3),
        ac_a=np.where(power > 0.0, ampere, 16.0),
        dc_kw=np.maximum(power, 100.0),
    )
