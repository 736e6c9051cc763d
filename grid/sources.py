"""One call from the name of a grid to a :class:`Grid` on which EVs can be placed: a file or a SimBench code.

Foreign grids say neither what stands behind a connection nor where cars charge. Kinds are read from size and profile,
homes get a standard connection and a drawn phase, low-voltage nodes that hang together become an area, and charging
sites that are missing are added where a DSO would connect them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from grid.arrays import TRANSFORMER_KIND
from grid.connections import ConnectionTable
from grid.ean import ean_code
from grid.files import read_source
from grid.generator import SITE_KW
from grid.importers import ImportedYear, simbench_grid
from grid.parameters import ONE_PHASE_KW, POST_LARGE_KW, THREE_PHASE_KW, GridParameters
from grid.topology import Grid

SIMBENCH = "simbench:"
"""Start of a source that names a SimBench code instead of a file."""

HOME_SIZES_KW = (ONE_PHASE_KW, THREE_PHASE_KW, POST_LARGE_KW)
NEW_CONNECTION_KW = {"home": THREE_PHASE_KW, "public_ac": THREE_PHASE_KW, **SITE_KW}
MV_KINDS = ("depot", "dc_site")
"""Kinds that are connected at 10 kV where the grid has it; other new sites go to low voltage."""

BUSBAR_KINDS = ("office", "shared", "business")


def load_grid(
    source: str | Path, sites: Mapping[str, int] | None = None, rng: np.random.Generator | None = None
) -> Grid:
    """Return the grid of :func:`load_source` alone."""
    return load_source(source, sites, rng).grid


def load_source(
    source: str | Path, sites: Mapping[str, int] | None = None, rng: np.random.Generator | None = None
) -> ImportedYear:
    """Return a checked grid with areas, kinds of connections and the sites asked for, and the profiles it brings.

    The profiles are those of the first connections, in their order; sites that were added have none.

    Parameters
    ----------
    source : str or Path
        A file (:func:`grid.files.read_source`) or ``simbench:`` and a code, such as ``simbench:1-LV-semiurb4--0-sw``.
    sites : mapping of str to int, optional
        How many connections of each kind are needed at least, such as ``{"home": 40, "public_ac": 6, "depot": 1}``.
    rng : numpy.random.Generator, optional
        Source of every draw; by default seed 0.

    Raises
    ------
    ValueError
        Lists every fault of the file, or the code or kind that does not exist.
    ImportError
        If the source needs the extra and it is not installed.
    """
    name = str(source)
    rng = rng or np.random.default_rng(0)
    is_code = name.startswith(SIMBENCH)
    found = simbench_grid(name.removeprefix(SIMBENCH)) if is_code else read_source(Path(source))
    return ImportedYear(with_sites(with_kinds(with_areas(found.grid), rng), sites or {}, rng), found.profiles)


def with_areas(grid: Grid) -> Grid:
    """Give nodes without an area one: low-voltage nodes that hang together are ``area-01``, ``area-02`` and so on.

    Medium voltage is the ``substation``, everything above ``transmission``, as in the generated town. The same grid is
    returned if every node has its area.
    """
    a = grid.arrays
    missing = [i for i, area in enumerate(a.area) if not area]
    if not missing:
        return grid
    inner = a.is_closed & (a.kind != TRANSFORMER_KIND)
    links = coo_matrix((np.ones(int(inner.sum())), (a.from_node[inner], a.to_node[inner])), shape=(a.n_nodes,) * 2)
    part = connected_components(links, directed=False)[1]
    lv_parts = dict.fromkeys(int(part[i]) for i in missing if a.level[i] == "lv")
    number = {one: f"area-{k:02d}" for k, one in enumerate(lv_parts, start=1)}
    graph = nx.MultiGraph(grid.graph)
    for i in missing:
        upper = "substation" if a.level[i] == "mv" else "transmission"
        graph.nodes[a.node_ids[i]]["area"] = number[int(part[i])] if a.level[i] == "lv" else upper
    return Grid(graph, grid.connections, grid.name)


def with_kinds(grid: Grid, rng: np.random.Generator) -> Grid:
    """Give the loads of an imported grid a kind, and its homes a standard size and a phase.

    Parameters
    ----------
    grid : Grid
        Low-voltage loads of kind ``other`` up to 24.15 kW become homes; larger ones and those on medium voltage become
        ``business``. Generators and storage (meter ``sgen-…``, ``storage-…``) stay ``other``.
    rng : numpy.random.Generator
        Draws who has a one-phase connection or charger, with the shares of :class:`grid.parameters.GridParameters`.

    Returns
    -------
    Grid
        A new grid; the same one if it was not imported (no meter called ``load-…``). Homes that have a standard size
        keep it and their phases, so that a file written after this step reads back as it was.
    """
    table = grid.connections
    is_foreign = {"load", "asymmetric_load"} & {meter.partition("-")[0] for meter in table.meter_id}
    if not is_foreign:
        return grid
    is_lv = np.array(grid.arrays.level)[table.node_index] == "lv"
    is_load = np.array([meter.partition("-")[0].endswith("load") for meter in table.meter_id])
    stated = np.array(table.kind)
    small = is_lv & (table.capacity_kw <= HOME_SIZES_KW[-1])
    guessed = np.where(is_load & small, "home", np.where(is_load, "business", "other"))
    kind = np.where(stated == "other", guessed, stated)
    has_no_size = ~np.isin(table.capacity_kw, HOME_SIZES_KW)
    homes = np.flatnonzero((kind == "home") & (table.phase == 0) & has_no_size)
    return Grid(grid.graph, _with_homes(table, kind, homes, rng), grid.name)


def _with_homes(
    table: ConnectionTable, kind: np.ndarray, homes: np.ndarray, rng: np.random.Generator
) -> ConnectionTable:
    """Round homes up to the next standard connection and draw their phases."""
    shares = GridParameters()
    capacity, phase, ev_phase = table.capacity_kw.copy(), table.phase.copy(), table.ev_phase.copy()
    sizes = np.array(HOME_SIZES_KW)
    may_be_single = capacity[homes] <= ONE_PHASE_KW
    is_single = may_be_single & (rng.random(len(homes)) < shares.one_phase_home_share)
    has_single_charger = is_single | (rng.random(len(homes)) < shares.one_phase_ev_share)
    drawn = rng.integers(1, 4, len(homes)).astype(np.int8)
    phase[homes] = np.where(is_single, drawn, 0)
    ev_phase[homes] = np.where(has_single_charger, drawn, 0)
    step = np.maximum(np.searchsorted(sizes, capacity[homes]), np.where(is_single, 0, 1))
    rounded = sizes[np.minimum(step, len(sizes) - 1)]
    capacity[homes] = np.maximum(rounded, capacity[homes])
    names = tuple(str(name) for name in kind)
    return ConnectionTable(table.ean, table.node_index, phase, capacity, names, table.meter_id, ev_phase)


def with_sites(grid: Grid, sites: Mapping[str, int], rng: np.random.Generator) -> Grid:
    """Add connections until every kind has as many as asked for.

    Parameters
    ----------
    grid : Grid
        Any grid.
    sites : mapping of str to int
        Kind to least number of connections.
    rng : numpy.random.Generator
        Draws the nodes.

    Returns
    -------
    Grid
        A new grid with the new rows at the end of its table (the same one if nothing is missing): homes and public
        posts at nodes that have connections, offices and garages at low-voltage busbars behind a transformer, depots
        and fast-charging sites on medium voltage (at the source itself if it is the only such node, else at a
        busbar); where a grid has no such node, at any energised one.
    """
    unknown = [kind for kind in sites if kind not in NEW_CONNECTION_KW]
    if unknown:
        raise ValueError(f"sites {', '.join(unknown)} cannot be added; known are {', '.join(NEW_CONNECTION_KW)}")
    table = grid.connections
    taken = set(table.ean)
    numbers = (code for code in map(ean_code, range(len(table) + 1, 10**9)) if code not in taken)
    rows = table.to_records(grid.arrays.node_ids)
    for kind, wanted in sites.items():
        places = _places(grid, kind)
        for node in rng.choice(places, size=max(wanted - table.kind.count(kind), 0)):
            row = {"ean": next(numbers), "node": grid.arrays.node_ids[node], "phase": "L123", "kind": kind}
            rows.append(row | {"capacity_kw": NEW_CONNECTION_KW[kind]})
    return grid if len(rows) == len(table) else Grid.from_records(grid.graph, rows, grid.name)


def _places(grid: Grid, kind: str) -> np.ndarray:
    """Nodes where new connections of a kind may stand."""
    a = grid.arrays
    level, node = np.array(a.level), np.arange(a.n_nodes)
    inside = a.is_energised & (node != a.source_node)
    is_busbar = (level == "lv") & np.isin(node, a.to_node[a.kind == TRANSFORMER_KIND])
    if kind in MV_KINDS:
        choices = [(level == "mv") & inside, (level == "mv") & a.is_energised, is_busbar & inside]
    elif kind in BUSBAR_KINDS:
        choices = [is_busbar & inside]
    else:
        choices = [(level == "lv") & np.isin(node, grid.connections.node_index) & inside]
    for choice in (*choices, (level == "lv") & inside, inside):
        if choice.any():
            return np.flatnonzero(choice)
    return np.array([a.source_node])
