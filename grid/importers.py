"""Grids of others: pandapower nets and SimBench codes, both through the optional extra ``flexpolder[simbench]``.

Nothing here is imported by a run that does not ask for it; pandapower alone takes seconds to import.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import networkx as nx
import numpy as np

from grid.ean import ean_code
from grid.profiles import ProfileYear
from grid.topology import Grid, add_source

UNSUPPORTED = ("trafo3w", "gen", "shunt", "impedance", "ward", "xward", "dcline", "motor", "asymmetric_sgen")
FREQUENCY_HZ = 50.0
SMALLEST_CAPACITY_KW = 1.0


@dataclass(frozen=True)
class ImportedGrid:
    """An imported grid with the operating point of its file.

    Parameters
    ----------
    grid : Grid
        One connection per load, generator and storage of the source.
    connection_kw, connection_kvar : ndarray, (n_connections,)
        Consumption stated there; feed-in is negative.
    """

    grid: Grid
    connection_kw: np.ndarray
    connection_kvar: np.ndarray


@dataclass(frozen=True)
class ImportedYear:
    """An imported grid with its year of quarter-hours; None where the source has only one operating point."""

    grid: Grid
    profiles: ProfileYear | None


def import_extra(name: str) -> Any:
    """Import an optional package.

    Raises
    ------
    ImportError
        Says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed; it comes with the extra: pip install flexpolder[simbench]"
        ) from error


def code_fault(code: str) -> str | None:
    """Say what is in the way of a SimBench code, the missing extra included, or None."""
    try:
        return _unknown_code(import_extra("simbench"), code)
    except ImportError as error:
        return str(error)


def _unknown_code(simbench: Any, code: str) -> str | None:
    codes = simbench.collect_all_simbench_codes()
    if code in codes:
        return None
    return f"SimBench code {code!r} does not exist; there are {len(codes)}, such as {', '.join(codes[:3])}"


@lru_cache(maxsize=2)
def simbench_grid(code: str) -> ImportedYear:
    """Load a SimBench grid by its code, such as ``1-LV-semiurb4--0-sw``; the last ones are kept.

    Parameters
    ----------
    code : str
        See ``simbench.collect_all_simbench_codes()``. Data: SimBench project, ODbL 1.0.

    Raises
    ------
    ImportError
        If the extra is not installed.
    ValueError
        If the code does not exist or the net cannot be converted.
    """
    simbench = import_extra("simbench")
    fault = _unknown_code(simbench, code)
    if fault is not None:
        raise ValueError(fault)
    return pandapower_grid(simbench.get_simbench_net(code), code)


def pandapower_grid(net: Any, name: str) -> ImportedYear:
    """Convert a pandapower net with the SimBench profiles in it, if it has any.

    Raises
    ------
    ValueError
        As :func:`from_pandapower`; also if the profiles are not a year of quarter-hours.
    """
    imported = from_pandapower(net, name)
    has_profiles = "profiles" in net and any(len(frame) for frame in net["profiles"].values())
    return ImportedYear(imported.grid, _profiles(net, imported) if has_profiles else None)


def from_pandapower(net: Any, name: str = "pandapower net") -> ImportedGrid:
    """Convert a pandapower net.

    Parameters
    ----------
    net : pandapowerNet
        Buses joined by closed bus-bus switches become one node; open line switches leave the cable charged from the
        other side; taps count whatever ``tap_changer_type`` says (SimBench leaves it empty).

    Raises
    ------
    ValueError
        Lists element tables that have no counterpart here, and all faults of the grid.
    """
    faults = [f"{table}: {len(net[table])} row(s) cannot be converted" for table in UNSUPPORTED if _rows(net, table)]
    if faults:
        raise ValueError(f"{name} has elements without counterpart:\n" + "\n".join(faults))
    node_of = _nodes_of_buses(net)
    graph = nx.MultiGraph()
    for bus, row in _rows(net, "bus"):
        if row["in_service"] and node_of[bus] not in graph:
            place = _place(net, bus, row)
            graph.add_node(node_of[bus], u_rated=float(row["vn_kv"]) * 1e3, bus_name=str(row.get("name")), **place)
    for index, row in _rows(net, "ext_grid"):
        if row["in_service"]:
            node = graph.nodes[node_of[row["bus"]]]
            if "u_ref" in node:
                raise ValueError(f"{name}: ext_grid {index} is a second source; exactly one is needed")
            add_source(graph, node_of[row["bus"]], float(row["vm_pu"]))
    is_open = _open_ends(net)
    for i, row in _rows(net, "line"):
        _add_line(graph, f"line-{i}", row, node_of, _statuses(is_open, ("l", i), row, "from_bus", "to_bus"))
    for i, row in _rows(net, "trafo"):
        _add_unit(graph, f"trafo-{i}", row, node_of, _statuses(is_open, ("t", i), row, "hv_bus", "lv_bus"))
    records, p_kw, q_kvar = _connections(net, node_of)
    return ImportedGrid(Grid.from_records(graph, records, name), np.array(p_kw), np.array(q_kvar))


