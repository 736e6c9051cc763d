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

from experiments.report.figures.grid_layout import by_level, feeding_tree, on_map, spread_of_parallels
from experiments.report.figures.prices import moment
from experiments.report.section import empty
from experiments.report.view import RunView
from experiments.report.wording import label

BYTES_AT_MOST = 4_000_000
"""Largest size of the packed results before encoding; more periods are shown as the worst of several."""
UNKNOWN = 255
LOADING_STEP = 0.01
"""Finest step of a shown loading; coarser where something is loaded above 254 %."""
VOLTAGE_LOW, VOLTAGE_STEP = 0.80, 0.0016


def picture(run: RunView, selected: int) -> str:
    """The interactive picture as HTML with its data; ``selected`` is the branch shown first."""
    nodes, branches = run.table("nodes").sort("node_index"), run.table("branches").sort("branch_index")
    if nodes.is_empty():
        return empty("There is no picture of the grid: this run wrote no nodes.")
    data = _topology(run, nodes, branches) | _results(run) | {"selected": selected, "periodHours": run.period_h}
    data |= {"clock": [str(t)[:16] for t in run.local_time[:: data["step"]]], "zone": run.time_zone}
    data |= {"announced": _moments(run, "announcements", data["step"])}
    data |= {"relieved": _moments(run, "interventions", data["step"])}
    data |= {"failed": _failures(run, data["step"]), "hasDark": _has_dark(run)}
    concerned = sorted({b for name in ("announced", "relieved") for _, b in data[name]})
    data |= {"behind": {str(b): nodes for b, nodes in _behind(run, concerned, nodes, branches).items()}}
    options = "".join(
        f'<option value="{i}">{escape(name)}</option>'
        for i, name in sorted(enumerate(data["branchTitle"]), key=lambda pair: pair[1])
    )
    worst = data["worst"]
    head = (
        '<figure class="chart grid" id="grid-picture"><figcaption><h3>The grid, moment by moment</h3><p>'
        "Strokes are cables and lines, squares transformers, dots nodes; where congestion was announced, the area "
        "behind the element is shaded. First shown: "
        f"{moment(run, worst * data['step'])}, when loading was highest. Move the slider or press play; click a "
        "line, a square or a dot, or choose a line from the list, to see it over time.</p></figcaption>"
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
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return (
        f'{head}{controls}<div class="plot" id="grid-plot" role="img" aria-label="Picture of the grid with loading of '
        f'branches and voltage at nodes" style="min-height:560px"></div>{pick}'
        '<div class="plot" id="branch-plot" role="img" aria-label="Loading of the chosen branch over time" '
        'style="min-height:280px"></div>'
        f'<script type="application/json" id="grid-data">{text}</script></figure>'
    )


def _moments(run: RunView, table: str, step: int) -> list[list[int]]:
    """Shown moment and branch of everything that a table says of a branch, each once."""
    seen = run.table(table)
    if table == "announcements":
        seen = foretold(seen)
    inside = pl.col("period").is_between(0, run.n_periods - 1) & (pl.col("branch_index") >= 0)
    moments = seen.filter(inside).select((pl.col("period") // step).alias("t"), "branch_index").unique()
    return [list(row) for row in moments.sort("t", "branch_index").iter_rows()]


def _failures(run: RunView, step: int) -> dict[str, str]:
    """What the run said of shown moments without a power flow."""
    told = run.table("events").filter(pl.col("kind") == "power_flow", pl.col("period") < run.n_periods)
    return {str(period // step): text for period, text in told.select("period", "text").iter_rows()}


def _has_dark(run: RunView) -> bool:
    """Whether a node was without voltage in a period that has a power flow."""
    low = run.matrices["voltage_min_pu"]
    has_flow = np.isfinite(run.matrices["loading_share"]).any(axis=1)
    return bool(has_flow.size and np.isnan(low[has_flow]).any() and np.isfinite(low).any())


def _behind(run: RunView, concerned: list[int], nodes: pl.DataFrame, branches: pl.DataFrame) -> dict[int, list[int]]:
    """Nodes that each of some branches feeds: the area that its congestion concerns."""
    ends = _ends(nodes, branches)
    flow = np.nan_to_num(run.matrices["loading_share"]).mean(axis=0)
    tree = feeding_tree(nodes.height, ends, flow)
    root = int(np.argmin(_levels(nodes)[1]))
    found = {}
    for branch in concerned:
        a, b = (int(end) for end in ends[branch])
        if not tree.has_edge(a, b):
            continue
        tree.remove_edge(a, b)
        reached = nx.node_connected_component(tree, a)
        found[branch] = sorted(nx.node_connected_component(tree, b) if root in reached else reached)
        tree.add_edge(a, b)
    return found


def foretold(announcements: pl.DataFrame) -> pl.DataFrame:
    """What was announced beforehand; the table also holds congestion that nobody had announced."""
    return announcements.filter(pl.col("forecast_loading_share").is_not_null())


def _topology(run: RunView, nodes: pl.DataFrame, branches: pl.DataFrame) -> dict[str, Any]:
    ends = _ends(nodes, branches)
    levels, level = _levels(nodes)
    flow = np.nan_to_num(run.matrices["loading_share"]).mean(axis=0)
    tree = by_level(feeding_tree(nodes.height, ends, flow), level)
    place = on_map(nodes["x"].to_numpy(), nodes["y"].to_numpy(), level) or tree
    return {
        "levels": levels,
        "nodeName": nodes["node"].to_list(),
        "nodeLevel": level.tolist(),
        "map": _rounded(*place, equal=True),
        "tree": _rounded(*tree, equal=False),
        "ends": ends.tolist(),
        "at": spread_of_parallels(ends).round(3).tolist(),
        "isTransformer": [int(k == "transformer") for k in branches["kind"].to_list()],
        "branchTitle": [branch_title(row) for row in branches.iter_rows(named=True)],
    }


def _ends(nodes: pl.DataFrame, branches: pl.DataFrame) -> np.ndarray:
    """Node rows at both ends of each branch, -1 = unknown."""
    index = {name: i for i, name in enumerate(nodes["node"].to_list())}
    pairs = branches.select("from_node", "to_node").iter_rows()
    return np.array([[index.get(end, -1) for end in pair] for pair in pairs]).reshape(-1, 2)


def _levels(nodes: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """Names of the voltage levels from high to low, and each node's rank among them."""
    rated = nodes.group_by("level").agg(pl.col("u_rated_v").median()).sort("u_rated_v", "level", descending=True)
    codes = rated["level"].to_list()
    rank = {code: i for i, code in enumerate(codes)}
    names = [f"{volts / 1000:.3g} kV" if volts else label(code) for code, volts in rated.iter_rows()]
    return names, np.array([rank[code] for code in nodes["level"]], dtype=np.int64)


def _rounded(*axes: np.ndarray, equal: bool) -> list[list[float]]:
    """Coordinates on a scale of 0 to 1000, the same for both axes if ``equal``."""
    spans = [float(np.ptp(v)) or 1.0 for v in axes]
    scales = [max(spans)] * len(axes) if equal else spans
    return [np.round((v - v.min()) / s * 1000, 2).tolist() for v, s in zip(axes, scales, strict=True)]


def branch_title(row: dict[str, Any]) -> str:
    """Plain title of a branch with kind, level and area."""
    where = f", {row['area']}" if row["area"] else ""
    return f"{label(row['kind'])} {row['branch']} ({label(row['level'])}{where})"


def _results(run: RunView) -> dict[str, Any]:
    grids = run.matrices
    loading, free = grids["loading_share"], grids["uncontrolled_loading_share"]
    low, high = grids["voltage_min_pu"], grids["voltage_max_pu"]
    voltage = np.where(np.abs(high - 1) > np.abs(low - 1), high, low)
    step = max(1, -(-(loading.size * 2 + voltage.size) // BYTES_AT_MOST))
    highest = max(float(np.nan_to_num(loading).max()), float(np.nan_to_num(free).max()))
    unit = max(LOADING_STEP, highest / (UNKNOWN - 1))
    worst = int(np.nanargmax(np.nanmax(np.nan_to_num(loading, nan=-1.0), axis=1)))
    return {
        "step": step,
        "worst": worst // step,
        "c": _packed(_worst_of(loading, step), 0.0, unit),
        "u": _packed(_worst_of(free, step), 0.0, unit),
        "v": _packed(1 + _worst_of(voltage - 1, step), VOLTAGE_LOW, VOLTAGE_STEP),
        "vLow": VOLTAGE_LOW,
        "vStep": VOLTAGE_STEP,
        "lStep": unit,
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
