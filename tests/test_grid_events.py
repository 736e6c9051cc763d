"""Outages, re-supply from the ring, islands and protection on generated and hand-made grids."""

import numpy as np
import pytest

from grid.events import (
    ProtectionRule,
    dark_connections,
    dark_nodes,
    island,
    outage,
    protection_step,
    resupply,
    with_status,
)
from grid.generator import dutch_town
from grid.parameters import GridParameters
from grid.power_flow import PowerFlow
from tests.grid_cases import feeder, station_grid, with_homes

TOWN = dutch_town(
    GridParameters(homes=120, lv_areas=6, stations_per_ring=5, depots=1, dc_sites=1, business_parks=1, offices=2),
    np.random.default_rng(1),
)


def open_points(grid):
    return [key for *_, key, data in grid.graph.edges(keys=True, data=True) if data.get("is_normally_open")]


def test_a_town_is_radial_with_an_open_point_in_every_ring():
    assert len(open_points(TOWN)) == 2
    assert dark_nodes(TOWN) == ()
    assert PowerFlow(TOWN).linear.is_radial


@pytest.mark.parametrize("failed", ["ring-1-01", "ring-1-02", "ring-2-01", "ring-2-05"])
def test_the_ring_supplies_again_after_a_cable_fails(failed):
    broken = outage(TOWN, [failed])
    rows = dark_connections(broken)
    kw = np.full(len(TOWN.connections), 1.0)
    again, closed = resupply(broken, [failed])
    if failed in open_points(TOWN):
        assert len(rows) == 0 and closed == ()
        return
    assert len(rows) > 0 and set(closed) <= set(open_points(TOWN)) and len(closed) == 1
    dark_state, lit_state = PowerFlow(broken).solve(kw), PowerFlow(again).solve(kw)
    assert dark_state.served_kw == pytest.approx(kw.sum() - len(rows))
    assert lit_state.served_kw == pytest.approx(kw.sum())
    assert dark_nodes(again) == () and PowerFlow(again).linear.is_radial
    assert lit_state.energy_gap_kw == pytest.approx(0.0, abs=1e-3)
    assert lit_state.loading_share[again.arrays.branch_index[failed]] == 0.0


def test_the_other_transformer_takes_over():
    kw = np.full(len(TOWN.connections), 4.0)
    one, both = outage(TOWN, ["onderstation-1"]), outage(TOWN, ["onderstation-1", "onderstation-2"])
    before, after = PowerFlow(TOWN).solve(kw), PowerFlow(one).solve(kw)
    second = TOWN.arrays.branch_index["onderstation-2"]
    assert dark_nodes(one) == ()
    assert 1.8 < after.branch_kw[second] / before.branch_kw[second] < 2.0  # twice, but one iron loss less
    assert len(dark_connections(both)) == len(TOWN.connections)
    state = PowerFlow(both).solve(kw)
    assert state.has_converged and state.served_kw == 0.0
    assert resupply(both, ["onderstation-1"])[1] == ("onderstation-2",)


def test_a_station_without_a_second_way_stays_dark():
    grid = outage(station_grid(), ["trafo"])
    again, closed = resupply(grid, ["trafo"])
    assert again is grid and closed == ()
    assert set(dark_nodes(grid)) == {"bus", "n1", "n2", "n3", "n4"}


def test_status_changes_leave_the_old_grid_alone():
    opened = with_status(TOWN, {"ring-1-01": False})
    assert opened.arrays.topology_hash != TOWN.arrays.topology_hash
    assert TOWN.arrays.is_closed[TOWN.arrays.branch_index["ring-1-01"]]
    back = with_status(opened, {"ring-1-01": True})
    assert back.arrays.topology_hash == TOWN.arrays.topology_hash
    with pytest.raises(ValueError, match="branches nothing are not in Dutch town"):
        outage(TOWN, ["nothing"])


def test_an_island_feeds_itself():
    area = "a03"
    cut = island(TOWN, f"trafo-{area}", f"ls-{area}", u_ref=1.01)
    table = TOWN.connections
    expected = [i for i, node in enumerate(table.node_index) if TOWN.arrays.node_ids[node].startswith(f"ls-{area}")]
    assert cut.connection_rows.tolist() == expected
    assert cut.grid.connections.ean == tuple(table.ean[i] for i in expected)
    assert dark_connections(cut.rest).tolist() == expected
    kw = np.random.default_rng(0).uniform(0, 2, len(table))
    inside, outside = PowerFlow(cut.grid).solve(kw[expected]), PowerFlow(cut.rest).solve(kw)
    assert inside.voltage_pu[cut.grid.arrays.source_node] == pytest.approx(1.01)
    assert inside.served_kw + outside.served_kw == pytest.approx(kw.sum())
    assert inside.source_kw == pytest.approx(kw[expected].sum() + inside.losses_kw, abs=1e-5)


def test_an_island_needs_a_source_of_its_own_inside():
    with pytest.raises(ValueError, match="opening trafo-a03 does not cut ms-bus off"):
        island(TOWN, "trafo-a03", "ms-bus")
    graph = feeder(2)
    cut = island(with_homes(graph, ["n1", "n2"]), "c1", "n2")
    assert set(cut.grid.graph) == {"n1", "n2"} and cut.grid.arrays.node_ids[cut.grid.arrays.source_node] == "n2"


def test_time_to_trip_by_hand():
    rule = ProtectionRule()
    # 180 min * (1.6^2 - 1.25^2) / (2.5^2 - 1.25^2) = 180 * 0.9975 / 4.6875 = 38.3 min
    assert rule.minutes_to_trip(np.array([1.6, 2.5])) == pytest.approx([180.0, 38.304])
    assert np.isinf(rule.minutes_to_trip(np.array([1.25, 0.3, np.nan]))).all()
    with pytest.raises(ValueError, match="pickup_share"):
        ProtectionRule(pickup_share=2.0)


def test_protection_trips_when_nobody_relieves():
    rule, wear, tripped_at = ProtectionRule(), np.zeros(4), [-1] * 4
    for step in range(20):
        share = np.array([1.6, 2.5, 1.2, 2.5 if step % 3 else 0.9])
        wear, trips = protection_step(wear, share, 15.0, rule)
        for branch in np.flatnonzero(trips):
            tripped_at[branch] = step if tripped_at[branch] < 0 else tripped_at[branch]
    assert tripped_at == [11, 2, -1, -1]  # 12 quarters, 3 quarters, never, relieved in time
    kept, _ = protection_step(np.array([0.4]), np.array([np.nan]), 15.0, rule)
    assert kept == 0.4


def test_an_overload_that_is_not_relieved_takes_the_street_down():
    grid = station_grid(1, phases=("L1",))
    kw, wear = np.array([130.0]), np.zeros(grid.arrays.n_branches)
    dark_from = None
    for step in range(40):
        state = PowerFlow(grid).solve(kw)
        wear, trips = protection_step(wear, state.loading_share, 15.0, ProtectionRule())
        if trips.any():
            grid = outage(grid, [grid.arrays.branch_ids[i] for i in np.flatnonzero(trips)])
            dark_from = step + 1
            break
    assert dark_from is not None and dark_connections(grid).tolist() == [0]
    assert PowerFlow(grid).solve(kw).served_kw == 0.0
