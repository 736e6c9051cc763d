"""The picture of the grid: a layout by voltage level and the packed results that ``report.js`` draws from."""

from __future__ import annotations

import base64
import json
import zlib
from html import escape
from typing import Any

import networkx as nx
import numpy as np
import polars as pl

from experiments.report.figures.prices import moment
from experiments.report.section import empty
from experiments.report.view import RunView
from experiments.report.wording import label

BYTES_AT_MOST = 4_000_000
"""Largest size of the packed results before encoding; more periods are shown as the worst of several."""
UNKNOWN = 255
LOADING_STEP = 0.01
VOLTAGE_LOW, VOLTAGE_STEP = 0.80, 0.0016


def picture(run: RunView, selected: int) -> str:
    """The interactive picture as HTML with its data; ``selected`` is the branch shown first."""
    nodes, branches = run.table("nodes").sort("node_index"), run.table("branches").sort("branch_index")
    if nodes.is_empty():
        return empty("There is no picture of the grid: this run wrote no nodes.")
    data = _topology(nodes, branches) | _results(run) | {"selected": selected, "periodHours": run.period_h}
    data |= {"clock": [str(t)[:16] for t in run.local_time[:: data["step"]]], "zone": run.time_zone}
    options = "".join(
        f'<option value="{i}">{escape(name)}</option>'
        for i, name in sorted(enumerate(data["branchTitle"]), key=lambda pair: pair[1])
    )
    worst = data["worst"]
    head = (
        '<figure class="chart grid" id="grid-picture"><figcaption><h3>The grid, moment by moment</h3><p>'
        "Strokes are cables and lines, squares transformers, dots nodes. First shown: "
        f"{moment(run, worst * data['step'])}, when loading was highest. Move the slider or press play; click a "
        "line or a square, or choose one from the list, to see it over time.</p></figcaption>"
    )
    controls = (
        '<div class="controls"><button type="button" data-act="play" aria-pressed="false">Play</button>'
        '<button type="button" data-act="worst">Highest loading</button>'
        f'<label class="slider"><span class="quiet">Moment</span><input type="range" min="0" value="{worst}" '
        f'max="{len(data["clock"]) - 1}" step="1" data-act="slide"></label><output data-out="clock"></output>'
        '<label>Charging <select data-act="case"><option value="c">as simulated</option>'
        '<option value="u">uncontrolled</option></select></label>'
        '<label>Layout <select data-act="layout"><option value="tree">by voltage level</option>'
        '<option value="map">map</option></select></label></div>'
    )
    pick = f'<label class="pick">Cable, line or transformer <select data-act="branch">{options}</select></label>'
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'{head}{controls}<div class="plot" id="grid-plot" role="img" aria-label="Picture of the grid with loading of '
        f'branches and voltage at nodes" style="min-height:560px"></div>{pick}'
        '<div class="plot" id="branch-plot" role="img" aria-label="Loading of the chosen branch over time" '
        'style="min-height:280px"></div>'
        f'<script type="application/json" id="grid-data">{text}</script></figure>'
    )


def _topology(nodes: pl.DataFrame, branches: pl.DataFrame) -> dict[str, Any]:
    index = {name: i for i, name in enumerate(nodes["node"].to_list())}
    ends = [[index.get(a, -1), index.get(b, -1)] for a, b in branches.select("from_node", "to_node").iter_rows()]
    levels = sorted(set(nodes["level"].to_list()), key=_volts, reverse=True)
    tree_x, tree_y = _by_level(nodes, ends, levels)
    x, y = nodes["x"].to_numpy(), nodes["y"].to_numpy()
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (np.ptp(x) > 0 or np.ptp(y) > 0)):
        x, y = tree_x, tree_y
    return {
        "levels": levels,
        "nodeName": nodes["node"].to_list(),
        "nodeLevel": [levels.index(v) for v in nodes["level"].to_list()],
        "map": _rounded(x, y, equal=True),
        "tree": _rounded(tree_x, tree_y, equal=False),
        "ends": ends,
        "isTransformer": [int(k == "transformer") for k in branches["kind"].to_list()],
        "branchTitle": [branch_title(row) for row in branches.iter_rows(named=True)],
    }


def _rounded(*axes: np.ndarray, equal: bool) -> list[list[float]]:
    """Coordinates on a scale of 0 to 1000, the same for both axes if ``equal``."""
    spans = [float(np.ptp(v)) or 1.0 for v in axes]
    scales = [max(spans)] * len(axes) if equal else spans
    return [np.round((v - v.min()) / s * 1000, 2).tolist() for v, s in zip(axes, scales, strict=True)]


