"""A week of auctions, 5,000 bidders and 24 hourly products a day: the engine against plain pandas and loops.

Both clear the same 840,000 step orders in one run and must agree on every price and volume; the ratio of their
processor times is printed. Run by hand: ``python -m benchmarks.bench_markets_week [bidders]`` (without pandas: loops
only).
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import time

import numpy as np

from markets.day_ahead import CurveOrders, clear

N_HOURS = 7 * 24
REPEATS = 3


def week(n_bidders: int, seed: int = 1) -> CurveOrders:
    """One step order of every bidder in every hour; half of the bidders buy."""
    rng = np.random.default_rng(seed)
    n = n_bidders * N_HOURS
    hour, owner = np.repeat(np.arange(N_HOURS), n_bidders), np.tile(np.arange(n_bidders), N_HOURS)
    level = 80.0 - 30.0 * np.cos(4 * np.pi * (hour % 24 - 2) / 24)
    price = np.round(level + rng.normal(0.0, 40.0, n), 2)
    return CurveOrders(owner, owner % 2 == 0, hour, rng.integers(1, 51, n) / 10, price)


def crossing(buys: list[tuple[float, float]], sells: list[tuple[float, float]]) -> tuple[float, float]:
    """Price and volume of one hour by walking down demand and up supply; lists of (price, quantity), best first."""
    i = j = 0
    volume, left_buy, left_sell = 0.0, buys[0][1], sells[0][1]
    last_buy, last_sell = 4000.0, -500.0
    while i < len(buys) and j < len(sells) and buys[i][0] >= sells[j][0]:
        taken = min(left_buy, left_sell)
        volume, left_buy, left_sell = volume + taken, left_buy - taken, left_sell - taken
        last_buy, last_sell = buys[i][0], sells[j][0]
        if left_buy < 1e-9:
            i += 1
            left_buy = buys[i][1] if i < len(buys) else 0.0
        if left_sell < 1e-9:
            j += 1
            left_sell = sells[j][1] if j < len(sells) else 0.0
    low = max(last_sell, buys[i][0]) if i < len(buys) else last_sell
    high = min(last_buy, sells[j][0]) if j < len(sells) else last_buy
    return 0.5 * (low + high), volume


def plain_loops(orders: CurveOrders) -> tuple[np.ndarray, np.ndarray]:
    """Prices and volumes with lists and loops alone."""
    books: list[tuple[list, list]] = [([], []) for _ in range(N_HOURS)]
    columns = (orders.is_buy, orders.mtu, orders.price_eur_per_mwh, orders.quantity_mw)
    for is_buy, mtu, price, quantity in zip(*(c.tolist() for c in columns), strict=True):
        books[mtu][0 if is_buy else 1].append((price, quantity))
    found = [crossing(sorted(buys, reverse=True), sorted(sells)) for buys, sells in books]
    return np.array([p for p, _ in found]), np.array([v for _, v in found])


def plain_pandas(orders: CurveOrders) -> tuple[np.ndarray, np.ndarray] | None:
    """Prices and volumes with a sorted group of rows per hour; None without pandas."""
    try:
        import pandas as pd  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return None
    columns = {"buy": orders.is_buy, "hour": orders.mtu, "price": orders.price_eur_per_mwh, "mw": orders.quantity_mw}
    found = []
    for _, rows in pd.DataFrame(columns).groupby("hour"):
        buys = rows[rows.buy].sort_values("price", ascending=False)
        sells = rows[~rows.buy].sort_values("price")
        pairs = [list(side[["price", "mw"]].itertuples(index=False, name=None)) for side in (buys, sells)]
        found.append(crossing(*pairs))
    return np.array([p for p, _ in found]), np.array([v for _, v in found])


def measure(n_bidders: int = 5000) -> dict[str, float]:
    """Seconds of the engine and of both plain implementations on the same week, and the ratios."""
    orders = week(n_bidders)
    clear(week(10), n_mtu=N_HOURS, mtu_h=1.0)
    engine = []
    for _ in range(REPEATS):
        start = time.process_time()
        cleared = clear(orders, n_mtu=N_HOURS, mtu_h=1.0)
        engine.append(time.process_time() - start)
    figures = {
        "orders": float(len(orders)),
        "engine_median_s": statistics.median(engine),
        "engine_min_s": min(engine),
        "engine_max_s": max(engine),
    }
    for name, plain in (("pandas", plain_pandas), ("loops", plain_loops)):
        start = time.process_time()
        outcome = plain(orders)
        seconds = time.process_time() - start
        if outcome is None:
            continue
        figures[f"plain_{name}_s"] = seconds
        figures[f"ratio_{name}_over_engine"] = seconds / statistics.median(engine)
        figures[f"largest_price_difference_{name}_eur_per_mwh"] = float(
            np.max(np.abs(outcome[0] - cleared.price_eur_per_mwh))
        )
        figures[f"largest_volume_difference_{name}_mw"] = float(np.max(np.abs(outcome[1] - cleared.volume_mw)))
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    for key, value in measure(*(int(word) for word in sys.argv[1:])).items():
        print(f"{key:45s} {value:14.4f}")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
