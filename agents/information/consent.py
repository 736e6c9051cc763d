"""Consent of drivers per purpose and recipient, its withdrawal, and how long data may be kept (report 7.3, GDPR)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.messages import (
    ChargeRates,
    ChargingPreference,
    ChargingPreferenceToCpo,
    EvStatus,
    Message,
    OemData,
    PriceEffectToAggregator,
    SessionOffer,
    VehicleData,
)

NEVER = 2**31 - 1


@dataclass(frozen=True)
class Purpose:
    """What data may be used for, and who gets them for it.

    Attributes
    ----------
    recipient : str
        Role that gets the data.
    messages : tuple of types
        Messages that need this consent as a whole.
    fields : dict of type to tuple of str
        Fields that need it; the rest of the message goes out without.
    """

    recipient: str
    messages: tuple[type[Message], ...] = ()
    fields: tuple[tuple[type[Message], tuple[str, ...]], ...] = ()


_BATTERY = ("soc_kwh", "capacity_kwh", "efficiency_share")
_WISHES = ("departure_min", "desired_kwh")
PURPOSES: dict[str, Purpose] = {
    "smart_charging": Purpose(
        "aggregator", (SessionOffer, ChargeRates, PriceEffectToAggregator, OemData, ChargingPreference)
    ),
    "battery_data_at_station": Purpose("charging_point", (), ((EvStatus, (*_BATTERY, "soh_share")),)),
    "battery_data_at_aggregator": Purpose("aggregator", (OemData,), ((SessionOffer, _BATTERY),)),
    "battery_data_at_maker": Purpose("vehicle_maker", (VehicleData,)),
    "preferences_at_aggregator": Purpose("aggregator", (ChargingPreference,), ((SessionOffer, _WISHES),)),
    "preferences_at_cpo": Purpose("cpo", (ChargingPreferenceToCpo,)),
}
"""Purposes that need consent. What a CPO must know to run and bill a session (start, end, meter) rests on the contract
of that session (GDPR art. 6(1)(b)) and needs none; a fleet operator's schedule is not personal data."""


class Consent:
    """A screen of the links: lets personal data pass only where the driver agreed.

    Parameters
    ----------
    agrees : bool array, shape (n_evs, n_purposes)
        Consent by driver and purpose, in the order of :data:`PURPOSES`.
    withdrawn_period : int array, shape (n_evs,)
        Period from which a driver has withdrawn everything; :data:`NEVER` if not.
    ev_of_session : int array, shape (n_sessions,)
        Whose session it is.
    n_points : int
        Charging points.
    """

    def __init__(
        self, agrees: np.ndarray, withdrawn_period: np.ndarray, ev_of_session: np.ndarray, n_points: int
    ) -> None:
        self.agrees, self.withdrawn_period, self.ev_of_session = agrees, withdrawn_period, ev_of_session
        self._is_private_point = np.zeros(n_points, dtype=bool)
        self._whole: dict[type[Message], list[int]] = {}
        self._parts: dict[type[Message], list[tuple[int, tuple[str, ...]]]] = {}
        for k, purpose in enumerate(PURPOSES.values()):
            for kind in purpose.messages:
                self._whole.setdefault(kind, []).append(k)
            for kind, names in purpose.fields:
                self._parts.setdefault(kind, []).append((k, names))

    def touches(self, kind: type[Message]) -> bool:
        """Whether messages of a kind hold personal data that need consent."""
        return kind in self._whole or kind in self._parts

    def allows(self, sessions: np.ndarray, purpose: str, period: int) -> np.ndarray:
        """Whether the drivers of some sessions agree to a purpose now."""
        return self._allowed(sessions, list(PURPOSES).index(purpose), period)

    def screen(self, message: Message, period: int) -> Message | None:
        """The message without what its drivers did not agree to."""
        if isinstance(message, ChargeRates):
            return self._screen_rates(message, period)
        kind, sessions = type(message), message.rows
        may = np.ones(len(sessions), dtype=bool)
        for k in self._whole.get(kind, ()):
            may &= self._allowed(sessions, k, period)
        if isinstance(message, SessionOffer):
            self._is_private_point[message.cp_row] = ~may
        if not may.all():
            if not may.any():
                return None
            message, sessions = message.take(may), sessions[may]
        for k, names in self._parts.get(kind, ()):
            hidden = ~self._allowed(sessions, k, period)
            if hidden.any():
                message = replace(message, **{n: np.where(hidden, np.nan, getattr(message, n)) for n in names})
        return message

    def _screen_rates(self, rates: ChargeRates, period: int) -> ChargeRates:
        ended, rows, purpose = rates.ended_session_row, rates.transaction_row, list(PURPOSES).index("smart_charging")
        may_end = self._allowed(ended, purpose, period)
        may = ~self._is_private_point[rates.cp_row]
        may = np.where(rows >= 0, self._allowed(np.maximum(rows, 0), purpose, period), may)
        return replace(rates.take(may), ended_session_row=ended[may_end])

    def _allowed(self, sessions: np.ndarray, purpose: int, period: int) -> np.ndarray:
        ev = self.ev_of_session[sessions]
        return np.asarray(self.agrees[ev, purpose] & (self.withdrawn_period[ev] > period))

    def withdraw(self, evs: np.ndarray, cp_row: np.ndarray) -> None:
        """Close the points of drivers who withdraw now, so that their meters fall silent at once."""
        self._is_private_point[cp_row] = True


def draw_consent(
    n_evs: int,
    *,
    is_default: bool,
    object_share: float,
    agree_share: float,
    never: tuple[str, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """Consent by driver and purpose, bool[n_evs, n_purposes].

    Parameters
    ----------
    n_evs : int
        Drivers.
    is_default : bool
        Data are shared unless the driver objects (opt-out); else only if the driver agrees (opt-in).
    object_share, agree_share : float
        Share of drivers who act against the default, per purpose, in either case.
    never : tuple of str
        Purposes that nobody agrees to.
    """
    draw = rng.random((n_evs, len(PURPOSES)))
    agrees = draw >= object_share if is_default else draw < agree_share
    agrees[:, [k for k, name in enumerate(PURPOSES) if name in never]] = False
    return np.asarray(agrees)
