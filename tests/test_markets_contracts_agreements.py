"""Transport agreements: what is granted, what may be withheld, which breaches are found."""

from datetime import date

import numpy as np
import pytest
from scipy.optimize import linprog

from markets.calendar import Horizon
from markets.contracts import (
    REPORT_AGREEMENTS,
    SHARING_RULES,
    TRANSPORT_AGREEMENTS,
    CapacityLimiting,
    Clock,
    DurationBound,
    Firm,
    Group,
    Guarantee,
    NonFirm,
    TimeBlock,
    TransportAgreement,
    agreement_for,
    allowed_kw,
    check_portfolio,
    exceedances,
    total_penalty_eur,
)

HOURLY = Clock.plain(1, period_h=1.0)
HOME = Guarantee(4.0, 17.0, 10.0, 6.0)
PUBLIC = Guarantee(0.0, 55.0, 35.0, 12.0)


def profile(*blocks):
    return np.concatenate([np.broadcast_to(np.array(b, dtype=float), 4) for b in blocks])


@pytest.mark.case("C25")
@pytest.mark.parametrize(
    ("guarantee", "limits", "broken", "day_mean"),
    [
        (HOME, profile(17, 17, 10, 10, [4, 4, 8, 8], 6), [], 11.0),
        (HOME, profile(17, 17, 10, 10, [4, 4, 4, 8], 6), [("block_mean", 16, 5.0)], 10.0 + 5 / 6),
        (HOME, profile(17, 12, 8, 6, 6, 6), [("day_mean", 0, 9.0 + 1 / 6)], 9.0 + 1 / 6),
        (PUBLIC, profile(55, 55, 40, 12, [0, 16, 16, 16], 40), [], 35.0 + 2 / 3),
    ],
)
def test_guaranteed_bounds_of_the_report(guarantee, limits, broken, day_mean):
    assert limits.mean() == pytest.approx(day_mean)
    found = guarantee.check(limits, HOURLY)
    assert [(b.rule, b.period) for b in found] == [(rule, period) for rule, period, _ in broken]
    assert [b.value_kw for b in found] == pytest.approx([mean for _, _, mean in broken])


@pytest.mark.case("C25")
def test_what_an_operator_may_withhold():
    assert HOME.withholdable_kwh_per_day() == pytest.approx(168.0)
    assert PUBLIC.withholdable_kwh_per_day() == pytest.approx(480.0)
    nothing_decided = np.full(24, np.nan)
    assert HOME.withholdable_left_kwh(nothing_decided, HOURLY) == pytest.approx([168.0])
    assert PUBLIC.withholdable_left_kwh(nothing_decided, HOURLY) == pytest.approx([480.0])


@pytest.mark.case("C25")
def test_what_is_left_after_decided_limits():
    decided = np.full(24, np.nan)
    decided[:4] = 6.0  # 44 kWh of the block's 44 and of the day's 168
    assert HOME.withholdable_left_kwh(decided, HOURLY) == pytest.approx([124.0])
    decided[4:20] = [17, 17, 17, 17] + [6] * 8 + [17] * 4  # 88 more
    assert HOME.withholdable_left_kwh(decided, HOURLY) == pytest.approx([36.0])
    decided[20:23] = 17.0  # one open hour: at most 17 - 4 = 13
    assert HOME.withholdable_left_kwh(decided, HOURLY) == pytest.approx([13.0])
    decided[23] = 17.0
    assert HOME.withholdable_left_kwh(decided, HOURLY) == pytest.approx([0.0])


@pytest.mark.parametrize("seed", range(15))
def test_what_is_left_matches_an_optimiser(seed):
    """Most energy that open hours can still lose under every bound, found by scipy."""
    rng = np.random.default_rng(seed)
    decided = HOME.admissible_kw(rng.uniform(0.0, 17.0, 24), HOURLY)
    decided[rng.random(24) < 0.5] = np.nan
    is_open = np.isnan(decided)
    sums = np.zeros((7, 24))
    sums[0], sums[1 + HOURLY.block(4.0), np.arange(24)] = 1.0, 1.0
    needed = np.array([10.0 * 24, *[6.0 * 4] * 6]) - sums[:, ~is_open] @ decided[~is_open]
    bounds = [(4.0, 17.0)] * int(is_open.sum())
    best = linprog(np.ones(len(bounds)), A_ub=-sums[:, is_open], b_ub=-needed, bounds=bounds)
    most = 17.0 * len(bounds) - best.fun
    assert HOME.withholdable_left_kwh(decided, HOURLY) == pytest.approx([most], abs=1e-6)


