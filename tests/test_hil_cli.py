"""The commands `flexpolder hil …`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.hardware.guard import Passwords, read_secrets
from experiments.cli import app
from experiments.hil.demo import run_demo

runner = CliRunner()


def test_help_names_every_command():
    text = runner.invoke(app, ["hil", "--help"]).output
    for command in ("station", "check", "replay", "demo", "secret"):
        assert command in text


def test_faults_are_listed_and_unknown_ones_refused():
    assert "no_fallback" in runner.invoke(app, ["hil", "station", "--fault", "list"]).output
    assert runner.invoke(app, ["hil", "station", "--fault", "nonsense"]).exit_code == 2
    assert runner.invoke(app, ["hil", "station", "--ocpp", "3.0"]).exit_code == 2


def test_a_secret_is_shown_once_and_opens_the_door(tmp_path: Path):
    file = tmp_path / "secrets.json"
    result = runner.invoke(app, ["hil", "secret", "S1", "--file", str(file)])
    assert result.exit_code == 0
    import base64

    header = "Basic " + base64.b64encode(f"S1:{result.stdout.strip()}".encode()).decode()
    assert Passwords(read_secrets(file)).is_right("S1", header)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "http://127.0.0.1:1"],
        ["check", "ws://0.0.0.0:9000"],
        ["check", "--safe-kw", "50"],
        ["replay", "/no/such/file"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path):
    if arguments[0] == "check":
        arguments = [*arguments, "--out", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
    result = runner.invoke(app, ["hil", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_check_without_station_says_so(tmp_path: Path):
    folders = ["--out", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
    result = runner.invoke(app, ["hil", "check", "ws://127.0.0.1:0", "--wait", "0.3", "--json", "--quiet", *folders])
    assert result.exit_code == 3
    assert json.loads(result.stdout)[0]["outcome"] == "fail"


@pytest.mark.slow
def test_the_demo_follows_the_redispatch_and_replays(tmp_path: Path):
    lines: list[str] = []
    result = run_demo(tmp_path, 12.0, 500, lines.append)
    assert result.has_followed, lines
    assert len(result.periods) == 4 * 503
    assert not result.periods["is_metered"].any()
    replayed = runner.invoke(app, ["hil", "replay", str(tmp_path / "recording"), "--json"])
    assert replayed.exit_code == 0
    assert json.loads(replayed.stdout)["differences"] == 0