def _rows(net: Any, table: str) -> list[tuple[Any, dict[str, Any]]]:
    """Return a table as (index, row) pairs; a missing table has none."""
    if table not in net:
        return []
    frame = net[table]
    return list(zip(frame.index.tolist(), frame.to_dict("records"), strict=True))


def _nodes_of_buses(net: Any) -> dict[Any, str]:
    """Join buses over closed bus-bus switches; a node is named after its first bus."""
    buses = nx.Graph()
    buses.add_nodes_from(bus for bus, _ in _rows(net, "bus"))
    buses.add_edges_from((r["bus"], r["element"]) for _, r in _rows(net, "switch") if r["et"] == "b" and r["closed"])
    return {bus: f"bus-{min(group)}" for group in nx.connected_components(buses) for bus in group}


def _place(net: Any, bus: Any, row: dict[str, Any]) -> dict[str, float]:
    """Return the coordinates of a bus where the net has them."""
    geo = row.get("geo")
    if isinstance(geo, str) and geo:
        x, y = json.loads(geo)["coordinates"][:2]
        return {"x": float(x), "y": float(y)}
    return {}


def _open_ends(net: Any) -> set[tuple[str, Any, Any]]:
    """Return (kind, branch, bus) of every open branch switch."""
    return {(r["et"], r["element"], r["bus"]) for _, r in _rows(net, "switch") if not r["closed"]}


def _statuses(is_open: set, place: tuple[str, Any], row: dict[str, Any], *ends: str) -> dict[str, int]:
    """Return the switch states of both sides of a branch; ``place`` is its kind and index."""
    closed = [int(bool(row["in_service"]) and (*place, row[end]) not in is_open) for end in ends]
    return dict(zip(("from_status", "to_status"), closed, strict=True))


def _add_line(graph: nx.MultiGraph, key: str, row: dict[str, Any], node_of: dict, status: dict[str, int]) -> None:
    a, b = node_of[row["from_bus"]], node_of[row["to_bus"]]
    n, km = int(row.get("parallel", 1)), float(row["length_km"])
    c1 = float(row["c_nf_per_km"]) * 1e-9 * km * n
    values = {"r1": row["r_ohm_per_km"] * km / n, "x1": row["x_ohm_per_km"] * km / n, "c1": c1}
    if c1 > 0:
        values["tan1"] = float(row.get("g_us_per_km", 0.0)) * 1e-6 * km * n / (2 * np.pi * FREQUENCY_HZ * c1)
    for here, there in (("r0", "r0_ohm_per_km"), ("x0", "x0_ohm_per_km")):
        if _is_given(row.get(there)):
            values[here] = row[there] * km / n
    if _is_given(row.get("c0_nf_per_km")):
        values["c0"] = row["c0_nf_per_km"] * 1e-9 * km * n
    amps = float(row["max_i_ka"]) * 1e3 * n * float(row.get("df", 1.0))
    values = {name: float(value) for name, value in values.items()} | {"i_n": amps}
    graph.add_edge(a, b, key=key, kind="line", a=a, b=b, **values, **status, length_m=km * 1e3)


def _add_unit(graph: nx.MultiGraph, key: str, row: dict[str, Any], node_of: dict, status: dict[str, int]) -> None:
    a, b = node_of[row["hv_bus"]], node_of[row["lv_bus"]]
    n = int(row.get("parallel", 1))
    sn = float(row["sn_mva"]) * 1e6 * n
    u = {"from": float(row["vn_hv_kv"]) * 1e3, "to": float(row["vn_lv_kv"]) * 1e3}
    clock = round(float(row["shift_degree"]) / 30.0) % 12
    windings = ("delta", "wye_n") if clock % 2 else ("wye_n", "wye_n")
    tap: dict[str, Any] = {name: row.get(f"tap_{name}") for name in ("pos", "min", "max", "neutral", "step_percent")}
    has_tap = all(map(_is_given, tap.values())) and row.get("tap_side") in ("hv", "lv")
    side = "to" if row.get("tap_side") == "lv" else "from"
    values: dict[str, Any] = {"u1": u["from"], "u2": u["to"], "sn": sn, "uk": float(row["vk_percent"]) / 100}
    values |= {"pk": float(row["vkr_percent"]) / 100 * sn, "i0": float(row["i0_percent"]) / 100}
    values |= {"p0": float(row["pfe_kw"]) * 1e3 * n, "clock": clock, "tap_side": side}
    values |= {"winding_from": windings[0], "winding_to": windings[1]}
    if has_tap:
        values |= {f"tap_{k}": int(tap[k]) for k in ("pos", "min", "max")} | {"tap_nom": int(tap["neutral"])}
        values["tap_size"] = float(tap["step_percent"]) / 100 * u[side]
    values["i0"] = max(values["i0"], values["p0"] / sn)
    graph.add_edge(a, b, key=key, kind="transformer", a=a, b=b, **values, **status)