def test_one_bound_below_the_minimum_and_one_above_the_maximum_are_found():
    limits = np.full(24, 17.0)
    limits[3], limits[9] = 3.5, 18.0
    found = HOME.check(limits, HOURLY, penalty_eur_per_mwh=1000.0)
    assert [(b.rule, b.period) for b in found] == [("minimum", 3), ("maximum", 9)]
    assert found[0].penalty_eur == pytest.approx(0.5)
    assert found[1].penalty_eur == 0.0


def test_blocks_follow_the_local_clock_on_short_and_long_days():
    for first, n in ((date(2025, 3, 30), 92), (date(2025, 10, 26), 100)):
        clock = Clock.of(Horizon(first, 1))
        assert clock.n_periods == n
        assert len(np.unique(clock.block(4.0))) == 6
        limits = np.where(clock.block(4.0) == 0, 5.9, 17.0)
        found = HOME.check(limits, clock)
        assert [b.rule for b in found] == ["block_mean"]
        assert found[0].n_periods == (12 if n == 92 else 20)


def test_admissible_limits_keep_every_bound():
    rng = np.random.default_rng(5)
    clock = Clock.plain(2)
    wanted = rng.uniform(0.0, 20.0, (clock.n_periods, 7)) * rng.uniform(0.0, 1.0, 7)
    for guarantee in (HOME, PUBLIC):
        limits = guarantee.admissible_kw(wanted, clock)
        for column in limits.T:
            assert not guarantee.check(column, clock)
    free = np.full((clock.n_periods, 1), 16.0)
    assert HOME.admissible_kw(free, clock) == pytest.approx(free)


@pytest.mark.case("C20")
def test_capacity_limiting_contract():
    contract = CapacityLimiting(1000.0, 600.0, price_eur_per_mwh=75.0, penalty_eur_per_mwh=200.0)
    clock = Clock.plain(1)
    limit = contract.called_limit_kw(clock.is_between(((17.0, 21.0),)), clock)
    assert contract.compensation_eur(limit, clock.period_h).sum() == pytest.approx(120.0)
    measured = np.full(clock.n_periods, 550.0)
    measured[70] = 700.0  # 17:30
    measured[60] = 900.0  # 15:00, nothing called
    found = contract.measured_breaches(measured, limit, clock)
    assert [(b.period, b.value_kw - b.limit_kw) for b in found] == [(70, 100.0)]
    assert total_penalty_eur(found, "customer") == pytest.approx(0.025 * 200.0)


def test_a_call_must_keep_window_notice_and_number():
    contract = CapacityLimiting(1000.0, 600.0, windows=((17.0, 21.0),), notice_h=12.0, max_calls=1)
    clock = Clock.plain(1)
    limit = np.full(clock.n_periods, 1000.0)
    limit[68], limit[72], limit[90] = 600.0, 500.0, 600.0
    announced = np.full(clock.n_periods, 24.0)
    announced[72] = 3.0
    found = contract.call_breaches(limit, announced, clock)
    rules = [(b.rule, b.period) for b in found]
    assert rules == [
        ("below_contract", 72),
        ("outside_window", 90),
        ("notice", 72),
        ("too_many_calls", 72),
        ("too_many_calls", 90),
    ]
    too_large = CapacityLimiting(70_000.0, 100.0)
    assert any("CSP is compulsory" in f for f in too_large.faults(80_000.0))


@pytest.mark.case("C24")
def test_twenty_connections_share_forty_kilowatt():
    group = Group.of_members((17.25,) * 20, share=1.0)
    wants, urgency = np.full(20, 10.0), np.arange(20.0)
    single = np.minimum(wants, 2.0)
    assert not (single >= 4.14).any()
    fast = Group(group.capacity_kw, member_kw=group.member_kw, sharing_rule="few_fast")
    share = fast.share_kw(40.0, wants, 4.14, urgency)
    assert share[-4:] == pytest.approx([10.0] * 4)
    assert share.sum() == pytest.approx(40.0)
    slow = group.share_kw(40.0, np.full(20, 4.14), 4.14, urgency)
    assert (slow > 0).sum() == 9
    assert slow.sum() == pytest.approx(37.26)
    topped = group.share_kw(40.0, wants, 4.14, urgency)
    assert (topped > 0).sum() == 9
    assert topped.sum() == pytest.approx(40.0)
    assert topped.sum() <= 40.0 + 1e-9


