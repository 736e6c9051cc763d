"""Who may come in: hashed passwords in a guarded file, TLS, certificates with the station's name, rate limits."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import ssl
import stat
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from agents.hardware.config import HardwareSettings

MIN_PASSWORD_BYTES = 16
_N, _R, _P = 4096, 8, 1
"""scrypt's cost: about 10 ms a check; the passwords are random, so that no dictionary helps."""


class GuardError(ValueError):
    """The secrets or certificates cannot be used; one line for the user."""


def hashed(password: bytes, salt: bytes | None = None) -> str:
    """Hash of a password for the file."""
    if len(password) < MIN_PASSWORD_BYTES:
        raise GuardError(f"a password needs at least {MIN_PASSWORD_BYTES} bytes")
    salt = salt or secrets.token_bytes(16)
    key = hashlib.scrypt(password, salt=salt, n=_N, r=_R, p=_P, dklen=32)
    return f"scrypt${salt.hex()}${key.hex()}"


def read_secrets(path: Path) -> dict[str, str]:
    """Hashes by station.

    Raises
    ------
    GuardError
        If others than the owner may read the file, or it is not what it should be.
    """
    try:
        status = path.stat()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise GuardError(f"{path}: others may read it; chmod 600")
        if status.st_uid != os.getuid():
            raise GuardError(f"{path}: belongs to another user")
        found = json.loads(path.read_text())
    except (OSError, ValueError) as fault:
        if isinstance(fault, GuardError):
            raise
        raise GuardError(f"{path}: {type(fault).__name__}") from None
    if not isinstance(found, dict) or not all(str(v).startswith("scrypt$") for v in found.values()):
        raise GuardError(f"{path}: not a file of hashed passwords")
    return {str(k): str(v) for k, v in found.items()}


def add_secret(path: Path, station_id: str) -> str:
    """Make a new password for a station, keep its hash, give the password once."""
    known = read_secrets(path) if path.exists() else {}
    password = secrets.token_urlsafe(24)
    known[station_id] = hashed(password.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(known, file, indent=1)
    return password


class Passwords:
    """Checks basic authentication in constant time; a right password is remembered, so that a storm stays cheap."""

    def __init__(self, hashes: dict[str, str]) -> None:
        self._hashes = hashes
        self._pepper = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._nobody = hashed(secrets.token_bytes(32))

    def is_right(self, station_id: str, header: str | None) -> bool:
        """Whether an ``Authorization`` header opens this station's door."""
        user, password = _basic(header)
        if user != station_id or not password:
            return False
        seen = hmac.digest(self._pepper, password, "sha256")
        known = self._right.get(station_id)
        if known is not None and hmac.compare_digest(known, seen):
            return True
        if any(_matches(p, self._hashes.get(station_id, self._nobody)) for p in _spellings(password)):
            self._right[station_id] = seen
            return True
        return False


def _spellings(password: bytes) -> list[bytes]:
    """The 1.6 security paper sets keys in hex but sends the bytes; stations differ."""
    return [password] if password.isascii() else [password, password.hex().encode(), password.hex().upper().encode()]


def _matches(password: bytes, kept: str) -> bool:
    _, salt, key = kept.split("$")
    if len(password) < MIN_PASSWORD_BYTES:
        return False
    found = hashlib.scrypt(password, salt=bytes.fromhex(salt), n=_N, r=_R, p=_P, dklen=32)
    return hmac.compare_digest(found, bytes.fromhex(key))


def _basic(header: str | None) -> tuple[str, bytes]:
    """User and password of a header; empty where it is none. The user's part ends at the last colon of the id."""
    if not header or not header.lower().startswith("basic ") or len(header) > 512:
        return "", b""
    try:
        raw = base64.b64decode(header[6:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return "", b""
    user, _, password = raw.partition(b":")
    return user.decode("utf-8", "replace"), password


def tls(settings: HardwareSettings) -> ssl.SSLContext | None:
    """TLS of the server; None for profiles without."""
    if settings.security_profile < 2:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(settings.certificate), str(settings.private_key))
        if settings.security_profile == 3:
            context.load_verify_locations(str(settings.station_ca))
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as fault:
        raise GuardError(f"certificate: {fault}") from None
    key = Path(str(settings.private_key))
    if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise GuardError(f"{key}: others may read the private key; chmod 600")
    return context


def common_name(certificate: dict[str, Any] | None) -> str:
    """Common name in a peer's certificate."""
    for group in (certificate or {}).get("subject", ()):
        for key, value in group:
            if key == "commonName":
                return str(value)
    return ""


class Rate:
    """At most ``most`` events in ``window_s`` for each name; remembers at most 10,000 names."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._seen: dict[str, deque[float]] = defaultdict(deque)

    def allows(self, name: str, now_s: float) -> bool:
        """Note one event; False when there were too many."""
        if len(self._seen) > 10_000:
            self._seen.clear()
        seen = self._seen[name]
        while seen and seen[0] < now_s - self._window_s:
            seen.popleft()
        if len(seen) >= self._most:
            return False
        seen.append(now_s)
        return True
