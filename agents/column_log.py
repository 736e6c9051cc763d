"""Rows of a result table that are noted one by one, kept as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass
class ColumnLog:
    """Base of logs: a subclass is a dataclass with one list per column of its table, in the table's order."""

    def note(self, *row: Any) -> None:
        """Append one row.

        Raises
        ------
        ValueError
            If the row has more or fewer values than the table has columns.
        """
        for column, value in zip(self.columns().values(), row, strict=True):
            column.append(value)

    def columns(self) -> dict[str, list[Any]]:
        """The table."""
        return {column.name: getattr(self, column.name) for column in fields(self)}
