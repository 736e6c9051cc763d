"""Grid files: networkx node-link JSON with the connection table, and pandapower JSON where that is installed."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import networkx as nx

from grid.importers import ImportedYear, import_extra, pandapower_grid
from grid.topology import Grid

FORMAT = "flexpolder-grid"
VERSION = 1


def write_grid(grid: Grid, path: Path) -> None:
    """Write graph and connections as JSON (keys sorted as authored, UTF-8)."""
    path.write_text(grid_to_json(grid), encoding="utf-8")


def grid_to_json(grid: Grid) -> str:
    """Return the text :func:`write_grid` writes."""
    graph = nx.MultiGraph()
    graph.add_nodes_from((node, _finite(data)) for node, data in grid.graph.nodes(data=True))
    graph.add_edges_from((u, v, key, _finite(data)) for u, v, key, data in grid.graph.edges(keys=True, data=True))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": grid.name,
        "graph": nx.node_link_data(graph, edges="edges"),
        "connections": grid.connections.to_records(grid.arrays.node_ids),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def read_grid(path: Path) -> Grid:
    """Read a grid file.

    Parameters
    ----------
    path : Path
        A file written by :func:`write_grid`, a bare networkx node-link JSON (no connections), or a pandapower JSON.

    Returns
    -------
    Grid
        Checked.

    Raises
    ------
    ValueError
        Names the file and every fault in it.
    """
    return read_source(path).grid


def read_source(path: Path) -> ImportedYear:
    """Read a grid file with its profiles: those of a pandapower JSON that came from SimBench. Errors as above."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a JSON file ({error}); a grid file is JSON") from error
    try:
        if isinstance(document, dict) and document.get("_class") == "pandapowerNet":
            return pandapower_grid(import_extra("pandapower").from_json(str(path)), path.stem)
        return ImportedYear(_grid_of(document, path), None)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _grid_of(document: Any, path: Path) -> Grid:
    if isinstance(document, dict) and document.get("format") == FORMAT:
        if document.get("version") != VERSION:
            raise ValueError(f"version {document.get('version')!r} of the format; {VERSION} is readable")
        missing = [name for name in ("graph", "connections") if name not in document]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing; a grid file has graph and connections")
        for name, kind in (("graph", dict), ("connections", list)):
            if not isinstance(document[name], kind):
                raise ValueError(f"{name} is {type(document[name]).__name__}; {kind.__name__} is needed")
        name = str(document.get("name", path.stem))
        return Grid.from_records(_graph_of(document["graph"]), document["connections"], name)
    if isinstance(document, dict) and "nodes" in document and ("edges" in document or "links" in document):
        return Grid(_graph_of(document), name=path.stem)
    raise ValueError(f'unknown content; "format": "{FORMAT}", networkx node-link data or a pandapower net are readable')


def _graph_of(data: dict[str, Any]) -> nx.MultiGraph:
    """Build the graph of node-link data; edges without a key take their ``id``."""
    if data.get("directed"):
        raise ValueError("the graph is directed; an undirected multigraph is needed (a and b hold the direction)")
    nodes, edges = data.get("nodes"), data.get("edges", data.get("links"))
    if not isinstance(edges, list) or not isinstance(nodes, list):
        raise ValueError("nodes and edges must be lists")
    wrong = _node_list_faults(nodes) or _edge_list_faults(edges, {node["id"] for node in nodes})
    if wrong:
        raise ValueError("\n".join(wrong))
    graph = nx.MultiGraph()
    for node in nodes:
        graph.add_node(node["id"], **{name: value for name, value in node.items() if name != "id"})
    for edge in edges:
        key = edge.get("key", edge.get("id"))
        rest = {name: value for name, value in edge.items() if name not in ("source", "target", "key")}
        rest.setdefault("a", edge["source"])
        rest.setdefault("b", edge["target"])
        graph.add_edge(edge["source"], edge["target"], key=key, **rest)
    return graph


def _node_list_faults(nodes: list[Any]) -> list[str]:
    """Name entries without a usable id, and ids used twice (a graph would silently merge them)."""
    wrong = [f"node {i}: {node!r} has no text id" for i, node in enumerate(nodes)
             if not isinstance(node, dict) or not isinstance(node.get("id"), str)]  # fmt: skip
    count = Counter(node["id"] for node in nodes if not wrong)
    return wrong + [f"node {name}: id used {n} times; every node needs its own" for name, n in count.items() if n > 1]


def _edge_list_faults(edges: list[Any], nodes: set[str]) -> list[str]:
    """Name entries without ends or key, ends that do not exist, and keys used twice."""
    wrong = [f"edge {i}: source, target and key (text) are needed" for i, edge in enumerate(edges)
             if not isinstance(edge, dict) or not {"source", "target"} <= edge.keys()
             or not isinstance(edge.get("key", edge.get("id")), str)]  # fmt: skip
    if wrong:
        return wrong
    keys = [edge.get("key", edge.get("id")) for edge in edges]
    wrong = [f"branch {key}: node {edge[end]!r} is not in the file" for key, edge in zip(keys, edges, strict=True)
             for end in ("source", "target") if not isinstance(edge[end], str) or edge[end] not in nodes]  # fmt: skip
    twice = [(key, n) for key, n in Counter(keys).items() if n > 1]
    return wrong + [f"branch {key}: id used {n} times; every branch needs its own" for key, n in twice]


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    """Drop values JSON cannot hold."""
    return {name: value for name, value in data.items() if not (isinstance(value, float) and math.isnan(value))}
