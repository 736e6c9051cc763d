"""What a station is told once after it connects: what protects it first, then what helps."""

from __future__ import annotations

import math
from collections import deque

from agents.hardware.dialect import DEFAULT_ID, STATION_MAX_ID, Dialect, Profile, Purpose, Wire, accepted
from agents.hardware.link import Reply
from agents.hardware.point import PhysicalPoint

SPEAK_FIRST_S = 1.5
"""How long a station that has just connected may keep silent before it is spoken to."""
PROTECTING = ("probe", "default")
"""Steps that come before any set-point: what unit it takes, and the safe limit that holds when all else fails."""


class Setup:
    """Steps of one connection, in order.

    Parameters
    ----------
    point : PhysicalPoint
        The point.
    dialect : Dialect
        Words of the version spoken.
    lead : Setup, optional
        Setup of the station's first connector, which asks and sets what is the whole station's.
    station_kw : float
        Limit of the whole station.
    is_alone : bool
        Whether the point is the only one of its station; otherwise each connector has a safe default of its own.
    """

    def __init__(
        self,
        point: PhysicalPoint,
        dialect: Dialect,
        lead: Setup | None = None,
        station_kw: float = math.inf,
        *,
        is_alone: bool = True,
    ) -> None:
        self._point, self._dialect, self._lead, self._station_kw = point, dialect, lead, station_kw
        self._settings: deque[Wire] = deque(() if lead else dialect.configure(point.settings.meter_interval_s))
        between = ["configure"] if self._settings else []
        steps = ["default", "status"] if lead else [*PROTECTING, *between, "station_max", "status"]
        self._steps: deque[str] = deque(steps)
        self._default_connector = 0 if is_alone else point.settings.connector or 1
        self._said: dict[str, str] = {}

    @property
    def said(self) -> dict[str, str]:
        """What the station said of its settings."""
        return self._lead.said if self._lead else self._said

    @property
    def is_probed(self) -> bool:
        """Whether the station was asked what it can do."""
        return self._lead.is_probed if self._lead else "probe" not in self._steps

    @property
    def speaks_at_s(self) -> float:
        """When the station is spoken to: once it has said something, or after a while."""
        return self._point.linked_since_s + (0.0 if self._point.has_spoken else SPEAK_FIRST_S)

    def step(self, unit: str, *, protecting: bool) -> tuple[str, Wire] | None:
        """Next step and its call; None when there is none now.

        Parameters
        ----------
        unit : str
            Unit of limits.
        protecting : bool
            Only the steps that come before any set-point.
        """
        if not self._steps or self._point.clock.utc_s() < self.speaks_at_s:
            return None
        if self._lead is not None and not self._lead.is_probed:
            return None
        step = self._steps[0]
        if protecting and step not in PROTECTING:
            return None
        return step, self._wire(step, unit)

    def _wire(self, step: str, unit: str) -> Wire:
        envelope = self._point.settings.envelope
        if step == "probe":
            return self._dialect.probe()
        if step == "configure":
            return self._settings[0]
        if step == "default":
            return self._constant("default", DEFAULT_ID, self._default_connector, envelope.safe_kw, unit)
        if step == "station_max":
            return self._constant("station_max", STATION_MAX_ID, 0, self._most_kw, unit)
        return self._dialect.trigger("status", self._point.connector)

    @property
    def _most_kw(self) -> float:
        """Most that the whole station may draw: the limit that its connectors share, or the one connector's."""
        return self._point.settings.envelope.max_kw if math.isinf(self._station_kw) else self._station_kw

    def _constant(self, purpose: Purpose, profile_id: int, connector: int, limit_kw: float, unit: str) -> Wire:
        limit = self._point.settings.envelope.wire_limit(limit_kw, unit)
        return self._dialect.set_profile(
            Profile(purpose, self._point.profile_base + profile_id, 0, limit, unit, connector)
        )

    def done(self, step: str, reply: Reply) -> None:
        """Take the answer of a step; nothing that a station cannot do keeps the others from being done."""
        answer = str(reply.get("status") or reply.error)
        if step == "default" and reply.is_ok and not accepted(reply) and self._default_connector == 0:
            self._default_connector = self._point.connector or 1  # some take it for a connector only
            return
        if step == "configure":
            self._settings.popleft()
            if self._settings:
                return
        self._steps.popleft()
        if step == "probe":
            self._said = self._dialect.probed(reply)
        elif step == "default" and accepted(reply):
            self._point.safe_is_set()
        elif step in ("default", "station_max") and not accepted(reply):
            self._point.note(f"{step}_rejected", answer)

    @property
    def first_unit(self) -> str:
        """Unit that the station says it takes; empty where it says nothing."""
        rates = self.said.get("ChargingScheduleAllowedChargingRateUnit", "") + self.said.get("RateUnit", "")
        names = {part.strip().lower() for part in rates.split(",")} - {""}
        if not names:
            return ""
        return "A" if names & {"a", "current"} else "W"

    @property
    def has_one_stack_level(self) -> bool:
        """Whether it keeps profiles of stack level zero only."""
        return "0" in (self.said.get("ChargeProfileMaxStackLevel"), self.said.get("ProfileStackLevel"))
