"""What a run with physical stations says on the screen: where they must call, and how each of them did."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from experiments.results import Results
from experiments.scenario import Scenario

TROUBLE = {
    "refused": "is refused: it does not fall back to its safe limit by itself (insist = true steers it all the same; "
    "to commission it again, remove its file under state/stations in the hardware folder)",
    "proof_undecided": "could not show that it falls back (its car draws too little); held at its safe limit",
    "uncontrollable": "takes no form of charging profile",
    "locked": "did not stop when told and was taken out of service",
    "overdraw": "drew more than it was told",
    "power_mismatch": "tells another power than its register shows; the register counts",
    "rebased": "has a register that jumped; the energy goes on where it stood",
    "clock_off": "has a clock that is off; its time stamps are corrected",
    "other_device": "is another device than the one that was commissioned",
    "emergency_stop": "was stopped by the emergency stop",
}
"""Events that a user should hear of, and what they mean."""


def announcement(scenario: Scenario) -> list[str]:
    """Lines before a run: where its stations must call and when."""
    stations, port = scenario.sections.hardware, scenario.sections.hardware_port
    scheme = "wss" if port.security_profile > 1 else "ws"
    lines = []
    for station in stations:
        where = station.address or f"{scheme}://{port.host}:{port.port}/{station.station_id}"
        doing = "is called at" if station.address else "must call"
        lines.append(f"station {station.station_id} ({station.charging_point}) {doing} {where}")
    if stations:
        since = f"at {port.live_from}" if port.live_from else "from the start"
        pace = "real time, metered" if port.real_time_factor == 1.0 else f"{port.real_time_factor:g} times as fast"
        lines.append(f"they take part {since}, after at most {port.wait_for_stations_s:g} s of waiting; {pace}")
    return lines


def station_lines(folder: Path) -> list[str]:
    """Lines after a run: energy, set-points and trouble of every station."""
    results = Results.open(folder)
    told = results.table("hardware").collect()
    if told.is_empty():
        return []
    events = results.table("hardware_events").collect()
    lines = []
    for name in told["station_id"].unique(maintain_order=True).to_list():
        mine, seen = told.filter(pl.col("station_id") == name), events.filter(pl.col("station_id") == name)
        kinds = seen["kind"].to_list()
        if "connected" not in kinds:
            lines.append(f"station {name}: never came")
            continue
        steered, kwh = 100.0 * float(mine["is_steerable"].mean() or 0.0), float(mine["energy_kwh"].sum())  # type: ignore[arg-type]
        measured = "metered" if mine["is_metered"].any() else "from power, not metered"
        lines.append(f"station {name}: {kwh:.2f} kWh ({measured}), could be steered {steered:.0f} % of the time")
        lines += [f"station {name} {meaning}" for kind, meaning in TROUBLE.items() if kind in kinds]
    return lines
