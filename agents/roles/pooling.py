"""Offers of several aggregators as one pool, and orders for the pool shared out among them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from agents.messages import BalancingOffer, CongestionOffer, ReserveOffer


def merged_congestion(offers: Sequence[CongestionOffer]) -> CongestionOffer:
    """Offers for the same periods as one: powers of a connection add up, and nobody sells below its own price."""
    if len(offers) == 1:
        return offers[0]
    rows = np.unique(np.concatenate([o.connection_row for o in offers]))
    power = {name: np.zeros((len(rows), offers[0].prognosis_kw.shape[1])) for name in _POWERS}
    for offer in offers:
        at = np.searchsorted(rows, offer.connection_row)
        for name, total in power.items():
            total[at] += getattr(offer, name)
    return CongestionOffer(
        offers[0].first_period,
        rows,
        **power,
        price_eur_per_mwh=np.max([o.price_eur_per_mwh for o in offers], axis=0),
        increase_eur_per_mwh=np.min([o.increase_eur_per_mwh for o in offers], axis=0),
    )


_POWERS = ("prognosis_kw", "reducible_kw", "increasable_kw")


def shares_of_change(
    offers: Mapping[str, CongestionOffer], first: int, rows: np.ndarray, change_kw: np.ndarray
) -> dict[str, np.ndarray]:
    """Each aggregator's part of an accepted change, float[n_rows, n] by party: as it offered at each connection.

    Where nobody offered anything, nobody is asked; with one aggregator all of it is its own.
    """
    if len(offers) <= 1:
        return {next(iter(offers), ""): change_kw}
    weight = {party: room_of(offer, first, rows, change_kw) for party, offer in offers.items()}
    total = np.sum(list(weight.values()), axis=0)
    return {party: change_kw * w / np.where(total > 0.0, total, 1.0) for party, w in weight.items()}


def room_of(offer: CongestionOffer, first: int, rows: np.ndarray, change_kw: np.ndarray) -> np.ndarray:
    """Power that was offered in the direction of a change, float[n_rows, n]."""
    n = offer.prognosis_kw.shape[1]
    at = np.clip(np.arange(first, first + change_kw.shape[1]) - offer.first_period, 0, n - 1)
    place = np.minimum(np.searchsorted(offer.connection_row, rows), len(offer.connection_row) - 1)
    is_there = offer.connection_row[place] == rows
    less, more = (getattr(offer, name)[place][:, at] for name in ("reducible_kw", "increasable_kw"))
    return np.where(is_there[:, None], np.where(change_kw < 0.0, less, more), 0.0)


def shares_of_limit(
    offers: Mapping[str, CongestionOffer], first: int, rows: np.ndarray, n: int
) -> dict[str, np.ndarray]:
    """Each aggregator's part of a limit on connections, float[n] by party: as it expects to draw there."""
    if len(offers) <= 1:
        return {next(iter(offers), ""): np.ones(n)}
    expected = {}
    for party, offer in offers.items():
        at = np.clip(np.arange(first, first + n) - offer.first_period, 0, offer.prognosis_kw.shape[1] - 1)
        expected[party] = offer.prognosis_kw[np.isin(offer.connection_row, rows)][:, at].sum(axis=0)
    total = np.sum(list(expected.values()), axis=0)
    alike = 1.0 / len(offers)
    return {p: np.where(total > 0.0, e / np.where(total > 0.0, total, 1.0), alike) for p, e in expected.items()}


def merged_balancing(offers: Sequence[BalancingOffer]) -> BalancingOffer:
    """Offers for the same periods as one: powers add up; the pool asks what its dearest member asks."""
    if len(offers) == 1:
        return offers[0]
    return replace(
        offers[0],
        connection_row=np.unique(np.concatenate([o.connection_row for o in offers])),
        up_mw=np.sum([o.up_mw for o in offers], axis=0),
        down_mw=np.sum([o.down_mw for o in offers], axis=0),
        up_eur_per_mwh=np.max([o.up_eur_per_mwh for o in offers], axis=0),
        down_eur_per_mwh=np.min([o.down_eur_per_mwh for o in offers], axis=0),
    )


def merged_reserve(offers: Sequence[ReserveOffer]) -> ReserveOffer | None:
    """Newest reserve offers of all aggregators as one; those for another day than the newest are left out."""
    if len(offers) <= 1:
        return offers[0] if offers else None
    newest = max(o.first_period for o in offers)
    same = [o for o in offers if o.first_period == newest]
    return replace(
        same[0],
        connection_row=np.unique(np.concatenate([o.connection_row for o in same])),
        up_mw=np.sum([o.up_mw for o in same], axis=0),
        down_mw=np.sum([o.down_mw for o in same], axis=0),
    )


def parts(weight: Mapping[str, float]) -> dict[str, float]:
    """Shares that add up to one; alike where nobody weighs anything. Where nobody spoke yet, everybody is meant."""
    if len(weight) <= 1:
        return {next(iter(weight), ""): 1.0}
    total = sum(weight.values())
    return {party: w / total if total > 0.0 else 1.0 / len(weight) for party, w in weight.items()}
