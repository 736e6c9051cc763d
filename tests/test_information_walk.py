"""Functions of report section 6.3 have messages in a run; no data item has a secret path; bad input moves nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.information.envelope import Certificate, Envelope
from agents.information.items import ITEMS
from agents.links import Links
from agents.messages import MESSAGES
from agents.model import Flexpolder
from agents.roles.functions import FUNCTIONS
from agents.settings import DataSettings, ItemSettings
from tests.model_worlds import Played, play, world

TALK: dict[str, Any] = {"iso15118_share": 1.0, "oem_api_share": 1.0, "emsp_app_share": 1.0, "min_bid_mw": 0.1}
TIGHT = TALK | {"congestion_threshold_share": 0.05, "redispatch_min_order_mw": 0.001, "absolute_signal_path": "none"}
SIGNAL: dict[str, Any] = {"absolute_signal_threshold_share": 0.15, "congestion_tool": "none"}
WORLDS: dict[str, dict[str, Any]] = {
    "calm": TALK,
    "redispatch": TIGHT | {"congestion_tool": "redispatch"},
    "calls": TIGHT | {"congestion_tool": "capacity_call", "days": 2},
    "high voltage": TIGHT | {"congestion_tool": "redispatch", "congestion_threshold_share": 0.0005},
    "direct signal": SIGNAL | {"absolute_signal_path": "direct"},
    "signal": SIGNAL | {"absolute_signal_path": "via_csp"},
}
WITHOUT_WORDS = {
    "CP-3": "a station that stops a car opens its contactor: the car sees the voltage go",
    "CP-5": "a station that is offline has nobody to speak to; it follows what CPO-4 stored in it",
    "MR-PROD": "orders go to an exchange, which is a platform and no role",
    "MR-BRP": "orders and nominations go to platforms",
    "MR-BSP": "bids go to the platform of the balancing market",
    "MR-AGG": "who bears the energy is settled by the clearing of an agreement: payments, no words",
}
"""Functions that act without speaking to another role, and why; other tests, tagged with their IDs, see the effect."""


def _high_voltage(model: Flexpolder) -> None:
    """Nobody but the operator of the high voltage minds."""
    model.cast.dso.is_own = np.zeros_like(model.cast.dso.is_own)


@cache
def ran(name: str) -> Played:
    return play(world(**WORLDS[name]), prepare=_high_voltage if name == "high voltage" else None)


@pytest.mark.parametrize(
    "function", [pytest.param(i, marks=pytest.mark.function(i)) for i, _, _ in FUNCTIONS if i not in WITHOUT_WORDS]
)
def test_the_messages_of_every_function_are_found_in_a_run(function):
    kinds = [name for name, kind in MESSAGES.items() if function in kind.functions]
    assert kinds, "no message carries this function out"
    found = [name for name in WORLDS if any(ran(name).message(kind)["count"] > 0 for kind in kinds)]
    assert found


def test_functions_without_words_are_few_and_known():
    told = {f for kind in MESSAGES.values() for f in kind.functions}
    assert {i for i, _, _ in FUNCTIONS} - told == set(WITHOUT_WORDS)


# --- one path per item -----------------------------------------------------------------------------------------------

FEW: dict[str, Any] = {"home": 14, "public": 6, "office": 3, "depot": 2, "dc": 2, "homes": 24} | TALK
"""A street in which everything is told."""


@cache
def without(item: str, mark: float | None) -> Played:
    """A run in which an item reaches nobody; where it would have been told, all amounts are marked."""
    carriers = {c.message: c.fields for c in ITEMS[item].carriers}

    def plant(message: Any, period: int) -> Any:
        names = carriers.get(type(message).__name__)
        if mark is None or names is None:
            return message
        chosen = names or [f.name for f in fields(message) if not f.name.endswith("_row")]
        changed = {}
        for name in chosen:
            value = getattr(message, name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and "ended" not in name:
                changed[name] = mark * value
        return replace(message, **changed)

    settings = world(**FEW)
    return play(replace(settings, data=DataSettings(items=(ItemSettings(item, is_off=True),))), meddle=plant)


@pytest.mark.parametrize("item", ITEMS)
def test_a_marked_value_of_an_item_without_a_path_changes_nothing(item):
    clean, marked = without(item, None), without(item, 0.61)
    for name in set(clean.tables) - {"messages"}:
        for column, values in clean.tables[name].items():
            np.testing.assert_array_equal(marked.tables[name][column], values, err_msg=f"{item}: {name}.{column}")


# --- bad input in a run ----------------------------------------------------------------------------------------------


def _bad(kind: Any, links: Links, party: str) -> list[Envelope]:
    """Envelopes of one message type that nobody may believe, one per reason."""
    made = {}
    for f in fields(kind):
        is_array = str(f.type) == "np.ndarray"
        whole = f.name.endswith("_row") or f.name.startswith("is_")
        made[f.name] = np.arange(3) if is_array and whole else np.full(3, 0.5) if is_array else 1
    sound = links.envelope_of(kind(**made), party, 10**6 + links.period)
    first = fields(kind)[0].name
    day_old = replace(sound, sent_s=links.now_s - 90_000.0)
    bad = [
        replace(sound, message=replace(sound.message, **{first: "text"})),
        replace(sound, message=None),
        replace(sound, party="stranger"),
        replace(sound, sender_role="nobody"),
        replace(sound, certificate=Certificate(party, sound.certificate.root, -1.0)),
        replace(sound, certificate=Certificate(party, "")),
        replace(sound, signed_by="nobody"),
        day_old,
    ]
    amounts = [n for n, v in made.items() if isinstance(v, np.ndarray) and n.endswith(("_kwh", "_mw", "_eur_per_mwh"))]
    if amounts:
        bad.append(replace(sound, message=replace(sound.message, **{amounts[0]: np.full(3, 1e30)})))
    return bad


def test_bad_messages_of_every_kind_are_refused_with_their_reason_and_change_nothing():
    class Vandal:
        """Sends all that is bad, and everything that was delivered a second time."""

        def open(self, links: Links) -> None:
            if links.period % 8 == 0:
                for kind in MESSAGES.values():
                    party = next(p for role, p in links.directory._certificates if role == kind.sender)
                    for envelope in _bad(kind, links, party):
                        links.put_on_wire(envelope)

        def watch(self, envelope: Envelope, links: Links) -> None:
            links.put_on_wire(envelope)

    def let_in(model: Flexpolder) -> None:
        model.links.equip(watchers=(Vandal(),))

    calm, beset = play(world(**FEW)), play(world(**FEW), prepare=let_in)
    for name in set(calm.tables) - {"messages", "refusals"}:
        for column, values in calm.tables[name].items():
            np.testing.assert_array_equal(beset.tables[name][column], values, err_msg=f"{name}.{column}")
    reasons = set(beset.tables["refusals"]["reason"].tolist())
    assert reasons >= {
        "wrong_schema", "unknown_sender", "expired_certificate", "untrusted_root", "bad_signature", "impossible_value",
        "twice", "a_day_late",
    }  # fmt: skip
    assert not len(calm.tables["refusals"]["reason"])
