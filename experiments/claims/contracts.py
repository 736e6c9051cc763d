"""Experiments on connections: clustering, non-firm rights, who may be an aggregator."""

from __future__ import annotations

import numpy as np

from agents.fleet.behaviour import build_fleet
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import ChargingPoints, Fleet
from experiments.claims.claim import Evidence, certain, over
from experiments.claims.fleets import WINTER_WEEK, Stays, stays_of
from markets.aggregation import AGGREGATION_MODELS, Activation, settle
from markets.contracts import REPORT_AGREEMENTS, Clock, allowed_kw

LEAST_KW = 4.14
"""Three phases of 6 A at 230 V: below it a three-phase EV does not charge (report 7.4.2)."""


def clustering(draws: int, size: int) -> Evidence:
    """Twenty connections limited to 2 kW each: alone, and as one group, over an evening.

    ``size`` is the number of connections.
    """
    at_once, delivered, served, highest = [], [], [], []
    for seed in range(draws):
        rng = np.random.default_rng([7, seed])
        need = rng.uniform(3.0, 25.0, size)
        leave = rng.integers(24, 56, size)
        alone, _, _ = _evening(need, leave, is_clustered=False)
        grouped, peak, charging = _evening(need, leave, is_clustered=True)
        at_once.append(charging)
        highest.append(peak / (2.0 * size))
        delivered.append(float(np.sum(grouped) / np.sum(need)))
        served.append(float(np.mean(grouped >= need - 1e-6) - np.mean(alone >= need - 1e-6)))
    lonely = allowed_kw(np.full(size, 2.0), np.full(size, 11.04), LEAST_KW, np.zeros(size), is_clustered=False)
    return Evidence(
        (
            certain("EVs that can charge with single limits of 2 kW", int(np.count_nonzero(lonely)), "EVs", below=0.5),
            over("EVs that charge at the same time as one group", at_once, "EVs", above=0.5),
            over("more drivers leave with all they need, group against single", served, "share", above=0.0),
            over("highest group power over the sum of the limits", highest, "share", below=1.0 + 1e-9),
            over("energy delivered in the group of what was needed", delivered, "share"),
        ),
        "Nothing is lost for the grid: the group never draws more than the single limits together.",
    )


def _evening(need_kwh: np.ndarray, leave: np.ndarray, *, is_clustered: bool) -> tuple[np.ndarray, float, int]:
    """Energy delivered, highest total power, and most EVs charging at once, from 18:00 on in quarter-hours."""
    got, peak, most = np.zeros(need_kwh.size), 0.0, 0
    for t in range(int(leave.max())):
        want = np.where(t < leave, np.minimum(11.04, (need_kwh - got) / 0.25), 0.0)
        want = np.where(want > 1e-9, np.maximum(want, LEAST_KW), 0.0)
        urgency = (need_kwh - got) / np.maximum(leave - t, 1)
        power = allowed_kw(np.full(need_kwh.size, 2.0), want, LEAST_KW, urgency, is_clustered)
        got = np.minimum(got + power * 0.25, need_kwh)
        peak, most = max(peak, float(np.sum(power))), max(most, int(np.count_nonzero(power)))
    return got, peak, most


def non_firm(draws: int, size: int) -> Evidence:
    """The report's public connection, firm for 3,000 and non-firm for 450 euros, with the worst limits it allows.

    The operator takes back all it may, every day, in the evening. ``size`` is the number of charging points.
    Missing energy is valued at 0.60 euros per kWh, a fast charger's price (assumption).
    """
    firm, cheap = REPORT_AGREEMENTS["public_firm"], REPORT_AGREEMENTS["public_non_firm"]
    saved = firm.fee_eur_per_year - cheap.fee_eur_per_year
    clock = Clock.of(WINTER_WEEK)
    limit = _hardest_limit(clock)
    promised = len(cheap.operator_breaches(limit, clock))
    net_flexible, net_rigid, missing = [], [], []
    for seed in range(draws):
        stays = stays_of(_public(size, seed), "public_ac")
        lost = [_missing_kwh(stays.arrival, d, stays.need_kwh, stays.max_kw, limit) for d in _ends(stays)]
        free = [
            _missing_kwh(stays.arrival, d, stays.need_kwh, stays.max_kw, np.full(limit.size, 55.0))
            for d in _ends(stays)
        ]
        extra = [max(a - b, 0.0) * 52.0 for a, b in zip(lost, free, strict=True)]
        net_flexible.append(saved - 0.60 * extra[0])
        net_rigid.append(saved - 0.60 * extra[1])
        missing.append(extra[0])
    return Evidence(
        (
            certain("breaches by the operator in that week", promised, "", below=0.5),
            over(
                "yearly gain of a connection whose cars wait as long as they are parked", net_flexible, "EUR", above=0.0
            ),
            over(
                "more than the gain of one whose cars cannot wait",
                np.subtract(net_flexible, net_rigid),
                "EUR",
                above=0.0,
            ),
            over("yearly gain of one whose cars cannot wait", net_rigid, "EUR"),
            over("energy that its drivers miss", missing, "kWh/year"),
        ),
        "Prices are the report's own example; the gain falls with the value of missing energy.",
    )


