"""States of a station's plugs, by connector (EVSE) and, in 2.x, by the plugs of an EVSE."""

from __future__ import annotations

_WEIGHT = ("unknown", "free", "unavailable", "faulted", "occupied", "charging")
"""Which of several states counts, the last one most."""


class Plugs:
    """Newest state of every plug.

    >>> plugs = Plugs()
    >>> plugs.note(1, 1, "occupied", None), plugs.note(1, 2, "free", 1), plugs.note(2, 1, "free", None)
    ('occupied', 'occupied', 'occupied')
    """

    def __init__(self) -> None:
        self._state: dict[tuple[int, int], str] = {}

    def note(self, connector: int, plug: int, state: str, ours: int | None) -> str:
        """Take a state; what it makes of our connector, or of all where none is ours yet."""
        self._state[connector, plug] = state
        here = [s for (c, _), s in self._state.items() if ours in (None, c)]
        return max(here, key=_WEIGHT.index)

    @property
    def waiting(self) -> int:
        """Connector where a car waits; the first where none does."""
        return next((c for (c, _), state in self._state.items() if state in ("occupied", "charging")), 1)

    @property
    def are_several(self) -> bool:
        """Whether more than one connector is known."""
        return len({connector for connector, _ in self._state}) > 1
