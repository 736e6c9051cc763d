"""Orders per second in one intraday book: the compiled stream and the readable book.

A stream of limit orders (some immediate-or-cancel or fill-or-kill) and cancellations around a drifting price, as a busy
book sees it. Seconds are processor time. Run by hand: ``python -m benchmarks.bench_intraday [events]``.
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import time

import numba
import numpy as np

from markets.intraday import Order, OrderBook, Stream, match
from markets.intraday.stream import STREAM_KINDS

REPEATS = 7
READABLE_EVENTS = 20_000
SHARES = {"limit": 0.50, "ioc": 0.03, "fok": 0.02, "cancel": 0.45}


def stream(n: int, seed: int = 1) -> Stream:
    """Events of 500 traders; a cancellation names one of the 2,000 rows before it, with its owner."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[SHARES[k] for k in STREAM_KINDS])
    owner = rng.integers(0, 500, n)
    target = np.maximum(np.arange(n) - rng.integers(1, 2000, n), 0)
    is_cancel = kind == STREAM_KINDS.index("cancel")
    owner[is_cancel] = owner[target[is_cancel]]
    middle = 80.0 + np.cumsum(rng.normal(0.0, 0.01, n))
    is_buy = rng.random(n) < 0.5
    price = np.round(middle + np.where(is_buy, -1.0, 1.0) * rng.exponential(1.5, n) + rng.normal(0.0, 0.7, n), 2)
    return Stream(owner, is_buy, rng.integers(1, 100, n) / 10, price, kind, target, np.zeros(n))


def book_seconds(events: Stream) -> tuple[float, int]:
    """Seconds and trades of the readable book for the same events."""
    book = OrderBook()
    columns = (events.owner, events.is_buy, events.quantity_mw, events.price_eur_per_mwh, events.kind, events.target)
    rows = list(enumerate(zip(*(c.tolist() for c in columns), strict=True)))
    start = time.process_time()
    for i, (owner, is_buy, quantity, price, kind, target) in rows:
        if STREAM_KINDS[kind] == "cancel":
            book.cancel(target, owner)
        else:
            book.submit(Order(owner, is_buy, quantity, price, STREAM_KINDS[kind], order_id=i))
    return time.process_time() - start, len(book.trades)


def measure(n: int = 1_000_000) -> dict[str, float]:
    """Millions of events per second of both books: median, best and worst of several runs."""
    events = stream(n)
    match(stream(1000))
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        matched = match(events)
        seconds.append(time.process_time() - start)
    short = stream(READABLE_EVENTS)
    readable, n_trades = book_seconds(short)
    assert n_trades == len(match(short))
    return {
        "events": float(n),
        "trades": float(len(matched)),
        "refused_cancellations": float(np.sum(matched.refused > 0)),
        "resting_orders": float(np.sum(matched.remaining_mw > 0)),
        "stream_million_events_per_s_median": n / 1e6 / statistics.median(seconds),
        "stream_million_events_per_s_best": n / 1e6 / min(seconds),
        "stream_million_events_per_s_worst": n / 1e6 / max(seconds),
        "readable_million_events_per_s": READABLE_EVENTS / 1e6 / readable,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    for key, value in measure(*(int(word) for word in sys.argv[1:])).items():
        print(f"{key:45s} {value:14.3f}")
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, {platform.machine()}"
    )
