"""Results in a folder or in an object store: the same sweep, the same bytes, the same answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.results import Results
from experiments.store.place import Bucket, Disk, FolderError, place_of
from experiments.sweep import drive, folder
from experiments.sweep.drive import Conduct
from experiments.sweep.plan import plan_of
from tests.s3_server import Store, object_store

FAKE = "tests.experiments_fake:simulate"
COMPARED = ("runs.parquet", "points.parquet", "designs.parquet")


@pytest.fixture(autouse=True)
def _one_source(monkeypatch):
    monkeypatch.setattr("experiments.provenance.source_digest", lambda: "same")


@pytest.fixture(scope="module")
def store():
    with object_store() as found:
        yield found


def plan(replications: int = 3, tables: tuple[str, ...] = ("prices",), scenario: str = "small"):
    head = {"name": "t", "scenario": scenario, "replications": replications, "kpis": ["ev_peak_kw"]}
    lever = {"key": "regulation.min_bid_mw", "values": [0.1, 1.0, 2.0]}
    return plan_of({"sweep": head, "lever": [lever], "output": {"tables": list(tables)}}, "t", scenario)


def conduct(backend: str = "in_process", model: str = FAKE) -> Conduct:
    return Conduct(2, backend=backend, model=model)


@pytest.fixture(params=["disk", "file_uri", "bucket"])
def place(request, tmp_path: Path, store: Store):
    uris = {"disk": str(tmp_path / "s"), "file_uri": f"file://{tmp_path}/s", "bucket": store.uri(f"b/{tmp_path.name}")}
    return place_of(uris[request.param])


def test_files_come_back_as_they_went(place):
    place.make("parts")
    place.put_json("a.json", {"x": 1})
    place.put_table("parts/part-2.parquet", pa.table({"n": [1, 2]}))
    place.put_table("parts/part-1.parquet", pa.table({"n": [3]}))
    assert place.json("a.json") == {"x": 1}
    assert place.names() == ["a.json"]
    assert place.names("parts", "part-*.parquet") == ["parts/part-1.parquet", "parts/part-2.parquet"]
    assert (place.has("a.json"), place.has("b.json"), place.names("nowhere")) == (True, False, [])
    assert place.scan(place.names("parts")).select(pl.col("n").sum()).collect().item() == 6
    assert place.table("parts/part-2.parquet", ["n"])["n"].to_pylist() == [1, 2]
    with pytest.raises(FolderError, match=r"holds no b\.json"):
        place.json("b.json")
    place.delete("parts/part-1.parquet")
    place.delete("parts/part-1.parquet")
    assert place.names("parts") == ["parts/part-2.parquet"]
    with pytest.raises(FolderError, match="already holds files"):
        place.check_free()
    place.sweep_away()
    place.check_free()


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    out = tmp_path_factory.mktemp("disk") / "s"
    drive.start(plan(), out, conduct())
    return Disk(out)


def test_a_sweep_into_a_bucket_gives_the_bytes_of_one_on_disk(store: Store, on_disk: Disk):
    uri = store.uri("b/sweep")
    result = drive.start(plan(), uri, conduct("process_pool"))
    assert (result.n_new, result.n_failed) == (9, 0)
    assert all(place_of(uri).read(n) == on_disk.read(n) for n in COMPARED)
    assert not place_of(uri).names("parts")
    stored, here = Results.open(uri), Results.open(on_disk)
    assert stored.tables == ("prices",)
    assert stored.table("prices").collect().height == 9 * 96
    query = "SELECT policy_name, AVG(ev_peak_kw) AS kw FROM observations GROUP BY policy_name ORDER BY policy_name"
    assert stored.sql(query).equals(here.sql(query))
    with pytest.raises(FolderError, match="not on a disk"):
        _ = stored.folder


def test_a_bucket_that_fills_up_is_resumed(store: Store, on_disk: Disk, monkeypatch):
    uri = store.uri("b/full")
    real, calls = Bucket.write, []

    def write(self, name, content):
        calls.append(name)
        store.is_full = len(calls) > 9
        real(self, name, content)

    monkeypatch.setattr(Bucket, "write", write)
    with pytest.raises(FolderError, match=r"cannot write s3://b/full: .*bucket is full; nothing committed is lost"):
        drive.start(plan(), uri, conduct())
    monkeypatch.setattr(Bucket, "write", real)
    store.is_full = False
    before = folder.committed(place_of(uri)).size
    assert 0 < before < 9
    assert drive.resume(uri, conduct()).n_new == 9 - before
    assert all(place_of(uri).read(n) == on_disk.read(n) for n in COMPARED)
    assert Results.open(uri).table("prices").collect().height == 9 * 96


def test_own_series_travel_with_the_bucket(store: Store):
    uri = store.uri("b/series")
    wanted = plan(replications=1, tables=(), scenario="own_prices")
    drive.start(wanted, uri, conduct())
    assert folder.reopen(place_of(uri)).base.digest() == wanted.base.digest()


def test_commands_take_a_uri(store: Store, tmp_path: Path):
    uri = store.uri("b/commands")
    drive.start(plan(), uri, conduct())
    asked = CliRunner().invoke(app, ["query", uri, "SELECT COUNT(*) AS n FROM runs", "--json"])
    assert asked.exit_code == 0 and '"n": 9' in asked.stdout
    again = CliRunner().invoke(app, ["resume", uri])
    assert again.exit_code == 0, again.output
    assert "report: s3://b/commands/report.html" in again.stdout and "password" not in again.output
    assert place_of(uri).read("report.html").startswith(b"<!DOCTYPE html>")
    taken = CliRunner().invoke(app, ["sweep", "demo", "--out", uri])
    assert taken.exit_code == 2 and "s3://b/commands already holds files" in taken.stderr


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("memory://x", "cannot use memory://x: .*; known are a path"),
        ("s3://u:password@b/x?region=l&scheme=http&endpoint_override=127.0.0.1:1", "cannot use s3://b/x: "),
    ],
)
def test_a_store_that_cannot_be_used_is_one_message(uri: str, part: str):
    with pytest.raises(FolderError, match=part) as caught:
        place_of(uri).check_free()
    assert "password" not in str(caught.value) and "\n" not in str(caught.value)
