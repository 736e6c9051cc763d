"""How a result table is declared: columns with type, unit and meaning, turned into an Arrow schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("int8", "int32", "int64", "float32", "float64", "bool", "string", "timestamp")


@dataclass(frozen=True)
class Column:
    """One column of a result table."""

    name: str
    kind: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One result table; rows are in the order in which the model wrote them."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(c.name for c in self.columns)

    def schema(self) -> pa.Schema:
        """Arrow schema with unit and meaning in each field's metadata."""
        import pyarrow as pa

        columns = [
            pa.field(c.name, _arrow_type(c.kind), metadata={"unit": c.unit, "meaning": c.meaning}) for c in self.columns
        ]
        return pa.schema(columns, metadata={"table": self.name, "meaning": self.meaning})

    def arrow(self, values: Mapping[str, Any]) -> pa.Table:
        """Check and convert columns.

        Parameters
        ----------
        values : mapping
            Column name to array or list, all of one length; no entry at all makes an empty table.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        ValueError
            Naming table and column for missing, unknown, unequally long or unfitting columns.
        """
        import pyarrow as pa

        values = values or {name: [] for name in self.column_names}
        self._check_names(values)
        lengths = {len(v) for v in values.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{k} {len(v)}" for k, v in values.items())
            raise ValueError(f"table {self.name}: columns have unequal lengths: {shown}")
        arrays = [self._array(c, values[c.name]) for c in self.columns]
        return pa.Table.from_arrays(arrays, schema=self.schema())

    def _check_names(self, values: Mapping[str, Any]) -> None:
        missing = [n for n in self.column_names if n not in values]
        unknown = [n for n in values if n not in self.column_names]
        if missing or unknown:
            raise ValueError(f"table {self.name}: missing columns {missing}, undeclared columns {unknown}")

    def _array(self, column: Column, values: Any) -> pa.Array:
        import pyarrow as pa

        try:
            if column.kind == "string":
                return pa.array([str(v) for v in values], pa.string())
            if column.kind == "timestamp":
                return pa.array(np.asarray(values, dtype="datetime64[s]")).cast(_arrow_type("timestamp"))
            return pa.array(_numbers(values, column.kind))
        except (TypeError, ValueError, OverflowError, pa.ArrowInvalid) as error:
            raise ValueError(f"table {self.name}, column {column.name}: not {column.kind}: {error}") from None


def _numbers(values: Any, kind: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"has shape {array.shape}")
    if array.size and kind.startswith("int") and array.dtype.kind == "f":
        raise ValueError("has fractions or gaps; whole numbers are declared")
    if array.size and kind.startswith("int"):
        limits = np.iinfo(kind)
        if array.min() < limits.min or array.max() > limits.max:
            raise OverflowError(f"values {array.min()} to {array.max()} do not fit")
    return np.ascontiguousarray(array.astype(np.bool_ if kind == "bool" else kind))


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    if kind == "timestamp":
        return pa.timestamp("s", tz="UTC")
    return {"bool": pa.bool_(), "string": pa.string()}.get(kind) or getattr(pa, kind)()


def declare(name: str, meaning: str, rows: Sequence[tuple[str, str, str, str]]) -> Table:
    """A table from rows of (name, kind, unit, meaning)."""
    return Table(name, meaning, tuple(Column(*row) for row in rows))
