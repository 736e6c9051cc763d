"""Which blocks to accept: the choice of highest welfare under which no accepted block loses.

The curve orders of a market time unit enter through two functions: their welfare ``W(n)`` when blocks bring ``n`` MW
to the market, and their gain ``C(p)`` at price ``p``. Prices clear the market and accepted blocks do not lose exactly
when welfare equals the sum of all gains (strong duality; Madani and Van Vyve, EJOR 242 (2015) 210-219), which with
tangents to ``W`` and ``C`` is one mixed-integer linear program in HiGHS. Tangents that are missing make the program too
optimistic, never too strict. Each solution is therefore cleared and priced exactly; tangents are added where it stands,
or the choice is cut off, until the best exact solution is within the gap of the program's bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from markets.day_ahead.admission import AuctionTerms
from markets.day_ahead.crossing import TOLERANCE_MW, Book, Interval, cross, curve_surplus
from markets.day_ahead.families import BlockLimits, BlockSearch, BlockTable
from markets.day_ahead.pricing import choose_ticks, conditions_of
from markets.day_ahead.program import VOLUME_BONUS_EUR, BlockProgram, Proposal, Tangents

_FEW_TANGENTS = 24  # prices per MTU that are in the program from the start
_PARTIAL_TOLERANCE_MW = 1e-6  # accuracy of a partly accepted block's share, as power
_MOST_REFINEMENTS = 50  # programs for the shares of one choice
_GROWTH_TIME_SHARE = 0.25  # of the time limit, for the choice to start from


@dataclass(frozen=True)
class Selection:
    """Accepted blocks with exact prices: shares, price intervals, chosen prices in ticks and welfare.

    ``score_eur`` is the welfare with the trifle by which more block volume is preferred at equal welfare.
    """

    share: np.ndarray
    interval: Interval
    ticks: np.ndarray
    welfare_eur: float
    score_eur: float


@dataclass
class _Search:
    """The state of one search."""

    book: Book
    table: BlockTable
    terms: AuctionTerms
    base: Selection
    best: Selection
    ends_s: float
    tried: set[bytes] = field(default_factory=set)

    @property
    def left_s(self) -> float:
        """Time that is left."""
        return self.ends_s - time.perf_counter()

    def offer(self, share: np.ndarray) -> Selection | None:
        """Price a choice exactly and keep it if it is the best so far."""
        exact = evaluate(self.book, self.table, share, self.terms)
        if exact is not None and exact.score_eur > self.best.score_eur:
            self.best = exact
        return exact


def select_blocks(
    book: Book, table: BlockTable, terms: AuctionTerms, limits: BlockLimits
) -> tuple[Selection, BlockSearch]:
    """Choose the blocks.

    Parameters
    ----------
    book : Book
        Admitted curve orders.
    table : BlockTable
        Admitted blocks, at least one.
    terms : AuctionTerms
        What holds.
    limits : BlockLimits
        Time in all (a program that is running when it ends is stopped, a pricing is not), and the difference in welfare
        that counts as none.

    Returns
    -------
    Selection, BlockSearch
        The choice with its prices, and how it was found.
    """
    nothing = evaluate(book, table, np.zeros(len(table)), terms)
    assert nothing is not None
    search = _Search(book, table, terms, nothing, nothing, time.perf_counter() + limits.time_s)
    _grow(search, nothing, _GROWTH_TIME_SHARE * limits.time_s)
    program = BlockProgram(table, _touched(table), *_price_box(search), _supply_box(search), terms)
    program.add(_tangents(search, program.mtu, _first_ticks(search, program)))
    bound, n_rounds = _first_choices(search, program, limits)
    while search.left_s > 0.0 and bound > search.best.score_eur + limits.gap_eur:
        found = program.solve(search.left_s)
        n_rounds += 1
        bound = min(bound, nothing.welfare_eur + found.bound_eur)
        if found.share is None:
            break
        _learn(search, program, found)
    gap = max(bound - search.best.score_eur, 0.0)
    return search.best, BlockSearch(bool(gap <= limits.gap_eur), float(gap), n_rounds, limits)


def evaluate(book: Book, table: BlockTable, share: np.ndarray, terms: AuctionTerms) -> Selection | None:
    """Clear and price exactly around given shares; None when the market or an accepted block cannot have it."""
    supply = table.net_supply_mw(share)
    is_partial = ((share > 0.0) & (share < 1.0)).any()
    limits = (terms.tick_min, terms.tick_max)
    interval = cross(book, supply, limits, _PARTIAL_TOLERANCE_MW if is_partial else TOLERANCE_MW)
    if not interval.is_feasible.all():
        return None
    ticks = choose_ticks(conditions_of(table, share, terms), interval)
    if ticks is None:
        return None
    exact = np.where(interval.low_tick == interval.high_tick, interval.low_tick, ticks)
    gain, _, _ = curve_surplus(book, np.arange(terms.n_mtu), exact)
    curves = np.sum(gain + exact * supply) * terms.tick_eur_per_mwh * terms.mtu_h
    welfare = float(curves + np.sum(table.worth_eur * share))
    bonus = VOLUME_BONUS_EUR * float(np.sum(table.energy_mwh * share) / np.sum(table.energy_mwh))
    return Selection(share, interval, ticks, welfare, welfare + bonus)


def _grow(search: _Search, start: Selection, time_s: float) -> None:
    """Improve a choice: accept the block that misses most at the prices, as long as that is possible and adds welfare.

    A block is tried once with all below it that gain, whole and at its smallest share. A block whose exclusive group
    is used up takes the place of the others.
    """
    table, current, is_tried = search.table, start, np.zeros(len(search.table), np.bool_)
    until_s = time.perf_counter() + min(time_s, search.left_s)
    while time.perf_counter() < until_s:
        share = current.share
        surplus = table.surplus_eur(current.ticks * search.terms.tick_eur_per_mwh)
        worth = table.family_surplus_eur(surplus)
        is_open = ~is_tried & (share == 0.0) & ((table.parent < 0) | (share[table.parent] > 0.0)) & (worth > 0.0)
        if not is_open.any():
            return
        chosen = int(np.argmax(np.where(is_open, worth, -np.inf)))
        is_tried[chosen] = True
        family, rest = table.gaining_family(chosen, surplus), _without_rivals(table, share, chosen)
        for level in dict.fromkeys((1.0, float(table.min_share[chosen]))):
            grown = search.offer(np.where(family, level, rest)) if level > 0.0 else None
            if grown is not None and grown.score_eur > current.score_eur:
                current = grown


def _without_rivals(table: BlockTable, share: np.ndarray, block: int) -> np.ndarray:
    """Shares without the accepted members of a block's exclusive group and all below them."""
    if table.group[block] < 0:
        return share
    rivals = (table.group == table.group[block]) & (share > 0.0)
    below = table.subtree_matrix(np.ones(len(table), np.bool_))[rivals]
    return np.where((below > 0.0).any(axis=0), 0.0, share)


