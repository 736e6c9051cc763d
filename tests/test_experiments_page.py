"""The page on sweeps tells the truth: its file is a sound sweep and its Python runs on the results of that file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import plan_of

PAGE = Path(__file__).parents[1] / "docs" / "sweeps.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_of_the_page_runs_on_the_sweep_of_the_page(tmp_path, monkeypatch, capsys):
    (sweep,), (example,) = blocks("toml"), blocks("python")
    raw = tomllib.loads(sweep)
    assert plan_of(raw, "page", "small").n_jobs == 2 * 8 * 20
    raw["sweep"] |= {"replications": 4, "uncertainty_samples": 4}
    raw["stop"]["min_replications"] = 4
    plan = plan_of(raw, "page", "small")
    monkeypatch.chdir(tmp_path)
    start(plan, "results/minimum_bid", Conduct(1, backend="in_process", model="tests.report_sweep_model:simulate"))
    told: dict[str, object] = {}
    exec(compile(example, "docs/sweeps.md", "exec"), told)
    assert told["change"].n == 4  # type: ignore[attr-defined]
    assert told["means"].height == len(plan.policy_names) == 2  # type: ignore[attr-defined]
    assert told["hourly"].collect().height == 24  # type: ignore[attr-defined]
    assert "replications" in capsys.readouterr().out
