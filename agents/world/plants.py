"""What the stylised plants cost and offer, and what their electricity emits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.world.fleet_data import Unit, dutch_fleet
from agents.world.weather import Weather, by_month
from markets.calendar import Horizon

__all__ = [
    "FuelPrices",
    "Unit",
    "UnitOffers",
    "asking_price_eur_per_mwh",
    "available_mw",
    "co2_intensity",
    "dutch_fleet",
    "marginal_cost_eur_per_mwh",
    "merit_order_dispatch",
    "short_run_marginal_cost",
    "stylised_merit_order",
    "unit_offers",
]

FLOOR_EUR_PER_MWH, CAP_EUR_PER_MWH = -500.0, 4000.0
BID_MARGIN_SHARE = 0.25
"""What thermal units ask beyond their cost, calibrated on the prices of 2025: gas was dearer then (about 36 EUR/MWh)
than in the cost examples (30), and transport, trading and profit are in it too."""
# thermal plants are serviced in the mild months (assumption)
MONTH_AVAILABLE = (0.92, 0.92, 0.88, 0.83, 0.80, 0.80, 0.80, 0.80, 0.82, 0.85, 0.90, 0.92)

IMPORT_T_PER_MWH = 0.30
"""CO2 of imports (assumption)."""


@dataclass(frozen=True)
class FuelPrices:
    """Fuel prices in EUR per MWh of fuel and the CO2 price in EUR/t (market-rules C59)."""

    gas_eur_per_mwh: float = 30.0
    coal_eur_per_mwh: float = 12.0
    co2_eur_per_t: float = 70.0

    def of(self, fuel: str) -> float:
        """Price of a fuel; fuels without a market here cost nothing beyond the unit's variable cost."""
        return {"gas": self.gas_eur_per_mwh, "coal": self.coal_eur_per_mwh}.get(fuel, 0.0)


def short_run_marginal_cost(
    fuel_eur_per_mwh: float,
    efficiency: float,
    emission_t_per_mwh_fuel: float,
    co2_eur_per_t: float,
    vom_eur_per_mwh: float,
) -> float:
    """Cost of one more MWh: fuel/η + emission/η · CO2 price + variable maintenance, EUR/MWh (case C59)."""
    return fuel_eur_per_mwh / efficiency + emission_t_per_mwh_fuel / efficiency * co2_eur_per_t + vom_eur_per_mwh


def marginal_cost_eur_per_mwh(units: Sequence[Unit], fuel: FuelPrices | None = None) -> np.ndarray:
    """Marginal cost of every unit less its heat credit, shape (n_units,)."""
    prices = fuel or FuelPrices()
    return np.array(
        [
            short_run_marginal_cost(
                prices.of(u.fuel), u.efficiency, u.emission_t_per_mwh_fuel, prices.co2_eur_per_t, u.vom_eur_per_mwh
            )
            - u.heat_credit_eur_per_mwh
            for u in units
        ]
    )


def asking_price_eur_per_mwh(units: Sequence[Unit], fuel: FuelPrices | None = None) -> np.ndarray:
    """Marginal cost with what thermal units add to it, without starts and scarcity, shape (n_units,)."""
    is_thermal = np.array([u.fuel in ("gas", "coal") for u in units])
    cost = marginal_cost_eur_per_mwh(units, fuel)
    return cost + np.where(is_thermal, BID_MARGIN_SHARE, 0.0) * cost


