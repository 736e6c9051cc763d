"""A synthetic Dutch town: 380 kV source, 150/10 kV substation, 10 kV rings, LV areas and their connections.

Every ring starts and ends at the substation and is open in the middle (normally open point); its cable can carry the
whole ring from one side. Stations stand on a circle for each ring, feeders fan out from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from grid.cables import station_type
from grid.connections import connection_table
from grid.ean import ean_code
from grid.parameters import ONE_PHASE_KW, POST_LARGE_KW, THREE_PHASE_KW, GridParameters
from grid.topology import Grid, add_cable, add_source, add_transformer

MV_BUS = "ms-bus"
SITE_KW = {"shared": 55.0, "office": 110.0, "depot": 1000.0, "dc_site": 600.0, "business": 60.0}
FIRMS_PER_PARK = 10
_L1_BIAS = (0.6, 0.2, 0.2)
_STATION_SPACING_M = {True: 450.0, False: 1200.0}
_CABLE_PER_HOME_M = {True: 7.0, False: 18.0}
_PHASE_NAMES = ("L123", "L1", "L2", "L3")


@dataclass
class _Draft:
    """The town while it is drawn."""

    parameters: GridParameters
    rng: np.random.Generator
    graph: nx.MultiGraph = field(default_factory=nx.MultiGraph)
    rows: list[dict[str, Any]] = field(default_factory=list)
    turn: int = 0

    def connect(self, node: str, kind: str, kw: float, phase: int = 0, ev_phase: int | None = None) -> None:
        """Add a connection with the next EAN."""
        number = len(self.rows) + 1
        ev = phase if ev_phase is None else ev_phase
        self.rows.append(
            {"ean": ean_code(number), "node": node, "phase": _PHASE_NAMES[phase], "capacity_kw": kw, "kind": kind,
             "meter_id": f"E{number:07d}", "ev_phase": _PHASE_NAMES[ev]}
        )  # fmt: skip

    def one_phase(self) -> int:
        """Pick the phase of a one-phase connection after the policy."""
        policy = self.parameters.phase_policy
        if policy == "round_robin":
            self.turn += 1
            return (self.turn - 1) % 3 + 1
        return int(self.rng.choice(3, p=_L1_BIAS if policy == "l1_biased" else None)) + 1


@dataclass(frozen=True)
class _Station:
    """A place on a ring: an LV area, a business park or a customer on 10 kV."""

    kind: str
    name: str
    homes: int = 0


def dutch_town(parameters: GridParameters | None = None, rng: np.random.Generator | None = None) -> Grid:
    """Draw a town.

    Parameters
    ----------
    parameters : GridParameters, optional
        The defaults give 6,400 homes in 40 LV areas on about 1,000 nodes.
    rng : numpy.random.Generator, optional
        Source of every draw; by default seed 0. The same generator state gives the same town.

    Returns
    -------
    Grid
        Checked grid. Branch ids: ``trafo-a12`` (station of LV area ``a12``), ``kabel-a12-f2-3`` (third piece of its
        second feeder), ``ring-1-05`` (fifth cable of the first ring), ``onderstation-1`` and ``-2`` (parallel 150/10 kV
        transformers). Homes are spread evenly over the nodes of a feeder.
    """
    draft = _Draft(parameters or GridParameters(), rng or np.random.default_rng(0))
    _draw_transmission(draft)
    stations = _stations(draft)
    rings = max(1, math.ceil(len(stations) / draft.parameters.stations_per_ring))
    for ring, members in enumerate(np.array_split(np.arange(len(stations)), rings), start=1):
        _draw_ring(draft, ring, rings, [stations[i] for i in members])
    return Grid(draft.graph, connection_table(draft.rows, draft.graph), "Dutch town")


def _draw_transmission(draft: _Draft) -> None:
    """Draw source, 380/150 kV transformer, 150 kV cables and the two parallel 150/10 kV transformers."""
    p, graph = draft.parameters, draft.graph
    graph.add_node("ehv", u_rated=380e3, level="ehv", area="transmission", x=0.0, y=9000.0)
    graph.add_node("hv", u_rated=150e3, level="hv", area="transmission", x=0.0, y=7500.0)
    graph.add_node("hv-town", u_rated=150e3, level="hv", area="transmission", x=0.0, y=4000.0)
    graph.add_node(MV_BUS, u_rated=10.5e3, level="mv", area="substation", x=0.0, y=0.0)
    add_source(graph, "ehv", p.u_ref)
    add_transformer(graph, "koppel-1", "ehv", "hv", p.ehv_hv_transformer)
    for i in (1, 2):
        add_cable(graph, f"hs-{i}", "hv", "hv-town", p.hv_cable, 12_000.0)
        add_transformer(graph, f"onderstation-{i}", "hv-town", MV_BUS, p.hv_mv_transformer)


def _stations(draft: _Draft) -> list[_Station]:
    """List everything that stands on the rings in a drawn order."""
    p = draft.parameters
    areas = [_Station("area", f"a{i:02d}", n) for i, n in enumerate(_homes_per_area(draft), start=1)]
    parks = [_Station("park", f"b{i:02d}") for i in range(1, p.business_parks + 1)]
    sites = [_Station(kind, f"{kind}-{i}") for kind, n in (("depot", p.depots), ("dc_site", p.dc_sites))
             for i in range(1, n + 1)]  # fmt: skip
    everything = [*areas, *parks, *sites]
    return [everything[i] for i in draft.rng.permutation(len(everything))]


def _homes_per_area(draft: _Draft) -> list[int]:
    """Split the homes over the areas by lognormal weights; the parts add up to the total, each at least one."""
    p = draft.parameters
    weight = draft.rng.lognormal(0.0, p.area_size_spread, p.lv_areas)
    edges = np.round(np.cumsum(weight) / weight.sum() * (p.homes - p.lv_areas)).astype(int)
    return (np.diff(edges, prepend=0) + 1).tolist()


def _draw_ring(draft: _Draft, ring: int, rings: int, stations: list[_Station]) -> None:
    """Draw one ring from the substation over its stations back to it, open in the middle."""
    graph = draft.graph
    spacing = _STATION_SPACING_M[draft.parameters.is_urban]
    pieces = len(stations) + 1
    open_piece = pieces // 2
    around = spacing * pieces / (2.0 * math.pi)
    heading = 2.0 * math.pi * (ring - 1) / rings - math.pi / 2.0
    centre = (around * math.cos(heading), around * math.sin(heading))
    before = MV_BUS
    for i, station in enumerate(stations):
        angle = heading + math.pi + 2.0 * math.pi * (i + 1) / pieces
        x, y = centre[0] + around * math.cos(angle), centre[1] + around * math.sin(angle)
        node = f"ms-{station.name}"
        graph.add_node(node, u_rated=10.5e3, level="mv", area=station.name, x=x, y=y)
        _draw_ring_cable(draft, f"ring-{ring}-{i + 1:02d}", before, node, i + 1 == open_piece + 1)
        _draw_station(draft, station, node, math.atan2(y - centre[1], x - centre[0]))
        before = node
    _draw_ring_cable(draft, f"ring-{ring}-{pieces:02d}", before, MV_BUS, pieces == open_piece + 1)


def _draw_ring_cable(draft: _Draft, key: str, a: str, b: str, is_open: bool) -> None:
    """Draw one cable of a ring; the normally open point is open at its from side."""
    length = _STATION_SPACING_M[draft.parameters.is_urban] * draft.rng.uniform(0.7, 1.3)
    more = {"from_status": 0, "is_normally_open": True} if is_open else {}
    add_cable(draft.graph, key, a, b, draft.parameters.mv_cable, round(length, 1), **more)


def _draw_station(draft: _Draft, station: _Station, node: str, outwards: float) -> None:
    """Draw what hangs at a station of the ring."""
    if station.kind == "area":
        _draw_area(draft, station, node, outwards)
    elif station.kind == "park":
        _draw_park(draft, station, node, outwards)
    else:
        capacity_kw = draft.parameters.dc_site_kw if station.kind == "dc_site" else SITE_KW[station.kind]
        draft.connect(node, station.kind, capacity_kw)


def _busbar(draft: _Draft, name: str, node: str, kva_needed: float, outwards: float) -> str:
    """Draw the LV busbar of a station behind its transformer."""
    place = draft.graph.nodes[node]
    bus = f"ls-{name}"
    at = {"x": place["x"] + 25.0 * math.cos(outwards), "y": place["y"] + 25.0 * math.sin(outwards)}
    draft.graph.add_node(bus, u_rated=400.0, level="lv", area=name, **at)
    add_transformer(
        draft.graph, f"trafo-{name}", node, bus, station_type(kva_needed, draft.parameters.transformer_sizes_kva)
    )
    return bus


def _draw_park(draft: _Draft, station: _Station, node: str, outwards: float) -> None:
    """Draw a business park: a station of the largest size with firms on its busbar."""
    bus = _busbar(draft, station.name, node, float(max(draft.parameters.transformer_sizes_kva)), outwards)
    for _ in range(FIRMS_PER_PARK):
        draft.connect(bus, "business", SITE_KW["business"])


def _draw_area(draft: _Draft, station: _Station, node: str, outwards: float) -> None:
    """Draw an LV area: transformer, feeders with homes, public posts, and its share of offices and garages."""
    p = draft.parameters
    number = int(station.name[1:])
    offices, shared = _share(p.offices, number, p.lv_areas), _share(p.shared_sites, number, p.lv_areas)
    design_kw = (
        station.homes * p.design_kw_per_home + 0.6 * SITE_KW["office"] * offices + 0.3 * SITE_KW["shared"] * shared
    )
    bus = _busbar(draft, station.name, node, design_kw / p.design_power_factor, outwards)
    for kind, count in (("office", offices), ("shared", shared)):
        for _ in range(count):
            draft.connect(bus, kind, SITE_KW[kind])
    feeder_nodes = []
    parts = np.array_split(np.arange(station.homes), min(p.feeders_per_area, station.homes))
    for feeder, homes in enumerate(parts, start=1):
        angle = outwards + math.pi * ((feeder - 0.5) / len(parts) - 0.5)
        feeder_nodes += _draw_feeder(draft, f"{station.name}-f{feeder}", bus, len(homes), angle)
    for post in draft.rng.integers(len(feeder_nodes), size=p.public_posts_per_area):
        is_large = draft.rng.random() < p.large_post_share
        draft.connect(feeder_nodes[post], "public_ac", POST_LARGE_KW if is_large else THREE_PHASE_KW)


def _share(total: int, number: int, areas: int) -> int:
    """Return how many of ``total`` sites area ``number`` (from 1) gets when they are dealt out evenly."""
    return total * number // areas - total * (number - 1) // areas


def _draw_feeder(draft: _Draft, name: str, bus: str, homes: int, angle: float) -> list[str]:
    """Draw one feeder and its homes; returns its nodes."""
    p, graph = draft.parameters, draft.graph
    pieces = max(1, math.ceil(homes / p.homes_per_node))
    length = _CABLE_PER_HOME_M[p.is_urban] * homes / pieces
    area = name.split("-")[0]
    nodes: list[str] = []
    for i, members in enumerate(np.array_split(np.arange(homes), pieces), start=1):
        before = nodes[-1] if nodes else bus
        place = graph.nodes[before]
        at = {"x": place["x"] + length * math.cos(angle), "y": place["y"] + length * math.sin(angle)}
        node = f"ls-{name}-{i}"
        graph.add_node(node, u_rated=400.0, level="lv", area=area, **at)
        cable = p.cable_head if i <= math.ceil(pieces / 2) else p.cable_tail if i < pieces else p.cable_end
        add_cable(graph, f"kabel-{name}-{i}", before, node, cable, round(length * draft.rng.uniform(0.8, 1.2), 1))
        for _ in members:
            _draw_home(draft, node)
        nodes.append(node)
    return nodes


def _draw_home(draft: _Draft, node: str) -> None:
    """Connect a home: one-phase 1 × 35 A or three-phase 3 × 25 A, with the phase its charger would use."""
    p = draft.parameters
    if draft.rng.random() < p.one_phase_home_share:
        draft.connect(node, "home", ONE_PHASE_KW, draft.one_phase())
        return
    ev_phase = draft.one_phase() if draft.rng.random() < p.one_phase_ev_share else 0
    draft.connect(node, "home", THREE_PHASE_KW, 0, ev_phase)
