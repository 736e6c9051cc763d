"""One contract over all members of each registry."""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path

import pytest

import agents.messages
from agents import ROLES, role_class
from agents.messages import MESSAGES
from agents.messages.registry import SUBJECTS
from agents.role import Role
from agents.roles.functions import FUNCTIONS
from markets import MARKETS, market


@pytest.mark.parametrize("name", sorted(MARKETS))
def test_every_market_has_a_documented_rule(name):
    rule = market(name)
    assert callable(rule) and rule.__doc__ and ("Parameters" in rule.__doc__ or "Source" in rule.__doc__)


@pytest.mark.parametrize("name", sorted(ROLES))
def test_every_role_is_an_agent_with_its_own_name(name):
    found = role_class(name)
    assert issubclass(found, Role) and found.role == name and found.__doc__


def test_every_function_of_the_report_belongs_to_a_role():
    assert {who for _, who, _ in FUNCTIONS} <= set(ROLES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_message_goes_between_roles_over_a_protocol(name):
    kind = MESSAGES[name]
    assert is_dataclass(kind) and kind.sender in ROLES and kind.receiver in ROLES and kind.protocol and kind.__doc__


def test_every_message_is_exported_and_registered_subject_by_subject():
    found = {kind.__module__ for kind in MESSAGES.values()}
    folder = Path(agents.messages.__file__).parent
    modules = {f"agents.messages.{p.stem}" for p in folder.glob("*.py")} - {
        f"agents.messages.{name}" for name in ("__init__", "base", "registry")
    }
    assert found == modules == {subject.__name__ for subject in SUBJECTS}
    assert list(dict.fromkeys(kind.__module__ for kind in MESSAGES.values())) == [s.__name__ for s in SUBJECTS]
    assert set(agents.messages.__all__) == {*MESSAGES, "MESSAGES", "Message"}
    assert all(getattr(agents.messages, name) is kind for name, kind in MESSAGES.items())


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="day_ahead"):
        market("night_ahead")
    with pytest.raises(KeyError, match="aggregator"):
        role_class("oracle")
