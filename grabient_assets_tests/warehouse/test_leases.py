"""Leases between processes that share a database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from grabient_assets.postgres_settings import PostgresAddress, parse_postgres
from grabient_assets.process_identity import this_process
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.leases import LeaseLocks
from grabient_assets.warehouse.locks import LockName
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.ledger.machines import ELSEWHERE
from grabient_assets_tests.postgres import PASSWORD, Server, postgres


@dataclass(frozen=True)
class Shared:
    """A server with the database `shared`."""

    server: Server
    address: PostgresAddress

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.address, folder=Path("/nonexistent"))

    def psql(self, sql: str) -> str:
        return self.server.psql(sql, "shared").strip()


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with postgres() as server:
        address = parse_postgres(server.create_database("shared"), "the test", PASSWORD)
        made = Shared(server, address)
        assert not made.warehouse.locks.is_taken(LockName("first", "first"))
        yield made


class Holder:
    """A process of lease_holder.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self, asked: str | None = None) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        if asked is not None:
            self.process.stdin.write(f"{asked}\n")
            self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def holder(shared: Shared, *arguments: str) -> Iterator[Holder]:
    environment = {**os.environ, "GRABIENT_WAREHOUSE": shared.server.url("shared"), "PGPASSWORD": PASSWORD}
    command = [sys.executable, "-m", "grabient_assets_tests.warehouse.lease_holder", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Holder(process)
        finally:
            process.kill()


def test_one_process_has_it_and_lets_go(shared: Shared) -> None:
    name, other = LockName("one", "one"), LockName("other", "other")
    locks = shared.warehouse.locks
    with holder(shared, "one") as one:
        assert one.says() == "held"
        assert locks.is_taken(name) and locks.take([name]) is None
        held = locks.take([name, other])
        assert held is not None and locks.is_taken(other), "the first that is free"
        held.let_go()
        assert one.says("stands?") == "True"
        assert one.process.stdin is not None
        one.process.stdin.close()
        assert one.process.wait(timeout=HANGING_SECONDS) == 0
    assert not locks.is_taken(name)
    assert shared.psql("SELECT count(*) FROM leases WHERE name IN ('one', 'other')") == "0"


def test_of_a_killed_process_of_this_machine_it_is_free_at_once(shared: Shared) -> None:
    with holder(shared, "killed") as one:
        assert one.says() == "held"
        one.process.kill()
        one.process.wait(timeout=HANGING_SECONDS)
    assert shared.psql("SELECT until > now() FROM leases WHERE name = 'killed'") == "t"
    held = shared.warehouse.locks.take([LockName("killed", "killed")])
    assert held is not None and held.stands()
    held.let_go()


def test_of_a_killed_process_of_another_machine_it_is_free_when_it_has_ended(shared: Shared) -> None:
    name, locks = LockName("far", "far"), shared.warehouse.locks
    with holder(shared, "far") as one:
        assert one.says() == "held"
        one.process.kill()
        one.process.wait(timeout=HANGING_SECONDS)
    shared.psql(f"UPDATE leases SET owner = '{ELSEWHERE}' WHERE name = 'far'")
    assert locks.is_taken(name) and locks.take([name]) is None
    shared.psql("UPDATE leases SET until = now() WHERE name = 'far'")
    assert not locks.is_taken(name)
    held = locks.take([name])
    assert held is not None
    held.let_go()


def test_whoever_was_too_slow_to_renew_it_has_lost_it(shared: Shared) -> None:
    name = LockName("lost", "lost")
    with holder(shared, "lost") as one:
        assert one.says() == "held"
        shared.psql("UPDATE leases SET until = now() WHERE name = 'lost'")
        assert one.says("stands?") == "False", "also before somebody else takes it"
        held = shared.warehouse.locks.take([name])
        assert held is not None and held.stands()
        assert one.says("stands?") == "False"
        held.let_go()
    assert not shared.warehouse.locks.is_taken(name)


def test_it_is_renewed_while_a_transaction_of_the_writer_is_open(shared: Shared) -> None:
    longer = "SELECT until > now() + interval '100 seconds' FROM leases WHERE name = 'renewed'"
    with holder(shared, "renewed", "0.05") as one:
        assert one.says() == "held"
        with shared.warehouse.write() as connection:
            connection.execute("SELECT count(*) FROM batches").fetchall()
            shared.psql("UPDATE leases SET until = now() + interval '50 seconds' WHERE name = 'renewed'")
            until(lambda: shared.psql(longer) == "t")


def test_another_start_of_a_machine_of_the_same_name_is_not_judged(shared: Shared) -> None:
    """As of two machines that were copied from one: only the kernel's own id says that it is this one."""
    name, locks = LockName("copied", "copied"), shared.warehouse.locks
    other = replace(this_process(), boot="another-boot", pid=1)
    assert other.has_ended() is True, "what is right for the runs of one machine"
    shared.psql(f"INSERT INTO leases VALUES ('copied', '{other}|x', now() + interval '1 minute')")
    assert locks.is_taken(name) and locks.take([name]) is None
    shared.psql("DELETE FROM leases WHERE name = 'copied'")


def test_it_is_renewed_after_an_error_that_nobody_foresaw(shared: Shared) -> None:
    shared.psql(
        "CREATE SEQUENCE oddities; CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM nextval('oddities'); RAISE EXCEPTION 'odd'; END $$"
    )
    refuse = "CREATE TRIGGER odd BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION odd()"
    with holder(shared, "odd", "0.05") as one:
        assert one.says() == "held"
        shared.psql(refuse)
        assert one.says("stands?") == "False"
        until(lambda: int(shared.psql("SELECT last_value FROM oddities")) > 3)
        shared.psql("DROP TRIGGER odd ON leases; UPDATE leases SET until = now() + interval '50 seconds'")
        until(
            lambda: shared.psql("SELECT until > now() + interval '100 seconds' FROM leases WHERE name = 'odd'") == "t"
        )
    shared.psql("DROP FUNCTION odd; DROP SEQUENCE oddities; DELETE FROM leases WHERE name = 'odd'")


def test_a_fork_that_ends_leaves_the_leases_of_its_parent(shared: Shared) -> None:
    forks = (
        "import os, sys; from pathlib import Path; from grabient_assets.postgres_settings import read_postgres; "
        "from grabient_assets.warehouse.connection import Warehouse; "
        "from grabient_assets.warehouse.locks import LockName; "
        "held = Warehouse(read_postgres(os.environ), folder=Path('x')).locks.take([LockName('forked', 'x')]); "
        "child = os.fork(); "
        "child or sys.exit(0); "
        "os.waitpid(child, 0); print(held.stands())"
    )
    environment = {**os.environ, "GRABIENT_WAREHOUSE": shared.server.url("shared"), "PGPASSWORD": PASSWORD}
    done = subprocess.run(
        [sys.executable, "-c", forks], env=environment, capture_output=True, text=True, timeout=HANGING_SECONDS
    )
    assert done.stdout == "True\n", done.stderr
    assert shared.psql("SELECT count(*) FROM leases WHERE name = 'forked'") == "0", "let go at the end of the parent"


def test_the_lease_of_a_run_that_did_not_end_tells_that_it_is_dead(shared: Shared) -> None:
    """Its process came to its end without a word to Dagster, and no other machine can look for it."""
    ends = (
        "import os; from pathlib import Path; from grabient_assets.postgres_settings import read_postgres; "
        "from grabient_assets.warehouse.connection import Warehouse; "
        "assert Warehouse(read_postgres(os.environ), folder=Path('x')).locks.keep_for_run('a-run')"
    )
    environment = {**os.environ, "GRABIENT_WAREHOUSE": shared.server.url("shared"), "PGPASSWORD": PASSWORD}
    subprocess.run([sys.executable, "-c", ends], env=environment, check=True, timeout=HANGING_SECONDS)
    locks = shared.warehouse.locks
    assert isinstance(locks, LeaseLocks) and locks.run_has_ended("a-run") is True


def test_a_restart_of_the_server_loses_none(shared: Shared) -> None:
    name = LockName("restart", "restart")
    with holder(shared, "restart") as one:
        assert one.says() == "held"
        shared.server.stop()
        shared.server.start()
        assert shared.warehouse.locks.is_taken(name)
        assert one.says("stands?") == "True"
    assert shared.psql("SELECT count(*) FROM leases WHERE name = 'restart'") == "1"
