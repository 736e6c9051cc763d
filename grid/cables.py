"""Standard cables and transformers of Dutch grids by name, each with its source.

A branch of the graph that names a ``cable`` and a ``length_m`` (or a ``transformer_type``) gets its parameters from
here; parameters written on the branch itself win.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GAIA = "Phase to Phase Gaia example grid in power-grid-model tests/data/power_flow/gaia-example"
SYNTHETIC = "power-grid-model tests/benchmark_cpp/fictional_grid_generator.hpp"
HEUCK = "pandapower standard types, after Heuck, Elektrische Energieversorgung (2013), p. 742-744"
IEC = "resistance IEC 60228 class 2 Al; current DIN VDE 0276-603; zero sequence 4.0 R1, 4.9 X1 (assumption)"


@dataclass(frozen=True)
class CableType:
    """A cable or overhead line per kilometre.

    Zero-sequence values are for a solidly grounded neutral with return through neutral and sheath.
    """

    name: str
    r1_ohm_per_km: float
    x1_ohm_per_km: float
    c1_f_per_km: float
    r0_ohm_per_km: float
    x0_ohm_per_km: float
    c0_f_per_km: float
    i_n_a: float
    source: str
    tan1: float = 0.0

    def parameters(self, length_m: float) -> dict[str, float]:
        """Return the branch attributes (power-grid-model names, SI) of a piece of ``length_m`` metres."""
        km = length_m / 1000.0
        per_km = {
            "r1": self.r1_ohm_per_km,
            "x1": self.x1_ohm_per_km,
            "c1": self.c1_f_per_km,
            "r0": self.r0_ohm_per_km,
            "x0": self.x0_ohm_per_km,
            "c0": self.c0_f_per_km,
        }
        return {name: value * km for name, value in per_km.items()} | {"tan1": self.tan1, "i_n": self.i_n_a}


@dataclass(frozen=True)
class TransformerType:
    """A two-winding transformer; ``tap_pos`` is where it is usually set."""

    name: str
    u1_v: float
    u2_v: float
    sn_va: float
    uk_pu: float
    pk_w: float
    i0_pu: float
    p0_w: float
    winding_from: str
    winding_to: str
    clock: int
    tap_min: int
    tap_max: int
    tap_pos: int
    tap_size_v: float
    source: str

    def parameters(self) -> dict[str, Any]:
        """Return the branch attributes (power-grid-model names, SI)."""
        numbers = {"u1": self.u1_v, "u2": self.u2_v, "sn": self.sn_va, "uk": self.uk_pu, "pk": self.pk_w}
        core = {"i0": self.i0_pu, "p0": self.p0_w, "clock": self.clock}
        windings = {"winding_from": self.winding_from, "winding_to": self.winding_to, "tap_side": "from"}
        tap = {"tap_pos": self.tap_pos, "tap_min": self.tap_min, "tap_max": self.tap_max, "tap_nom": 0}
        return numbers | core | windings | tap | {"tap_size": self.tap_size_v}


def _line(name: str, positive: tuple, zero: tuple, i_n: float, source: str, tan1: float = 0.0) -> CableType:
    """Build a cable type from (r ohm/km, x ohm/km, c µF/km) in both sequences."""
    (r1, x1, c1), (r0, x0, c0) = positive, zero
    return CableType(name, r1, x1, c1 * 1e-6, r0, x0, c0 * 1e-6, i_n, source, tan1)


def _assumed_zero(positive: tuple) -> tuple:
    """Zero-sequence values after the ratios of the 4x150 Al cable."""
    r1, x1, c1 = positive
    return 4.0 * r1, 4.9 * x1, 0.6 * c1


_AL95 = (0.320, 0.082, 0.50)
_AL50 = (0.642, 0.083, 0.21)
_MV240 = (0.122, 0.105, 0.456)
_MV150 = (0.206, 0.110, 0.360)
_MV95 = (0.313, 0.123, 0.315)
_HV300 = (0.060, 0.144, 0.144)

CABLES: dict[str, CableType] = {
    cable.name: cable
    for cable in (
        _line("4x150 Al", (0.206, 0.079, 0.72), (0.827, 0.386, 0.43), 275.0, f"{GAIA}; 275 A of four values used"),
        _line("4x95 Al", _AL95, _assumed_zero(_AL95), 215.0, IEC),
        _line("4x50 Al", _AL50, _assumed_zero(_AL50), 142.0, f"{HEUCK}: NAYY 4x50 SE; zero sequence assumed"),
        _line("4x16 Cu", (1.15, 0.096, 0.43), (4.6, 0.408, 0.258), 80.0, f"{SYNTHETIC}; capacitance assumed"),
        _line("NAYY 4x150", (0.208, 0.080, 0.261), _assumed_zero((0.208, 0.080, 0.261)), 270.0, HEUCK),
        _line("3x95 Al XLPE 10 kV", _MV95, _assumed_zero(_MV95), 249.0, f"{HEUCK}: NA2XS2Y 1x95 6/10 kV"),
        _line("3x150 Al XLPE 10 kV", _MV150, _assumed_zero(_MV150), 315.0, f"{HEUCK}: NA2XS2Y 1x150 6/10 kV"),
        _line("3x240 Al XLPE 10 kV", _MV240, _assumed_zero(_MV240), 416.0, f"{HEUCK}: NA2XS2Y 1x240 6/10 kV"),
        _line("3x630 Al XLPE 10 kV", (0.063, 0.103, 0.4), (0.275, 0.101, 0.66), 575.0, f"{SYNTHETIC}; current of one "
              "trefoil circuit in ground after DIN VDE 0276-620 (assumption)", 0.0004),
        _line("3x300 Cu XLPE 150 kV", _HV300, _assumed_zero(_HV300), 588.0, f"{HEUCK}: N2XS(FL)2Y 1x300 64/110 kV"),
    )
}  # fmt: skip

_STATION = "no-load and copper loss: EU 548/2014 tier 1 (Ck, A0) as commonly listed; taps: 10.5/0.42 kV Dutch practice"
_DYN5 = ("delta", "wye_n", 5, -2, 2, 1, 250.0, _STATION)


def _station(kva: int, pk_w: float, p0_w: float, uk_pu: float = 0.04) -> TransformerType:
    """A 10.5/0.42 kV station transformer, set one step down so that the no-load voltage is 1.025 of 400 V."""
    return TransformerType(f"{kva} kVA 10/0.4 kV", 10_500.0, 420.0, kva * 1e3, uk_pu, pk_w, 0.003, p0_w, *_DYN5)


TRANSFORMERS: dict[str, TransformerType] = {
    kind.name: kind
    for kind in (
        _station(100, 1_750.0, 145.0),
        _station(160, 2_350.0, 210.0),
        _station(250, 3_250.0, 300.0),
        _station(400, 4_600.0, 430.0),
        _station(630, 6_500.0, 600.0),
        _station(1000, 10_500.0, 770.0, 0.06),
        TransformerType("400 kVA 10/0.4 kV (pandapower)", 10_500.0, 400.0, 400e3, 0.04, 5_300.0, 0.002375, 950.0,
                        "delta", "wye_n", 5, -2, 2, 0, 262.5, "pandapower standard type 0.4 MVA 10/0.4 kV"),
        TransformerType("40 MVA 150/10 kV", 150e3, 10.5e3, 40e6, 0.16, 160e3, 0.002, 25e3,
                        "wye_n", "delta", 5, -10, 10, 0, 2.5e3, f"scaled from the 60 MVA unit of {SYNTHETIC}"),
        TransformerType("60 MVA 150/10 kV", 150e3, 10.5e3, 60e6, 0.203, 200e3, 0.01, 40e3,
                        "wye_n", "delta", 5, -10, 10, 0, 2.5e3, SYNTHETIC),
        TransformerType("500 MVA 380/150 kV", 380e3, 150e3, 500e6, 0.14, 900e3, 0.0005, 150e3,
                        "wye_n", "wye_n", 0, -8, 8, 0, 4e3, "typical coupling transformer (assumption)"),
    )
}  # fmt: skip
"""By name. The Dutch market has no single published table of station transformers; see each ``source``."""


def station_type(kva_needed: float, sizes_kva: tuple[int, ...]) -> str:
    """Return the name of the smallest station transformer of ``sizes_kva`` that carries ``kva_needed``.

    The largest one is returned when none is large enough.
    """
    fitting = [size for size in sorted(sizes_kva) if size >= kva_needed]
    return f"{fitting[0] if fitting else max(sizes_kva)} kVA 10/0.4 kV"
