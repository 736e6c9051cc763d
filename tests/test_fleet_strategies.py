"""Strategies against linear programs (HiGHS), the contract every strategy keeps, and envelopes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from agents.fleet.strategies import STRATEGIES
from agents.fleet.strategies.envelope import disaggregate, envelope, plan_envelope
from agents.fleet.strategies.filling import fill_in_order, fill_in_order_plain, wanted_kwh
from agents.fleet.strategies.optimal import price_optimal_v1g
from agents.fleet.strategies.real_cars import urgent_first, with_low_power_losses
from agents.fleet.view import SessionView, Signal, available_share

T = 96


def random_view(seed, n=40, *, least=False, v2x=False, forecast=False):
    rng = np.random.default_rng(seed)
    max_kw = rng.choice([3.68, 7.36, 11.04], n)
    come = rng.integers(0, 50, n) if forecast else np.zeros(n, dtype=int)
    columns = {
        "max_kw": max_kw,
        "min_kw": np.where(max_kw > 10, 4.14, 1.38) if least else 0.0,
        "efficiency": rng.uniform(0.85, 0.92, n),
        "discharge_efficiency": rng.uniform(0.85, 0.92, n),
        "arrival_period": come,
        "departure_period": np.minimum(come + rng.integers(3, 60, n), T),
        "first_share": rng.uniform(0.1, 1.0, n),
        "last_share": rng.uniform(0.1, 1.0, n),
        "energy_now_kwh": rng.uniform(16.0, 40.0, n),
        "reserve_kwh": 15.0,
        "max_discharge_kw": max_kw if v2x else 0.0,
        "priority": rng.normal(size=n),
        "site": rng.integers(0, 4, n),
    }
    view = SessionView.of(n, **columns)
    able = (view.max_kw[:, None] * view.efficiency[:, None] * available_share(view, T) * 0.25).sum(axis=1)
    room = 60.0 - columns["energy_now_kwh"]
    need = np.minimum(rng.lognormal(2.3, 0.8, n), np.minimum(0.95 * able, room))
    return SessionView.of(n, **columns, energy_needed_kwh=need)


def random_signal(seed, **more):
    rng = np.random.default_rng(seed + 1)
    return Signal(np.round(rng.uniform(-0.05, 0.4, T), 3), **more)


def metered(view, plan):
    return plan * available_share(view, T) * 0.25


def stored(view, plan):
    energy = metered(view, plan)
    eta, back = view.efficiency[:, None], view.discharge_efficiency[:, None]
    return np.where(energy > 0, energy * eta, energy / back)


def v1g_reference(view, price, limit_kw=None, peak_eur_per_kw=0.0, missing_eur=10.0):
    """Linear program over all cars: cost in EUR, need that does not fit at ``missing_eur`` per kWh."""
    slots = view.max_kw[:, None] * available_share(view, T) * 0.25
    need = np.minimum(view.energy_needed_kwh / view.efficiency, slots.sum(axis=1))
    n = len(view)
    car, period = np.nonzero(slots > 0)
    k = len(car)
    columns = np.arange(k)
    by_car = sparse.csr_matrix((np.ones(k), (car, columns)), shape=(n, k))
    by_period = sparse.csr_matrix((np.ones(k), (period, columns)), shape=(T, k))
    equal = sparse.hstack([by_car, sparse.eye(n), sparse.csr_matrix((n, 1))])
    limit = np.full(T, 1e6) if limit_kw is None else np.broadcast_to(limit_kw, T) * 0.25
    under = sparse.vstack(
        [
            sparse.hstack([by_period, sparse.csr_matrix((T, n + 1))]),
            sparse.hstack([by_period, sparse.csr_matrix((T, n)), np.full((T, 1), -0.25)]),
        ]
    )
    cost = np.concatenate([price[period], np.full(n, missing_eur), [peak_eur_per_kw]])
    upper = np.concatenate([slots[car, period], np.full(n + 1, np.inf)])
    solved = linprog(
        cost,
        A_ub=under,
        b_ub=np.concatenate([limit, np.zeros(T)]),
        A_eq=equal,
        b_eq=need,
        bounds=np.column_stack([np.zeros(k + n + 1), upper]),
        method="highs",
    )
    return solved.fun


def v2x_reference(view, row, buy, sell, wear):
    """Linear program of one car with delivery: cost in EUR."""
    n = int(view.departure_period[row])
    hours = available_share(view, T)[row, :n] * 0.25
    eta, back = view.efficiency[row], view.discharge_efficiency[row]
    cumulative = np.tril(np.ones((n, n)))
    into = np.hstack([eta * cumulative, -cumulative / back])
    now, need = view.energy_now_kwh[row], view.energy_needed_kwh[row]
    solved = linprog(
        np.concatenate([buy[:n], -sell[:n] + wear / back]),
        A_ub=np.vstack([into, -into, -into[-1:]]),
        b_ub=np.concatenate(
            [
                np.full(n, view.capacity_kwh[row] - now),
                np.full(n, now - min(view.reserve_kwh[row], now)),
                [-need],
            ]
        ),
        bounds=np.column_stack(
            [np.zeros(2 * n), np.concatenate([view.max_kw[row] * hours, view.max_discharge_kw[row] * hours])]
        ),
        method="highs",
    )
    assert solved.status == 0
    return solved.fun


@pytest.mark.parametrize("seed", range(4))
def test_v1g_costs_what_the_linear_program_costs(seed):
    view, signal = random_view(seed, 60), random_signal(seed)
    plan = STRATEGIES["price_optimal_v1g"](view, signal)
    cost = np.sum(metered(view, plan) * signal.price_eur_per_kwh)
    reference = v1g_reference(view, signal.price_eur_per_kwh)
    assert abs(cost - reference) <= 1e-4 * abs(reference)
    np.testing.assert_allclose(stored(view, plan).sum(axis=1), view.energy_needed_kwh, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("least", [False, True])
def test_filling_and_its_numpy_twin_agree(seed, least):
    view = random_view(seed, 80, least=least)
    view = SessionView(**{**view.__dict__, "taper_kwh": np.random.default_rng(seed).uniform(0, 2, 80)})
    signal = random_signal(seed)
    np.testing.assert_allclose(
        fill_in_order(view, signal.prices(80), signal), fill_in_order_plain(view, signal.prices(80), signal), atol=1e-9
    )


def test_the_six_ampere_minimum_costs_v1g_little():
    view, signal = random_view(1, 200, least=True), random_signal(1)
    plan = STRATEGIES["price_optimal_v1g"](view, signal)
    assert np.all((plan == 0) | (plan >= view.min_kw[:, None] - 1e-9))
    cost = np.sum(metered(view, plan) * signal.price_eur_per_kwh)
    assert cost <= v1g_reference(view, signal.price_eur_per_kwh) * 1.02
    assert np.all(stored(view, plan).sum(axis=1) >= view.energy_needed_kwh - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_v2x_costs_what_the_linear_program_costs(seed):
    view = random_view(seed, 15, v2x=True)
    price = np.round(np.random.default_rng(seed).uniform(0.02, 0.4, T), 3)
    signal = Signal(price, feed_in_eur_per_kwh=0.95 * price, wear_eur_per_kwh=0.03)
    plan = STRATEGIES["price_optimal_v2x"](view, signal)
    energy = metered(view, plan)
    wear = 0.03 * np.where(energy < 0, -energy / view.discharge_efficiency[:, None], 0.0)
    cost = np.sum(np.where(energy > 0, energy * price, energy * 0.95 * price) + wear, axis=1)
    reference = [v2x_reference(view, row, price, 0.95 * price, 0.03) for row in range(len(view))]
    np.testing.assert_allclose(cost, reference, atol=1e-7)


@pytest.mark.parametrize("wear", [0.0, 0.03])
def test_v2x_is_exact_with_negative_prices_too(wear):
    view = random_view(7, 10, v2x=True)
    price = np.round(np.random.default_rng(7).uniform(-0.1, 0.4, T), 3)
    energy = metered(view, STRATEGIES["price_optimal_v2x"](view, Signal(price, wear_eur_per_kwh=wear)))
    taken = np.where(energy < 0, -energy / view.discharge_efficiency[:, None], 0.0).sum()
    reference = sum(v2x_reference(view, row, price, price, wear) for row in range(len(view)))
    assert abs(energy.sum(axis=0) @ price + wear * taken - reference) <= 0.005 * abs(reference)


def test_trickles_wait_until_they_are_enough_and_keep_the_limit():
    view = random_view(11, 60, least=True, forecast=True)
    view = SessionView(**{**view.__dict__, "site": np.zeros(60, dtype=int)})
    for name, limit in (("site_optimal", 150.0), ("pooled_envelope", np.inf)):
        plan = STRATEGIES[name](view, random_signal(11, limit_kw=np.full(T, limit)))
        assert np.all((plan == 0) | (plan >= view.min_kw[:, None] - 1e-6)), name
        assert np.all((plan * available_share(view, T)).sum(axis=0) <= limit + 1e-6)
        missing = np.maximum(view.energy_needed_kwh - stored(view, plan).sum(axis=1), 0.0).sum()
        assert missing <= 0.005 * view.energy_needed_kwh.sum(), name


def test_part_load_losses_are_made_up_for_and_full_load_is_left_alone():
    view = SessionView.of(1, max_kw=11.0, min_kw=5.0, efficiency=0.9, min_efficiency=0.8)
    plan = with_low_power_losses(view, np.array([[11.0, 5.0, 8.0, 0.0, -5.0]]))
    np.testing.assert_allclose(plan, [[11.0, 5.0 * 0.9 / 0.8, 8.0 * 0.9 / 0.85, 0.0, -5.0 * 0.8 / 0.9]])
    neutral = SessionView.of(1, max_kw=11.0)
    np.testing.assert_array_equal(with_low_power_losses(neutral, plan), plan)


def test_the_page_names_every_strategy_and_its_example_runs():
    page = (Path(__file__).parents[1] / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert [name for name in STRATEGIES if f"| `{name}` |" not in page] == []
    space: dict = {}
    exec(page.split("```python\n")[1].split("```")[0], space)
    plan = space["cheapest_hour"](random_view(1), random_signal(1))
    assert plan.shape == (40, T) and np.all(plan >= 0)


def test_v2x_never_chatters_on_a_flat_price():
    plan = STRATEGIES["price_optimal_v2x"](random_view(2, v2x=True), Signal(np.full(T, 0.2)))
    assert np.all(plan >= 0.0)


@pytest.mark.parametrize(("peak", "limit"), [(0.0, 250.0), (4.0, 400.0), (0.0, 100.0)])
def test_a_site_of_two_hundred_is_within_one_percent_of_the_linear_program(peak, limit):
    view = random_view(5, 200, forecast=True)
    view = SessionView(**{**view.__dict__, "site": np.zeros(200, dtype=int)})
    signal = random_signal(5, limit_kw=np.full(T, limit), peak_eur_per_kw=peak)
    energy = metered(view, STRATEGIES["site_optimal"](view, signal))
    total = energy.sum(axis=0)
    assert np.all(total / 0.25 <= limit + 1e-6)
    able = (view.max_kw[:, None] * available_share(view, T) * 0.25).sum(axis=1)
    need = np.minimum(view.energy_needed_kwh / view.efficiency, able)
    cost = total @ signal.price_eur_per_kwh + 10.0 * (need.sum() - total.sum()) + peak * total.max() / 0.25
    reference = v1g_reference(view, signal.price_eur_per_kwh, limit, peak)
    assert cost <= reference + 0.01 * abs(reference)
    assert cost >= reference - 1e-5 * abs(reference)


@pytest.mark.parametrize("seed", range(3))
def test_a_pool_by_envelope_is_within_three_percent_of_the_full_program(seed):
    view, signal = random_view(seed, 600, forecast=True), Signal(np.random.default_rng(seed).uniform(0.1, 0.4, T))
    energy = metered(view, STRATEGIES["pooled_envelope"](view, signal))
    cost = energy.sum(axis=0) @ signal.price_eur_per_kwh
    reference = v1g_reference(view, signal.price_eur_per_kwh)
    assert reference * (1 - 1e-9) <= cost <= reference * 1.03
    np.testing.assert_allclose((energy * view.efficiency[:, None]).sum(axis=1), view.energy_needed_kwh, rtol=1e-9)


def test_an_envelope_by_hand():
    view = SessionView.of(1, max_kw=10.0, efficiency=1.0, energy_needed_kwh=5.0, departure_period=4)
    pool = envelope(view, Signal(np.zeros(6)))
    np.testing.assert_allclose(pool.upper_kwh, [0, 2.5, 5, 5, 5, 5, 5])
    np.testing.assert_allclose(pool.lower_kwh, [0, 0, 0, 2.5, 5, 5, 5])
    np.testing.assert_allclose(pool.power_kw, [10, 10, 10, 10, 0, 0])
    power = plan_envelope(pool, np.array([4.0, 1.0, 3.0, 2.0, 0.0, 0.0]), 0.25)
    np.testing.assert_allclose(power, [0, 10, 0, 10, 0, 0], atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_splitting_a_pool_never_loses_energy_that_could_still_come(seed):
    view = random_view(seed, 20, forecast=True)
    power = np.random.default_rng(seed).uniform(0, 60, T)
    plan = disaggregate(view, Signal(np.zeros(T)), power)
    np.testing.assert_allclose(stored(view, plan).sum(axis=1), view.energy_needed_kwh, rtol=1e-9)
    assert np.all(plan <= view.max_kw[:, None] + 1e-9)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("seed", range(2))
def test_every_strategy_keeps_the_contract(name, seed):
    view = random_view(seed, 30, least=True, v2x=True)
    pv = np.clip(8 * np.sin(np.arange(T) / T * np.pi), 0, None)
    limit = np.full(T, 1e4)
    signal = random_signal(seed, pv_surplus_kw=pv, limit_kw=limit, wear_eur_per_kwh=0.03)
    plan = STRATEGIES[name](view, signal)
    assert plan.shape == (30, T) and np.all(np.isfinite(plan))
    assert np.all(plan <= view.max_kw[:, None] + 1e-9)
    assert np.all(plan >= -view.max_discharge_kw[:, None] - 1e-9)
    assert np.all(plan[available_share(view, T) == 0] == 0)
    missing = view.energy_needed_kwh - stored(view, plan).sum(axis=1)
    assert np.sum(np.maximum(missing, 0)) <= 0.005 * np.sum(view.energy_needed_kwh)  # service level
    again = STRATEGIES[name](view, signal)
    np.testing.assert_array_equal(plan, again)
    none = STRATEGIES[name](view.take(np.empty(0, dtype=int)), signal)
    assert none.shape == (0, T)


@pytest.mark.parametrize("name", ["equal_share", "least_laxity", "priority", "capacity_rotating", "site_optimal"])
def test_strategies_with_a_shared_limit_respect_it(name):
    view = random_view(3, 40, least=name != "site_optimal")
    plan = STRATEGIES[name](view, random_signal(3, limit_kw=np.full(T, 20.0)))
    for site in range(4):
        mine = plan[view.site == site]
        drawn = mine if name != "site_optimal" else mine * available_share(view, T)[view.site == site]
        assert np.all(drawn.sum(axis=0) <= 20.0 + 1e-6)
    assert np.all((plan == 0) | (plan >= view.min_kw[:, None] - 1e-6))


def test_delayed_ends_and_uncontrolled_starts_at_once():
    view = SessionView.of(1, departure_period=20, energy_needed_kwh=11.04 * 0.9 * 0.5)
    early, late = (STRATEGIES[k](view, Signal(np.zeros(T)))[0] for k in ("uncontrolled", "delayed"))
    assert np.flatnonzero(early).tolist() == [0, 1] and np.flatnonzero(late).tolist() == [18, 19]


def test_time_of_use_waits_for_the_low_tariff_and_still_finishes():
    low = np.zeros(T, dtype=bool)
    low[10:14] = True
    signal = Signal(np.zeros(T), is_low_tariff=low)
    little = SessionView.of(1, departure_period=20, energy_needed_kwh=11.04 * 0.9 * 0.75)
    much = SessionView.of(1, departure_period=20, energy_needed_kwh=11.04 * 0.9 * 1.25)
    assert np.flatnonzero(STRATEGIES["time_of_use"](little, signal)[0]).tolist() == [10, 11, 12]
    assert np.flatnonzero(STRATEGIES["time_of_use"](much, signal)[0]).tolist() == [10, 11, 12, 13, 19]


def test_pv_following_uses_the_surplus_first():
    surplus = np.zeros(T)
    surplus[4:8] = 6.0
    view = SessionView.of(1, departure_period=20, energy_needed_kwh=0.9 * 7.0, min_kw=4.14)
    plan = STRATEGIES["pv_following"](view, Signal(np.zeros(T), pv_surplus_kw=surplus))[0]
    np.testing.assert_allclose(plan[4:8], 6.0)
    assert np.flatnonzero(plan).tolist() == [4, 5, 6, 7, 19]


def urgent_first_plain(view, signal, strategy):
    """NumPy twin of :func:`urgent_first`."""
    urgent = np.where(view.must_charge, wanted_kwh(view), np.minimum(view.urgent_kwh, view.energy_needed_kwh))
    share = available_share(view, signal.n_ahead)
    slots = view.max_kw[:, None] * view.efficiency[:, None] * share * signal.period_h
    now = np.clip(urgent[:, None] - (np.cumsum(slots, axis=1) - slots), 0.0, slots)
    taken = np.divide(now, slots, out=np.zeros_like(now), where=slots > 0.0) * share
    is_free = share - taken > 1e-9
    first = np.argmax(is_free, axis=1)
    left = np.take_along_axis(share - taken, first[:, None], axis=1)[:, 0]
    first = np.where(is_free.any(axis=1), first, view.departure_period)
    rest = replace(
        view,
        energy_now_kwh=view.energy_now_kwh + np.minimum(urgent, view.energy_needed_kwh),
        energy_needed_kwh=np.where(view.must_charge, 0.0, view.energy_needed_kwh - urgent),
        arrival_period=np.where(urgent > 0.0, np.maximum(first, view.arrival_period), view.arrival_period),
        first_share=np.where(urgent > 0.0, left, view.first_share),
        last_share=np.where((urgent > 0.0) & (first == view.departure_period - 1), left, view.last_share),
    )
    later = strategy(rest, signal) * available_share(rest, signal.n_ahead)
    full = taken * view.max_kw[:, None]
    return np.divide(full + later, share, out=np.zeros_like(full), where=share > 0.0)


@given(st.integers(0, 10_000))
def test_what_is_urgent_comes_first_as_in_the_plain_sums(seed):
    rng = np.random.default_rng(seed)
    n, ahead = 6, 24
    view = SessionView.of(
        n,
        energy_needed_kwh=rng.uniform(0.0, 40.0, n),
        urgent_kwh=np.where(rng.random(n) < 0.7, rng.uniform(0.0, 30.0, n), 0.0),
        must_charge=rng.random(n) < 0.2,
        max_kw=rng.choice([3.68, 11.04], n),
        min_kw=1.38,
        departure_period=rng.integers(1, ahead, n),
        last_share=rng.uniform(0.1, 1.0, n),
        first_share=rng.uniform(0.1, 1.0, n),
        arrival_period=rng.integers(0, 2, n),
    )
    signal = Signal(rng.uniform(0.0, 0.4, ahead))
    expected = urgent_first_plain(view, signal, price_optimal_v1g)
    np.testing.assert_allclose(urgent_first(view, signal, price_optimal_v1g), expected, atol=1e-9)
