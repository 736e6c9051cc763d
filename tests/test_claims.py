"""The claims gallery: verdicts follow from checks, experiments from the model, and nothing is scripted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.settings import Settings
from experiments.analysis.intervals import Interval
from experiments.claims import contracts, fleets, markets
from experiments.claims.catalogue import CLAIMS
from experiments.claims.claim import (
    CONDITIONAL,
    NOT_SUPPORTED,
    SUPPORTED,
    Bench,
    Check,
    Evidence,
    Runs,
    certain,
    over,
    verdict_of,
)
from experiments.claims.gallery import SCALES, Scale, chosen, sweep_of, try_claims
from experiments.claims.whole_runs import pool_brp_figures
from experiments.cli import app
from experiments.results import Results
from experiments.scenario import InputError
from experiments.store import TABLES
from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import plan_of
from tests.report_sweep_model import simulate as fake

ROOT = Path(__file__).parents[1]
BENCHES = sorted(k for k, c in CLAIMS.items() if isinstance(c.experiment, Bench))
FEW = Scale(draws=4, factor=1, replications=2)


# ---- how a verdict comes about ---------------------------------------------------------------------------------------


def check(mean: float, half: float, above: float | None = None, below: float | None = None) -> Check:
    return Check("x", Interval(mean, half, 5), "", above, below)


def test_a_check_holds_only_with_its_whole_interval() -> None:
    assert check(2.0, 0.5, above=1.0).holds is True
    assert check(1.2, 0.5, above=1.0).holds is None
    assert check(0.2, 0.5, above=1.0).holds is False
    assert check(0.2, 0.5, below=1.0).holds is True
    assert check(float("nan"), 0.5, below=1.0).holds is None
    assert check(2.0, float("nan"), above=1.0).holds is None


def test_verdicts() -> None:
    yes, no, open_, told = check(2, 0, above=1), check(0, 0, above=1), check(1, 1, above=1), check(9, 0)
    assert verdict_of([yes, yes, told]) == SUPPORTED
    assert verdict_of([no, open_, told]) == NOT_SUPPORTED
    assert verdict_of([yes, open_]) == verdict_of([yes, no]) == CONDITIONAL
    assert verdict_of([told]) == verdict_of([]) == NOT_SUPPORTED
    assert verdict_of([yes, check(float("nan"), float("nan"), above=1)]) == "no verdict"


def test_values_without_chance_need_no_interval() -> None:
    assert over("x", [3.0, 3.0, 3.0], above=2.9).holds is True
    assert over("x", [3.0], above=2.9).holds is True
    assert over("x", [2.0, 4.0], above=2.9).holds is None
    assert certain("x", 1.0, below=2.0).holds is True


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def test_every_claim_of_the_issue_is_there_with_section_and_criterion() -> None:
    sections = {k: c.section for k, c in CLAIMS.items()}
    assert sections == {
        "tou_rebound": "7.4.1",
        "clustering": "7.4.2",
        "non_firm": "7.4.1",
        "direct_signal": "6.1",
        "v2x_doubles": "8.1",
        "hourly_settlement": "6.2.3",
        "dc_flexibility": "6.2.3",
        "pooling": "9.1",
        "more_data": "7.1",
        "redispatch_balance": "4.1.2",
        "passive_balancing": "6.2.3",
        "relieves_strain": "1.1",
        "aggregator_choice": "6.1",
    }
    assert all(c.sentence.endswith(".") and c.criterion.endswith(".") for c in CLAIMS.values())
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert all(f"`{k}`" in page for k in CLAIMS)


def test_whole_run_claims_are_sound_sweeps() -> None:
    whole = [c for c in CLAIMS.values() if isinstance(c.experiment, Runs)]
    plan = plan_of(sweep_of(whole, SCALES["small"]), "claims", "small")
    assert len(plan.policy_names) == sum(len(c.experiment.policies) for c in whole if isinstance(c.experiment, Runs))
    assert plan.n_jobs <= 220  # a small gallery stays small


def test_a_large_experiment_keeps_a_size_that_is_part_of_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def run(draws: int, size: int) -> Evidence:
        told.append((draws, size))
        return Evidence((certain("x", 1.0, above=0.0),))

    for key, grows in (("non_firm", False), ("clustering", True)):
        claim, bench = CLAIMS[key], CLAIMS[key].experiment
        assert isinstance(bench, Bench) and bench.grows is grows
        monkeypatch.setitem(CLAIMS, key, replace(claim, experiment=replace(bench, run=run)))
    try_claims(["non_firm", "clustering"], Scale(3, 4, 1))
    assert told == [(3, 8), (3, 80)]


def test_unknown_claims_are_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'clustering'"):
        chosen(["clusterin"])
    assert [c.key for c in chosen(["pooling", "non_firm"])] == ["pooling", "non_firm"]
    found = CliRunner().invoke(app, ["claims", "clusterin"])
    assert found.exit_code == 2 and "did you mean 'clustering'?" in found.stderr
    assert CliRunner().invoke(app, ["claims", "--scale", "tiny"]).exit_code == 2


# ---- experiments on parts of the model -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benches() -> dict[str, str]:
    return {v.claim.key: v.verdict for v in try_claims(BENCHES, FEW)}


def test_small_experiments_give_every_claim_a_verdict(benches: dict[str, str]) -> None:
    assert list(benches) == BENCHES
    assert set(benches.values()) <= {SUPPORTED, NOT_SUPPORTED, CONDITIONAL}


@pytest.mark.parametrize("key", ["clustering", "dc_flexibility", "redispatch_balance", "tou_rebound"])
def test_claims_that_follow_from_arithmetic_are_supported(benches: dict[str, str], key: str) -> None:
    assert benches[key] == SUPPORTED


@pytest.mark.case("C56")
def test_rebound_of_the_worked_case() -> None:
    (ratio,) = fleets.single_case().checks
    assert ratio.found.mean == pytest.approx(2.0)


@pytest.mark.case("C24")
def test_clustering_reaches_nine_cars() -> None:
    found = {c.what: c.found.mean for c in contracts.clustering(2, 20).checks}
    assert found["EVs that charge at the same time as one group"] == 9.0
    assert found["EVs that can charge with single limits of 2 kW"] == 0.0


def test_experiments_can_fail_their_claim() -> None:
    """Each criterion is met or not by the model's numbers: with other numbers the verdict is another one."""
    few = fleets.pooling(2, 160).checks  # 160 points: nobody reaches 1 MW
    assert verdict_of(few) == CONDITIONAL
    assert {c.what: c.holds for c in few}["all points together"] is False
    sparse = next(c for c in fleets.rebound(3, 60).checks if "10 %" in c.what)
    assert not sparse.is_judged and sparse.found.mean < 1.05  # few cars: no higher peak