def stylised_merit_order(fuel: FuelPrices | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The six steps of case C60: power in MW and price in EUR/MWh, cheapest first."""
    prices = fuel or FuelPrices()
    gas = short_run_marginal_cost(prices.gas_eur_per_mwh, 0.57, 0.202, prices.co2_eur_per_t, 2.0)
    coal = short_run_marginal_cost(prices.coal_eur_per_mwh, 0.44, 0.34, prices.co2_eur_per_t, 3.5)
    return np.array([8000.0, 485.0, 1000.0, 6000.0, 3900.0, 3000.0]), np.array([-5.0, 10.0, 25.0, gas, coal, 160.0])


@dataclass(frozen=True)
class UnitOffers:
    """Day-ahead offers: one row per step, several steps may belong to one unit.

    Parameters
    ----------
    unit_row : array of int, shape (n_offers,)
        Row of the unit in the fleet.
    mw : array of float, shape (n_offers, n_periods)
        Offered power, at least 0.
    price_eur_per_mwh : array of float, shape (n_offers, n_periods)
        Lowest price at which the step runs.
    """

    unit_row: np.ndarray
    mw: np.ndarray
    price_eur_per_mwh: np.ndarray

    def by_unit(self, accepted_mw: np.ndarray, n_units: int) -> np.ndarray:
        """Add the accepted power of steps (n_offers, n_periods) up to units (n_units, n_periods)."""
        total = np.zeros((n_units, accepted_mw.shape[1]))
        np.add.at(total, self.unit_row, accepted_mw)
        return total


def available_mw(units: Sequence[Unit], horizon: Horizon, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Available power of every unit and period, shape (n_units, n_periods).

    Weather units follow their driver. Each thermal unit is out of service on some days, drawn from the season's
    availability with a memory of about a week.
    """
    drivers = {
        "solar": weather.solar_share,
        "wind_onshore": weather.wind_onshore_share,
        "wind_offshore": weather.wind_offshore_share,
    }
    in_service = _in_service(len(units), horizon, rng)
    rows = []
    for row, unit in enumerate(units):
        if unit.driver:
            rows.append(unit.capacity_mw * drivers[unit.driver])
        elif unit.fuel in ("none", "demand"):
            rows.append(np.full(horizon.n_periods, unit.capacity_mw))
        else:
            rows.append(unit.capacity_mw * in_service[row, horizon.day_of])
    return np.array(rows)


def _in_service(n_units: int, horizon: Horizon, rng: np.random.Generator) -> np.ndarray:
    """Share of each unit's power in service by day, float64[n_units, days]; an outage takes the whole unit."""
    target = by_month(horizon, MONTH_AVAILABLE)[horizon.day_start_period[:-1]]
    stays = 0.85
    draws = rng.random((n_units, horizon.days))
    state = draws[:, 0] < target[0]
    states = [state]
    for day in range(1, horizon.days):
        renews = draws[:, day] > stays
        fresh = (draws[:, day] - stays) / (1.0 - stays) < target[day]
        state = np.where(renews, fresh, state)
        states.append(state)
    return np.array(states, dtype=np.float64).T


def unit_offers(
    units: Sequence[Unit],
    available: np.ndarray,
    residual_load_mw: np.ndarray,
    horizon: Horizon,
    fuel: FuelPrices | None = None,
) -> UnitOffers:
    """Offers of the whole fleet for every period.

    Parameters
    ----------
    units : sequence of Unit
        The fleet.
    available : array of float, shape (n_units, n_periods)
        From :func:`available_mw`, or a forecast of it.
    residual_load_mw : array of float, shape (n_periods,)
        Expected load less expected wind and sun (plus expected exports): it tells a thermal unit for how long it
        would run, over which it must earn its start.
    horizon : Horizon
        The days.
    fuel : FuelPrices, optional
        Fuel and CO2 prices.

    Returns
    -------
    UnitOffers
        Up to two steps a unit: the part that must run or the stable minimum, and the rest. A unit that expects to run
        for a few hours asks for its start on top; one that runs on past a low-price spell offers its minimum below
        cost to save the next start; when little is left in reserve, offers rise (scarcity).
    """
    cost = marginal_cost_eur_per_mwh(units, fuel)
    running_h, resting_h = _expected_hours(cost, available, residual_load_mw, horizon)
    start = np.array([u.start_eur_per_mw for u in units])[:, None]
    low_share = np.array([max(u.must_run_share, u.min_load_share) for u in units])
    floor = np.array([u.must_run_eur_per_mwh if u.must_run_share > 0.0 else -np.inf for u in units])
    recovery = np.where(running_h > 0.0, start / np.maximum(running_h, 1.5), start / 3.0)
    is_thermal = np.array([u.fuel in ("gas", "coal") for u in units])[:, None]
    markup = recovery + np.where(is_thermal, _scarcity_markup(available, cost, residual_load_mw), 0.0)
    price_high = np.clip(asking_price_eur_per_mwh(units, fuel)[:, None] + markup, FLOOR_EUR_PER_MWH, CAP_EUR_PER_MWH)
    saved = np.where(running_h > 0.0, 0.9 * start / np.maximum(resting_h, 2.0), 0.0)
    price_low = np.where(
        np.isfinite(floor)[:, None], floor[:, None], np.clip(cost[:, None] - saved, -60.0, CAP_EUR_PER_MWH)
    )
    price_low = np.minimum(price_low, price_high)
    rows = np.arange(len(units))
    with_low, with_high = rows[low_share > 0.0], rows[low_share < 1.0]
    return UnitOffers(
        unit_row=np.concatenate((with_low, with_high)),
        mw=np.concatenate(
            (available[with_low] * low_share[with_low, None], available[with_high] * (1.0 - low_share[with_high, None]))
        ),
        price_eur_per_mwh=np.round(np.concatenate((price_low[with_low], price_high[with_high])), 2),
    )


def _expected_hours(
    cost: np.ndarray, available: np.ndarray, residual_mw: np.ndarray, horizon: Horizon
) -> tuple[np.ndarray, np.ndarray]:
    """Hours a day that each unit expects to run and to rest, both float64[n_units, n_periods]."""
    order = np.argsort(cost, kind="stable")
    is_firm = cost[order] > 0.0
    stacked = np.cumsum(np.where(is_firm[:, None], available[order], 0.0), axis=0)
    middle = stacked - available[order] / 2.0
    is_running = np.empty(available.shape)
    is_running[order] = residual_mw[None, :] > middle
    per_day = np.add.reduceat(is_running, horizon.day_start_period[:-1], axis=1) * horizon.period_h
    length_h = np.diff(horizon.day_start_period) * horizon.period_h
    return per_day[:, horizon.day_of], (length_h[None, :] - per_day)[:, horizon.day_of]


def _scarcity_markup(available: np.ndarray, cost: np.ndarray, residual_mw: np.ndarray) -> np.ndarray:
    """EUR/MWh that dispatchable units add when they are nearly all needed, float64[n_periods]."""
    firm = np.sum(available[cost > 0.0], axis=0)
    use = residual_mw / np.maximum(firm, 1.0)
    return 60.0 * np.clip((use - 0.72) / 0.28, 0.0, 1.5) ** 2


def merit_order_dispatch(
    mw: np.ndarray, price_eur_per_mwh: np.ndarray, demand_mw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross a fixed demand with a staircase of offers.

    Parameters
    ----------
    mw, price_eur_per_mwh : array of float, shape (n_offers, n_periods)
        Offers.
    demand_mw : array of float, shape (n_periods,)
        Demand that pays any price.

    Returns
    -------
    price : array of float, shape (n_periods,)
        Price of the last step needed; the cap where the offers fall short.
    accepted_mw : array of float, shape (n_offers, n_periods)
        Power of each step; the cheaper first, among equals the earlier row.
    """
    order = np.argsort(price_eur_per_mwh, axis=0, kind="stable")
    steps = np.take_along_axis(mw, order, axis=0)
    prices = np.take_along_axis(price_eur_per_mwh, order, axis=0)
    before = np.cumsum(steps, axis=0) - steps
    taken = np.clip(demand_mw[None, :] - before, 0.0, steps)
    accepted = np.empty_like(taken)
    np.put_along_axis(accepted, order, taken, axis=0)
    marginal = np.max(np.where(taken > 0.0, prices, -np.inf), axis=0)
    marginal = np.where(np.isfinite(marginal), marginal, prices[0])
    is_short = np.sum(mw, axis=0) < demand_mw
    return np.where(is_short, CAP_EUR_PER_MWH, marginal), accepted


def co2_t_per_mwh(units: Sequence[Unit]) -> np.ndarray:
    """CO2 of a MWh of every unit, t, shape (n_units,)."""
    return np.array([u.emission_t_per_mwh_fuel / u.efficiency for u in units])


def average_co2_t_per_mwh(
    rate_t_per_mwh: np.ndarray,
    dispatch_mw: np.ndarray,
    import_mw: np.ndarray,
    import_t_per_mwh: float = IMPORT_T_PER_MWH,
) -> np.ndarray:
    """Average CO2 of a dispatch, t/MWh, shape (n_periods,); arguments as in :func:`co2_intensity`."""
    total = np.sum(dispatch_mw, axis=0) + import_mw
    return np.asarray((rate_t_per_mwh @ dispatch_mw + import_t_per_mwh * import_mw) / np.maximum(total, 1e-9))


def co2_intensity(
    units: Sequence[Unit],
    dispatch_mw: np.ndarray,
    import_mw: np.ndarray | None = None,
    *,
    import_t_per_mwh: float = IMPORT_T_PER_MWH,
) -> tuple[np.ndarray, np.ndarray]:
    """Average and marginal CO2 of a dispatch, t/MWh, each of shape (n_periods,).

    Parameters
    ----------
    units : sequence of Unit
        The fleet.
    dispatch_mw : array of float, shape (n_units, n_periods)
        Output.
    import_mw : array of float, shape (n_periods,), optional
        Net imports, counted in the average when positive.
    import_t_per_mwh : float
        Intensity of imports (assumption).

    Returns
    -------
    average, marginal : array of float
        The marginal unit is the running unit with the highest marginal cost that is not full of must-run power; where
        only weather units run, 0.
    """
    rate = co2_t_per_mwh(units)
    bought = np.zeros(dispatch_mw.shape[1]) if import_mw is None else np.maximum(import_mw, 0.0)
    average = average_co2_t_per_mwh(rate, dispatch_mw, bought, import_t_per_mwh)
    forced = np.array([u.must_run_share * u.capacity_mw for u in units])[:, None]
    cost = marginal_cost_eur_per_mwh(units)[:, None]
    ranked = np.where(dispatch_mw > forced + 1e-6, cost, -np.inf)
    top = np.argmax(ranked, axis=0)
    marginal = np.where(np.isfinite(np.max(ranked, axis=0)), rate[top], 0.0)
    return average, marginal
