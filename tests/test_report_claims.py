"""The page of the claims: verdicts as they were found, a picture of every figure, a filter that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from experiments.analysis.intervals import Interval
from experiments.claims.claim import Bench, Check, Claim, Evidence, verdict_of
from experiments.claims.gallery import Verdict
from experiments.report.claims import claims_report, write_claims_report
from experiments.report.claims.glyph import glyph
from experiments.report.claims.page import sentences
from experiments.store.folder import FolderError
from tests.test_report_page import _Balance, _browse_with, _text

NOTHING = Bench(lambda draws, size: Evidence(()), 1)


def _verdict(key: str, *checks: Check, remark: str = "") -> dict:
    claim = Claim(key, "7.1", f"The report says {key}.", "It is above.", NOTHING)
    return Verdict(claim, verdict_of(checks), Evidence(checks, remark), 1.5).as_dict()


@pytest.fixture(scope="module")
def verdicts() -> list[dict]:
    sure = Check("peak over peak", Interval(1.4, 0.1, 8), "", above=1.0)
    wrong = Check("energy <missing>", Interval(3.0, 0.5, 8), "kWh", below=0.0)
    unclear = Check("imbalance cost", Interval(10.0, 50.0, 8), "EUR", above=0.0)
    told = Check("share", Interval(0.5, 0.0, 1), "share")
    return [
        _verdict("tou_rebound", sure, told),
        _verdict("more_data", sure, unclear, remark="It needs a grid in distress."),
        _verdict("non_firm", wrong),
    ]


def test_verdicts_are_told_as_found(verdicts: list[dict]) -> None:
    said = sentences(verdicts, "small")
    assert said[0] == "Supported (1): time-of-use fee and its rebound peak."
    assert said[1] == "Conditional (1): more data, smarter charging."
    assert said[2] == "Not supported (1): non-firm connections."
    assert "It needs a grid in distress." in said[3] and "1 judged figure lie" in said[4]


def test_page_is_whole_small_and_needs_no_library(verdicts: list[dict]) -> None:
    page = claims_report(verdicts)
    parser = _Balance()
    parser.feed(page)
    assert parser.open == [] and len(parser.ids) == len(set(parser.ids))
    assert len(page) < 100_000 and get_plotlyjs()[:200] not in page
    assert "energy <missing>" in _text(page) and "<missing>" not in page
    assert not re.findall(r"https?://|@import|url\(|<link|<img|fetch\(", page)


def test_picture_puts_interval_and_limit_in_place() -> None:
    check = Check("x", Interval(2.0, 1.0, 5), "", above=0.0)
    drawn = glyph({"mean": 2.0, "half_width": 1.0, "above": 0.0, "below": None, "holds": check.holds})
    limit, low, high = (float(re.findall(rf'{a}="([\d.]+)"', drawn)[k]) for a, k in (("x1", 0), ("x1", 1), ("x2", 1)))
    assert limit < low < high
    assert (high - low) / (low - limit) == pytest.approx(2.0, rel=0.02)  # from 1 to 3, the limit at 0
    assert 'aria-label="from 1.00 to 3.00, limit 0"' in drawn


def test_unwritable_place_is_one_message(verdicts: list[dict], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderError, match="cannot write"):
        write_claims_report(verdicts, tmp_path / "file" / "page.html")


HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  window.addEventListener("error", (e) => { root.dataset.error = e.message; });
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  const claims = Array.from(document.querySelectorAll("section[id^=claim-]"));
  const shown = () => claims.filter((s) => !s.hidden).map((s) => s.id);
  root.dataset.before = shown().length;
  document.querySelector("[data-verdict=supported]").click(); await wait(30);
  root.dataset.after = shown().join();
  root.dataset.told = document.querySelector("[data-out=shown]").textContent;
  root.dataset.contents = Array.from(document.querySelectorAll("nav li")).filter((l) => !l.hidden).length;
  HTMLAnchorElement.prototype.click = () => {}; // a real download can keep a headless browser from ending
  const saved = [];
  for (const button of document.querySelectorAll("button.csv")) { button.click(); saved.push(root.dataset.saved); }
  root.dataset.rows = saved.map((s) => s.split(":")[1]).join();
  root.dataset.done = "yes";
})();</script></body>"""


@pytest.mark.slow
def test_browser_filters_claims_by_verdict(verdicts: list[dict], tmp_path: Path) -> None:
    data, complaints, _ = _browse_with(HANDS, claims_report(verdicts), tmp_path)
    assert "error" not in data and not complaints and data["done"] == "yes"
    assert (data["before"], data["after"]) == ("3", "claim-more_data,claim-non_firm")
    assert data["told"] == "2 of 3 claims shown" and data["contents"] == "5"  # summary, overview, 2 claims, method
    assert data["rows"].split(",")[:2] == ["4", "3"]  # heads and three claims; heads and two figures
