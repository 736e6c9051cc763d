"""The stop rule: which points still need replications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.intervals import mean_interval
from experiments.sweep.plan import SweepPlan

if TYPE_CHECKING:
    import pyarrow as pa


def open_designs(plan: SweepPlan, runs: pa.Table, replications: int) -> list[int]:
    """Rows of the distinct scenarios whose mean is not known well enough.

    A scenario with failed runs counts by its sound ones; one without any two sound runs stays open. The decision
    looks only at the first ``replications`` of each, so it does not depend on what else has been run.

    Parameters
    ----------
    plan : SweepPlan
        With a stop rule.
    runs : pyarrow.Table
        Committed runs.
    replications : int
        Replications handed out so far.
    """
    stop = plan.file.stop
    assert stop is not None
    design, replication = runs["design"].to_numpy(), runs["replication"].to_numpy()
    values = runs[stop.kpi].to_numpy()
    is_sound = (
        (runs["status"].to_numpy(zero_copy_only=False) == "ok") & np.isfinite(values) & (replication < replications)
    )
    have = np.bincount(design[replication < replications], minlength=len(plan.designs))
    still_open = []
    for row in range(len(plan.designs)):
        if have[row] < replications:  # closed at an earlier look
            continue
        interval = mean_interval(values[is_sound & (design == row)], plan.file.sweep.confidence)
        limit = stop.half_width * (abs(interval.mean) if stop.is_relative else 1.0)
        if not interval.half_width <= limit:
            still_open.append(row)
    return still_open
