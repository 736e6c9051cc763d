"""The bundled demo: an hour of market time with 500 simulated points and three station programs, in hold mode.

It is an ordinary run of the bundled scenario ``hardware_demo`` with ``[[hardware]]`` entries. Which hour and which
three points is found by a rehearsal with and without redispatch; what the stations are told in the run itself comes
from the bids of that run.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from experiments.hil.programs import station_programs
from experiments.hil.rehearsal import HOUR, Place, Rehearsal, find_place, rehearse
from experiments.results import Results
from experiments.run import run_scenario
from experiments.scenario import Scenario, read_scenario

SCENARIO = "hardware_demo"
STATIONS = (("DEMO-1", "1.6"), ("DEMO-2", "2.0.1"), ("DEMO-3", "2.1"))
WAIT_S = 60.0
LEASE_S = 3.0


class NoRedispatch(RuntimeError):
    """No hour in which redispatch holds enough points back."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo found: its folder, and one row per quarter-hour and station beside a run without redispatch."""

    folder: Path
    quarters: pl.DataFrame
    figures: dict[str, float]

    @property
    def has_followed(self) -> bool:
        """Whether every station kept every limit, and drew less where redispatch held it back."""
        called = self.quarters.filter(pl.col("is_redispatched") & (pl.col("limit_kw") < pl.col("free_kw") - 0.5))
        kept = (self.quarters["last_kw"] <= 1.05 * self.quarters["limit_kw"] + 0.05).all()
        less = (called["last_kw"] < called["free_kw"] - 0.5).all()
        return bool(kept and less and called["station_id"].n_unique() == len(STATIONS))


def run_demo(folder: Path, seconds: float, say: Callable[[str], None]) -> DemoResult:
    """Run the demo.

    Parameters
    ----------
    folder : Path
        Where results and recording go.
    seconds : float
        Wall-clock length of the hour.
    say : callable
        Takes a line of progress.

    Raises
    ------
    NoRedispatch
        If the rehearsal finds no hour in which redispatch touches three points.
    """
    say("rehearsal without stations: which hour and which points does redispatch touch?")
    held, free, place = _rehearsals()
    at = f"{place.first // HOUR:02d}:{15 * (place.first % HOUR):02d}"
    say(f"from {at} for an hour: {', '.join(place.names)}; stations come in their place")
    port = free_port()
    scenario = _scenario(folder, place, at, port, seconds)
    with station_programs(_arguments(port, 3600.0 / seconds)):
        run_scenario(scenario, folder / "run", overwrite=True)
    result = _result(folder, place, held, free)
    for line in result.quarters.iter_rows(named=True):
        called = " (redispatch)" if line["is_redispatched"] and line["limit_kw"] < line["free_kw"] - 0.5 else ""
        say(
            f"period {line['period']}{called} {line['station_id']}: told {line['limit_kw']:.2f} kW, without redispatch "
            f"{line['free_kw']:.2f} kW, drawn {line['last_kw']:.2f} kW"
        )
    return result


def _rehearsals() -> tuple[Rehearsal, Rehearsal, Place]:
    held, free = (
        rehearse(read_scenario(SCENARIO, overrides).to_settings())
        for overrides in ((), ("regulation.congestion_tool=none",))
    )
    place = find_place(held, free, len(STATIONS))
    if place is None:
        raise NoRedispatch("no hour of the scenario has redispatch at three points")
    return held, free, place


def _scenario(folder: Path, place: Place, at: str, port: int, seconds: float) -> Scenario:
    """The bundled scenario with stations, written beside the results so that it can be run again by hand."""
    lines = ["[scenario]", 'name = "hil_demo"', f'base = "{SCENARIO}"']
    for (station_id, _), name in zip(STATIONS, place.names, strict=True):
        lines += ["", "[[hardware]]", f'charging_point = "{name}"', f'station_id = "{station_id}"']
        lines += [f"lease_s = {LEASE_S}", "meter_interval_s = 1.0"]
    lines += ["", "[hardware_port]", f"port = {port}", f"real_time_factor = {3600.0 / seconds}", f'live_from = "{at}"']
    lines += ["live_hours = 1.0", f"wait_for_stations_s = {WAIT_S}", f'folder = "{(folder / "port").absolute()}"']
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scenario.toml"
    file.write_text("\n".join(lines) + "\n")
    return read_scenario(str(file))


def _arguments(port: int, factor: float) -> list[list[str]]:
    """Arguments of each station program."""
    options = ["--interval", "1", "--factor", f"{factor:g}", "--capacity", "80", "--soc", "0.2", "--quiet"]
    return [[f"ws://127.0.0.1:{port}", "--id", name, "--ocpp", version, *options] for name, version in STATIONS]


def _result(folder: Path, place: Place, held: Rehearsal, free: Rehearsal) -> DemoResult:
    """From the tables of the run, beside what the points would have been told without redispatch."""
    results = Results.open(folder / "run")
    relieved = results.table("interventions").filter(pl.col("kind") == "redispatch").collect()["period"].unique()
    quarters = (
        results.table("hardware")
        .select("period", "station_id", "charging_point_row", "limit_kw", "power_kw", "last_kw", "is_metered")
        .collect()
        .with_columns(pl.col("period").is_in(relieved.implode()).alias("is_redispatched"))
        .sort("station_id", "period")
    )
    free_kw = [float(free.limit_kw[p, row]) for p, row in quarters.select("period", "charging_point_row").iter_rows()]
    quarters = quarters.with_columns(
        pl.Series("free_kw", free_kw), pl.min_horizontal("limit_kw", pl.lit(11.04)).alias("limit_kw")
    )
    figures = results.table("hardware_figures").filter(pl.col("station_id") == "").collect()
    wanted = {k: v for k, v in figures.select("figure", "value").iter_rows() if not math.isnan(v)}
    return DemoResult(folder, quarters, wanted)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
