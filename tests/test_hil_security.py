"""Security profiles 0 to 3, secrets in files, leases."""

from __future__ import annotations

import asyncio
import base64
import datetime
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from agents.hardware.guard import GuardError, Passwords, Rate, add_secret, hashed, read_secrets
from agents.hardware.keep import LeaseHeld, Leases
from tests.hil_rig import central, settings, station, until, virtual

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority for the tests."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name.replace(' ', '')}.pem"
        basic = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates, lists
        own = self._builder(self._name, self._key, days=30).add_extension(basic, critical=True)
        own = own.add_extension(usage, critical=True)
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        start = now - 10 * DAY
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
        # strict verification, the default from Python 3.13 on, wants both identifiers and the authority's usage
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(issuer, critical=False).add_extension(subject, critical=False)
        return builder.not_valid_after(now + days * DAY)

    def issue(self, name: str, days: int = 30) -> tuple[Path, Path]:
        """Certificate and key of a name; negative days have passed already."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate = (
            self._builder(subject, key, days).add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        )
        files = self._folder / f"{name}{days}.pem", self._folder / f"{name}{days}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files[1].chmod(0o600)
        return files


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def status_of(url: str, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> int:
    """HTTP status of a handshake; 101 when it is let in."""
    try:
        async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers, ssl=tls):
            return 101
    except InvalidStatus as fault:
        return fault.response.status_code


@pytest.mark.parametrize("profile", [0, 1])
def test_without_tls_nobody_listens_beyond_this_machine(tmp_path, profile):
    given = settings(tmp_path, host="0.0.0.0", security_profile=profile, secrets=tmp_path / "s")
    assert any("loopback only" in f for f in given.faults())


def test_all_faults_of_the_settings_come_at_once(tmp_path):
    given = settings(tmp_path, station("A"), station("A"), station("B", unit="kW"), security_profile=3)
    text = "; ".join(given.faults())
    for word in ("named 2 times", "two stations", "unit 'kW'", "certificate", "authority"):
        assert word in text


@pytest.mark.function("CPO-5")
def test_passwords(tmp_path):
    secrets = tmp_path / "secrets.json"
    password = add_secret(secrets, "S1")
    other = add_secret(secrets, "S2")

    async def go() -> None:
        given = settings(tmp_path, station(), station("S2", row=1), security_profile=1, secrets=secrets)
        async with central(given) as system:
            url = f"ws://127.0.0.1:{system.port}/S1"
            assert await status_of(url, basic("S1", password)) == 101
            assert await status_of(url, basic("S1", password)) == 101
            assert await status_of(url) == 401
            assert await status_of(url, basic("S1", other)) == 401
            assert await status_of(url, basic("S2", other)) == 401
            assert await status_of(url, {"Authorization": "Basic !!!"}) == 401
            async with virtual(system, "S2", password=other, plugs=False) as car:
                await until(car.booted.is_set)

    asyncio.run(go())
    assert password not in "".join(p.read_text(errors="ignore") for p in tmp_path.rglob("*") if p.is_file())


def test_guessing_is_slowed(tmp_path):
    secrets = tmp_path / "secrets.json"
    add_secret(secrets, "S1")

    async def go() -> list[int]:
        async with central(settings(tmp_path, security_profile=1, secrets=secrets)) as system:
            url = f"ws://127.0.0.1:{system.port}/S1"
            return [await status_of(url, basic("S1", "x" * 20 + str(i))) for i in range(8)]

    found = asyncio.run(go())
    assert found[:5] == [401] * 5
    assert set(found[5:]) == {429}


def test_secrets_file_is_guarded(tmp_path):
    secrets = tmp_path / "secrets.json"
    password = add_secret(secrets, "S1")
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert password not in secrets.read_text()
    secrets.chmod(0o644)
    with pytest.raises(GuardError, match="others may read"):
        read_secrets(secrets)
    secrets.chmod(0o600)
    secrets.write_text('{"S1": "plain"}')
    with pytest.raises(GuardError, match="hashed"):
        read_secrets(secrets)
    with pytest.raises(GuardError, match="at least 16"):
        hashed(b"short")


def test_a_key_set_in_hex_and_sent_in_bytes_is_right():
    key = os.urandom(20)
    known = Passwords({"S1": hashed(key.hex().encode())})
    header = "Basic " + base64.b64encode(b"S1:" + key).decode()
    assert known.is_right("S1", header)


def test_rate():
    rate = Rate(2, 10.0)
    assert [rate.allows("a", t) for t in (0.0, 1.0, 2.0, 11.0)] == [True, True, False, True]


def tls_settings(tmp_path: Path, authority: Authority, **other: Any) -> Any:
    certificate, key = authority.issue("localhost")
    given = {"host": "localhost", "certificate": certificate, "private_key": key} | other
    return settings(tmp_path, station(), station("S2", row=1), **given)


def test_tls_with_a_password(tmp_path):
    authority = Authority(tmp_path)
    secrets = tmp_path / "secrets.json"
    password = add_secret(secrets, "S1")

    async def go() -> None:
        given = tls_settings(tmp_path, authority, security_profile=2, secrets=secrets)
        async with central(given) as system, virtual(system, ca=authority.file, password=password) as car:
            await until(lambda: car.transaction not in (None, "0"))
            old = ssl.create_default_context(cafile=str(authority.file))
            with pytest.warns(DeprecationWarning):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises((ssl.SSLError, OSError)):
                await status_of(f"wss://localhost:{system.port}/S1", basic("S1", password), old)

    asyncio.run(go())


def test_certificates_on_both_sides(tmp_path):
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "Other CA")

    def context(files: tuple[Path, Path] | None) -> ssl.SSLContext:
        found = ssl.create_default_context(cafile=str(authority.file))
        if files:
            found.load_cert_chain(*(str(f) for f in files))
        return found

    async def go() -> None:
        given = tls_settings(tmp_path, authority, security_profile=3, station_ca=authority.file)
        async with central(given) as system:
            url = f"wss://localhost:{system.port}"
            certificate, key = authority.issue("S1")
            assert await status_of(f"{url}/S1", tls=context((certificate, key))) == 101
            assert await status_of(f"{url}/S2", tls=context((certificate, key))) == 403  # another station's certificate
            for files in (None, authority.issue("S1", days=-1), stranger.issue("S1")):
                with pytest.raises(Exception) as caught:
                    await status_of(f"{url}/S1", tls=context(files))
                assert not isinstance(caught.value, InvalidStatus)
            assert system.turned_away["certificate_of_another"] == 1

    asyncio.run(go())


def test_a_private_key_that_others_may_read_is_refused(tmp_path):
    authority = Authority(tmp_path)
    given = tls_settings(tmp_path, authority, security_profile=3, station_ca=authority.file)
    given.private_key.chmod(0o644)

    async def go() -> None:
        async with central(given):
            raise AssertionError("must not start")

    with pytest.raises(GuardError, match="private key"):
        asyncio.run(go())


def test_one_run_holds_a_station(tmp_path):
    async def go() -> None:
        async with central(settings(tmp_path)):
            with pytest.raises(LeaseHeld, match="S1"):
                async with central(settings(tmp_path)):
                    raise AssertionError("must not start")
        async with central(settings(tmp_path)) as again:
            assert again.port

    asyncio.run(go())


def test_leases_are_given_back(tmp_path):
    with Leases(tmp_path) as one, pytest.raises(LeaseHeld):
        one.take("a/b")
        Leases(tmp_path).take("a/b")
    Leases(tmp_path).take("a/b")


def test_a_check_with_tls_and_a_password(tmp_path):
    """From the command's options to a station that is let in: `hil check wss://… --cert --key --secrets`."""
    from experiments.hil.check import CheckOptions, _settings

    authority = Authority(tmp_path)
    certificate, key = authority.issue("central")
    password = add_secret(tmp_path / "secrets.json", "S1")
    options = CheckOptions(
        "wss://127.0.0.1:0/S1", 11.04, 4.14, 3, 5.0, 1.0, 5.0, False, tmp_path / "out", tmp_path / "state",
        certificate=certificate, private_key=key, secrets=tmp_path / "secrets.json",
    )  # fmt: skip
    given = _settings(options)
    assert given.security_profile == 2 and given.faults() == []

    async def go() -> None:
        async with central(given) as system, virtual(system, password=password, ca=authority.file, plugs=False) as car:
            await until(car.booted.is_set)
            assert system.points["S1"].identity

    asyncio.run(go())
