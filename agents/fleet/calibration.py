"""How far drawn sessions are from the published figures: the residuals, as data for tests and the page on sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet.behaviour import rated
from agents.fleet.counterfactual import Outcome
from agents.fleet.figures import FIGURES, SESSION_POWER_2020
from agents.fleet.tables import SEGMENTS

CALIBRATED = ("home", "public_ac", "work")
_FEW = 60  # sessions in an hour below which its mean says little


@dataclass(frozen=True)
class Residual:
    """One published figure against what was drawn.

    Attributes
    ----------
    segment : str
        Of the session, or ``ac`` for all alternating-current points.
    figure : str
        What is compared.
    published, drawn : float
        Both values.
    """

    segment: str
    figure: str
    published: float
    drawn: float

    @property
    def difference(self) -> float:
        """Drawn less published."""
        return self.drawn - self.published


def _local_hour(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Local clock hour and whether it is a weekend, per session that arrived within the horizon (else -1)."""
    horizon, s = outcome.fleet.horizon, outcome.fleet.sessions
    day_start = np.array(
        [(horizon.midnight_utc(d) - horizon.midnight_utc(0)).total_seconds() / 60 for d in range(horizon.days + 1)]
    )
    day = np.clip(np.searchsorted(day_start, s.arrival_min, side="right") - 1, 0, horizon.days - 1)
    hour = np.clip((s.arrival_min - day_start[day]) // 60, 0, 23).astype(np.int64)
    weekday = (horizon.first_day.weekday() + day) % 7
    return np.where(s.arrival_min >= 0, hour, -1), weekday >= 5


def hourly(outcome: Outcome, segment: str) -> dict[str, np.ndarray]:
    """Drawn figures of a segment by local hour of arrival.

    Parameters
    ----------
    outcome : Outcome
        Uncontrolled run of whole weeks without a clock change.
    segment : str
        Name of the segment.

    Returns
    -------
    dict of float arrays, shape (24,)
        ``weekday`` and ``weekend`` shares of arrivals, ``stay_h`` and ``energy_kwh`` means of finished sessions (nan in
        hours with few).
    """
    s, hour_weekend = outcome.fleet.sessions, _local_hour(outcome)
    hour, is_weekend = hour_weekend
    mine = (outcome.fleet.points.segment[s.cp_row] == SEGMENTS.index(segment)) & (hour >= 0)
    share = [np.bincount(hour[mine & (is_weekend == w)], minlength=24) for w in (False, True)]
    done = mine & (s.departure_min <= outcome.fleet.horizon.n_periods * outcome.fleet.horizon.period_min)
    count = np.bincount(hour[done], minlength=24)
    values = {"stay_h": (s.departure_min - s.arrival_min) / 60.0, "energy_kwh": outcome.state.session_import_kwh}
    means = {k: np.bincount(hour[done], weights=v[done], minlength=24) for k, v in values.items()}
    enough = count >= _FEW
    result = {k: np.where(enough, v / np.maximum(count, 1), np.nan) for k, v in means.items()}
    return result | {name: n / max(n.sum(), 1) for name, n in zip(("weekday", "weekend"), share, strict=True)}


def _segment_residuals(outcome: Outcome, segment: str) -> list[Residual]:
    published, drawn = FIGURES[segment], hourly(outcome, segment)
    rows = []
    for day in ("weekday", "weekend"):
        wanted = getattr(published, day)
        if segment == "work" and day == "weekend":
            continue
        moved = 0.5 * float(np.sum(np.abs(drawn[day] - wanted)))
        rows.append(Residual(segment, f"arrivals {day}, share in the wrong hour", 0.0, moved))
        rows.append(
            Residual(
                segment, f"arrivals {day}, share in the peak hour", wanted.max(), float(drawn[day][wanted.argmax()])
            )
        )
    for name in ("stay_h", "energy_kwh"):
        table = getattr(published, name)
        ratio = drawn[name] / table
        seen = np.isfinite(ratio)
        weight = published.weekday * seen
        level = float(np.sum(weight * np.nan_to_num(ratio)) / np.sum(weight))
        spread = float(np.sum(weight * np.abs(np.nan_to_num(ratio) / level - 1.0)) / np.sum(weight))
        rows.append(Residual(segment, f"{name} by hour, level against the table", 1.0, level))
        rows.append(Residual(segment, f"{name} by hour, mean deviation of the shape", 0.0, spread))
    s = outcome.fleet.sessions
    done = (outcome.fleet.points.segment[s.cp_row] == SEGMENTS.index(segment)) & (s.arrival_min >= 0)
    done &= s.departure_min <= outcome.fleet.horizon.n_periods * outcome.fleet.horizon.period_min
    stay, energy = ((s.departure_min - s.arrival_min) / 60.0)[done], outcome.state.session_import_kwh[done]
    for name, values, pair in (
        ("stay h", stay, published.whole_stay_h),
        ("energy kWh", energy, published.whole_energy_kwh),
    ):
        if pair is not None:
            rows.append(Residual(segment, f"{name}, mean of all sessions", pair[0], float(np.mean(values))))
            rows.append(Residual(segment, f"{name}, median of all sessions", pair[1], float(np.median(values))))
    return rows


def residuals(outcome: Outcome) -> list[Residual]:
    """All published figures against an uncontrolled run.

    Parameters
    ----------
    outcome : Outcome
        Whole weeks without a clock change.
    """
    rows = [row for segment in CALIBRATED for row in _segment_residuals(outcome, segment)]
    fleet, s = outcome.fleet, outcome.fleet.sessions
    is_ac = ~fleet.points.is_dc[s.cp_row] & np.isin(fleet.points.segment[s.cp_row], [0, 1, 2])
    power = rated(fleet.vehicles, fleet.points, s.ev_row[is_ac], s.cp_row[is_ac])[1]
    bands = {
        "at most 4 kW": power <= 4.0,
        "about 7.4 kW": (power > 4.0) & (power < 8.5),
        "11 kW and more": power > 10.5,
    }
    rows += [
        Residual("ac", f"highest power {name}, share", SESSION_POWER_2020[name], float(np.mean(inside)))
        for name, inside in bands.items()
    ]
    return rows


def as_markdown(rows: list[Residual]) -> str:
    """Residuals as a table."""
    head = "| segment | figure | published | drawn | difference |\n| --- | --- | ---: | ---: | ---: |\n"
    return head + "\n".join(
        f"| {r.segment} | {r.figure} | {r.published:.3g} | {r.drawn:.3g} | {r.difference:+.2g} |" for r in rows
    )
