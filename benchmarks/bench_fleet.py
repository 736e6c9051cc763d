"""Fleet kernels: EV-steps per second and memory for 1,000 to 100,000 charging points, one week of quarter-hours.

Each point has one EV and about 4.5 sessions; full physics, a limit per 50 points with rationing and switching, energy
and cost accounts, and the power trace (memory reused between repeats). Run by hand: ``python -m benchmarks.bench_fleet
[points ...]``; with ``start`` it measures a fresh process instead, with a warm and with an empty compile cache.

Figures are given by the clock and by processor time of one thread: on a machine with other work the first says what was
left over, the second what the code needs.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date

import numba
import numpy as np
import scipy

from agents.fleet import physics
from agents.fleet.behaviour import build_fleet
from agents.fleet.gap import gap_to_optimum
from agents.fleet.kernels import run_week
from agents.fleet.spec import FleetSpec
from agents.fleet.state import initial_state
from agents.fleet.strategies import STRATEGIES, Signal
from agents.fleet.tables import ChargingPoints, Fleet
from agents.fleet.view import session_view
from markets.calendar import Horizon

WEEK = Horizon(date(2025, 1, 13), 7)
POINTS_PER_LIMIT = 50
LIMIT_KW = 150.0


def home_fleet(n_points: int, v2x_share: float = 0.0) -> Fleet:
    """One EV with about 4.5 sessions a week at each of ``n_points`` home points."""
    points = ChargingPoints.of(np.arange(n_points), np.zeros(n_points, dtype=int), 11.04, 3, np.arange(n_points) // 50)
    spec = FleetSpec(sessions_per_week={**FleetSpec().sessions_per_week, "home": 4.7}, v2x_share=v2x_share)
    return build_fleet(spec, WEEK, points, 1)


def prices() -> np.ndarray:
    """Two-peaked daily price with some noise, EUR/kWh, three days longer than the week."""
    t = np.arange(10 * 96)
    daily = 0.22 - 0.07 * np.cos(2 * np.pi * t / 96) - 0.06 * np.cos(4 * np.pi * (t - 10) / 96)
    return np.round(daily + np.random.default_rng(1).normal(0, 0.01, len(t)), 4)


def kernel_seconds(fleet: Fleet, mode: str, repeats: int = 5) -> tuple[list[float], list[float]]:
    """Seconds of each repeat of one week, by the clock and of processor time."""
    group = np.arange(fleet.n_points) // POINTS_PER_LIMIT
    clock, processor, power = [], [], np.zeros((fleet.n_points, WEEK.n_periods), dtype=np.float32)
    options = {"group": group, "group_limit_kw": LIMIT_KW, "wear_eur_per_kwh": 0.04, "out": power}
    for _ in range(repeats):
        state = initial_state(fleet)
        start, busy = time.perf_counter(), time.process_time()
        run_week(fleet, state, mode, prices(), **options)  # type: ignore[arg-type]
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return clock, processor


def loop_seconds(fleet: Fleet, name: str = "price_optimal_v1g", ahead: int = 144) -> float:
    """Processor seconds of the week period by period, planning each car on arrival, as the main loop does."""
    state, price = initial_state(fleet), prices()
    plan = np.zeros((fleet.n_points, WEEK.n_periods + ahead), dtype=np.float32)  # as the aggregator keeps it
    start = time.process_time()
    for period in range(WEEK.n_periods):
        new = physics.plug_in(fleet, state, period)
        if len(new):
            view = session_view(fleet, state, period, new)
            power = STRATEGIES[name](view, Signal(price[period : period + ahead]))
            plan[view.cp_row, period : period + ahead] = power
        physics.step(fleet, state, period, plan[:, period].astype(np.float64))
    return time.process_time() - start


def gap_seconds(n_points: int = 1000) -> dict[str, float]:
    """Seconds to report the gap to the optimum of 1,000 EV-weeks, without and under a shared limit."""
    fleet, state = home_fleet(n_points), initial_state(home_fleet(n_points))
    group, limit = np.arange(n_points) // POINTS_PER_LIMIT, np.full(n_points // POINTS_PER_LIMIT, LIMIT_KW)
    week = run_week(fleet, state, "price_optimal_v1g", prices(), group=group, group_limit_kw=LIMIT_KW)
    figures = {}
    for name, share in (("free", None), ("limited", group)):
        start = time.perf_counter()
        gap = gap_to_optimum(fleet, state, week.power_kw, prices(), group=share, group_limit_kw=limit)
        figures[f"gap_{name}_{n_points}_ev_weeks_s"] = time.perf_counter() - start
        figures[f"gap_{name}_percent"] = 100.0 * gap.gap_share
    return figures


def measure(sizes: tuple[int, ...] = (1000, 10_000, 100_000)) -> dict[str, float]:
    """Millions of EV-steps per second per mode and size (median of repeats), bytes per point, main-loop figure."""
    figures: dict[str, float] = {}
    for mode in ("uncontrolled", "price_optimal_v1g", "price_optimal_v2x"):
        kernel_seconds(home_fleet(100, 0.5), mode, 1)
        for n in sizes:
            fleet = home_fleet(n, 1.0 if mode.endswith("v2x") else 0.0)
            steps = n * WEEK.n_periods / 1e6
            clock, processor = kernel_seconds(fleet, mode)
            figures[f"{mode}_{n}_points_million_ev_steps_per_s"] = steps / statistics.median(clock)
            figures[f"{mode}_{n}_points_million_ev_steps_per_cpu_s"] = steps / statistics.median(processor)
            figures[f"{mode}_{n}_points_min_s"] = min(clock)
            figures[f"{mode}_{n}_points_max_s"] = max(clock)
    state = initial_state(fleet)
    results = state.stay.nbytes
    kernel_extra = 20.0
    figures["sessions_per_point"] = len(fleet.sessions) / fleet.n_points
    figures["memory_bytes_per_point"] = (fleet.nbytes() + state.nbytes() - results) / fleet.n_points + kernel_extra
    for n in (5000, 20_000):
        fleet = home_fleet(n)
        loops = [loop_seconds(fleet) for _ in range(4)][1:]
        figures[f"main_loop_{n}_points_million_ev_steps_per_cpu_s"] = (
            n * WEEK.n_periods / 1e6 / statistics.median(loops)
        )
    figures.update(gap_seconds())
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


_FRESH = """
import time
begin = time.perf_counter()
from numba.core import event
spent = {}
class Listener(event.Listener):
    def __init__(self): self.open = []
    def on_start(self, e): self.open.append(time.perf_counter())
    def on_end(self, e):
        name = e.data['dispatcher'].py_func.__name__
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - self.open.pop()
event.register('numba:compile', Listener())
from benchmarks.bench_fleet import *
def lap(name, start): print(f'{name:60s} {time.perf_counter() - start:12.3f}')
lap('import_s', begin)
begin = time.perf_counter(); fleet = home_fleet(200, 0.5); lap('build_fleet_s', begin)
begin = time.perf_counter(); state = initial_state(fleet); physics.step(fleet, state, 0, np.full(200, np.inf))
lap('first_step_s', begin)
begin = time.perf_counter(); view = session_view(fleet, state, 1); lap('first_view_s', begin)
for name in STRATEGIES:
    begin = time.perf_counter(); STRATEGIES[name](view, Signal(prices()[:144])); lap(f'first_{name}_s', begin)
for name, seconds in sorted(spent.items(), key=lambda item: -item[1])[:15]:
    print(f'  compile, calls included: {name:33s} {seconds:14.3f}')
"""


def start_costs() -> None:
    """Print the seconds of a fresh process: import, first step, first plans; warm cache, then an empty one."""
    subprocess.run([sys.executable, "-c", _FRESH], check=True, capture_output=True)
    print("warm compile cache", flush=True)
    subprocess.run([sys.executable, "-c", _FRESH], check=True)
    print("empty compile cache", flush=True)
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run([sys.executable, "-c", _FRESH], check=True, env=os.environ | {"NUMBA_CACHE_DIR": empty})


def machine() -> str:
    """Processor and versions."""
    versions = f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    return f"{platform.machine()}, {os.cpu_count()} processors, {versions}, scipy {scipy.__version__}"


if __name__ == "__main__":
    print(machine())
    if sys.argv[1:] == ["start"]:
        start_costs()
        sys.exit()
    chosen = tuple(int(word) for word in sys.argv[1:]) or (1000, 10_000, 100_000)
    for key, value in measure(chosen).items():
        print(f"{key:60s} {value:12.3f}")
