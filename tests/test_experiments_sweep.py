from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import types
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from experiments.results import Results
from experiments.scenario import InputError
from experiments.store import FolderError, place
from experiments.store.folder import SCHEMA_VERSION, write_parquet
from experiments.store.place import Disk
from experiments.sweep import drive, folder
from experiments.sweep.axes import Axis
from experiments.sweep.backends import Suspects
from experiments.sweep.drive import Conduct
from experiments.sweep.plan import bundled_sweeps, plan_of, read_sweep, seed_of

ROOT = Path(__file__).parents[1]
FAKE = "tests.experiments_fake:simulate"
IDENTICAL = ("runs.parquet", "points.parquet", "designs.parquet")


def raw(**sweep):
    head = {"name": "t", "scenario": "small", "replications": 2, "kpis": ["ev_peak_kw"]} | sweep
    axes = [
        {"key": "regulation.min_bid_mw", "values": [0.1, 1.0]},
        {"key": "regulation.iso15118_share", "low": 0.0, "high": 0.8},
    ]
    return {"sweep": head, "lever": axes}


def plan(**sweep):
    return plan_of(raw(**sweep), "t.toml", "small")


def conduct(backend="in_process", workers=2, model=FAKE):
    return Conduct(workers=workers, backend=backend, model=model)


@pytest.fixture(autouse=True)
def _one_source(monkeypatch):
    monkeypatch.setattr("experiments.provenance.source_digest", lambda: "same")


# --- designs


def test_demo_is_two_levers_by_two_values_by_three_replications():
    demo = read_sweep("demo")
    assert demo.n_jobs == 12
    assert demo.policy_names[demo.base_policy] == "min_bid_mw=1, iso15118_share=0.1"


@pytest.mark.parametrize("name", sorted(bundled_sweeps()))
def test_bundled_sweeps_are_sound_and_small(name):
    found = read_sweep(name)
    assert found.file.sweep.name == name
    assert 0 < found.n_jobs <= 500
    assert found.base_policy >= 0 or found.file.sweep.design == "sobol"


def test_full_factorial_adds_the_base_once():
    found = plan()
    assert len(found.policy_names) == 7  # two values by three levels, and the base
    assert found.policy_names[found.base_policy] == "base"
    assert plan_of(raw(has_base=False), "t", "small").base_policy == -1


def test_one_at_a_time_moves_one_lever_from_the_base():
    found = plan(design="one_at_a_time")
    assert found.policy_names == (
        "base",
        "min_bid_mw=0.1, iso15118_share=0.1",
        "min_bid_mw=1, iso15118_share=0",
        "min_bid_mw=1, iso15118_share=0.4",
        "min_bid_mw=1, iso15118_share=0.8",
    )


def test_latin_hypercube_fills_every_stratum_once():
    found = plan(design="latin_hypercube", samples=10, has_base=False)
    shares = sorted(p.values["regulation.iso15118_share"] for p in found.points)
    assert [int(s / 0.08) for s in shares] == list(range(10))
    assert found.points == plan(design="latin_hypercube", samples=10, has_base=False).points


@pytest.mark.parametrize(("design", "n"), [("sobol", 8 * 4), ("morris", 8 * 3)])
def test_joint_designs_have_the_rows_their_indices_need(design, n):
    found = plan(design=design, samples=8)
    assert len(found.points) == n
    assert len(found.designs) <= n  # a discrete lever makes points coincide; each scenario is run once
    assert found.base_policy == -1


def test_every_policy_meets_every_state_of_the_uncertainties():
    text = raw(uncertainty_samples=4, has_base=False)
    text["lever"] = text["lever"][:1]
    text["uncertainty"] = [{"key": "system.gas_eur_per_mwh", "low": 20.0, "high": 60.0}]
    found = plan_of(text, "t", "small")
    gas = [[p.values["system.gas_eur_per_mwh"] for p in found.points if p.policy == k] for k in (0, 1)]
    assert len(gas[0]) == 4
    assert gas[0] == gas[1]
    assert len({*gas[0]}) == 4


def test_a_longer_uncertainty_sample_continues_a_shorter_one():
    from experiments.sweep.design import uncertainty_samples

    axis = Axis("system.gas_eur_per_mwh", (), 20.0, 60.0)
    assert uncertainty_samples([axis], 16, 3)[:8] == uncertainty_samples([axis], 8, 3)