def _repair(search: _Search, share: np.ndarray, time_s: float) -> None:
    """From a choice that no prices support, drop what loses most until prices do; then improve it."""
    until_s = time.perf_counter() + min(time_s, search.left_s)
    while share.any() and time.perf_counter() < until_s:
        share = np.where(_worst_family(search, share), 0.0, share)
        exact = search.offer(share)
        if exact is not None:
            _grow(search, exact, until_s - time.perf_counter())
            return


def _first_choices(search: _Search, program: BlockProgram, limits: BlockLimits) -> tuple[float, int]:
    """Try the choices of highest welfare whatever prices they need, each time without the block that loses most.

    The first of them bounds the welfare of all choices; usually it is the answer already. Otherwise the later ones
    are good choices to start from. Gives the bound and the number of programs solved.
    """
    bound, n_rounds = np.inf, 0
    is_allowed = np.ones(len(search.table), np.bool_)
    while search.left_s > 0.0 and n_rounds < _MOST_REFINEMENTS:
        found = program.solve_without_prices(search.left_s, at_most=is_allowed)
        n_rounds += 1
        if is_allowed.all():
            bound = min(bound, search.base.welfare_eur + found.bound_eur)
        if found.share is None:
            break
        exact = search.offer(found.share)
        is_new = _add_tangents_at(search, program, found.share)
        if exact is None:
            _repair(search, found.share, _GROWTH_TIME_SHARE * limits.time_s)
            is_allowed &= ~_worst_family(search, found.share)
        elif not is_new or not is_allowed.all() or bound <= search.best.score_eur + limits.gap_eur:
            break
    return bound, n_rounds


def _worst_family(search: _Search, share: np.ndarray) -> np.ndarray:
    """The accepted block that loses most per MWh in the middle of the prices, with all below it, bool[n_blocks]."""
    limits = (search.terms.tick_min, search.terms.tick_max)
    here = cross(search.book, search.table.net_supply_mw(share), limits, _PARTIAL_TOLERANCE_MW)
    price = 0.5 * (here.low_tick + here.high_tick) * search.terms.tick_eur_per_mwh
    member = search.table.subtree_matrix(share > 0.0)
    gain = member @ search.table.surplus_eur(price) / np.maximum(member @ search.table.energy_mwh, 1e-12)
    worst = int(np.argmin(np.where(share > 0.0, gain, np.inf)))
    is_below: np.ndarray = member[worst] > 0.0
    return is_below


