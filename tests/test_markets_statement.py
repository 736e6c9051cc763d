"""The statement per party and month against sums by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.calendar import Horizon
from markets.ledger import Ledger
from markets.statement import month_of_period, statement


def test_a_statement_by_hand():
    ledger = Ledger()
    ledger.pay(0, "brp", "exchange", 30.0, "day_ahead")
    ledger.pay(1, "brp", "exchange", -10.0, "day_ahead")  # a negative price: the exchange pays
    ledger.pay(3, "brp", "tso", 5.0, "imbalance")
    ledger.pay(-20, "tso", "brp", 7.0, "afrr_up")
    months = np.array(["2025-01", "2025-01", "2025-02", "2025-02"])
    s = statement(ledger.columns(), months, accounts=ledger.accounts, reasons=ledger.reasons)
    mine = s.of("brp")
    rows = zip(mine.month, mine.reason, mine.received_eur, mine.paid_eur, mine.net_eur, strict=True)
    assert list(rows) == [
        ("2025-01", "afrr_up", 7.0, 0.0, 7.0),
        ("2025-01", "day_ahead", 10.0, 30.0, -20.0),
        ("2025-02", "imbalance", 0.0, 5.0, -5.0),
    ]
    assert s.of("brp", "2025-01").total_eur() == -13.0
    assert s.total_eur() == 0.0
    stored = {k: v for k, v in ledger.columns().items() if k in ("period", "amount_eur")}
    stored |= {k: np.array(ledger.accounts)[ledger.columns()[k]] for k in ("payer", "payee")}
    stored["reason"] = np.array(ledger.reasons)[ledger.columns()["reason"]]
    assert [c.tolist() for c in statement(stored, months)] == [c.tolist() for c in s]


def test_an_empty_ledger_has_an_empty_statement():
    assert len(statement(Ledger().columns(), np.array(["2025-01"]), accounts=[], reasons=[]).party) == 0


def test_months_are_local():
    horizon = Horizon(date(2025, 1, 31), 2)
    months = month_of_period(horizon)
    assert months.tolist() == ["2025-01"] * 96 + ["2025-02"] * 96
    assert str(horizon.start_utc[96]) == "2025-01-31T23:00:00"  # local midnight


entries = st.tuples(
    st.integers(0, 5),
    st.sampled_from("abc"),
    st.sampled_from("abc"),
    st.integers(-50, 50).map(float),
    st.sampled_from(["x", "y"]),
)


@given(st.lists(entries, max_size=20))
def test_sums_are_those_of_a_plain_loop_and_nothing_is_lost(rows):
    ledger, months = Ledger(), np.array(["m0", "m0", "m1", "m1", "m2", "m2"])
    expected: dict[tuple, float] = defaultdict(float)
    for period, payer, payee, amount, reason in rows:
        ledger.pay(period, payer, payee, amount, reason)
        expected[payer, months[period], reason] -= amount
        expected[payee, months[period], reason] += amount
    s = statement(ledger.columns(), months, accounts=ledger.accounts, reasons=ledger.reasons)
    found = dict(zip(zip(s.party, s.month, s.reason, strict=True), s.net_eur, strict=True))
    assert found == pytest.approx({k: v for k, v in expected.items() if k in found})
    assert all(v == 0 for k, v in expected.items() if k not in found)
    assert (s.received_eur >= 0).all()
    assert (s.paid_eur >= 0).all()
    balance = dict(zip(ledger.accounts, ledger.balance_eur(), strict=True))
    assert {p: s.of(p).total_eur() for p in balance} == pytest.approx(balance)
    assert s.total_eur() == pytest.approx(0.0, abs=1e-9)
