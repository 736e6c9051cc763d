"""The one declared table of columns of the fleet: name, dtype, unit and meaning of every array.

Three tables are fixed: ``vehicle`` (one row per EV), ``point`` (one row per charging point) and ``session`` (one row
per stay at a charging point); each has a twin, ``..._state``, with what changes while a run goes on. A table is one
array of records, so that a compiled kernel finds a row in one place; its columns are views with a name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Column:
    """One column: the table it stands in, its name, numpy dtype, unit and meaning."""

    table: str
    name: str
    dtype: str
    unit: str
    meaning: str


def _table(table: str, rows: str) -> tuple[Column, ...]:
    """Read a block of lines ``name | dtype | unit | meaning``."""
    split = (tuple(part.strip() for part in line.split("|")) for line in rows.strip().splitlines())
    return tuple(Column(table, name, dtype, unit, meaning) for name, dtype, unit, meaning in split)


COLUMNS: tuple[Column, ...] = (
    *_table(
        "vehicle",
        """
        uid             | u8 | -     | keys every random draw of this EV: group, then number within it
        group           | i1 | -     | index in GROUPS: who owns it and where it is based
        model           | i2 | -     | index in MODELS
        home_area       | i4 | -     | area of its base; street parkers look for a public point here
        base_point      | i4 | row   | its own charging point, -1 if it has none
        work_site       | i4 | -     | site of its workplace, -1 if it never charges at work
        capacity_kwh    | f8 | kWh   | usable energy of the battery as it is now (state of health included)
        soh_share       | f4 | share | state of health
        start_kwh       | f8 | kWh   | energy in the battery before its first trip of the run
        phases          | i1 | -     | phases of the on-board charger
        ac_a            | f4 | A     | highest current per phase of the on-board charger
        min_a           | f4 | A     | lowest current per phase at which it charges
        cable_a         | u1 | A     | rated current of the driver's own cable, counts where the point has none
        dc_kw           | f8 | kW    | highest power at a direct-current point, 0 if it has no such inlet
        efficiency_pu   | f8 | pu    | factor on the published efficiency curve of on-board chargers
        discharge_kw    | f8 | kW    | highest power to the grid, 0 without V2X
        reserve_share   | f4 | share | state of charge below which it never discharges
        warranty_kwh    | f4 | kWh   | what its warranty lets it discharge per week of the run; the rest is kept
        desired_share   | f4 | share | state of charge the driver wants and the car stops at
        minimum_share   | f4 | share | state of charge the driver wants at once, before anything smart
        sleep_after_min | f4 | min   | pause after which the car falls asleep, infinite for most
        wake_min        | f4 | min   | time the point needs to wake it; infinite: it sleeps on until plugged in anew
        price_focus     | f4 | share | weight of money against CO2: 1 price focus, 0 CO2 focus
        app_u           | f4 | -     | uniform draw: states a departure when below the stating share
        oem_u           | f4 | -     | uniform draw: shares state of charge by the maker's API when below that share
        iso15118_u      | f4 | -     | uniform draw: speaks ISO 15118 when below that share
        is_opt_out      | ?  | -     | the driver refuses smart charging
        is_anxious      | ?  | -     | the driver has range anxiety
        """,
    ),
    *_table(
        "point",
        """
        connection_row   | i4 | row | grid connection it hangs on
        segment          | i1 | -   | index in SEGMENTS
        area             | i4 | -   | low-voltage area
        site             | i4 | -   | points of one connection share one site number
        max_kw           | f8 | kW  | rated power
        phases           | i1 | -   | phases of the socket
        first_phase      | i1 | -   | conductor (0, 1, 2) a one-phase car loads
        is_dc            | ?  | -   | converts to direct current itself
        is_bidirectional | ?  | -   | can take power from the car
        is_tethered      | ?  | -   | has a cable of its own; elsewhere the driver's cable is used
        """,
    ),
    *_table(
        "session",
        """
        ev_row               | i4 | row | the EV
        cp_row               | i4 | row | the charging point
        arrival_min          | i4 | min | minutes after the start of the horizon; negative if it arrived before
        departure_min        | i4 | min | minutes after the start of the horizon; may lie behind its end
        stated_departure_min | i4 | min | what the driver said, -1 if nothing
        drive_kwh            | f8 | kWh | drawn from the battery by driving since the previous session
        need_kwh             | f4 | kWh | the same at the meter of the charging point: the drawn session energy
        desired_kwh          | f8 | kWh | energy in the battery at which the car stops charging
        stated_kwh           | f4 | kWh | energy at the meter the driver asked for, -1 if nothing
        is_override          | ?  | -   | the driver pressed "charge now"
        """,
    ),
    *_table(
        "vehicle_state",
        """
        battery_kwh    | f8 | kWh | energy in the battery
        driven_kwh     | f8 | kWh | drawn by driving so far
        elsewhere_kwh  | f8 | kWh | charged outside the simulated points to stay above the floor
        discharged_kwh | f8 | kWh | taken from the battery towards the grid so far
        loss_kwh       | f8 | kWh | lost in its chargers so far
        paused_min     | f4 | min | length of the current pause
        wake_left_min  | f4 | min | time until it wakes
        ev_session     | i4 | row | the session it is in, -1 on the road
        """,
    ),
    *_table(
        "point_state",
        """
        import_kwh  | f8 | kWh | metered from the grid so far
        export_kwh  | f8 | kWh | metered to the grid so far
        last_kw     | f8 | kW  | the last set-point followed
        session_row | i4 | row | the session plugged in, -1 if free
        """,
    ),
    *_table(
        "session_state",
        """
        arrival_kwh        | f8 | kWh | energy in the battery on arrival, or at the start of the run
        departure_kwh      | f8 | kWh | energy in the battery on departure, nan until then
        session_import_kwh | f8 | kWh | metered into the car
        session_export_kwh | f8 | kWh | metered out of the car
        has_driven         | ?  | -   | the trip before it has been taken from the battery
        """,
    ),
)


def columns_of(table: str) -> tuple[Column, ...]:
    """Columns of one table in order."""
    return tuple(column for column in COLUMNS if column.table == table)


def record_type(table: str) -> np.dtype:
    """Record dtype of one table, aligned; wide columns first, so that nothing is lost between them."""
    wide_first = sorted(columns_of(table), key=lambda column: -np.dtype(column.dtype).itemsize)
    return np.dtype([(column.name, column.dtype) for column in wide_first], align=True)


def bytes_per_row(table: str) -> int:
    """Bytes one row of a table takes."""
    return record_type(table).itemsize
