"""Real processes over Dagster's records in PostgreSQL: everything goes through, and the password is nowhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from grabient_assets.process_identity import parse
from grabient_assets.resources.daemon import daemon_runs, last_heartbeat
from grabient_assets.resources.dead_runs import PROCESS_TAG
from grabient_assets_tests.cli.running import grabient, palettes
from grabient_assets_tests.pipeline.dev import dagster_dev
from grabient_assets_tests.postgres import PASSWORD, postgres
from grabient_assets_tests.resources.postgres_home import VARIABLE, keep_in_postgres

COUNT = 2


@contextmanager
def arguments_of_all_processes() -> Iterator[set[str]]:
    """Every argument of every process that is seen meanwhile."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    seen.update(process.cmdline())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def test_commands_and_dagster_go_through_and_the_password_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "data"
    home = data / "dagster"
    with postgres() as server, arguments_of_all_processes() as arguments:
        monkeypatch.setenv(VARIABLE, PASSWORD)
        server.create_database("records")
        keep_in_postgres(home, server, "records")
        values = {"GRABIENT_MODE": "emulator", "TAG_ANALYSIS_COUNT": "1"}
        loaded = grabient(data, "load", palettes(tmp_path, COUNT), "--json", **values)
        assert loaded.code == 0, loaded.err
        seeds = loaded.json["seeds"]
        # A sensor asks for the pictures, and the daemon has them made in a process of the code server.
        with dagster_dev(data) as dev:
            dev.until(
                "pictures",
                lambda: (
                    dev.green("palette_images") == set(seeds)
                    and daemon_is_seen(home)
                    and any(run["status"] == "SUCCESS" for run in dev.runs())
                ),
                lambda: (dev.green("palette_images"), last_heartbeat(home)),
            )
        ran = grabient(data, "run", "--json", **values)
        status = grabient(data, "status", "--json", **values)
        assert (ran.code, status.code) == (0, 0), ran.err + status.err
        wrong = grabient(data, "run", **{**values, VARIABLE: f"{PASSWORD}-wrong"})
        assert wrong.code == 1 and "password authentication failed" in wrong.err
        succeeded = server.psql("SELECT run_id FROM runs WHERE status = 'SUCCESS'", "records").split()
        named = server.psql(f"SELECT value FROM run_tags WHERE key = '{PROCESS_TAG}'", "records").splitlines()
        dump = server.run("pg_dump", "--inserts", "records")
    assert "INSERT INTO public.event_logs" in dump and not list(home.rglob("*.db"))
    processes = {run: parse(process) for run, _, process in (one.partition(" ") for one in named)}
    assert len(succeeded) > COUNT and set(succeeded) <= processes.keys() and None not in processes.values()

    assert any("instance_ref" in one or "instance-ref" in one for one in arguments), "Dagster's processes were seen"
    assert [one for one in arguments if PASSWORD in one] == []
    said = "".join(f"{ended.out}{ended.err}" for ended in (loaded, ran, status, wrong))
    assert PASSWORD not in dump and PASSWORD not in said
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "dagster-dev.log") in written and len(written) > COUNT
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []


def daemon_is_seen(home: Path) -> bool:
    last = last_heartbeat(home)
    return last is not None and daemon_runs(home, last)
