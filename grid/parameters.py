"""The parameters of a generated town, with what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PhasePolicy = Literal["random", "round_robin", "l1_biased"]
PHASE_POLICIES = ("random", "round_robin", "l1_biased")

ONE_PHASE_KW = 8.05
"""1 × 35 A at 230 V, the usual one-phase home connection."""

THREE_PHASE_KW = 17.25
"""3 × 25 A at 230 V, the usual three-phase home connection and the smaller public post."""

POST_LARGE_KW = 24.15
"""3 × 35 A at 230 V, the larger public post."""


@dataclass(frozen=True)
class GridParameters:
    """What a Dutch town looks like to its DSO; the defaults give about 1,000 nodes.

    Sizes follow what a DSO would have built before EVs: ``design_kw_per_home`` simultaneous (energiepodium.nl names
    about 1.5 kW per house; streets were often built on 1.0–1.3 kW).
    """

    homes: int = 6400
    lv_areas: int = 40
    feeders_per_area: int = 4
    homes_per_node: int = 8
    """Homes gathered at one node of a feeder (the service cables of a stretch of street)."""
    area_size_spread: float = 0.3
    """Spread of the homes per LV area around the mean, as a share (lognormal)."""
    is_urban: bool = True
    """Urban: 7 m of main cable per home, 450 m between stations; rural: 18 m and 1,200 m."""
    design_kw_per_home: float = 1.3
    design_power_factor: float = 0.95
    transformer_sizes_kva: tuple[int, ...] = (250, 400, 630)
    cable_head: str = "4x150 Al"
    """Cable of the first half of a feeder."""
    cable_tail: str = "4x95 Al"
    """Cable of the rest of the feeder except its last piece."""
    cable_end: str = "4x50 Al"
    """Cable of the last piece."""
    mv_cable: str = "3x240 Al XLPE 10 kV"
    hv_cable: str = "3x300 Cu XLPE 150 kV"
    hv_mv_transformer: str = "40 MVA 150/10 kV"
    ehv_hv_transformer: str = "500 MVA 380/150 kV"
    stations_per_ring: int = 20
    public_posts_per_area: int = 8
    """Public charging posts of two sockets; about 5 EVs without a drive share a charging point in Dutch cities."""
    large_post_share: float = 0.25
    """Share of public posts with 24.15 instead of 17.25 kW."""
    shared_sites: int = 10
    """Apartment buildings with a shared garage, 55 kW each, on an LV busbar."""
    offices: int = 12
    """Offices on an LV busbar, 110 kW each (3 × 160 A)."""
    depots: int = 2
    """Fleet depots with a connection to the 10 kV ring, 1,000 kW each."""
    dc_sites: int = 3
    """Fast-charging sites with a connection to the 10 kV ring."""
    dc_site_kw: float = 600.0
    """Capacity of the connection of each fast-charging site."""
    business_parks: int = 2
    """Business parks with an own 630 kVA station and ten firms of 60 kW."""
    one_phase_home_share: float = 0.55
    """Share of homes with a one-phase connection (assumption; no national count is published)."""
    one_phase_ev_share: float = 0.3
    """Share of three-phase homes whose charger is one-phase (assumption)."""
    phase_policy: PhasePolicy = "random"
    """Who gets which phase: by chance, in turn, or 60 % on L1."""
    u_ref: float = 1.02
    """Voltage at the 380 kV source in pu."""

    def __post_init__(self) -> None:
        faults = [f"GridParameters.{name} = {value!r}; {right}" for name, value, is_right, right in _checks(self)
                  if not is_right]  # fmt: skip
        if faults:
            raise ValueError("The parameters of the town have faults:\n" + "\n".join(faults))


_AT_LEAST_ONE = ("lv_areas", "feeders_per_area", "homes_per_node", "stations_per_ring")
_COUNTS = ("public_posts_per_area", "shared_sites", "offices", "depots", "dc_sites", "business_parks")
_SHARES = ("large_post_share", "one_phase_home_share", "one_phase_ev_share")


def _checks(p: GridParameters) -> list[tuple[str, object, bool, str]]:
    """One row a rule: field, value, whether it holds, what is right."""
    rows: list[tuple[str, object, bool, str]] = [
        ("homes", p.homes, p.homes >= p.lv_areas, f"at least one home per LV area ({p.lv_areas})"),
        ("phase_policy", p.phase_policy, p.phase_policy in PHASE_POLICIES, f"one of {', '.join(PHASE_POLICIES)}"),
        ("design_kw_per_home", p.design_kw_per_home, p.design_kw_per_home > 0, "above 0"),
        ("design_power_factor", p.design_power_factor, 0 < p.design_power_factor <= 1, "above 0, at most 1"),
        ("area_size_spread", p.area_size_spread, 0 <= p.area_size_spread <= 1, "0 to 1"),
        ("dc_site_kw", p.dc_site_kw, p.dc_site_kw > 0, "above 0"),
        ("transformer_sizes_kva", p.transformer_sizes_kva, len(p.transformer_sizes_kva) > 0, "at least one size"),
    ]
    rows += [(name, getattr(p, name), getattr(p, name) >= 1, "1 or more") for name in _AT_LEAST_ONE]
    rows += [(name, getattr(p, name), getattr(p, name) >= 0, "0 or more") for name in _COUNTS]
    return rows + [(name, getattr(p, name), 0 <= getattr(p, name) <= 1, "0 to 1") for name in _SHARES]
