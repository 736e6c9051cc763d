"""From a scenario's sections to what stands between the roles of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from agents.fleet.tables import SEGMENTS
from agents.information.attacks import Attackers
from agents.information.consent import NEVER, Consent, draw_consent
from agents.information.defence import Defence
from agents.information.degradation import DataQuality, Degradation, absent_for
from agents.information.envelope import Directory
from agents.information.failures import Outages, outage_of
from agents.information.protocols import PROTOCOLS
from agents.information.roots import PlugAndChargeRoots
from agents.information.services import Services
from agents.links import Links, Quality, Screen
from agents.messages import GridCapacity
from agents.nation import Nation
from agents.settings import Settings
from agents.streams import generator
from agents.town import Town

if TYPE_CHECKING:
    from agents.cast import Cast


def open_links(settings: Settings) -> Links:
    """The links of a run before anybody is connected."""
    quality = {
        q.protocol: Quality(
            q.delay_s or PROTOCOLS[q.protocol].delay_s, q.jitter_s, q.loss_share, q.twice_share, q.is_fifo
        )
        for q in settings.links.quality
    }
    directory = Directory(expiry_s={role: 3600.0 * hour for role, hour in settings.security.expired})
    return Links(
        settings.cut_links,
        directory,
        quality,
        generator(settings.seed, "links"),
        is_verified=settings.security.is_verified,
    )


def equip(links: Links, settings: Settings, town: Town, cast: Cast, nation: Nation) -> None:
    """Put between the roles what the scenario says, and let them exchange master data."""
    screens: list[Screen] = []
    cast.evs.card_share = settings.security.card_share
    attackers = attackers_of(settings, town, cast)
    if attackers is not None:
        screens.append(attackers)
    roots = _roots(settings, town)
    if roots is not None:
        screens.append(roots)
    consent = consent_of(settings, town)
    if consent is not None:
        screens.append(consent)
        cast.drivers.withdrawals = consent.withdrawn_period
    if settings.data.items:
        quality = _data_quality(settings, town)
        screens.append(quality)
        links.item_delay_s = quality.delay_s
    links.equip(screens, _outages(settings, town), () if attackers is None else (attackers,))
    _set_meters(settings, town, cast)
    cast.stations.defence = Defence.of(settings.security, town.fleet.n_points, generator(settings.seed, "attacks"))
    cast.csp.is_plausibility_checked = settings.security.is_plausibility_checked
    cast.cpo.is_plausibility_checked = settings.security.is_plausibility_checked
    cast.csp.price_cap_eur_per_mwh = settings.regulation.redispatch_price_cap_eur_per_mwh
    absent = absent_for(_degradations(settings), "aggregator")
    for aggregator in cast.aggregators:
        aggregator.is_plausibility_checked = settings.security.is_plausibility_checked
        if settings.consent.keep_days:
            aggregator.keep_periods = round(96 * settings.consent.keep_days)
        is_certified = _is_certified(settings, aggregator.party)
        aggregator.services = Services(town.fleet.points.segment, absent, is_certified=is_certified)
    _exchange_master_data(town, cast, nation)


def _is_certified(settings: Settings, party: str) -> bool:
    """Whether an aggregator may act for the grid: always where nobody asks for a certificate."""
    rules = settings.regulation
    has_own = all(p.is_certified for p in settings.parties if p.name == party)
    return not rules.is_certification_required or (rules.is_aggregator_certified and has_own)


def _exchange_master_data(town: Town, cast: Cast, nation: Nation) -> None:
    """Grid capacity goes from DSO to CPO, points and panels are registered with the aggregator (table 7.1, 9.1)."""
    rows = np.unique(town.fleet.points.connection_row).astype(np.int64)
    cast.dso.send(GridCapacity(rows, town.grid.connections.capacity_kw[rows].astype(np.float64)))
    cast.cpo.register_points()
    sun = float(np.sum(nation.driver_forecast["solar"].actual))
    peak_kw = town.roof_kw[rows].sum(axis=1, dtype=np.float64) / sun if sun > 0.0 else np.zeros(len(rows))
    cast.energy_manager.register(rows, peak_kw)


def consent_of(settings: Settings, town: Town) -> Consent | None:
    """The drivers' consent; None where everybody agrees for good."""
    c, fleet = settings.consent, town.fleet
    is_default = settings.regulation.is_consent_default
    if is_default and not (c.object_share or c.never or c.withdraw_share):
        return None
    rng = generator(settings.seed, "consent")
    agrees = draw_consent(
        fleet.n_evs,
        is_default=is_default,
        object_share=c.object_share,
        agree_share=c.agree_share,
        never=c.never,
        rng=rng,
    )
    withdraws = rng.random(fleet.n_evs) < c.withdraw_share
    withdrawn = np.where(withdraws, round(4 * c.withdraw_h), NEVER)
    return Consent(agrees, withdrawn, fleet.sessions.ev_row.astype(np.int64), fleet.n_points)


def _degradations(settings: Settings) -> tuple[Degradation, ...]:
    return tuple(
        Degradation(i.item, i.receiver, i.is_off, i.missing_share, i.noise_share, i.delay_min)
        for i in settings.data.items
    )


def _data_quality(settings: Settings, town: Town) -> DataQuality:
    n = max(len(town.fleet.sessions), town.fleet.n_points, town.n_connections)
    return DataQuality(_degradations(settings), n, generator(settings.seed, "data"))


def _outages(settings: Settings, town: Town) -> Outages | None:
    if not settings.links.failures:
        return None
    fleet, rng = town.fleet, generator(settings.seed, "failures")
    found = [
        outage_of(f.kind, f.first_h, f.hours, f.share, fleet.points.segment, tuple(SEGMENTS), rng)
        for f in settings.links.failures
    ]
    return Outages(found, fleet.sessions.cp_row.astype(np.int64))


def _set_meters(settings: Settings, town: Town, cast: Cast) -> None:
    """Draw what the meters of cars and points show of a true kWh."""
    d, rng = settings.data, generator(settings.seed, "meters")
    if d.car_meter_error_share:
        cast.evs.count_factor = 1.0 + d.car_meter_error_share * rng.standard_normal(town.fleet.n_evs)
    if d.faulty_meter_share:
        is_faulty = rng.random(town.fleet.n_points) < d.faulty_meter_share
        cast.stations.meter_factor = np.where(is_faulty, d.faulty_meter_factor, 1.0)


def _roots(settings: Settings, town: Town) -> PlugAndChargeRoots | None:
    s = settings.security
    if not s.second_root_share or s.is_root_cross_trusted:
        return None
    rng = generator(settings.seed, "attacks")
    has_second = rng.random(town.fleet.n_evs) < s.second_root_share
    station_second = rng.random(town.fleet.n_points) < s.second_root_share
    sessions = town.fleet.sessions
    return PlugAndChargeRoots(has_second[sessions.ev_row] == station_second[sessions.cp_row])


def attackers_of(settings: Settings, town: Town, cast: Cast) -> Attackers | None:
    """Everybody who attacks in a scenario; None on a good day."""
    if not settings.security.attacks:
        return None
    return Attackers.of(settings.security.attacks, town, cast, generator(settings.seed, "attacks"))


def without_attacks(settings: Settings) -> Settings:
    """The same scenario on a good day, to compare with."""
    return replace(settings, security=replace(settings.security, attacks=()))
