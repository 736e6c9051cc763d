"""EAN codes of connections: 18 digits of which the last one is a GS1 check digit."""

from __future__ import annotations

PREFIX = "8716"
"""Start of the invented codes; Dutch energy codes start with 87 (GS1 Netherlands)."""

LENGTH = 18


def check_digit(digits: str) -> int:
    """Return the GS1 modulo-10 check digit of a code without its last digit.

    Parameters
    ----------
    digits : str
        The code without check digit; weights 3, 1, 3, … count from the right.

    Returns
    -------
    int
        0–9. Source: GS1 General Specifications, section on check digit calculation.
    """
    total = 3 * sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2]))
    return (10 - total % 10) % 10


def ean_code(number: int) -> str:
    """Return the 18-digit code of connection ``number`` (0 to 9 999 999 999 999)."""
    body = f"{PREFIX}{number:0{LENGTH - 1 - len(PREFIX)}d}"
    return f"{body}{check_digit(body)}"


def is_valid_ean(code: str) -> bool:
    """Tell whether a code has 18 digits and the right check digit."""
    return len(code) == LENGTH and code.isascii() and code.isdigit() and int(code[-1]) == check_digit(code[:-1])
