"""The sensor that sends what is asked of extractors, and reports what they said."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.sensors import sending_run
from grabient_assets.groups.fetching.partitions import missing_sources
from grabient_assets.groups.knowledge.coverage import Cell, read_coverage
from grabient_assets.groups.knowledge.jobs import report_knowledge, submit_extraction
from grabient_assets.groups.knowledge.partitions import cell_key
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.held_work import sendable_requests
from grabient_assets.partitions import unreported
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    attempt,
    runs_or_reason,
    unmarked_failures,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted


def extraction_due(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a run for each provider that is asked, and one that reports cells."""

    @dg.sensor(
        name="extraction_due",
        jobs=[submit_extraction, report_knowledge],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Sends what is asked of extractors, one run for each provider; reports the cells that are read, "
        "and marks those that failed.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now, budget = warehouse.open_briefly(), datetime.now(UTC), providers.budget_usd()
        with database.read() as connection:
            found = read_coverage(connection).cells
            work = {
                name: sendable_requests(EXTRACTION, PURPOSES, connection, name, budget, now)
                for name in (PROVIDERS if found else ())
            }
        requests, reasons = list[dg.RunRequest](), list[str]()
        for name, due in work.items():
            reasons += due.held
            if not due.due:
                continue
            source_id, area, _ = due.due[0].subject.split("|")
            going = sending_run(
                *(context.instance, database, providers, EXTRACTION.name, name, due),
                job_name=submit_extraction.name,
                partition_key=f"{area}|{source_id}",
                run_config={"ops": {"extraction_batches": {"config": {"send_due": name}}}},
            )
            (requests if isinstance(going, dg.RunRequest) else reasons).append(going)  # pyright: ignore[reportArgumentType]
        requests += _reporting(context.instance, database, found)
        requests += _marking(context.instance, found)
        named = {one.source_id for one in found}
        return runs_or_reason(
            context,
            requests,
            reasons or ["Nothing is due of any extractor."],
            lambda instance, _: missing_sources(instance, sorted(named)),
        )

    return look


def _reporting(instance: dg.DagsterInstance, warehouse: Warehouse, found: Sequence[Cell]) -> Iterator[dg.RunRequest]:
    covered = [cell_key(one.source_id, one.focus_area) for one in found if one.covered]
    fresh = unreported(instance, "knowledge_entries", covered)
    going = attempt(instance, warehouse, "report-knowledge", fresh) if fresh else None
    if going is not None and not isinstance(going, str):
        yield dg.RunRequest(
            run_key=going.run_key,
            job_name=report_knowledge.name,
            partition_key=fresh[0],
            tags={**going.tags, ABOUT_TAG: f"{counted(len(fresh), 'cell')} reported"},
            run_config={"ops": {"knowledge_entries": {"config": {"settled": True}}}},
        )


def _marking(instance: dg.DagsterInstance, found: Sequence[Cell]) -> Iterator[dg.RunRequest]:
    """A run that fails with the reason for each cell that failed, once for each failure."""
    keys = {cell_key(one.source_id, one.focus_area): one for one in found if one.state == "failed"}
    failed = {key: ((key, one.error or ""), f"{key} failed") for key, one in keys.items()}
    for key, marking in unmarked_failures(instance, "mark-knowledge", failed):
        yield dg.RunRequest(
            run_key=marking.run_key, job_name=report_knowledge.name, partition_key=key, tags=marking.tags
        )
