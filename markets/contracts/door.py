"""The registry of transport agreements and the check of a whole portfolio of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