def test_list_design_takes_named_policies():
    text = {
        "sweep": {"name": "t", "scenario": "small", "design": "list", "replications": 1},
        "policy": [{"name": "now"}, {"name": "small bids", "set": {"regulation.min_bid_mw": 0.1}}],
    }
    found = plan_of(text, "t", "small")
    assert found.policy_names == ("now", "small bids")
    assert found.base_policy == 0


def test_axis_positions():
    assert [Axis("k", ("a", "b", "c")).at(p) for p in (0.0, 0.34, 0.99, 1.0)] == ["a", "b", "c", "c"]
    assert Axis("k", (), 0.1, 10.0, 3, is_log=True).grid() == (0.1, 1.0, 10.0)
    assert Axis("k", (), 0.0, 3.0, 4, is_whole=True).grid() == (0, 1, 2, 3)


def test_seeds_depend_on_root_and_replication_only():
    seeds = [seed_of(1, r) for r in range(50)]
    assert len(set(seeds)) == 50
    assert seed_of(2, 0) != seeds[0]
    found = plan()
    assert {found.job(i).seed for i in range(0, found.n_jobs, found.replications)} == {seeds[0]}


# --- bad sweep files


@pytest.mark.parametrize(
    ("change", "key", "part"),
    [
        ({"key": "regulation.min_bid"}, "lever.1.key", "did you mean 'min_bid_mw'?"),
        ({"key": "fleets.x"}, "lever.1.key", "unknown key"),
        ({"values": []}, "lever.1.values", "no points"),
        ({"values": [0.1, 0.1]}, "lever.1.values", "holds a value twice"),
        ({"values": [0.1, 99.0]}, "regulation.min_bid_mw", "99.0 is outside 0.1 to 10"),
        ({"low": 1.0}, "lever.1.values", "not both"),
        ({"values": None, "low": 2.0, "high": 1.0}, "lever.1.low", "not below high"),
        ({"values": None, "low": 2.0}, "lever.1", "both low and high"),
        ({"values": None, "low": 0.0, "high": 1.0, "scale": "log"}, "lever.1.low", "above 0"),
        ({"key": "regulation.iso15118_share"}, "lever.2.key", "already varied by lever.1"),
        ({"key": "regulation.grid_tariff", "values": None, "low": 0.0, "high": 1.0}, "lever.1", "no number"),
        ({"key": "scenario.seed", "values": [1, 2]}, "lever.1.key", "replications set the seed"),
        ({"values": [1.0, 1]}, "lever.1.values", "holds a value twice"),
        ({"key": "output.tables", "values": [["prices"]]}, "lever.1.key", "change no result"),
        ({"key": "regulation.min_bid_mw", "low": 20.0, "high": 30.0, "values": None}, "regulation.min_bid_mw", "0.1"),
        ({"vals": [1]}, "lever.1.vals", "did you mean 'values'?"),
    ],
)
def test_bad_axes(change, key, part):
    text = raw()
    text["lever"][0] = {k: v for k, v in (text["lever"][0] | change).items() if v is not None}
    with pytest.raises(InputError) as caught:
        plan_of(text, "t.toml", "small")
    assert part in {f.key: f.text for f in caught.value.faults}[key]


@pytest.mark.parametrize(
    ("sweep", "key", "part"),
    [
        ({"design": "factorial"}, "sweep.design", "not one of"),
        ({"replications": 0}, "sweep.replications", "outside 1 to 10000"),
        ({"kpis": ["ev_peak"]}, "sweep.kpis", "did you mean 'ev_peak_kw'?"),
        ({"scenario": "smal"}, "sweep.scenario", "did you mean 'small'?"),
        ({"design": "list"}, "policy", "no points"),
        ({"design": "sobol", "samples": 10}, "sweep.samples", "not a power of two"),
        ({"replications": 10000, "design": "latin_hypercube", "samples": 10000}, "sweep", "smaller design"),
    ],
)
def test_bad_sweeps(sweep, key, part):
    text = raw(**sweep)
    with pytest.raises(InputError) as caught:
        plan_of(text, "t.toml", text["sweep"]["scenario"])
    assert part in {f.key: f.text for f in caught.value.faults}[key]


def faults_of(text):
    with pytest.raises(InputError) as caught:
        plan_of(text, "t.toml", "small")
    return {f.key: f.text for f in caught.value.faults}


