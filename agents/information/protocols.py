"""Protocols between roles as data: how long a message takes, how big its wrapping is and what carrying it costs.

Delays are those of a working link, well below the 15 minutes of a period; a scenario may make any protocol slower,
lossy or costly in ``[[links.quality]]``. No protocol loses messages by itself: all of them confirm and repeat.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes
    ----------
    delay_s : float
        Usual time from sender to receiver.
    wrapping_bytes : int
        Bytes around the content of one message: headers, envelope, signature.
    spread : float
        Bytes on the wire per byte of content (text formats spell numbers out).
    eur_per_mb : float
        Price of carrying a megabyte.
    source : str
        Where the figures come from.
    """

    delay_s: float
    wrapping_bytes: int
    spread: float
    eur_per_mb: float
    source: str


_MOBILE_EUR_PER_MB, _FIXED_EUR_PER_MB = 0.01, 0.0001

PROTOCOLS: dict[str, Protocol] = {
    "IEC 61851": Protocol(0.1, 0, 1.0, 0.0, "IEC 61851-1: duty cycle of a 1 kHz pilot; car follows within 5 s"),
    "IEC 61851 / ISO 15118": Protocol(0.1, 0, 1.0, 0.0, "as IEC 61851; report 7.2.2"),
    "ISO 15118": Protocol(0.5, 60, 1.2, 0.0, "ISO 15118-2/-20: EXI over a local power line; 2 s per message pair"),
    "OCPP": Protocol(1.0, 250, 3.0, _MOBILE_EUR_PER_MB, "OCPP 1.6J/2.0.1: JSON over websocket (figures: assumption)"),
    "OCPI": Protocol(2.0, 800, 4.0, _FIXED_EUR_PER_MB, "OCPI 2.2: JSON over HTTPS (figures: assumption)"),
    "OCPI / OpenADR": Protocol(2.0, 800, 4.0, _FIXED_EUR_PER_MB, "report 7.2.3 (figures: assumption)"),
    "OpenADR": Protocol(2.0, 1500, 5.0, _FIXED_EUR_PER_MB, "OpenADR 2.0b: XML over HTTPS (figures: assumption)"),
    "UFTP": Protocol(5.0, 2500, 5.0, _FIXED_EUR_PER_MB, "Shapeshifter: signed XML over HTTPS (figures: assumption)"),
    "market API": Protocol(5.0, 1000, 4.0, _FIXED_EUR_PER_MB, "assumption"),
    "IEC 60870": Protocol(1.0, 50, 1.0, _FIXED_EUR_PER_MB, "IEC 60870-5-104; TenneT aFRR set-point every 4 s"),
    "OEM telematics": Protocol(30.0, 500, 2.0, _MOBILE_EUR_PER_MB, "assumption: cars report every minute"),
    "OEM API": Protocol(60.0, 800, 4.0, _FIXED_EUR_PER_MB, "assumption: polled every two minutes"),
    "API": Protocol(2.0, 800, 4.0, _FIXED_EUR_PER_MB, "assumption"),
    "app": Protocol(3.0, 800, 4.0, _MOBILE_EUR_PER_MB, "assumption"),
    "station": Protocol(0.5, 0, 1.0, 0.0, "display and buttons of the station"),
    "dashboard": Protocol(0.1, 0, 1.0, 0.0, "screen of the car"),
    "local": Protocol(0.2, 40, 1.0, 0.0, "smart meter P1 or Modbus in the house (figures: assumption)"),
    "local API": Protocol(1.0, 400, 4.0, _FIXED_EUR_PER_MB, "assumption"),
}
"""Protocols by name, as messages name them."""


def protocol_of(name: str) -> Protocol:
    """The declared protocol of a message."""
    return PROTOCOLS[name]
