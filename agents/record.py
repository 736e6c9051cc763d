"""What a run writes down while it goes on: arrays over periods, filled by the phases, turned into tables at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.roles.producer import Producer
from agents.roles.tso import Balanced
from agents.settings import SEGMENTS
from agents.town import Town
from grid.flow_results import FlowState
from grid.quality import NO_SUPPLY_PU, QualityRules

LOSSES_SHARE = 0.025
"""Losses assumed before the first power flow, share of consumption."""
MAX_EVENTS = 1000


class Record:
    """Series of a run.

    Parameters
    ----------
    n_periods : int
        Length.
    town : Town
        Sizes of the wires.
    n_parties : int
        Balance responsible parties.
    rules : QualityRules, optional
        What voltages are judged by.
    """

    def __init__(self, n_periods: int, town: Town, n_parties: int, rules: QualityRules | None = None) -> None:
        n, a = n_periods, town.grid.arrays
        self.rules = rules or QualityRules()
        self.segment_kw = np.zeros((len(SEGMENTS), n))
        self.ev_kw = np.zeros((town.n_connections, n), dtype=np.float32)
        self.baseline_kw = np.zeros(n)
        self.loading_share = np.full((n, a.n_branches), np.nan, dtype=np.float32)
        self.voltage_min_pu = np.full((n, a.n_nodes), np.nan, dtype=np.float32)
        self.voltage_max_pu, self.vuf_share = self.voltage_min_pu.copy(), self.voltage_min_pu.copy()
        self.deviation_share = self.voltage_min_pu.copy()
        self.voltage_outside = np.zeros((-(-n // self.rules.steps_per_window), a.n_nodes, 3), dtype=np.int32)
        self._mean_index = 0
        self._mean_sum, self._mean_count = np.zeros((a.n_nodes, 3)), np.zeros((a.n_nodes, 3), dtype=np.int32)
        self.source_kwh, self.served_kwh, self.losses_kwh = np.zeros(n), np.zeros(n), np.zeros(n)
        self.losses_share = LOSSES_SHARE
        self.activated_mwh, self.passive_mwh = np.zeros(n), np.zeros(n)
        self.withheld_kwh = np.zeros(n)
        """Charging that direct signals of the grid operator kept from the cars."""
        self.imbalance_eur = np.zeros((n_parties, n))
        self.reference_loading_share = np.zeros((n, a.n_branches))
        self.co2_g_per_kwh = np.zeros(n)
        names = (
            "wind_mw",
            "solar_mw",
            "thermal_mw",
            "import_mw",
            "error_mw",
            "up_mwh",
            "down_mwh",
            "incident_mwh",
            "passive_mwh",
        )
        self.system = {name: np.zeros(n) for name in names}
        prices = ("shortage", "surplus", "mid", "up", "down")
        self.price = {name: np.full(n, np.nan) for name in prices}
        self.state = np.zeros(n, dtype=np.int8)
        self.activations: list[tuple[int, str, str, float, float]] = []
        self.events: list[tuple[int, str, str]] = []

    def note_flow(self, t: int, state: FlowState, served_kw: float) -> None:
        """Keep a power flow; where there is none, energy is booked with usual losses and the event is noted."""
        if state.has_converged:
            self.loading_share[t] = state.loading_share
            self._note_voltage(t, state)
            self.source_kwh[t], self.losses_kwh[t] = 0.25 * state.source_kw, 0.25 * state.losses_kw
            self.served_kwh[t] = 0.25 * state.served_kw
            if abs(state.served_kw) > 1.0:
                self.losses_share = max(0.0, 0.9 * self.losses_share + 0.1 * state.losses_kw / abs(state.served_kw))
            return
        self.served_kwh[t] = 0.25 * served_kw
        self.losses_kwh[t] = self.losses_share * abs(self.served_kwh[t])
        self.source_kwh[t] = self.served_kwh[t] + self.losses_kwh[t]
        self.note_event(t, "power_flow", f"did not converge near {', '.join(state.failure.nodes)}"
                        if state.failure else "did not converge")  # fmt: skip

    def _note_voltage(self, t: int, state: FlowState) -> None:
        """Keep lowest and highest phase and both readings of unbalance; nothing where there is no supply."""
        one, two, three = state.voltage_pu.T
        low, high = np.minimum(np.minimum(one, two), three), np.maximum(np.maximum(one, two), three)
        mean = (one + two + three) / 3.0
        self.voltage_min_pu[t], self.voltage_max_pu[t], self.vuf_share[t] = low, high, state.vuf_share
        self.deviation_share[t] = np.maximum(high - mean, mean - low) / np.maximum(mean, NO_SUPPLY_PU)
        dark = np.flatnonzero(high <= NO_SUPPLY_PU)
        if len(dark):
            for column in (self.voltage_min_pu, self.voltage_max_pu, self.vuf_share, self.deviation_share):
                column[t, dark] = np.nan
        if self.rules.steps_per_mean > 1:
            self._add_to_mean(t, state.voltage_pu, (high > NO_SUPPLY_PU)[:, None])
            return
        limit = self.rules.voltage
        if float(low.min()) < limit.low or float(high.max()) > limit.high:
            is_outside = (state.voltage_pu < limit.low) | (state.voltage_pu > limit.high)
            self.voltage_outside[t // self.rules.steps_per_window] += is_outside & (high > NO_SUPPLY_PU)[:, None]

    def _add_to_mean(self, t: int, voltage_pu: np.ndarray, has_supply: np.ndarray) -> None:
        """Take a quarter-hour into the longer mean that it belongs to."""
        if t // self.rules.steps_per_mean != self._mean_index:
            self.close_mean()
            self._mean_index = t // self.rules.steps_per_mean
        self._mean_sum += np.where(has_supply, voltage_pu, 0.0)
        self._mean_count += has_supply

    def close_mean(self) -> None:
        """Judge the mean under way, of as many quarter-hours as it has."""
        limit, is_known = self.rules.voltage, self._mean_count > 0
        mean = self._mean_sum / np.maximum(self._mean_count, 1)
        window = self._mean_index * self.rules.steps_per_mean // self.rules.steps_per_window
        self.voltage_outside[window] += is_known & ((mean < limit.low) | (mean > limit.high))
        self._mean_sum[:], self._mean_count[:] = 0.0, 0

    def note_event(self, t: int, kind: str, text: str) -> None:
        """Note something out of the ordinary."""
        if len(self.events) < MAX_EVENTS:
            self.events.append((t, kind, text))

    def note_balance(self, t: int, balanced: Balanced, error_mw: float) -> None:
        """Keep prices, state and activated energy."""
        p = balanced.prices
        values = (
            p.shortage_eur_per_mwh, p.surplus_eur_per_mwh, p.mid_price_eur_per_mwh,
            p.dispatch_up_eur_per_mwh, p.dispatch_down_eur_per_mwh,
        )  # fmt: skip
        for name, value in zip(self.price, values, strict=True):
            self.price[name][t] = value
        self.state[t] = p.state
        energy = balanced.activation.energy_mwh
        self.system["up_mwh"][t] = float(np.sum(energy[energy > 0.0]))
        self.system["down_mwh"][t] = 0.0 - float(np.sum(energy[energy < 0.0]))
        self.system["error_mw"][t] = error_mw
        self.system["incident_mwh"][t] = balanced.incident_mwh

    def note_activations(self, t: int, balanced: Balanced, name_of: Sequence[str]) -> None:
        """Keep each provider's balancing energy."""
        energy = balanced.activation.energy_mwh
        p = balanced.prices
        for owner in np.unique(balanced.bids.owner).tolist():
            mine = balanced.bids.owner == owner
            for way, sign, price in (
                ("up", 1.0, p.dispatch_up_eur_per_mwh),
                ("down", -1.0, p.dispatch_down_eur_per_mwh),
            ):
                mwh = float(np.sum(np.maximum(sign * energy[mine], 0.0)))
                if mwh > 0.0:
                    self.activations.append((t, name_of[owner], way, mwh, price))

    def note_generation(
        self, t: int, output: Sequence[np.ndarray], producers: Sequence[Producer], import_mw: float
    ) -> None:
        """Keep the generation mix."""
        totals = dict.fromkeys(("wind_mw", "solar_mw", "thermal_mw"), 0.0)
        for mw, producer in zip(output, producers, strict=True):
            for power, unit in zip(mw.tolist(), producer.units, strict=True):
                kind = "solar_mw" if unit.driver == "solar" else "wind_mw" if unit.driver else "thermal_mw"
                totals[kind] += power
        for name, value in totals.items():
            self.system[name][t] = value
        self.system["import_mw"][t] = import_mw
