"""How fast is the auction: a day of 96 quarters with 20,000 step orders each, linear curves, and blocks.

The books are drawn anew for every repeat. Seconds are processor time, which other users of the machine do not lengthen;
the limit on the choice of blocks is wall time. Run by hand: ``python -m benchmarks.bench_day_ahead``.
"""

from __future__ import annotations

import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numba
import numpy as np

from markets.day_ahead import BlockOrder, CurveOrders, DayAheadClearing, clear

N_MTU = 96
REPEATS = 5


def book(n_per_mtu: int, seed: int, is_linear: bool = False, is_shuffled: bool = False) -> CurveOrders:
    """Orders around a price with two peaks a day; half of them buy."""
    rng = np.random.default_rng(seed)
    n = N_MTU * n_per_mtu
    mtu = np.repeat(np.arange(N_MTU), n_per_mtu)
    mtu = rng.permutation(mtu) if is_shuffled else mtu
    is_buy = rng.random(n) < 0.5
    level = 80.0 - 30.0 * np.cos(4 * np.pi * (mtu - 8) / N_MTU)
    price = np.round(level + rng.normal(0.0, 60.0, n), 2).clip(-500.0, 4000.0)
    width = np.where(is_buy, -1.0, 1.0) * np.round(rng.uniform(0.0, 20.0, n), 2) if is_linear else 0.0
    end = np.round(price + width, 2).clip(-500.0, 4000.0) if is_linear else None
    return CurveOrders(np.arange(n) % 5000, is_buy, mtu, rng.integers(1, 51, n) / 10, price, end)


def blocks(n: int, seed: int, size_mw: float) -> list[BlockOrder]:
    """Blocks of 1 to 24 hours, some buying, some with a smallest share, some linked or exclusive."""
    rng = np.random.default_rng(seed)
    made: list[BlockOrder] = []
    for k in range(n):
        length = int(rng.choice([4, 8, 16, 32, N_MTU]))
        first = int(rng.integers(0, N_MTU - length + 1))
        made.append(
            BlockOrder.flat(
                k,
                "buy" if rng.random() < 0.4 else "sell",
                round(float(rng.uniform(0.1, size_mw)), 1),
                round(float(rng.normal(80.0, 15.0)), 2),
                first,
                length,
                min_acceptance_share=float(rng.choice([1.0, 1.0, 0.5])),
                block_id=f"b{k}",
                parent_id=f"b{k - 1}" if k and rng.random() < 0.1 else "",
                exclusive_group="e" if rng.random() < 0.05 else "",
            )
        )
    return made


def timed(name: str, calls: list[Callable[[], DayAheadClearing]]) -> tuple[dict[str, float], list[DayAheadClearing]]:
    """Processor time of several calls (median, least, most), their median wall time, and their outcomes."""
    wall, processor, outcomes = [], [], []
    for call in calls:
        start, worked = time.perf_counter(), time.process_time()
        outcomes.append(call())
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - worked)
    found = {"median": statistics.median(processor), "min": min(processor), "max": max(processor)}
    found["wall_median"] = statistics.median(wall)
    return {f"{name}_{k}_s": v for k, v in found.items()}, outcomes


def measure() -> dict[str, float]:
    """Measure; keys carry the unit."""
    clear(book(10, 0), n_mtu=N_MTU)
    figures: dict[str, float] = {}
    variants = {
        "steps_20000_per_mtu": {},
        "steps_20000_per_mtu_shuffled": {"is_shuffled": True},
        "linear_20000_per_mtu": {"is_linear": True},
    }
    for name, kind in variants.items():
        books = [book(20_000, seed, **kind) for seed in range(REPEATS)]
        found, _ = timed(name, [lambda b=b: clear(b, n_mtu=N_MTU) for b in books])  # type: ignore[misc]
        figures |= found
    figures["orders"] = float(len(books[0]))
    for n_blocks, size_mw in ((20, 50.0), (100, 50.0), (100, 400.0)):
        name = f"blocks_{n_blocks}_up_to_{size_mw:.0f}_mw_500_steps_per_mtu"
        cases = [(book(500, seed), blocks(n_blocks, seed, size_mw)) for seed in range(3)]
        found, outcomes = timed(
            name,
            [lambda b=b, k=k: clear(b, k, n_mtu=N_MTU, block_time_limit_s=20.0) for b, k in cases],  # type: ignore[misc]
        )
        searches = [o.block_search for o in outcomes if o.block_search is not None]
        figures |= found
        figures[f"{name}_proven_share"] = statistics.fmean(s.is_proven for s in searches)
        gaps = [s.gap_eur / o.welfare_eur for s, o in zip(searches, outcomes, strict=True)]
        figures[f"{name}_worst_gap_of_welfare_percent"] = 100.0 * max(gaps)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    for key, value in measure().items():
        print(f"{key:75s} {value:14.4f}")
    versions = f"numpy {np.__version__}, numba {numba.__version__}, highspy {version('highspy')}"
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}")