def test_the_hardest_limit_is_within_the_guarantee() -> None:
    breaches = next(c for c in contracts.non_firm(2, 6).checks if c.what.startswith("breaches"))
    assert breaches.found.mean == 0.0


def test_passive_gain_is_an_interval_over_draws() -> None:
    found = markets.passive_balancing(3, 8)
    assert found.checks[0].found.n == 3 and np.isfinite(found.checks[0].found.half_width)


# ---- whole runs ------------------------------------------------------------------------------------------------------


def steered(settings: Settings):
    """The made-up model, in which cars that follow prices load the transformer more unless congestion is managed."""
    outcome = fake(settings)
    if settings.fleet.segments["home"].strategy == "price_optimal_v1g":
        is_managed = settings.regulation.congestion_tool == "both"
        outcome.tables["branch_loading"]["loading_share"] *= 0.5 if is_managed else 1.5
    return outcome


def test_whole_run_claims_read_paired_differences() -> None:
    (found,) = try_claims(["relieves_strain"], FEW, model="tests.test_claims:steered")
    held = [c.holds for c in found.evidence.checks if c.is_judged]
    assert held == [True, False, False] and found.verdict == CONDITIONAL
    as_json = json.loads(json.dumps(found.as_dict()))
    assert as_json["verdict"] == CONDITIONAL and as_json["evidence"][0]["holds"] is True


def test_claims_command_prints_evidence_and_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "small", Scale(2, 1, 2))
    found = CliRunner().invoke(app, ["claims", "clustering"])
    assert found.exit_code == 0, found.output
    assert "verdict: supported" in found.stdout and "must be above" in found.stdout
    listed = CliRunner().invoke(app, ["claims", "--list"])
    assert listed.exit_code == 0 and all(k in listed.stdout for k in CLAIMS)
    as_json = json.loads(CliRunner().invoke(app, ["claims", "clustering", "--json"]).stdout)
    assert as_json[0]["section"] == "7.4.2"


@pytest.mark.slow
def test_a_whole_run_claim_on_the_model() -> None:
    (found,) = try_claims(["hourly_settlement"], Scale(1, 1, 2))
    assert found.verdict in (SUPPORTED, NOT_SUPPORTED, CONDITIONAL)
    assert all(np.isfinite(c.found.mean) for c in found.evidence.checks)


def test_imbalance_of_the_pools_brp_is_counted_where_a_signal_is_sent(tmp_path: Path) -> None:
    """Hand-made tables: two quarter-hours with a signal of three, another BRP that does not count."""
    claim = CLAIMS["direct_signal"]
    plan = plan_of(sweep_of([claim], Scale(1, 1, 1)), "claims", "small")
    start(plan, tmp_path / "s", Conduct(1, backend="in_process", model="tests.test_claims:signalled"))
    found = pool_brp_figures(Results.open(tmp_path / "s")).sort("design")
    assert found["signalled_imbalance_mwh"].to_list() == [3.0] * 3
    assert found["pool_imbalance_cost_eur"].to_list() == [60.0] * 3


def signalled(settings: Settings):
    outcome = fake(settings)
    brp = ["Voltan Energy"] * 3 + ["Windzon"] * 3
    numbers = {c.name: np.zeros(6) for c in TABLES["positions"].columns if c.kind == "float64"}
    imbalance = {"imbalance_mwh": np.array([2.0, -4.0, 9.0, 50.0, 50.0, 50.0]), "imbalance_eur": np.full(6, -20.0)}
    outcome.tables["positions"] = {"period": np.tile(np.arange(3), 2), "brp": brp, **numbers, **imbalance}
    rows = {"period": [0, 1, 1, 2], "kind": ["absolute_signal"] * 3 + ["redispatch"], "route": ["direct"] * 4}
    outcome.tables["interventions"] = rows | {
        "branch_index": [0, 0, 1, 0],
        "relief_mw": [0.0] * 4,
        "cost_eur": [0.0] * 4,
    }
    return outcome
