"""Meter values of OCPP 1.6 and 2.x in every unit, phase and sampling form, as one plain sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from agents.hardware.clock import seconds

VOLT = 230.0
REGISTER = "Energy.Active.Import.Register"
EXPORT = "Energy.Active.Export.Register"

_FACTOR = {
    "Wh": 1.0, "kWh": 1e3, "W": 1.0, "kW": 1e3, "VA": 1.0, "kVA": 1e3, "A": 1.0, "V": 1.0, "Percent": 0.01,
    "varh": 1.0, "kvarh": 1e3, "var": 1.0, "kvar": 1e3,
}  # fmt: skip
_MEASURANDS = (
    REGISTER, EXPORT, "Power.Active.Import", "Power.Active.Export", "Current.Import", "Current.Export", "Voltage",
    "SoC",
)  # fmt: skip
_LINE_TO_LINE = ("L1-L2", "L2-L3", "L3-L1")
_PLACES = (None, "Outlet", "Cable", "EV", "Body", "Inlet")
"""Where a value was measured, the best first: the outlet is what the car gets; the inlet includes the station."""


@dataclass(frozen=True)
class Sample:
    """What a station said at one moment; NaN where it said nothing.

    Attributes
    ----------
    station_utc_s : float
        The station's time stamp.
    power_w : float
        Net active power, W, positive when charging.
    import_wh, export_wh : float
        Registers, Wh.
    quantum_wh : float
        Least step of the import register as it was written, Wh.
    soc_share : float
        State of charge.
    is_end : bool
        The last sample of a transaction.
    faults : int
        Values that could not be read.
    """

    station_utc_s: float
    power_w: float = math.nan
    import_wh: float = math.nan
    export_wh: float = math.nan
    quantum_wh: float = 1.0
    soc_share: float = math.nan
    is_end: bool = False
    faults: int = 0

    @property
    def net_wh(self) -> float:
        """Import minus export register; a missing export register counts as zero."""
        return self.import_wh - (0.0 if math.isnan(self.export_wh) else self.export_wh)


@dataclass(frozen=True)
class _Value:
    measurand: str
    phase: str | None
    place: str | None
    number: float
    quantum: float


def samples(meter_values: Any) -> Iterator[Sample]:
    """Samples of a ``meterValue`` (1.6 and 2.x) list, in the order given."""
    for entry in meter_values if isinstance(meter_values, list) else []:
        if isinstance(entry, Mapping):
            yield _sample(entry)


def register_sample(meter_wh: object, stamp: object, *, is_end: bool = False) -> Sample:
    """Sample of ``meterStart`` or ``meterStop`` of 1.6, which are whole Wh."""
    number = float(meter_wh) if isinstance(meter_wh, int | float) and not isinstance(meter_wh, bool) else math.nan
    return Sample(seconds(stamp), import_wh=number, is_end=is_end)


def _sample(entry: Mapping[str, Any]) -> Sample:
    sampled = entry.get("sampledValue")
    raw = [v for v in sampled if isinstance(v, Mapping)] if isinstance(sampled, list) else []
    read = [_value(v) for v in raw]
    values = [v for v in read if v is not None]
    imported = _total(values, REGISTER)
    return Sample(
        seconds(entry.get("timestamp")),
        power_w=_power_w(values),
        import_wh=imported,
        export_wh=_total(values, EXPORT),
        quantum_wh=max((v.quantum for v in values if v.measurand == REGISTER), default=1.0),
        soc_share=_first(values, "SoC"),
        is_end=any(v.get("context") == "Transaction.End" for v in raw),
        faults=sum(v is None for v in read),
    )


def _value(raw: Mapping[str, Any]) -> _Value | None:
    """One sampled value in base units; None where it is signed data, no number, or in an unknown unit."""
    measurand = _spelled(str(raw.get("measurand") or REGISTER), _MEASURANDS)
    if str(raw.get("format", "Raw")).casefold() != "raw":
        return None
    try:
        number = Decimal(str(raw.get("value")).strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > Decimal(10) ** 12:
        return None
    factor = _factor(raw, measurand)
    if factor is None:
        return None
    exponent = number.as_tuple().exponent
    quantum = factor * 10.0 ** (exponent if isinstance(exponent, int) else 0)
    phase = str(raw["phase"]).upper().removesuffix("-N") if raw.get("phase") else None
    place = _spelled(str(raw["location"]), _PLACES) if raw.get("location") else None
    return _Value(measurand, phase, place, float(number) * factor, quantum)


def _spelled(word: str, known: Iterable[str | None]) -> str:
    """A word as the standard spells it, however its letters are cased."""
    return next((name for name in known if name and name.casefold() == word.casefold()), word)


def _factor(raw: Mapping[str, Any], measurand: str) -> float | None:
    """Factor to Wh, W, A, V or a share; 2.x brings a power of ten besides."""
    unit_of_measure = raw.get("unitOfMeasure")
    unit, multiplier = raw.get("unit"), 0
    if isinstance(unit_of_measure, Mapping):
        unit, multiplier = unit_of_measure.get("unit"), unit_of_measure.get("multiplier", 0)
    if unit is None:
        unit = "Percent" if measurand == "SoC" else "Wh" if measurand.startswith("Energy") else "W"
        if measurand.startswith(("Current", "Voltage")):
            unit = "A"
    factor = _FACTOR.get(_spelled(str(unit), _FACTOR))
    if factor is None or not isinstance(multiplier, int) or abs(multiplier) > 9:
        return None
    return factor * 10.0**multiplier


def _place(values: Iterable[_Value], measurand: str) -> list[_Value]:
    """Values of a measurand at the best place where it was measured."""
    wanted = [v for v in values if v.measurand == measurand]
    for place in _PLACES:
        here = [v for v in wanted if v.place == place]
        if here:
            return here
    return wanted


def _total(values: Iterable[_Value], measurand: str) -> float:
    """Total over the phases: the value without phase where there is one, else the sum of L1 to L3."""
    here = _place(values, measurand)
    whole = [v.number for v in here if v.phase is None]
    if whole:
        return whole[-1]
    by_phase = {v.phase: v.number for v in here if v.phase in ("L1", "L2", "L3")}
    return sum(by_phase.values()) if by_phase else math.nan


def _power_w(values: list[_Value]) -> float:
    """Net active power, from power where it is measured, else from currents and voltages."""
    drawn, fed = _total(values, "Power.Active.Import"), _total(values, "Power.Active.Export")
    if not (math.isnan(drawn) and math.isnan(fed)):
        return (0.0 if math.isnan(drawn) else drawn) - (0.0 if math.isnan(fed) else fed)
    drawn, fed = _from_current_w(values, "Current.Import"), _from_current_w(values, "Current.Export")
    if math.isnan(drawn) and math.isnan(fed):
        return math.nan
    return (0.0 if math.isnan(drawn) else drawn) - (0.0 if math.isnan(fed) else fed)


def _from_current_w(values: list[_Value], measurand: str) -> float:
    here = _place(values, measurand)
    phases = {v.phase: v.number for v in here if v.phase in ("L1", "L2", "L3")}
    if phases:
        return sum(amperes * _volt(values, str(phase)) for phase, amperes in phases.items())
    whole = [v.number for v in here if v.phase is None]
    return whole[-1] * _volt(values, None) if whole else math.nan


def _volt(values: list[_Value], phase: str | None) -> float:
    """Voltage between phase and neutral; of line voltages the part by the root of three."""
    volts = {v.phase: v.number for v in _place(values, "Voltage")}
    if phase in volts:
        return volts[phase]
    lines = [volts[name] for name in _LINE_TO_LINE if name in volts]
    if lines:
        return sum(lines) / len(lines) / math.sqrt(3.0)
    return volts.get(None, VOLT)


def _first(values: list[_Value], measurand: str) -> float:
    return next((v.number for v in values if v.measurand == measurand), math.nan)
