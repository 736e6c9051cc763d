"""SunSpec over Modbus in the neutral words of the port: models 701 (measurement) and 704 (AC controls).

A charger that speaks SunSpec is a DER whose power is positive when it injects; here charging is positive. Model 704 has
what OCPP lacks: a reversion value and timer, so that the device returns to its safe set-point by itself. Some firmware
shows the timer and does not act on it, so the fallback must be proven here too.

Offsets from SunSpec's published model definitions (model_701.json, model_704.json), counted from the model's ID.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from agents.hardware.dialect import Profile, Purpose, Sink, Wire
from agents.hardware.link import Refused, Reply
from agents.hardware.meter import Sample

MARK = (0x5375, 0x6E53)
"""``SunS``, before the first model."""
BASES = (40000, 0, 50000)
END = 0xFFFF
MEASURE, CONTROL = 701, 704
CONNECTED = 2
_CONN, _W, _WH_INJ, _WH_ABS, _W_SF, _WH_SF = 5, 10, 19, 23, 116, 120
WSET_ENA, WSET_MOD, WSET, WSET_RVRT, WSET_RVRT_ENA, WSET_RVRT_TMS, WSET_SF = 22, 23, 24, 26, 30, 31, 55
WATTS = 1
"""Value of ``WSetMod`` for a set-point in watts (0 = percent)."""


def signed(value: int, bits: int) -> int:
    """Two's complement.

    >>> signed(0xFFFF, 16), signed(5, 16)
    (-1, 5)
    """
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def wide(words: Sequence[int]) -> int:
    """Registers, most significant first, as one unsigned number."""
    number = 0
    for word in words:
        number = number << 16 | word
    return number


def split(value: int, words: int) -> list[int]:
    """A signed number as registers.

    >>> split(-2, 2)
    [65535, 65534]
    """
    bits = value & ((1 << 16 * words) - 1)
    return [bits >> 16 * i & 0xFFFF for i in reversed(range(words))]


def sample_of(model: Sequence[int], utc_s: float) -> Sample:
    """Sample of a block of model 701, stamped by us (Modbus has no clock)."""
    power_factor = 10.0 ** signed(model[_W_SF], 16)
    energy_factor = 10.0 ** signed(model[_WH_SF], 16)
    power = signed(model[_W], 16)
    return Sample(
        utc_s,
        power_w=math.nan if power == -0x8000 else -power * power_factor,
        import_wh=wide(model[_WH_ABS : _WH_ABS + 4]) * energy_factor,
        export_wh=wide(model[_WH_INJ : _WH_INJ + 4]) * energy_factor,
        quantum_wh=energy_factor,
    )


class SunSpecDialect:
    """The words of SunSpec; the driver in :mod:`agents.hardware.modbus` writes the registers."""

    version = "sunspec"
    stops_at_once = True

    def __init__(self) -> None:
        self._session = ""

    def answer(self, sink: Sink, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Take one reading of model 701."""
        if action != "Measure":
            raise Refused("NotSupported", "")
        model, now_s = payload["model"], sink.now_s()
        reading = [sample_of(model, now_s)]
        if model[_CONN] == CONNECTED:
            self._session = self._session or f"sunspec-{int(now_s)}"
            sink.started(self._session, 1, now_s, ())
            sink.metered(1, None, reading)
            return {}
        if self._session:
            sink.stopped(self._session, now_s, reading, "EVDisconnected")
            self._session = ""
        sink.status(1, "free", now_s)
        return {}

    def probe(self) -> Wire:
        """Nothing to ask: the driver found the models."""
        return "Nothing", {}

    def probed(self, reply: Reply) -> dict[str, str]:
        """Limits are in watts."""
        return {"RateUnit": "W"}

    def configure(self, meter_interval_s: float) -> Sequence[Wire]:
        """Modbus is polled: nothing to set."""
        return []

    def set_profile(self, profile: Profile) -> Wire:
        """The safe default is the reversion value; a session's limit is the set-point with the reversion timer."""
        if profile.purpose == "default" and profile.duration_s is None:
            return "SetReversion", {"limit_w": profile.limit}
        if profile.purpose == "station_max":
            return "Nothing", {}
        return "SetPoint", {"limit_w": profile.limit, "seconds": math.ceil(profile.duration_s or 0)}

    def clear(self, purpose: Purpose | None, profile_id: int | None = None) -> Wire:
        """End the set-point."""
        return "Disable", {}

    def composite(self, connector: int, duration_s: int, unit: str) -> Wire:
        """Not in SunSpec."""
        return "Unsupported", {}

    def start(self, connector: int, tag: str, number: int) -> Wire:
        """A DER needs no start."""
        return "Nothing", {}

    def stop(self, transaction: str) -> Wire:
        """Zero, and zero after the timer too."""
        return "Stop", {}

    def available(self, connector: int, *, is_available: bool) -> Wire:
        """Same as a stop."""
        return ("Disable" if is_available else "Stop"), {}

    def reset(self, *, hard: bool) -> Wire:
        """Not in SunSpec."""
        return "Unsupported", {}

    def unlock(self, connector: int) -> Wire:
        """Not in SunSpec."""
        return "Unsupported", {}

    def trigger(self, what: Literal["status", "meter", "boot"], connector: int | None, attempt: int = 0) -> Wire:
        """It is polled anyway."""
        return "Nothing", {}