@pytest.mark.case("C24")
def test_clustering_is_one_switch():
    limits, wants, urgency = np.full(20, 2.0), np.full(20, 10.0), np.arange(20.0)
    assert not allowed_kw(limits, wants, 4.14, urgency, is_clustered=False).any()
    together = allowed_kw(limits, wants, 4.14, urgency, is_clustered=True, sharing_rule="few_fast")
    assert np.flatnonzero(together).tolist() == [16, 17, 18, 19]
    assert together.sum() == pytest.approx(40.0)


def line_up(limit, want, least, order):
    """Plain loop: first in line takes all it wants if that is at least its least."""
    share, left = np.zeros(len(want)), limit
    for row in order:
        power = min(want[row], left)
        if power > 0 and power >= least[row] - 1e-9 and want[row] >= least[row] - 1e-9:
            share[row], left = power, left - power
    return share


@pytest.mark.parametrize("seed", range(20))
def test_sharing_rules_against_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    want = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0.0, 12.0, n))
    least = rng.choice([0.0, 1.38, 4.14], n)
    order, limit = rng.permutation(n), rng.uniform(0.0, 40.0)
    assert SHARING_RULES["few_fast"](limit, want, least, order) == pytest.approx(line_up(limit, want, least, order))
    for rule in SHARING_RULES.values():
        share = rule(limit, want, least, order)
        assert share.sum() <= limit + 1e-9
        assert (share <= want + 1e-9).all()
        assert ((share == 0.0) | (share >= least - 1e-9)).all()
    served = {name: (rule(limit, want, least, order) > 0).sum() for name, rule in SHARING_RULES.items()}
    if (least > 0).all():
        assert served["many_slow"] >= served["few_fast"]


def test_a_non_firm_group_keeps_its_guarantee():
    group = Group(17.0, member_kw=(17.0, 17.0), guarantee=HOME)
    limits = profile(17, 12, 8, 6, 6, 6)
    assert [b.rule for b in group.operator_breaches(limits, HOURLY)] == ["day_mean"]
    firm = Group(17.0, member_kw=(17.0, 17.0))
    assert {b.rule for b in firm.operator_breaches(limits, HOURLY)} == {"firm_right"}
    assert firm.fee_eur(8760.0) == firm.fee_eur_per_year


def test_a_group_is_answered_for_by_its_leader():
    group = Group(5.0, member_kw=(4.0, 4.0), penalty_eur_per_mwh=100.0)
    measured = np.array([[3.0, 1.0], [3.0, 3.0], [4.5, 0.0]])
    clock = Clock.plain(1)
    clock = Clock(clock.period_h, clock.local_hour[:3], clock.day[:3], clock.month[:3], clock.is_weekend[:3])
    found = group.member_breaches(measured, clock)
    assert [(b.rule, b.row, b.period) for b in found] == [("transport_right", -1, 1), ("member_capacity", 0, 2)]
    called = group.member_breaches(measured, clock, limit_kw=np.array([3.0, 5.0, 5.0]))
    assert ("called_limit", -1, 0) in [(b.rule, b.row, b.period) for b in called]


def test_firm_rights_may_not_be_limited_and_are_checked_both_ways():
    firm = Firm(10.0, penalty_eur_per_mwh=1000.0, feed_in_kw=5.0)
    clock = Clock.plain(1, period_h=1.0)
    measured = np.zeros(24)
    measured[2], measured[5] = 12.0, -7.0
    found = firm.measured_breaches(measured, clock)
    assert [(b.rule, b.period, b.energy_kwh) for b in found] == [("transport_right", 2, 2.0), ("feed_in_right", 5, 2.0)]
    limit = np.full(24, 10.0)
    limit[7] = 4.0
    (breach,) = firm.operator_breaches(limit, clock)
    assert (breach.rule, breach.by) == ("firm_right", "operator")
    assert breach.penalty_eur == pytest.approx(6.0)


def test_a_called_limit_and_the_right_are_not_counted_twice():
    agreement = NonFirm(10.0, guarantee=Guarantee(0.0, 10.0, 0.0, 0.0))
    clock = Clock.plain(1, period_h=1.0)
    measured, limit = np.zeros(24), np.full(24, 10.0)
    measured[3], limit[3] = 12.0, 6.0
    found = agreement.measured_breaches(measured, clock, limit)
    assert [(b.rule, b.energy_kwh) for b in found] == [("transport_right", 2.0), ("called_limit", 4.0)]


