"""The sweep file: what is varied, how, how often, and which key figures matter."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from experiments.scenario.sections import Section

Design = Literal["full_factorial", "one_at_a_time", "latin_hypercube", "sobol", "morris", "list"]
MAX_RUNS = 1_000_000


class SweepSection(Section):
    """What is swept and how often."""

    name: str = Field(
        description="short name, used for the results folder", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
    )
    description: str = Field(default="", description="one line", max_length=400)
    scenario: str = Field(description="base scenario: a bundled name or a file beside this one")
    design: Design = Field(default="full_factorial", description="how the levers' values are combined")
    samples: int = Field(
        default=16, description="points, trajectories (morris) or base points (sobol)", ge=1, le=100_000
    )
    has_base: bool = Field(default=True, description="also run the base scenario, unless a point equals it")
    uncertainty_samples: int = Field(default=8, description="samples of the uncertainties per policy", ge=1, le=10_000)
    replications: int = Field(default=3, description="random replications of every point", ge=1, le=10_000)
    seed: int = Field(default=1, description="root of the design and of all replications", ge=0, le=2**31 - 1)
    kpis: list[str] = Field(default=[], description="key figures of interest; empty = all")
    confidence: float = Field(default=0.95, description="level of all intervals", gt=0.5, lt=1)


class AxisSection(Section):
    """One lever or uncertainty: values, or a range, or nothing for all that the key allows."""

    key: str = Field(description="dotted key of the scenario, for example regulation.min_bid_mw")
    values: list[Any] | None = Field(default=None, description="values to try")
    low: float | None = Field(default=None, description="lower end of a range")
    high: float | None = Field(default=None, description="upper end of a range")
    levels: int = Field(default=3, description="values of a range in a factorial design", ge=2, le=1000)
    scale: Literal["linear", "log"] = Field(default="linear", description="spacing within a range")


class PolicySection(Section):
    """One named policy of a list design."""

    name: str = Field(description="name of the policy", min_length=1, max_length=80)
    set: dict[str, Any] = Field(default={}, description="values by dotted key")


class StopSection(Section):
    """Stop replicating a point when its mean is known well enough."""

    kpi: str = Field(description="key figure whose mean is watched")
    half_width: float = Field(description="half width of the confidence interval at which a point is done", gt=0)
    is_relative: bool = Field(default=False, description="half_width is a share of the mean")
    every: int = Field(default=5, description="replications between two looks", ge=2, le=1000)
    min_replications: int = Field(default=20, description="replications before the first look", ge=2, le=10_000)


class KeptSection(Section):
    """Result tables kept of every run, besides key figures."""

    tables: list[str] = Field(default=[], description="names of result tables")


class SweepFile(Section):
    """A whole sweep file as written."""

    sweep: SweepSection
    lever: list[AxisSection] = Field(default=[], description="what policy can choose")
    uncertainty: list[AxisSection] = Field(default=[], description="what nobody chooses")
    policy: list[PolicySection] = Field(default=[], description="policies of a list design")
    stop: StopSection | None = Field(default=None, description="stop rule; none = always all replications")
    output: KeptSection = KeptSection()