def test_a_key_and_a_key_below_it_overlap():
    levers = [{"key": "fleet.home", "values": [{"evs": 3}]}, {"key": "fleet.home.evs", "values": [1, 2]}]
    text = {"sweep": {"name": "t", "scenario": "small"}, "lever": levers}
    assert faults_of(text) == {"lever.2.key": "'fleet.home.evs' overlaps 'fleet.home' of lever.1"}


def test_levers_that_contradict_each_other_in_some_point_are_refused():
    levers = [
        {"key": "regulation.absolute_signal_threshold_share", "values": [1.0, 1.3]},
        {"key": "regulation.congestion_threshold_share", "values": [0.9, 1.1]},
    ]
    (found,) = faults_of({"sweep": {"name": "t", "scenario": "small"}, "lever": levers}).items()
    assert found[0] == "regulation.absolute_signal_threshold_share"
    assert "1.0 is below regulation.congestion_threshold_share = 1.1" in found[1]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"system.gas_eur_per_mwh": 30.0}, "already varied by uncertainty.1"),
        ({"scenario.seed": 3}, "replications set the seed"),
        ({"fleet.home": {"evs": 3}, "fleet.home.evs": 4}, "overlaps 'fleet.home'"),
        ({"regulation.min_bid": 0.1}, "did you mean 'min_bid_mw'?"),
    ],
)
def test_bad_policies(values, part):
    text = {"sweep": {"name": "t", "scenario": "small", "design": "list"}, "policy": [{"name": "a", "set": values}]}
    text["uncertainty"] = [{"key": "system.gas_eur_per_mwh", "low": 20.0, "high": 60.0}]
    assert part in " ".join(faults_of(text).values())


def test_nothing_varied_is_no_design():
    with pytest.raises(InputError, match="nothing is varied"):
        plan_of({"sweep": {"name": "t", "scenario": "small"}}, "t", "small")


# --- running


def same_files(a: Path, b: Path) -> bool:
    return all((a / n).read_bytes() == (b / n).read_bytes() for n in IDENTICAL)


def test_a_sweep_opens_as_frames_and_answers_sql(tmp_path):
    text = raw()
    text["output"] = {"tables": ["prices"]}
    result = drive.start(plan_of(text, "t", "small"), tmp_path / "s", conduct())
    assert (result.n_new, result.n_failed) == (14, 0)
    found = Results.open(tmp_path / "s")
    assert found.runs["status"].to_list() == ["ok"] * 14
    assert found.observations.height == 14
    assert found.table("prices").collect().height == 14 * 96
    peak = found.sql('SELECT MAX(ev_peak_kw) AS p FROM observations WHERE "regulation.min_bid_mw" = 0.1')["p"][0]
    assert peak == found.observations.filter(pl.col("regulation.min_bid_mw") == 0.1)["ev_peak_kw"].max()
    with pytest.raises(FolderError, match="query failed"):
        found.sql("SELECT nothing FROM runs")
    with pytest.raises(FolderError, match="kept are prices"):
        found.table("load")


def test_same_seed_for_all_policies_cancels_the_noise(tmp_path):
    drive.start(plan(replications=4), tmp_path / "s", conduct())
    rows = Results.open(tmp_path / "s").observations
    wide = rows.filter(pl.col("regulation.iso15118_share") == 0.0).pivot(
        on="regulation.min_bid_mw", index="replication", values="ev_peak_kw"
    )
    difference = (wide["1.0"] - wide["0.1"]).to_numpy()
    np.testing.assert_allclose(difference, 9.0)  # the stand-in adds 10 kW per MW of minimum bid


def test_pool_and_process_give_the_same_bytes(tmp_path):
    drive.start(plan(), tmp_path / "a", conduct())
    drive.start(plan(), tmp_path / "b", conduct("process_pool", 2))
    drive.start(plan(), tmp_path / "c", Conduct(workers=3, model=FAKE))
    assert same_files(tmp_path / "a", tmp_path / "b")
    assert same_files(tmp_path / "a", tmp_path / "c")
    assert not list((tmp_path / "b" / "parts").iterdir())


@pytest.mark.ray
@pytest.mark.slow
def test_ray_gives_the_same_bytes(tmp_path):
    drive.start(read_sweep("demo"), tmp_path / "a", conduct())
    drive.start(read_sweep("demo"), tmp_path / "b", conduct("ray", 2))
    assert same_files(tmp_path / "a", tmp_path / "b")