def test_time_blocks_grant_the_right_only_inside():
    right = TimeBlock(100.0, blocks=((22.0, 6.0), (10.0, 16.0)), base_kw=10.0)
    clock = Clock.plain(1, period_h=1.0)
    granted = right.right_kw(clock)
    assert np.flatnonzero(granted == 100.0).tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 22, 23]
    measured = np.full(24, 20.0)
    assert len(right.measured_breaches(measured, clock)) == 10
    assert right.is_suspendable(right.measured_breaches(measured, clock)) is False
    assert TimeBlock.scaled(100.0).suspension_after == 2


@pytest.mark.case("C26")
def test_duration_bound_right_leaves_85_percent_of_the_year():
    right = DurationBound(100.0)
    clock = Clock.plain(365, period_h=1.0)
    assert right.limitable_h() == pytest.approx(1314.0)
    limit = np.full(clock.n_periods, 100.0)
    limit[:1314] = 0.0
    assert right.operator_breaches(limit, clock) == []
    assert right.limitable_left_h(limit, clock) == pytest.approx(0.0, abs=1e-9)
    limit[5000] = 99.0
    assert [(b.rule, b.period) for b in right.operator_breaches(limit, clock)] == [("duration_share", 5000)]
    late = right.operator_breaches(limit, clock, announced_h=np.full(clock.n_periods, 23.0))
    assert sum(b.rule == "notice" for b in late) == 1315


def test_exceedances_of_a_fleet_match_a_plain_loop():
    rng = np.random.default_rng(3)
    measured, limit = rng.uniform(0, 20, (96, 50)), rng.uniform(5, 20, 50)
    found = exceedances(measured, limit, 0.25)
    loop = [(p, r) for p in range(96) for r in range(50) if measured[p, r] > limit[r]]
    assert list(zip(found.period.tolist(), found.row.tolist(), strict=True)) == loop
    assert found.energy_kwh == pytest.approx(found.excess_kw * 0.25)
    measured[0, 0] = np.nan
    assert (0, 0) not in zip(*exceedances(measured, 0.0, 0.25)[:2], strict=True)


def test_a_contract_that_promises_more_than_the_connection_is_refused_with_all_faults():
    agreements: dict[str, TransportAgreement | CapacityLimiting] = {
        "871": Firm(20.0),
        "872": NonFirm(17.0, guarantee=Guarantee(4.0, 18.0, 10.0, 6.0)),
        "873": TimeBlock(10.0, blocks=((25.0, 3.0),)),
        "874": Firm(3.0),
        "875": CapacityLimiting(100.0, 60.0),
    }
    with pytest.raises(ValueError) as error:
        check_portfolio(agreements, {"871": 17.25, "872": 17.25, "873": 17.25, "875": 55.2})
    text = str(error.value)
    for part in ("871: Firm: promises 20 kW, the connection carries 17.25 kW", "872", "25-3", "874: no such", "875"):
        assert part in text
    check_portfolio({"871": Firm(17.25)}, {"871": 17.25})


@pytest.mark.parametrize("kind", sorted(TRANSPORT_AGREEMENTS))
@pytest.mark.parametrize("capacity_kw", [5.75, 17.25, 55.2, 1000.0])
def test_every_registered_form_fits_its_own_connection(kind, capacity_kw):
    agreement = agreement_for(kind, capacity_kw)
    clock = Clock.plain(2)
    assert agreement.faults(capacity_kw) == []
    assert agreement.faults(capacity_kw * 0.9) != []
    right = agreement.right_kw(clock)
    assert right.shape == (clock.n_periods,)
    assert right.max() <= capacity_kw * (1 + 1e-9)
    assert agreement.measured_breaches(right, clock) == []
    assert len(agreement.measured_breaches(right + 1.0, clock)) == clock.n_periods
    assert agreement.operator_breaches(right, clock, np.zeros(clock.n_periods)) == []


def test_report_examples_keep_their_numbers():
    assert REPORT_AGREEMENTS["public_firm"].fee_eur_per_year - REPORT_AGREEMENTS[
        "public_non_firm"
    ].fee_eur_per_year == pytest.approx(2550.0)
    assert NonFirm.scaled(17.0).guarantee == Guarantee(4.0, 17.0, 10.0, 6.0)
    assert NonFirm.scaled(17.0).fee_eur_per_year == pytest.approx(150.0)
    assert NonFirm.scaled(55.0).fee_eur_per_year == pytest.approx(450.0)
    with pytest.raises(ValueError, match="not one of firm"):
        agreement_for("gold", 10.0)
