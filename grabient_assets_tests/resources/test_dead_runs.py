"""What is known of a run whose process may be gone, and what that does to those who wait for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from grabient_assets.headless.driver import bury_dead_runs
from grabient_assets.process_identity import ProcessIdentity, parse, this_process
from grabient_assets.resources.dead_runs import LAUNCHER_TAG, PID_TAG, PROCESS_TAG, is_dead
from grabient_assets.resources.run_launcher import WatchfulRunLauncher
from grabient_assets.resources.runs import busy_with
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.postgres import PASSWORD, Server, postgres
from grabient_assets_tests.resources.postgres_home import VARIABLE, keep_in_postgres

ENDED = "import os; os._exit(0)"
SLEEPING = "import time; time.sleep(600)"
KILLED_AT_WORK = """
import os, signal, sys
import dagster as dg

@dg.op
def work():
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job(executor_def=dg.in_process_executor)
def ask():
    work()

with dg.DagsterInstance.get() as instance:
    ask.execute_in_process(instance=instance)
"""


ELSEWHERE = replace(this_process(), host="worker-2", machine="other", boot="another-boot", pid=2**22 - 1)
"""A process of another machine, with a number that nobody has here."""


@dg.job
def ask() -> None:
    """Stands for any job."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Dagster folder that is configured as the project's own."""
    (tmp_path / "dagster.yaml").write_bytes((PROJECT_DIR / "dagster.yaml").read_bytes())
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(ask, status=DagsterRunStatus.STARTED, tags=tags)


def by_server(instance: dg.DagsterInstance, **address: str | int) -> dg.DagsterRun:
    return started(instance, **{GRPC_INFO_TAG: json.dumps({"host": "localhost", **address})})


def test_a_run_of_a_code_server_is_dead_when_nobody_listens_there(instance: dg.DagsterInstance, home: Path):
    path = home / "server"
    run = by_server(instance, socket=str(path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert not is_dead(instance, run)
    assert path.exists() and is_dead(instance, run)  # killed
    path.unlink()
    assert is_dead(instance, run)  # and the machine started again


def test_a_code_server_with_a_port(instance: dg.DagsterInstance):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        run = by_server(instance, port=server.getsockname()[1])
        assert not is_dead(instance, run)
    assert is_dead(instance, run)
    elsewhere = by_server(instance, host="code.example", port=4000)
    assert not is_dead(instance, elsewhere)  # nobody here can tell


def test_a_run_that_a_process_executes_itself_is_dead_when_it_is(instance: dg.DagsterInstance):
    assert not is_dead(instance, started(instance, **{PID_TAG: str(os.getpid())}))
    assert not is_dead(instance, started(instance))
    with subprocess.Popen([sys.executable, "-c", ENDED]) as process:
        run = started(instance, **{PID_TAG: str(process.pid)})
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(instance, run)  # ended, and nobody has asked how
    assert is_dead(instance, run)


def test_a_later_process_with_the_same_number_is_another(instance: dg.DagsterInstance):
    run = started(instance)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    later, dead = False, False
    while not later:  # the kernel counts starts in hundredths of a second
        with subprocess.Popen([sys.executable, "-c", SLEEPING]) as process:
            later = psutil.Process(process.pid).create_time() > record.create_timestamp.timestamp()
            dead = is_dead(instance, run.with_tags({PID_TAG: str(process.pid)}))
            process.kill()
    assert dead


def test_a_run_of_a_dagster_command_is_dead_when_the_command_is(instance: dg.DagsterInstance, home: Path):
    done = subprocess.run([sys.executable, "-c", KILLED_AT_WORK], env={**os.environ, "DAGSTER_HOME": str(home)})
    assert done.returncode == -signal.SIGKILL
    [run] = instance.get_runs()
    assert (run.status, is_dead(instance, run)) == (DagsterRunStatus.STARTED, True)


def test_nobody_waits_for_a_dead_run_and_it_is_buried(instance: dg.DagsterInstance, home: Path):
    dead = by_server(instance, socket=str(home / "gone"))
    assert busy_with(instance, "asking", wait_for_people=True) is None
    alive = started(instance, **{PID_TAG: str(os.getpid())})
    waiting = f"Waiting for run {alive.run_id[:8]} (ask), so that what it asks for goes out together."
    assert busy_with(instance, "asking", wait_for_people=True) == waiting
    bury_dead_runs(instance)
    states = {run.run_id: run.status for run in instance.get_runs()}
    assert states == {dead.run_id: DagsterRunStatus.FAILURE, alive.run_id: DagsterRunStatus.STARTED}


def test_run_monitoring_can_ask_the_launcher(instance: dg.DagsterInstance, home: Path):
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchfulRunLauncher) and launcher.supports_check_run_worker_health
    dead = launcher.check_run_worker_health(by_server(instance, socket=str(home / "gone")))
    assert (dead.status, dead.msg) == (WorkerStatus.NOT_FOUND, "The process that executed this run is gone.")
    alive = launcher.check_run_worker_health(started(instance, **{PID_TAG: str(os.getpid())}))
    assert alive.status == WorkerStatus.RUNNING


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def shared(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance whose records several machines may share."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    keep_in_postgres(tmp_path, server, "postgres")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        made.wipe()
        yield made


@pytest.fixture(params=["in files", "in PostgreSQL"])
def either(request: pytest.FixtureRequest) -> dg.DagsterInstance:
    return request.getfixturevalue("instance" if request.param == "in files" else "shared")


def ended_process() -> ProcessIdentity:
    say = "from grabient_assets.process_identity import this_process; print(this_process())"
    found = parse(subprocess.run([sys.executable, "-c", say], capture_output=True, text=True).stdout.strip())
    assert found is not None
    return found


def test_a_run_is_judged_by_its_process_where_that_is_known(either: dg.DagsterInstance):
    run, ended = started(either), ended_process()
    judged = {
        str(process): is_dead(either, run.with_tags({PROCESS_TAG: f"{run.run_id} {process}"}))
        for process in (this_process(), ended, ELSEWHERE)
    }
    assert judged == {str(this_process()): False, str(ended): True, str(ELSEWHERE): False}
    gone = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "/no/socket"})}
    alive = {PROCESS_TAG: f"{run.run_id} {this_process()}"}
    assert not is_dead(either, run.with_tags({**gone, **alive}))  # it lives, although its server does not


