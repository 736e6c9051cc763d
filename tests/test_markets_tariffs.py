"""Grid tariffs, energy tax, net metering."""

from datetime import date

import numpy as np
import pytest

from markets.calendar import Horizon
from markets.contracts import Clock
from markets.levers import Regulation
from markets.tariffs import (
    CAPACITY_BANDS_2024,
    ENERGY_TAX,
    GRID_TARIFFS,
    Bandwidth,
    CapacityBand,
    EnergyTax,
    FeedInFee,
    MonthlyPeak,
    NetMetering,
    TimeOfUse,
    WeightedPeak,
    monthly_peaks_kw,
    rolling_mean_kw,
)

YEAR = Clock.plain(365)


@pytest.mark.case("C54")
@pytest.mark.parametrize(("operator", "eur"), [("stedin", 424.04), ("enexis", 425.88), ("liander", 400.90)])
def test_dutch_capacity_band_does_not_depend_on_use(operator, eur):
    power = np.zeros((YEAR.n_periods, 3))
    power[100, 1], power[:, 2] = 17.0, 2.0
    cost = CAPACITY_BANDS_2024[operator].cost_eur(power, np.full(3, 17.25), YEAR)
    assert cost == pytest.approx([eur] * 3, abs=1e-9)


def test_capacity_classes():
    band = CapacityBand(
        standing_eur_per_year=0.0,
        connection_and_meter_eur_per_year=0.0,
        capacity_eur_per_year=400.0,
        large_eur_per_kw_year=50.0,
    )
    capacity = np.array([1.0, 5.75, 17.25, 24.15, 34.5, 43.0, 55.2, 100.0])
    assert band.yearly_eur(capacity) == pytest.approx([5, 400, 400, 2000, 3000, 4000, 5000, 5000])


@pytest.mark.case("C55")
def test_flemish_peak_by_hand():
    # January: peak 8 kW; February: 1 kW, counted as the floor of 2.5. Rolling means 8 and 5.25.
    clock = Clock.of(Horizon(date(2023, 1, 1), 59))
    power = np.zeros((clock.n_periods, 1))
    power[40, 0] = 8.0
    power[3500, 0] = 1.0
    cost = MonthlyPeak().cost_eur(power, np.array([17.25]), clock)
    assert cost[0] == pytest.approx(40.4 * (8.0 * 31 + 5.25 * 28) / 365)
    capped = MonthlyPeak(cap_eur_per_kwh=0.2).cost_eur(power, np.array([17.25]), clock)
    assert capped[0] == pytest.approx(9.0 * 0.25 * 0.2)


def test_flemish_year_at_the_floor_costs_101_euro():
    power = np.full((YEAR.n_periods, 1), 0.3)
    assert MonthlyPeak().cost_eur(power, np.array([17.25]), YEAR)[0] == pytest.approx(2.5 * 40.4)


def test_rolling_mean_is_that_of_a_plain_loop():
    peaks = np.random.default_rng(2).uniform(2.5, 9.0, (30, 4))
    loop = np.array([peaks[max(0, m - 11) : m + 1].mean(axis=0) for m in range(30)])
    assert rolling_mean_kw(peaks) == pytest.approx(loop)
    assert rolling_mean_kw(peaks[:5]) == pytest.approx(loop[:5])


def test_monthly_peaks_split_at_month_ends():
    clock = Clock.of(Horizon(date(2026, 1, 30), 4))
    power = np.arange(clock.n_periods, dtype=float)[:, None]
    assert monthly_peaks_kw(power, clock)[:, 0] == pytest.approx([191.0, 383.0])


def test_time_of_use_fee_follows_the_evening():
    clock = Clock.plain(1)
    tariff = TimeOfUse(standing_eur_per_year=0.0, high_eur_per_kwh=0.3, low_eur_per_kwh=0.1)
    power = np.zeros((96, 2))
    power[68:84, 0] = 2.0  # 17:00 to 21:00
    power[84:92, 1] = 4.0
    assert tariff.cost_eur(power, np.full(2, 17.25), clock) == pytest.approx([2.4, 0.8])


