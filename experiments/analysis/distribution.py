"""Who pays and who wins: balances by role from the ledger, savings by driver group, and how unequal they are."""

from __future__ import annotations

import numpy as np
import polars as pl

OTHERS = "others"
"""Accounts that no party holds, such as drivers and neighbouring markets."""


def balance_by_account(ledger: pl.DataFrame) -> pl.DataFrame:
    """Receipts minus payments of every account: account, balance_eur; sums to zero.

    Parameters
    ----------
    ledger : polars.DataFrame
        Columns ``payer``, ``payee``, ``amount_eur``.
    """
    paid = ledger.select(account="payer", balance_eur=-pl.col("amount_eur"))
    received = ledger.select(account="payee", balance_eur="amount_eur")
    return pl.concat([paid, received]).group_by("account").agg(pl.col("balance_eur").sum()).sort("account")


def balance_by_role(ledger: pl.DataFrame, parties: pl.DataFrame) -> pl.DataFrame:
    """Balances with the roles of the account's holder: roles, balance_eur.

    Parameters
    ----------
    ledger : polars.DataFrame
        As in :func:`balance_by_account`.
    parties : polars.DataFrame
        Columns ``account``, ``roles``.
    """
    joined = balance_by_account(ledger).join(parties.select("account", "roles"), on="account", how="left")
    named = joined.with_columns(pl.col("roles").fill_null(OTHERS))
    return named.group_by("roles").agg(pl.col("balance_eur").sum()).sort("roles")


def saving_by_group(sessions: pl.DataFrame) -> pl.DataFrame:
    """What each driver group saved against no steering: driver_group, sessions, saving_eur, saving_eur_per_kwh."""
    saving = pl.col("uncontrolled_cost_eur").sum() - pl.col("cost_eur").sum()
    grouped = sessions.group_by("driver_group").agg(
        sessions=pl.len(), saving_eur=saving, saving_eur_per_kwh=saving / pl.col("delivered_kwh").sum()
    )
    return grouped.sort("driver_group")


def gini(values: np.ndarray) -> float:
    """Gini coefficient of non-negative values: 0 = all the same, towards 1 = one has all; NaN for none."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    total = float(np.sum(ordered))
    if not ordered.size or total == 0.0:
        return float("nan")
    rank = np.arange(1, ordered.size + 1)
    return float(np.sum((2 * rank - ordered.size - 1) * ordered) / (ordered.size * total))