def test_a_run_of_a_command_on_another_machine_counts_as_alive(either: dg.DagsterInstance):
    assert not is_dead(either, started(either, **{PID_TAG: str(ELSEWHERE)}))
    assert is_dead(either, started(either, **{PID_TAG: str(ended_process())}))


def test_a_retry_is_not_judged_by_the_process_of_the_run_that_it_repeats(either: dg.DagsterInstance):
    first = started(either)
    dead = {PROCESS_TAG: f"{first.run_id} {ended_process()}"}
    assert is_dead(either, first.with_tags(dead)) and not is_dead(either, started(either, **dead))


def test_a_local_address_counts_on_the_machine_that_launched_the_run(shared: dg.DagsterInstance, home: Path):
    gone = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": str(home / "gone")})}
    assert is_dead(shared, started(shared, **gone, **{LAUNCHER_TAG: str(this_process())}))
    assert is_dead(shared, started(shared, **gone, **{LAUNCHER_TAG: str(ended_process())}))
    assert not is_dead(shared, started(shared, **gone, **{LAUNCHER_TAG: str(ELSEWHERE)}))
    assert not is_dead(shared, started(shared, **gone))


def test_a_process_number_without_a_machine_counts_nowhere_when_machines_share_the_records(
    instance: dg.DagsterInstance, shared: dg.DagsterInstance
):
    number = {PID_TAG: str(ended_process().pid)}
    assert is_dead(instance, started(instance, **number)) and not is_dead(shared, started(shared, **number))


def test_a_run_waits_for_one_on_another_machine(shared: dg.DagsterInstance):
    run = started(shared, **{PID_TAG: str(ELSEWHERE)})
    bury_dead_runs(shared)
    waiting = f"Waiting for run {run.run_id[:8]} (ask), so that what it asks for goes out together."
    assert busy_with(shared, "asking", wait_for_people=True) == waiting
