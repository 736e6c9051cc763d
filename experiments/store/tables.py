"""Every result table of a run: the one place that says what columns mean. ``results/README.md`` is made from it."""

from __future__ import annotations

from experiments.store.columns import Table, declare

_PERIOD = ("period", "int32", "", "period index, 15 min, 0 = first of the run")
_SEGMENT = ("segment", "string", "", "home, public_ac, office, depot, shared, dc_site, household, pv or site")
_BRANCH = ("branch_index", "int32", "", "row in table branches; -1 = no single branch")
_NODE = ("node_index", "int32", "", "row in table nodes")


def _f(name: str, unit: str, meaning: str) -> tuple[str, str, str, str]:
    return (name, "float64", unit, meaning)


def _g(name: str, unit: str, meaning: str) -> tuple[str, str, str, str]:
    return (name, "float32", unit, meaning)


def _s(name: str, meaning: str) -> tuple[str, str, str, str]:
    return (name, "string", "", meaning)


_TIME_AND_MARKETS = (
    declare(
        "periods",
        "the run's clock",
        [
            _PERIOD,
            ("time_utc", "timestamp", "UTC", "start of the period"),
            ("local_hour", "float32", "h", "Dutch clock hour at the start, with fraction"),
            ("day", "int32", "", "local day, 0 = first"),
        ],
    ),
    declare(
        "prices",
        "what a megawatt-hour cost, and the regulation state",
        [
            _PERIOD,
            _f("day_ahead_eur_per_mwh", "EUR/MWh", "day-ahead clearing price"),
            _f("intraday_vwap_eur_per_mwh", "EUR/MWh", "volume-weighted continuous intraday price; NaN = no trade"),
            _f("imbalance_shortage_eur_per_mwh", "EUR/MWh", "price paid by BRPs that are short"),
            _f("imbalance_surplus_eur_per_mwh", "EUR/MWh", "price received by BRPs that are long"),
            _f("mid_eur_per_mwh", "EUR/MWh", "middle of the best upward and downward bid"),
            _f("up_eur_per_mwh", "EUR/MWh", "highest activated upward bid; NaN = none"),
            _f("down_eur_per_mwh", "EUR/MWh", "lowest activated downward bid; NaN = none"),
            ("regulation_state", "int8", "", "-1 downward, 0 none, 1 upward, 2 both"),
            _f("co2_g_per_kwh", "g/kWh", "average emission of the generation mix"),
        ],
    ),
    declare(
        "system",
        "the national power system",
        [
            _PERIOD,
            _f("load_mw", "MW", "realised load"),
            _f("load_forecast_mw", "MW", "load as forecast a day ahead"),
            _f("wind_mw", "MW", "wind generation"),
            _f("solar_mw", "MW", "solar generation"),
            _f("thermal_mw", "MW", "thermal generation"),
            _f("import_mw", "MW", "net import"),
            _f("system_imbalance_mw", "MW", "imbalance before activation, + = surplus"),
            _f("afrr_up_mwh", "MWh", "activated upward energy"),
            _f("afrr_down_mwh", "MWh", "activated downward energy"),
            _f("mfrrda_mwh", "MWh", "incident reserve called, + = up: its price bounds the period's balancing price"),
            _f("passive_mwh", "MWh", "passive balancing of the pool as delivered, + = up"),
        ],
    ),
    declare(
        "trades",
        "every trade",
        [
            _s("market", "forward, day_ahead, ida1, ida2, ida3, intraday, redispatch, fcr, afrr_up or afrr_down"),
            ("gate_period", "int32", "", "period in which it was concluded; negative = before the run"),
            ("period", "int32", "", "period of delivery"),
            _s("seller", "party"),
            _s("buyer", "party"),
            _f("volume_mw", "MW", "traded power"),
            _f("price_eur_per_mwh", "EUR/MWh", "price"),
            ("product_min", "int32", "min", "length of the traded product; a longer one stands in each of its periods"),
        ],
    ),
    declare(
        "order_book",
        "best prices of the continuous intraday market when parties come to trade",
        [
            ("gate_period", "int32", "", "period of the snapshot"),
            ("period", "int32", "", "period of delivery"),
            _s("side", "bid or ask"),
            _f("price_eur_per_mwh", "EUR/MWh", "price"),
            _f("volume_mw", "MW", "visible power at this price"),
            ("rank", "int32", "", "0 = best price"),
        ],
    ),
    declare(
        "positions",
        "each BRP's energy account; + = bought or consumed, imbalance + = surplus",
        [
            _PERIOD,
            _s("brp", "party"),
            _f("forward_mwh", "MWh", "bought ahead of the day-ahead auction"),
            _f("day_ahead_mwh", "MWh", "bought day-ahead"),
            _f("intraday_mwh", "MWh", "bought intraday"),
            _f("redispatch_mwh", "MWh", "bought in redispatch"),
            _f("metered_mwh", "MWh", "metered consumption"),
            _f("activated_mwh", "MWh", "correction for balancing energy activated"),
            _f("imbalance_mwh", "MWh", "imbalance, + = surplus"),
            _f("imbalance_eur", "EUR", "received for imbalance, negative = paid"),
        ],
    ),
    declare(
        "ledger",
        "every payment",
        [
            _PERIOD,
            _s("payer", "account that pays"),
            _s("payee", "account that receives"),
            _s("reason", "kind of payment"),
            _f("amount_eur", "EUR", "amount, negative = the other way round"),
        ],
    ),
    declare(
        "parties",
        "who holds which roles",
        [_s("party", "company"), _s("roles", "market roles, comma separated"), _s("account", "account in the ledger")],
    ),
    declare(
        "balance_delta",
        "balancing power as the operator samples and publishes it (after the lever balance_delta_delay_s)",
        [
            _PERIOD,
            ("second", "int32", "s", "moment of the sample within the period"),
            _g("afrr_in_mw", "MW", "upward aFRR"),
            _g("afrr_out_mw", "MW", "downward aFRR"),
            _g("picasso_in_mw", "MW", "netting and exchange from other areas"),
            _g("picasso_out_mw", "MW", "netting and exchange to other areas"),
            _g("mfrrda_in_mw", "MW", "upward incident reserve"),
            _g("mfrrda_out_mw", "MW", "downward incident reserve"),
            _g("max_upw_regulation_price_eur_per_mwh", "EUR/MWh", "dearest upward bid in use; NaN = none"),
            _g("min_downw_regulation_price_eur_per_mwh", "EUR/MWh", "cheapest downward bid in use; NaN = none"),
            _g("mid_price_eur_per_mwh", "EUR/MWh", "middle of the best upward and downward bid"),
        ],
    ),
    declare(
        "reserves",
        "balancing capacity offered and contracted",
        [
            _s("product", "fcr, afrr_up or afrr_down"),
            ("block_start_period", "int32", "", "first period of the block"),
            _f("offered_mw", "MW", "offered by the provider"),
            _f("awarded_mw", "MW", "contracted"),
            _f("price_eur_per_mw_h", "EUR/MW/h", "price of the contract"),
            _s("provider", "party"),
        ],
    ),
    declare(
        "activations",
        "balancing energy activated",
        [
            _PERIOD,
            _s("provider", "party"),
            _s("direction", "up or down"),
            _f("energy_mwh", "MWh", "activated energy"),
            _f("price_eur_per_mwh", "EUR/MWh", "settlement price"),
        ],
    ),
    declare(
        "reserve_shortfalls",
        "contracted reserve that was not bid (aFRR) or not there (FCR), and what that cost its provider",
        [
            _PERIOD,
            _s("provider", "party"),
            _s("product", "fcr, afrr_up or afrr_down"),
            _f("contracted_mw", "MW", "contracted"),
            _f("missing_mw", "MW", "short of it"),
            _f("penalty_eur", "EUR", "paid to the operator, all towns together"),
        ],
    ),
    declare(
        "market_monitor",
        "what an authority would measure in each market over the run",
        [
            _s("market", "market, or capacity product"),
            ("trades", "int64", "", "trades; against the central counterparty each side counts"),
            _f("volume_mwh", "MWh", "energy traded; MW times hours of capacity"),
            _f("churn", "", "volume over consumption; NaN for capacity"),
            _f("hhi_sellers", "", "Herfindahl-Hirschman index of sellers, 10,000 = one seller"),
            _f("hhi_buyers", "", "the same of buyers; NaN for capacity"),
            _s("largest_seller", "party that sold most"),
            _s("pivotal_party", "party most often needed to meet demand; empty = none or not known"),
            _f("pivotal_share", "share", "auctioned time units in which it was"),
            _f("spread_eur_per_mwh", "EUR/MWh", "mean best ask less best bid; continuous market only"),
            _f("welfare_eur", "EUR", "surplus of accepted orders; auctions only; demand at any price bids the cap"),
            ("trades_after_gate", "int64", "", "trades later than their gate; 0 is right"),
            ("beyond_prequalification", "int64", "", "awards above the prequalified power; 0 is right"),
        ],
    ),
    declare(
        "rejections",
        "orders and bids that a market refused",
        [
            _PERIOD,
            _s("market", "market"),
            _s("party", "party that sent it"),
            _s("rule", "name of the rule"),
            ("count", "int64", "", "orders refused"),
        ],
    ),
)

