"""Power flow: what preparation and reading cost beside the engine, one period inside the loop, and a year of a street.

The machine is shared, so every figure is processor time of the one thread that computes. The flow starts from the table
of connections (households with a power factor, chargers on their phase) and ends with voltages and loadings. The
engine's own time is taken twice: inside that very run (the ratio, little troubled by neighbours), and as one call for
all steps on loads prepared beforehand that asks for nothing but what the result needs (voltages, line loading,
transformer currents, source power).
Run by hand: ``python -m benchmarks.bench_grid``.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from grid.congestion import forecast_loading
from grid.engine import ERROR_TOLERANCE, MAX_ITERATIONS, Engine
from grid.generator import dutch_town
from grid.parameters import GridParameters
from grid.power_flow import Fidelity, PowerFlow
from grid.sensitivity import check_relief, effectivity_ac
from grid.topology import Grid

BATCH_STEPS, SINGLE_STEPS, YEAR_STEPS, REPEATS = 2688, 300, 35_040, 5
ENGINE_FIDELITIES: tuple[Fidelity, ...] = ("symmetric", "three_phase")
COLUMNS = {"node": ["u_pu"], "line": ["loading"], "transformer": ["i_from", "i_to"], "source": ["p"]}
TOWN = GridParameters(homes=6800)
STREET = GridParameters(
    homes=200, lv_areas=1, homes_per_node=2, shared_sites=0, offices=0, depots=0, dc_sites=0, business_parks=0
)


def loads_kw(grid: Grid, n_steps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Made-up household and charging power of every connection; one in thirty charges at 7.4 kW."""
    rng = np.random.default_rng(seed)
    shape = (n_steps, len(grid.connections))
    return np.abs(rng.normal(0.6, 0.4, shape)), np.where(rng.random(shape) < 1 / 30, 7.4, 0.0)


