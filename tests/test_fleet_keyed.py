"""The counter-based generator against its published vectors, and what keyed draws promise."""

import numpy as np
from scipy import stats

from agents.fleet.keyed import philox, purpose_key, uniforms

FULL = 0xFFFFFFFF


def test_philox_reproduces_the_published_vectors():
    zero = [hex(int(w)) for w in philox((np.array(0, np.uint64),) * 4, (0, 0))]
    ones = [hex(int(w)) for w in philox((np.array(FULL, np.uint64),) * 4, (FULL, FULL))]
    assert zero == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    assert ones == ["0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]


def test_a_draw_depends_on_its_own_address_only():
    few = uniforms(7, "arrivals", np.arange(5, dtype=np.uint64), 739000)
    many = uniforms(7, "arrivals", np.arange(500, dtype=np.uint64), 739000)
    np.testing.assert_array_equal(few, many[:, :5])


def test_purpose_seed_day_and_slot_are_separate_streams():
    uid = np.arange(4000, dtype=np.uint64)
    base = uniforms(7, "arrivals", uid, 1)[0]
    others = [uniforms(8, "arrivals", uid, 1), uniforms(7, "energy", uid, 1), uniforms(7, "arrivals", uid, 2)]
    others.append(uniforms(7, "arrivals", uid, 1, slot=1))
    for other in others:
        assert abs(np.corrcoef(base, other[0])[0, 1]) < 0.06
        assert not np.any(base == other[0])
    assert purpose_key(7, "arrivals") != purpose_key(7, "energy")


def test_draws_are_uniform():
    u = uniforms(3, "x", np.arange(20000, dtype=np.uint64)).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert u.min() > 0.0 and u.max() < 1.0
