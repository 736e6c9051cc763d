"""Balancing energy offers of plants, wind and sun, boilers and batteries, given their day-ahead schedule.

Prices resemble TenneT's ladders (market-rules section 8: first upward bid 63-108, first downward 79-156 EUR/MWh and
often crossed, ladder to 1,380 MW in 2023 and 2,245 MW in 2024, tails beyond 800 and −400). Signs as in the market: a
downward price is what the provider pays; negative means that it wants to be paid. Mark-ups, the shares that take part
and the battery power are assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.world.fleet_data import Unit
from agents.world.noise import persistent
from agents.world.plants import FuelPrices, marginal_cost_eur_per_mwh

FULL_ACTIVATION_MIN = 5.0
# Every thermal unit that takes part offers three steps: share of its reserve, and what is added to (up) or taken from
# (down) its own cost. The last is the tail that hardly anybody expects to be called.
STEPS = ((0.30, 12.0, 14.0), (0.35, 70.0, 80.0), (0.35, 230.0, 190.0))
PARTICIPATION_SHARE = 0.18
FAST_RAMP_SHARE_PER_MIN = 0.15
WEATHER_SHARE = 0.06
BATTERIES = tuple((25.0, spread) for spread in (6.0, 14.0, 25.0, 40.0, 60.0, 90.0, 130.0, 200.0))
BOILERS = tuple((30.0, price) for price in (38.0, 32.0, 26.0, 18.0, 8.0, -5.0))
TAIL_UP = ((60.0, 420.0), (60.0, 640.0), (60.0, 860.0))
TAIL_DOWN = ((60.0, -190.0), (60.0, -300.0), (60.0, -420.0))


@dataclass(frozen=True)
class BalancingOffers:
    """Offers of balancing energy, one row each; an object has at most one upward and one downward row.

    Parameters
    ----------
    object_id : array of int, shape (n_offers,)
        What is steered.
    unit_row : array of int, shape (n_offers,)
        Row in the fleet; -1 for batteries, boilers and the tail.
    is_up : array of bool, shape (n_offers,)
        Direction.
    ramp_share_per_min : array of float, shape (n_offers,)
        Ramp of the bid.
    mw : array of float, shape (n_offers, n_periods)
        Whole megawatts, at least 0; 0 means no bid in this period.
    price_eur_per_mwh : array of float, shape (n_offers, n_periods)
        Upward: to be paid; downward: what the provider pays.
    """

    object_id: np.ndarray
    unit_row: np.ndarray
    is_up: np.ndarray
    ramp_share_per_min: np.ndarray
    mw: np.ndarray
    price_eur_per_mwh: np.ndarray

    def at_least(self, up_mw: np.ndarray, down_mw: np.ndarray) -> BalancingOffers:
        """The same offers with more of each, where all together are less than what is owed in a direction.

        Parameters
        ----------
        up_mw, down_mw : array of float, shape (n_periods,)
            Contracted capacity: a contract for aFRR is an obligation to bid it.
        """
        mw = self.mw.copy()
        for side, owed in ((self.is_up, up_mw), (~self.is_up, down_mw)):
            total = mw[side].sum(axis=0)
            short = (total < owed) & (total > 0.0)
            grown = np.ceil(mw[side][:, short] * (owed[short] / total[short])[None, :] - 1e-9)
            mw[np.ix_(side, short)] = grown
        return replace(self, mw=mw)

    def columns(self, first_period: int, end_period: int) -> dict[str, np.ndarray]:
        """Bids of some periods as the columns that ``markets.balancing.bids.EnergyBids`` takes, period by period.

        ``power_mw`` is negative downward; ``period`` counts from ``first_period``.
        """
        mw = self.mw[:, first_period:end_period].T
        period, row = np.nonzero(mw > 0.0)
        sign = np.where(self.is_up[row], 1.0, -1.0)
        return {
            "power_mw": sign * mw[period, row],
            "price_eur_per_mwh": self.price_eur_per_mwh[row, first_period + period],
            "ramp_share_per_min": self.ramp_share_per_min[row],
            "object_id": self.object_id[row],
            "period": period,
        }


@dataclass(frozen=True)
class _Rows:
    """Offers of one group with the same fields, before they are numbered."""

    unit_row: np.ndarray
    ramp: np.ndarray
    up_mw: np.ndarray
    up_price: np.ndarray
    down_mw: np.ndarray
    down_price: np.ndarray


def balancing_offers(
    units: Sequence[Unit],
    schedule_mw: np.ndarray,
    available_mw: np.ndarray,
    day_ahead_eur_per_mwh: np.ndarray,
    rng: np.random.Generator,
    fuel: FuelPrices | None = None,
    *,
    volume_share: float = 1.0,
) -> BalancingOffers:
    """Offers of the stylised system for every period.

    Parameters
    ----------
    units : sequence of Unit
        The fleet.
    schedule_mw, available_mw : array of float, shape (n_units, n_periods)
        Day-ahead schedule and available power.
    day_ahead_eur_per_mwh : array of float, shape (n_periods,)
        Day-ahead price: what a battery and a unit with a choice compare with.
    rng : numpy.random.Generator
        Draws how eager each provider is (its state of charge, its positions elsewhere).
    fuel : FuelPrices, optional
        Fuel and CO2 prices.
    volume_share : float
        Scales all volumes.

    Returns
    -------
    BalancingOffers
    """
    price = np.asarray(day_ahead_eur_per_mwh, dtype=np.float64)
    groups = (
        *_thermal(units, schedule_mw, available_mw, price, rng, fuel),
        _weather(units, schedule_mw, available_mw),
        _batteries(price, rng),
        _boilers(price.size),
        _tail(price.size),
    )
    return _numbered(groups, volume_share)


def _numbered(groups: Sequence[_Rows], volume_share: float) -> BalancingOffers:
    """Stack the groups, upward rows first, round to whole megawatts and cents."""
    unit_row, ramp, up_mw, up_price, down_mw, down_price = (
        np.concatenate([getattr(g, name) for g in groups])
        for name in ("unit_row", "ramp", "up_mw", "up_price", "down_mw", "down_price")
    )
    ident = np.arange(unit_row.size)
    mw = np.floor(np.concatenate((up_mw, down_mw)) * volume_share + 1e-9)
    # below 4 MW a provider may send three bids a message only: too small to bother
    mw = np.where(mw < 4.0, 0.0, mw)
    keep = np.any(mw > 0.0, axis=1)
    return BalancingOffers(
        object_id=np.tile(ident, 2)[keep],
        unit_row=np.tile(unit_row, 2)[keep],
        is_up=(np.arange(2 * ident.size) < ident.size)[keep],
        ramp_share_per_min=np.clip(np.tile(ramp, 2), 0.2, 2.0)[keep],
        mw=mw[keep],
        price_eur_per_mwh=np.round(np.concatenate((up_price, down_price)), 2)[keep],
    )


def _thermal(
    units: Sequence[Unit],
    schedule: np.ndarray,
    available: np.ndarray,
    price: np.ndarray,
    rng: np.random.Generator,
    fuel: FuelPrices | None,
) -> list[_Rows]:
    """Running units move within five minutes of ramp; those that start fast also offer from standstill."""
    rows = np.array([i for i, u in enumerate(units) if u.fuel in ("gas", "coal")], dtype=np.int64)
    if rows.size == 0:
        return []
    cost = marginal_cost_eur_per_mwh(units, fuel)[rows, None]
    ramp = np.array([units[i].ramp_share_per_min for i in rows])
    lowest = np.array([max(units[i].must_run_share, units[i].min_load_share) for i in rows])[:, None] * available[rows]
    reach = (ramp * FULL_ACTIVATION_MIN * np.array([units[i].capacity_mw for i in rows]))[:, None]
    is_ready = (schedule[rows] > 1.0) | (ramp[:, None] >= FAST_RAMP_SHARE_PER_MIN)
    up = PARTICIPATION_SHARE * np.where(is_ready, np.clip(available[rows] - schedule[rows], 0.0, reach), 0.0)
    down = PARTICIPATION_SHARE * np.clip(schedule[rows] - lowest, 0.0, reach)
    eager = 7.0 * persistent(price.size, [8.0] * rows.size, rng)
    # part of the market price is in every bid: a unit that is called upward could have sold elsewhere
    up_base = np.maximum(cost, 0.5 * (cost + price[None, :])) + eager
    down_base = np.minimum(cost, 0.5 * (cost + price[None, :])) + eager
    bid_ramp = np.maximum(ramp * 4.0, 0.2)
    return [
        _Rows(rows, bid_ramp, share * up, up_base + premium, share * down, down_base - discount)
        for share, premium, discount in STEPS
    ]


def _weather(units: Sequence[Unit], schedule: np.ndarray, available: np.ndarray) -> _Rows:
    """Wind and sun are turned down below their own stop price, and up again where the auction stopped them."""
    rows = np.array([i for i, u in enumerate(units) if u.driver and u.vom_eur_per_mwh > -450.0], dtype=np.int64)
    stop = np.array([units[i].vom_eur_per_mwh for i in rows], dtype=np.float64).reshape(-1, 1) * np.ones(
        schedule.shape[1]
    )
    return _Rows(
        rows,
        np.full(rows.size, 1.0),
        WEATHER_SHARE * np.maximum(available[rows] - schedule[rows], 0.0),
        stop + 12.0,
        WEATHER_SHARE * schedule[rows],
        stop - 15.0,
    )


def _batteries(price: np.ndarray, rng: np.random.Generator) -> _Rows:
    """Batteries bid around the day-ahead price, higher or lower as they are empty or full."""
    mw = np.array([m for m, _ in BATTERIES])[:, None] * np.ones(price.size)
    spread = np.array([s for _, s in BATTERIES])[:, None]
    wish = 20.0 * persistent(price.size, [3.0] * len(BATTERIES), rng)
    middle = price[None, :] + wish
    rows = np.full(len(BATTERIES), -1, dtype=np.int64)
    return _Rows(rows, np.full(rows.size, 2.0), mw, middle + spread, mw, middle - spread)


def _boilers(n_periods: int) -> _Rows:
    """Electric boilers take downward power (use more) where it is cheaper than the gas it saves."""
    flat = np.ones(n_periods)
    mw, price = (np.array(column)[:, None] * flat for column in zip(*BOILERS, strict=True))
    rows = np.full(len(BOILERS), -1, dtype=np.int64)
    return _Rows(rows, np.full(rows.size, 1.0), np.zeros_like(mw), np.zeros_like(mw), mw, price)


def _tail(n_periods: int) -> _Rows:
    """The far ends of the ladder."""
    flat = np.ones(n_periods)
    up_mw, up_price = (np.array(column)[:, None] * flat for column in zip(*TAIL_UP, strict=True))
    down_mw, down_price = (np.array(column)[:, None] * flat for column in zip(*TAIL_DOWN, strict=True))
    rows = np.full(len(TAIL_UP), -1, dtype=np.int64)
    return _Rows(rows, np.full(rows.size, 0.3), up_mw, up_price, down_mw, down_price)
