"""OCPP-J frames: guarded reading, writing, redaction. Nothing a peer sends reaches the rest unguarded or is echoed."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_BYTES = 128 * 1024
MAX_DEPTH = 24
MAX_DIGITS = 32
_LONG_NUMBER = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")

CALL, RESULT, ERROR, RESULT_ERROR, SEND = 2, 3, 4, 5, 6


class Malformed(ValueError):
    """A frame that cannot be read; the text names the rule, never the content."""

    def __init__(self, rule: str, message_id: str | None = None, code: str = "FormationViolation") -> None:
        super().__init__(rule)
        self.message_id, self.code = message_id, code


@dataclass(frozen=True)
class Frame:
    """One message of OCPP-J: ``kind`` is its type number; ``action`` is empty in answers."""

    kind: int
    message_id: str
    action: str = ""
    payload: Any = None
    error_code: str = ""


def parse(text: str | bytes) -> Frame:
    """Read one frame.

    Raises
    ------
    Malformed
        Too big, too deep, a number too long or not finite, keys twice, not a frame of OCPP-J.
    """
    if len(text) > MAX_BYTES:
        raise Malformed("message too big")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None
    return _frame(_load(text))


def _load(text: str) -> Any:
    _check_depth(text)
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_int=_short_int, parse_float=_finite, object_pairs_hook=_unique
        )
    except Malformed:
        raise
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser recurses; brackets inside strings do not count."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        depth += (mark in "[{") - (mark in "]}")
        if depth > MAX_DEPTH:
            raise Malformed("nested too deep")


def _refuse_constant(_: str) -> NoReturn:
    raise Malformed("number not finite")


def _short_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Malformed("number too long")
    return int(digits)


def _finite(digits: str) -> float:
    if _LONG_NUMBER.search(digits):
        raise Malformed("number too long")
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed("number not finite")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise Malformed("key twice")
    return whole


def _frame(parts: Any) -> Frame:
    if not isinstance(parts, list) or len(parts) < 3 or isinstance(parts[0], bool) or not isinstance(parts[0], int):
        raise Malformed("not a frame")
    kind, message_id = parts[0], parts[1]
    if not isinstance(message_id, str) or not 0 < len(message_id) <= 64:
        raise Malformed("message id is not a short text")
    if kind in (CALL, SEND):
        if len(parts) != 4 or not isinstance(parts[2], str) or len(parts[2]) > 64:
            raise Malformed("not a call", message_id)
        if not isinstance(parts[3], dict):
            raise Malformed("payload is not an object", message_id, "TypeConstraintViolation")
        return Frame(kind, message_id, parts[2], parts[3])
    if kind == RESULT:
        if len(parts) != 3 or not isinstance(parts[2], dict):
            raise Malformed("not a result", message_id)
        return Frame(kind, message_id, payload=parts[2])
    if kind in (ERROR, RESULT_ERROR):
        return Frame(kind, message_id, error_code=str(parts[2])[:64], payload={})
    raise Malformed("unknown message type", message_id, "MessageTypeNotSupported")


def dump(*parts: Any) -> str:
    """Text of a frame; a number that is not finite is a fault of ours and raises."""
    return json.dumps(parts, separators=(",", ":"), allow_nan=False)


_HASHED = frozenset(
    {"idtag", "parentidtag", "idtoken", "groupidtoken", "emaid", "evccid", "macaddress", "vin", "remoteidtag"}
)
_HIDDEN = frozenset(
    {
        "certificate", "certificatechain", "csr", "exirequest", "exiresponse", "basicauthpassword", "authorizationkey",
        "apnpassword", "password", "signedmeterdata", "publickey", "iso15118certificatehashdata", "signature",
        "data", "customdata", "retrievelocation", "remotelocation", "customerdata",
        "additionalidtoken", "additionalinfo",
    }
)  # fmt: skip
_SECRET_SETTINGS = ("password", "authorizationkey", "secret", "pin")


def redact(value: Any, salt: bytes, key: str = "") -> Any:
    """Copy of a payload fit for a log: identities hashed with the run's salt, secrets and certificates left out."""
    name = key.lower()
    if name in _HIDDEN:
        return "(hidden)"
    if name in _HASHED and isinstance(value, str):
        return "#" + hashlib.sha256(salt + value.encode()).hexdigest()[:12]
    if isinstance(value, dict):
        if _names_secret(value):
            return {k: "(hidden)" if k in ("value", "attributeValue") else v for k, v in value.items()}
        return {k: redact(v, salt, k) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(v, salt, key) for v in value]
    return value


def _names_secret(value: dict[str, Any]) -> bool:
    """A setting such as ``{"key": "AuthorizationKey", "value": …}`` of 1.6 or a variable of 2.x."""
    variable = value.get("variable")
    name = value.get("key") or (variable.get("name") if isinstance(variable, dict) else "") or ""
    return any(word in str(name).lower() for word in _SECRET_SETTINGS)
