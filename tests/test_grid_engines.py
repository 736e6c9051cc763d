"""Three-phase results against pandapower's own three-phase power flow, an engine written independently of ours."""

import numpy as np
import pytest

from grid.files import grid_to_json, read_grid
from grid.importers import from_pandapower
from grid.power_flow import PowerFlow
from tests.grid_cases import zbus

A = np.exp(2j * np.pi / 3.0)
EXTRA = "needs the extra: pip install flexpolder[simbench]"


def street(pandapower, rng, n_nodes, *, with_transformer):
    """A branched 400 V street with one-phase loads up to 14 kW; fed by a stiff source or a 250 kVA Dyn5 transformer."""
    net = pandapower.create_empty_network(sn_mva=0.1)
    feed_kv = 10.5 if with_transformer else 0.4
    source = pandapower.create_bus(net, feed_kv)
    pandapower.create_ext_grid(
        net, source, vm_pu=1.02, s_sc_max_mva=1e8, rx_max=0.1, s_sc_min_mva=1e8, rx_min=0.1, r0x0_max=0.1, x0x_max=1.0
    )
    before = source
    if with_transformer:
        before = pandapower.create_bus(net, 0.4)
        pandapower.create_transformer_from_parameters(
            net, source, before, sn_mva=0.25, vn_hv_kv=10.5, vn_lv_kv=0.4, vkr_percent=1.2, vk_percent=4.0, pfe_kw=0.0,
            i0_percent=0.0, shift_degree=150.0, vector_group="Dyn", vk0_percent=4.0, vkr0_percent=1.2,
            mag0_percent=1e5, mag0_rx=0.0, si0_hv_partial=0.9,
        )  # fmt: skip
    buses = [before]
    for _ in range(n_nodes):
        up = buses[int(rng.integers(max(len(buses) - 3, 0), len(buses)))]
        buses.append(pandapower.create_bus(net, 0.4))
        pandapower.create_line_from_parameters(
            net, up, buses[-1], length_km=float(rng.uniform(0.02, 0.06)), r_ohm_per_km=0.206, x_ohm_per_km=0.079,
            c_nf_per_km=500.0, max_i_ka=0.275, r0_ohm_per_km=0.827, x0_ohm_per_km=0.386, c0_nf_per_km=300.0,
        )  # fmt: skip
        mw = rng.uniform(4e-3, 14e-3, 3) * (rng.random(3) < 0.6)
        pandapower.create_asymmetric_load(
            net, buses[-1], p_a_mw=mw[0], p_b_mw=mw[1], p_c_mw=mw[2],
            q_a_mvar=0.2 * mw[0], q_b_mvar=0.2 * mw[1], q_c_mvar=0.2 * mw[2],
        )  # fmt: skip
    return net


@pytest.mark.parametrize(("seed", "with_transformer"), [(1, False), (2, False), (3, True), (4, True)])
def test_voltages_currents_and_unbalance_are_those_of_pandapower(seed, with_transformer, tmp_path):
    pandapower = pytest.importorskip("pandapower", reason=EXTRA)
    net = street(pandapower, np.random.default_rng(seed), 12, with_transformer=with_transformer)
    pandapower.runpp_3ph(net, tolerance_mva=1e-10, max_iteration=100)
    assert net.res_bus_3ph[["vm_a_pu", "vm_b_pu", "vm_c_pu"]].min().min() < 0.965  # loaded enough to mean something
    imported = from_pandapower(net)
    flow = PowerFlow(imported.grid)
    state = flow.solve(imported.connection_kw, connection_kvar=imported.connection_kvar)
    node = imported.grid.arrays.node_index
    exact = 1e-5 if with_transformer else 1e-7  # pandapower keeps a finite magnetising impedance in the zero sequence
    for bus, row in net.res_bus_3ph.iterrows():
        expected = row[["vm_a_pu", "vm_b_pu", "vm_c_pu"]].to_numpy(float)
        assert state.voltage_pu[node[f"bus-{bus}"]] == pytest.approx(expected, abs=exact), bus
        unbalance = row["unbalance_percent"] / 100.0
        assert state.vuf_share[node[f"bus-{bus}"]] == pytest.approx(unbalance, abs=2.0 * exact), bus
    for line, row in net.res_line_3ph.iterrows():
        share = state.loading_share[imported.grid.arrays.branch_index[f"line-{line}"]]
        assert 100.0 * share == pytest.approx(row["loading_percent"], abs=1e-3), line
    if with_transformer:
        share = state.loading_share[imported.grid.arrays.branch_index["trafo-0"]]
        phases = net.res_trafo_3ph.loc[0, ["loading_a_percent", "loading_b_percent", "loading_c_percent"]]
        assert 100.0 * share == pytest.approx(float(phases.max()), abs=0.01)
    else:
        phasors = zbus_of(imported)
        assert np.abs(phasors) == pytest.approx(state.voltage_pu, abs=1e-8)
        positive, negative = (np.abs(phasors @ np.array([1.0, turn, turn**2])) for turn in (A, A**2))
        assert state.vuf_share == pytest.approx(negative / positive, abs=1e-8)
    path = tmp_path / "street.json"
    path.write_text(grid_to_json(imported.grid))
    again = PowerFlow(read_grid(path)).solve(imported.connection_kw, connection_kvar=imported.connection_kvar)
    assert np.array_equal(again.voltage_pu, state.voltage_pu) and np.array_equal(again.branch_kw, state.branch_kw)
    assert (again.losses_kw, again.source_kw) == (state.losses_kw, state.source_kw)


def zbus_of(imported):
    """The oracle draws active power; reactive power goes in as a second, imaginary part of every connection."""
    return zbus(imported.grid, imported.connection_kw + 1j * imported.connection_kvar)
