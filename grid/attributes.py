"""What nodes and branches of a grid graph carry: names, units, defaults, one line of meaning.

The names are those of power-grid-model, in SI units. The graph is a ``networkx.MultiGraph``: node keys are the node
ids, edge keys the branch ids. An undirected graph does not keep the orientation of an edge, hence ``a`` (from) and
``b`` (to).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REQUIRED: Any = object()
"""Default of an attribute that must be given."""

LEVELS = ("ehv", "hv", "mv", "lv")
"""Voltage levels of the report (section 3.1.1): 380/220 kV, 150/110 kV, 50–10 kV, 0.4 kV; the fifth level is the
connection, a row of the connection table."""

WINDINGS = ("wye", "wye_n", "delta", "zigzag", "zigzag_n")
SIDES = ("from", "to")


@dataclass(frozen=True)
class Attribute:
    """One attribute of a node or branch."""

    name: str
    unit: str
    default: Any
    meaning: str
    dtype: type = float


NODE = (
    Attribute("u_rated", "V", REQUIRED, "rated voltage between the phases"),
    Attribute("level", "-", "", "voltage level: ehv, hv, mv or lv; derived from u_rated when absent", str),
    Attribute("area", "-", "", "LV area (or substation) the node belongs to", str),
    Attribute("x", "m", float("nan"), "coordinate for the picture"),
    Attribute("y", "m", float("nan"), "coordinate for the picture"),
    Attribute("u_ref", "pu", float("nan"), "voltage held by the source; only the source node has it"),
    Attribute("sk", "VA", float("nan"), "short-circuit power of the source"),
    Attribute("rx_ratio", "-", float("nan"), "R/X of the source"),
    Attribute("z01_ratio", "-", float("nan"), "Z0/Z1 of the source"),
)

SOURCE_DEFAULTS = {"sk": 1e20, "rx_ratio": 0.1, "z01_ratio": 1.0}
"""A stiff source: ``u_ref`` is held at the source node itself. A finite ``sk`` adds the impedance of the grid above."""

BRANCH = (
    Attribute("kind", "-", REQUIRED, "line, transformer or link", str),
    Attribute("a", "-", REQUIRED, "id of the from node", str),
    Attribute("b", "-", REQUIRED, "id of the to node", str),
    Attribute("from_status", "-", 1, "1 = closed at the from side", int),
    Attribute("to_status", "-", 1, "1 = closed at the to side", int),
)

LINE = (
    Attribute("r1", "ohm", REQUIRED, "positive-sequence resistance"),
    Attribute("x1", "ohm", REQUIRED, "positive-sequence reactance"),
    Attribute("c1", "F", 0.0, "positive-sequence capacitance"),
    Attribute("tan1", "-", 0.0, "positive-sequence loss factor"),
    Attribute("r0", "ohm", "4.0 × r1", "zero-sequence resistance"),
    Attribute("x0", "ohm", "4.9 × x1", "zero-sequence reactance"),
    Attribute("c0", "F", "0.6 × c1", "zero-sequence capacitance"),
    Attribute("tan0", "-", 0.0, "zero-sequence loss factor"),
    Attribute("i_n", "A", REQUIRED, "rated current of a phase"),
)

ZERO_SEQUENCE_FACTORS = {"r0": ("r1", 4.0), "x0": ("x1", 4.9), "c0": ("c1", 0.6)}
"""Assumed where a source grid has no zero-sequence data; the ratios of the 4x150 Al cable of the Gaia example grid."""

TRANSFORMER = (
    Attribute("u1", "V", REQUIRED, "rated voltage at the from side"),
    Attribute("u2", "V", REQUIRED, "rated voltage at the to side"),
    Attribute("sn", "VA", REQUIRED, "rated power"),
    Attribute("uk", "pu", REQUIRED, "relative short-circuit voltage"),
    Attribute("pk", "W", REQUIRED, "copper loss at rated current"),
    Attribute("i0", "pu", 0.0, "relative no-load current"),
    Attribute("p0", "W", 0.0, "iron loss at rated voltage"),
    Attribute("winding_from", "-", "delta", "winding at the from side", str),
    Attribute("winding_to", "-", "wye_n", "winding at the to side", str),
    Attribute("clock", "30 degrees", 5, "vector group number, 0–12", int),
    Attribute("tap_side", "-", "from", "side of the tap changer", str),
    Attribute("tap_pos", "-", 0, "position of the tap changer", int),
    Attribute("tap_min", "-", -2, "lowest position", int),
    Attribute("tap_max", "-", 2, "highest position", int),
    Attribute("tap_nom", "-", 0, "position of the rated ratio", int),
    Attribute("tap_size", "V", 0.0, "voltage of one tap step"),
)

KINDS = ("line", "transformer", "link")
PARAMETERS = {"line": LINE, "transformer": TRANSFORMER, "link": ()}
TEXT_CODES = {"winding_from": WINDINGS, "winding_to": WINDINGS, "tap_side": SIDES}
"""Text attributes kept as small integers in the frozen arrays: the position in the tuple."""


def level_of(u_rated: float) -> str:
    """Return the voltage level of a rated voltage in V."""
    if u_rated > 160e3:
        return "ehv"
    if u_rated > 52e3:
        return "hv"
    return "mv" if u_rated > 1e3 else "lv"