def test_a_run_that_raises_is_a_row_and_harms_no_other(tmp_path):
    demo = read_sweep("demo")
    result = drive.start(demo, tmp_path / "s", conduct(model="tests.experiments_fake:simulate_or_raise"))
    assert (result.n_new, result.n_failed) == (12, 3)
    failed = Results.open(tmp_path / "s").failed
    assert failed["error"].unique().to_list() == ["RuntimeError: the far corner"]
    assert "simulate_or_raise" in failed["traceback"][0]
    assert failed["seed"].to_list() == [seed_of(1, r) for r in range(3)]
    again = drive.resume(tmp_path / "s", conduct())
    assert again.n_new == 0
    again = drive.resume(tmp_path / "s", conduct(), retry_failed=True)
    assert (again.n_new, again.n_failed) == (3, 0)
    drive.start(demo, tmp_path / "clean", conduct())
    assert same_files(tmp_path / "s", tmp_path / "clean")


@pytest.mark.slow
def test_a_run_that_kills_its_worker_is_found_and_harms_no_other(tmp_path):
    demo = read_sweep("demo")
    how = conduct("process_pool", 2, "tests.experiments_fake:simulate_or_die")
    result = drive.start(demo, tmp_path / "s", how)
    assert result.n_crashed == 3
    runs = Results.open(tmp_path / "s").runs
    assert runs.group_by("status").len().sort("status").rows() == [("crashed", 3), ("ok", 9)]


@pytest.mark.slow
def test_a_worker_that_dies_once_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MARK", str(tmp_path / "mark"))
    code = f"""
from contextlib import suppress
from pathlib import Path
from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import read_sweep
if __name__ == "__main__":
    how = Conduct(workers=2, backend="process_pool", model="tests.experiments_fake:simulate_or_die_once")
    print(start(read_sweep("demo"), Path({str(tmp_path / "s")!r}), how))
"""
    run_script(tmp_path, code).wait(timeout=60)
    assert (tmp_path / "mark").exists()
    assert Results.open(tmp_path / "s").runs["status"].to_list() == ["ok"] * 12


def run_script(tmp_path: Path, code: str) -> subprocess.Popen:
    script = tmp_path / "script.py"
    script.write_text(code)
    return subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so_at_once(tmp_path):
    code = f"""
from contextlib import suppress
from pathlib import Path
from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import read_sweep
how = Conduct(workers=2, backend="process_pool", model="tests.experiments_fake:simulate")
start(read_sweep("demo"), Path({str(tmp_path / "s")!r}), how)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, str(script)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90)
    assert found.returncode != 0
    assert "worker processes die before their first run" in found.stderr


SLOW = """
from contextlib import suppress
from pathlib import Path
from experiments.sweep.drive import Conduct, start
from experiments.sweep.plan import read_sweep
if __name__ == "__main__":
    how = Conduct(workers=2, backend="process_pool", model="tests.experiments_fake:simulate_slowly")
    start(read_sweep("demo"), Path({out!r}), how)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_driver_leaves_a_resumable_folder_and_no_workers(tmp_path, how):
    out = tmp_path / "s"
    driver = run_script(tmp_path, SLOW.format(out=str(out)))
    wait_for(lambda: len(list((out / "parts").glob("part-*"))) >= 3)
    workers = descendants(driver.pid)
    assert workers
    driver.send_signal(how)
    driver.wait(timeout=30)
    wait_for(lambda: not any(map(is_running, workers)))
    before = len(folder.committed(Disk(out)))
    assert 3 <= before < 12
    (out / "parts" / ".part-000000011.parquet.1.tmp").write_bytes(b"half a file")
    result = drive.resume(out, conduct(), allow_changed_source=True)
    assert result.n_new == 12 - before
    drive.start(read_sweep("demo"), tmp_path / "clean", conduct())
    assert same_files(out, tmp_path / "clean")
    assert not list(out.rglob(".*.tmp"))


