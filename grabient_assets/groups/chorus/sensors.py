"""The sensors that carry a group to its end: they send what is due, report what has settled, and compare."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.chorus.assets import unreported
from grabient_assets.groups.chorus.comparisons import groups_to_compare
from grabient_assets.groups.chorus.jobs import compare_artists, report_chorus, submit_artworks, submit_statements
from grabient_assets.groups.chorus.partitions import missing_partitions
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import Artist
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.held_work import Work, sendable_requests
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.send import closed_until
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    WORK_TAG,
    attempt,
    busy_with,
    next_attempt,
    runs_or_reason,
    work_of,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import PROVIDERS
from grabient_assets.wording import counted

MOST_MARKED_PER_TICK = 10
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
            work = [
                (purpose, job.name, asset, provider, found)
                for purpose, job, asset in _SENDING
                for provider in (PROVIDERS if runs else ())
                if (found := sendable_requests(purpose, PURPOSES, connection, provider, budget, now)) or found.held
            ]
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        for purpose, job, asset, provider, found in work:
            going = _sending(context.instance, database, providers, purpose, provider, found)
            if isinstance(going, str):
                reasons.append(going)
                continue
            run_key, tags = going
            requests.append(
                dg.RunRequest(
                    run_key=run_key,
                    job_name=job,
                    partition_key=_first_run(purpose, found),
                    tags=tags,
                    run_config={"ops": {asset: {"config": {"send_due": provider}}}},
                )
            )
        return runs_or_reason(
            context,
            requests,
            reasons or ["Nothing is due of any artist or brush."],
            lambda instance, _: missing_partitions(instance, runs),
        )

    return look


def _first_run(purpose: Purpose, work: Work) -> str:
    first = work.due[0]
    if purpose is ARTWORK:
        return first.subject
    return f"{first.subject}-{Artist('', first.model).slug}-00"


def _sending(
    instance: dg.DagsterInstance,
    database: object,
    providers: ProvidersResource,
    purpose: Purpose,
    provider: str,
    work: Work,
) -> tuple[str, dict[str, str]] | str:
    """Run key and tags of the run that sends this, or the reason why there is none."""
    from grabient_assets.warehouse.connection import Warehouse

    assert isinstance(database, Warehouse)
    if not work.due:
        return " ".join(work.held)
    if provider not in providers.usable():
        return f"{purpose.name.capitalize()} waits. {providers.why_not(provider)}"
    if wait := closed_until(provider, database, datetime.now(UTC)):
        return f"{provider} takes nothing before {wait:%H:%M:%S} UTC."
    role = f"submit-{purpose.name}-{provider}"
    if reason := busy_with(instance, role):
        return reason
    going = attempt(instance, database, role, work.items())
    if isinstance(going, str):
        return going
    return going.run_key, {**going.tags, ABOUT_TAG: f"{provider}: {counted(work.requests, 'request')}"}


def chorus_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: reports runs that are done, marks those that failed, and compares groups that have come to rest."""

    @dg.sensor(
        name="chorus_settled",
        jobs=[report_chorus, compare_artists],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Reports each run of a chorus that is done, marks those that failed by a run that fails with the "
        "reason, and compares the artists of a group that has come to rest or has new votes.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        database = warehouse.open_briefly()
        with database.read() as connection:
            runs = runs_of(connection)
            comparing = groups_to_compare(connection)
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        fresh = sorted({run.run_id for found in unreported(context.instance, runs).values() for run in found})
        if fresh:
            going = attempt(context.instance, database, "report-chorus", fresh)
            if isinstance(going, str):
                reasons.append(going)
            else:
                requests.append(
                    dg.RunRequest(
                        run_key=going.run_key,
                        job_name="report_chorus",
                        partition_key=fresh[0],
                        tags={**going.tags, ABOUT_TAG: f"{counted(len(fresh), 'run')} reported"},
                        run_config={"ops": {"collect_chorus": {"config": {"settled": True}}}},
                    )
                )
        requests += _marking(context.instance, runs)
        for group_id, state in comparing.items():
            going = attempt(context.instance, database, "compare-artists", [group_id, state])
            if isinstance(going, str):
                reasons.append(going)
            elif not (reason := busy_with(context.instance, "compare-artists")):
                requests.append(
                    dg.RunRequest(
                        run_key=going.run_key, job_name="compare_artists", partition_key=group_id, tags=going.tags
                    )
                )
            else:
                reasons.append(reason)
        return runs_or_reason(
            context,
            requests,
            reasons or ["No run of a chorus waits to be reported, marked or compared."],
            lambda instance, _: missing_partitions(instance, runs),
        )

    return look


def _marking(instance: dg.DagsterInstance, runs: list[ChorusRun]) -> Iterator[dg.RunRequest]:
    """A run that fails with the reason for each run that failed, once for each failure."""
    failed = [run for run in runs if run.status == "failed"]
    if not failed:
        return
    seen = {value for _, values in instance.get_run_tags([WORK_TAG]) for value in values}
    made = 0
    for run in failed:
        work = work_of("mark-chorus", [run.run_id, run.stage, run.error or "", str(run.cost_usd)])
        if work in seen:
            continue
        marking = next_attempt("mark-chorus", work, 0)
        asset = "artworks" if run.stage == "brush" else "artist_statements"
        yield dg.RunRequest(
            run_key=marking.run_key,
            job_name="report_chorus",
            partition_key=run.run_id,
            asset_selection=[dg.AssetKey(asset)],
            tags={**marking.tags, ABOUT_TAG: f"{run.artist} failed"},
        )
        made += 1
        if made == MOST_MARKED_PER_TICK:
            return
