"""The whole project on one data folder, driven in this process: people's runs, sensors, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType

from grabient_assets.emulator.endpoint import EmulatorEndpoint, ensure_emulator
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.headless.driver import Driver, FinishedRun, quiet_dagster
from grabient_assets.resources.home import dagster_instance
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.pipeline.place import control, creates, emulator_ended_after, samples, settings_of

TAG_BATCHES = tuple(f"{provider}_tag_batches" for provider in PROVIDERS)
AFTER_PICTURES = (*TAG_BATCHES, "palette_tags", "tag_consensus", "refinement_batches", "refined_tags", "embed_text")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Driven:
    """Definitions, instance and sensors over one data folder, with the emulator that the first connection starts."""

    folder: Path
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    warehouse: Warehouse
    driver: Driver = field(init=False)

    def __post_init__(self) -> None:
        self.driver = Driver(self.definitions, self.instance)

    @property
    def emulator(self) -> EmulatorEndpoint:
        return ensure_emulator(self.folder)

    def load(self, count: int) -> list[str]:
        """Put the first bundled palettes into the table, as `grabient load` does; their seeds."""
        load_palettes(self.warehouse, samples(count), "samples", datetime.now(UTC))
        return [row.palette.canonical for row in samples(count).rows]

    def person(
        self,
        asset: str | Sequence[str],
        key: str | None = None,
        config: Mapping[str, Any] | None = None,
        key_range: tuple[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """A run that a person starts in the UI, of these assets for one partition or a range."""
        names = [asset] if isinstance(asset, str) else list(asset)
        first, last = key_range or (None, None)
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        with quiet_dagster():
            return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=self.instance,
                partition_key=key,
                asset_selection=[dg.AssetKey(name) for name in names],
                run_config={**QUIET, "ops": {name: {"config": dict(config)} for name in names} if config else {}},
                tags={name: value for name, value in tags.items() if value},
                raise_on_error=False,
            )

    def tick(self) -> list[FinishedRun]:
        """Every sensor once, and every run that they ask for."""
        with quiet_dagster():
            return list(self.driver.tick())

    def until(self, what: str, asset: str, expected: set[str], ticks: int = 12) -> list[FinishedRun]:
        """Tick until these partitions of the asset are green."""
        seen: list[FinishedRun] = []
        for _ in range(ticks):
            if self.green(asset) >= expected:
                return seen
            seen += self.tick()
        missing = sorted(expected - self.green(asset))
        raise AssertionError(
            f"{what}: after {ticks} ticks {asset} lacks {missing}. Runs: {seen}. Waiting: {self.driver.waiting}"
        )

    def green(self, asset: str) -> set[str]:
        """The partitions that Dagster shows as materialized."""
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def red(self, asset: str) -> set[str]:
        """The partitions that Dagster shows as failed: planned in a failed run, and not materialized since."""
        failed: set[str] = set()
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
            planned = self.instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
            for entry in planned:
                event = entry.get_dagster_event()
                if event.asset_key == dg.AssetKey(asset) and event.partition:
                    failed.add(event.partition)
        return failed - self.green(asset)

    def metadata(self, asset: str, key: str) -> dict[str, Any]:
        """What the newest materialization of this partition says."""
        found = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key]), limit=1
        )
        assert found.records, f"{asset} {key} was never materialized"
        event = found.records[0].asset_materialization
        assert event is not None
        return {name: value.value for name, value in event.metadata.items()}

    def checks(self) -> dict[str, bool]:
        """The newest result of every asset check that has run, by asset and name."""
        keys = list(self.definitions.resolve_asset_graph().asset_check_keys)
        found = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        results: dict[str, bool] = {}
        for key, record in found.items():
            event = record.event.dagster_event if record.event else None
            if event is not None:
                results[f"{key.asset_key.to_user_string()}:{key.name}"] = event.asset_check_evaluation_data.passed
        return results

    def creates(self) -> list[tuple[str, str, int]]:
        """Provider, model and number of requests of every batch that was created."""
        return [(one["provider"], one["model"], len(one["custom_ids"])) for one in creates(self.emulator)]

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put a fault script into force."""
        control(self.emulator, "faults", {"rules": list(rules)})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    def write(self, query: str) -> None:
        with self.warehouse.write() as connection:
            connection.execute(query)


@contextmanager
def driven(folder: Path) -> Iterator[Driven]:
    """A pipeline on an empty folder; its emulator ends with it."""
    from grabient_assets.definitions import grabient

    with pytest.MonkeyPatch.context() as environment, emulator_ended_after(folder):
        for name, value in settings_of(folder).items():
            environment.setenv(name, value)
        settings = load_settings()
        definitions = grabient()
        assert isinstance(definitions, dg.Definitions)
        with dagster_instance(settings) as instance:
            yield Driven(folder, definitions, instance, Warehouse(settings.database))