def wait_for(condition, timeout_s=40.0):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < timeout_s, "nothing happened in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """Process numbers below one, read from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(words[1])
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def test_kept_tables_of_uncommitted_runs_are_dropped_on_resume(tmp_path):
    text = raw()
    text["output"] = {"tables": ["prices"]}
    out = tmp_path / "s"
    drive.start(plan_of(text, "t", "small"), out, conduct())
    runs = pl.read_parquet(out / "runs.parquet")
    runs.filter(pl.col("job") < 10).write_parquet(out / "x")
    whole = pq.read_table(out / "runs.parquet")
    pq.write_table(whole.slice(0, 9), out / "runs.parquet")  # as if the last five had never been committed
    (out / "x").unlink()
    result = drive.resume(out, conduct())
    assert result.n_new == 5
    prices = Results.open(out).table("prices").collect()
    assert prices.height == 14 * 96
    assert prices.select("design", "replication", "period").n_unique() == 14 * 96


def test_resume_needs_the_same_source_unless_told(tmp_path, monkeypatch):
    drive.start(plan(), tmp_path / "s", conduct())
    monkeypatch.setattr("experiments.provenance.source_digest", lambda: "other")
    with pytest.raises(FolderError, match="--allow-changed-source"):
        drive.resume(tmp_path / "s", conduct())
    assert drive.resume(tmp_path / "s", conduct(), allow_changed_source=True).n_new == 0


def test_resume_reads_own_series_from_the_folder(tmp_path):
    text = {"sweep": {"name": "t", "scenario": "own_prices", "replications": 1}, "lever": raw()["lever"][:1]}
    drive.start(plan_of(text, "t", "own_prices"), tmp_path / "s", conduct())
    stored = folder.reopen(Disk(tmp_path / "s")).base
    assert stored.series["price_eur_per_mwh"].shape == (192,)
    assert stored.digest() == plan_of(text, "t", "own_prices").base.digest()


def test_taken_read_only_and_foreign_folders(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "x").touch()
    with pytest.raises(FolderError, match="already holds files"):
        drive.start(plan(), tmp_path / "s", conduct())
    with pytest.raises(FolderError, match="manifest"):
        drive.resume(tmp_path / "s", conduct())


def test_a_full_disk_stops_the_sweep_and_loses_nothing(tmp_path, monkeypatch):
    calls = []
    real = Disk.write

    def full(self, name, content):
        calls.append(name)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        real(self, name, content)

    monkeypatch.setattr(Disk, "write", full)
    with pytest.raises(FolderError, match=r"No space left on device; nothing committed is lost.*resume"):
        drive.start(plan(), tmp_path / "s", conduct())
    monkeypatch.setattr(Disk, "write", real)
    assert len(folder.committed(Disk(tmp_path / "s"))) > 0
    drive.resume(tmp_path / "s", conduct())
    drive.start(plan(), tmp_path / "clean", conduct())
    assert same_files(tmp_path / "s", tmp_path / "clean")


def test_a_disk_that_is_full_at_the_start_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(self, name, value):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "put_json", full)
        with pytest.raises(FolderError, match="No space left on device; nothing was started"):
            drive.start(plan(), tmp_path / "s", conduct())
    assert not (tmp_path / "s").exists()
    assert drive.start(plan(), tmp_path / "s", conduct()).n_new == 14


def test_a_disk_that_is_full_at_the_end_loses_nothing(tmp_path, monkeypatch):
    real = Disk.write

    def full(self, name, content):
        if name == folder.LOG:
            raise OSError(28, "No space left on device")
        real(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "write", full)
        with pytest.raises(FolderError, match=r"No space left on device; nothing committed is lost.*resume"):
            drive.start(plan(), tmp_path / "s", conduct())
    assert folder.committed(Disk(tmp_path / "s")).size == 14
    assert drive.resume(tmp_path / "s", conduct()).n_new == 0


def test_a_folder_that_became_read_only_is_one_message(tmp_path, monkeypatch):
    drive.start(plan(), tmp_path / "s", conduct())

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FolderError, match="Permission denied; nothing committed is lost"):
        drive.resume(tmp_path / "s", conduct(), retry_failed=True)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(FolderError, match="read-only"):
        drive.start(plan(), tmp_path / "new", conduct())


def test_results_of_another_schema_version_are_refused(tmp_path):
    drive.start(plan(), tmp_path / "s", conduct())
    manifest = tmp_path / "s" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'))
    for use in (Results.open, lambda path: drive.resume(path, conduct())):
        with pytest.raises(FolderError, match=f"schema version 99, this program reads {SCHEMA_VERSION}"):
            use(tmp_path / "s")


