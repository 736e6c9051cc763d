"""Verdicts on a run's voltages, unbalance and frequency after EN 50160, week by week and area by area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agents.record import Record
from grid.arrays import GridArrays
from grid.quality import (
    FREQUENCY_OUTER,
    NOMINAL_HZ,
    QualityLimit,
    QualityRules,
    judge,
)

EVERYWHERE, COUNTRY = "all", "country"
SAMPLES_PER_PERIOD = 225
"""Four-second values of the frequency; the standard judges means of ten seconds, which vary less."""
SAMPLE_S = 4
Row = tuple[str, str, int, int, int, int, float, float, bool, float, float, float]
COLUMNS = (
    "aspect", "area", "week", "nodes", "nodes_met", "worst_node_index", "outside_share", "p95", "is_met",
    "limit_low", "limit_high", "required_share",
)  # fmt: skip


def quality_table(
    record: Record, arrays: GridArrays, frequency_hz: np.ndarray, *, is_three_phase: bool
) -> dict[str, Any]:
    """Columns of table ``quality``.

    Parameters
    ----------
    record : Record
        Voltages of the run, and the rules they are judged by.
    arrays : GridArrays
        Areas of the nodes.
    frequency_hz : float array, shape (225 n_periods,)
        Deviation from 50 Hz every four seconds.
    is_three_phase : bool
        Unbalance is only known from a three-phase power flow.
    """
    rows: list[Row] = []
    rules, size = record.rules, record.rules.steps_per_mean
    record.close_mean()
    for week in range(len(record.voltage_outside)):
        span = slice(week * rules.steps_per_window, (week + 1) * rules.steps_per_window)
        low, high = means(record.voltage_min_pu[span], size), means(record.voltage_max_pu[span], size)
        gap = np.fmax(1.0 - low, high - 1.0)
        outside, valid = record.voltage_outside[week].max(axis=1), np.sum(np.isfinite(gap), axis=0)
        rows += _by_area(rules.voltage, "voltage", week, arrays, outside, valid, gap)
        if is_three_phase:
            both = (
                (rules.unbalance, "unbalance", record.vuf_share),
                (rules.phase_difference, "phase_difference", record.deviation_share),
            )
            for limit, name, series in both:
                values = means(series[span], size)
                verdict = judge(values, limit)
                rows += _by_area(limit, name, week, arrays, verdict.n_outside[0], verdict.n_valid[0], values)
        hertz = NOMINAL_HZ + frequency_hz[span.start * SAMPLES_PER_PERIOD : span.stop * SAMPLES_PER_PERIOD]
        rows += _frequency(week, hertz, rules)
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}


def means(values: np.ndarray, size: int) -> np.ndarray:
    """Means of ``size`` rows each, nan left out; a shorter last one is the mean of what it has.

    >>> means(np.array([[1.0], [3.0], [np.nan], [4.0], [5.0]]), 2).ravel().tolist()
    [2.0, 4.0, 5.0]
    """
    if size == 1:
        return values
    starts = np.arange(0, len(values), size)
    is_known = np.isfinite(values)
    total = np.add.reduceat(np.where(is_known, values, 0.0), starts, axis=0, dtype=np.float64)
    count = np.add.reduceat(is_known, starts, axis=0, dtype=np.int64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


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
            name, place, week, len(nodes), met, int(worst), float(share[worst]), float(p95[worst]), met == len(nodes),
            limit.low, limit.high, limit.required_share,
        )  # fmt: skip


def _frequency(week: int, hertz: np.ndarray, rules: QualityRules) -> Iterator[Row]:
    """Both bands, on means of some seconds."""
    size = rules.frequency_average_s // SAMPLE_S
    mean_hz = hertz[: len(hertz) // size * size].reshape(-1, size).mean(axis=1)
    if not len(mean_hz):
        return
    p95 = float(np.quantile(np.abs(mean_hz - NOMINAL_HZ), 0.95))
    for name, limit in (("frequency", rules.frequency), ("frequency_outer", FREQUENCY_OUTER)):
        verdict = judge(mean_hz, limit)
        is_met = bool(verdict.is_met.all())
        share = float(verdict.n_outside[0]) / len(mean_hz)
        edges = limit.low, limit.high, limit.required_share
        yield name, COUNTRY, week, 1, int(is_met), -1, share, p95, is_met, *edges
