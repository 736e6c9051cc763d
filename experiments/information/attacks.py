"""What attacks move, what that does to frequency, voltage and cost, and what each countermeasure saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.settings import SecuritySettings, Settings
from experiments.information.frequency import lowest_hz
from experiments.information.worlds import ev_kw, in_mode

SIGNAL_S = 5.0
"""Time in which cars follow a new limit (IEC 61851-1)."""
DELAY_MIN = 10.0
"""Random delay of the British regulations of 2021: up to ten minutes."""
COUNTERMEASURES: dict[str, dict[str, Any]] = {
    "none": {"is_verified": False},
    "verification": {"is_verified": True},
    "rate_limit": {"is_verified": False, "rate_limit_share": 0.2},
    "random_delay": {"is_verified": False, "random_delay_min": DELAY_MIN},
    "plausibility": {"is_verified": False, "is_plausibility_checked": True},
    "all": {
        "is_verified": True,
        "rate_limit_share": 0.2,
        "random_delay_min": DELAY_MIN,
        "is_plausibility_checked": True,
        "card_share": 1.0,
    },
}
"""Countermeasures by name, as keys of the scenario's section ``security``."""


@dataclass(frozen=True)
class AttackEffect:
    """One attack against one defence.

    Attributes
    ----------
    attack, mode, countermeasure : str
    moved_mw : float
        Largest difference of the national EV load from a day without the attack.
    step_mw, switched_mw : float
        Largest sudden part of it, and all sudden parts added up.
    frequency_hz : float
        Largest deviation of frequency that the sudden part causes.
    voltage_min_pu, voltage_max_pu, loading_max_share : float
        Extremes of the simulated wires.
    cost_eur : float
        What drivers pay more, and what missing energy costs them, in the simulated area.
    missing_kwh : float
        Energy that drivers miss whose session ended.
    owed_kwh : float
        Energy that cars still connected at the end have less than without the attack; they will buy it later.
    """

    attack: str
    mode: str
    countermeasure: str
    moved_mw: float
    step_mw: float
    switched_mw: float
    frequency_hz: float
    voltage_min_pu: float
    voltage_max_pu: float
    loading_max_share: float
    cost_eur: float
    missing_kwh: float
    owed_kwh: float


def measure(
    settings: Settings,
    simulate: Callable[[Settings], Any],
    *,
    modes: tuple[str, ...] = ("v1g", "v2x"),
    countermeasures: tuple[str, ...] = tuple(COUNTERMEASURES),
    progress: Callable[[int, int], None] | None = None,
    quiet_days: dict[tuple[Any, ...], Any] | None = None,
) -> list[AttackEffect]:
    """Run an attack scenario with every defence, with and without V2X, beside the same day without the attack.

    Parameters
    ----------
    settings : Settings
        A scenario with an attack.
    simulate : callable
        :func:`agents.model.simulate`.
    modes, countermeasures : tuples of str
        What to compare.
    progress : callable, optional
        Told (runs done, runs in all).
    quiet_days : dict, optional
        Days without attack that earlier calls ran already.
    """
    days = {} if quiet_days is None else quiet_days
    found, done = [], 0
    for mode in modes:
        for name in countermeasures:
            security = replace(settings.security, **COUNTERMEASURES[name])
            attacked = replace(in_mode(settings, mode), security=security)
            key = (mode, name, settings.seed, settings.regulation)
            if key not in days:
                days[key] = simulate(_quiet(attacked)).tables
            found.append(_effect(settings, mode, name, days[key], simulate(attacked).tables, security))
            done += 1
            if progress is not None:
                progress(done, len(modes) * len(countermeasures))
    return found


def _quiet(settings: Settings) -> Settings:
    return replace(settings, security=replace(settings.security, attacks=()))


def _effect(
    settings: Settings, mode: str, name: str, quiet: Any, attacked: Any, security: SecuritySettings
) -> AttackEffect:
    scale = settings.representation / 1000.0
    moved = scale * (ev_kw(attacked) - ev_kw(quiet))
    jumps = np.diff(moved, prepend=0.0)
    worst = float(jumps[np.argmax(np.abs(jumps))])
    ramp_s = max(SIGNAL_S, 60.0 * security.random_delay_min)
    cost = [float(np.sum(t["sessions"]["cost_eur"]) + np.sum(t["sessions"]["missing_kwh"])) for t in (quiet, attacked)]
    owed = _owed_kwh(quiet, attacked)
    missing = [float(np.sum(t["sessions"]["missing_kwh"])) for t in (quiet, attacked)]
    return AttackEffect(
        attack=settings.security.attacks[0].kind,
        mode=mode,
        countermeasure=name,
        moved_mw=float(np.max(np.abs(moved))),
        step_mw=abs(worst),
        switched_mw=float(np.sum(np.abs(jumps))),
        frequency_hz=lowest_hz(worst, ramp_s),
        voltage_min_pu=float(np.nanmin(attacked["node_voltage"]["voltage_min_pu"])),
        voltage_max_pu=float(np.nanmax(attacked["node_voltage"]["voltage_max_pu"])),
        loading_max_share=float(np.nanmax(attacked["branch_loading"]["loading_share"])),
        cost_eur=cost[1] - cost[0] + owed * _price_eur_per_kwh(quiet),
        missing_kwh=missing[1] - missing[0],
        owed_kwh=owed,
    )


def _owed_kwh(quiet: Any, attacked: Any) -> float:
    """Energy that open sessions have less than on the quiet day, kWh; of a session known to one run nothing is said."""
    end_min = 15.0 * (float(np.max(quiet["load"]["period"])) + 1.0)
    held: list[dict[int, float]] = []
    for tables in (quiet, attacked):
        s = tables["sessions"]
        is_open = np.asarray(s["departure_min"]) > end_min
        rows, kwh = np.asarray(s["session_row"])[is_open], np.asarray(s["delivered_kwh"])[is_open]
        held.append(dict(zip(rows.tolist(), kwh.tolist(), strict=True)))
    both = held[0].keys() & held[1].keys()
    return float(sum(held[0][row] - held[1][row] for row in sorted(both)))


def _price_eur_per_kwh(tables: Any) -> float:
    """What drivers pay on average, EUR/kWh."""
    s = tables["sessions"]
    kwh = float(np.sum(s["metered_kwh"]))
    return float(np.sum(s["cost_eur"])) / kwh if kwh > 0.0 else 0.0
