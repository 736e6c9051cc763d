"""Results for others: no names, no single drivers (report 7.3).

Sessions are summed over groups of drivers. A group in which fewer than a minimum number of different drivers stand is
left out, and so is the next smallest one of the same segment if the first could be found by subtraction. Numbers of
drivers are replaced by pseudonyms that cannot be turned back without the key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import polars as pl

MIN_GROUP = 10
"""Smallest group of drivers that is shown (CBS uses ten for households)."""
GROUP_BY = ("segment", "driver_group")
MEANS = ("desired_kwh", "delivered_kwh", "missing_kwh", "cost_eur", "uncontrolled_cost_eur", "discharged_kwh")


def pseudonym(number: int, key: bytes) -> str:
    """A name for a driver that only the holder of the key can make again."""
    return hmac.new(key, str(number).encode(), hashlib.sha256).hexdigest()[:12]


def pseudonymised(sessions: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Sessions without row numbers of cars, sessions and points; times rounded to the hour.

    Parameters
    ----------
    sessions : polars.DataFrame
        Table ``sessions`` of a run.
    key : bytes
        Secret of whoever shares.
    """
    names = {row: pseudonym(row, key) for row in sessions["ev_row"].unique().to_list()}
    return sessions.with_columns(
        pl.col("ev_row").replace_strict(names, return_dtype=pl.String).alias("driver"),
        (pl.col("arrival_min") // 60 * 60).alias("arrival_min"),
        (pl.col("departure_min") // 60 * 60).alias("departure_min"),
    ).drop("ev_row", "session_row", "charging_point_row")


def shareable(
    sessions: pl.DataFrame, min_group: int = MIN_GROUP, group_by: Sequence[str] = GROUP_BY
) -> tuple[pl.DataFrame, int]:
    """Means per group of drivers, and the number of drivers that are not shown.

    Parameters
    ----------
    sessions : polars.DataFrame
        Table ``sessions`` of a run.
    min_group : int
        Smallest number of different drivers in a group.
    group_by : sequence of str
        What makes a group; the first column is also that within which groups could be subtracted from a total.
    """
    groups = sessions.group_by(*group_by).agg(
        pl.col("ev_row").n_unique().alias("drivers"),
        pl.len().alias("sessions"),
        *(pl.col(name).mean().alias(f"mean_{name}") for name in MEANS),
    )
    is_small = pl.col("drivers") < min_group
    hidden = groups.filter(is_small)
    lonely = hidden.group_by(group_by[0]).len().filter(pl.col("len") == 1)[group_by[0]].to_list()
    shown = groups.filter(~is_small)
    second = (
        shown.filter(pl.col(group_by[0]).is_in(lonely)).sort("drivers", *group_by).group_by(group_by[0]).first()
        if lonely
        else shown.clear()
    )
    kept = shown.join(second, on=list(group_by), how="anti").sort(*group_by)
    told = sessions.join(kept, on=list(group_by), how="semi")["ev_row"].n_unique()
    return kept, sessions["ev_row"].n_unique() - told
