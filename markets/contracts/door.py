"""The registry of transport agreements and the check of a whole portfolio of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markets.contracts.agreements import DurationBound, Firm, NonFirm, TimeBlock, TransportAgreement
from markets.contracts.group import Group
from markets.contracts.guarantee import Guarantee
from markets.contracts.limiting import CapacityLimiting

TRANSPORT_AGREEMENTS: dict[str, type[TransportAgreement]] = {
    "firm": Firm,
    "non_firm": NonFirm,
    "tdtr85": DurationBound,
    "time_block": TimeBlock,
    "group": Group,
}

REPORT_AGREEMENTS: dict[str, TransportAgreement] = {
    "home_non_firm": NonFirm(17.0, 150.0, suspension_after=2, guarantee=Guarantee(4.0, 17.0, 10.0, 6.0)),
    "public_non_firm": NonFirm(55.0, 450.0, suspension_after=2, guarantee=Guarantee(0.0, 55.0, 35.0, 12.0)),
    "public_firm": Firm(55.0, 3000.0),
}


def agreement_for(kind: str, capacity_kw: float) -> TransportAgreement:
    """The usual agreement of a kind for one connection (a group of one for ``"group"``).

    Raises
    ------
    ValueError
        For an unknown kind; the known ones are listed.
    """
    if kind not in TRANSPORT_AGREEMENTS:
        raise ValueError(f"transport agreement {kind!r} is not one of {', '.join(TRANSPORT_AGREEMENTS)}")
    return TRANSPORT_AGREEMENTS[kind].scaled(capacity_kw)


def own_agreement(
    kind: str,
    capacity_kw: float,
    *,
    fee_eur_per_year: float | None = None,
    penalty_eur_per_mwh: float | None = None,
    min_kw: float | None = None,
    day_mean_kw: float | None = None,
    block_mean_kw: float | None = None,
) -> TransportAgreement:
    """The usual agreement of a kind with own terms in place of the usual ones.

    Parameters
    ----------
    kind : str
        A key of :data:`TRANSPORT_AGREEMENTS`.
    capacity_kw : float
        Power granted.
    fee_eur_per_year, penalty_eur_per_mwh : float, optional
        Price and penalty.
    min_kw, day_mean_kw, block_mean_kw : float, optional
        Bounds of a non-firm right; those not given stay the usual share of the capacity.
    """
    usual = agreement_for(kind, capacity_kw)
    usual = replace(
        usual,
        fee_eur_per_year=usual.fee_eur_per_year if fee_eur_per_year is None else fee_eur_per_year,
        penalty_eur_per_mwh=usual.penalty_eur_per_mwh if penalty_eur_per_mwh is None else penalty_eur_per_mwh,
    )
    bounds = {"min_kw": min_kw, "day_mean_kw": day_mean_kw, "block_mean_kw": block_mean_kw}
    given = {name: value for name, value in bounds.items() if value is not None}
    if not given:
        return usual
    if not isinstance(usual, NonFirm) or usual.guarantee is None:
        raise ValueError(f"{', '.join(given)} are bounds of a non_firm right; {kind} has none")
    return replace(usual, guarantee=replace(usual.guarantee, **given))


def check_portfolio(
    agreements: Mapping[str, TransportAgreement | CapacityLimiting]
    | Sequence[tuple[str, TransportAgreement | CapacityLimiting]],
    connection_kw: Mapping[str, float],
) -> None:
    """Refuse agreements that do not fit their connections, all faults in one message.

    Parameters
    ----------
    agreements : mapping or sequence of (EAN, agreement)
        Agreements by connection; a connection may have several.
    connection_kw : mapping
        Capacity of each connection by EAN.

    Raises
    ------
    ValueError
        Naming each connection, its agreement and what would be right.
    """
    pairs = agreements.items() if isinstance(agreements, Mapping) else agreements
    faults = []
    for ean, agreement in pairs:
        if ean not in connection_kw:
            faults.append(f"{ean}: no such connection")
            continue
        faults += [f"{ean}: {type(agreement).__name__}: {f}" for f in agreement.faults(connection_kw[ean])]
    if faults:
        raise ValueError("agreements do not fit their connections:\n  " + "\n  ".join(faults))