def _hardest_limit(clock: Clock) -> np.ndarray:
    """Limits that withhold all that the public agreement lets an operator withhold, evenings first."""
    limit = np.full(clock.n_periods, 55.0)
    for day in np.unique(clock.day):
        left = (55.0 - 35.0) * 24.0
        for first in (16.0, 20.0, 12.0, 8.0, 4.0, 0.0):
            rows = np.flatnonzero((clock.day == day) & (clock.local_hour >= first) & (clock.local_hour < first + 4))
            withheld = min(left, (55.0 - 12.0) * 4.0)
            limit[rows] = 55.0 - withheld / 4.0
            left -= withheld
    return limit


def _public(size: int, seed: int) -> Fleet:
    points = ChargingPoints.of(np.zeros(size), ["public_ac"] * size, 11.04, 3, 0)
    return build_fleet(FleetSpec(), WINTER_WEEK, points, seed)


def _ends(stays: Stays) -> tuple[np.ndarray, np.ndarray]:
    """Departures as they are, and as they would be if every car left as soon as it could be full."""
    shortest = stays.arrival + np.ceil(stays.need_kwh / stays.max_kw / 0.25)
    return stays.departure, np.minimum(stays.departure, shortest)


def _missing_kwh(
    arrival: np.ndarray, departure: np.ndarray, need_kwh: np.ndarray, max_kw: np.ndarray, limit_kw: np.ndarray
) -> float:
    """Energy missing at departure when the least lax go first under a limit of the connection."""
    left = np.minimum(need_kwh, np.maximum(departure - arrival, 0) * 0.25 * max_kw)
    asked = float(np.sum(left))
    for t in range(limit_kw.size):
        want = np.where((arrival <= t) & (t < departure), np.minimum(max_kw, left / 0.25), 0.0)
        if want.any():
            urgency = left / np.maximum(max_kw * 0.25 * (departure - t), 1e-9)
            power = allowed_kw(limit_kw[t : t + 1], want, 0.0, urgency, is_clustered=True)
            left = left - power * 0.25
    inside = departure <= limit_kw.size
    return min(float(np.sum(left[inside])), asked)


def aggregator_choice(draws: int, size: int) -> Evidence:
    """An aggregator other than the supplier sells flexibility: does it pay, and does the supplier stay whole?

    ``size`` is the number of activations per draw. The supplier sources at the day-ahead price and the imbalance
    price moves around it (spreads as in the Dutch market of 2025, assumption); retail adds 20 euros per MWh.
    """
    gain: dict[str, list[float]] = {m: [] for m in AGGREGATION_MODELS}
    harm: dict[str, list[float]] = {m: [] for m in AGGREGATION_MODELS}
    for seed in range(draws):
        rng = np.random.default_rng([11, seed])
        sourcing = rng.normal(90.0, 25.0, size)
        sale = sourcing + np.abs(rng.normal(90.0, 120.0, size))
        activation = Activation.of(
            np.full(size, 0.25),
            sale,
            sourcing_eur_per_mwh=sourcing,
            retail_eur_per_mwh=sourcing + 20.0,
            transfer_eur_per_mwh=float(np.mean(sourcing)),
            shortage_eur_per_mwh=sourcing + rng.normal(0.0, 90.0, size),
            surplus_eur_per_mwh=sourcing + rng.normal(0.0, 90.0, size),
        )
        volume = 0.25 * size
        for model in AGGREGATION_MODELS:
            outcome = settle(model, activation)
            gain[model].append(outcome.balance_eur("aggregator") / volume)
            harm[model].append(np.mean(np.abs(_supplier_by_event(model, activation))) / 0.25)
    told = [
        over(f"aggregator's gain, {m.replace('_', ' ')}", gain[m], "EUR/MWh", above=0.0)
        for m in ("corrected_meter", "central_settlement")
    ]
    risk = over(
        "risk that is left with the supplier (mean size per event), uncorrected against central settlement",
        np.subtract(harm["uncorrected"], harm["central_settlement"]),
        "EUR/MWh",
        below=0.0,
    )
    rest = (
        over("supplier's risk per event, uncorrected", harm["uncorrected"], "EUR/MWh"),
        over("supplier's risk per event, central settlement", harm["central_settlement"], "EUR/MWh"),
    )
    return Evidence(
        (*told, risk, *rest),
        "An independent aggregator pays for itself; whether the supplier is harmed depends on the aggregation "
        "model, so free choice needs a rule for the transfer of energy. Competition and innovation themselves are "
        "not modelled.",
    )


def _supplier_by_event(model: str, activation: Activation) -> np.ndarray:
    """The supplier's result per activation."""
    outcome = settle(model, activation)
    total = np.zeros(activation.volume_mwh.shape)
    for payment in outcome.payments:
        total = total + np.where(payment.payee == "supplier", payment.amount_eur, 0.0)
        total = total - np.where(payment.payer == "supplier", payment.amount_eur, 0.0)
    return total
