"""The information sections of a scenario: links, data, consent and security, checked and as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from agents.information.consent import PURPOSES
from agents.information.items import ITEMS
from agents.information.protocols import PROTOCOLS
from agents.messages import MESSAGES
from agents.settings import (
    AttackSettings,
    ConsentSettings,
    DataSettings,
    FailureSettings,
    ItemSettings,
    LinkSettings,
    QualitySettings,
    SecuritySettings,
)
from experiments.scenario.faults import Fault, nearest
from experiments.scenario.sections import ScenarioFile


class InformationSettings(TypedDict):
    """The part of the settings that says who knows what."""

    links: LinkSettings
    data: DataSettings
    consent: ConsentSettings
    security: SecuritySettings


def information_settings(file: ScenarioFile) -> InformationSettings:
    """The information sections as the model takes them."""
    data = file.data.model_dump()
    items = tuple(ItemSettings(**row) for row in data.pop("items"))
    consent = file.consent.model_dump()
    never = tuple(consent.pop("never"))
    security = file.security.model_dump()
    attacks = tuple(AttackSettings(**row) for row in security.pop("attacks"))
    expired = tuple((row["role"], row["at_h"]) for row in security.pop("expired"))
    return {
        "links": LinkSettings(
            tuple(FailureSettings(**f.model_dump()) for f in file.links.failures),
            tuple(QualitySettings(**q.model_dump()) for q in file.links.quality),
        ),
        "data": DataSettings(items=items, **data),
        "consent": ConsentSettings(never=never, **consent),
        "security": SecuritySettings(attacks=attacks, expired=expired, **security),
    }


def information_faults(sections: Mapping[str, Any], file: str) -> list[Fault]:
    """Names that do not exist in the information sections."""
    receivers = sorted({m.receiver for m in MESSAGES.values()})
    senders = sorted({m.sender for m in MESSAGES.values()})
    faults = []
    if "links" in sections:
        names = [(f"links.quality.{k}.protocol", q.protocol) for k, q in enumerate(sections["links"].quality, 1)]
        faults += _unknown(names, sorted(PROTOCOLS), "protocol", file)
    if "data" in sections:
        rows = list(enumerate(sections["data"].items, 1))
        faults += _unknown([(f"data.items.{k}.item", i.item) for k, i in rows], list(ITEMS), "data item", file)
        named = [(f"data.items.{k}.receiver", i.receiver) for k, i in rows if i.receiver]
        faults += _unknown(named, receivers, "role", file)
    if "consent" in sections:
        names = [(f"consent.never.{k}", name) for k, name in enumerate(sections["consent"].never, 1)]
        faults += _unknown(names, list(PURPOSES), "purpose", file)
    if "security" in sections:
        names = [(f"security.expired.{k}.role", e.role) for k, e in enumerate(sections["security"].expired, 1)]
        faults += _unknown(names, senders, "role", file)
    return faults


def _unknown(names: list[tuple[str, str]], known: list[str], word: str, file: str) -> list[Fault]:
    """Faults of the names that are not known."""
    return [
        Fault(file, place, f"'{name}' is not a {word}; {nearest(name, known)}")
        for place, name in names
        if name not in known
    ]
