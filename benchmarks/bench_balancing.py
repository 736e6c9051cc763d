"""How fast is balancing: a day of four-second aFRR, one period as the main loop calls it, and the capacity auction.

Times are processor time. Run by hand: ``python -m benchmarks.bench_balancing``.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from markets.balancing import (
    CYCLES_PER_ISP,
    NO_PASSIVE,
    CapacityBids,
    EnergyBids,
    PassiveGroups,
    activate_isp,
    activate_periods,
    fcr_auction,
    price_isp,
)

N_PERIODS = 96


def ladder(n_bids: int, n_periods: int, rng: np.random.Generator) -> EnergyBids:
    """Bids of ``n_bids`` objects, half upward, in every period."""
    half = n_bids // 2
    size = np.r_[rng.integers(1, 20, half), -rng.integers(1, 20, n_bids - half)]
    price = np.round(np.r_[rng.uniform(60, 400, half), rng.uniform(-200, 60, n_bids - half)], 2)
    return EnergyBids(
        owner=np.tile(np.arange(n_bids), n_periods),
        power_mw=np.tile(size, n_periods),
        price_eur_per_mwh=np.tile(price, n_periods),
        object_id=np.tile(np.arange(n_bids), n_periods),
        period=np.repeat(np.arange(n_periods), n_bids),
    )


def disturbance_mw(n_periods: int, rng: np.random.Generator, sigma_mw: float = 150.0) -> np.ndarray:
    """An autoregressive area control error with a correlation time of about seven minutes."""
    noise = rng.normal(0.0, sigma_mw * np.sqrt(1 - 0.99**2), n_periods * CYCLES_PER_ISP)
    path = np.zeros(noise.size)
    for t in range(1, noise.size):
        path[t] = 0.99 * path[t - 1] + noise[t]
    return path.reshape(n_periods, -1)


def timed_ms(call: Callable[[], object], repeats: int) -> list[float]:
    """Times of several calls after two that do not count (compilation)."""
    times = []
    for _ in range(repeats + 2):
        start = time.process_time()
        call()
        times.append((time.process_time() - start) * 1e3)
    return times[2:]


def auction_bids(n: int, rng: np.random.Generator) -> CapacityBids:
    """FCR bids in all blocks, a third of them indivisible."""
    return CapacityBids(
        owner=np.arange(n),
        block=rng.integers(0, 6, n),
        quantity_mw=rng.integers(1, 26, n),
        price_eur_per_mw=np.round(rng.uniform(20, 120, n), 2),
        is_indivisible=rng.random(n) < 0.33,
        is_domestic=rng.random(n) < 0.3,
    )


def measure() -> dict[str, float]:
    """Measure; keys carry the unit."""
    rng = np.random.default_rng(7)
    error = disturbance_mw(N_PERIODS, rng)
    day, one = ladder(120, N_PERIODS, rng), ladder(120, 1, rng)
    large = ladder(1000, N_PERIODS, rng)
    groups = PassiveGroups(np.full(10, 5.0), np.full(10, 5.0), 10.0, 0.2)
    state = activate_isp(one, error[0]).controller_state
    auction = auction_bids(600, rng)
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "afrr_96_periods_120_bids": (lambda: activate_periods(day, error, passive=NO_PASSIVE), 15),
        "afrr_96_periods_120_bids_10_passive_groups": (lambda: activate_periods(day, error, passive=groups), 15),
        "afrr_96_periods_1000_bids": (lambda: activate_periods(large, error), 7),
        "afrr_one_period_120_bids_with_price": (lambda: price_isp(activate_isp(one, error[1], state)), 300),
        "fcr_auction_600_bids_6_blocks": (lambda: fcr_auction(auction, 136.0, total_demand_mw=1400.0), 7),
    }
    figures: dict[str, float] = {}
    for name, (call, repeats) in calls.items():
        times = timed_ms(call, repeats)
        figures |= {f"{name}_median_ms": statistics.median(times), f"{name}_min_ms": min(times)}
        figures[f"{name}_max_ms"] = max(times)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return figures


if __name__ == "__main__":
    for key, value in measure().items():
        print(f"{key:60s} {value:10.3f}")
