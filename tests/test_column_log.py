"""Logs of result tables: a row lands in every column, and a row that does not fit is refused."""

from __future__ import annotations

import pytest

from agents.exchange import TradeLog
from agents.reserve_duty import DutyLog
from experiments.store.tables import TABLES


def test_a_row_lands_in_every_column_of_its_table():
    log = DutyLog()
    log.note(4, "Flexio", "fcr", 2.0, 0.5, 10.0)
    log.note(5, "Flexio", "fcr", 2.0, 1.0, 20.0)
    assert log.columns()["missing_mw"] == [0.5, 1.0]
    assert tuple(log.columns()) == TABLES["reserve_shortfalls"].column_names


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        TradeLog().note("intraday", 1, 2)
