"""What physical stations were told, did and cost, as result tables; and the money of energy that was metered late."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from agents.hardware.seam import HardwarePort, LateEnergy, Snapshot
    from agents.model import Flexpolder

COUNTED = {
    "disconnected": "lost_sockets",
    "replaced": "replaced_sockets",
    "booted": "boots",
    "profile_rejected": "refused_set_points",
    "violated": "violated_set_points",
    "overdraw": "samples_above_limit",
    "stop_sent": "stops_sent",
    "suspect": "suspect_samples",
    "power_mismatch": "contradicted_powers",
    "schema": "schema_faults",
    "malformed": "malformed_messages",
    "duplicates": "repeated_messages",
    "authorisation_refused": "refused_authorisations",
}
"""Events that are counted as figures, and the name of the figure."""

HEADS = {
    "hardware": (
        "period", "charging_point_row", "station_id", "limit_kw", "power_kw", "last_kw", "energy_kwh", "register_kwh",
        "quality", "is_steerable", "is_metered",
    ),
    "hardware_corrections": (
        "period", "found_period", "charging_point_row", "station_id", "energy_kwh", "driver_eur", "imbalance_eur",
    ),
    "hardware_events": ("period", "utc_s", "station_id", "kind", "text"),
    "hardware_figures": ("station_id", "figure", "value", "unit"),
}  # fmt: skip
"""Columns of the tables."""

Columns = dict[str, list[Any]]


@dataclass
class HardwareLog:
    """Rows of the tables ``hardware``, ``hardware_events``, ``hardware_corrections`` and ``hardware_figures``.

    Parameters
    ----------
    port : HardwarePort
        Where events and measured times come from.
    """

    port: HardwarePort
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    corrections: list[tuple[Any, ...]] = field(default_factory=list)
    late_step_s: list[float] = field(default_factory=list)

    def note(self, period: int, told_kw: np.ndarray, seen: Snapshot, late_s: float) -> None:
        """Keep one period of all stations."""
        self.late_step_s.append(late_s)
        for k, row in enumerate(self.port.points.tolist()):
            self.rows.append(
                (
                    period, row, self.port.names[k], float(told_kw[k]), float(seen.power_kw[k]),
                    float(seen.last_kw[k]), float(seen.energy_kwh[k]), float(seen.register_kwh[k]),
                    int(seen.quality[k]), bool(seen.is_steerable[k]), seen.is_metered,
                )
            )  # fmt: skip

    def settle_late(self, m: Flexpolder, period: int) -> None:
        """Book energy found now for settled periods, at the prices of those.

        The driver pays it, and the pool's balance responsible party was short of it (or long, where less was drawn
        than estimated).
        """
        rows = self.port.points.tolist()
        for late in self.port.late_energy():
            name = self.port.names[rows.index(late.row)]
            driver_eur, imbalance_eur = _book(m, period, late)
            self.corrections.append((late.period, period, late.row, name, late.energy_kwh, driver_eur, imbalance_eur))

    def all_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Rows by table."""
        events = [(self._period_at(utc_s), utc_s, name, kind, text) for name, utc_s, kind, text in self.port.events]
        return {
            "hardware": self.rows,
            "hardware_corrections": self.corrections,
            "hardware_events": events,
            "hardware_figures": [*self._times(), *self._counts()],
        }

    def _period_at(self, utc_s: float) -> int:
        """Market period of a moment on the wall clock; -1 before the stations took part."""
        return self.port.period_at(utc_s)

    def _times(self) -> list[tuple[Any, ...]]:
        """How punctual steps, set-points and answers were."""
        timing = self.port.timing
        late = np.array(self.late_step_s or [0.0])
        found: list[tuple[Any, ...]] = [
            ("", "late_steps", float(np.sum(late > 0.05)), ""),
            ("", "late_reads", float(timing.late_reads), ""),
            ("", "step_jitter_ms", 1000.0 * float(np.std(late)), "ms"),
        ]
        for name, seconds in (
            ("late_step", self.late_step_s),
            ("read", timing.read_s),
            ("set_point_to_socket", timing.set_point_s),
            ("round_trip", timing.round_trip_s),
        ):
            values = 1000.0 * np.array(seconds or [np.nan])
            for label, share in (("p50", 50), ("p99", 99), ("max", 100)):
                found.append(("", f"{name}_{label}_ms", float(np.percentile(values, share)), "ms"))
        turned_away = self.port.figures.get("turned_away", {})
        return [*found, *(("", f"turned_away_{why}", float(n), "") for why, n in sorted(turned_away.items()))]

    def _counts(self) -> list[tuple[Any, ...]]:
        """How often what happened, by station; a socket that comes back is a reconnection."""
        kinds = [(name, kind) for name, _, kind, _ in self.port.events]
        found = []
        for name in self.port.names:
            counts = {figure: kinds.count((name, kind)) for kind, figure in COUNTED.items()}
            counts["reconnections"] = max(kinds.count((name, "connected")) - 1, 0)
            found += [(name, figure, float(n), "") for figure, n in counts.items()]
        return found


def _book(m: Flexpolder, now: int, late: LateEnergy) -> tuple[float, float]:
    """Money of one correction: what the driver pays, and what the pool's party pays for the imbalance, EUR."""
    driver_eur = m.billing.charge_late(now, late.period, late.row, late.energy_kwh)
    side = "shortage" if late.energy_kwh > 0.0 else "surplus"
    price = float(m.record.price[side][late.period])
    eur = late.energy_kwh / 1000.0 * price * m.settings.representation
    brp = m.exchange.accounts[m.cast.pool_brp.row]
    m.cashbook.pay_national(now, brp, m.cast.tso.account, eur, "late_imbalance")
    return driver_eur, eur


def tables_of(log: HardwareLog | None) -> dict[str, Columns]:
    """The tables as columns; empty ones for a run without hardware."""
    rows = log.all_rows() if log is not None else {}
    return {
        table: {name: [row[k] for row in rows.get(table, ())] for k, name in enumerate(names)}
        for table, names in HEADS.items()
    }