def branch_title(row: dict[str, Any]) -> str:
    """Plain title of a branch with kind, level and area."""
    where = f", {row['area']}" if row["area"] else ""
    return f"{label(row['kind'])} {row['branch']} ({row['level']}{where})"


def _volts(level: str | None) -> float:
    try:
        return float((level or "0").replace("kV", "").replace(",", ".").strip())
    except ValueError:
        return 0.0


def _by_level(nodes: pl.DataFrame, ends: list[list[int]], levels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Layered layout: one band per voltage level, depth within the band downwards, leaves side by side."""
    n = nodes.height
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((a, b) for a, b in ends if a >= 0 and b >= 0)
    level = np.array([levels.index(v) for v in nodes["level"].to_list()])
    x, depth = np.zeros(n), np.zeros(n)
    next_leaf = 0.0
    seen: set[int] = set()
    for root in np.argsort(level, kind="stable").tolist():
        if root in seen:
            continue
        order = [root, *(child for _, child in nx.bfs_edges(graph, root))]
        parent = {child: before for before, child in nx.bfs_edges(graph, root)}
        seen.update(order)
        children: dict[int, list[int]] = {}
        for child, before in parent.items():
            children.setdefault(before, []).append(child)
            depth[child] = depth[before] + 1 if level[child] == level[before] else 0
        for node in nx.dfs_postorder_nodes(nx.Graph(list(parent.items())), root) if parent else [root]:
            below = children.get(node)
            if below:
                x[node] = float(np.mean(x[below]))
            else:
                x[node], next_leaf = next_leaf, next_leaf + 1.0
    deepest = np.array([max(1.0, float(depth[level == i].max(initial=0.0))) for i in range(len(levels))])
    weight = np.where(deepest > 1, 1.0 + 0.12 * np.minimum(deepest, 12), 0.6)
    top = np.concatenate([[0.0], np.cumsum(weight)])
    return x, -(top[level] + depth / deepest[level] * weight[level] * 0.8)


def _results(run: RunView) -> dict[str, Any]:
    grids = run.matrices
    loading, free = grids["loading_share"], grids["uncontrolled_loading_share"]
    low, high = grids["voltage_min_pu"], grids["voltage_max_pu"]
    voltage = np.where(np.abs(high - 1) > np.abs(low - 1), high, low)
    step = max(1, -(-(loading.size * 2 + voltage.size) // BYTES_AT_MOST))
    worst = int(np.nanargmax(np.nanmax(np.nan_to_num(loading, nan=-1.0), axis=1)))
    return {
        "step": step,
        "worst": worst // step,
        "c": _packed(_worst_of(loading, step), 0.0, LOADING_STEP),
        "u": _packed(_worst_of(free, step), 0.0, LOADING_STEP),
        "v": _packed(1 + _worst_of(voltage - 1, step), VOLTAGE_LOW, VOLTAGE_STEP),
        "vLow": VOLTAGE_LOW,
        "vStep": VOLTAGE_STEP,
        "lStep": LOADING_STEP,
    }


def _worst_of(values: np.ndarray, step: int) -> np.ndarray:
    """The value farthest from zero of every ``step`` periods, shape (n / step, n_rows); NaN where none is known."""
    if step == 1:
        return values
    n = -(-len(values) // step)
    padded = np.full((n * step, values.shape[1]), np.nan, dtype=np.float32)
    padded[: len(values)] = values
    blocks = padded.reshape(n, step, -1)
    row = np.argmax(np.nan_to_num(np.abs(blocks), nan=-1.0), axis=1)
    return np.take_along_axis(blocks, row[:, None], axis=1)[:, 0]


def _packed(values: np.ndarray, low: float, step: float) -> dict[str, str]:
    """Values as bytes ``round((v - low) / step)`` row by row, compressed and base64; 255 = unknown.

    ``zlib`` holds the small form; readers without a decompressor are rare enough to be told so.
    """
    known = np.isfinite(values)
    code = np.rint((np.where(known, values, low) - low) / step).clip(0, UNKNOWN - 1)
    bytes_ = np.where(known, code, UNKNOWN).astype(np.uint8).tobytes()
    return {"zlib": base64.b64encode(zlib.compress(bytes_, 9)).decode()}
