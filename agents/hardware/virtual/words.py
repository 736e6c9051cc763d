"""What a virtual station says in OCPP 1.6 and 2.x."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Protocol

from agents.hardware.clock import iso
from agents.hardware.virtual.car import Car, Meter

VOLT = 230.0
Wire = tuple[str, dict[str, Any]]


class Speaker(Protocol):
    """The part of a station that its words need."""

    car: Car
    meter: Meter
    transaction: str | None
    power_w: float
    options: Any

    def stamp_s(self) -> float:
        """Time as the station believes it is."""
        ...

    def next_seq(self) -> int:
        """Sequence number of a transaction event."""
        ...


class Words(Protocol):
    """Words of one version."""

    def boot(self) -> Wire:
        """It started."""
        ...

    def status(self, status: str, stamp_s: float) -> Wire:
        """State of the socket."""
        ...

    def new_transaction(self, station_id: str, now_s: float) -> str:
        """Id of a new session."""
        ...

    def start(self, station: Speaker, tag: str, remote_id: int | None) -> Wire:
        """A session starts."""
        ...

    def sample(self, station: Speaker) -> Wire:
        """A meter sample."""
        ...

    def stop(self, station: Speaker, reason: str) -> Wire:
        """A session ends."""
        ...

    def composite(self, payload: dict[str, Any], limit_w: float, phases: int, now_s: float) -> dict[str, Any]:
        """What the profiles amount to."""
        ...


class Words16:
    """Words of OCPP 1.6."""

    _STATUS: ClassVar = {
        "free": "Available",
        "occupied": "Preparing",
        "charging": "Charging",
        "unavailable": "Unavailable",
    }

    def __init__(self, version: str) -> None:
        self.version = version

    def boot(self) -> Wire:
        """It started."""
        return "BootNotification", {
            "chargePointVendor": "Flexpolder",
            "chargePointModel": "Virtual",
            "firmwareVersion": "1",
        }

    def status(self, status: str, stamp_s: float) -> Wire:
        """State of the socket."""
        return "StatusNotification", {
            "connectorId": 1,
            "errorCode": "NoError",
            "status": self._STATUS[status],
            "timestamp": iso(stamp_s),
        }

    def new_transaction(self, station_id: str, now_s: float) -> str:
        """Unknown until the central system gives one."""
        return "0"

    def start(self, station: Speaker, tag: str, remote_id: int | None) -> Wire:
        """A session starts."""
        return "StartTransaction", {
            "connectorId": 1,
            "idTag": tag[:20],
            "meterStart": int(station.meter.import_wh),
            "timestamp": iso(station.stamp_s()),
        }

    def sample(self, station: Speaker) -> Wire:
        """A meter sample; its register has a tenth of a Wh."""
        unit, number = _register(station)
        values = [
            {"value": number, "measurand": "Energy.Active.Import.Register", "unit": unit, "context": "Sample.Periodic"},
            {"value": f"{_said_w(station):.1f}", "measurand": "Power.Active.Import", "unit": "W"},
            {"value": f"{100.0 * station.car.soc_share:.1f}", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        ]
        payload: dict[str, Any] = {
            "connectorId": 1,
            "transactionId": int(station.transaction or 0),
            "meterValue": [{"timestamp": iso(station.stamp_s()), "sampledValue": values}],
        }
        return "MeterValues", payload

    def stop(self, station: Speaker, reason: str) -> Wire:
        """A session ends."""
        return "StopTransaction", {
            "transactionId": int(station.transaction or 0),
            "meterStop": round(station.meter.import_wh),
            "timestamp": iso(station.stamp_s()),
            "reason": reason,
        }

    def composite(self, payload: dict[str, Any], limit_w: float, phases: int, now_s: float) -> dict[str, Any]:
        """What the profiles amount to."""
        unit = payload.get("chargingRateUnit", "W")
        return {
            "status": "Accepted",
            "connectorId": payload["connectorId"],
            "scheduleStart": iso(now_s),
            "chargingSchedule": {
                "duration": payload["duration"],
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": _limit(limit_w, unit, phases)}],
            },
        }


class Words2:
    """Words of OCPP 2.0.1 and 2.1."""

    _STATUS: ClassVar = {
        "free": "Available",
        "occupied": "Occupied",
        "charging": "Occupied",
        "unavailable": "Unavailable",
    }

    def __init__(self, version: str) -> None:
        self.version = version

    def boot(self) -> Wire:
        """It started."""
        station = {"vendorName": "Flexpolder", "model": "Virtual", "firmwareVersion": "1"}
        return "BootNotification", {"reason": "PowerUp", "chargingStation": station}

    def status(self, status: str, stamp_s: float) -> Wire:
        """State of the socket."""
        return "StatusNotification", {
            "timestamp": iso(stamp_s),
            "connectorStatus": self._STATUS[status],
            "evseId": 1,
            "connectorId": 1,
        }

    def new_transaction(self, station_id: str, now_s: float) -> str:
        """The station names its sessions itself."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{station_id}/{now_s}"))

    def _event(self, station: Speaker, kind: str, trigger: str, info: dict[str, Any]) -> dict[str, Any]:
        return {
            "eventType": kind,
            "timestamp": iso(station.stamp_s()),
            "triggerReason": trigger,
            "seqNo": station.next_seq(),
            "transactionInfo": {"transactionId": station.transaction, **info},
            "evse": {"id": 1, "connectorId": 1},
        }

    def start(self, station: Speaker, tag: str, remote_id: int | None) -> Wire:
        """A session starts."""
        info: dict[str, Any] = {"chargingState": "Charging"}
        if remote_id is not None:
            info["remoteStartId"] = remote_id
        event = self._event(station, "Started", "RemoteStart" if remote_id is not None else "CablePluggedIn", info)
        return "TransactionEvent", event | {
            "idToken": {"idToken": tag, "type": "Central"},
            "meterValue": [self._values(station, "Transaction.Begin")],
        }

    def sample(self, station: Speaker) -> Wire:
        """A meter sample."""
        event = self._event(station, "Updated", "MeterValuePeriodic", {"chargingState": "Charging"})
        return "TransactionEvent", event | {"meterValue": [self._values(station, "Sample.Periodic")]}

    def stop(self, station: Speaker, reason: str) -> Wire:
        """A session ends."""
        trigger = "RemoteStop" if reason == "Remote" else "EVDeparted"
        event = self._event(station, "Ended", trigger, {"stoppedReason": reason})
        return "TransactionEvent", event | {"meterValue": [self._values(station, "Transaction.End")]}

    def _values(self, station: Speaker, context: str) -> dict[str, Any]:
        unit, number = _register(station)
        drawn_w = _said_w(station)
        power = "Power.Active.Import" if drawn_w >= 0 else "Power.Active.Export"
        values = [
            {
                "value": float(number),
                "measurand": "Energy.Active.Import.Register",
                "context": context,
                "unitOfMeasure": {"unit": unit},
            },
            {"value": round(abs(drawn_w), 1), "measurand": power, "unitOfMeasure": {"unit": "W"}},
            {"value": round(100.0 * station.car.soc_share, 1), "measurand": "SoC", "location": "EV"},
        ]
        if station.meter.export_wh > 0.0:
            values.append({"value": round(station.meter.export_wh, 1), "measurand": "Energy.Active.Export.Register"})
        return {"timestamp": iso(station.stamp_s()), "sampledValue": values}

    def composite(self, payload: dict[str, Any], limit_w: float, phases: int, now_s: float) -> dict[str, Any]:
        """What the profiles amount to."""
        unit = payload.get("chargingRateUnit", "W")
        return {
            "status": "Accepted",
            "schedule": {
                "evseId": payload["evseId"],
                "duration": payload["duration"],
                "scheduleStart": iso(now_s),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": _limit(limit_w, unit, phases)}],
            },
        }


def _register(station: Speaker) -> tuple[str, str]:
    """Unit and number of the import register, with the fault of a wrong unit."""
    return "kWh" if "wh_as_kwh" in station.options.faults else "Wh", f"{station.meter.import_wh:.1f}"


def _said_w(station: Speaker) -> float:
    return 0.0 if "zero_power" in station.options.faults else station.power_w


def _limit(limit_w: float, unit: str, phases: int) -> float:
    return int(10.0 * (limit_w / (VOLT * phases) if unit == "A" else limit_w)) / 10.0


WORDS: dict[str, type[Words16] | type[Words2]] = {"1.6": Words16, "2.0.1": Words2, "2.1": Words2}
"""Words by version."""
