"""The generated town: size, levels, rings, seeds, phases, and every fault of its parameters."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.attributes import LEVELS
from grid.ean import is_valid_ean
from grid.generator import dutch_town
from grid.parameters import ONE_PHASE_KW, THREE_PHASE_KW, GridParameters
from grid.power_flow import PowerFlow
from tests.grid_cases import SMALL_TOWN


def test_the_default_town():
    town = dutch_town()
    table = town.connections
    assert table.kind.count("home") == 6400 and 900 <= town.arrays.n_nodes <= 1100
    assert set(town.arrays.level) == set(LEVELS)
    assert table.kind.count("depot") == 2 and table.kind.count("dc_site") == 3 and table.kind.count("office") == 12
    share = (table.phase[table.rows_of_kind("home")] > 0).mean()
    assert share == pytest.approx(0.55, abs=0.03)
    # without EVs, at 0.8 kW a home, nothing is overloaded
    state = PowerFlow(town).solve(np.where(np.array(table.kind) == "home", 0.8, 0.0), 0.98)
    assert state.loading_share.max() < 1.0 and state.voltage_pu.min() > 0.95


@settings(max_examples=10)
@given(
    seed=st.integers(0, 1000),
    homes=st.integers(12, 150),
    areas=st.integers(2, 6),
    is_urban=st.booleans(),
    sites=st.integers(0, 2),
)
def test_any_town_is_whole(seed, homes, areas, is_urban, sites):
    parameters = GridParameters(
        homes=homes,
        lv_areas=areas,
        is_urban=is_urban,
        depots=sites,
        dc_sites=sites,
        offices=sites,
        business_parks=sites,
    )
    town = dutch_town(parameters, np.random.default_rng(seed))
    table, arrays = town.connections, town.arrays
    assert table.kind.count("home") == homes and table.kind.count("office") == sites
    assert len(set(table.ean)) == len(table) and all(map(is_valid_ean, table.ean))
    assert arrays.is_energised.all() and PowerFlow(town).linear.is_radial
    assert not nx.is_tree(nx.Graph(town.graph))  # rings are there, open
    kw = np.minimum(table.capacity_kw, 2.0)
    state = PowerFlow(town).solve(kw)
    assert state.source_kw == pytest.approx(kw.sum() + state.losses_kw, rel=1e-6)


def test_the_same_seed_gives_the_same_town():
    one, two, other = (dutch_town(SMALL_TOWN, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.arrays.topology_hash == two.arrays.topology_hash != other.arrays.topology_hash
    assert np.array_equal(one.connections.phase, two.connections.phase)


@pytest.mark.parametrize(("policy", "shares"), [("round_robin", (1, 1, 1)), ("l1_biased", (1.8, 0.6, 0.6))])
def test_phase_policies(policy, shares):
    town = dutch_town(GridParameters(homes=900, lv_areas=2, phase_policy=policy), np.random.default_rng(0))
    table = town.connections
    homes = table.rows_of_kind("home")
    single = table.phase[homes][table.phase[homes] > 0]
    count = np.bincount(single, minlength=4)[1:]
    tolerance = 0.12 if policy == "l1_biased" else 0.25
    assert count / count.mean() == pytest.approx(shares, abs=tolerance)
    sizes = table.capacity_kw[homes]
    assert np.array_equal(sizes, np.where(table.phase[homes] > 0, ONE_PHASE_KW, THREE_PHASE_KW))


def test_rural_cables_are_longer():
    def street_metres(is_urban):
        town = dutch_town(GridParameters(homes=300, lv_areas=2, is_urban=is_urban), np.random.default_rng(0))
        return sum(data["length_m"] for *_, key, data in town.graph.edges(keys=True, data=True) if "kabel" in key)

    assert street_metres(True) == pytest.approx(300 * 7.0, rel=0.1)
    assert street_metres(False) == pytest.approx(300 * 18.0, rel=0.1)


def test_all_faults_of_parameters_at_once():
    dice: Any = "dice"
    with pytest.raises(ValueError) as caught:
        GridParameters(homes=3, lv_areas=5, phase_policy=dice, one_phase_home_share=1.5, depots=-1)
    text = str(caught.value)
    for part in ("homes = 3", "phase_policy = 'dice'", "one_phase_home_share = 1.5", "depots = -1"):
        assert part in text