_OUTAGES = [
    _s("kind", "outage, island or trip"),
    _BRANCH,
    ("first_period", "int32", "", "first period without the branch"),
    ("periods", "int32", "", "periods without the branch, within the run"),
    ("connections", "int32", "", "connections without supply at the start"),
    _s("resupplied_by", "open points closed to supply them, comma separated"),
    _f("connection_h", "h", "hours without (full) supply, summed over connections"),
    _f("unserved_kwh", "kWh", "demand of homes and sites not served"),
    _f("postponed_kwh", "kWh", "charging that stood still, summed over quarter-hours; cars ask for it again"),
    _f("emergency_kwh", "kWh", "delivered by V2X cars to their home, building or island"),
]

_WIRES = (
    declare(
        "load",
        "power by segment in the simulated area (real size, not times representation)",
        [
            _PERIOD,
            _SEGMENT,
            _f("power_kw", "kW", "mean power, + = consumption"),
            _f("uncontrolled_kw", "kW", "the same without any steering"),
        ],
    ),
    declare(
        "branches",
        "lines and transformers",
        [
            ("branch_index", "int32", "", "row"),
            _s("branch", "name"),
            _s("kind", "line, transformer or link"),
            _s("level", "voltage level"),
            _s("from_node", "node at one end"),
            _s("to_node", "node at the other end"),
            _f("rating_a", "A", "rated current; of a transformer on its low-voltage side"),
            _s("area", "low-voltage area; empty above"),
        ],
    ),
    declare(
        "branch_loading",
        "loading of every line and transformer",
        [
            _PERIOD,
            _BRANCH,
            ("loading_share", "float32", "share", "highest phase current over rating"),
            ("uncontrolled_loading_share", "float32", "share", "the same without any steering"),
        ],
    ),
    declare(
        "nodes",
        "nodes of the grid",
        [
            ("node_index", "int32", "", "row"),
            _s("node", "name"),
            _s("level", "voltage level"),
            ("x", "float32", "m", "position in a picture"),
            ("y", "float32", "m", "position in a picture"),
            _f("u_rated_v", "V", "rated line voltage"),
        ],
    ),
    declare(
        "node_voltage",
        "voltage at every node",
        [
            _PERIOD,
            _NODE,
            ("voltage_min_pu", "float32", "pu", "lowest phase"),
            ("voltage_max_pu", "float32", "pu", "highest phase"),
            ("vuf_share", "float32", "share", "voltage unbalance factor"),
        ],
    ),
    declare(
        "connections",
        "grid connections",
        [
            ("connection_row", "int32", "", "row"),
            _s("ean", "connection code"),
            _NODE,
            _s("kind", "home, public_ac, office, depot, dc_site, shared, business or other"),
            _f("capacity_kw", "kW", "contracted capacity"),
            ("phase", "int8", "", "0 = three-phase, 1 to 3 = single phase"),
        ],
    ),
    declare(
        "energy",
        "energy balance of the simulated wires",
        [
            _PERIOD,
            _f("source_kwh", "kWh", "drawn from the grid above"),
            _f("connections_kwh", "kWh", "sum of all connections"),
            _f("losses_kwh", "kWh", "losses"),
            _f("residual_kwh", "kWh", "source minus connections minus losses"),
        ],
    ),
    declare(
        "ageing",
        "hot spot and loss of life of MV/LV transformers after IEC 60076-7",
        [
            _BRANCH,
            _f("hot_spot_max_c", "degC", "highest hot-spot temperature"),
            _f("loss_of_life_h", "h", "life used in the run; as many hours as the run has at rated conditions"),
            _f("uncontrolled_hot_spot_max_c", "degC", "the same without any steering"),
            _f("uncontrolled_loss_of_life_h", "h", "the same without any steering"),
        ],
    ),
    declare(
        "quality",
        "power quality after EN 50160: verdicts by week and area on quarter-hour means",
        [
            _s("aspect", "voltage, unbalance (U2/U1), phase_difference (as in the report), frequency, frequency_outer"),
            _s("area", "area of the nodes; all = the whole grid, country = frequency"),
            ("week", "int32", "", "week of the run, 0 = first; a last, shorter one is judged on what it has"),
            ("nodes", "int32", "", "nodes judged"),
            ("nodes_met", "int32", "", "nodes that keep the limit"),
            ("worst_node_index", "int32", "", "row in table nodes; -1 = none"),
            _f("outside_share", "share", "values outside the limit at the worst node (its worst phase)"),
            _f("p95", "", "95 % of the worst node's values are below: pu from 1, share, or Hz from 50"),
            ("is_met", "bool", "", "every node keeps the limit"),
        ],
    ),
    declare("outages", "interruptions of supply, scheduled or by a protection trip", _OUTAGES),
    declare(
        "uncontrolled_outages",
        "the same with nobody steering: the same scheduled events, trips by uncontrolled charging",
        _OUTAGES,
    ),
    declare(
        "agreements",
        "transport agreements of flexible connections",
        [
            ("connection_row", "int32", "", "row in table connections"),
            _s("agreement", "firm, non_firm, tdtr85, time_block or group"),
            ("group", "int32", "", "connections of one group share one virtual limit"),
            _f("fee_eur", "EUR", "price of the right for the run, without VAT"),
            _f("withheld_kwh", "kWh", "energy that the operator's limits took back from the right"),
            ("breach_quarters", "int64", "", "quarter-hours above the limit; of a group on its first member"),
            _f("breach_kwh", "kWh", "energy above the limit"),
        ],
    ),
    declare(
        "announcements",
        "congestion announced and what became of it",
        [
            ("announced_period", "int32", "", "period of the announcement; negative = before the run"),
            _PERIOD,
            _BRANCH,
            _s("operator", "dso or tso"),
            _f("forecast_loading_share", "share", "forecast loading"),
            _f("probability", "share", "forecast probability of congestion"),
            _f("needed_mw", "MW", "relief needed"),
            _s("direction", "less_load or less_infeed"),
            _s("outcome", "avoided, missed or needless"),
        ],
    ),
    declare(
        "flex_requests",
        "what grid operators asked at each congestion point, with prognosis and measurement",
        [
            ("gate_period", "int32", "", "period of the request; negative = before the run"),
            _s("operator", "dso or tso"),
            _s("kind", "redispatch or capacity_call"),
            _BRANCH,
            _PERIOD,
            _f("needed_mw", "MW", "wanted change: + = less consumption, - = more; 0 = none in this period"),
            _f("prognosis_mw", "MW", "flexible consumption behind the element as the CSP had told it"),
            _f("metered_mw", "MW", "flexible consumption behind the element as measured"),
        ],
    ),
    declare(
        "flex_orders",
        "orders of the CSP against congestion and what was taken of them, one row an order and period",
        [
            ("gate_period", "int32", "", "period of the round; negative = before the run"),
            _s("operator", "dso or tso"),
            _s("kind", "redispatch or capacity_call"),
            _BRANCH,
            ("order", "int32", "", "number of the order in the run"),
            ("connection_row", "int32", "", "row in table connections; -1 = a pool of small ones"),
            _PERIOD,
            _f("offered_mw", "MW", "offered change of consumption: - = sell, less; + = buy, more"),
            _f("ordered_mw", "MW", "what was taken of it, same sign"),
            _f("price_eur_per_mwh", "EUR/MWh", "order price, at which it is settled"),
            _s("rule", "rule by which it was refused; empty = admitted"),
        ],
    ),
    declare(
        "interventions",
        "what grid operators did against congestion",
        [
            _PERIOD,
            _s("kind", "redispatch, capacity_call or absolute_signal"),
            _s("route", "path of the signal"),
            _BRANCH,
            _f("relief_mw", "MW", "relief obtained"),
            _f("cost_eur", "EUR", "cost to the operator"),
        ],
    ),
    declare(
        "operators",
        "interventions of each grid operator against perfect foresight, per quarter-hour and element",
        [
            _s("operator", "dso or tso"),
            _s("tool", "redispatch, capacity_call, absolute_signal or all"),
            ("interventions", "int64", "", "quarter-hours and elements with an intervention"),
            ("avoided", "int64", "", "it was needed and the element held"),
            ("missed", "int64", "", "overloaded all the same; of all tools: also without any intervention"),
            ("needless", "int64", "", "the element would have held without it"),
            _f("bought_mwh", "MWh", "relief bought"),
            _f("avoided_mwh", "MWh", "energy above the limit that did not flow"),
            _f("perfect_mwh", "MWh", "what perfect foresight would have bought on all its elements"),
            _f("cost_eur", "EUR", "cost to the operator"),
            _f("eur_per_avoided_mwh", "EUR/MWh", "cost over energy avoided; NaN where nothing was"),
        ],
    ),
    declare(
        "forecast_calibration",
        "forecast probability of congestion against how often it came, by class of probability",
        [
            _s("operator", "dso or tso"),
            _s("horizon", "day_ahead (at the congestion forecast) or intraday (last round)"),
            _f("low", "share", "lowest probability of the class"),
            _f("high", "share", "highest"),
            ("forecasts", "int64", "", "quarter-hours and elements in the class"),
            _f("mean_probability", "share", "mean forecast probability"),
            _f("observed_share", "share", "how often it would have come without intervention"),
        ],
    ),
)

