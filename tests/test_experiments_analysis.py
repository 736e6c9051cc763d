from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.analysis import cube, distribution, effects, intervals, paired, robustness, scenarios, sensitivity
from experiments.sweep.design import joint_positions

# --- intervals


def test_t_interval_by_hand():
    found = intervals.mean_interval(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (found.mean, found.n, found.is_rough) == (2.0, 3, True)
    assert found.half_width == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)  # t table, 2 degrees of freedom


def test_intervals_of_nothing_and_of_one():
    assert np.isnan(intervals.mean_interval(np.array([])).mean)
    one = intervals.mean_interval(np.array([5.0]))
    assert one.mean == 5.0
    assert np.isnan(one.half_width)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(3)
    found = [intervals.mean_interval(rng.normal(7.0, 2.0, 10), 0.9) for _ in range(2000)]
    covered = np.mean([i.low <= 7.0 <= i.high for i in found])
    assert 0.88 < covered < 0.92


def test_quantile_band_and_convergence():
    assert intervals.quantile_band(np.arange(101.0), 0.9) == pytest.approx((5.0, 50.0, 95.0))
    mean, half = intervals.convergence(np.array([1.0, 3.0, 2.0]))
    assert mean.tolist() == [1.0, 2.0, 2.0]
    assert np.isnan(half[0])
    assert half[2] < half[1]


# --- paired differences


def observations():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 5, 20)
    rows = [
        {"policy": p, "sample": 0, "replication": r, "k": 10.0 + 2 * p + noise[r] + 0.1 * p * (r % 2)}
        for p in (0, 1)
        for r in range(20)
    ]
    return pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=4)


def test_pairs_cancel_what_both_share():
    found = paired.paired_difference(observations(), 1, 0, "k")
    assert found.mean == pytest.approx(2.05)
    assert found.half_width < 0.03
    assert found.n == 20
    assert paired.variance_ratio(observations(), 1, 0, "k") > 1000
    assert paired.paired_difference(observations(), 0, 0, "k").mean == 0.0


def test_pairs_with_a_missing_side_are_left_out():
    seen = observations().filter(~((pl.col("policy") == 0) & (pl.col("replication") < 5)))
    assert paired.paired_difference(seen, 1, 0, "k").n == 15


# --- sensitivities


def ishigami(x):
    a = -np.pi + 2 * np.pi * x
    return np.sin(a[:, 0]) + 7 * np.sin(a[:, 1]) ** 2 + 0.1 * a[:, 2] ** 4 * np.sin(a[:, 0])


def test_sobol_indices_of_the_ishigami_function():
    x = joint_positions("sobol", 3, 2048, 1)
    found = sensitivity.sobol_indices(("a", "b", "c"), ishigami(x))
    np.testing.assert_allclose(found.first, [0.3139, 0.4424, 0.0], atol=0.03)  # Ishigami and Homma 1990
    np.testing.assert_allclose(found.total, [0.5576, 0.4424, 0.2437], atol=0.03)
    assert found.ranking() == ["a", "b", "c"]


def test_morris_finds_slope_and_silence():
    x = joint_positions("morris", 3, 20, 1)
    found = sensitivity.morris_indices(("a", "b", "c"), x, 4 * x[:, 0] - 2 * x[:, 1])
    np.testing.assert_allclose(found.first, [4, -2, 0], atol=1e-9)
    np.testing.assert_allclose(found.total, [4, 2, 0], atol=1e-9)
    np.testing.assert_allclose(found.sigma, 0, atol=1e-9)


def test_indices_refuse_holes_instead_of_reading_zero():
    y = ishigami(joint_positions("sobol", 3, 64, 1))
    y[7] = np.nan
    with pytest.raises(ValueError, match="point 7"):
        sensitivity.sobol_indices(("a", "b", "c"), y)
    with pytest.raises(ValueError, match="incomplete"):
        sensitivity.sobol_indices(("a", "b", "c"), np.arange(11.0))
    with pytest.raises(ValueError, match="nothing to explain"):
        sensitivity.sobol_indices(("a", "b", "c"), np.ones(20))


# --- scenario discovery


def test_prim_finds_the_corner_that_holds_all_cases():
    x = np.random.default_rng(2).random((4000, 3))
    is_bad = (x[:, 0] > 0.6) & (x[:, 1] < 0.4)
    boxes = scenarios.peel(x, is_bad)
    found = scenarios.best_box(boxes, 0.8)
    assert found.density > 0.95
    assert found.coverage > 0.8
    limits = found.limits(("a", "b", "c"), x)
    assert limits["a"][0] == pytest.approx(0.6, abs=0.05)
    assert limits["b"][1] == pytest.approx(0.4, abs=0.05)


