"""Retail money: what drivers, homes and sites pay, and how it passes through EMSP, CPO, supplier and state.

Prices are those of the supply contract per quarter-hour (energy, tax, VAT); at stations that are not at home the CPO
adds a margin. Margins and fees are assumptions of ordinary size, in one place below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.breaches import Broken
from agents.cashbook import Cashbook
from agents.cast import Cast
from agents.information.integrity import CAR_DECIDES
from agents.roles.aggregator import Aggregator
from agents.settings import SEGMENTS
from agents.town import Town
from agents.transport import TransportRights
from agents.twin import Twin
from markets.contracts import Clock
from markets.levers import Regulation
from markets.supply import Fixed, RoamingFee, all_in_eur_per_kwh, feed_in_eur_per_kwh
from markets.tariffs import GRID_TARIFFS

MARGIN_EUR_PER_KWH = {"home": 0.0, "public_ac": 0.16, "office": 0.05, "depot": 0.02, "shared": 0.10, "dc_site": 0.35}
"""What the CPO adds to the energy price, VAT included (assumption; public AC ends near 0.45 EUR/kWh all in)."""
STATE = "state"
HOUSEHOLDS = "household"
SITES = "site"


def _exchange_eur(net_kwh: np.ndarray, buy: float, sell: float) -> np.ndarray:
    """Bill of what connections took (positive) or fed in, EUR."""
    return np.where(net_kwh > 0.0, net_kwh * buy, net_kwh * sell)


def _taken_and_fed_kwh(net_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy that some connections together took, and fed in, in every quarter, float64[n_periods] each."""
    taken, fed = (np.maximum(sign * net_kw, 0.0).sum(axis=0, dtype=np.float64) for sign in (1.0, -1.0))
    return 0.25 * taken, 0.25 * fed


