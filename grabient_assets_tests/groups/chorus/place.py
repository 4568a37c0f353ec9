"""A folder with an emulator of its own and the sensors of the chorus, ticked until nothing moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.groups.chorus.asking import Planned, Wish, ask_chorus, plan_group
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import ChorusRun, retry_runs, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.groups.comparisons.artists import Compared, compare_artists
from grabient_assets.groups.comparisons.documents import possible_costs
from grabient_assets.groups.comparisons.signals import keep_signals
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.headless.chorus_run import SENSORS
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

FOUR = ("claude-haiku-5-5", "gpt-6-luna", "openai/gpt-oss-120b", "gemini-3.5-flash-lite")
SIZE = "1024x640"
"""The smallest that the brush makes: painting takes half as long."""


class Chorus:
    """The folder, and what a person does in it."""

    def __init__(self, instance: dg.DagsterInstance, emulator: Running) -> None:
        settings = load_settings()
        self.instance, self.emulator = instance, emulator
        self.warehouse = Warehouse(settings.database)
        self.store = open_store(settings)
        self.finished: list[FinishedRun] = []
        self._driver: Driver | None = None
        self._asked = 0
        self._open, self._connections = ExitStack(), dict[str, Connection]()

    @property
    def driver(self) -> Driver:
        """The sensors of the chorus."""
        self._driver = self._driver or Driver(grabient(), self.instance, sensors=SENSORS)
        return self._driver

    def plan(self, **wish: Any) -> Planned:
        with self.warehouse.read() as connection:
            asked = Wish(**({"artists": FOUR, "size": SIZE} | wish))
            return plan_group(connection, asked, PROVIDERS, datetime.now(UTC))

    def ask(self, max_usd: Decimal | None = None, budget: Decimal | None = None, **wish: Any) -> ChorusGroup:
        """A group with an id of the test's own: what the emulated artists write, and whether one of them fails, follows
        from it."""
        self._asked += 1
        planned = self.plan(**wish)
        group = replace(planned.group, group_id=f"rg_{self._asked:026d}")
        return ask_chorus(self.warehouse, replace(planned, group=group), max_usd, budget, "emulator")

    def drive(self, most: int = 40) -> None:
        """Tick until nothing moves and no batch is open."""
        still = 0
        for _ in range(most):
            with quiet_dagster():
                ran = list(self.driver.tick())
            self.finished += ran
            still = (
                0 if ran or self.rows("SELECT 1 FROM batches WHERE status IN ('intended', 'submitted')") else still + 1
            )
            if still == 2:
                return
        raise AssertionError(f"it never came to rest: {self.driver.waiting}")

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

    def settle(self, purposes: Sequence[Purpose] = (STATEMENT, ARTWORK), most: int = 20) -> None:
        """The same without Dagster: send what is due of these purposes, poll, collect."""
        for _ in range(most):
            for purpose in purposes:
                for provider in PROVIDERS:
                    with self.warehouse.read() as connection:
                        if not due_targets(connection, purpose, provider):
                            continue
                    with self._connect(provider) as at:
                        submit_due(purpose, Submission(at, PURPOSES, self.warehouse, self.store, _now))
            waiting = [row[0] for row in self.rows("SELECT batch_id FROM batches WHERE status = 'submitted'")]
            if not waiting:
                return
            reader = reader_of(self.warehouse, self.store)
            collect_batches(waiting, self._connect, self.warehouse, self.store, reader, _now)
        raise AssertionError("it never came to rest")

    @contextmanager
    def _connect(self, provider: str) -> Iterator[Connection]:
        """One client for each provider: making one takes longer than most calls."""
        if provider not in self._connections:
            self._connections[provider] = self._open.enter_context(ProvidersResource().connect(provider))
        yield self._connections[provider]

    def close(self) -> None:
        self._open.close()

    def compare(self, group: ChorusGroup) -> Compared:
        assert keep_signals(self.warehouse, self.store, [group.group_id]) == []
        return compare_artists(self.warehouse, _now())

    def runs(self, group: ChorusGroup) -> dict[str, ChorusRun]:
        """By artist, and the iteration where there are several."""
        with self.warehouse.read() as connection:
            found = runs_of(connection, [group.group_id])
        return {run.artist if group.iterations == 1 else f"{run.artist} {run.iteration}": run for run in found}

    def possible(self, group: ChorusGroup, run: ChorusRun | None = None) -> dict[str, float]:
        with self.warehouse.read() as connection:
            return possible_costs(connection, group.group_id, run)

    def retry(self, group: ChorusGroup) -> list[str]:
        with self.warehouse.write() as connection:
            runs = runs_of(connection, [group.group_id])
            return [run.run_id for run in retry_runs(connection, runs, "emulator", datetime.now(UTC))]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query, list(values)).fetchall()

    def green(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def red(self, asset: str) -> set[str]:
        keys = self.instance.get_status_by_partition(dg.AssetKey(asset), self.partitions(), _runs())
        return {key for key, status in (keys or {}).items() if status and status.value == "FAILED"}

    def partitions(self) -> Sequence[str]:
        return list(self.instance.get_dynamic_partitions("chorus_runs"))

    def requests(self, model: str) -> int:
        """How many requests the emulator was really sent for a model."""
        creates = self.emulator.control("GET", "calls")["creates"]
        return sum(len(one["custom_ids"]) for one in creates if one["model"] == model)


def _now() -> datetime:
    return datetime.now(UTC)


def _runs() -> dg.PartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name="chorus_runs")


@contextmanager
def chorus_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chorus]:
    for name, value in settings_of(folder).items():
        monkeypatch.setenv(name, value)
    with running(folder, models=None, polls=1) as emulator, dagster_instance(load_settings()) as instance:
        place = Chorus(instance, emulator)
        yield place
        place.close()
