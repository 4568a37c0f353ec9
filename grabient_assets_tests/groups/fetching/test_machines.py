"""Machines that fetch from one queue in PostgreSQL, one of them with a wrong clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grabient_assets.groups.fetching.fetching import FetchedSource, fetch_due
from grabient_assets.groups.fetching.queue import enqueue
from grabient_assets.groups.fetching.tables import Source, record_source
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.sources.pages import Fetched, Fetchers
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.ledger.machines import ELSEWHERE, Machine
from grabient_assets_tests.postgres import PASSWORD, Server, postgres

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as started:
        yield started


class Pages:
    """Pages that come when they are let go, and how many were asked for at the same time."""

    def __init__(self) -> None:
        self.may_come, self._guard = threading.Event(), threading.Lock()
        self.now = self.most = 0

    def page(self, url: str, *_: object) -> Fetched:
        with self._guard:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.may_come.wait(HANGING_SECONDS)
        with self._guard:
            self.now -= 1
        return Fetched(f"A text about {url}, which is long enough. ".encode() * 20, "text/plain", None, None, url)


def fetch(machine: Machine, pages: Pages, clock: datetime) -> list[FetchedSource]:
    fetchers = Fetchers(lambda _: Fetched(b"", None, None, None, ""), pages.page)
    return fetch_due(machine.warehouse, machine.store, fetchers, lambda: clock, 2, lambda *_: None)


def test_no_more_than_the_setting_says_over_all_machines_whatever_their_clocks_say(
    server: Server, tmp_path: Path
) -> None:
    address = parse_postgres(server.create_database("queue"), "the test", PASSWORD)
    here, there = (Machine(tmp_path / name, address=address) for name in ("here", "there"))
    ids = [f"url_{number}" for number in range(4)]
    with here.warehouse.write() as connection:
        for one in ids:
            record_source(connection, Source(one, "url", f"https://sales.example/{one}", NOW))
        enqueue(connection, ids, NOW)
    pages = Pages()
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(fetch, here, pages, NOW)
        until(lambda: pages.now == 2)
        server.psql(f"UPDATE source_queue SET lease = '{ELSEWHERE}' || item_id WHERE status = 'leased'", "queue")
        assert fetch(there, pages, NOW + timedelta(hours=1)) == [], "two are leased, and their leases have not ended"
        assert (pages.now, pages.most) == (2, 2)
        server.psql(
            "UPDATE source_queue SET leased_until = now() - interval '1 second' WHERE lease IS NOT NULL", "queue"
        )
        pages.may_come.set()
        again = fetch(there, pages, NOW + timedelta(hours=1))
        fetching.result(timeout=HANGING_SECONDS)
    assert {one.problem for one in again} <= {None}
    assert there.rows("SELECT status, count(*) FROM source_queue GROUP BY 1") == [("done", 4)]
