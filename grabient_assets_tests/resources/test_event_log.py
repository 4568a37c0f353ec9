"""The event log over kept connections: what Dagster stores is there, whoever else reads, writes, wipes or dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.utils import make_new_run_id

from grabient_assets.resources.event_log import MAX_OPEN_RUNS, RELIES_ON, KeptEventLogStorage
from grabient_assets.resources.instance import unexpected
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.resources.event_log_writer import ASSET, BATCH, materialization
from grabient_assets_tests.resources.instances import STOCK, configure

ENDLESS = 1_000_000


def writer(home: Path, name: str, batches: int, run_id: str | None = None) -> subprocess.Popen[str]:
    arguments = [str(home), name, str(batches), *([run_id] if run_id else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "grabient_assets_tests.resources.event_log_writer", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_DIR,
    )


def index(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "history" / "runs" / "index.db")


def partitions(instance: dg.DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey(ASSET))


def files_of(home: Path) -> list[Path]:
    return sorted((home / "history" / "runs").glob("*.db"))


def open_files(home: Path) -> int:
    found = [path for path in Path("/proc/self/fd").iterdir() if path.exists()]
    return sum(path.resolve().parent == home / "history" / "runs" for path in found)


def test_the_project_uses_it_and_it_relies_on_what_dagster_has(tmp_path: Path):
    with configure(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, KeptEventLogStorage)
        with dg.DagsterInstance.from_ref(instance.get_ref()) as again:  # as a run's process opens it
            assert isinstance(again.event_log_storage, KeptEventLogStorage)
    assert unexpected(RELIES_ON) is None


def test_a_dagster_with_another_method_is_named():
    class Renamed(SqliteEventLogStorage):
        def _event_to_row(self, event: object, connection: object) -> dict[str, object]:  # pyright: ignore[reportIncompatibleMethodOverride]
            return {}

    methods = RELIES_ON[SqliteEventLogStorage]
    assert (
        unexpected({Renamed: methods}) == "Renamed._event_to_row takes self, event, connection instead of self, event"
    )
    assert unexpected({object: methods}) == "object._connect is gone"


def test_without_the_private_modules_dagsters_own_is_used_with_a_warning(tmp_path: Path):
    configure(tmp_path).dispose()
    program = f"""
import dagster as dg
import dagster._core.storage.event_log
del dagster._core.storage.event_log.polling_event_watcher.SqlPollingEventWatcher  # as if Dagster had renamed it
with dg.DagsterInstance.from_config({str(tmp_path)!r}) as instance:
    print(type(instance.event_log_storage).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT_DIR, check=True)
    assert done.stdout == "SqliteEventLogStorage\n"
    assert "Dagster's own storages are used, which is slower" in done.stderr
    assert "SqlPollingEventWatcher" in done.stderr


def test_without_dagster_home_a_command_uses_a_folder_for_itself(tmp_path: Path):
    """A newcomer types `dagster` commands in the project's folder before anything is set."""
    program = """
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
with get_possibly_temporary_instance_for_cli() as instance:
    log = instance.event_log_storage
    print(type(log).__name__, log.path_for_shard("index"))
"""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    (tmp_path / "dagster.yaml").write_bytes((PROJECT_DIR / "dagster.yaml").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    name, path = done.stdout.split()
    assert name == "KeptEventLogStorage" and Path(path).is_relative_to(tmp_path)


def test_three_processes_write_while_one_reads(tmp_path: Path):
    with configure(tmp_path) as instance:
        writers = [writer(tmp_path, f"w{number}", 6) for number in range(3)]
        seen = 0
        while any(process.poll() is None for process in writers):
            found = len(partitions(instance))
            assert found >= seen
            seen = found
        assert [process.wait() for process in writers] == [0, 0, 0]
        assert len(partitions(instance)) == 3 * 6 * (BATCH + 1)
    with index(tmp_path) as database:
        count, ids = database.execute("SELECT count(*), count(DISTINCT id) FROM event_logs").fetchone()
        assert count == ids == 3 * 6 * (BATCH + 1)
        tags, wrong = database.execute(
            "SELECT count(*), sum(e.partition NOT LIKE t.value || '-%') "
            "FROM asset_event_tags t JOIN event_logs e ON e.id = t.event_id"
        ).fetchone()
        assert (tags, wrong) == (3 * 6 * BATCH, 0)
        last = database.execute("SELECT max(id) FROM event_logs").fetchone()[0]
        newest = database.execute("SELECT last_materialization FROM asset_keys").fetchone()[0]
        assert f'"storage_id": {last}' in newest


@pytest.mark.parametrize("acknowledged", [1, 2, 5])
def test_a_process_that_is_killed_leaves_whole_batches(tmp_path: Path, acknowledged: int):
    configure(tmp_path).dispose()
    process = writer(tmp_path, "k", ENDLESS)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    said += process.stdout.read().split()
    for file in files_of(tmp_path):
        with sqlite3.connect(file) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with index(tmp_path) as database:
        stored = Counter(row[0] for row in database.execute("SELECT value FROM asset_event_tags"))
        rows = database.execute("SELECT count(*) FROM event_logs WHERE partition NOT LIKE '%single'").fetchone()[0]
    assert set(stored.values()) == {BATCH} and rows == BATCH * len(stored)
    assert stored.keys() >= set(said)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert len(partitions(instance)) >= rows


def test_an_error_in_the_index_leaves_no_half_of_a_batch(tmp_path: Path):
    """Dagster stores the events one by one when a batch fails, so what a failed batch left would be there twice."""
    run_id = make_new_run_id()
    with configure(tmp_path) as instance:
        log = instance.event_log_storage
        log.store_event(materialization(run_id, "before"))
        with index(tmp_path) as database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON event_logs BEGIN SELECT raise(ABORT, 'disk is full'); END"
            )
        with pytest.raises(Exception, match="disk is full"):
            log.store_event_batch([materialization(run_id, f"p{number}") for number in range(3)])
        with index(tmp_path) as database:
            database.execute("DROP TRIGGER full")
        assert len(log.get_logs_for_run(run_id)) == 1 and partitions(instance) == {"before"}
        log.store_event_batch([materialization(run_id, f"p{number}") for number in range(3)])
        assert len(log.get_logs_for_run(run_id)) == 4 and partitions(instance) == {"before", "p0", "p1", "p2"}


