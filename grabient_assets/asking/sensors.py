"""The sensors that every purpose has: they send what is due, complete what can be completed, and mark what has
failed."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from grabient_assets.asking.checks import NO_BATCH_IS_OVERDUE, evaluation, results
from grabient_assets.asking.jobs import COLLECT_OP
from grabient_assets.asking.purpose_assets import PurposeAssets, Work, sendable_work
from grabient_assets.ledger.asked_progress import Failure
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.attempts import attempt_numbers
from grabient_assets.ledger.batches import BatchRecord, open_batches, unreported_batches
from grabient_assets.ledger.overdue import overdue_now, put_off
from grabient_assets.ledger.poll import Polled, poll_batches, record
from grabient_assets.ledger.send import closed_until
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    MOST_MARKED_PER_TICK,
    WORK_TAG,
    Attempt,
    attempt,
    busy_with,
    next_attempt,
    runs_or_reason,
    work_of,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

# Dagster copies a sensor of several jobs with every parameter named, and warns that its own `owners` is in beta.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*`owners` of initializer `SensorDefinition.*")

COLLECT_ROLE = "collect"
MARK_ROLE = "mark-failed"


def due_sensor(
    shown: PurposeAssets, job: UnresolvedAssetJobDefinition, interval: int, status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor `<purpose>_due`: it starts one run per provider for everything that is wanted and not under way."""

    @dg.sensor(
        name=f"{shown.name}_due",
        job=job,
        minimum_interval_seconds=interval,
        default_status=status,
        description=f"Gathers every {shown.name} request that is wanted and sends it, one run per provider.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, usable, budget = warehouse.open_briefly(), providers.usable(), providers.budget_usd()
        with database.read() as connection:
            now = datetime.now(UTC)
            work = {name: sendable_work(shown, connection, name, usable, budget, now) for name in shown.providers()}
            under_way = shown.under_way(connection)
        found = list(_sending_runs(context.instance, shown, database, providers, work))
        reasons = [*(one for one in found if isinstance(one, str)), under_way]
        requests = [one for one in found if isinstance(one, dg.RunRequest)]
        return runs_or_reason(context, requests, reasons, shown.space.missing)

    return look


def _sending_runs(
    instance: dg.DagsterInstance,
    shown: PurposeAssets,
    warehouse: Warehouse,
    providers: ProvidersResource,
    work_at: Mapping[str, Work],
) -> Iterator[dg.RunRequest | str]:
    """A run for each provider that has due requests, or the reason why there is none."""
    usable = providers.usable()
    for name, work in work_at.items():
        if not work:
            yield " ".join(work.held) or (f"Nothing is due at {name}." if name in usable else "")
            continue
        asset = shown.asking(name)
        yield sending_run(
            instance,
            warehouse,
            providers,
            shown.name,
            name,
            work,
            after=bool(shown.follow_up),
            partition_key=shown.space.key(work.first()),
            asset_selection=[dg.AssetKey(asset)],
            run_config={"ops": {asset: {"config": {"send_due": True}}}},
        )


def sending_run(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    providers: ProvidersResource,
    purpose: str,
    provider: str,
    work: Work,
    *,
    after: bool = False,
    **request: Any,
) -> dg.RunRequest | str:
    """The run that sends this work to the provider, as the `request` describes it, or the reason why nothing should be
    sent now.

    With `after`, it waits for collections: requests that follow automatically become due piece by piece during one, and
    should go out together.
    """
    if provider not in providers.usable():
        return f"{purpose.capitalize()} waits with {counted(work.requests, 'request')}. {providers.why_not(provider)}"
    if wait := closed_until(provider, warehouse, datetime.now(UTC)):
        return f"{provider} takes nothing before {wait:%H:%M:%S} UTC."
    role = f"submit-{purpose}-{provider}"
    reason = busy_with(instance, role, wait_for_people=True) or (after and busy_with(instance, COLLECT_ROLE))
    if reason:
        return reason
    going = attempt(instance, warehouse, role, work.items())
    if isinstance(going, str):
        return going
    about = {ABOUT_TAG: f"{provider}: {counted(work.requests, 'request')}"}
    return dg.RunRequest(run_key=going.run_key, tags={**going.tags, **about}, **request)


def settled_sensor(
    shown: PurposeAssets,
    collect_job: dg.JobDefinition,
    mark_job: UnresolvedAssetJobDefinition,
    interval: int,
    status: dg.DefaultSensorStatus,
) -> dg.SensorDefinition:
    """The sensor that completes subjects without a collection, and marks those that have failed.

    A collection completes the subjects of its answers. This sensor finds the others: the last open provider was
    stopped, or an answer was shared. A failed subject gets a run of its own that fails with the reason, because Dagster
    shows a partition as failed only through a failed run.
    """

    @dg.sensor(
        name=shown.settled_sensor,
        jobs=[collect_job, mark_job],
        minimum_interval_seconds=interval,
        default_status=status,
        description=f"Completes each {shown.noun} whose last {shown.name} answer is in, and marks those that have "
        "failed, by a run that fails with the reasons.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        reason = busy_with(context.instance, COLLECT_ROLE)
        if reason:
            return dg.SkipReason(reason)
        database, usable = warehouse.open_briefly(), providers.usable()
        waiting = [shown.space.key(one) for one in shown.to_complete(database, usable)]
        going = attempt(context.instance, database, f"complete-{shown.name}", waiting) if waiting else None
        with database.read() as connection:
            failed = shown.failed(connection, usable)
            under_way = shown.under_way(connection)
        requests = list(marking_runs(context.instance, database, shown, failed))
        if isinstance(going, Attempt):
            about = {ABOUT_TAG: f"{counted(len(waiting), shown.noun)} complete"}
            requests.append(collecting_run(going, [], about))
        reason = going if isinstance(going, str) else f"No {shown.noun} waits to be completed or marked."
        return runs_or_reason(context, requests, [reason, under_way], shown.space.missing)

    return look


def collecting_run(going: Attempt, batch_ids: list[str], about: Mapping[str, str]) -> dg.RunRequest:
    """A run of `collect_batch` for these batches. It stands under no partition, so a deleted partition keeps nothing
    from being collected."""
    return dg.RunRequest(
        run_key=going.run_key,
        job_name="collect_batch",
        tags={**going.tags, **about},
        run_config={"ops": {COLLECT_OP: {"config": {"batches": batch_ids}}}},
    )


def marking_runs(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    shown: PurposeAssets,
    failed: Mapping[SubjectVersion, Failure],
) -> Iterator[dg.RunRequest]:
    """Runs that fail with the reasons, for failed subjects: one for each row of neighbours, at most ten per tick, and
    none that was requested before."""
    if not failed:
        return
    seen = {value for _, values in instance.get_run_tags([WORK_TAG]) for value in values}
    with warehouse.read() as connection:
        numbers = attempt_numbers(connection)
    key, made = shown.space.key, 0
    for row in shown.space.rows(instance, failed):
        work = work_of(MARK_ROLE, [shown.name, *(f"{key(one)} {failed[one].since}" for one in row)])
        if work in seen:
            continue
        marking = next_attempt(MARK_ROLE, work, numbers.get(work, 0))
        first, last = key(row[0]), key(row[-1])
        where = {} if first == last else {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        yield dg.RunRequest(
            run_key=marking.run_key,
            job_name="mark_failed",
            partition_key=first if first == last else None,
            asset_selection=[dg.AssetKey(asset) for asset in shown.marked],
            tags={**marking.tags, **where, ABOUT_TAG: f"{counted(len(row), shown.noun)} failed"},
            run_config={"ops": {shown.collecting: {"config": {"ask": False}}}},
        )
        made += 1
        if made == MOST_MARKED_PER_TICK:
            return


def batches_ended(
    purposes: Mapping[str, PurposeAssets],
    collect_job: dg.JobDefinition,
    interval: int,
    status: dg.DefaultSensorStatus,
) -> dg.SensorDefinition:
    """The sensor: it polls open batches and requests one collecting run for all that have ended.

    Its cursor holds the batches and models that were overdue at the last tick, so that the check is reported only on a
    change.
    """

    @dg.sensor(
        name="batches_ended",
        job=collect_job,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Asks the providers about open batches; those that have ended are collected in one run.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now = warehouse.open_briefly(), datetime.now(UTC)
        with database.read() as connection:
            waiting = [b for b in open_batches(connection) if providers.belongs_here(b.account)]
            unreported, idle = unreported_batches(connection), put_off(connection)
        late = {name: overdue_now(name, waiting, idle, now) for name in purposes}
        sentences = [sentence for found in late.values() for sentence in found.values()]
        events, cursor = _overdue_events(
            context.cursor, purposes, database, {n: list(found) for n, found in late.items()}
        )
        if not waiting and not unreported:
            skipped = " ".join(["No batch is open.", *sentences])
            return dg.SensorResult(skip_reason=skipped, asset_events=events, cursor=cursor)
        reason = busy_with(context.instance, COLLECT_ROLE)
        if reason:
            return dg.SkipReason(reason)
        polled = poll_batches(waiting, providers.connect_briefly, database, lambda: datetime.now(UTC))
        record(polled, database, datetime.now(UTC))
        ready = [*unreported, *(b for b in waiting if b.batch_id in polled.ready)]
        going = attempt(context.instance, database, COLLECT_ROLE, [b.batch_id for b in ready]) if ready else None
        if isinstance(going, Attempt):
            about = {ABOUT_TAG: counted(len(ready), "batch", "batches")}
            request = collecting_run(going, [b.batch_id for b in ready], about)
            return dg.SensorResult(run_requests=[request], asset_events=events, cursor=cursor)
        reasons = [*([going] if going else []), *_under_way(waiting, polled), *sentences]
        return dg.SensorResult(skip_reason=" ".join(reasons), asset_events=events, cursor=cursor)

    return look


def _overdue_events(
    cursor: str | None, purposes: Mapping[str, PurposeAssets], warehouse: Warehouse, late: Mapping[str, Sequence[str]]
) -> tuple[list[dg.AssetCheckEvaluation], str]:
    """The check of each purpose whose overdue batches or models changed since the last tick, and the new cursor."""
    before: dict[str, list[str]] = json.loads(cursor) if cursor else {}
    changed = [name for name, found in late.items() if sorted(found) != before.get(name, [])]
    events: list[dg.AssetCheckEvaluation] = []
    for name in changed:
        looked_at = [check for check in purposes[name].checks if check.spec.name == NO_BATCH_IS_OVERDUE]
        events += [evaluation(result) for result in results(looked_at, warehouse)]
    return events, json.dumps({name: sorted(found) for name, found in late.items()})


def _under_way(waiting: Sequence[BatchRecord], polled: Polled) -> Iterator[str]:
    """The open batches and the troubles of the polls as sentences, each once."""
    if waiting:
        running = ", ".join(f"{b.provider} {b.model}" for b in waiting if b.batch_id not in polled.ready)
        yield f"{counted(len(waiting), 'batch', 'batches')} under way: {running}."
    yield from dict.fromkeys(str(error) for error in polled.troubles.values())
    yield from (f"{name} asked for time until {until:%H:%M:%S} UTC." for name, until in polled.paused.items())
