"""Verdicts on a run's voltages, unbalance and frequency after EN 50160, week by week and area by area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agents.record import Record
from grid.arrays import GridArrays
from grid.quality import (
    FREQUENCY,
    FREQUENCY_OUTER,
    PHASE_DIFFERENCE,
    STEPS_PER_WEEK,
    UNBALANCE,
    VOLTAGE,
    QualityLimit,
    judge,
)

EVERYWHERE, COUNTRY = "all", "country"
SAMPLES_PER_PERIOD = 225
"""Four-second values of the frequency; the standard judges means of ten seconds, which vary less."""
SAMPLES_JUDGED = 3
"""Values per mean: twelve seconds, the nearest whole number of samples above ten."""
Row = tuple[str, str, int, int, int, int, float, float, bool]
COLUMNS = ("aspect", "area", "week", "nodes", "nodes_met", "worst_node_index", "outside_share", "p95", "is_met")


def quality_table(
    record: Record, arrays: GridArrays, frequency_hz: np.ndarray, *, is_three_phase: bool
) -> dict[str, Any]:
    """Columns of table ``quality``.

    Parameters
    ----------
    record : Record
        Voltages of the run.
    arrays : GridArrays
        Areas of the nodes.
    frequency_hz : float array, shape (225 n_periods,)
        Deviation from 50 Hz every four seconds.
    is_three_phase : bool
        Unbalance is only known from a three-phase power flow.
    """
    rows: list[Row] = []
    for week in range(len(record.voltage_outside)):
        span = slice(week * STEPS_PER_WEEK, (week + 1) * STEPS_PER_WEEK)
        gap = np.fmax(1.0 - record.voltage_min_pu[span], record.voltage_max_pu[span] - 1.0)
        outside, valid = record.voltage_outside[week].max(axis=1), np.sum(np.isfinite(gap), axis=0)
        rows += _by_area(VOLTAGE, "voltage", week, arrays, outside, valid, gap)
        if is_three_phase:
            both = (
                (UNBALANCE, "unbalance", record.vuf_share),
                (PHASE_DIFFERENCE, "phase_difference", record.deviation_share),
            )
            for limit, name, values in both:
                verdict = judge(values[span], limit)
                rows += _by_area(limit, name, week, arrays, verdict.n_outside[0], verdict.n_valid[0], values[span])
        hertz = 50.0 + frequency_hz[span.start * SAMPLES_PER_PERIOD : span.stop * SAMPLES_PER_PERIOD]
        rows += _frequency(week, hertz)
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}


def _by_area(
    limit: QualityLimit,
    name: str,
    week: int,
    arrays: GridArrays,
    outside: np.ndarray,
    valid: np.ndarray,
    values: np.ndarray,
) -> Iterator[Row]:
    """One row for all nodes and one per area; a node without any value is not judged."""
    is_judged = valid > 0
    is_met = outside <= limit.allowed_outside(valid)
    share = np.where(is_judged, outside / np.maximum(valid, 1), 0.0)
    finite = np.where(np.isfinite(values), values, -np.inf)
    rank = np.ceil(0.95 * valid).astype(np.int64) - 1 + (len(values) - valid)
    p95 = np.take_along_axis(np.sort(finite, axis=0), np.clip(rank, 0, len(values) - 1)[None], axis=0)[0]
    area = np.array(arrays.area)
    for place in (EVERYWHERE, *sorted(set(arrays.area))):
        nodes = np.flatnonzero(is_judged & ((area == place) | (place == EVERYWHERE)))
        if not len(nodes):
            continue
        worst = nodes[np.lexsort((p95[nodes], share[nodes]))[-1]]
        met = int(is_met[nodes].sum())
        yield (
            name, place, week, len(nodes), met, int(worst), float(share[worst]), float(p95[worst]), met == len(nodes)
        )  # fmt: skip


def _frequency(week: int, hertz: np.ndarray) -> Iterator[Row]:
    """Both bands of the standard, on means of twelve seconds."""
    means = hertz[: len(hertz) // SAMPLES_JUDGED * SAMPLES_JUDGED].reshape(-1, SAMPLES_JUDGED).mean(axis=1)
    if not len(means):
        return
    p95 = float(np.quantile(np.abs(means - 50.0), 0.95))
    for name, limit in (("frequency", FREQUENCY), ("frequency_outer", FREQUENCY_OUTER)):
        verdict = judge(means, limit)
        is_met = bool(verdict.is_met.all())
        share = float(verdict.n_outside[0]) / len(means)
        yield name, COUNTRY, week, 1, int(is_met), -1, share, p95, is_met
