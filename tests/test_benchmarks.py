"""``python -m benchmarks`` finds every benchmark and says what failed; nothing is timed here."""

from __future__ import annotations

from benchmarks import __main__ as bench


def test_every_benchmark_is_found_and_can_be_run() -> None:
    assert {"day_ahead", "intraday", "balancing", "redispatch", "markets_week"} <= set(bench.names())
    for name in bench.names():
        assert '__name__ == "__main__"' in (bench.HERE / f"bench_{name}.py").read_text()


def test_an_unknown_name_is_refused(capsys) -> None:
    assert bench.main(["moon"]) == 2
    assert "moon" in capsys.readouterr().err


def test_a_benchmark_that_fails_makes_the_whole_fail(monkeypatch, capsys) -> None:
    codes = {"day_ahead": 0, "intraday": 3}
    monkeypatch.setattr(bench, "names", lambda: list(codes))
    monkeypatch.setattr(bench, "run", lambda name: (codes[name], 1.0, 0.5, 100.0))
    assert bench.main([]) == 1
    assert bench.main(["day_ahead"]) == 0
    assert "100" in capsys.readouterr().out
