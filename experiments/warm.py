"""Compile every kernel of a run once: a tiny run fills the cache of compiled code beside the sources.

``make`` does this when it sets up, so that the first real run measures simulation and not compilation.
"""

from __future__ import annotations

from agents.model import simulate
from experiments.scenario import read_scenario

TINY = (
    "fleet.home.evs=12",
    "fleet.public_ac.evs=6",
    "fleet.public_ac.charging_points=4",
    "fleet.office.evs=2",
    "fleet.office.charging_points=2",
    "fleet.dc_site.evs=2",
    "fleet.v2x_share=0.5",
    "grid.homes=40",
    "grid.lv_areas=1",
    'grid.fidelity="three_phase"',
)


def main() -> None:
    """Run a tiny day and drop the result."""
    simulate(read_scenario("small", TINY).to_settings())


if __name__ == "__main__":
    main()
