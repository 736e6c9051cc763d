"""What is wrong with a user's file: all faults at once, each with place, value and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing to repair.

    Parameters
    ----------
    file : str
        File (or option) in which it stands.
    key : str
        Dotted key path, such as ``fleet.home.evs``; empty for the file as a whole.
    text : str
        What is there and what would be right.
    """

    file: str
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.text}"


class InputError(ValueError):
    """A user's input cannot be used; carries every fault found.

    Parameters
    ----------
    faults : sequence of Fault
        At least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(f) for f in self.faults))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Fault, ...]]]:
        return (type(self), (self.faults,))


def nearest(name: str, known: Iterable[str]) -> str:
    """Sentence that names the known key nearest to an unknown one, or lists the known ones.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What may be written there.

    Returns
    -------
    str
        ``did you mean 'x'?`` or ``known are a, b, c``.
    """
    names = sorted(known)
    holding = [n for n in names if len(name) > 2 and name.lower() in n.lower()]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or (holding if len(holding) == 1 else [])
    if close:
        return f"did you mean '{close[0]}'?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known are {shown}"
