"""The sensor that sends what is due of artists and brushes."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.sensors import sending_run
from grabient_assets.groups.chorus.jobs import submit_artworks, submit_statements
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import runs_of
from grabient_assets.groups.chorus.tables import Artist
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.held_work import Work, sendable_requests
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.partitions import missing_chorus_partitions
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import PROVIDERS

_SENDING = ((STATEMENT, submit_statements, "statement_batches"), (ARTWORK, submit_artworks, "artwork_batches"))


def chorus_due(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: one run for each provider that is asked for statements or artworks."""

    @dg.sensor(
        name="chorus_due",
        jobs=[submit_statements, submit_artworks],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Gathers what is asked of artists and brushes and sends it, one run for each provider.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now, budget = warehouse.open_briefly(), datetime.now(UTC), providers.budget_usd()
        with database.read() as connection:
            runs = [run for run in runs_of(connection) if not run.settled]
            waiting = [
                (purpose, job.name, asset, provider, found)
                for purpose, job, asset in _SENDING
                for provider in (PROVIDERS if runs else ())
                if (found := sendable_requests(purpose, PURPOSES, connection, provider, budget, now)) or found.held
            ]
        found = [
            sending_run(
                *(context.instance, database, providers, purpose.name, provider, work),
                job_name=job,
                partition_key=_first_run(purpose, work),
                run_config={"ops": {asset: {"config": {"send_due": provider}}}},
            )
            if work.due
            else " ".join(work.held)
            for purpose, job, asset, provider, work in waiting
        ]
        requests = [one for one in found if isinstance(one, dg.RunRequest)]
        reasons = [one for one in found if isinstance(one, str)] or ["Nothing is due of any artist or brush."]
        return runs_or_reason(context, requests, reasons, lambda instance, _: missing_chorus_partitions(instance, runs))

    return look


def _first_run(purpose: Purpose, work: Work) -> str:
    first = work.due[0]
    if purpose is ARTWORK:
        return first.subject
    return f"{first.subject}-{Artist('', first.model).slug}-00"