def test_prim_cuts_levels_one_by_one():
    x = np.array([[a, b] for a in (0.1, 1.0, 10.0) for b in (0.0, 1.0) for _ in range(10)])
    boxes = scenarios.peel(x, x[:, 0] == 0.1)
    assert boxes[-1].density == 1.0
    assert boxes[-1].coverage == 1.0
    assert boxes[-1].limits(("a", "b"), x) == {"a": (0.1, 0.1)}


def test_prim_needs_cases():
    with pytest.raises(ValueError, match="at least one case"):
        scenarios.peel(np.zeros((3, 1)), np.zeros(3, bool))


@given(st.integers(0, 2**31))
def test_peeling_raises_density_and_never_coverage(seed):
    rng = np.random.default_rng(seed)
    x, is_bad = rng.random((60, 2)), rng.random(60) < 0.3
    if not is_bad.any():
        return
    boxes = scenarios.peel(x, is_bad)
    density = [b.density for b in boxes]
    coverage = [b.coverage for b in boxes]
    assert density == sorted(density)
    assert coverage == sorted(coverage, reverse=True)


# --- robustness


def test_regret_by_hand():
    outcomes = np.array([[1.0, 9.0], [4.0, 4.0], [5.0, 3.0]])
    assert robustness.regret(outcomes, lower_is_better=True).tolist() == [[0, 6], [3, 1], [4, 0]]
    assert robustness.max_regret(outcomes, lower_is_better=True).tolist() == [6, 3, 4]
    assert robustness.max_regret(outcomes, lower_is_better=False).tolist() == [4, 5, 6]
    assert robustness.satisficing_share(outcomes, 4.0, lower_is_better=True).tolist() == [0.5, 1.0, 0.5]


def test_pareto_front_by_hand():
    outcomes = np.array([[1.0, 1.0], [2.0, 5.0], [2.0, 4.0], [0.5, 0.0], [np.nan, 9.0], [2.0, 5.0]])
    assert robustness.pareto_front(outcomes, [True, False]).tolist() == [True, True, False, True, False, True]


@given(arrays(np.float64, (12, 3), elements=st.integers(-3, 3).map(float)))
def test_everything_off_the_front_is_beaten_by_something_on_it(outcomes):
    front = robustness.pareto_front(outcomes, [True] * 3)
    assert front.any()
    for row in outcomes[~front]:
        assert any((f <= row).all() and (f < row).any() for f in outcomes[front])


# --- who wins


def test_balances_sum_to_zero_and_carry_roles():
    ledger = pl.DataFrame(
        {"payer": ["driver", "S", "driver"], "payee": ["S", "T", "C"], "amount_eur": [10.0, 4.0, 1.0]}
    )
    parties = pl.DataFrame({"account": ["S", "T", "C"], "roles": ["supplier,brp", "tso", "cpo"]})
    found = dict(distribution.balance_by_role(ledger, parties).rows())
    assert found == {"supplier,brp": 6.0, "tso": 4.0, "cpo": 1.0, "others": -11.0}
    assert distribution.balance_by_account(ledger)["balance_eur"].sum() == 0.0


def test_savings_and_gini():
    sessions = pl.DataFrame(
        {
            "driver_group": ["a", "b", "a"],
            "cost_eur": [1.0, 2.0, 1.0],
            "uncontrolled_cost_eur": [2.0, 2.0, 3.0],
            "delivered_kwh": [10.0, 10.0, 20.0],
        }
    )
    assert distribution.saving_by_group(sessions).rows() == [("a", 2, 3.0, 0.1), ("b", 1, 0.0, 0.0)]
    assert distribution.gini(np.array([1.0, 1.0, 1.0])) == pytest.approx(0.0)
    assert distribution.gini(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(0.75)
    assert np.isnan(distribution.gini(np.array([])))


# --- cubes and effects


def crossed(n_samples=4, n_replications=6):
    """Two policies; the state moves the level a lot, the replication too, the policy by exactly 3 plus little noise."""
    rng = np.random.default_rng(2)
    by_replication, noise = rng.normal(0, 5, n_replications), rng.normal(0, 0.1, (2, n_samples, n_replications))
    rows = [
        {
            "policy": p,
            "sample": s,
            "replication": r,
            "lever": 0.1 + p,
            "k": 100 * s + by_replication[r] + 3 * p + noise[p, s, r],
        }
        for p in (0, 1)
        for s in range(n_samples)
        for r in range(n_replications)
    ]
    return pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=1)