def test_a_key_figure_that_came_later_reads_as_unknown_and_an_unknown_column_is_refused(tmp_path):
    drive.start(plan(), tmp_path / "s", conduct())
    whole = pq.read_table(tmp_path / "s" / "runs.parquet")
    pq.write_table(whole.drop_columns(["ev_peak_kw"]), tmp_path / "s" / "runs.parquet")
    runs = Results.open(tmp_path / "s").runs
    assert runs["ev_peak_kw"].is_nan().all()
    assert runs["day_ahead_mean_eur_per_mwh"].is_finite().all()
    assert drive.resume(tmp_path / "s", conduct()).n_new == 0
    pq.write_table(whole.rename_columns({"ev_peak_kw": "ev_peak_mw"}), tmp_path / "s" / "runs.parquet")
    with pytest.raises(FolderError, match="another schema than this program writes"):
        _ = Results.open(tmp_path / "s").runs


# --- stop rule


def test_stop_rule_ends_points_that_are_known_well_enough(tmp_path):
    text = raw(replications=20)
    text["stop"] = {"kpi": "day_ahead_mean_eur_per_mwh", "half_width": 0.08, "min_replications": 5, "every": 5}
    drive.start(plan_of(text, "t", "small"), tmp_path / "a", conduct())
    counts = Results.open(tmp_path / "a").runs.group_by("design").len()["len"].to_list()
    assert min(counts) >= 5
    assert max(counts) < 20
    # batches of another size, interrupted and resumed, decide the same
    out = tmp_path / "b"
    drive.start(plan_of(text, "t", "small"), out, conduct(workers=7))
    whole = pl.read_parquet(out / "runs.parquet")
    write_parquet(
        whole.filter(pl.col("job") % 3 > 0).to_arrow().cast(pq.read_schema(out / "runs.parquet")), out / "runs.parquet"
    )
    drive.resume(out, conduct())
    assert same_files(tmp_path / "a", out)
    text["stop"] |= {"half_width": 1e-9}
    drive.start(plan_of(text | {"lever": text["lever"][:1]}, "t", "small"), tmp_path / "c", conduct())
    assert Results.open(tmp_path / "c").runs.height == 2 * 20


def test_rounds_cover_every_replication_once():
    text = raw(replications=23)
    text["stop"] = {"kpi": "ev_peak_kw", "half_width": 1.0, "min_replications": 10, "every": 5}
    found = drive.rounds(plan_of(text, "t", "small"))
    assert [(r.start, r.stop) for r in found] == [(0, 10), (10, 15), (15, 20), (20, 23)]


# --- small parts


def test_batches_hold_consecutive_jobs():
    found = plan(replications=5)
    batches = list(drive.batches_of(found, [0, 1, 2, 3, 7, 8, 10], 3))
    assert [[j.index for j in b] for b in batches] == [[0, 1, 2], [3], [7, 8], [10]]


def test_backend_follows_address_workers_and_estimate():
    assert drive.choose(Conduct(workers=1), 1e6).name == "in_process"
    assert drive.choose(Conduct(workers=2), 1.0).name == "in_process"
    assert drive.choose(Conduct(workers=2), 60.0).name == "process_pool"
    assert drive.choose(Conduct(workers=2), 1e6).name == "ray"
    assert drive.choose(Conduct(workers=2, address="auto"), 1.0).name == "ray"


def test_a_first_run_that_compiles_does_not_decide_the_backend(tmp_path):
    slow_first = conduct(None, 2, "tests.experiments_fake:simulate_slowly_at_first")
    result = drive.start(plan(replications=3), tmp_path / "s", slow_first)
    assert (result.backend, result.n_new) == ("in_process", 21)


def test_ray_that_does_not_start_is_one_message(tmp_path, monkeypatch):
    def refuse(**options):
        raise Exception("The current node timed out\nduring startup")

    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=refuse))
    with pytest.raises(
        FolderError, match="Ray did not start on this machine: The current node timed out; nothing is lost"
    ):
        drive.start(plan(), tmp_path / "s", conduct("ray"))
    monkeypatch.delitem(sys.modules, "ray")
    monkeypatch.setattr("experiments.provenance.source_digest", lambda: "same")
    assert drive.resume(tmp_path / "s", conduct()).n_new == 14


