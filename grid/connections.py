"""The connections of a grid as one table: EAN, node, phase, capacity, kind and meter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

KINDS = ("home", "public_ac", "office", "depot", "dc_site", "shared", "business", "other")

PHASES = {"L123": 0, "L1": 1, "L2": 2, "L3": 3}
"""Phase names in files; in the table 0 is three-phase and 1–3 one phase."""


@dataclass(frozen=True)
class ConnectionTable:
    """Columns of equal length, one row a connection.

    Parameters
    ----------
    ean : tuple of str
        18-digit codes, unique.
    node_index : ndarray of int32
        Row of the node in ``Grid.arrays``.
    phase : ndarray of int8
        0 = three-phase (L1, L2, L3 in equal parts), 1–3 = that phase only.
    capacity_kw : ndarray of float64
        Contracted or physical capacity.
    kind : tuple of str
        One of :data:`KINDS`.
    meter_id : tuple of str
        Id of the meter; empty where there is none.
    ev_phase : ndarray of int8
        Phase that a one-phase charger at this connection would use (0 = its charger is three-phase). Equal to
        ``phase`` at one-phase connections.
    """

    ean: tuple[str, ...]
    node_index: np.ndarray
    phase: np.ndarray
    capacity_kw: np.ndarray
    kind: tuple[str, ...]
    meter_id: tuple[str, ...]
    ev_phase: np.ndarray

    def __len__(self) -> int:
        return len(self.ean)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row by EAN."""
        return {ean: row for row, ean in enumerate(self.ean)}

    @cached_property
    def kind_code(self) -> np.ndarray:
        """Position of each connection's kind in :data:`KINDS`, int8[n_connections]."""
        order = {kind: code for code, kind in enumerate(KINDS)}
        return np.array([order[kind] for kind in self.kind], dtype=np.int8)

    def rows_of_kind(self, kind: str) -> np.ndarray:
        """Return the rows of all connections of one kind, int64."""
        return np.flatnonzero(self.kind_code == KINDS.index(kind))

    def take(self, rows: np.ndarray, node_index: np.ndarray | None = None) -> ConnectionTable:
        """Return the table of some rows, with other node indices if given."""
        picked = [int(row) for row in rows]
        return ConnectionTable(
            ean=tuple(self.ean[row] for row in picked),
            node_index=self.node_index[rows] if node_index is None else np.asarray(node_index, dtype=np.int32),
            phase=self.phase[rows],
            capacity_kw=self.capacity_kw[rows],
            kind=tuple(self.kind[row] for row in picked),
            meter_id=tuple(self.meter_id[row] for row in picked),
            ev_phase=self.ev_phase[rows],
        )

    def to_records(self, node_ids: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return plain rows with node ids and phase names, as files hold them."""
        names = {code: name for name, code in PHASES.items()}
        columns = zip(self.ean, self.node_index, self.phase, self.capacity_kw, self.kind, self.meter_id, self.ev_phase,
                      strict=True)  # fmt: skip
        return [
            {"ean": ean, "node": node_ids[node], "phase": names[int(phase)], "capacity_kw": float(kw), "kind": kind,
             "meter_id": meter, "ev_phase": names[int(ev)]}
            for ean, node, phase, kw, kind, meter, ev in columns
        ]  # fmt: skip


def connection_table(records: Iterable[Mapping[str, Any]], node_ids: Iterable[str]) -> ConnectionTable:
    """Build the table from rows that name their node by id.

    Parameters
    ----------
    records : iterable of mappings
        ``ean``, ``node`` (id), ``phase`` ("L123", "L1"…, or 0–3), ``capacity_kw``; optional ``kind`` (default
        "other"), ``meter_id`` and ``ev_phase``.
    node_ids : iterable of str
        Node ids in the order of the graph.

    Raises
    ------
    ValueError
        Lists every row with an unknown node or phase or without a needed column.
    """
    rows = list(records)
    index = {node: i for i, node in enumerate(node_ids)}
    faults = row_faults(rows, index)
    if faults:
        raise ValueError("The connection table has faults:\n" + "\n".join(faults))
    phase = np.array([_phase(row["phase"]) for row in rows], dtype=np.int8)
    ev = np.array([_phase(row.get("ev_phase", row["phase"])) for row in rows], dtype=np.int8)
    return ConnectionTable(
        ean=tuple(str(row["ean"]) for row in rows),
        node_index=np.array([index[str(row["node"])] for row in rows], dtype=np.int32),
        phase=phase,
        capacity_kw=np.array([float(row["capacity_kw"]) for row in rows]),
        kind=tuple(str(row.get("kind", "other")) for row in rows),
        meter_id=tuple(str(row.get("meter_id", "")) for row in rows),
        ev_phase=np.where(phase > 0, phase, ev).astype(np.int8),
    )


def row_faults(rows: Sequence[Mapping[str, Any]], node_ids: Iterable[str]) -> list[str]:
    """List rows that cannot stand in a table: unknown node or phase, a needed column missing or not a number."""
    known = set(node_ids)
    return [fault for i, row in enumerate(rows) for fault in _row_faults(i, row, known)]


def empty_connections() -> ConnectionTable:
    """Return a table without rows."""
    return connection_table([], [])


def _phase(value: Any) -> int | None:
    """Return 0–3 for a phase name or number, None if there is no such phase."""
    if isinstance(value, str):
        return PHASES.get(value)
    is_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value <= 3 else None


def _row_faults(i: int, row: Mapping[str, Any], known: set[str]) -> list[str]:
    """Name what is wrong with row ``i`` of the records."""
    if not isinstance(row, Mapping):
        return [f"connection row {i}: {row!r} is no record; needed are ean, node, phase and capacity_kw"]
    missing = [name for name in ("ean", "node", "phase", "capacity_kw") if name not in row]
    if missing:
        return [f"connection row {i}: {', '.join(missing)} missing; needed are ean, node, phase and capacity_kw"]
    place = f"connection {row['ean']}"
    faults = []
    if str(row["node"]) not in known:
        faults.append(f"{place}: node {row['node']!r} is not in the grid; name one of its {len(known)} nodes")
    faults += [f"{place}: {name} {row[name]!r} does not exist; allowed are {', '.join(PHASES)}"
               for name in ("phase", "ev_phase") if name in row and _phase(row[name]) is None]  # fmt: skip
    if isinstance(row["capacity_kw"], bool) or not isinstance(row["capacity_kw"], int | float | np.number):
        faults.append(f"{place}: capacity_kw {row['capacity_kw']!r} is not a number of kW")
    return faults
