"""Small grids and an independent three-phase solver for the grid tests."""

import networkx as nx
import numpy as np

from grid.parameters import GridParameters
from grid.topology import Grid, add_cable, add_source, add_transformer

SMALL_TOWN = GridParameters(homes=60, lv_areas=3, depots=1, dc_sites=1, business_parks=1, offices=2, shared_sites=1)
TURN = np.exp(-2j * np.pi / 3.0)


def feeder(n_nodes=3, length_m=100.0, cable="4x150 Al", u_ref=1.0):
    """A straight 400 V feeder bus - n1 - n2 … with a stiff source at ``bus``; no connections."""
    graph = nx.MultiGraph()
    graph.add_node("bus", u_rated=400.0)
    add_source(graph, "bus", u_ref)
    before = "bus"
    for i in range(1, n_nodes + 1):
        graph.add_node(f"n{i}", u_rated=400.0)
        add_cable(graph, f"c{i}", before, f"n{i}", cable, length_m)
        before = f"n{i}"
    return graph


def record(number, node, phase="L123", capacity_kw=100.0, kind="other", **more):
    return {"ean": f"e{number}", "node": node, "phase": phase, "capacity_kw": capacity_kw, "kind": kind} | more


def with_homes(graph, nodes, phase="L123"):
    """One connection per node."""
    return Grid.from_records(graph, [record(i, node, phase) for i, node in enumerate(nodes)])


def station_grid(n_nodes=4, phases=("L123", "L1", "L2", "L3")):
    """10.5 kV source, 250 kVA transformer, one feeder; connections in turn on ``phases``."""
    graph = nx.MultiGraph()
    graph.add_node("ms", u_rated=10_500.0)
    graph.add_node("bus", u_rated=400.0)
    add_source(graph, "ms", 1.0)
    add_transformer(graph, "trafo", "ms", "bus", "250 kVA 10/0.4 kV")
    before = "bus"
    for i in range(1, n_nodes + 1):
        graph.add_node(f"n{i}", u_rated=400.0)
        add_cable(graph, f"c{i}", before, f"n{i}", "4x95 Al", 60.0)
        before = f"n{i}"
    rows = [record(i, f"n{i}", phases[(i - 1) % len(phases)]) for i in range(1, n_nodes + 1)]
    return Grid.from_records(graph, rows)


def random_radial(rng, n_nodes, one_phase_share=0.5):
    """A random LV tree with one connection at every node but the source."""
    graph = nx.MultiGraph()
    graph.add_node("s", u_rated=400.0)
    add_source(graph, "s", 1.0)
    rows = []
    for i in range(1, n_nodes):
        up = "s" if i == 1 else f"n{int(rng.integers(1, i))}"
        node = f"n{i}"
        graph.add_node(node, u_rated=400.0)
        ends = (up, node) if rng.random() < 0.5 else (node, up)
        cable = ("4x150 Al", "4x95 Al", "4x50 Al")[int(rng.integers(3))]
        add_cable(graph, f"c{i}", *ends, cable, float(rng.uniform(10.0, 60.0)))
        phase = int(rng.integers(1, 4)) if rng.random() < one_phase_share else 0
        rows.append(record(i, node, phase))
    return Grid.from_records(graph, rows)


def random_meshed(rng, n_nodes, ties, one_phase_share=0.0):
    """A random LV tree with some cables more."""
    tree = random_radial(rng, n_nodes, one_phase_share)
    graph = nx.MultiGraph(tree.graph)
    for i in range(ties):
        a, b = (tree.arrays.node_ids[j] for j in rng.choice(n_nodes, 2, replace=False))
        add_cable(graph, f"tie{i}", a, b, "4x95 Al", float(rng.uniform(20.0, 90.0)))
    return Grid(graph, tree.connections)


def zbus(grid, connection_kw, iterations=200):
    """Three-phase Z-bus fixed point for grids of lines with a stiff source; phase voltages (n_nodes, 3) complex, pu.

    Each line is its 3 × 3 phase impedance (self (z0 + 2 z1) / 3, mutual (z0 - z1) / 3) with half its charging at both
    ends; loads draw constant power. Written without looking at the engine.
    """
    a = grid.arrays
    n = a.n_nodes
    base_z = 400.0**2 / 1e6
    y = np.zeros((3 * n, 3 * n), complex)
    omega = 2 * np.pi * 50.0
    eye, ones = np.eye(3), np.ones((3, 3))
    for k in range(a.n_branches):
        if not a.is_closed[k]:
            continue
        p = {name: a.branch[name][k] for name in ("r1", "x1", "c1", "r0", "x0", "c0")}
        z1, z0 = p["r1"] + 1j * p["x1"], p["r0"] + 1j * p["x0"]
        series = np.linalg.inv((z1 * eye + (z0 - z1) / 3 * ones) / base_z)
        b1, b0 = omega * p["c1"], omega * p["c0"]
        half = 0.5j * (b1 * eye + (b0 - b1) / 3 * ones) * base_z
        f, t = (slice(3 * i, 3 * i + 3) for i in (a.from_node[k], a.to_node[k]))
        y[f, f] += series + half
        y[t, t] += series + half
        y[f, t] -= series
        y[t, f] -= series
    power = np.zeros(3 * n, complex)
    for kw, node, phase in zip(connection_kw, grid.connections.node_index, grid.connections.phase, strict=True):
        share = np.full(3, kw / 3) if phase == 0 else np.eye(3)[phase - 1] * kw
        power[3 * node : 3 * node + 3] += share / (1e3 / 3)
    s = a.source_node
    slack = np.arange(3 * s, 3 * s + 3)
    rest = np.setdiff1d(np.arange(3 * n), slack)
    v_source = a.node["u_ref"][s] * np.array([1.0, TURN, TURN**2])
    z = np.linalg.inv(y[np.ix_(rest, rest)])
    no_load = -z @ y[np.ix_(rest, slack)] @ v_source
    v = no_load.copy()
    for _ in range(iterations):
        new = no_load - z @ np.conj(power[rest] / v)
        if np.max(np.abs(new - v)) < 1e-13:
            break
        v = new
    full = np.zeros(3 * n, complex)
    full[rest], full[slack] = v, v_source
    return full.reshape(n, 3)
