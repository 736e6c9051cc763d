"""Hardware port: how fast a set-point reaches the socket, beside 50 stations and a busy simulation.

The central system runs in a process of its own, as in a run; the stations in another one. Every second all stations
get a new set-point; between posts this process computes in pure Python, as a simulation does. Run by hand:
``python -m benchmarks.bench_hil [stations] [seconds]``.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import platform
import resource
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from agents.hardware.config import HardwareSettings, StationSettings
from agents.hardware.envelope import Envelope
from agents.hardware.keep import write_known
from agents.hardware.seam import HardwarePort
from agents.hardware.wishes import Known


def crowd(port: int, n: int) -> None:
    """Run ``n`` virtual stations, half 1.6 and half 2.0.1, until killed."""
    from agents.hardware.virtual.station import StationOptions, VirtualStation

    async def one(i: int) -> None:
        kind = "1.6" if i % 2 else "2.0.1"
        station = VirtualStation(StationOptions(f"ws://127.0.0.1:{port}", f"B{i}", kind, meter_interval_s=5.0, seed=i))
        asyncio.get_running_loop().call_later(2.0 + i / n, station.plug)
        await station.run()

    async def everyone() -> None:
        await asyncio.gather(*(one(i) for i in range(n)))

    asyncio.run(everyone())


def settings(folder: Path, n: int) -> HardwareSettings:
    """``n`` stations that were commissioned before."""
    stations = tuple(
        StationSettings(f"B{i}", row=i, envelope=Envelope(11.04, 11.04), meter_interval_s=5.0) for i in range(n)
    )
    for station in stations:
        write_known(folder / "state", station.station_id, Known(True, ""))
    return HardwareSettings(stations, folder / "recording", folder / "state", port=0, period_s=1.0)


def busy(seconds: float) -> int:
    """Hold the interpreter like a simulation's step."""
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        count += sum(i * i for i in range(1000))
    return count


def measure(n: int, seconds: int) -> tuple[list[float], list[float], list[float]]:
    """Set-point to socket, round trip and reading of a snapshot, s."""
    with tempfile.TemporaryDirectory() as name:
        port = HardwarePort(settings(Path(name), n))
        peers = multiprocessing.get_context("spawn").Process(target=crowd, args=(port.port, n), daemon=True)
        peers.start()
        try:
            port.look()
            while len(port.figures.get("steerable", ())) < n:
                time.sleep(0.5)
                port.look()
            for period in range(seconds):
                port.post(period, [5.0 + (period + i) % 6 for i in range(n)])
                busy(0.8)
                port.pace(period)
                port.read(period)
        finally:
            port.close("measured")
            peers.kill()
            peers.join()
        return port.timing.set_point_s, port.timing.round_trip_s, port.timing.read_s


def line(name: str, seconds: list[float]) -> str:
    """Median, 99th percentile and maximum in ms."""
    ms = sorted(1000.0 * s for s in seconds)
    p99 = ms[min(int(0.99 * len(ms)), len(ms) - 1)]
    return f"{name:24s} n {len(ms):6d}  p50 {statistics.median(ms):7.2f}  p99 {p99:7.2f}  max {ms[-1]:7.2f} ms"


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    latency, round_trip, read = measure(n, seconds)
    print(f"{n} stations, {seconds} s, {platform.machine()}, Python {platform.python_version()}", end=", ")
    print(f"websockets {version('websockets')}, ocpp {version('ocpp')}")
    print(line("set-point to socket", latency))
    print(line("round trip of a call", round_trip))
    print(line("reading a snapshot", read))
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"peak memory {own:.0f} MB here, {children:.0f} MB in the largest process beside")


if __name__ == "__main__":
    main()