def test_independent_values_are_replications_not_states():
    values = cube.cube_of(crossed(), "k")
    assert values.shape == (2, 4, 6)
    level = cube.interval_of(values[0])
    assert level.n == 6  # not 24: states share their random numbers
    assert level.half_width > 2.0  # the spread of the replications, not divided by the states
    moved = cube.difference_of(values[1], values[0])
    assert moved.mean == pytest.approx(3.0, abs=0.2)
    assert moved.half_width < 0.2


def test_states_that_lack_a_run_are_left_out_of_both_sides():
    seen = crossed().filter(~((pl.col("policy") == 1) & (pl.col("sample") == 2) & (pl.col("replication") == 0)))
    values = cube.cube_of(seen, "k")
    assert cube.difference_of(values[1], values[0]).n == 5
    assert np.isfinite(cube.state_means(values)).all()
    one = cube.cube_of(seen.filter(pl.col("replication") == 0), "k")
    assert cube.difference_of(one[1], one[0]).n == 3  # a single replication: the states have to do


def known_effect(seen, factor, kpi):
    found = effects.effect_of(seen, factor, kpi)
    assert found is not None
    return found


def test_effect_of_a_lever_is_the_paired_difference_of_its_levels():
    found = known_effect(crossed(), "lever", "k")
    assert found.is_numeric
    assert [v.label for v in found.levels] == ["0.1", "1.1"]
    assert found.levels[1].change.mean == pytest.approx(3.0, abs=0.2)
    assert found.strongest is found.levels[1]
    assert found.span == pytest.approx(found.levels[1].change.mean)
    assert known_effect(crossed(), "policy", "k").levels[1].change.mean == found.levels[1].change.mean
    assert effects.effect_of(crossed().filter(pl.col("policy") == 0), "lever", "k") is None


def test_effect_of_a_continuous_factor_is_binned_and_unpaired():
    x = np.random.default_rng(1).random(500)
    seen = pl.DataFrame({"x": x, "replication": np.zeros(500, dtype=np.int32), "k": 10 * x})
    found = known_effect(seen, "x", "k")
    assert len(found.levels) == effects.BINS
    assert found.levels[-1].change.mean == pytest.approx(8.0, abs=0.3)  # outer fifths of 0 to 10
    flat = known_effect(seen.with_columns(k=pl.lit(1.0) + 0.01 * pl.Series(x[::-1])), "x", "k")
    assert flat.span < 0.01


def test_effect_of_words_keeps_their_order():
    seen = pl.DataFrame({"w": ["b", "a"] * 3, "replication": [0, 0, 1, 1, 2, 2], "k": [1.0, 5.0, 2.0, 6.0, 3.0, 7.0]})
    found = known_effect(seen, "w", "k")
    assert [v.label for v in found.levels] == ["b", "a"] and not found.is_numeric
    assert (found.levels[1].change.mean, found.levels[1].change.half_width) == (4.0, 0.0)


def test_one_at_a_time_keeps_what_moves_alone():
    seen = pl.DataFrame({"a": [1, 2, 1, 2], "b": [1, 1, 2, 2], "k": [0.0, 1.0, 2.0, 3.0]})
    assert effects.one_at_a_time(seen, "a", {"a": 1, "b": 1})["k"].to_list() == [0.0, 1.0]


def test_awarded_capacity_is_that_of_aggregators():
    from experiments.kpis import kpis_of

    reserves = {
        "product": ["fcr"] * 4,
        "block_start_period": [0, 0, 16, 16],
        "provider": ["Plant", "Pool", "Plant", "Pool"],
        "awarded_mw": [100.0, 2.0, 99.0, 3.0],
    }
    parties = {"party": ["Pool", "Pool", "Plant"], "roles": ["aggregator,bsp", "aggregator,bsp", "producer"]}
    parties["account"] = ["aggregator: Pool", "bsp: Pool", "producer: Plant"]
    assert kpis_of({"reserves": reserves, "parties": parties})["fcr_awarded_mw"] == 2.5
    assert kpis_of({"reserves": reserves})["fcr_awarded_mw"] == 102.0
