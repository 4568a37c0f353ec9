"""A folder with an emulator of its own, where things are asked of models and carried to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.headless.driver import Driver, FinishedRun, quiet_dagster
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.resources.home import dagster_instance
from grabient_assets.resources.objects import open_store
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.pipeline.place import settings_of


class Place:
    """The folder, and what a person does in it. A group names its sensors and purposes."""

    sensors: ClassVar[Sequence[str]] = ()
    purposes: ClassVar[Sequence[Purpose]] = ()

    def __init__(self, folder: Path, instance: dg.DagsterInstance, emulator: Running) -> None:
        self.settings = load_settings()
        self.folder, self.instance, self.emulator = folder, instance, emulator
        self.warehouse = Warehouse(self.settings.database)
        self.store = open_store(self.settings)
        self.finished: list[FinishedRun] = []
        self._driver: Driver | None = None
        self._open, self._connections = ExitStack(), dict[str, Connection]()

    @property
    def driver(self) -> Driver:
        """The sensors of the group."""
        self._driver = self._driver or Driver(grabient(), self.instance, sensors=self.sensors)
        return self._driver

    def drive(self, most: int = 60) -> None:
        """Tick until nothing moves and no batch is open."""
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

    def settle(self, purposes: Sequence[Purpose] = (), most: int = 20) -> None:
        """The same without Dagster: send what is due of the purposes, poll, collect."""
        for _ in range(most):
            self.send(purposes)
            waiting = [row[0] for row in self.rows("SELECT batch_id FROM batches WHERE status = 'submitted'")]
            if not waiting:
                return
            self.collect(waiting)
        raise AssertionError("it never came to rest")

    def send(self, purposes: Sequence[Purpose] = ()) -> list[str]:
        """Send what is due of the purposes; returns the complaints."""
        complaints: list[str] = []
        for purpose in purposes or self.purposes:
            for provider in PROVIDERS:
                with self.warehouse.read() as connection:
                    if not due_targets(connection, purpose, provider):
                        continue
                with self.connect(provider) as at:
                    sent = submit_due(purpose, Submission(at, PURPOSES, self.warehouse, self.store, now))
                complaints += sent.complaints
        return complaints

    def collect(self, batch_ids: Sequence[str]) -> None:
        """Collect these batches."""
        reader = reader_of(self.warehouse, self.store)
        collect_batches(batch_ids, self.connect, self.warehouse, self.store, reader, now)

    @contextmanager
    def connect(self, provider: str) -> Iterator[Connection]:
        """One client for each provider: making one takes longer than most calls."""
        if provider not in self._connections:
            self._connections[provider] = self._open.enter_context(ProvidersResource().connect(provider))
        yield self._connections[provider]

    def close(self) -> None:
        self._open.close()

    def job(self, name: str, op: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
        """A job of one op, started with this config."""
        job = grabient().resolve_job_def(name)
        run_config = {"ops": {op: {"config": config}}}
        return job.execute_in_process(run_config=run_config, instance=self.instance, raise_on_error=False)

    def logged(self) -> list[str]:
        """What runs have logged."""
        records = self.instance.get_records_for_run
        return [
            one.event_log_entry.user_message for run in self.instance.get_runs() for one in records(run.run_id).records
        ]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query, list(values)).fetchall()

    def green(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def red(self, asset: str, space: str) -> set[str]:
        keys = self.instance.get_status_by_partition(
            dg.AssetKey(asset),
            list(self.instance.get_dynamic_partitions(space)),
            dg.DynamicPartitionsDefinition(name=space),
        )
        return {key for key, status in (keys or {}).items() if status and status.value == "FAILED"}

    def requests(self, model: str) -> int:
        """How many requests the emulator was really sent for a model in batches."""
        creates = self.emulator.control("GET", "calls")["creates"]
        return sum(len(one["custom_ids"]) for one in creates if one["model"] == model)


def now() -> datetime:
    return datetime.now(UTC)


P = TypeVar("P", bound=Place)


@contextmanager
def place_in(kind: type[P], folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[P]:
    """The folder with an emulator whose batches end at the first poll."""
    for name, value in {**settings_of(folder), **settings}.items():
        monkeypatch.setenv(name, value)
    with running(folder, models=None, polls=1) as emulator, dagster_instance(load_settings()) as instance:
        place = kind(folder, instance, emulator)
        yield place
        place.close()