def _learn(search: _Search, program: BlockProgram, proposal: Proposal) -> None:
    """Price one choice exactly, keep it if it is the best so far, and tighten the program where it stands."""
    assert proposal.share is not None
    is_accepted, share = proposal.is_accepted, proposal.share
    program.add(_tangents(search, program.mtu, proposal.ticks[:, None]))
    if (is_accepted & (search.table.min_share < 1.0)).any():
        share = _exact_shares(search, program, is_accepted)
    exact = search.offer(share)
    _add_tangents_at(search, program, share)
    if exact is None or is_accepted.tobytes() in search.tried:
        program.forbid(is_accepted)
    search.tried.add(is_accepted.tobytes())


def _exact_shares(search: _Search, program: BlockProgram, is_accepted: np.ndarray) -> np.ndarray:
    """Shares of highest welfare for a choice with divisible blocks; prices that support the choice support these."""
    share = np.zeros(len(is_accepted))
    for _ in range(_MOST_REFINEMENTS):
        found = program.best_shares(is_accepted, max(search.left_s, 0.0))
        if found.share is None or np.array_equal(found.share, share):
            break
        share = found.share
        if not _add_tangents_at(search, program, share):
            break
    return share


def _add_tangents_at(search: _Search, program: BlockProgram, share: np.ndarray) -> bool:
    """Add the tangents at the prices that clear around given shares; False when all were there."""
    limits = (search.terms.tick_min, search.terms.tick_max)
    here = cross(search.book, search.table.net_supply_mw(share), limits, _PARTIAL_TOLERANCE_MW)
    if not here.is_feasible.all():
        return False
    ticks = np.stack([here.low_tick[program.mtu], here.high_tick[program.mtu]], axis=1)
    return program.add(_tangents(search, program.mtu, ticks))


def _touched(table: BlockTable) -> np.ndarray:
    """MTUs in which some block delivers."""
    return np.flatnonzero((table.supply_mw != 0.0).any(axis=0))


def _price_box(search: _Search) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest price in ticks of touched MTUs under any choice of blocks."""
    limits = (search.terms.tick_min, search.terms.tick_max)
    supply, mtu = search.table.supply_mw, _touched(search.table)
    most = cross(search.book, np.sum(np.maximum(supply, 0.0), axis=0), limits)
    least = cross(search.book, np.sum(np.minimum(supply, 0.0), axis=0), limits)
    low = np.where(most.is_feasible, most.low_tick, limits[0])
    high = np.where(least.is_feasible, least.high_tick, limits[1])
    return low[mtu], high[mtu]


def _supply_box(search: _Search) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest net supply of blocks that the curves can absorb in touched MTUs."""
    mtu = _touched(search.table)
    _, least, _ = curve_surplus(search.book, mtu, np.full(len(mtu), float(search.terms.tick_max)))
    _, _, most = curve_surplus(search.book, mtu, np.full(len(mtu), float(search.terms.tick_min)))
    return least, most


def _first_ticks(search: _Search, program: BlockProgram) -> np.ndarray:
    """Prices for the first tangents: every order price in the box where they are few, an even choice where many."""
    columns = []
    for m, low, high, base in zip(
        program.mtu, program.low_tick, program.high_tick, search.base.ticks[program.mtu], strict=True
    ):
        rows = slice(search.book.start[2 * m], search.book.start[2 * m + 2])
        at = np.concatenate([search.book.start_tick[rows], search.book.end_tick[rows]])
        at = np.unique(np.concatenate([at[(at >= low) & (at <= high)], [low, high, base]]))
        columns.append(at[np.linspace(0, len(at) - 1, min(len(at), _FEW_TANGENTS)).astype(np.int64)])
    width = max(len(c) for c in columns)
    return np.stack([np.pad(c, (0, width - len(c)), mode="edge") for c in columns])


def _tangents(search: _Search, mtu: np.ndarray, ticks: np.ndarray) -> Tangents:
    """Values and slopes of the two curve functions of touched MTUs at prices ticks[n_touched, k]."""
    k = ticks.shape[1]
    place = np.repeat(np.arange(len(mtu)), k)
    unit = search.terms.tick_eur_per_mwh * search.terms.mtu_h
    gain, net_low, net_high = curve_surplus(search.book, mtu[place], ticks.ravel())
    base, _, _ = curve_surplus(search.book, mtu, search.base.ticks[mtu])
    return Tangents(place, ticks.ravel(), (gain - base[place]) * unit, net_low, net_high)
