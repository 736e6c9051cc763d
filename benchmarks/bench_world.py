"""What it costs to draw a week of the world: weather, system, homes, balancing offers, unpredicted imbalance."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from agents.world.balancing_offers import balancing_offers
from agents.world.disturbance import intra_isp_noise
from agents.world.forecast import wind_forecast
from agents.world.homes import home_load_kw, home_pv_kw
from agents.world.system import build_system, clear_system
from agents.world.weather import build_weather
from markets.calendar import Horizon

WEEK = Horizon(date(2026, 1, 19), 7)
REPEATS = 5


def _timed(name: str, call: Callable[[], Any], figures: dict[str, float]) -> Any:
    """Run a call several times and note the median, lowest and highest processor time; return the last result."""
    spent, result = [], None
    for _ in range(REPEATS):
        begin = time.process_time()
        result = call()
        spent.append(time.process_time() - begin)
    for word, value in (("median", np.median(spent)), ("min", min(spent)), ("max", max(spent))):
        figures[f"{name}_{word}_s"] = float(value)
    return result


def measure() -> dict[str, float]:
    """Processor seconds per call and the peak memory of the process."""
    figures: dict[str, float] = {}
    weather = _timed("weather", lambda: build_weather(WEEK, np.random.default_rng(0)), figures)
    system = _timed("system", lambda: build_system(WEEK, np.random.default_rng(0)), figures)
    cleared = _timed("clear_system", lambda: clear_system(system), figures)
    _timed("homes_6400", lambda: home_load_kw(WEEK, 6400, np.random.default_rng(0), weather), figures)
    _timed(
        "homes_6400_heat_pumps",
        lambda: home_load_kw(WEEK, 6400, np.random.default_rng(0), weather, heat_pump_share=0.2),
        figures,
    )
    _timed("home_pv_6400", lambda: home_pv_kw(6400, np.random.default_rng(0), weather), figures)
    _timed(
        "balancing_offers",
        lambda: balancing_offers(
            system.units,
            cleared.dispatch_mw,
            system.available_mw,
            cleared.price_eur_per_mwh,
            np.random.default_rng(0),
        ),
        figures,
    )
    _timed("disturbance", lambda: intra_isp_noise(np.random.default_rng(0), WEEK.n_periods), figures)
    source = wind_forecast(weather.wind_offshore_share, np.random.default_rng(0))
    _timed("forecast_of_192_periods", lambda: source.issued_at(300, np.arange(300, 492)), figures)
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return figures


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:40s} {value:10.5f}")
