"""The claims of the source report (SCALE D1.4) as data: one entry each."""

from __future__ import annotations

from typing import Any

from experiments.claims import contracts, fleets, markets, whole_runs
from experiments.claims.claim import Bench, Claim, Runs

FULL_STREET: dict[str, Any] = {"fleet.home.evs": 250, "fleet.public_ac.evs": 120, "fleet.public_ac.charging_points": 60}
"""Base of whole runs: a car at nearly every home of the small scenario, so that the wires feel it."""

PUBLIC_ONLY: dict[str, Any] = {
    **{f"fleet.{segment}.evs": 0 for segment in ("home", "office", "depot", "shared", "dc_site")},
    "fleet.public_ac.evs": 300,
    "fleet.public_ac.charging_points": 120,
}
"""Base of what is said of public chargers: nobody charges elsewhere."""

_NO_TOOL = {"regulation.congestion_tool": "none", "regulation.absolute_signal_path": "none"}
_STEERED = ("home", "public_ac", "office", "depot", "shared")


def _all(strategy: str) -> dict[str, Any]:
    return {f"fleet.{segment}.strategy": strategy for segment in _STEERED}


def _signal(path: str, *, announced: bool = False) -> dict[str, Any]:
    return {
        "regulation.absolute_signal_path": path,
        "regulation.absolute_signal_announced": announced,
        "regulation.absolute_signal_threshold_share": 0.8,
        "regulation.congestion_threshold_share": 0.8,
        "regulation.congestion_tool": "none",
        "grid.heat_pump_share": 0.6,
    }


def _data(soc: float, departure: float) -> dict[str, Any]:
    return {
        "regulation.iso15118_share": soc,
        "regulation.oem_api_share": soc,
        "regulation.emsp_app_share": departure,
    }


_ENTRIES = (
    Claim(
        "tou_rebound",
        "7.4.1",
        "A time-of-use grid fee moves charging out of the evening, but with enough EVs all start when the fee drops"
        " and the new peak is higher than the old one (Flexpower3).",
        "Less than half of the evening's charging is left, and with an EV at every home the highest load of the "
        "street, homes included, is above that without the fee.",
        Bench(fleets.rebound, 200),
    ),
    Claim(
        "clustering",
        "7.4.2",
        "Twenty connections limited to 2 kW each cannot charge a three-phase EV; as one group with the same total, "
        "some can, and drivers are served better at no cost to the grid.",
        "No EV charges alone; at least one does in the group; more drivers get what they need; the group never exceeds "
        "the sum of the limits.",
        Bench(contracts.clustering, 20),
    ),
    Claim(
        "non_firm",
        "7.4.1",
        "A non-firm connection is much cheaper, and the most attractive choice for those who have flexibility.",
        "With the report's prices, the hardest limits it allows and missing energy at a fast charger's price, a "
        "connection of waiting cars gains over a year, and more than one whose cars cannot wait.",
        Bench(contracts.non_firm, 8, grows=False),
    ),
    Claim(
        "direct_signal",
        "6.1",
        "A control signal straight from the DSO to the charger leaves other roles unaware and causes them hidden "
        "costs, such as imbalance of BRPs.",
        "With signals being sent, the imbalance of the cars' BRP in quarter-hours with a signal, and what imbalance "
        "costs it, are higher than when the signal goes through CSP and aggregator.",
        Runs(
            {
                "direct": _signal("direct"),
                "announced": _signal("direct", announced=True),
                "via_csp": _signal("via_csp"),
            },
            whole_runs.direct_signal,
            FULL_STREET,
            ("positions", "interventions"),
            whole_runs.pool_brp_figures,
        ),
    ),
    Claim(
        "v2x_doubles",
        "8.1",
        "Bidirectional charging doubles the power that can be steered, for balancing and for an attacker alike.",
        "Plugged-in power with delivery is at least 1.8 times that without, in a fleet whose battery cars all can "
        "deliver.",
        Bench(fleets.delivery_doubles, 200),
    ),
    Claim(
        "hourly_settlement",
        "6.2.3",
        "Where day-ahead prices are settled by the hour, portfolio management at public chargers hurts drivers more"
        " than with quarter-hours.",
        "Where cars charge at public chargers only, hourly prices cost at least one driver in a hundred more what he "
        "needs, and another 0.2 % of the energy asked for, against quarter-hourly ones.",
        Runs(
            {
                "hour": {"regulation.day_ahead_mtu_min": 60},
                "quarter": {"regulation.day_ahead_mtu_min": 15},
            },
            whole_runs.settlement_period,
            PUBLIC_ONLY,
        ),
    ),
    Claim(
        "dc_flexibility",
        "6.2.3",
        "Fast-charging sites have far less flexibility than other places, because cars leave when they are charged.",
        "Less than a tenth of the energy could wait an hour, and cars at home, on the street and at work have more "
        "time to spare.",
        Bench(fleets.dc_flexibility, 100),
    ),
    Claim(
        "pooling",
        "9.1",
        "Public chargers reach the 1 MW minimum of balancing services when clustered over voltage levels.",
        "No feeder and no station alone can surely give 1 MW for four hours; all points together can.",
        Bench(fleets.pooling, 2500, grows=False),
    ),
    Claim(
        "more_data",
        "7.1",
        "The more data the aggregator has (state of charge, departure), the smarter it can charge.",
        "With all data drivers save more, and miss less energy, than with none.",
        Runs(
            {"none": _data(0.0, 0.0), "soc": _data(1.0, 0.0), "departure": _data(0.0, 1.0), "all": _data(1.0, 1.0)},
            whole_runs.more_data,
            FULL_STREET,
        ),
    ),
    Claim(
        "redispatch_balance",
        "4.1.2",
        "Redispatch relieves congestion while the national balance is kept: a decrease here is an increase elsewhere.",
        "In every quarter-hour what is bought equals what is sold, and some relief is found.",
        Bench(markets.redispatch_balance, 80),
    ),
    Claim(
        "passive_balancing",
        "6.2.3",
        "A charge point operator on a pass-through contract can earn by curtailing many chargers shortly when "
        "imbalance prices are high.",
        "Following the published balance delta earns money per MW when few do it.",
        Bench(markets.passive_balancing, 96),
    ),
    Claim(
        "relieves_strain",
        "1.1",
        "Smart charging mitigates the strain that EVs put on the grid.",
        "Against nobody steering, the highest transformer loading falls with each of three ways to steer: by "
        "prices, by a time-of-use fee, and by prices with market-based congestion management.",
        Runs(
            {
                "uncontrolled": _all("uncontrolled") | _NO_TOOL,
                "price": _all("price_optimal_v1g") | _NO_TOOL,
                "time_of_use": _all("time_of_use") | _NO_TOOL,
                "managed": _all("price_optimal_v1g") | {"regulation.congestion_tool": "both"},
            },
            whole_runs.strain,
            FULL_STREET,
        ),
    ),
    Claim(
        "aggregator_choice",
        "6.1",
        "Consumers should be free to choose their aggregator, an independent one included; that promotes competition.",
        "An independent aggregator earns with each corrected model, and the supplier's risk is no larger without a "
        "correction than with one.",
        Bench(contracts.aggregator_choice, 200),
    ),
)

CLAIMS: dict[str, Claim] = {claim.key: claim for claim in _ENTRIES}
"""Claims by key, in the order of the page."""
