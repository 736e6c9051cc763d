"""Checks of payloads against the schemas of the ``ocpp`` package; a fault names rule and field, never the value."""

from __future__ import annotations

import asyncio
import decimal
import json
from functools import lru_cache
from itertools import islice
from typing import Any

from ocpp.messages import get_validator

from agents.hardware.wire import CALL, RESULT

SUBPROTOCOLS = {"ocpp2.1": "2.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6"}
"""Sub-protocols of the WebSocket, best first, and the version each speaks."""

_CODE_OF_RULE = {
    "type": "TypeConstraintViolation",
    "maxLength": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "enum": "PropertyConstraintViolation",
}
_OLD_SPELLING = {
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "FormatViolation": "FormationViolation",
    "MessageTypeNotSupported": "GenericError",
    "RpcFrameworkError": "GenericError",
}
MOST_FAULTS = 20
_DECIMAL = frozenset({"SetChargingProfile", "RemoteStartTransaction", "GetCompositeSchedule"})


class Invalid(ValueError):
    """A payload that breaks its schema; ``code`` is OCPP's error code, ``is_harmless`` = only has fields too many."""

    def __init__(self, code: str, text: str, *, is_harmless: bool = False) -> None:
        super().__init__(text)
        self.code, self.is_harmless = code, is_harmless


def spelling(code: str, version: str) -> str:
    """Error code as this version writes it (1.6 has its famous typo and fewer codes)."""
    return _OLD_SPELLING.get(code, code) if version == "1.6" else code.replace("FormationViolation", "FormatViolation")


@lru_cache(maxsize=1024)
def _validator(kind: int, action: str, version: str) -> Any:
    if not action.isalnum():
        return None
    number = decimal.Decimal if version == "1.6" and action in _DECIMAL else float
    try:
        return get_validator(kind, action, version, parse_float=number)
    except OSError:
        return None


def is_known(action: str, version: str) -> bool:
    """Whether this version has such a call."""
    return _validator(CALL, action, version) is not None


def check(kind: int, action: str, version: str, payload: dict[str, Any]) -> None:
    """Check one payload.

    Raises
    ------
    Invalid
        The first rule that is broken.
    """
    validator = _validator(kind, action, version)
    if validator is None:
        raise Invalid("NotImplemented", f"{version} has no such message")
    if version == "1.6" and action in _DECIMAL:
        payload = json.loads(json.dumps(payload), parse_float=decimal.Decimal)
    faults = list(islice(validator.iter_errors(payload), MOST_FAULTS))
    is_harmless = 0 < len(faults) < MOST_FAULTS and all(f.validator == "additionalProperties" for f in faults)
    fault = next((f for f in faults if f.validator != "additionalProperties"), faults[0] if faults else None)
    if fault is not None:
        where = "/".join(str(part)[:40] for part in list(fault.absolute_path)[:6])
        rule = str(fault.validator)
        raise Invalid(
            _CODE_OF_RULE.get(rule, "FormatViolation"), f"{rule} of {where or 'the payload'}", is_harmless=is_harmless
        )


async def warm_up(versions: tuple[str, ...] = ("1.6", "2.0.1", "2.1")) -> None:
    """Read the schemas that every station needs, so that the first one does not wait for the disk."""
    for version in versions:
        for action in ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues", "Authorize"):
            _validator(CALL, action, version)
        for action in ("SetChargingProfile", "ClearChargingProfile"):
            _validator(RESULT, action, version)
        await asyncio.sleep(0)
