"""The market monitor of a run: what an authority would measure from orders and trades, one row per market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from markets import monitor
from markets.day_ahead import CurveOrders, DayAheadClearing

if TYPE_CHECKING:
    from agents.model import Flexpolder

COLUMNS = (
    "market", "trades", "volume_mwh", "churn", "hhi_sellers", "hhi_buyers", "largest_seller", "pivotal_party",
    "pivotal_share", "spread_eur_per_mwh", "welfare_eur", "trades_after_gate", "beyond_prequalification",
)  # fmt: skip
CENTRAL = "exchange"


class AuctionMonitor:
    """Sums that need the orders themselves: welfare, and who could not be missed.

    Parameters
    ----------
    n_parties : int
        Traders.
    """

    def __init__(self, n_parties: int) -> None:
        self.n_parties = n_parties
        self.welfare_eur: dict[str, float] = {}
        self._pivotal: dict[str, np.ndarray] = {}
        self._mtus: dict[str, int] = {}

    def note(self, market: str, book: CurveOrders, clearing: DayAheadClearing) -> None:
        """Take in a cleared auction."""
        n_mtu = len(clearing.price_eur_per_mwh)
        offered = np.zeros((self.n_parties, n_mtu))
        ours = ~book.is_buy & (book.mtu >= 0) & (book.mtu < n_mtu) & (book.owner >= 0)
        np.add.at(offered, (book.owner[ours], book.mtu[ours]), book.quantity_mw[ours])
        share = monitor.pivotal_share(offered, clearing.volume_mw)
        self._pivotal[market] = self._pivotal.get(market, np.zeros(self.n_parties)) + n_mtu * share
        self._mtus[market] = self._mtus.get(market, 0) + n_mtu
        self.welfare_eur[market] = self.welfare_eur.get(market, 0.0) + clearing.welfare_eur

    def pivotal_share(self, market: str) -> np.ndarray | None:
        """Share of the market time units in which demand could not be met without each party, float[n_parties]."""
        return self._pivotal[market] / self._mtus[market] if market in self._pivotal else None


def market_monitor(m: Flexpolder) -> dict[str, Any]:
    """Columns of table ``market_monitor``."""
    t = m.exchange.trades
    trades = {name: np.asarray(column) for name, column in t.columns().items()}
    delivered = float(np.sum(np.maximum(m.positions.metered_mwh[:-1], 0.0)))
    rows = [_wholesale(m, trades, market, delivered) for market in dict.fromkeys(t.market)]
    rows += [_capacity(m, product) for product in dict.fromkeys(m.cast.tso.reserves.product)]
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}


def _wholesale(m: Flexpolder, trades: dict[str, np.ndarray], market: str, delivered_mwh: float) -> tuple[Any, ...]:
    here = {name: values[trades["market"] == market] for name, values in trades.items()}
    mwh = 0.25 * here["volume_mw"]
    sold, bought = here["seller"] != CENTRAL, here["buyer"] != CENTRAL
    # against a central counterparty each megawatt-hour stands in two rows
    is_central = bool((~sold | ~bought).any())
    volume = monitor.liquidity(mwh * (0.5 if is_central else 1.0), delivered_mwh)
    seller, mw = here["seller"][sold], here["volume_mw"][sold]
    largest = max(set(seller.tolist()), key=lambda who: (float(np.sum(mw[seller == who])), who)) if len(seller) else ""
    share = m.exchange.monitor.pivotal_share(market)
    pivotal = "" if share is None or not share.any() else m.positions.parties[int(np.argmax(share))]
    return (
        market, len(mwh), volume.traded_mwh, volume.churn,
        monitor.hhi(mwh[sold], here["seller"][sold]), monitor.hhi(mwh[bought], here["buyer"][bought]),
        largest, pivotal, 0.0 if share is None else float(np.max(share)),
        _spread(m) if market == "intraday" else np.nan,
        m.exchange.monitor.welfare_eur.get(market, np.nan),
        len(_late(m, here, market)), 0,
    )  # fmt: skip


def _late(m: Flexpolder, here: dict[str, np.ndarray], market: str) -> set[int]:
    """Rows traded after their gate: every trade in time for delivery, continuous ones for their own gate too."""
    rules = m.settings.regulation
    at, start = 900.0 * here["gate_period"], 900.0 * here["period"]
    gate_min = {"intraday": rules.intraday_gate_closure_min, "redispatch": rules.redispatch_gate_min}.get(market, 0)
    late = {b.row for b in monitor.trades_after_gate(at, start, 60.0 * gate_min)}
    if market == "intraday":
        abroad = np.flatnonzero(
            (here["seller"] == m.positions.parties[-1]) | (here["buyer"] == m.positions.parties[-1])
        )
        gate_s = 60.0 * rules.intraday_cross_border_gate_min
        late |= {int(abroad[b.row]) for b in monitor.trades_after_gate(at[abroad], start[abroad], gate_s)}
    return late


def _spread(m: Flexpolder) -> float:
    """Mean distance of the best ask and the best bid where both stood in the book."""
    best: dict[tuple[int, int], dict[str, float]] = {}
    for gate, period, side, price, _, rank in m.exchange.book_rows:
        if rank == 0:
            best.setdefault((gate, period), {})[side] = price
    both = [b for b in best.values() if len(b) == 2]
    if not both:
        return float("nan")
    return float(np.mean(monitor.spread_eur_per_mwh([b["bid"] for b in both], [b["ask"] for b in both])))


def _capacity(m: Flexpolder, product: str) -> tuple[Any, ...]:
    log = m.cast.tso.reserves
    mine = np.flatnonzero(np.asarray(log.product) == product)
    provider, block = np.asarray(log.provider)[mine], np.asarray(log.block_start_period)[mine]
    offered, awarded = np.asarray(log.offered_mw)[mine], np.asarray(log.awarded_mw)[mine]
    names, starts = sorted(set(provider.tolist())), np.unique(block)
    table = np.zeros((len(names), len(starts)))
    place = np.array([names.index(p) for p in provider.tolist()])
    np.add.at(table, (place, np.searchsorted(starts, block)), offered)
    demand = np.array([float(np.sum(awarded[block == s])) for s in starts])
    share = monitor.pivotal_share(table, demand)
    limit = {k: m.cast.bsp.prequalified_mw if name == m.cast.bsp.party else np.inf for k, name in enumerate(names)}
    beyond = monitor.trades_beyond_prequalification(place, block, awarded, limit)
    volume = monitor.liquidity(4.0 * awarded, float("nan"))
    largest = max(names, key=lambda who: float(np.sum(awarded[provider == who])))
    return (
        f"{product} capacity", int(np.count_nonzero(awarded)), volume.traded_mwh, np.nan,
        monitor.hhi(awarded, place), np.nan, largest, names[int(np.argmax(share))] if share.any() else "",
        float(np.max(share)), np.nan, np.nan, 0, len(beyond),
    )  # fmt: skip
