"""One contract over all members of each registry."""

from __future__ import annotations

from dataclasses import is_dataclass

import pytest

from agents import ROLES, role_class
from agents.messages import MESSAGES
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


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="day_ahead"):
        market("night_ahead")
    with pytest.raises(KeyError, match="aggregator"):
        role_class("oracle")
