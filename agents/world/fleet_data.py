"""The stylised Dutch generating fleet as data, one line per group of like units.

Capacities: market-rules section 8 (end of 2024/25, there from memory at 75-85 %): PV 27-30 GW, wind on land about 7,
at sea about 4.7, gas 15-19 including combined heat and power, coal about 4, nuclear 0.485, biomass and waste about 1.
Efficiencies, heat credits, start costs, ramps and the prices of must-run parts are assumptions of ordinary size; with
gas at 30 EUR/MWh and 70 EUR/t the marginal costs fall in the bands of section 8 (CCGT 79, old CCGT 88, CHP 75-95,
coal 85, peaker 120-160, biomass and waste 20-30, nuclear 10, subsidised wind and sun −5 to 0 and below). Units
stand for no particular plant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Unit:
    """One generating unit, or a tranche of many small ones.

    Parameters
    ----------
    name, technology : str
        Label and group.
    fuel : str
        "gas", "coal", "biomass", "uranium", "demand" or "none".
    capacity_mw : float
        Rated power.
    efficiency : float
        Electric output per fuel input.
    emission_t_per_mwh_fuel : float
        CO2 per MWh of fuel.
    vom_eur_per_mwh : float
        Variable operation and maintenance; for units without fuel the whole marginal cost.
    heat_credit_eur_per_mwh : float
        Value of the heat sold with each MWh of electricity.
    must_run_share : float
        Part of the available power that runs for heat, waste or contract whatever the price …
    must_run_eur_per_mwh : float
        … down to this price.
    min_load_share : float
        Lowest stable output of a running unit.
    ramp_share_per_min : float
        Fastest change of output.
    start_eur_per_mw : float
        Cost of one start.
    driver : str
        "solar", "wind_onshore" or "wind_offshore" for units that follow the weather, else "".
    """

    name: str
    technology: str
    fuel: str
    capacity_mw: float
    efficiency: float = 1.0
    emission_t_per_mwh_fuel: float = 0.0
    vom_eur_per_mwh: float = 0.0
    heat_credit_eur_per_mwh: float = 0.0
    must_run_share: float = 0.0
    must_run_eur_per_mwh: float = 0.0
    min_load_share: float = 0.0
    ramp_share_per_min: float = 0.05
    start_eur_per_mw: float = 0.0
    driver: str = ""


GAS_T_PER_MWH, COAL_T_PER_MWH = 0.202, 0.34


def dutch_fleet(
    *,
    solar_mw: float = 28_000.0,
    wind_onshore_mw: float = 7_000.0,
    wind_offshore_mw: float = 4_700.0,
    coal_mw: float = 3_900.0,
    gas_mw: float = 17_000.0,
) -> tuple[Unit, ...]:
    """List the fleet.

    Parameters
    ----------
    solar_mw, wind_onshore_mw, wind_offshore_mw, coal_mw, gas_mw : float
        Totals; the groups inside keep their proportions.

    Returns
    -------
    tuple of Unit
        About 100 units; rows of every array of the fleet follow this order.
    """
    return (
        *_renewables(solar_mw, wind_onshore_mw, wind_offshore_mw),
        Unit(
            "nuclear",
            "nuclear",
            "uranium",
            485.0,
            vom_eur_per_mwh=10.0,
            must_run_share=0.8,
            must_run_eur_per_mwh=-90.0,
            ramp_share_per_min=0.01,
        ),
        *_biomass(),
        *_coal(coal_mw),
        *_combined_cycle(gas_mw * 9.8 / 17.0),
        *_heat_and_power(gas_mw * 5.4 / 17.0),
        *_peakers(gas_mw * 1.8 / 17.0),
        *_demand_response(),
    )


# Tranches of wind and sun: share of the group and the price below which they stop. Roofs of homes cannot be stopped
# and bid the floor; subsidised plants stop at or a little below zero since subsidy ends in negative hours; older
# schemes and fixed-price contracts go lower (assumption: 35 % of PV cannot react at all).
_SOLAR = (
    (0.13, -500.0),
    (0.11, -350.0),
    (0.08, -150.0),
    (0.08, -60.0),
    (0.08, -35.0),
    (0.10, -20.0),
    (0.11, -12.0),
    (0.10, -6.0),
    (0.11, -2.5),
    (0.10, -0.5),
)
_ONSHORE = ((0.10, -250.0), (0.12, -70.0), (0.15, -38.0), (0.18, -18.0), (0.20, -8.0), (0.15, -3.0), (0.10, -0.1))
_OFFSHORE = ((0.15, -75.0), (0.20, -45.0), (0.20, -15.0), (0.20, -5.0), (0.25, -0.5))


def _renewables(solar_mw: float, onshore_mw: float, offshore_mw: float) -> list[Unit]:
    groups = (
        ("solar", solar_mw, _SOLAR),
        ("wind_onshore", onshore_mw, _ONSHORE),
        ("wind_offshore", offshore_mw, _OFFSHORE),
    )
    return [
        Unit(
            f"{driver} {i + 1}",
            driver,
            "none",
            share * total,
            vom_eur_per_mwh=price,
            ramp_share_per_min=1.0,
            driver=driver,
        )
        for driver, total, tranches in groups
        for i, (share, price) in enumerate(tranches)
    ]


def _staircase(n: int, low: float, high: float) -> list[float]:
    return [float(value) for value in np.linspace(low, high, n)]


def _biomass() -> list[Unit]:
    costs, floors = _staircase(10, 20.0, 30.0), _staircase(10, -80.0, -10.0)
    return [
        Unit(
            f"waste and biomass {i + 1}",
            "biomass",
            "biomass",
            100.0,
            vom_eur_per_mwh=cost,
            must_run_share=0.6,
            must_run_eur_per_mwh=floor,
            ramp_share_per_min=0.02,
        )
        for i, (cost, floor) in enumerate(zip(costs, floors, strict=True))
    ]


def _coal(total_mw: float) -> list[Unit]:
    sizes = (0.27, 0.20, 0.20, 0.17, 0.16)
    return [
        Unit(
            f"coal {i + 1}",
            "coal",
            "coal",
            share * total_mw,
            efficiency,
            COAL_T_PER_MWH,
            3.5,
            min_load_share=0.35,
            ramp_share_per_min=0.02,
            start_eur_per_mw=75.0,
        )
        for i, (share, efficiency) in enumerate(zip(sizes, _staircase(5, 0.46, 0.42), strict=True))
    ]


def _combined_cycle(total_mw: float) -> list[Unit]:
    efficiencies = _staircase(24, 0.600, 0.495)
    return [
        Unit(
            f"combined cycle {i + 1}",
            "combined cycle",
            "gas",
            total_mw / 24.0,
            efficiency,
            GAS_T_PER_MWH,
            2.0,
            min_load_share=0.4,
            ramp_share_per_min=0.05,
            start_eur_per_mw=45.0,
        )
        for i, efficiency in enumerate(efficiencies)
    ]


def _heat_and_power(total_mw: float) -> list[Unit]:
    """Industry runs half of its units for steam; glasshouses switch theirs freely and store heat."""
    industry, glass = 8, 12
    floors, efficiencies = _staircase(industry, -70.0, 5.0), _staircase(industry, 0.465, 0.395)
    units = [
        Unit(
            f"industrial CHP {i + 1}",
            "CHP",
            "gas",
            0.45 * total_mw / industry,
            efficiency,
            GAS_T_PER_MWH,
            3.0,
            heat_credit_eur_per_mwh=22.0,
            must_run_share=0.42,
            must_run_eur_per_mwh=floor,
            ramp_share_per_min=0.04,
        )
        for i, (efficiency, floor) in enumerate(zip(efficiencies, floors, strict=True))
    ]
    credits = _staircase(glass, 36.0, 17.0)
    return units + [
        Unit(
            f"glasshouse CHP {i + 1}",
            "CHP",
            "gas",
            0.55 * total_mw / glass,
            0.42,
            GAS_T_PER_MWH,
            6.0,
            heat_credit_eur_per_mwh=credit,
            ramp_share_per_min=0.2,
            start_eur_per_mw=8.0,
        )
        for i, credit in enumerate(credits)
    ]


def _peakers(total_mw: float) -> list[Unit]:
    return [
        Unit(
            f"peaker {i + 1}",
            "peaker",
            "gas",
            total_mw / 12.0,
            efficiency,
            GAS_T_PER_MWH,
            6.0,
            ramp_share_per_min=0.12,
            start_eur_per_mw=30.0,
        )
        for i, efficiency in enumerate(_staircase(12, 0.41, 0.29))
    ]


def _demand_response() -> list[Unit]:
    prices = (180.0, 230.0, 300.0, 400.0, 550.0, 800.0, 1200.0, 2000.0, 3000.0)
    return [
        Unit(
            f"demand response {i + 1}",
            "demand response",
            "demand",
            130.0,
            vom_eur_per_mwh=price,
            ramp_share_per_min=0.1,
        )
        for i, price in enumerate(prices)
    ]