@pytest.mark.case("C56")
def test_everybody_who_waits_for_the_low_fee_doubles_the_peak():
    fee = TimeOfUse().fee_eur_per_kwh(Clock.plain(1))
    arrival = np.repeat([68, 76], 50)  # 17:00 and 19:00; 22 kWh at 11 kW take eight quarters

    def load_kw(start):
        return np.sum([np.where((np.arange(96) >= s) & (np.arange(96) < s + 8), 11.0, 0.0) for s in start], axis=0)

    at_once = load_kw(arrival)
    assert at_once[68:84].tolist() == [550.0] * 16
    starts = [range(a, 97 - 8) for a in arrival]
    waiting = load_kw([min(s, key=lambda k: (fee[k : k + 8].sum(), k)) for s in starts])
    assert waiting[84:92].tolist() == [1100.0] * 8  # 21:00 to 23:00
    assert waiting[:84].sum() == 0.0


def test_bandwidth_tariff_gives_the_reports_examples():
    power = np.zeros((YEAR.n_periods, 1))
    assert Bandwidth(guaranteed_share=10 / 17).cost_eur(power, np.array([17.0]), YEAR)[0] == pytest.approx(150.0)
    assert Bandwidth(guaranteed_share=35 / 55).cost_eur(power, np.array([55.0]), YEAR)[0] == pytest.approx(450.0)
    day = Clock.plain(1)
    with_excess = Bandwidth(
        base_eur_per_year=0.0, eur_per_mean_kw_year=0.0, guaranteed_share=0.5, excess_eur_per_kwh=0.2
    )
    all_day = np.full((96, 1), 8.0)
    assert with_excess.cost_eur(all_day, np.array([10.0]), day)[0] == pytest.approx(3.0 * 24 * 0.2)


def test_weighted_peak_counts_the_night_by_half():
    clock = Clock.plain(1)
    tariff = WeightedPeak(contract_eur_per_kw_year=0.0, peak_eur_per_kw_month=365 / 12)
    power = np.zeros((96, 2))
    power[8, 0], power[40, 1] = 100.0, 60.0
    assert tariff.cost_eur(power, np.full(2, 100.0), clock) == pytest.approx([50.0, 60.0])


def test_feed_in_fee_has_a_free_part():
    day = Clock.plain(1)
    power = np.full((96, 1), -1.0)
    fee = FeedInFee(eur_per_kwh=0.1, free_kwh_per_year=10 * 365)
    assert fee.cost_eur(power, np.array([17.25]), day)[0] == pytest.approx(1.4)


@pytest.mark.parametrize("name", sorted(GRID_TARIFFS))
def test_every_tariff_bills_each_connection_by_itself(name):
    rng = np.random.default_rng(8)
    clock = Clock.of(Horizon(date(2026, 3, 28), 7))
    power, capacity = rng.normal(1.0, 4.0, (clock.n_periods, 5)), np.array([5.75, 17.25, 24.15, 55.2, 200.0])
    together = GRID_TARIFFS[name]().cost_eur(power, capacity, clock)
    alone = [GRID_TARIFFS[name]().cost_eur(power[:, [k]], capacity[[k]], clock)[0] for k in range(5)]
    assert together == pytest.approx(alone)
    assert np.isfinite(together).all()
    assert (together >= 0.0).all()


def test_a_household_pays_vat_on_tariffs_that_come_without():
    power, capacity = np.full((96, 1), 1.0), np.array([17.25])
    day = Clock.plain(1)
    for tariff, factor in ((CapacityBand(), 1.0), (TimeOfUse(), 1.21)):
        bare = tariff.cost_eur(power, capacity, day)
        assert tariff.cost_with_vat_eur(power, capacity, day, 0.21) == pytest.approx(bare * factor)


def test_tax_and_netting_follow_the_levers():
    rules = Regulation(energy_tax_eur_per_kwh=0.1, vat_share=0.2, is_net_metering=False, feed_in_compensation_share=0.7)
    assert (EnergyTax.of(rules).eur_per_kwh, EnergyTax.of(rules).vat_share) == (0.1, 0.2)
    assert NetMetering.of(rules) == NetMetering(False, 0.7)


def test_energy_tax_and_netting():
    assert ENERGY_TAX[2026].eur_per_kwh == 0.0916
    assert ENERGY_TAX[2025].rebate_eur(8760.0) == pytest.approx(524.95)
    consumed, fed_in = np.array([10.0, 3.0]), np.array([4.0, 8.0])
    assert NetMetering(True).netted_kwh(consumed, fed_in) == pytest.approx([4.0, 3.0])
    assert NetMetering(False).netted_kwh(consumed, fed_in) == pytest.approx([0.0, 0.0])
