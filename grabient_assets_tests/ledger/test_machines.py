"""Two machines on one warehouse in PostgreSQL: processes with data folders of their own, which share nothing but the
database, the object store and the provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from grabient_assets.errors import WarehouseError, WarehouseLockedError
from grabient_assets.ledger.sending_lock import is_being_sent
from grabient_assets.ledger.staging import staging
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.search.place import SMALL, ask, collect, submit, wait_out
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.ledger.machines import ELSEWHERE, Machine
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.postgres import PASSWORD, Server, postgres

IN_FLIGHT = load_registry().direct["openai"].in_flight
LARGE = load_registry().model("openai", "text-embedding-3-large")
TWELVE = tuple(f"text number {number}" for number in range(12))


@dataclass(frozen=True)
class Machines:
    """A database with a place at the emulator for each of two machines."""

    server: Server
    database: str
    folder: Path
    here: Place
    there: Place

    def psql(self, sql: str) -> str:
        return self.server.psql(sql, self.database).strip()

    @contextmanager
    def sender(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A machine of this name that asks directly for what is due; it does not outlive the block."""
        command = [sys.executable, "-m", "grabient_assets_tests.ledger.direct_sender", str(self.folder / name)]
        warehouse = {"GRABIENT_WAREHOUSE": self.server.url(self.database), "PGPASSWORD": PASSWORD}
        base = self.here.emulator.bases["openai"]
        with subprocess.Popen([*command, base], env={**os.environ, **warehouse}) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as started:
        yield started


@pytest.fixture
def machines(server: Server, tmp_path: Path, emulator: Running) -> Machines:
    database = tmp_path.name
    address = parse_postgres(server.create_database(database), "the test", PASSWORD)
    here, there = (Place(Machine(tmp_path / name, address=address), emulator) for name in ("here", "there"))
    return Machines(server, database, tmp_path, here, there)


def calls(place: Place) -> int:
    return place.emulator.calls("openai").get("vectors", 0)


def fates(place: Place) -> Counter[str]:
    return Counter(dict(place.house.rows("SELECT fate, count(*) FROM batch_requests GROUP BY 1")))


def test_the_calls_under_way_of_all_machines_and_those_of_a_killed_one(machines: Machines) -> None:
    """One machine has all places and is killed. They come back when its leases have ended, and the other machine goes
    on; what the killed one had begun is asked by nobody again."""
    place = machines.here
    for model in (SMALL, LARGE):
        ask(place, model, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors"}, "action": {"do": "hold", "after_accept": True}})
    with machines.sender("one") as one:
        until(lambda: calls(place) == IN_FLIGHT)
        with machines.sender("two") as two:
            until(lambda: place.house.rows("SELECT count(DISTINCT batch_id) FROM batches") == [(2,)])
            until(lambda: machines.psql("SELECT count(*) FROM leases WHERE name = 'direct:openai:queue'") == "1")
            of_one = machines.psql("SELECT split_part(owner, '|', 1) FROM leases WHERE name = 'direct:openai:0'")
            ours = f"split_part(owner, '|', 1) = '{of_one}'"
            # As if it ran on another machine: from here it cannot be told when it is gone.
            machines.psql(f"UPDATE leases SET owner = name || '/{ELSEWHERE}' WHERE {ours} AND name LIKE 'direct:%'")
            machines.psql(f"UPDATE leases SET owner = '{ELSEWHERE}' WHERE {ours}")
            one.kill()
            one.wait(timeout=HANGING_SECONDS)
            assert len(collect(place, within=1).waiting) == 2, "nobody knows that it is dead"
            assert calls(place) == IN_FLIGHT
            place.emulator.faults()
            place.emulator.control("POST", "release")
            until(lambda: not place.emulator.control("GET", "calls")["under_way"].get("openai"))
            machines.psql(f"UPDATE leases SET until = now() WHERE owner LIKE '%{ELSEWHERE}'")
            assert two.wait(timeout=HANGING_SECONDS) == 0
    assert place.emulator.control("GET", "calls")["in_flight"]["openai"] == IN_FLIGHT
    collect(place)
    assert fates(place) == {"succeeded": 12, "missing": IN_FLIGHT, "errored": 12 - IN_FLIGHT}
    wait_out(place)
    submit(place, "openai")
    assert (fates(place)["succeeded"], calls(place)) == (24 - IN_FLIGHT, 24), "nothing is paid twice"
    assert machines.psql("SELECT count(*) FROM direct_calls") == "0"


def test_a_batch_is_not_created_by_a_machine_that_lost_its_lease(machines: Machines) -> None:
    """The upload takes longer than the lease, which is not renewed meanwhile: another machine may have given it up."""
    here, there = machines.here, machines.there
    here.ask("openai")
    here.emulator.faults({"match": {"route": "upload"}, "action": {"do": "hold", "after_accept": True}})
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(here.submit, "openai")
        until(lambda: here.emulator.calls("openai").get("upload") == 1)
        [(batch_id,)] = there.house.rows("SELECT batch_id FROM batches")
        assert is_being_sent(there.house.warehouse, batch_id)
        machines.psql("UPDATE leases SET until = now() WHERE name LIKE 'sending:%'")
        assert not is_being_sent(there.house.warehouse, batch_id)
        here.emulator.faults()
        here.emulator.control("POST", "release")
        with pytest.raises(WarehouseError, match=r"could not renew its lease of batch .* Run again"):
            sending.result(timeout=HANGING_SECONDS)
    assert here.emulator.calls("openai").get("create", 0) == 0
    assert there.house.rows("SELECT status FROM batches") == [("intended",)]
    for _ in range(2):
        there.collect(batch_id)
        there.house.clock.wind(seconds=1)
    assert there.house.rows("SELECT status FROM batches") == [("deferred",)]
    there.house.clock.now += timedelta(hours=1)
    [sent] = there.submit("openai")
    assert (sent.status, there.emulator.calls("openai").get("create")) == ("submitted", 1)


def test_a_batch_is_sent_although_the_server_restarts_meanwhile(machines: Machines) -> None:
    here, there = machines.here, machines.there
    here.ask("openai")
    here.emulator.faults({"match": {"route": "upload"}, "action": {"do": "hold", "after_accept": True}})
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(here.submit, "openai")
        until(lambda: here.emulator.calls("openai").get("upload") == 1)
        machines.server.stop()
        machines.server.start()
        [(batch_id,)] = there.house.rows("SELECT batch_id FROM batches")
        assert is_being_sent(there.house.warehouse, batch_id)
        here.emulator.faults()
        here.emulator.control("POST", "release")
        [sent] = sending.result(timeout=HANGING_SECONDS)
    assert (sent.status, here.emulator.calls("openai").get("create")) == ("submitted", 1)
    assert not is_being_sent(there.house.warehouse, batch_id)


def test_one_reparse_at_a_time_over_all_machines(machines: Machines) -> None:
    said = rf"at work in postgresql://.*/{machines.database}\."
    with (
        staging(machines.here.house.warehouse, []),
        pytest.raises(WarehouseLockedError, match=said),
        staging(machines.there.house.warehouse, []),
    ):
        pass
    with staging(machines.there.house.warehouse, []):
        pass