def test_who_watches_a_run_sees_every_event_of_another_process_once(tmp_path: Path):
    """The UI shows a run this way while it works."""
    run_id = make_new_run_id()
    expected = 3 * (BATCH + 1)
    seen: list[str | None] = []
    complete = threading.Event()

    def on_event(entry: object, _: str) -> None:
        seen.append(entry.dagster_event.partition)  # pyright: ignore[reportAttributeAccessIssue]
        if len(seen) >= expected:
            complete.set()

    with configure(tmp_path) as instance:
        instance.watch_event_logs(run_id, None, on_event)
        assert writer(tmp_path, "w", 3, run_id).wait() == 0
        assert complete.wait(HANGING_SECONDS), f"{len(seen)} of {expected} events"
        instance.end_watch_event_logs(run_id, on_event)
    assert len(seen) == len(set(seen)) == expected


def test_a_folder_that_another_process_wipes_is_written_anew(tmp_path: Path):
    run_id = make_new_run_id()
    with configure(tmp_path) as instance:
        log = instance.event_log_storage
        log.store_event_batch([materialization(run_id, f"old{number}") for number in range(10)])
        subprocess.run(
            [str(Path(sys.executable).with_name("dagster")), "run", "wipe", "--force"],
            env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
            check=True,
            capture_output=True,
        )
        assert log.get_logs_for_run(run_id) == [] and partitions(instance) == set()
        log.store_event_batch([materialization(run_id, f"new{number}") for number in range(7)])
        assert len(log.get_logs_for_run(run_id)) == 7
        assert partitions(instance) == {f"new{number}" for number in range(7)}
        (tmp_path / "history" / "runs" / f"{run_id}.db").unlink()
        log.store_event(materialization(run_id, "after"))
        assert len(log.get_logs_for_run(run_id)) == 1


def test_an_older_folder_is_read_and_dagster_reads_it_again(tmp_path: Path):
    run_id = make_new_run_id()
    with configure(tmp_path, STOCK) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        instance.event_log_storage.store_event(materialization(run_id, "stock"))
    with configure(tmp_path) as instance:
        instance.event_log_storage.store_event_batch([materialization(run_id, f"kept{n}") for n in range(3)])
        assert len(instance.event_log_storage.get_logs_for_run(run_id)) == 4
    migrated = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "instance", "migrate"],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr
    with configure(tmp_path, STOCK) as instance:
        instance.event_log_storage.store_event(materialization(run_id, "stock again"))
        assert len(instance.event_log_storage.get_logs_for_run(run_id)) == 5
        assert partitions(instance) == {"stock", "kept0", "kept1", "kept2", "stock again"}


def test_parent_and_child_write_after_a_fork(tmp_path: Path):
    run_id = make_new_run_id()
    with configure(tmp_path) as instance:
        log = instance.event_log_storage
        log.store_event(materialization(run_id, "before"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
            child = os.fork()
        if child == 0:
            try:
                log.store_event_batch([materialization(run_id, f"child{number}") for number in range(2)])
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        log.store_event(materialization(run_id, "after"))
        assert partitions(instance) == {"before", "child0", "child1", "after"}


def test_files_of_many_runs_do_not_stay_open(tmp_path: Path):
    with configure(tmp_path) as instance:
        for number in range(MAX_OPEN_RUNS + 5):
            instance.event_log_storage.store_event(materialization(make_new_run_id(), f"p{number}"))
        assert open_files(tmp_path) <= 3 * (MAX_OPEN_RUNS + 1)  # a file, its WAL and the memory they share
    assert open_files(tmp_path) == 0


@pytest.mark.parametrize("size", [None, 1, 2])
def test_what_a_run_reports_is_stored_whatever_the_size_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
):
    if size is not None:
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(size))

    @dg.op
    def report(context) -> None:  # Dagster cannot read an annotation that is a string
        report_materializations(context, [])
        report_materializations(context, [dg.AssetMaterialization(ASSET, partition=f"p{n}") for n in range(5)])

    @dg.job
    def reporting() -> None:
        report()

    with configure(tmp_path) as instance:
        done = reporting.execute_in_process(instance=instance)
        assert partitions(instance) == {f"p{number}" for number in range(5)}
        logged = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        assert [entry.get_dagster_event().partition for entry in logged] == [f"p{number}" for number in range(5)]
