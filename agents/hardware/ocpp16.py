"""OCPP 1.6-J in neutral words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from agents.hardware.clock import iso, seconds
from agents.hardware.dialect import BACKDATE_S, Profile, Purpose, Sink, Wire, boot_answer, known, text, whole
from agents.hardware.link import Refused, Reply
from agents.hardware.meter import register_sample, samples

_STATE = {
    "Available": "free", "Preparing": "occupied", "Charging": "charging", "SuspendedEV": "charging",
    "SuspendedEVSE": "charging", "Finishing": "occupied", "Reserved": "free", "Unavailable": "unavailable",
    "Faulted": "faulted",
}  # fmt: skip
_PURPOSE = {"station_max": "ChargePointMaxProfile", "default": "TxDefaultProfile", "session": "TxProfile"}
_WISHED = "Energy.Active.Import.Register,Power.Active.Import,SoC"
_PLAIN = frozenset(
    {
        "DiagnosticsStatusNotification", "FirmwareStatusNotification", "LogStatusNotification",
        "SecurityEventNotification", "SignedFirmwareStatusNotification",
    }
)  # fmt: skip


class Dialect16:
    """The words of OCPP 1.6."""

    version = "1.6"
    stops_at_once = False

    def answer(self, sink: Sink, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Tell the sink and give the answer's payload."""
        handler = getattr(self, f"_on_{action}", None)
        if handler is not None:
            return dict(handler(sink, payload))
        if action in _PLAIN:
            sink.note(action, text(payload, "status") or text(payload, "type"))
            return {}
        raise Refused("NotSupported", "")

    def _on_BootNotification(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        standing = sink.booted(
            text(payload, "chargePointVendor"),
            text(payload, "chargePointModel"),
            text(payload, "firmwareVersion"),
            text(payload, "chargePointSerialNumber"),
        )
        return boot_answer(standing, sink.now_s())

    def _on_Heartbeat(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"currentTime": iso(sink.now_s())}

    def _on_StatusNotification(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        state = known(text(payload, "status"), _STATE, "unavailable")
        sink.status(whole(payload, "connectorId"), state, seconds(payload.get("timestamp")))
        error = text(payload, "errorCode")
        if error.casefold() not in ("", "noerror"):
            sink.note("station_error", error)
        return {}

    def _on_Authorize(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"idTagInfo": self._tag_info(sink, payload)}

    def _on_StartTransaction(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        stamp = seconds(payload.get("timestamp"))
        connector = whole(payload, "connectorId", 1)
        info = self._tag_info(sink, payload, connector)
        key = f"{connector}/{payload.get('timestamp')}/{payload.get('meterStart')}"
        begin = [register_sample(payload.get("meterStart"), payload.get("timestamp"))]
        if info["status"] != "Accepted":
            return {"transactionId": 0, "idTagInfo": info}
        transaction = sink.started(key, connector, stamp, begin)
        return {"transactionId": int(transaction), "idTagInfo": info}

    def _on_StopTransaction(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        last = [
            *samples(payload.get("transactionData")),
            register_sample(payload.get("meterStop"), payload.get("timestamp"), is_end=True),
        ]
        stamp = seconds(payload.get("timestamp"))
        sink.stopped(str(whole(payload, "transactionId")), stamp, last, text(payload, "reason") or "Local")
        return {"idTagInfo": self._tag_info(sink, payload)} if payload.get("idTag") else {}

    def _on_MeterValues(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        transaction = whole(payload, "transactionId")
        sink.metered(
            whole(payload, "connectorId"), str(transaction) if transaction else None, samples(payload.get("meterValue"))
        )
        return {}

    def _on_DataTransfer(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "UnknownVendorId"}

    def _on_SignCertificate(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Rejected"}

    def _tag_info(self, sink: Sink, payload: dict[str, Any], connector: int = 0) -> dict[str, str]:
        return {"status": "Accepted" if sink.authorises(text(payload, "idTag"), connector) else "Invalid"}

    def probe(self) -> Wire:
        """Ask what the station can do."""
        return "GetConfiguration", {}

    def probed(self, reply: Reply) -> dict[str, str]:
        """What it said, by setting; secrets are left out."""
        entries = reply.get("configurationKey")
        if not isinstance(entries, list):
            return {}
        return {
            text(e, "key"): text(e, "value")
            for e in entries
            if isinstance(e, dict) and not any(w in text(e, "key").lower() for w in ("key", "password", "secret"))
        }

    def configure(self, meter_interval_s: float) -> Sequence[Wire]:
        """Ask for the meter samples we need."""
        wishes = {
            "MeterValueSampleInterval": str(math.ceil(meter_interval_s)),
            "MeterValuesSampledData": _WISHED,
            "StopTransactionOnInvalidId": "false",
        }
        return [("ChangeConfiguration", {"key": k, "value": v}) for k, v in wishes.items()]

    def set_profile(self, profile: Profile) -> Wire:
        """Set a charging profile."""
        schedule: dict[str, Any] = {
            "chargingRateUnit": profile.unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": max(profile.limit, 0.0)}],
        }
        body: dict[str, Any] = {
            "chargingProfileId": profile.profile_id,
            "stackLevel": profile.stack,
            "chargingProfilePurpose": _PURPOSE[profile.purpose],
            "chargingProfileKind": "Relative" if profile.start_utc_s is None else "Absolute",
            "chargingSchedule": schedule,
        }
        if profile.start_utc_s is not None:
            schedule["startSchedule"] = iso(profile.start_utc_s - BACKDATE_S)
        if profile.purpose == "station_max":
            body["chargingProfileKind"] = "Absolute"
            schedule.setdefault("startSchedule", "2020-01-01T00:00:00.000Z")
        if profile.duration_s is not None:
            schedule["duration"] = math.ceil(profile.duration_s + BACKDATE_S)
        if profile.transaction is not None:
            body["transactionId"] = int(profile.transaction)
        return "SetChargingProfile", {"connectorId": profile.connector, "csChargingProfiles": body}

    def clear(self, purpose: Purpose | None, profile_id: int | None = None) -> Wire:
        """Clear profiles."""
        payload: dict[str, Any] = {"id": profile_id} if profile_id is not None else {}
        if purpose is not None:
            payload["chargingProfilePurpose"] = _PURPOSE[purpose]
        return "ClearChargingProfile", payload

    def composite(self, connector: int, duration_s: int, unit: str) -> Wire:
        """Ask what the profiles amount to."""
        return "GetCompositeSchedule", {"connectorId": connector, "duration": duration_s, "chargingRateUnit": unit}

    def start(self, connector: int, tag: str, number: int) -> Wire:
        """Start a session."""
        return "RemoteStartTransaction", {"connectorId": connector, "idTag": tag}

    def stop(self, transaction: str) -> Wire:
        """Stop a session."""
        return "RemoteStopTransaction", {"transactionId": int(transaction)}

    def available(self, connector: int, *, is_available: bool) -> Wire:
        """Take out of or into service."""
        return "ChangeAvailability", {
            "connectorId": connector,
            "type": "Operative" if is_available else "Inoperative",
        }

    def reset(self, *, hard: bool) -> Wire:
        """Restart the station."""
        return "Reset", {"type": "Hard" if hard else "Soft"}

    def unlock(self, connector: int) -> Wire:
        """Unlock the plug."""
        return "UnlockConnector", {"connectorId": max(connector, 1)}

    def trigger(self, what: Literal["status", "meter", "boot"], connector: int | None, attempt: int = 0) -> Wire:
        """Ask for a message; a second attempt leaves the connector out."""
        message = {"status": "StatusNotification", "meter": "MeterValues", "boot": "BootNotification"}[what]
        payload: dict[str, Any] = {"requestedMessage": message}
        if connector and what != "boot" and attempt % 2 == 0:
            payload["connectorId"] = connector
        return "TriggerMessage", payload