_DRIVERS_AND_LINKS = (
    declare(
        "refused_sessions",
        "rows of a file of recorded sessions that could not be used",
        [("row", "int32", "", "row of the file, 1 = first row of data"), _s("reason", "what is wrong with it")],
    ),
    declare(
        "gap",
        "distance of each segment to the cheapest way to charge the same; only with output.is_gap",
        [
            _SEGMENT,
            _s("strategy", "charging strategy"),
            _f("energy_kwh", "kWh", "net energy at the meter"),
            _f("run_eur", "EUR", "energy at the price of its quarter-hour"),
            _f("optimum_eur", "EUR", "the same if everything had been known beforehand"),
            _f("gap_share", "share", "how much more the run cost"),
            _s("solver", "what found the optimum"),
        ],
    ),
    declare(
        "submeters",
        "tenants behind one connection, each settled under its own contract; the rest is the connection's own",
        [
            ("connection_row", "int32", "", "row in table connections"),
            _s("tenant", "tenant, or connection for what no sub-meter measured"),
            _s("contract", "supply contract"),
            ("charging_points", "int32", "", "charging points behind the sub-meter"),
            _f("taken_kwh", "kWh", "energy taken"),
            _f("fed_in_kwh", "kWh", "energy fed in"),
            _f("cost_eur", "EUR", "cost under the own contract"),
        ],
    ),
    declare(
        "sessions",
        "every charging session; open ones are kept at the end",
        [
            ("session_row", "int32", "", "row"),
            ("ev_row", "int32", "", "EV"),
            _s("driver_group", "group of the driver"),
            ("charging_point_row", "int32", "", "charging point"),
            _SEGMENT,
            ("arrival_min", "int32", "min", "arrival, minutes since the start of the run"),
            ("departure_min", "int32", "min", "departure"),
            _f("desired_kwh", "kWh", "energy the driver asked for, in the battery"),
            _f("delivered_kwh", "kWh", "net energy delivered to the battery"),
            _f("metered_kwh", "kWh", "net energy at the meter"),
            _f("missing_kwh", "kWh", "asked for, possible, not delivered"),
            _f("possible_kwh", "kWh", "the most that could have been delivered"),
            _f("cost_eur", "EUR", "paid by the driver"),
            _f("uncontrolled_cost_eur", "EUR", "the same session without steering"),
            _f("co2_kg", "kg", "emission of the energy"),
            _f("uncontrolled_co2_kg", "kg", "the same session without steering"),
            ("is_opted_out", "bool", "", "the driver asked to charge at once"),
            ("is_v2x", "bool", "", "EV and point can discharge"),
            _f("discharged_kwh", "kWh", "energy taken back from the battery"),
        ],
    ),
    declare(
        "drivers",
        "driver satisfaction by segment",
        [
            _SEGMENT,
            ("sessions", "int64", "", "sessions"),
            _f("opt_out_share", "share", "sessions opted out"),
            _f("satisfied_share", "share", "sessions that got what was asked and possible"),
            _f("missing_kwh", "kWh", "missing energy"),
        ],
    ),
    declare(
        "messages",
        "messages between roles",
        [
            _s("message", "kind of message"),
            _s("sender_role", "role"),
            _s("receiver_role", "role"),
            _s("protocol", "protocol of the link"),
            ("count", "int64", "", "messages"),
            ("items", "int64", "", "things told in them"),
            ("bytes", "int64", "B", "size"),
            _f("delay_mean_s", "s", "mean delay of what arrived"),
            ("lost", "int64", "", "things told that never arrived"),
            ("withheld", "int64", "", "things not told: no consent, no data, no trusted certificate"),
            ("waited", "int64", "", "things told that waited for a link to work again"),
            ("twice", "int64", "", "copies that the wire made"),
            ("refused", "int64", "", "things that the receiver refused, see table refusals"),
            _f("wire_mb", "MB", "volume on the wire with the protocol's wrapping"),
            _f("cost_eur", "EUR", "price of carrying it"),
            _f("completeness_share", "share", "things told that arrived and were believed"),
            _f("timeliness_share", "share", "of these, those that came within their period"),
            _f("accuracy_share", "share", "1 less the mean error of values, relative to their size"),
        ],
    ),
    declare(
        "refusals",
        "messages that a receiver refused",
        [
            _s("message", "kind of message"),
            _s("sender_role", "role it claimed to come from"),
            _s("receiver_role", "role that refused it"),
            _s(
                "reason",
                "wrong_schema, unknown_sender, expired_certificate, untrusted_root, bad_signature, impossible_value, "
                "twice, out_of_order or a_day_late",
            ),
            ("count", "int64", "", "things refused"),
        ],
    ),
    declare(
        "meter_checks",
        "energy of a session by the station's meter and by the car's own count",
        [
            ("session_row", "int32", "", "session"),
            _f("mid_kwh", "kWh", "calibrated meter of the station (MID)"),
            _f("car_kwh", "kWh", "counted by the car"),
            _f("settled_kwh", "kWh", "energy that counts"),
            _s("rule", "agree, mid_decides or car_decides"),
        ],
    ),
    declare(
        "aggregators",
        "customers of every aggregator by day: who joined and left, and what they gained",
        [
            ("day", "int32", "", "day of the run"),
            _s("party", "aggregator"),
            ("customers", "int32", "", "drivers with a contract whose charging can be steered"),
            ("joined", "int32", "", "drivers who came from another aggregator with this day"),
            ("left", "int32", "", "drivers who went to another aggregator with this day"),
            _f("points", "", "charging points that it may steer; of a shared point the part of its users"),
            _f("charged_kwh", "kWh", "net energy at the meter of its customers, as the CPO told"),
            _f("activated_mwh", "MWh", "balancing energy it delivered, national, + = up"),
            _f("benefit_eur_per_kwh", "EUR/kWh", "cheaper hours and rewards of its customers"),
        ],
    ),
    declare(
        "hardware",
        "physical stations in the place of simulated charging points",
        [
            _PERIOD,
            ("charging_point_row", "int32", "", "charging point"),
            _s("station_id", "identity of the station"),
            _f("limit_kw", "kW", "limit that the market gave; the port keeps it within the envelope"),
            _f("power_kw", "kW", "mean power as measured"),
            _f("last_kw", "kW", "newest power, as at the end of the period"),
            _f("energy_kwh", "kWh", "energy at the meter; by register in real time, else power times a quarter-hour"),
            _f("register_kwh", "kWh", "register; NaN = not told"),
            ("quality", "int8", "", "0 fresh, 1 stale, 2 suspect, 3 estimated, 4 absent"),
            ("is_steerable", "bool", "", "linked and proven to fall back; only then its flexibility may be offered"),
            ("is_metered", "bool", "", "energy comes from registers"),
        ],
    ),
    declare(
        "hardware_corrections",
        "energy of physical stations that was found after its period was settled",
        [
            _PERIOD,
            ("found_period", "int32", "", "period in which it was found and booked"),
            ("charging_point_row", "int32", "", "charging point"),
            _s("station_id", "identity of the station, with its connector where it has several"),
            _f("energy_kwh", "kWh", "added to what was settled"),
            _f("driver_eur", "EUR", "billed to the driver, at the price of the period"),
            _f("imbalance_eur", "EUR", "paid by the pool's balance responsible party, at the price of the period"),
        ],
    ),
    declare(
        "hardware_events",
        "what happened at physical stations",
        [
            ("period", "int32", "", "market period; -1 = before the stations took part"),
            _f("utc_s", "s", "wall-clock UTC since 1970"),
            _s("station_id", "identity of the station, with its connector where it has several"),
            _s("kind", "kind of event"),
            _s("text", "one line"),
        ],
    ),
    declare(
        "hardware_figures",
        "how punctual and reliable the link to physical stations was",
        [
            _s("station_id", "identity of the station; empty = all of them"),
            _s(
                "figure",
                "late_step, read, set_point_to_socket and round_trip as p50, p99 and max; late_steps (more than "
                "50 ms) and late_reads; step_jitter_ms; turned_away_REASON; and how often what happened at a station",
            ),
            _f("value", "", "number in the unit beside it"),
            _s("unit", "ms, or empty for counts"),
        ],
    ),
    declare(
        "events",
        "what happened besides",
        [_PERIOD, _s("kind", "kind of event"), _s("text", "one line")],
    ),
)

TABLES: dict[str, Table] = {t.name: t for t in (*_TIME_AND_MARKETS, *_WIRES, *_DRIVERS_AND_LINKS)}
"""Result tables by name, in the order of the data dictionary."""
