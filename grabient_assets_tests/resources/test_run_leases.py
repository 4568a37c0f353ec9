"""Runs of other machines, judged by their leases in the warehouse."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus

from grabient_assets.headless.driver import bury_dead_runs, execute_job
from grabient_assets.resources.dead_runs import PID_TAG, PROCESS_TAG, is_dead
from grabient_assets.resources.run_launcher import WatchfulRunLauncher
from grabient_assets.resources.run_leases import has_lapsed, hold_run, let_go_of_run
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import open_warehouse
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.machines import ELSEWHERE
from grabient_assets_tests.postgres import PASSWORD, Server, postgres
from grabient_assets_tests.resources.instances import configure

PROCESS_ELSEWHERE = ELSEWHERE.partition("|")[0]


@dg.job
def ask() -> None:
    """Stands for any job."""


@dataclass(frozen=True)
class Shared:
    """A server, and an instance beside its database `runs`."""

    server: Server
    instance: dg.DagsterInstance

    def psql(self, sql: str) -> str:
        return self.server.psql(sql, "runs").strip()

    def started_elsewhere(self) -> dg.DagsterRun:
        """A run that a process of another machine executes."""
        run = self.instance.create_run_for_job(ask, status=DagsterRunStatus.STARTED)
        return self.seen_elsewhere(run.run_id)

    def seen_elsewhere(self, run_id: str) -> dg.DagsterRun:
        tags = {PROCESS_TAG: f"{run_id} {PROCESS_ELSEWHERE}", PID_TAG: PROCESS_ELSEWHERE}
        self.instance.add_run_tags(run_id, tags)
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as started:
        started.create_database("runs")
        yield started


@pytest.fixture
def shared(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    monkeypatch.setenv("GRABIENT_WAREHOUSE", server.url("runs"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path))
    home = tmp_path / "dagster"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with configure(home) as instance:
        yield Shared(server, instance)


def test_a_killed_run_of_another_machine_is_dead_when_its_lease_has_ended(shared: Shared) -> None:
    command = [sys.executable, "-m", "grabient_assets_tests.resources.run_holder"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            assert process.stdout is not None
            run_id = process.stdout.readline().strip()
            assert shared.psql(f"SELECT until > now() FROM leases WHERE name = 'run:{run_id}'") == "t"
            assert not is_dead(shared.instance, shared.seen_elsewhere(run_id))
        finally:
            process.kill()
        process.wait(timeout=HANGING_SECONDS)
    run = shared.seen_elsewhere(run_id)
    assert run.status == DagsterRunStatus.STARTED
    assert not is_dead(shared.instance, run), "its machine may only be slow"
    shared.psql(f"UPDATE leases SET until = now() WHERE name = 'run:{run_id}'")
    assert is_dead(shared.instance, run)
    launcher = shared.instance.run_launcher
    assert isinstance(launcher, WatchfulRunLauncher)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND
    bury_dead_runs(shared.instance)
    buried = shared.instance.get_run_by_id(run_id)
    assert buried is not None and buried.status == DagsterRunStatus.FAILURE


def test_a_run_without_a_lease_is_judged_as_before(shared: Shared) -> None:
    run = shared.started_elsewhere()
    assert not has_lapsed(run.run_id) and not is_dead(shared.instance, run)


def test_a_process_that_lives_here_counts_for_more_than_its_lease(shared: Shared) -> None:
    run = shared.instance.create_run_for_job(ask, status=DagsterRunStatus.STARTED)
    hold_run(open_warehouse(load_settings()), run.run_id)
    shared.psql(f"UPDATE leases SET until = now() WHERE name = 'run:{run.run_id}'")
    assert has_lapsed(run.run_id)
    with_pid = run.with_tags({PID_TAG: str(os.getpid())})
    assert not is_dead(shared.instance, with_pid)
    let_go_of_run(run.run_id)
    assert not has_lapsed(run.run_id)


def test_the_lease_goes_with_the_run(shared: Shared) -> None:
    seen: list[str] = []

    @dg.op
    def work(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
        warehouse.open(context)
        warehouse.open(context)
        seen.append(shared.psql(f"SELECT count(*) FROM leases WHERE name = 'run:{context.run_id}'"))

    @dg.job(executor_def=dg.in_process_executor, resource_defs={"warehouse": WarehouseResource()})
    def quick() -> None:
        work()

    done = execute_job(quick, shared.instance, {}, {})
    assert (done.success, seen) == (True, ["1"]), done.failure
    assert shared.psql(f"SELECT count(*) FROM leases WHERE name = 'run:{done.run_id}'") == "0"


def test_who_asks_while_the_server_is_away_knows_nothing(shared: Shared) -> None:
    run = shared.started_elsewhere()
    hold_run(open_warehouse(load_settings()), run.run_id)
    shared.psql(f"UPDATE leases SET until = now() WHERE name = 'run:{run.run_id}'")
    shared.server.stop()
    try:
        assert not is_dead(shared.instance, run)
    finally:
        shared.server.start()
    assert is_dead(shared.instance, run)
    let_go_of_run(run.run_id)