def test_suspects_are_split_and_given_up_after_two_deaths_alone():
    jobs = tuple(plan().job(i) for i in range(2))
    suspects = Suspects()
    assert not suspects.died(jobs, alone=False)
    assert [len(b) for b in suspects.queue] == [1, 1]
    assert not suspects.died(jobs[:1], alone=False)
    assert not suspects.died(jobs[:1], alone=True)
    assert suspects.died(jobs[:1], alone=True)


def test_neither_the_driver_nor_a_pool_imports_ray():
    code = (
        "import sys\nfrom experiments.sweep import drive, backends, worker, estimate\nimport experiments.results\n"
        "print('ray' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "False"


CLUSTER = """
import os, sys
from contextlib import suppress
from pathlib import Path
from experiments.sweep.cluster import ENVIRONMENT
os.environ.update(ENVIRONMENT)
if __name__ == "__main__":
    from ray.cluster_utils import Cluster
    from experiments.sweep.drive import Conduct, start
    from experiments.sweep.plan import read_sweep
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    how = Conduct(workers=2, address=cluster.address, model="tests.experiments_fake:simulate")
    print(start(read_sweep("demo"), Path(sys.argv[1]), how).backend)
    cluster.shutdown()
"""


@pytest.mark.ray
@pytest.mark.slow
def test_two_ray_nodes_give_the_same_bytes(tmp_path):
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    command = [sys.executable, str(script), str(tmp_path / "a")]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=True)
    assert found.stdout.strip().splitlines()[-1] == "ray"
    drive.start(read_sweep("demo"), tmp_path / "b", conduct())
    assert same_files(tmp_path / "a", tmp_path / "b")


