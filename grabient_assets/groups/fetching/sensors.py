"""The sensor that has due sources fetched."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.fetching.jobs import fetch_sources
from grabient_assets.groups.fetching.partitions import missing_sources
from grabient_assets.groups.fetching.queue import DeadLetter, dead_letters, lost_leases
from grabient_assets.partitions import unreported
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    attempt,
    busy_with,
    runs_or_reason,
    unmarked_failures,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.wording import counted

ROLE = "fetch-sources"


def sources_due(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: one run for all sources that are due, and one that fails with the reason for each that is dead."""

    @dg.sensor(
        name="sources_due",
        job=fetch_sources,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Fetches the sources that are due, in one run, and marks those that cannot be fetched by a run "
        "that fails with the reason.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        database, now = warehouse.open_briefly(), datetime.now(UTC)
        with database.read() as connection:
            rows = connection.execute(
                "SELECT item_id, attempts, source_id FROM source_queue WHERE (status = 'queued' AND "
                "scheduled_for <= $1) OR item_id IN (SELECT unnest($2::VARCHAR[])) ORDER BY item_id",
                [now, lost_leases(connection, database.time(now))],
            ).fetchall()
            later = connection.execute(
                "SELECT source_id, scheduled_for FROM source_queue WHERE status = 'queued' AND scheduled_for > $1 "
                "ORDER BY scheduled_for LIMIT 1",
                [now],
            ).fetchone()
            read = connection.execute("SELECT source_id FROM sources WHERE object_key IS NOT NULL").fetchall()
            dead = dead_letters(connection)
        fresh = unreported(context.instance, "sources", [row[0] for row in read])
        requests, reasons = _marking(context.instance, dead), list[str]()
        first = next((row[2] for row in rows), next(iter(fresh), None))
        if first is not None:
            items = [f"{item} {attempts}" for item, attempts, _ in rows] or fresh
            going = busy_with(context.instance, ROLE) or attempt(context.instance, database, ROLE, items)
            if isinstance(going, str):
                reasons.append(going)
            else:
                about = {ABOUT_TAG: counted(len(rows) or len(fresh), "source")}
                requests.append(
                    dg.RunRequest(
                        run_key=going.run_key,
                        partition_key=first,
                        tags={**going.tags, **about},
                        run_config={"ops": {"read_sources": {"config": {"due": True}}}},
                    )
                )
        if later:
            reasons.append(f"{later[0]} is tried again at {later[1]:%H:%M:%S} UTC.")
        named = [request.partition_key for request in requests if request.partition_key]
        return runs_or_reason(
            context, requests, reasons or ["No source is due."], lambda instance, _: missing_sources(instance, named)
        )

    return look


def _marking(instance: dg.DagsterInstance, dead: Sequence[DeadLetter]) -> list[dg.RunRequest]:
    """A run that fails with the reason for each dead source, once for each dead letter."""
    failed = {one.source_id: ((one.item_id,), f"{one.source_id} failed") for one in reversed(dead)}  # the newest counts
    return [
        dg.RunRequest(
            run_key=marking.run_key,
            partition_key=source_id,
            tags=marking.tags,
            run_config={"ops": {"read_sources": {"config": {"report": True}}}},
        )
        for source_id, marking in unmarked_failures(instance, "mark-source", failed)
    ]
