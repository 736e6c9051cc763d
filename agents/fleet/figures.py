"""Published figures the fleet is drawn from, each with its source, and the few shape numbers fitted to them.

Sources
-------
E : ElaadNL open charging data, Dutch sessions up to 2020/21, as tabulated by EV2Gym (MIT).
R : Dutch registrations and vehicle specifications 2023/24, same tables.
N : Nationaal Laadonderzoek 2022/2023.
F : Fastned 2023-24.
A : assumption of this project, stated so that it can be varied.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


def _row(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.split()])


def _share(text: str) -> np.ndarray:
    values = _row(text)
    return values / values.sum()


@dataclass(frozen=True)
class SegmentFigures:
    """How sessions of one segment look.

    Attributes
    ----------
    weekday, weekend : float array, shape (24,)
        Share of the sessions that arrive in each hour.
    stay_h, energy_kwh : float array, shape (24,)
        Mean by arrival hour; its shape is used, its level is ``stay_level`` and ``energy_level``.
    whole_stay_h, whole_energy_kwh : (mean, median) or None
        Published whole-session figures that the level is fitted to.
    short_h, short_sigma : float
        Mean and log spread of the short mode of the stay.
    leave_clock_h, leave_sd_h : float
        Clock time the long mode ends and its spread.
    next_day_share : float
        Share of the long mode that stays a day more.
    energy_sigma, energy_stay_rho : float
        Log spread of the energy and its rank correlation with the stay.
    """

    weekday: np.ndarray
    weekend: np.ndarray
    stay_h: np.ndarray
    energy_kwh: np.ndarray
    short_h: float
    short_sigma: float
    leave_clock_h: float
    leave_sd_h: float
    next_day_share: float
    energy_sigma: float
    energy_stay_rho: float
    stay_level: float = 1.0
    energy_level: float = 1.0
    whole_stay_h: tuple[float, float] | None = None
    whole_energy_kwh: tuple[float, float] | None = None
    day_weight: np.ndarray = field(default_factory=lambda: np.ones(7))


# E: arrivals, stays and energies by arrival hour. Fitted: levels, modes and spreads (see tests for the residuals).
HOME = SegmentFigures(
    weekday=_share(
        "2.1 0.5 0.2 0.1 0.1 0.1 0.2 0.6 1.4 1.1 1.1 1.5 2.2 2.2 2.7 3.7 5.7 12.1 17.0 11.5 9.1 8.9 9.1 6.6"
    ),
    weekend=_share("4.1 2.0 0.8 0.3 0.2 0.1 0.1 0.4 0.9 1.7 3.0 4.8 6.0 6.2 6.2 6.9 8.8 10.2 7.9 6.5 6.8 6.2 5.8 4.1"),
    stay_h=_row(
        "9.1 8.9 7.2 5.7 4.7 4.3 4.6 4.5 3.2 3.5 3.4 3.8 4.2 4.7 7.0 14.9 15.3 14.7 13.8 13.0 12.2 11.2 10.2 9.6"
    ),
    energy_kwh=_row(
        "31.4 32.5 28.0 24.8 21.3 21.5 21.1 18.1 13.3 14.5 14.6 14.8 15.5 16.2 17.9 19.5 21.9 22.4 24.7 27.4 29.1 29.1"
        " 30.2 30.8"
    ),
    short_h=1.9,
    short_sigma=0.8,
    leave_clock_h=8.0,
    leave_sd_h=1.6,
    next_day_share=0.173,
    energy_sigma=0.717,
    energy_stay_rho=0.15,
    stay_level=1.137,
    energy_level=1.71,
    whole_stay_h=(11.8, 11.0),
    whole_energy_kwh=(23.9, 19.4),
)
PUBLIC_AC = SegmentFigures(
    weekday=_share("1.0 0.5 0.2 0.2 0.2 0.2 0.7 3.2 7.9 7.7 5.1 4.7 5.3 5.3 5.0 5.1 5.7 8.3 10.9 8.1 5.1 4.0 3.4 2.3"),
    weekend=_share("2.0 1.2 0.6 0.4 0.3 0.3 0.3 0.6 1.7 3.7 5.7 7.0 7.9 8.2 8.5 8.3 8.0 8.0 7.3 5.8 4.9 3.9 3.1 2.2"),
    stay_h=_row(
        "10.0 9.9 9.5 8.4 6.8 5.6 5.2 5.2 4.9 4.0 3.0 2.8 3.0 3.0 3.0 3.5 4.7 10.9 12.4 11.7 11.3 11.1 10.5 10.1"
    ),
    energy_kwh=_row(
        "20.9 21.2 21.4 21.3 20.1 20.0 18.9 15.9 13.0 12.5 12.7 12.8 12.9 13.2 14.2 15.5 16.5 16.5 16.5 17.7 19.1 20.4"
        " 20.4 20.5"
    ),
    short_h=2.31,
    short_sigma=0.8,
    leave_clock_h=8.5,
    leave_sd_h=1.8,
    next_day_share=0.08,
    energy_sigma=1.2,
    energy_stay_rho=0.35,
    stay_level=1.203,
    energy_level=1.87,
    whole_stay_h=(7.9, 4.4),
    whole_energy_kwh=(11.9, 7.2),
)
WORK = SegmentFigures(
    weekday=_share(
        "0.0 0.0 0.0 0.0 0.1 1.4 4.3 14.3 26.7 18.1 7.7 4.9 5.4 5.3 4.0 3.0 2.0 1.0 0.6 0.5 0.3 0.1 0.1 0.0"
    ),
    weekend=_share(
        "0.0 0.0 0.0 0.0 0.1 1.4 4.3 14.3 26.7 18.1 7.7 4.9 5.4 5.3 4.0 3.0 2.0 1.0 0.6 0.5 0.3 0.1 0.1 0.0"
    ),
    stay_h=_row("8.4 8.4 8.4 8.4 8.4 8.2 8.5 8.4 7.8 6.2 4.8 4.0 3.7 3.2 2.6 2.2 2.1 2.6 2.5 2.6 2.6 2.6 2.6 2.6"),
    energy_kwh=_row(
        "10.9 10.9 10.9 10.9 10.9 12.2 12.9 13.4 15.5 14.8 14.6 14.3 14.8 13.8 12.6 12.4 11.5 13.9 12.4 12.0 12.0 12.0"
        " 12.0 12.0"
    ),
    short_h=2.3,
    short_sigma=0.7,
    leave_clock_h=17.0,
    leave_sd_h=1.6,
    next_day_share=0.106,
    energy_sigma=0.94,
    energy_stay_rho=0.5,
    stay_level=1.076,
    energy_level=1.435,
    whole_stay_h=(6.3, 4.9),
    whole_energy_kwh=(12.4, 8.8),
    day_weight=_row("1.1 1.2 1.05 1.2 0.8 0.08 0.05"),  # A: office days of the week
)


def _hours(pairs: dict[int, float]) -> np.ndarray:
    values = np.array([pairs.get(hour, 0.0) for hour in range(24)])
    return values / values.sum()


# Report 5.1.2 and A: vans and trucks come 18-22 h and leave 5-8 h; vans 30-60 kWh, trucks 150-350 kWh a night.
DEPOT = SegmentFigures(
    weekday=_hours({17: 1, 18: 4, 19: 4, 20: 3, 21: 2, 22: 0.5}),
    weekend=_hours({17: 1, 18: 4, 19: 4, 20: 3, 21: 2, 22: 0.5}),
    stay_h=_row("6 5 4 3 2 2 2 2 3 3 3 3 3 3 15 14 14 13.5 12.5 11.5 10.5 9.5 8.5 7.5"),
    energy_kwh=np.full(24, 43.0),
    short_h=1.5,
    short_sigma=0.3,
    leave_clock_h=6.4,
    leave_sd_h=0.7,
    next_day_share=0.0,
    energy_sigma=0.22,
    energy_stay_rho=0.1,
    day_weight=_row("1 1 1 1 1 0.35 0.1"),
)
# Report 5.1.2 and A: 3-6 trips a week-day and pool, hard to predict.
SHARED = SegmentFigures(
    weekday=_hours(dict.fromkeys(range(8, 17), 1.0) | {17: 1.8, 18: 2.0, 19: 1.5, 20: 1.2, 21: 1.0, 22: 0.7, 23: 0.3}),
    weekend=_hours(dict.fromkeys(range(10, 20), 1.2) | {20: 1.0, 21: 0.8, 22: 0.6, 23: 0.4}),
    stay_h=_row("8 7 6 5 4 3 3 3 3 3 3 3 3 3 3.5 4 5 8 10 10 10 9.5 9 8.5"),
    energy_kwh=np.full(24, 9.0),
    short_h=2.5,
    short_sigma=0.8,
    leave_clock_h=9.0,
    leave_sd_h=2.0,
    next_day_share=0.05,
    energy_sigma=0.7,
    energy_stay_rho=0.3,
)
# F: 25.1-25.7 kWh a session. A: 15-30 min, peak 11-19 h, busiest on Friday and Sunday.
DC = SegmentFigures(
    weekday=_hours(
        dict.fromkeys(range(7, 11), 1.0) | dict.fromkeys(range(11, 19), 2.6) | {19: 1.8, 20: 1.2, 21: 0.8, 22: 0.4}
    ),
    weekend=_hours(
        {8: 0.6, 9: 1.2, 10: 1.8} | dict.fromkeys(range(11, 19), 2.8) | {19: 2.0, 20: 1.4, 21: 0.9, 22: 0.4}
    ),
    stay_h=np.full(24, 0.42),
    energy_kwh=np.full(24, 26.0),
    short_h=0.42,
    short_sigma=0.28,
    leave_clock_h=0.0,
    leave_sd_h=0.0,
    next_day_share=0.0,
    energy_sigma=0.3,
    energy_stay_rho=0.6,
    day_weight=_row("0.9 0.9 0.95 1.0 1.25 0.9 1.15"),
)
FIGURES = {"home": HOME, "public_ac": PUBLIC_AC, "work": WORK, "depot": DEPOT, "shared": SHARED, "dc": DC}

# E: highest power reached in a session, Dutch sessions of 2020, all alternating-current segments together.
SESSION_POWER_2020 = {"at most 4 kW": 0.40, "about 7.4 kW": 0.15, "11 kW and more": 0.36}


@dataclass(frozen=True)
class Model:
    """One vehicle type: weight (registrations), usable kWh, phases, current per phase, direct-current kW, minimum A."""

    name: str
    registrations: float
    usable_kwh: float
    phases: int
    ac_a: float
    dc_kw: float
    min_a: float = 6.0


# R: registrations, usable kWh and AC power (11 kW = 3 x 16 A, 7.4 = 1 x 32 A, 7.2 = 2 x 16 A, 3.7 = 1 x 16 A, 22 = 3 x
# 32 A).
# The direct-current power (mean over a 10-80 % session) and the 8 A of the Zoe (evcc #4788) are from maker data, A.
BATTERY_CARS = (
    Model("Tesla Model 3", 47783, 57.5, 3, 16, 110),
    Model("Tesla Model Y", 39261, 57.5, 3, 16, 110),
    Model("Kia Niro", 28028, 64.8, 3, 16, 72),
    Model("VW ID.3", 23033, 58.0, 3, 16, 90),
    Model("Skoda Enyaq", 21186, 58.0, 3, 16, 95),
    Model("Hyundai Kona", 19815, 64.0, 3, 16, 72),
    Model("Peugeot 208", 17785, 46.3, 1, 32, 75),
    Model("VW ID.4", 16449, 77.0, 3, 16, 100),
    Model("Renault Zoe", 14008, 52.0, 3, 32, 42, 8.0),
    Model("Volvo XC40", 12520, 66.0, 3, 16, 110),
    Model("Nissan Leaf", 11977, 39.0, 1, 16, 45),
    Model("Tesla Model S", 10899, 75.0, 3, 16, 120),
    Model("VW e-Golf", 10019, 32.0, 2, 16, 38),
)
PLUG_IN_HYBRIDS = (  # R: one phase, 3.7 kW, 8-15 kWh; spread A
    Model("plug-in hybrid, small battery", 0.3, 8.0, 1, 16, 0),
    Model("plug-in hybrid, middle battery", 0.5, 11.0, 1, 16, 0),
    Model("plug-in hybrid, large battery", 0.2, 15.0, 1, 16, 0),
)
DEPOT_VEHICLES = (  # report 5.1.2, usable energy and power A
    Model("electric van", 1.0, 75.0, 3, 16, 100),
    Model("electric truck", 1.0, 450.0, 3, 32, 250),
)
MODELS = BATTERY_CARS + PLUG_IN_HYBRIDS + DEPOT_VEHICLES

# R: AC charging efficiency of best-selling cars by current; the three-phase curve is flat above 10 A.
EFFICIENCY_A = np.array([6.0, 10.0, 16.0, 32.0])
EFFICIENCY_ONE_PHASE = np.array([0.76, 0.82, 0.86, 0.89])
EFFICIENCY_THREE_PHASE = np.array([0.88, 0.90, 0.90, 0.90])
# Middle of the one-way range 0.88-0.94 given for chargers at rated power.
EFFICIENCY_DC = 0.93
# Schram et al., Dutch field: 87.0 % round trip at 3 x 16 A, the same both ways.
V2X_ONE_WAY = 0.87**0.5
# AC charging tapers in the last 4 % (3-5 %), direct current from 60 % (50-70 %): share of full power per band, A.
TAPER_AC_EDGE = np.array([0.96, 0.97, 0.98, 0.99, 1.0])
TAPER_AC_SHARE = np.array([1.0, 0.85, 0.65, 0.45, 0.3])
TAPER_DC_EDGE = np.array([0.6, 0.7, 0.8, 0.9, 1.0])
TAPER_DC_SHARE = np.array([1.0, 0.8, 0.6, 0.4, 0.2])
MIN_DC_KW = 1.0  # A: lowest power a direct-current point holds
# +20-30 % consumption in winter against summer (memory, 85 %): one cosine with its peak on 20 January.
SEASON_AMPLITUDE = 0.11
SEASON_PEAK_DAY = 20


def season_factor(day_of_year: np.ndarray | int) -> np.ndarray:
    """Consumption of a day against the yearly mean (1.25 times as much in January as in July)."""
    angle = 2.0 * np.pi * (np.asarray(day_of_year, dtype=float) - SEASON_PEAK_DAY) / 365.25
    return 1.0 + SEASON_AMPLITUDE * np.cos(angle)
