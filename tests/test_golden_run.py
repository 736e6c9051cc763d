"""The key figures of a small run, as they were: tolerance 0 on the same versions and kind of processor.

Whoever means to change behaviour writes them anew with ``make golden`` and says why in the changelog.
"""

from __future__ import annotations

import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import provenance
from experiments.kpis import kpis_of
from experiments.run import json_ready
from tests.model_worlds import play, world

GOLDEN = Path(__file__).parent / "golden" / "small_world.json"
TOLERANCE = 0.0
SHAPING = ("numpy", "numba", "scipy", "power-grid-model", "highspy")
"""Libraries whose arithmetic the figures go through."""


def made_with() -> dict[str, Any]:
    """What must be the same for the same bytes: versions, and what the processor can do at once."""
    found = provenance.versions()
    simd: Any = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: found.get(name, "") for name in SHAPING},
        "machine": f"{platform.system()} {platform.machine()}",
        "simd": sorted(simd.get("found", [])),
    }


def figures() -> dict[str, float | None]:
    """Key figures of two streets on a winter day with every market and every intervention."""
    levers = {"congestion_threshold_share": 0.1, "redispatch_min_order_mw": 0.001, "min_bid_mw": 0.1,
              "absolute_signal_threshold_share": 0.3}  # fmt: skip
    return json_ready(kpis_of(play(world(**levers)).tables))  # type: ignore[arg-type]


def test_key_figures_are_what_they_were():
    if os.environ.get("FLEXPOLDER_GOLDEN") == "write":
        record = {"made_with": made_with(), "kpis": figures()}
        GOLDEN.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        pytest.skip(f"wrote {GOLDEN.name}")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    here = made_with()
    other = [name for name, value in golden["made_with"].items() if here.get(name) != value]
    if other:
        pytest.skip(f"the golden figures were made with another {', '.join(other)}")
    found = figures()
    changed = [
        f"{name}: {was} was, {found.get(name)} is"
        for name, was in golden["kpis"].items()
        if not _same(was, found.get(name))
    ]
    assert set(found) == set(golden["kpis"]), "other key figures than before: make golden"
    assert not changed, "\n".join(["if this is meant, make golden and say why in CHANGELOG.md:", *changed])


def _same(was: float | None, now: float | None) -> bool:
    if was is None or now is None:
        return was is now
    return math.isclose(was, now, rel_tol=0.0, abs_tol=TOLERANCE)
