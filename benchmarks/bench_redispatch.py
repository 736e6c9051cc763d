"""Redispatch of 500 connections over a day of 96 quarters: time and memory of one clearing.

Three books on one congested evening and midday of four elements: divisible orders, orders with one share for their
window, and a book with a tenth of all-or-none orders. The first two are linear programmes. Seconds are processor time.
"""

from __future__ import annotations

import resource
import statistics
import time
from typing import Any

import numpy as np

from markets.redispatch import RedispatchOrders, clear

N_ORDERS, N_PERIODS, N_ELEMENTS, REPEATS = 500, 96, 4, 5


def problem(seed: int, window_share: float, whole_share: float) -> tuple[RedispatchOrders, dict[str, Any]]:
    """Orders of a made-up area: half of them inside it, prices around 60 (buy) and 200 (sell) EUR/MWh."""
    rng = np.random.default_rng(seed)
    is_buy = rng.random(N_ORDERS) < 0.5
    period = np.arange(N_PERIODS)
    start, length = rng.integers(0, N_PERIODS - 4, N_ORDERS), rng.choice([4, 8, 16, 48], N_ORDERS)
    inside = (period >= start[:, None]) & (period < (start + length)[:, None])
    is_whole = rng.random(N_ORDERS) < whole_share
    is_window = is_whole | (rng.random(N_ORDERS) < window_share)
    volume = np.round(rng.uniform(0.1, 3.0, N_ORDERS), 1)
    quantity = np.where(inside | ~is_window[:, None], volume[:, None], 0.0)
    price = np.round(np.where(is_buy, rng.normal(60, 20, N_ORDERS), rng.normal(200, 50, N_ORDERS)), 2)
    effectivity = np.where(rng.random((N_ORDERS, N_ELEMENTS)) < 0.4, rng.random((N_ORDERS, N_ELEMENTS)), 0.0)
    effectivity *= np.where(is_buy, 0.3, 1.0)[:, None]
    is_congested = ((period >= 44) & (period < 60)) | ((period >= 66) & (period < 86))
    need = np.where(is_congested, rng.uniform(0.0, 8.0, (N_ELEMENTS, 1)), 0.0) * np.ones((N_ELEMENTS, N_PERIODS))
    orders = RedispatchOrders.of(
        np.arange(N_ORDERS), is_buy, quantity, price, is_constant=is_window, min_fill_share=is_whole.astype(float)
    )
    room = rng.uniform(0.0, 20.0, (N_ELEMENTS, N_PERIODS))
    return orders, {"needed_relief_mw": need, "effectivity": effectivity, "headroom_mw": room}


def measure() -> dict[str, float]:
    """Median, fastest and slowest of several days per book, seconds, and the peak memory, MB."""
    figures: dict[str, float] = {}
    books = {"divisible": (0.0, 0.0), "windows": (1.0, 0.0), "mixed": (0.2, 0.0), "all_or_none": (0.9, 0.1)}
    clear(problem(99, 0.0, 0.0)[0], **problem(99, 0.0, 0.0)[1])
    for name, (window_share, whole_share) in books.items():
        times, gaps = [], []
        for seed in range(REPEATS):
            orders, rest = problem(seed, window_share, whole_share)
            begin = time.process_time()
            clearing = clear(orders, **rest)
            times.append(time.process_time() - begin)
            gaps.append(clearing.gap_share)
        figures[f"redispatch_{name}_median_s"] = statistics.median(times)
        figures[f"redispatch_{name}_min_s"] = min(times)
        figures[f"redispatch_{name}_max_s"] = max(times)
        figures[f"redispatch_{name}_worst_gap_share"] = max(gaps)
    figures["redispatch_peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    for key, value in measure().items():
        print(f"{key:45s} {value:10.4f}")
