"""OCPP 2.0.1 and 2.1 in neutral words; 2.1 adds discharging."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from agents.hardware.clock import iso, seconds
from agents.hardware.dialect import BACKDATE_S, Profile, Purpose, Sink, Wire, boot_answer, known, text, whole
from agents.hardware.link import Refused, Reply
from agents.hardware.meter import samples

_STATE = {
    "Available": "free", "Occupied": "occupied", "Reserved": "free", "Unavailable": "unavailable",
    "Faulted": "faulted",
}  # fmt: skip
_CHARGING = {"Charging": "charging", "SuspendedEV": "charging", "SuspendedEVSE": "charging", "EVConnected": "occupied"}
_PURPOSE = {"station_max": "ChargingStationMaxProfile", "default": "TxDefaultProfile", "session": "TxProfile"}
_PLAIN: dict[str, dict[str, Any]] = {
    "ClearedChargingLimit": {},
    "FirmwareStatusNotification": {},
    "LogStatusNotification": {},
    "NotifyChargingLimit": {},
    "NotifyCustomerInformation": {},
    "NotifyDERAlarm": {},
    "NotifyDERStartStop": {},
    "NotifyDisplayMessages": {},
    "NotifyEVChargingNeeds": {"status": "Accepted"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "NotifyEvent": {},
    "NotifyMonitoringReport": {},
    "NotifyPeriodicEventStream": {},
    "NotifyPriorityCharging": {},
    "NotifyReport": {},
    "NotifySettlement": {},
    "PublishFirmwareStatusNotification": {},
    "ReportChargingProfiles": {},
    "ReportDERControl": {},
    "ReservationStatusUpdate": {},
    "SecurityEventNotification": {},
    "DataTransfer": {"status": "UnknownVendorId"},
    "SignCertificate": {"status": "Rejected"},
}
_WISHED = "Energy.Active.Import.Register,Power.Active.Import,SoC"
_PROBED = (
    ("SmartChargingCtrlr", "RateUnit"),
    ("SmartChargingCtrlr", "ProfileStackLevel"),
    ("SmartChargingCtrlr", "Enabled"),
    ("SmartChargingCtrlr", "Phases3to1"),
)


class Dialect2:
    """The words of OCPP 2.0.1 and 2.1."""

    stops_at_once = False

    def __init__(self, version: str = "2.0.1") -> None:
        self.version = version

    def answer(self, sink: Sink, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Tell the sink and give the answer's payload."""
        handler = getattr(self, f"_on_{action}", None)
        if handler is not None:
            return dict(handler(sink, payload))
        if action in _PLAIN:
            sink.note(action, text(payload, "status") or text(payload, "type"))
            return dict(_PLAIN[action])
        raise Refused("NotSupported", "")

    def _on_BootNotification(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        station = ("chargingStation",)
        standing = sink.booted(
            text(payload, *station, "vendorName"),
            text(payload, *station, "model"),
            text(payload, *station, "firmwareVersion"),
            text(payload, *station, "serialNumber"),
        )
        return boot_answer(standing, sink.now_s())

    def _on_Heartbeat(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"currentTime": iso(sink.now_s())}

    def _on_StatusNotification(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        state = known(text(payload, "connectorStatus"), _STATE, "unavailable")
        sink.status(
            whole(payload, "evseId"), state, seconds(payload.get("timestamp")), plug=whole(payload, "connectorId")
        )
        return {}

    def _on_Authorize(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"idTokenInfo": self._token_info(sink, payload)}

    def _on_MeterValues(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        sink.metered(whole(payload, "evseId"), None, samples(payload.get("meterValue")))
        return {}

    def _on_TransactionEvent(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        transaction = text(payload, "transactionInfo", "transactionId")
        evse = payload.get("evse")
        connector = whole(evse, "id") if isinstance(evse, dict) else 0
        stamp = seconds(payload.get("timestamp"))
        values = list(samples(payload.get("meterValue")))
        kind = text(payload, "eventType").capitalize()
        if kind == "Ended":
            sink.stopped(transaction, stamp, values, text(payload, "transactionInfo", "stoppedReason") or "Local")
        elif kind == "Started":
            sink.started(transaction, connector, stamp, values)
        else:
            sink.metered(connector or None, transaction, values)
        state = known(text(payload, "transactionInfo", "chargingState"), _CHARGING)
        if state and kind != "Ended":
            plug = whole(evse, "connectorId", 1) if isinstance(evse, dict) else 1
            sink.status(connector, state, stamp, plug=plug)
        return {"idTokenInfo": self._token_info(sink, payload, connector)} if payload.get("idToken") else {}

    def _on_NotifyEVChargingNeeds(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        needs = payload.get("chargingNeeds")
        v2x = needs.get("v2xChargingParameters") if isinstance(needs, dict) else None
        if isinstance(v2x, dict):
            sink.note("v2x_needs", f"max discharge {v2x.get('maxDischargePower', 0)} W")
        return {"status": "Accepted"}

    def _on_GetCertificateStatus(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Failed"}

    def _on_Get15118EVCertificate(self, sink: Sink, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Failed", "exiResponse": ""}

    def _token_info(self, sink: Sink, payload: dict[str, Any], connector: int = 0) -> dict[str, str]:
        return {"status": "Accepted" if sink.authorises(text(payload, "idToken", "idToken"), connector) else "Invalid"}

    def probe(self) -> Wire:
        """Ask what the station can do."""
        wanted = [{"component": {"name": c}, "variable": {"name": v}} for c, v in _PROBED]
        return "GetVariables", {"getVariableData": wanted}

    def probed(self, reply: Reply) -> dict[str, str]:
        """What it said, by variable."""
        entries = reply.get("getVariableResult")
        if not isinstance(entries, list):
            return {}
        known = [e for e in entries if isinstance(e, dict) and e.get("attributeStatus") == "Accepted"]
        return {text(e, "variable", "name"): text(e, "attributeValue") for e in known}

    def configure(self, meter_interval_s: float) -> Sequence[Wire]:
        """Ask for the meter samples we need."""
        wishes = {
            ("SampledDataCtrlr", "TxUpdatedInterval"): str(math.ceil(meter_interval_s)),
            ("SampledDataCtrlr", "TxUpdatedMeasurands"): _WISHED,
            ("SampledDataCtrlr", "TxStartedMeasurands"): "Energy.Active.Import.Register",
            ("SampledDataCtrlr", "TxEndedMeasurands"): "Energy.Active.Import.Register",
        }
        data = [
            {"attributeValue": value, "component": {"name": c}, "variable": {"name": v}}
            for (c, v), value in wishes.items()
        ]
        return [("SetVariables", {"setVariableData": data})]

    def set_profile(self, profile: Profile) -> Wire:
        """Set a charging profile."""
        schedule: dict[str, Any] = {
            "id": 1,
            "chargingRateUnit": profile.unit,
            "chargingSchedulePeriod": [self._schedule_period(profile)],
        }
        body: dict[str, Any] = {
            "id": profile.profile_id,
            "stackLevel": profile.stack,
            "chargingProfilePurpose": _PURPOSE[profile.purpose],
            "chargingProfileKind": "Relative" if profile.start_utc_s is None else "Absolute",
            "chargingSchedule": [schedule],
        }
        if profile.start_utc_s is not None:
            schedule["startSchedule"] = iso(profile.start_utc_s - BACKDATE_S)
        if profile.purpose == "station_max":
            body["chargingProfileKind"] = "Absolute"
            schedule.setdefault("startSchedule", "2020-01-01T00:00:00.000Z")
        if profile.duration_s is not None:
            schedule["duration"] = math.ceil(profile.duration_s + BACKDATE_S)
            if self.version == "2.1" and profile.purpose == "session":
                body |= {"maxOfflineDuration": schedule["duration"], "invalidAfterOfflineDuration": True}
        if profile.transaction is not None:
            body["transactionId"] = profile.transaction
        return "SetChargingProfile", {"evseId": profile.connector, "chargingProfile": body}

    def _schedule_period(self, profile: Profile) -> dict[str, Any]:
        """One period; from 2.1 a negative limit is a set-point of the central system, before that it is a pause."""
        if self.version == "2.1" and profile.discharges and profile.purpose == "session":
            return {
                "startPeriod": 0,
                "operationMode": "CentralSetpoint",
                "setpoint": profile.limit,
                "limit": max(profile.limit, 0.0),
                "dischargeLimit": min(profile.limit, 0.0),
            }
        return {"startPeriod": 0, "limit": max(profile.limit, 0.0)}

    def clear(self, purpose: Purpose | None, profile_id: int | None = None) -> Wire:
        """Clear profiles."""
        payload: dict[str, Any] = {"chargingProfileId": profile_id} if profile_id is not None else {}
        if purpose is not None:
            payload["chargingProfileCriteria"] = {"chargingProfilePurpose": _PURPOSE[purpose]}
        return "ClearChargingProfile", payload

    def composite(self, connector: int, duration_s: int, unit: str) -> Wire:
        """Ask what the profiles amount to."""
        return "GetCompositeSchedule", {"evseId": connector, "duration": duration_s, "chargingRateUnit": unit}

    def start(self, connector: int, tag: str, number: int) -> Wire:
        """Start a session."""
        return "RequestStartTransaction", {
            "evseId": connector,
            "remoteStartId": number,
            "idToken": {"idToken": tag, "type": "Central"},
        }

    def stop(self, transaction: str) -> Wire:
        """Stop a session."""
        return "RequestStopTransaction", {"transactionId": transaction}

    def available(self, connector: int, *, is_available: bool) -> Wire:
        """Take out of or into service."""
        payload: dict[str, Any] = {"operationalStatus": "Operative" if is_available else "Inoperative"}
        if connector:
            payload["evse"] = {"id": connector}
        return "ChangeAvailability", payload

    def reset(self, *, hard: bool) -> Wire:
        """Restart the station."""
        return "Reset", {"type": "Immediate" if hard else "OnIdle"}

    def unlock(self, connector: int) -> Wire:
        """Unlock the plug."""
        return "UnlockConnector", {"evseId": max(connector, 1), "connectorId": 1}

    def trigger(self, what: Literal["status", "meter", "boot"], connector: int | None, attempt: int = 0) -> Wire:
        """Ask for a message; a second attempt at the meter asks for plain meter values."""
        message = {"status": "StatusNotification", "meter": "TransactionEvent", "boot": "BootNotification"}[what]
        if what == "meter" and attempt % 2:
            message = "MeterValues"
        payload: dict[str, Any] = {"requestedMessage": message}
        if connector and what != "boot":
            payload["evse"] = {"id": connector} | ({"connectorId": 1} if what == "status" else {})
        return "TriggerMessage", payload
