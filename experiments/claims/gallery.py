"""Try claims: run their experiments, small or large, and hand back verdicts with evidence."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.analysis.cube import cube_of, units
from experiments.claims.catalogue import CLAIMS
from experiments.claims.claim import Bench, Claim, Differences, Evidence, Runs, verdict_of
from experiments.results import Results
from experiments.scenario.faults import Fault, InputError, nearest
from experiments.store.folder import FolderError
from experiments.sweep import drive
from experiments.sweep.plan import plan_of

_log = logging.getLogger(__name__)
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Parameters
    ----------
    draws : int
        Independent draws of an experiment on parts of the model.
    factor : int
        Multiple of its ordinary size, where it can grow.
    replications : int
        Replications of whole runs.
    scenario : str
        Base scenario of whole runs.
    """

    draws: int
    factor: int
    replications: int
    scenario: str = "small"


SCALES = {"small": Scale(8, 1, 16), "large": Scale(40, 4, 50)}


@dataclass(frozen=True)
class Verdict:
    """A claim, what was found, and how long that took."""

    claim: Claim
    verdict: str
    evidence: Evidence
    wall_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; what is not a number is null."""
        checks = [
            {
                "what": c.what,
                "mean": _number(c.found.mean),
                "half_width": _number(c.found.half_width),
                "n": c.found.n,
                "unit": c.unit,
                "above": c.above,
                "below": c.below,
                "holds": c.holds,
            }
            for c in self.evidence.checks
        ]
        head = {n: getattr(self.claim, n) for n in ("key", "section", "sentence", "criterion")}
        return head | {
            "verdict": self.verdict,
            "evidence": checks,
            "remark": self.evidence.remark,
            "wall_s": self.wall_s,
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def chosen(keys: Sequence[str]) -> list[Claim]:
    """Claims by key, all if none is named; InputError with the nearest names."""
    faults = [Fault("claims", "", f"'{k}' is not a claim; {nearest(k, CLAIMS)}") for k in keys if k not in CLAIMS]
    if faults:
        raise InputError(faults)
    return [CLAIMS[k] for k in keys or CLAIMS]


def try_claims(
    keys: Sequence[str] = (),
    scale: Scale | str = "small",
    *,
    workers: int = 1,
    model: str = "agents.model:simulate",
    tick: Tick | None = None,
) -> list[Verdict]:
    """Verdicts on claims, in the order asked for.

    Parameters
    ----------
    keys : sequence of str
        Claims; all if empty.
    scale : Scale or str
        ``small`` or ``large``, or sizes of your own.
    workers : int
        Processes for whole runs.
    model : str
        ``module:function`` of the simulation.
    tick : callable, optional
        Told (whole runs done, whole runs in all).
    """
    claims, size = chosen(keys), SCALES[scale] if isinstance(scale, str) else scale
    how = drive.Conduct(workers, backend="in_process" if workers == 1 else None, model=model, tick=tick)
    begun = time.perf_counter()
    read = _whole_runs([c for c in claims if isinstance(c.experiment, Runs)], size, how)
    shared_s = time.perf_counter() - begun
    n_shared = sum(isinstance(c.experiment, Runs) for c in claims)
    return [_try(c, size, read, shared_s / max(n_shared, 1)) for c in claims]


def _try(claim: Claim, size: Scale, read: Callable[[Claim], Differences], shared_s: float) -> Verdict:
    begun = time.perf_counter()
    if isinstance(claim.experiment, Bench):
        factor = size.factor if claim.experiment.grows else 1
        evidence = claim.experiment.run(size.draws, factor * claim.experiment.size)
        return Verdict(claim, verdict_of(evidence.checks), evidence, time.perf_counter() - begun)
    evidence = claim.experiment.read(read(claim))
    return Verdict(claim, verdict_of(evidence.checks), evidence, shared_s)


def sweep_of(claims: Sequence[Claim], size: Scale) -> dict[str, Any]:
    """The sweep that whole-run claims share, as a sweep file's contents; policies are named ``claim/policy``."""
    policies = [
        {"name": f"{c.key}/{name}", "set": {**c.experiment.base, **values}}
        for c in claims
        if isinstance(c.experiment, Runs)
        for name, values in c.experiment.policies.items()
    ]
    head = {"name": "claims", "scenario": size.scenario, "design": "list", "replications": size.replications}
    kept = sorted({t for c in claims if isinstance(c.experiment, Runs) for t in c.experiment.tables})
    return {"sweep": head | {"has_base": False}, "policy": policies, "output": {"tables": kept}}


def _whole_runs(claims: Sequence[Claim], size: Scale, how: drive.Conduct) -> Callable[[Claim], Differences]:
    """Run the policies of some claims; equal policies of several claims are run once."""
    if not claims:
        return lambda claim: lambda policy, base, kpi: np.empty(0)
    plan = plan_of(sweep_of(claims, size), "claims", size.scenario)
    with tempfile.TemporaryDirectory() as place:
        drive.start(plan, Path(place) / "runs", how)
        results = Results.open(Path(place) / "runs")
        seen, failed = results.observations, results.failed
        for claim in claims:
            if isinstance(claim.experiment, Runs) and claim.experiment.figures is not None:
                seen = seen.join(claim.experiment.figures(results), on=["design", "replication"], how="left")
    if seen.is_empty():
        raise FolderError(f"no run of the claims has a result: {failed['error'][0]}")
    if failed.height:
        _log.warning("%d runs of the claims failed, first: %s", failed.height, failed["error"][0])
    rows = {name: row for row, name in enumerate(plan.policy_names)}

    def of(claim: Claim) -> Differences:
        def differences(policy: str, base: str, kpi: str) -> np.ndarray:
            cube = cube_of(seen, kpi, len(rows))
            mine = cube[rows[f"{claim.key}/{policy}"]]
            return units(mine - cube[rows[f"{claim.key}/{base}"]]) if base else units(mine)

        return differences

    return of