JOB = """
import os, secrets, subprocess, sys
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(16)
from experiments.sweep.cluster import ENVIRONMENT
os.environ.update(ENVIRONMENT)
if __name__ == "__main__":
    from ray.cluster_utils import Cluster
    head = {"num_cpus": 1, "include_dashboard": True, "dashboard_port": int(sys.argv[2])}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    submit = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit"]
    submit += ["--address", f"http://127.0.0.1:{sys.argv[2]}", "--working-dir", "."]
    sweep = [sys.executable, "-m", "experiments.cli", "sweep", "demo", "--address", "auto", "--no-report"]
    print(subprocess.run([*submit, "--", *sweep, "--out", sys.argv[1]]).returncode)
    cluster.shutdown()
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_submitted_job_sweeps_on_two_nodes(tmp_path):
    for package in ("aiohttp", "aiohttp_cors", "opencensus", "colorful", "prometheus_client", "smart_open"):
        pytest.importorskip(package, reason="ray job submit needs ray[default]")
    script = tmp_path / "job.py"
    script.write_text(JOB)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(script), str(tmp_path / "a"), str(port)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=500, check=True)
    assert found.stdout.strip().splitlines()[-1] == "0", found.stdout[-2000:]
    assert Results.open(tmp_path / "a").runs["status"].to_list() == ["ok"] * 12


def test_a_submitted_job_does_not_ship_the_code_twice(monkeypatch):
    from experiments.sweep import cluster

    told = []
    fake = types.SimpleNamespace(init=lambda **options: told.append(options["runtime_env"]))
    monkeypatch.setitem(sys.modules, "ray", fake)
    cluster.RayTasks(2, "auto")._start()
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {"working_dir": "gcs://x.zip"}}')
    cluster.RayTasks(2, "auto")._start()
    assert ["working_dir" in environment for environment in told] == [True, False]


# --- tables of a sweep


def test_indices_of_a_joint_sweep_blame_the_factor_that_matters(tmp_path):
    from experiments.analysis.summary import index_rows, indices_of

    text = raw(design="sobol", samples=32, replications=1, kpis=["ev_peak_kw", "driver_cost_eur_per_kwh"])
    text["lever"].append({"key": "regulation.oem_api_share"})
    drive.start(plan_of(text, "t", "small"), tmp_path / "s", conduct())
    results = Results.open(tmp_path / "s")
    found = indices_of(results, "ev_peak_kw")
    # the stand-in: 100 kW x share in [0, 0.8] against 10 kW x {0.1, 1}: variances 533 and 20
    np.testing.assert_allclose(found.total, [20.25 / 553.6, 533.3 / 553.6, 0.0], atol=0.12)
    assert found.ranking()[0] == "regulation.iso15118_share"
    assert "no value" in next(r["note"] for r in index_rows(results) if r["kpi"] == "driver_cost_eur_per_kwh")


def test_regret_over_the_states_of_the_world(tmp_path):
    from experiments.analysis.summary import indices_of, outcome_matrix, regret_rows

    text = raw(uncertainty_samples=4, has_base=False)
    text["lever"] = text["lever"][:1]
    text["uncertainty"] = [{"key": "regulation.iso15118_share", "low": 0.0, "high": 1.0}]
    drive.start(plan_of(text, "t", "small"), tmp_path / "s", conduct())
    results = Results.open(tmp_path / "s")
    outcomes = outcome_matrix(results, "ev_peak_kw")
    assert outcomes.shape == (2, 4)
    np.testing.assert_allclose(outcomes[1] - outcomes[0], 9.0)
    regrets = {r["policy"]: r["max_regret"] for r in regret_rows(results)}
    np.testing.assert_allclose(list(regrets.values()), [0.0, 9.0], atol=1e-9)
    with pytest.raises(FolderError, match="design"):
        indices_of(results, "ev_peak_kw")


# --- crashes between any two steps


class Crash(BaseException):
    """The process dies here."""


class Steps:
    """Lets a process die before, half-way through, or after its n-th step on the disk."""

    def __init__(self, n: int, where: str) -> None:
        self.left, self.where = n, where

    def __call__(self, act, path: Path, content: bytes | None = None):
        self.left -= 1
        if self.left == 0 and self.where == "before":
            raise Crash
        if self.left == 0 and self.where == "halfway" and content is not None:
            path.with_name(f".{path.name}.1.tmp").write_bytes(memoryview(content)[: len(content) // 2])
            raise Crash
        act()
        if self.left == 0:
            raise Crash


def mortal(patch, steps: Steps) -> None:
    write, unlink = place.write_whole, Path.unlink
    patch.setattr(place, "write_whole", lambda path, content: steps(lambda: write(path, content), path, content))
    patch.setattr(
        Path, "unlink", lambda self, missing_ok=False: steps(lambda: unlink(self, missing_ok=missing_ok), self)
    )


@pytest.mark.parametrize("where", ["before", "halfway", "after"])
def test_a_crash_at_any_step_loses_at_most_the_runs_in_flight(tmp_path, where):
    text = raw(replications=1) | {"output": {"tables": ["prices"]}}
    text["lever"] = text["lever"][:1]
    small = plan_of(text, "t", "small")
    drive.start(small, tmp_path / "clean", conduct())
    kept = Results.open(tmp_path / "clean").table("prices").collect().sort("design", "period")
    n_deaths = 0
    for n in range(1, 100):
        out = tmp_path / f"{n}"
        with pytest.MonkeyPatch.context() as patch:
            mortal(patch, Steps(n, where))
            try:
                drive.start(small, out, conduct())
                break
            except Crash:
                n_deaths += 1
        if not (out / "manifest.json").is_file():
            with pytest.raises(FolderError, match="manifest"):
                drive.resume(out, conduct())
            continue
        with pytest.MonkeyPatch.context() as patch:  # and again while it is being resumed
            mortal(patch, Steps(3, where))
            with suppress(Crash):
                drive.resume(out, conduct())
        drive.resume(out, conduct())
        assert same_files(tmp_path / "clean", out), n
        assert Results.open(out).table("prices").collect().sort("design", "period").equals(kept), n
        assert not list(out.rglob(".*.tmp"))
    assert n_deaths >= 10


def test_an_estimate_is_near_what_a_sweep_takes(tmp_path):
    from experiments.sweep.estimate import estimate, wall_time_s

    slow = conduct(None, 1, "tests.experiments_fake:simulate_slowly")
    told = estimate(plan(), slow)
    taken = drive.start(plan(), tmp_path / "s", slow).wall_s
    assert told.backend == "in_process"
    assert 0.5 < taken / told.wall_s < 2.0
    # 2 pilots of 1 s, 98 runs by 2 workers; imports of 4 s once in the driver and once in the workers
    assert wall_time_s(100, 1.0, 5.0, "process_pool", 2) == pytest.approx(4 + 4 + 1 + 2 + 49)
    assert wall_time_s(100, 1.0, 5.0, "in_process", 1) == pytest.approx(4 + 100)