def cpu_s(call: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    begin = time.thread_time()
    call()
    return time.thread_time() - begin


def spread(name: str, seconds: list[float], figures: dict[str, float], scale: float = 1.0) -> None:
    """Note median, lowest and highest of several measurements."""
    for word, value in (("median", statistics.median(seconds)), ("min", min(seconds)), ("max", max(seconds))):
        figures[f"{name}_{word}"] = scale * value


def engine_call(flow: PowerFlow, home: np.ndarray, ev: np.ndarray) -> Callable[[], object]:
    """One call of the engine alone on prepared loads."""
    p_w, q_var = flow.loads.sum(home, 0.98, ev)
    own = Engine(flow.arrays, flow.load_nodes, flow.is_symmetric)
    update = {own.component: {"p_specified": p_w, "q_specified": q_var}}
    return lambda: own.model.calculate_power_flow(
        symmetric=flow.is_symmetric,
        calculation_method="iterative_current",
        error_tolerance=ERROR_TOLERANCE,
        max_iterations=MAX_ITERATIONS,
        update_data=update,
        output_component_types=COLUMNS,
        continue_on_batch_error=True,
    )


def batch_figures(grid: Grid, fidelity: Fidelity, figures: dict[str, float]) -> None:
    """A batch of four weeks: total, the engine within it and alone, and their ratio."""
    flow = PowerFlow(grid, fidelity)
    home, ev = loads_kw(grid, BATCH_STEPS)
    alone, within = engine_call(flow, home, ev), watch_engine(flow)
    flow.solve_many(home[:2], 0.98, ev_kw=ev[:2])
    engine, total, ratio = [], [], []
    for _ in range(REPEATS):
        engine.append(cpu_s(alone))
        within.clear()
        total.append(cpu_s(lambda: flow.solve_many(home, 0.98, ev_kw=ev)))
        ratio.append(total[-1] / sum(within))
    spread(f"batch_{fidelity}_engine_alone_s", engine, figures)
    spread(f"batch_{fidelity}_total_s", total, figures)
    spread(f"batch_{fidelity}_ratio", ratio, figures)
    figures[f"batch_{fidelity}_ratio_to_engine_alone_minima"] = min(total) / min(engine)
    prepare = [cpu_s(lambda: flow.loads.sum(home[:336], 0.98, ev[:336])) for _ in range(REPEATS)]
    figures[f"batch_{fidelity}_prepare_us_per_step"] = 1e6 * statistics.median(prepare) / 336


def watch_engine(flow: PowerFlow) -> list[float]:
    """Return a list that collects the processor seconds of every engine call of ``flow``."""
    spent: list[float] = []
    engine: Any = flow._engine
    run = engine._run

    def timed(*args, **more):
        begin = time.thread_time()
        raw = run(*args, **more)
        spent.append(time.thread_time() - begin)
        return raw

    engine._run = timed
    return spent


def single_figures(grid: Grid, fidelity: Fidelity, figures: dict[str, float]) -> None:
    """One period inside the loop, with angles and branch powers."""
    flow = PowerFlow(grid, fidelity)
    home, ev = loads_kw(grid, SINGLE_STEPS)
    flow.solve(home[0], 0.98, ev_kw=ev[0])
    seconds = [cpu_s(partial(flow.solve, home[row], 0.98, ev_kw=ev[row])) for row in range(SINGLE_STEPS)]
    figures[f"single_{fidelity}_ms_median"] = 1e3 * statistics.median(seconds)
    figures[f"single_{fidelity}_ms_p05"], figures[f"single_{fidelity}_ms_p95"] = 1e3 * np.percentile(seconds, (5, 95))


def year_figures(figures: dict[str, float]) -> None:
    """All 35,040 quarter-hours of one street in three phases with angles, a twelfth of them at a time."""
    grid = dutch_town(STREET)
    flow = PowerFlow(grid)
    figures["year_nodes"] = float(grid.arrays.n_nodes)
    home, ev = loads_kw(grid, YEAR_STEPS // 12)
    flow.solve_many(home[:2], ev_kw=ev[:2])
    months = [cpu_s(lambda: flow.solve_many(home, 0.98, ev_kw=ev, with_angles=True).vuf_share) for _ in range(12)]
    figures["year_three_phase_s"] = sum(months)
    figures["year_three_phase_us_per_step"] = 1e6 * sum(months) / YEAR_STEPS


def other_figures(grid: Grid, figures: dict[str, float]) -> None:
    """Drawing and compiling the town, AC effectivity of every load, a day's forecast on the linear layer."""
    figures["draw_town_s"] = cpu_s(lambda: dutch_town(TOWN))
    figures["compile_and_build_s"] = cpu_s(lambda: PowerFlow(Grid(grid.graph, grid.connections)))
    flow = PowerFlow(grid)
    home, _ = loads_kw(grid, 96)
    figures["effectivity_ac_three_phase_s"] = cpu_s(lambda: effectivity_ac(flow, home[0]))
    mean = flow.node_kw(home)
    flow.linear.incidence  # noqa: B018 - built once per topology
    figures["forecast_day_linear_s"] = cpu_s(lambda: forecast_loading(flow.linear, mean, 0.2 * mean, 0.3))


def relief_figures(figures: dict[str, float]) -> None:
    """Error of predicted relief against the full AC flow: 20 bids of 3.7 to 50 kW on a station at 130 %."""
    flow = PowerFlow(dutch_town(STREET))
    trafo = flow.arrays.branch_index["trafo-a01"]
    home, _ = loads_kw(flow.grid, 1)
    kw = home[0]
    for _ in range(20):
        kw = kw * (1.3 / flow.solve(kw).loading_share[trafo]) ** 0.9
    rng = np.random.default_rng(1)
    rows, less = rng.integers(len(kw), size=20), rng.uniform(3.7, 50.0, 20)
    check = check_relief(flow, kw, trafo, rows, less)
    figures["relief_station_loading_share"] = float(flow.solve(kw).loading_share[trafo])
    for name, error in (("topology", check.topology_error_share), ("linear", check.linear_error_share)):
        figures[f"relief_{name}_mean_error_percent"] = 100.0 * float(error.mean())
        figures[f"relief_{name}_worst_error_percent"] = 100.0 * float(np.abs(error).max())


def measure() -> dict[str, float]:
    """All figures; times are processor time."""
    figures: dict[str, float] = {}
    grid = dutch_town(TOWN)
    figures["nodes"], figures["connections"] = float(grid.arrays.n_nodes), float(len(grid.connections))
    for fidelity in ENGINE_FIDELITIES:
        single_figures(grid, fidelity, figures)
        batch_figures(grid, fidelity, figures)
    year_figures(figures)
    other_figures(grid, figures)
    relief_figures(figures)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    packages = ", ".join(f"{name} {version(name)}" for name in ("power-grid-model", "numpy", "numba", "networkx"))
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}; {packages}")
    for name, value in measure().items():
        print(f"{name:45s} {value:12.4f}")
