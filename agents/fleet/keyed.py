"""Random numbers addressed by key instead of drawn in order.

Every draw is a pure function of (seed, purpose, EV, day, slot), computed with the counter-based generator
Philox4x32-10 (Salmon et al., SC 2011). Adding an EV, a day or a purpose therefore leaves every other draw unchanged,
and a draw costs the same wherever it lies.
"""

from __future__ import annotations

import zlib

import numpy as np
from scipy.special import ndtri

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)


def purpose_key(seed: int, purpose: str) -> tuple[int, int]:
    """Two 32-bit words for one purpose, from numpy's SeedSequence with the purpose's checksum as spawn key."""
    words = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),)).generate_state(2)
    return int(words[0]), int(words[1])


def philox(counter: tuple[np.ndarray, ...], key: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Philox4x32-10 on whole arrays.

    Parameters
    ----------
    counter : four uint64 arrays that broadcast
        32-bit counter words.
    key : two ints
        32-bit key words.

    Returns
    -------
    four uint64 arrays
        32 random bits each.
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    k0, k1 = key
    for _ in range(10):
        low, high = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (high >> _SHIFT) ^ c1 ^ np.uint64(k0),
            high & _MASK,
            (low >> _SHIFT) ^ c3 ^ np.uint64(k1),
            low & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniforms(seed: int, purpose: str, uid: np.ndarray, day: np.ndarray | int = 0, slot: int = 0) -> np.ndarray:
    """Four uniforms in (0, 1) per address.

    Parameters
    ----------
    seed : int
        Seed of the run.
    purpose : str
        What the draws are for; each purpose is its own stream.
    uid : uint64 array
        Identities of the EVs.
    day : int array or int
        Calendar day number, so that a date keeps its draws whatever the first day of the horizon is.
    slot : int
        Which block of four.

    Returns
    -------
    float array, shape (4, *broadcast shape)
    """
    uid = np.asarray(uid, dtype=np.uint64)
    when = np.asarray(day, dtype=np.int64).astype(np.uint64) & _MASK
    words = philox((uid & _MASK, uid >> _SHIFT, when, np.asarray(slot, dtype=np.uint64)), purpose_key(seed, purpose))
    return (np.stack(words).astype(np.float64) + 0.5) / 2.0**32


def normals(seed: int, purpose: str, uid: np.ndarray, day: np.ndarray | int = 0, slot: int = 0) -> np.ndarray:
    """Four standard normal draws per address; arguments as in :func:`uniforms`."""
    return ndtri(uniforms(seed, purpose, uid, day, slot))
