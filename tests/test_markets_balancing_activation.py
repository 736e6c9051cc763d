"""aFRR: bid admission, four-second activation against a plain twin, marginal prices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.balancing import (
    AT_REST,
    CYCLES_PER_ISP,
    NO_PASSIVE,
    ActivationRules,
    BidRules,
    EnergyBids,
    PassiveGroups,
    activate_isp,
    activate_periods,
    admit_energy_bids,
    marginal_prices,
    merit_order,
    missing_obligation_mw,
    visible_delta_mw,
)

FLAT = np.ones(CYCLES_PER_ISP)


def ladder(n_objects: bool = True, ramp: float = 0.2) -> EnergyBids:
    """The bids of case C34."""
    return EnergyBids(
        owner=np.arange(6),
        power_mw=[20, 30, 50, -25, -25, -50],
        price_eur_per_mwh=[80, 120, 200, 40, 10, -60],
        ramp_share_per_min=ramp,
        object_id=np.arange(6) if n_objects else -1,
    )


class PlainTwin:
    """The same rules in plain Python, bid by bid, written from the description."""

    def __init__(self, bids: EnergyBids, rules: ActivationRules, passive: PassiveGroups = NO_PASSIVE):
        self.rules = rules
        self.groups = passive
        self.passive = [0.0] * len(passive)
        self.integral = 0.0
        self.imported = 0.0
        self.sides = {}
        for sign in (1, -1):
            rows = [r for r in range(len(bids)) if bids.power_mw[r] * sign > 0]
            rows = [r for _, r in sorted((sign * bids.price_eur_per_mwh[r], r) for r in rows)]
            self.sides[sign] = [
                {
                    "row": r,
                    "size": abs(float(bids.power_mw[r])),
                    "rate": abs(float(bids.power_mw[r])) * float(bids.ramp_share_per_min[r]) / 60.0,
                    "price": float(bids.price_eur_per_mwh[r]),
                    "mw": 0.0,
                    "mwh": 0.0,
                }
                for r in rows
            ]

    def move(self, sign: int, target: float) -> float:
        bids = self.sides[sign]
        lowest = [max(0.0, b["mw"] - 4 * b["rate"]) for b in bids]
        rest = target - sum(lowest)
        for bid, low in zip(bids, lowest, strict=True):
            reachable = min(bid["size"], bid["mw"] + bid["rate"] * max(4.0, self.rules.recruiting_horizon_s))
            goal = low + min(max(rest, 0.0), reachable - low)
            rest -= goal - low
            bid["mw"] = min(goal, bid["mw"] + 4 * bid["rate"])
            bid["mwh"] += bid["mw"] * 4 / 3600
        return sum(b["mw"] for b in bids)

    def react(self, delta: list[float]) -> float:
        """Passive power after a step that starts at 4 s times the number of known deltas."""
        rules, groups = self.rules, self.groups
        public = visible_delta_mw(
            np.array(delta), 4.0 * len(delta), sampling_s=rules.state_sampling_s, delay_s=rules.balance_delta_delay_s
        )
        seen = float(public[-1]) if public.size else 0.0
        for g, now in enumerate(self.passive):
            goal = 0.0
            if abs(seen) > groups.threshold_mw[g]:
                goal = groups.max_up_mw[g] if seen > 0 else -groups.max_down_mw[g]
            step = groups.ramp_share_per_min[g] / 15.0 * max(groups.max_up_mw[g], groups.max_down_mw[g])
            self.passive[g] = now + max(-step, min(step, goal - now))
        return sum(self.passive)

    def run(self, error: np.ndarray) -> dict:
        rules = self.rules
        up = down = 0.0
        most = {s: sum(b["size"] for b in self.sides[s]) + rules.import_capacity_mw for s in (1, -1)}
        path: list[tuple[float, ...]] = []
        delta: list[float] = []
        prices: dict[int, list[float]] = {1: [], -1: []}
        for e in error:
            passive = self.react(delta)
            ace = e + up - down + self.imported + passive
            self.integral = min(max(self.integral + ace * 4 / rules.integration_time_s, -most[1]), most[-1])
            demand = -(rules.beta * ace + self.integral)
            self.imported = min(max(demand, -rules.import_capacity_mw), rules.import_capacity_mw)
            local = demand - self.imported
            local = 0.0 if abs(local) <= rules.dead_band_mw else local
            up, down = self.move(1, max(local, 0.0)), self.move(-1, max(-local, 0.0))
            delta.append(up - down)
            path.append((up, down, self.imported, passive, ace))
            for s in (1, -1):
                prices[s] += [b["price"] for b in self.sides[s] if b["mw"] >= rules.price_threshold_mw]
        return {
            "path": np.array(path).T,
            "up": max(prices[1], default=math.nan),
            "down": min(prices[-1], default=math.nan),
            "energy": {b["row"]: s * b["mwh"] for s in (1, -1) for b in self.sides[s]},
        }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("import_mw, dead_band_mw, horizon_s", [(0.0, 0.0, 4.0), (30.0, 5.0, 60.0), (0.0, 0.0, 300.0)])
def test_kernel_equals_the_plain_twin(seed, import_mw, dead_band_mw, horizon_s):
    rng = np.random.default_rng(seed)
    n = 12
    bids = EnergyBids(
        owner=np.arange(n),
        power_mw=rng.integers(1, 40, n) * rng.choice([-1, 1], n),
        price_eur_per_mwh=np.round(rng.normal(80, 60, n)),
        ramp_share_per_min=rng.uniform(0.2, 2.0, n),
    )
    rules = ActivationRules(
        import_capacity_mw=import_mw,
        dead_band_mw=dead_band_mw,
        recruiting_horizon_s=horizon_s,
        beta=rng.uniform(0, 0.5),
    )
    error = np.cumsum(rng.normal(0, 12, CYCLES_PER_ISP))
    groups = PassiveGroups([25.0, 10.0], [10.0, 0.0], [5.0, 20.0], [0.2, 1.0]) if seed % 2 else NO_PASSIVE
    got = activate_isp(bids, error, rules=rules, passive=groups)
    want = PlainTwin(bids, rules, groups).run(error)
    paths = (got.activated_up_mw, got.activated_down_mw, got.import_mw, got.passive_mw, got.remaining_error_mw)
    np.testing.assert_allclose(np.stack(paths), want["path"], atol=1e-7)
    np.testing.assert_allclose(got.energy_mwh, [want["energy"][r] for r in range(n)], atol=1e-9)
    np.testing.assert_array_equal([got.price_up_eur_per_mwh, got.price_down_eur_per_mwh], [want["up"], want["down"]])


@pytest.mark.case("C34")
def test_marginal_price_of_the_ladder():
    up, down = [(30, 120), (20, 80), (50, 200)], [(25, 40), (25, 10), (50, -60)]
    assert marginal_prices(up, down, peak_up_mw=60, peak_down_mw=40) == (200.0, 10.0, 60.0)
    assert marginal_prices(up, down, peak_up_mw=50, peak_down_mw=25) == (120.0, 40.0, 60.0)
    assert marginal_prices(up, down, peak_up_mw=0.5, peak_down_mw=80) == (80.0, -60.0, 60.0)
    none_up, price_down, mid = marginal_prices(up, [], peak_up_mw=0, peak_down_mw=10)
    assert math.isnan(none_up) and math.isnan(price_down) and math.isnan(mid)
    assert marginal_prices(up, down, peak_up_mw=500, peak_down_mw=0)[0] == 200.0


@pytest.mark.case("C34")
def test_controller_settles_on_the_shortage_and_pays_the_dearest_bid():
    state = AT_REST
    for _ in range(4):
        result = activate_isp(ladder(), -60.0 * FLAT, state)
        state = result.controller_state
    np.testing.assert_allclose(result.activated_up_mw, 60.0, atol=1e-3)
    np.testing.assert_allclose(result.energy_mwh, [5.0, 7.5, 2.5, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(result.remaining_error_mw, 0.0, atol=1e-3)
    assert (result.price_up_eur_per_mwh, result.mid_price_eur_per_mwh) == (200.0, 60.0)
    assert math.isnan(result.price_down_eur_per_mwh)


def test_surplus_is_regulated_down_with_negative_energy():
    result = activate_isp(ladder(), 40.0 * FLAT)
    assert (result.delta_mw <= 0).all() and result.delta_mw[-1] == pytest.approx(-40.0, abs=1.0)
    assert (result.energy_mwh[:3] == 0).all() and (result.energy_mwh[3:] <= 0).all()
    assert result.price_down_eur_per_mwh in (10.0, -60.0)


@pytest.mark.case("C42")
def test_slow_ramps_lift_the_price_above_the_static_ladder():
    bids = EnergyBids(owner=[0, 1], power_mw=[60, 60], price_eur_per_mwh=[80, 150], ramp_share_per_min=0.2)
    static = marginal_prices([(60, 80), (60, 150)], [], peak_up_mw=40, peak_down_mw=0)[0]
    fast = activate_isp(bids, -40.0 * FLAT, rules=ActivationRules(recruiting_horizon_s=4.0))
    patient = activate_isp(bids, -10.0 * FLAT, rules=ActivationRules(recruiting_horizon_s=300.0))
    assert (static, fast.price_up_eur_per_mwh, patient.price_up_eur_per_mwh) == (80.0, 150.0, 80.0)


def test_no_bid_moves_faster_than_its_ramp_or_beyond_its_power():
    rng = np.random.default_rng(3)
    bids = EnergyBids(owner=[0], power_mw=[50], price_eur_per_mwh=[100], ramp_share_per_min=[0.3], object_id=[7])
    path = activate_isp(bids, np.cumsum(rng.normal(0, 30, CYCLES_PER_ISP))).activated_up_mw
    assert np.abs(np.diff(path, prepend=0.0)).max() <= 50 * 0.3 * 4 / 60 + 1e-9
    assert path.min() >= 0.0 and path.max() <= 50.0


def test_netting_leaves_no_local_activation_within_the_import_capacity():
    result = activate_isp(ladder(), -60.0 * FLAT, rules=ActivationRules(import_capacity_mw=500.0))
    assert (result.delta_mw == 0).all() and (result.energy_mwh == 0).all()
    assert result.import_mw[-1] == pytest.approx(60.0, abs=5.0)
    assert math.isnan(result.price_up_eur_per_mwh)


def test_periods_in_one_call_equal_periods_one_by_one():
    rng = np.random.default_rng(5)
    n, n_periods = 20, 6
    size = rng.integers(1, 30, n) * rng.choice([-1, 1], n)
    object_id = np.where(rng.random(n) < 0.5, np.arange(n), -1)
    bids = EnergyBids(
        owner=np.tile(np.arange(n), n_periods),
        power_mw=np.tile(size, n_periods),
        price_eur_per_mwh=rng.normal(80, 50, n * n_periods),
        object_id=np.tile(object_id, n_periods),
        period=np.repeat(np.arange(n_periods), n),
    )
    error = np.cumsum(rng.normal(0, 10, n_periods * CYCLES_PER_ISP)).reshape(n_periods, -1)
    groups = PassiveGroups(max_up_mw=[20.0, 5.0], max_down_mw=10.0, threshold_mw=3.0, ramp_share_per_min=0.2)
    together = activate_periods(bids, error, passive=groups)
    state = AT_REST
    for p in range(n_periods):
        rows = np.flatnonzero(bids.period == p)
        alone = activate_isp(bids.rows(rows), error[p], state, passive=groups)
        np.testing.assert_allclose(alone.delta_mw, together[p].delta_mw, atol=1e-9)
        np.testing.assert_allclose(alone.energy_mwh, together[p].energy_mwh, atol=1e-9)
        np.testing.assert_allclose(alone.passive_energy_mwh, together[p].passive_energy_mwh, atol=1e-9)
        assert alone.price_up_eur_per_mwh == together[p].price_up_eur_per_mwh or math.isnan(alone.price_up_eur_per_mwh)
        state = alone.controller_state
    assert state.mid_price_eur_per_mwh == together[-1].controller_state.mid_price_eur_per_mwh


def test_an_object_goes_on_where_it_was_and_the_total_never_jumps():
    first = activate_isp(ladder(), -60.0 * FLAT)
    dearer = EnergyBids(owner=[1, 9], power_mw=[30, 40], price_eur_per_mwh=[500, 90], object_id=[1, 9])
    second = activate_isp(dearer, -60.0 * FLAT, first.controller_state)
    assert abs(second.activated_up_mw[0] - first.activated_up_mw[-1]) < 5.0
    assert second.price_up_eur_per_mwh == 500.0  # object 1 still delivers at its new, dear price


def test_what_vanished_bids_delivered_is_taken_over_once_by_the_cheapest():
    first = activate_isp(ladder(n_objects=False), -60.0 * FLAT)
    new = EnergyBids(owner=0, power_mw=[40, 50, 90], price_eur_per_mwh=[10, 20, 30], ramp_share_per_min=0.2)
    second = activate_isp(new, -60.0 * FLAT, first.controller_state)
    assert second.activated_up_mw[0] == pytest.approx(first.activated_up_mw[-1], abs=1.0)
    np.testing.assert_allclose(second.energy_mwh, [10.0, 5.0, 0.0], atol=0.05)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 15),
    scale=st.floats(0.0, 400.0),
    horizon=st.sampled_from([4.0, 60.0, 300.0]),
)
def test_prices_and_energy_stay_within_the_merit_order(seed, n, scale, horizon):
    rng = np.random.default_rng(seed)
    bids = EnergyBids(
        owner=np.arange(n),
        power_mw=rng.integers(1, 50, n) * rng.choice([-1.0, 1.0], n),
        price_eur_per_mwh=np.round(rng.normal(60, 200, n), 2),
        ramp_share_per_min=rng.uniform(0.2, 2.0, n),
    )
    result = activate_isp(
        bids, rng.normal(0, scale, CYCLES_PER_ISP), rules=ActivationRules(recruiting_horizon_s=horizon)
    )
    for sign, price in ((1, result.price_up_eur_per_mwh), (-1, result.price_down_eur_per_mwh)):
        mine = bids.power_mw * sign > 0
        energy = result.energy_mwh[mine]
        assert (sign * energy >= 0).all()
        assert (np.abs(energy) <= np.abs(bids.power_mw[mine]) * 0.25 + 1e-9).all()
        active = bids.price_eur_per_mwh[mine][np.abs(energy) > 1e-3]
        if not math.isnan(price):
            assert price in bids.price_eur_per_mwh[mine]
            assert (sign * active <= sign * price + 1e-9).all()
        else:
            assert active.size == 0
    assert result.delta_mw.sum() * 4 / 3600 == pytest.approx(float(np.sum(result.energy_mwh)), abs=1e-7)


def test_a_broken_error_signal_counts_as_zero_and_no_bids_are_fine():
    result = activate_isp(EnergyBids([], [], []), np.full(CYCLES_PER_ISP, np.nan))
    assert (result.delta_mw == 0).all() and math.isnan(result.mid_price_eur_per_mwh)


def test_merit_order_breaks_ties_by_row():
    bids = EnergyBids(owner=[0, 1, 2, 3], power_mw=[5, 5, 5, -5], price_eur_per_mwh=[90, 80, 80, 10])
    assert merit_order(bids, is_up=True).tolist() == [1, 2, 0]
    assert merit_order(bids, is_up=False).tolist() == [3]


def test_controller_settings_are_checked_together():
    with pytest.raises(ValueError, match=r"integration_time_s.*state_sampling_s.*balance_delta_delay_s"):
        ActivationRules(integration_time_s=0.0, state_sampling_s=10, balance_delta_delay_s=1000.0)


def one_bid(power=5.0, price=100.0, ramp=0.2):
    return EnergyBids(owner=[1], power_mw=[power], price_eur_per_mwh=[price], ramp_share_per_min=[ramp])


@pytest.mark.case("C45")
@pytest.mark.parametrize(
    "fields",
    [
        {"power": 1.0},
        {"power": -1.0},
        {"power": 999.0},
        {"power": -999.0},
        {"ramp": 0.2},
        {"ramp": 2.0},
        {"price": -100_000.0},
        {"price": 100_000.0},
        {"price": 10.01},
        {"price": 99_999.99},
    ],
)
def test_valid_bids_pass(fields):
    is_admitted, rejections = admit_energy_bids(one_bid(**fields))
    assert is_admitted.all() and rejections == ()


@pytest.mark.case("C45")
@pytest.mark.parametrize(
    "fields, rule",
    [
        ({"power": 0.5}, "below_minimum"),
        ({"power": 0.0}, "below_minimum"),
        ({"power": 1.5}, "off_volume_step"),
        ({"power": 1000.0}, "above_maximum"),
        ({"ramp": 0.199}, "ramp_outside_limits"),
        ({"ramp": 2.001}, "ramp_outside_limits"),
        ({"price": 10.005}, "price_off_tick"),
        ({"price": -100_000.01}, "price_outside_limits"),
        ({"price": math.nan}, "not_a_number"),
        ({"power": math.inf}, "not_a_number"),
    ],
)
def test_each_broken_rule_has_a_name(fields, rule):
    is_admitted, rejections = admit_energy_bids(one_bid(**fields))
    assert not is_admitted.any() and [tuple(r) for r in rejections] == [(0, rule)]


@pytest.mark.case("C45")
def test_a_message_with_four_small_bids_is_refused_as_a_whole():
    bids = EnergyBids(
        owner=[1, 1, 1, 1, 1, 2, 2, 2],
        power_mw=[3, 3, -3, 3, 10, 3, 3, 3],
        price_eur_per_mwh=50.0,
        message_id=[1, 1, 1, 1, 1, 2, 2, 2],
    )
    is_admitted, rejections = admit_energy_bids(bids)
    assert is_admitted.tolist() == [False] * 5 + [True] * 3
    assert {r.rule for r in rejections} == {"too_many_small_bids"}
    assert admit_energy_bids(bids.rows(np.array([0, 1, 2, 4])))[0].all()


@pytest.mark.case("C44")
def test_an_object_may_bid_both_ways_but_once_per_direction_and_period():
    bids = EnergyBids(
        owner=1,
        power_mw=[10, -10, 20, 10],
        price_eur_per_mwh=[90, 30, 95, 90],
        object_id=4,
        period=[0, 0, 0, 1],
        message_id=[1, 2, 3, 4],
    )
    assert [tuple(r) for r in admit_energy_bids(bids)[1]] == [(2, "second_bid_of_object")]


def test_smaller_bids_by_lever_and_gate_and_prequalification():
    tenth = BidRules(min_bid_mw=0.1, small_bids_max=99)
    assert admit_energy_bids(one_bid(power=0.3), tenth)[0].all()
    assert admit_energy_bids(one_bid(power=0.25), tenth)[1][0].rule == "off_volume_step"
    late = EnergyBids(owner=[1, 1], power_mw=[5, 5], price_eur_per_mwh=50.0, period=[11, 12])
    assert [tuple(r) for r in admit_energy_bids(late, now_period=10)[1]] == [(0, "gate_closed")]
    three = EnergyBids(owner=[1, 1, 2], power_mw=[5, 5, 5], price_eur_per_mwh=50.0)
    refused = admit_energy_bids(three, prequalified_mw={1: 8.0})[1]
    assert [tuple(r) for r in refused] == [(1, "beyond_prequalification"), (2, "beyond_prequalification")]


def test_contracted_capacity_must_be_bid():
    bids = EnergyBids(owner=[1, 1, 2], power_mw=[5, 4, -9], price_eur_per_mwh=50.0)
    assert missing_obligation_mw(bids, {1: 10.0, 2: 3.0}, period=0, is_up=True) == {1: 1.0, 2: 3.0}
    assert missing_obligation_mw(bids, {2: 9.0}, period=0, is_up=False) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True), st.floats()
        ),
        max_size=12,
    )
)
def test_whatever_arrives_every_row_is_admitted_or_named(rows):
    columns = np.array(rows, dtype=float).reshape(-1, 3)
    bids = EnergyBids(np.zeros(len(rows), int), columns[:, 0], columns[:, 1], columns[:, 2])
    is_admitted, rejections = admit_energy_bids(bids)
    assert sorted(r.row for r in rejections) == np.flatnonzero(~is_admitted).tolist()
    good = np.abs(bids.power_mw[is_admitted])
    assert ((good >= 1) & (good <= 999)).all()
    activate_isp(bids.rows(is_admitted), -10.0 * FLAT)
