"""What contracted reserve obliges to: aFRR must be bid, FCR must be there; who falls short pays.

Contracts for aFRR are bid obligations per direction (market-rules 4.3). FCR is judged per period by the corridor and
the slope of its delivery against the frequency (market-rules 4.2, FCR handbook). The penalty is a multiple of what the
contract pays for the period: 20 for a lack of FCR response, 5 for capacity that is not available.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.column_log import ColumnLog
from markets import balancing
from markets.balancing import CapacityAward, CapacityBids, EnergyBids

LACK_OF_RESPONSE, NOT_AVAILABLE = 20.0, 5.0
"""Penalty factors of the FCR handbook; the second is used for missing aFRR bids too (assumption)."""
PRODUCTS = {0: "fcr", 1: "afrr_up", -1: "afrr_down"}


@dataclass
class DutyLog(ColumnLog):
    """Periods in which contracted reserve was missing, as columns; see table ``reserve_shortfalls``."""

    period: list[int] = field(default_factory=list)
    provider: list[str] = field(default_factory=list)
    product: list[str] = field(default_factory=list)
    contracted_mw: list[float] = field(default_factory=list)
    missing_mw: list[float] = field(default_factory=list)
    penalty_eur: list[float] = field(default_factory=list)


class ReserveDuty:
    """Contracts of every provider per period, and the check of what was held.

    Parameters
    ----------
    parties : list of str
        Providers by number.
    n_periods : int
        Length of the run.
    """

    def __init__(self, parties: list[str], n_periods: int) -> None:
        self.parties = parties
        self.contracted_mw = {p: np.zeros((len(parties), n_periods)) for p in PRODUCTS}
        self.price_eur_per_mw_h = {p: np.zeros(n_periods) for p in PRODUCTS}
        self.log = DutyLog()

    def note_award(self, award: CapacityAward, bids: CapacityBids, block_of: np.ndarray, first: int) -> None:
        """Keep the contracts of a day.

        Parameters
        ----------
        block_of : int array, shape (n_periods of the day,)
            Block of every period of the day.
        first : int
            First period of the day.
        """
        day = slice(first, first + len(block_of))
        for i, product in enumerate(award.directions):
            mw = np.zeros((len(self.parties), award.price_eur_per_mw.shape[1]))
            mine = bids.direction == product
            np.add.at(mw, (bids.owner[mine], bids.block[mine]), award.awarded_mw[mine])
            self.contracted_mw[product][:, day] = mw[:, block_of]
            self.price_eur_per_mw_h[product][day] = np.nan_to_num(award.price_eur_per_mw[i] / 4.0)[block_of]

    def check_bids(self, period: int, admitted: EnergyBids) -> list[tuple[int, float]]:
        """Penalise contracted aFRR that was not bid; gives provider and EUR of each."""
        found = []
        for product, is_up in ((1, True), (-1, False)):
            mw = self.contracted_mw[product][:, period]
            contracted = {int(owner): float(mw[owner]) for owner in np.flatnonzero(mw > 0.0)}
            if not contracted:
                continue
            here = int(admitted.period[0]) if len(admitted) else 0
            missing = balancing.missing_obligation_mw(admitted, contracted, period=here, is_up=is_up)
            for owner, short in sorted(missing.items()):
                found.append((owner, self._penalise(period, owner, product, short, NOT_AVAILABLE)))
        return found

    def check_fcr(
        self, period: int, owner: int, frequency_hz: np.ndarray, room_up_mw: float, room_down_mw: float
    ) -> list[tuple[int, float]]:
        """Judge one provider's FCR of a period, delivered as far as its room in each direction goes.

        Parameters
        ----------
        frequency_hz : float array, shape (225,)
            Frequency every four seconds.
        room_up_mw, room_down_mw : float
            How far the provider could go up (use less) and down from what it did anyway.
        """
        capacity = float(self.contracted_mw[0][owner, period])
        if capacity <= 0.0:
            return []
        wanted = balancing.fcr_response_mw(frequency_hz, capacity)
        delivered = np.clip(wanted, -room_down_mw, room_up_mw)
        if balancing.verify_fcr(frequency_hz, delivered, capacity, before_hz=float(frequency_hz[0])).is_adequate.all():
            return []
        short = max(capacity - min(room_up_mw, room_down_mw), 0.0)
        return [(owner, self._penalise(period, owner, 0, short, LACK_OF_RESPONSE))]

    def _penalise(self, period: int, owner: int, product: int, missing_mw: float, factor: float) -> float:
        eur = factor * missing_mw * 0.25 * float(self.price_eur_per_mw_h[product][period])
        contracted_mw = float(self.contracted_mw[product][owner, period])
        self.log.note(period, self.parties[owner], PRODUCTS[product], contracted_mw, missing_mw, eur)
        return eur