class Billing:
    """Accounts of every session and the payments behind them.

    Parameters
    ----------
    town : Town
        Sessions, homes and sites.
    cast : Cast
        Who bills whom.
    cashbook : Cashbook
        Takes the payments.
    regulation : Regulation
        Tax and tariffs.
    clock : Clock
        Local time.
    rights : TransportRights
        Agreements of the flexible connections.
    twin : Twin
        The same without steering; moved through a period when its sessions are billed.
    """

    def __init__(
        self,
        town: Town,
        cast: Cast,
        cashbook: Cashbook,
        regulation: Regulation,
        clock: Clock,
        rights: TransportRights,
        twin: Twin,
    ) -> None:
        self.town, self.cast, self.cashbook, self.clock = town, cast, cashbook, clock
        self.regulation, self.rights, self.twin = regulation, rights, twin
        n = len(town.fleet.sessions)
        self.cost_eur, self.reference_eur, self.energy_eur = np.zeros((3, n))
        self.co2_kg, self.reference_co2_kg = np.zeros(n), np.zeros(n)
        self.segment_of = town.fleet.points.segment[town.fleet.sessions.cp_row]
        margin = np.array([MARGIN_EUR_PER_KWH[name] for name in SEGMENTS])
        self._margin = margin[self.segment_of]
        self._seen_kwh = np.zeros((2, n))
        self._roaming = RoamingFee()
        self._homes = np.array(town.grid.connections.kind) == "home"
        self._charging_homes = np.zeros(len(self._homes), dtype=bool)
        self._charging_homes[town.fleet.points.connection_row] = True
        self._charging_homes &= self._homes
        self._revenue_eur = 0.0
        self._settled = 0
        """Meter checks of the CPO that the bills know of."""
        household = Fixed(energy_eur_per_kwh=0.13)
        tax, metering = cast.supplier.tax, cast.supplier.metering
        none = np.zeros(clock.n_periods)
        self._home_price = all_in_eur_per_kwh(household, clock, none, tax)
        self._home_feed_in = feed_in_eur_per_kwh(household, clock, none, tax, metering)

    # --- sessions ----------------------------------------------------------------------------------------------------

    def charge_sessions(self, period: int, present: np.ndarray, co2_kg_per_kwh: float) -> None:
        """Bill the energy of a period to the sessions of the run and of its uncontrolled twin."""
        rows, drawn, delivered = self._energy(present)
        shown = self._shown_share(rows)
        cost = self._bill(self.town, period, rows, drawn * shown, delivered * shown)
        self.cost_eur[rows] += cost
        self.energy_eur[rows] += (drawn - delivered) * self._prices(period)[0]
        self.co2_kg[rows] += co2_kg_per_kwh * (drawn - delivered)
        self._pay(period, rows, drawn, delivered, cost)
        self._correct(period)
        rows, drawn, delivered = self.twin.move(period)
        self.reference_eur[rows] += self._bill(self.twin.town, period, rows, drawn, delivered)
        self.reference_co2_kg[rows] += co2_kg_per_kwh * (drawn - delivered)

    def _shown_share(self, rows: np.ndarray) -> np.ndarray:
        """What the meters that count for sessions show of a true kWh: the station's, at home the connection's own."""
        station = self.cast.stations.meter_factor[self.town.fleet.sessions.cp_row[rows]]
        return np.where(self.segment_of[rows] == SEGMENTS.index("home"), 1.0, station)

    def _correct(self, period: int) -> None:
        """Pay back, or collect, where the CPO settled a session otherwise than by the station's meter.

        What was shown and what counts differ by energy at the price that now holds; the CPO's own bill for the
        connection is untouched.
        """
        checks = self.cast.cpo.checks
        found = [k for k in range(self._settled, len(checks.rule)) if checks.rule[k] == CAR_DECIDES]
        self._settled = len(checks.rule)
        for k in found:
            row = checks.session_row[k]
            code = int(self.segment_of[row])
            if SEGMENTS[code] == "home":
                continue
            eur = (checks.settled_kwh[k] - checks.mid_kwh[k]) * (self._prices(period)[0] + float(self._margin[row]))
            self.cost_eur[row] += eur
            emsp, cpo = self.cast.emsp.account, self.cast.cpo.account
            self.cashbook.pay(period, f"driver:{SEGMENTS[code]}", emsp, eur, "meter_correction")
            self.cashbook.pay(period, emsp, cpo, eur, "meter_correction")

    def _energy(self, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sessions that moved energy since they were last looked at; what they drew and delivered, kWh at the meter."""
        state = self.cast.evs.state
        now = np.stack([state.session_import_kwh[present], state.session_export_kwh[present]])
        change = now - self._seen_kwh[:, present]
        self._seen_kwh[:, present] = now
        moved = np.flatnonzero(change.any(axis=0))
        return present[moved], change[0, moved], change[1, moved]

    def _bill(self, town: Town, period: int, rows: np.ndarray, drawn: np.ndarray, delivered: np.ndarray) -> np.ndarray:
        """Cost of the period per session; at home it is what the car adds to the bill of the whole connection.

        Own sun that the car takes was not fed in, and what it delivers to the house was not bought.
        """
        buy, sell = self._prices(period)
        cost = drawn * (buy + self._margin[rows]) - delivered * sell
        at_home = self.segment_of[rows] == SEGMENTS.index("home")
        if buy - sell < 1e-12 or not at_home.any():
            return np.asarray(cost)
        connection = town.fleet.points.connection_row[town.fleet.sessions.cp_row[rows]]
        house = 0.25 * town.base_kw[connection, period].astype(np.float64)
        added = _exchange_eur(house + drawn - delivered, buy, sell) - _exchange_eur(house, buy, sell)
        return np.where(at_home, added, cost)

    def _prices(self, period: int) -> tuple[float, float]:
        supplier = self.cast.supplier
        return float(supplier.price_eur_per_kwh[period]), float(supplier.feed_in_eur_per_kwh[period])

    def _pay(self, period: int, rows: np.ndarray, drawn: np.ndarray, delivered: np.ndarray, cost: np.ndarray) -> None:
        """Payments of a period, summed per segment."""
        kind = self.segment_of[rows]
        paid, taken, back = (np.bincount(kind, weights=w, minlength=len(SEGMENTS)) for w in (cost, drawn, delivered))
        supplier, cpo, emsp = (getattr(self.cast, name).account for name in ("supplier", "cpo", "emsp"))
        buy, sell = self._prices(period)
        for code, name in enumerate(SEGMENTS):
            if not (taken[code] or back[code]):
                continue
            driver, energy_eur = f"driver:{name}", float(taken[code] * buy - back[code] * sell)
            if name == "home":
                energy_eur = float(paid[code])
                self.cashbook.pay(period, driver, supplier, energy_eur, "charging_at_home")
            else:
                fee = float(self._roaming.energy_eur_per_kwh * taken[code])
                self.cashbook.pay(period, driver, emsp, float(paid[code]), "charging_session")
                self.cashbook.pay(period, emsp, cpo, float(paid[code]) - fee, "roaming")
                self.cashbook.pay(period, cpo, supplier, energy_eur, "retail_energy")
            self._pay_state(period, supplier, float(taken[code] - back[code]), energy_eur)
            fee_eur = float(self.cast.supplier.grid_fee_eur_per_kwh[period] * taken[code])
            self.cashbook.pay(period, supplier, self.cast.dso.account, fee_eur, "grid_tariff")

    def _pay_state(self, period: int, payer: str, net_kwh: float, paid_eur: float) -> None:
        """Energy tax on the net use, and the VAT inside what was paid."""
        tax = self.cast.supplier.tax
        self.cashbook.pay(period, payer, STATE, tax.eur_per_kwh * net_kwh, "energy_tax")
        self.cashbook.pay(period, payer, STATE, paid_eur * tax.vat_share / (1.0 + tax.vat_share), "vat")

    def charge_guests(self, period: int, rows: np.ndarray, energy_kwh: np.ndarray) -> None:
        """Bill what physical stations metered beyond the simulated session, at the price of the energy."""
        for row, kwh in zip(rows.tolist(), energy_kwh.tolist(), strict=True):
            self.charge_late(period, period, row, kwh)

    def charge_late(self, now: int, period: int, row: int, energy_kwh: float) -> float:
        """Bill energy of a point now at the price of its own period; what its driver pays, EUR."""
        eur, supplier = energy_kwh * self._prices(period)[0], self.cast.supplier.account
        driver = f"driver:{SEGMENTS[self.town.fleet.points.segment[row]]}"
        self.cashbook.pay(now, driver, supplier, eur, "charging_at_station")
        self._pay_state(now, supplier, energy_kwh, eur)
        return eur

    # --- homes, sites, wires -----------------------------------------------------------------------------------------

    def charge_customers(self) -> None:
        """Bill homes with their roofs, and sites, for every quarter of the run: nobody reads these bills before.

        Homes with a charging point have the contract of the town's supplier, others a fixed price.
        """
        town, supplier = self.town, self.cast.supplier
        others = self._homes & ~self._charging_homes
        own = _taken_and_fed_kwh(town.home_kw[self._charging_homes] - town.roof_kw[self._charging_homes])
        rest = _taken_and_fed_kwh(town.home_kw[others] - town.roof_kw[others])
        paid = own[0] * supplier.price_eur_per_kwh - own[1] * supplier.feed_in_eur_per_kwh
        paid += rest[0] * self._home_price - rest[1] * self._home_feed_in
        self._charge(HOUSEHOLDS, own[0] + rest[0] - own[1] - rest[1], paid)
        taken, fed = _taken_and_fed_kwh(town.site_kw[~self._homes] - town.roof_kw[~self._homes])
        self._charge(SITES, taken - fed, taken * self._home_price - fed * self._home_feed_in)

    def _charge(self, payer: str, net_kwh: np.ndarray, paid_eur: np.ndarray) -> None:
        """Book retail bills of every period, with the tax in them."""
        supplier, tax, periods = self.cast.supplier.account, self.cast.supplier.tax, np.arange(len(paid_eur))
        vat = paid_eur * tax.vat_share / (1.0 + tax.vat_share)
        for pair, eur, reason in (
            ((payer, supplier), paid_eur, "retail_energy"),
            ((supplier, STATE), tax.eur_per_kwh * net_kwh, "energy_tax"),
            ((supplier, STATE), vat, "vat"),
        ):
            self.cashbook.pay_series(periods, *pair, eur, reason, national=False)

    def charge_losses(self, period: int, losses_kwh: float, price_eur_per_mwh: float) -> None:
        """The grid operator buys the energy its wires lose from the town's supplier."""
        eur = losses_kwh / 1000.0 * price_eur_per_mwh
        self.cashbook.pay(period, self.cast.dso.account, self.cast.supplier.account, eur, "grid_losses")

    def charge_grid(self, ev_kw: np.ndarray) -> None:
        """Grid tariff of every connection for the days of the run, booked in the last period.

        Parameters
        ----------
        ev_kw : float array, shape (n_connections, n_periods)
            Charging; its share of an energy fee was collected with the energy.
        """
        table = self.town.grid.connections
        tariff = GRID_TARIFFS[self.regulation.grid_tariff]()
        vat = self.regulation.vat_share
        connection_kw = self.town.base_kw + (0.0 if self.regulation.grid_tariff == "time_of_use" else ev_kw)
        cost = tariff.cost_with_vat_eur(connection_kw.T, table.capacity_kw, self.clock, vat)
        own = self.rights.has_own_fee
        if own.any():
            fee = self.rights.fee_eur() * (1.0 + (vat if tariff.has_vat else 0.0))
            cost[self.rights.rows[own]] = fee[own]
        last = self.clock.n_periods - 1
        for kind in sorted(set(table.kind)):
            eur = float(np.sum(cost[table.rows_of_kind(kind)]))
            self.cashbook.pay(last, self._payer(kind), self.cast.dso.account, eur, "grid_tariff")

    def _payer(self, kind: str) -> str:
        """Who pays for a connection of a kind."""
        payers = {
            "home": HOUSEHOLDS, "office": SITES, "business": SITES, "other": SITES,
            "depot": self.cast.fleet_operator.account,
        }  # fmt: skip
        return payers.get(kind, self.cast.cpo.account)

    def charge_breaches(self, broken: Sequence[Broken]) -> None:
        """Penalties for broken agreements, booked in the last period: each side owes for its own."""
        table, dso, last = self.town.grid.connections, self.cast.dso.account, self.clock.n_periods - 1
        for breach in broken:
            is_call = breach.agreement == "capacity_limiting"
            customer = self.cast.csp.account if is_call else self._payer(table.kind[breach.connection_row])
            pair = (customer, dso) if breach.by == "customer" else (dso, customer)
            self.cashbook.pay(last, *pair, breach.penalty_eur, "transport_penalty")

    # --- rewards -----------------------------------------------------------------------------------------------------

    def reward_drivers(self, period: int, revenue_eur: float, rows: np.ndarray, aggregator: Aggregator) -> None:
        """Pass part of what an aggregator earned with flexibility on to its drivers who take part and are here."""
        if revenue_eur <= 0.0 or not len(rows):
            return
        each = aggregator.reward_share * revenue_eur / len(rows)
        self.cost_eur[rows] -= each
        count = np.bincount(self.segment_of[rows], minlength=len(SEGMENTS))
        for code in np.flatnonzero(count).tolist():
            account = f"driver:{SEGMENTS[code]}"
            self.cashbook.pay(period, aggregator.account, account, each * count[code], "flexibility_reward")
