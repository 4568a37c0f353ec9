"""A folder with an emulator of its own, where workflows are made and carried to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.groups.fetching.fetching import FetchedSource, cut_missing, fetch_due
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.knowledge.tables import Workflow
from grabient_assets.groups.knowledge.workflows import (
    Planned,
    Status,
    Wish,
    ask_about,
    make_workflow,
    plan_workflow,
    statuses,
)
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.headless.driver import Driver, FinishedRun, quiet_dagster
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.resources.home import dagster_instance
from grabient_assets.resources.objects import open_store
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.sources.pages import Fetchers
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.pipeline.place import settings_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SENSORS = ("sources_due", "extraction_due", "batches_ended", "entries_changed")


class Knowledge:
    """The folder, and what a person does in it. `now` is the clock of fetching; `pass_time` moves it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, emulator: Running) -> None:
        self.settings = load_settings()
        self.folder, self.instance, self.emulator = folder, instance, emulator
        self.warehouse = Warehouse(self.settings.database)
        self.store = open_store(self.settings)
        self.finished: list[FinishedRun] = []
        self.now = datetime.now(UTC)
        self._driver: Driver | None = None
        self._made = 0
        self._open, self._connections = ExitStack(), dict[str, Connection]()

    @property
    def driver(self) -> Driver:
        self._driver = self._driver or Driver(grabient(), self.instance, sensors=SENSORS)
        return self._driver

    def pass_time(self, time: timedelta) -> None:
        self.now += time

    def file(self, name: str, text: str) -> str:
        """The path of a file with this text."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def plan(self, *sources: str, **wish: Any) -> Planned:
        with self.warehouse.read() as connection:
            asked = Wish(**{"name": "talks", "sources": sources, **wish})
            return plan_workflow(connection, asked, PROVIDERS, self.settings, self.now)

    def make(self, *sources: str, max_usd: Decimal | None = None, **wish: Any) -> Workflow:
        """A workflow with an id of the test's own."""
        self._made += 1
        planned = self.plan(*sources, **wish)
        fixed = replace(planned.workflow, workflow_id=f"wf_{self._made:026d}")
        return make_workflow(self.warehouse, replace(planned, workflow=fixed), max_usd, "emulator", self.now)

    def fetch(self, fetchers: Fetchers | None = None, parallel: int = 1) -> list[FetchedSource]:
        """Fetch what is due by the clock of the test."""
        from grabient_assets.resources.sources import fetchers as usual

        chosen = fetchers or usual(self.settings)
        found = fetch_due(self.warehouse, self.store, chosen, lambda: self.now, parallel, self._ask)
        cut_missing(self.warehouse, self.store)
        return found

    def _ask(self, connection: DuckDBPyConnection, source_ids: Sequence[str], now: datetime) -> None:
        ask_about(connection, source_ids, "emulator", now)

    def settle(self, most: int = 20) -> None:
        """Send what is asked of extractors, poll and collect, without Dagster."""
        for _ in range(most):
            for provider in PROVIDERS:
                with self.warehouse.read() as connection:
                    if not due_targets(connection, EXTRACTION, provider):
                        continue
                with self._connect(provider) as at:
                    submit_due(EXTRACTION, Submission(at, PURPOSES, self.warehouse, self.store, _now))
            waiting = [row[0] for row in self.rows("SELECT batch_id FROM batches WHERE status = 'submitted'")]
            if not waiting:
                return
            reader = reader_of(self.warehouse, self.store)
            collect_batches(waiting, self._connect, self.warehouse, self.store, reader, _now)
        raise AssertionError("it never came to rest")

    def drive(self, most: int = 60) -> None:
        """Tick the sensors until nothing moves and no batch is open."""
        still = 0
        for _ in range(most):
            with quiet_dagster():
                ran = list(self.driver.tick())
            self.finished += ran
            is_open = self.rows("SELECT 1 FROM batches WHERE status IN ('intended', 'submitted')")
            still = 0 if ran or is_open else still + 1
            if still == 2:
                return
        raise AssertionError(f"it never came to rest: {self.driver.waiting}")

    def status(self, workflow: Workflow) -> Status:
        with self.warehouse.read() as connection:
            [found] = statuses(connection, [workflow.workflow_id])
        return found

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query, list(values)).fetchall()

    def green(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    @contextmanager
    def _connect(self, provider: str) -> Iterator[Connection]:
        if provider not in self._connections:
            self._connections[provider] = self._open.enter_context(ProvidersResource().connect(provider))
        yield self._connections[provider]

    def close(self) -> None:
        self._open.close()


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def knowledge_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[Knowledge]:
    for name, value in {**settings_of(folder), **settings}.items():
        monkeypatch.setenv(name, value)
    with running(folder, models=None, polls=1) as emulator, dagster_instance(load_settings()) as instance:
        place = Knowledge(folder, instance, emulator)
        yield place
        place.close()
