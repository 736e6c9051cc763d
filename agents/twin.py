"""The run's twin: the same days, drivers and grid events with nobody steering; every saving is measured against it.

Scheduled outages and islands are the same. Protection follows the twin's own loading, so that it trips where
uncontrolled charging would have made it trip.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from agents.events import GridEvents
from agents.fleet.counterfactual import within_connections_kw
from agents.fleet.physics import StepResult, step
from agents.fleet.state import FleetState, initial_state
from agents.settings import SEGMENTS, GridSettings
from agents.town import Town
from grid.power_flow import PowerFlow


class Twin:
    """Uncontrolled charging beside a run, period by period.

    Parameters
    ----------
    town : Town
        The real world; a twin with grid events has homes, sites and roofs of its own.
    settings : GridSettings
        Events, and whether overloaded branches trip.

    Attributes
    ----------
    town : Town
        With what the twin's outages left of its loads.
    state : FleetState
        Cars, points and sessions; where nothing can fail, as at the end of the run.
    events : GridEvents or None
        Its switches; None where nothing can fail, and town and wires are those of the run.
    """

    def __init__(self, town: Town, settings: GridSettings) -> None:
        self.fleet, self.capacity_kw = town.fleet, town.grid.connections.capacity_kw
        self.events: GridEvents | None = None
        self.town = town
        self.state: FleetState = town.reference.state
        if not settings.events and not settings.is_protected:
            # what it loads is known before the run and asked for after it: a second core works it out meanwhile
            helper = ThreadPoolExecutor(max_workers=1)
            self._flowing = helper.submit(_loading_share_of, town)
            helper.shutdown(wait=False)
            return
        self.state = initial_state(town.fleet)
        self._seen_kwh = np.zeros((2, len(town.fleet.sessions)))
        own = {name: getattr(town, name).copy() for name in ("home_kw", "site_kw", "roof_kw")}
        self.town = replace(town, **own)
        self.events = GridEvents(self.town, settings, lambda *_: None)
        n = town.home_kw.shape[1]
        self._power_kw = np.zeros((n, town.fleet.n_points), dtype=np.float32)
        self._loading_share = np.full((n, town.grid.arrays.n_branches), np.nan, dtype=np.float32)

    def move(self, period: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Move every car through a period, at full power from its arrival as far as connection and supply go.

        Returns
        -------
        rows : int array, shape (n,)
            Sessions that moved energy.
        drawn_kwh, delivered_kwh : float arrays, shape (n,)
            At their meters; delivered is what V2X cars give to a connection without supply.
        """
        if self.events is None:
            rows, drawn = self.town.reference.drawn.of(period)
            return rows, drawn, np.zeros(len(rows))
        result = self._step(period, self.events)
        self._power_kw[period] = result.power_kw
        self._flow(period, self.events, result)
        now = np.stack([self.state.session_import_kwh, self.state.session_export_kwh])[:, result.present]
        change = now - self._seen_kwh[:, result.present]
        self._seen_kwh[:, result.present] = now
        return result.present, change[0], change[1]

    def _step(self, period: int, events: GridEvents) -> StepResult:
        limit = within_connections_kw(self.fleet, self.state, period, self.capacity_kw)
        events.switch(period)
        dark = events.supply(period, self.state)
        if dark is None:
            return step(self.fleet, self.state, period, limit)
        events.postpone(step(self.fleet, self.state.copy(), period, limit))
        result = step(self.fleet, self.state, period, np.where(dark.is_point, 0.0, limit))
        dark.book(self.state, result)
        return result

    def _flow(self, period: int, events: GridEvents, result: StepResult) -> None:
        base = self.town.base_kw[:, period].astype(np.float64)
        ev = self.town.at_connections(result.power_kw)
        state = events.flow.solve(base, ev_kw=ev, connection_kvar=self.town.kvar_at(period))
        if state.has_converged:
            self._loading_share[period] = state.loading_share
        events.protect(period, self._loading_share[period])

    @property
    def power_kw(self) -> np.ndarray:
        """Charging per point, float32[n_points, n_periods]."""
        return self.town.reference.power_kw if self.events is None else self._power_kw.T

    def segment_kw(self) -> np.ndarray:
        """Charging per segment, float64[n_segments, n_periods]."""
        codes, power = self.fleet.points.segment, self.power_kw
        return np.stack([power[codes == code].sum(axis=0, dtype=np.float64) for code in range(len(SEGMENTS))])

    def loading_share(self) -> np.ndarray:
        """Loading of every branch, float[n_periods, n_branches]; nan where no flow was found."""
        return self._flowing.result() if self.events is None else self._loading_share


def _loading_share_of(town: Town) -> np.ndarray:
    """Loading of a town that nobody steers, in one batch on a solver of its own: the engine lets other threads run."""
    flow = PowerFlow(town.grid, town.flow.fidelity)
    kvar = None if town.base_kvar is None else town.base_kvar.T
    base = town.base_kw.T.astype(np.float64)
    return flow.solve_many(base, ev_kw=town.reference_ev_kw.T, connection_kvar=kvar).loading_share
