"""The kill matrix on PostgreSQL: every process is a machine of its own. It shares nothing with the others but the
database, the bucket and the providers.

A machine cannot see that a process of another one is gone. All processes run on one machine here, so the leases of a
killed one are given to a name elsewhere, and their time is made to pass in the database: nobody waits for 120 seconds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

import boto3
from moto.server import ThreadedMotoServer

from grabient_assets.postgres_settings import PostgresAddress, parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.postgres_engine import give_up, literal
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.machines import ELSEWHERE
from grabient_assets_tests.new_tables import NewTables
from grabient_assets_tests.pipeline.place import environment_of
from grabient_assets_tests.postgres import HOST, postgres
from grabient_assets_tests.reliability.killing import Victim

KEY, SECRET = "id-of-the-tests", "secret-of-the-tests-4714"


@dataclass
class Machines(Victim):
    """A database and a bucket; `folder` has a data folder for each process. All machines have one emulator, as they
    have one OpenAI: its folder is a link."""

    url: str = field(kw_only=True)
    bucket: dict[str, str] = field(kw_only=True)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def address(self) -> PostgresAddress:
        return parse_postgres(self.url, "the test")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.address, LockTimeout(HANGING_SECONDS), self.folder)

    def locks(self) -> Set[str]:
        """The batches whose lease stands."""
        query = "SELECT split_part(name, ':', 2) AS batch FROM leases WHERE name LIKE 'sending:%' AND until > now()"
        return {batch for (batch,) in self._ask(query)}

    def environment(self) -> dict[str, str]:
        """That of a new machine."""
        machine = self.folder / f"machine-{next(self._numbers)}"
        machine.mkdir()
        emulator = self.folder / "emulator"
        emulator.mkdir(exist_ok=True)
        (machine / "emulator").symlink_to(emulator)
        return {**environment_of(machine), "GRABIENT_WAREHOUSE": self.url, **self.bucket}

    def about_to_die(self, process: subprocess.Popen[str]) -> None:
        """Nobody can see from here whether the owner of its leases lives."""
        number = f"split_part(split_part(owner, '|', 1), '/', 5) = '{process.pid}'"
        self._ask(f"UPDATE leases SET owner = {literal(self._elsewhere(process))} WHERE {number}")

    def has_died(self, process: subprocess.Popen[str]) -> None:
        """The time of its leases passes."""
        self.about_to_die(process)
        self._ask(f"UPDATE leases SET until = now() WHERE owner = {literal(self._elsewhere(process))}")

    def _elsewhere(self, process: subprocess.Popen[str]) -> str:
        return f"{ELSEWHERE}-{process.pid}"

    def _ask(self, statement: str) -> list[tuple[str, ...]]:
        database = self.warehouse.database
        assert database is not None
        with database.asking() as ask:
            return ask(statement)


class Services:
    """A PostgreSQL and an S3 server, for any number of houses."""

    def __init__(self, tables: NewTables, endpoint: str) -> None:
        self._tables, self._endpoint = tables, endpoint
        self._buckets = count(1)
        self._guard = Lock()

    @contextmanager
    def house(self, folder: Path) -> Iterator[Machines]:
        """A new database and a new bucket."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._guard:  # PostgreSQL copies a database for one at a time
            url, name = self._tables.new_database(), f"objects-{next(self._buckets)}"
            access = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
            boto3.client("s3", endpoint_url=self._endpoint, region_name="us-east-1", **access).create_bucket(
                Bucket=name
            )
        bucket = {"R2_BUCKET": name, "R2_ENDPOINT": self._endpoint, "R2_ACCESS_KEY_ID": KEY}
        house = Machines(folder, url=url, bucket={**bucket, "R2_SECRET_ACCESS_KEY": SECRET})
        try:
            yield house
        finally:
            give_up(house.address)


@contextmanager
def bucket_server() -> Iterator[str]:
    """The address of an S3 server that runs in threads of this process."""
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    try:
        yield f"http://{HOST}:{server.get_host_and_port()[1]}"
    finally:
        server.stop()


@contextmanager
def services() -> Iterator[Services]:
    """Servers of their own; they end with the block."""
    with postgres() as server, bucket_server() as endpoint:
        yield Services(NewTables(server), endpoint)