def _is_given(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def _connections(net: Any, node_of: dict) -> tuple[list[dict[str, Any]], list[float], list[float]]:
    """Make one connection per load, generator and storage, one per phase of an asymmetric load."""
    records: list[dict[str, Any]] = []
    p_kw: list[float] = []
    q_kvar: list[float] = []
    signs = {"load": 1.0, "sgen": -1.0, "storage": 1.0, "asymmetric_load": 1.0}
    phases = {table: [("L123", "")] for table in signs}
    phases["asymmetric_load"] = [("L1", "_a"), ("L2", "_b"), ("L3", "_c")]
    for table, sign in signs.items():
        for index, row in _rows(net, table):
            scale = sign * 1e3 * float(row.get("scaling", 1.0)) * bool(row["in_service"])
            for phase, end in phases[table]:
                p, q = scale * float(row[f"p{end}_mw"]), scale * float(row[f"q{end}_mvar"])
                rated = float(row["sn_mva"]) * 1e3 if _is_given(row.get("sn_mva")) else 0.0
                capacity = max(rated, float(np.hypot(p, q)), SMALLEST_CAPACITY_KW)
                name = f"{_device(row) or table}-{index}{end}"
                records.append({"ean": ean_code(len(records) + 1), "node": node_of[row["bus"]], "phase": phase,
                                "capacity_kw": capacity, "kind": _kind(row), "meter_id": name})  # fmt: skip
                p_kw.append(p)
                q_kvar.append(q)
    return records, p_kw, q_kvar


def _device(row: dict[str, Any]) -> str:
    """Name the device whose SimBench profile a load follows, where it is no household, firm or farm."""
    profile = row.get("profile")
    starts = {"HLS": "charger", "APLS": "charger", "Air": "heat_pump", "Soil": "heat_pump"}
    return next((name for start, name in starts.items() if str(profile).startswith(start)), "")


def _kind(row: dict[str, Any]) -> str:
    """Read the kind of a connection from its SimBench profile: H0 = household, G and L = trade and farms."""
    profile = row.get("profile")
    if not isinstance(profile, str):
        return "other"
    return "home" if profile.startswith("H0") else "business" if profile[:1] in "GL" else "other"


def _profiles(net: Any, imported: ImportedGrid) -> ProfileYear:
    """Attach the profile columns to the connections."""
    shapes: dict[str, np.ndarray] = {}
    for table in ("load", "renewables", "storage", "powerplants"):
        frame = net["profiles"].get(table)
        if frame is not None and len(frame):
            names = [column for column in frame.columns if column != "time"]
            shapes |= {f"{table}:{column}": frame[column].to_numpy(float) for column in names}
    constant = len(shapes)
    position = {name: i for i, name in enumerate(shapes)}
    p_shape, q_shape = [], []
    for table, source in (
        ("load", "load"),
        ("sgen", "renewables"),
        ("storage", "storage"),
        ("asymmetric_load", "load"),
    ):
        for _, row in _rows(net, table):
            ends = ("_pload", "_qload") if source == "load" else ("", "")
            p_name, q_name = (f"{source}:{row.get('profile')}{end}" for end in ends)
            for _ in range(3 if table == "asymmetric_load" else 1):
                p_shape.append(position.get(p_name, constant))
                q_shape.append(position.get(q_name, constant))
    n_steps = max((len(shape) for shape in shapes.values()), default=0)
    shape = np.column_stack([*shapes.values(), np.ones(n_steps)])
    columns = np.array(p_shape, dtype=np.int64), np.array(q_shape, dtype=np.int64)
    return ProfileYear(shape, *columns, imported.connection_kw, imported.connection_kvar)
