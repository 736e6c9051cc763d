"""Capacity offers for FCR and aFRR from everybody but the simulated pool: batteries, plants and large consumers.

Price levels are assumptions (market-rules section 8: FCR 8-20, aFRR 10-40 EUR/MW/h per direction, from memory at
50 %); the ladder is steeper than the demand needs, so that a pool can displace its upper end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FCR_LADDER = tuple((10.0, 7.0 + 0.7 * k) for k in range(22))
AFRR_LADDER = tuple((25.0, 8.0 + 1.3 * k) for k in range(28))
DAY_SPREAD_SHARE = 0.25


@dataclass(frozen=True)
class ReserveOffers:
    """Offers of one day, arrays of one length: block, direction (0 symmetric, 1 up, -1 down), MW, EUR/MW/h."""

    block: np.ndarray
    direction: np.ndarray
    quantity_mw: np.ndarray
    price_eur_per_mw_h: np.ndarray


def reserve_offers(rng: np.random.Generator, products: tuple[int, ...], n_blocks: int = 6) -> ReserveOffers:
    """Draw the offers of one day.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws how dear capacity is on the day and in each block.
    products : tuple of int
        ``(0,)`` for FCR, ``(1, -1)`` for aFRR.
    n_blocks : int
        Product periods of the day.
    """
    rows = []
    for direction in products:
        ladder = np.array(FCR_LADDER if direction == 0 else AFRR_LADDER)
        level = np.exp(DAY_SPREAD_SHARE * rng.standard_normal(n_blocks))
        for block in range(n_blocks):
            price = np.round(ladder[:, 1] * level[block], 2)
            ones = np.ones(len(ladder))
            rows.append(np.stack([block * ones, direction * ones, ladder[:, 0], price]))
    block, way, mw, price = np.concatenate(rows, axis=1)
    return ReserveOffers(block.astype(np.int64), way.astype(np.int64), mw, price)
