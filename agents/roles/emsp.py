"""EMSP: the driver's counterpart; passes preferences on and tells the driver what happens."""

from __future__ import annotations

from typing import ClassVar

from agents.messages import (
    ChargingOutlook,
    ChargingPreference,
    ChargingPreferenceToCpo,
    DriverInformation,
    DriverWish,
    SteeringNotice,
    SteeringPlan,
)
from agents.role import Role


class EMSP(Role):
    """E-mobility service provider of all drivers."""

    role: ClassVar[str] = "emsp"

    def pass_on_wishes(self) -> None:
        """Tell aggregator and CPO what drivers want (EMSP-3, EMSP-4, EMSP-5)."""
        for wish in self.knowledge.take(DriverWish):
            wanted = (wish.departure_min, wish.desired_kwh, wish.urgent_kwh, wish.is_override, wish.co2_focus)
            self.send(ChargingPreference(wish.session_row, *wanted))
            told = (wish.departure_min, wish.desired_kwh, wish.is_override)
            self.send(ChargingPreferenceToCpo(wish.session_row, *told))

    def inform_drivers(self) -> None:
        """Tell drivers what their site can give, how they are charged, and what it saved (EMSP-1, EMSP-2, EMSP-6)."""
        for plan in self.knowledge.take(SteeringPlan):
            self.send(ChargingOutlook(plan.session_row, plan.site_limit_kw, plan.power_kw))
        for notice in self.knowledge.take(SteeringNotice):
            self.send(DriverInformation(notice.session_row, notice.saving_eur))
