"""When a provider has ended batches, their answers are collected."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from grabient_assets.groups.batches.checks import overdue_evaluation
from grabient_assets.groups.batches.jobs import COLLECTED_BY_PURPOSE, collect_batch
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.attempts import attempt_numbers
from grabient_assets.ledger.batches import BatchRecord, first_subjects, open_batches, unreported_batches
from grabient_assets.ledger.overdue import PutOff, overdue, put_off, put_off_too_long
from grabient_assets.ledger.poll import Polled, poll_batches, record
from grabient_assets.partitions import neighbours, partition_key, partitions_under
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import ABOUT_TAG, WORK_TAG, attempt, busy_with, next_attempt, work_of
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

MOST_MARKED_PER_TICK = 10
MARKING = "mark-failed"


def batches_ended(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: polls open batches and asks for one collecting run per purpose for all that have ended.

    Its cursor holds the batches and models that were overdue at the last look, so that the check is reported only on
    a change.
    """

    @dg.sensor(
        name="batches_ended",
        job=collect_batch,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Asks the providers about open batches; those that have ended are collected in one run.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        house = warehouse.open_briefly()
        with house.read() as connection:
            waiting = [b for b in open_batches(connection) if providers.belongs_here(b.account)]
            unreported, idle = unreported_batches(connection), put_off(connection)
        events, cursor = _overdue_events(context, waiting, idle)
        if not waiting and not unreported:
            said = " ".join(["No batch is open.", *_put_off(idle)])
            return dg.SensorResult(skip_reason=said, asset_events=events, cursor=cursor)
        reason = busy_with(context.instance, "collect")
        if reason:
            return dg.SkipReason(reason)
        polled = poll_batches(waiting, providers.connect_briefly, house, lambda: datetime.now(UTC))
        record(polled, house, datetime.now(UTC))
        ready = [*unreported, *(b for b in waiting if b.batch_id in polled.ready)]
        asked = list(_requests(context.instance, house, ready))
        requests = [one for one in asked if isinstance(one, dg.RunRequest)]
        if requests:
            added = partitions_under(context.instance, requests)
            return dg.SensorResult(
                run_requests=requests, dynamic_partitions_requests=added, asset_events=events, cursor=cursor
            )
        reasons = [one for one in asked if isinstance(one, str)]
        said = " ".join([*reasons, *([_under_way(waiting, polled)] if waiting else []), *_put_off(idle)])
        return dg.SensorResult(skip_reason=said, asset_events=events, cursor=cursor)

    return look


def _overdue_events(
    context: dg.SensorEvaluationContext, waiting: list[BatchRecord], idle: list[PutOff]
) -> tuple[list[dg.AssetCheckEvaluation], str]:
    now = datetime.now(UTC)
    before: dict[str, list[str]] = json.loads(context.cursor) if context.cursor else {}
    late = {
        purpose: [
            *sorted(b.batch_id for b in waiting if b.purpose == purpose and overdue(b, now)),
            *(f"{one.provider} {one.model}" for one in idle if one.purpose == purpose and put_off_too_long(one, now)),
        ]
        for purpose in COLLECTED_BY_PURPOSE
    }
    changed = [purpose for purpose, batches in late.items() if batches != before.get(purpose, [])]
    return [overdue_evaluation(purpose, waiting, idle, now) for purpose in changed], json.dumps(late)


def _put_off(idle: list[PutOff]) -> list[str]:
    now = datetime.now(UTC)
    return [sentence for one in idle if (sentence := put_off_too_long(one, now))]


def _under_way(waiting: Sequence[BatchRecord], polled: Polled) -> str:
    """What is waited for, what is overdue, and what could not be asked, each sentence once."""
    now = datetime.now(UTC)
    running = ", ".join(f"{b.provider} {b.model}" for b in waiting if b.batch_id not in polled.ready)
    late = [sentence for b in waiting if (sentence := overdue(b, now))]
    troubles = dict.fromkeys(str(error) for error in polled.troubles.values())
    paused = [f"{name} asked for time until {until:%H:%M:%S} UTC." for name, until in polled.paused.items()]
    return " ".join([f"{counted(len(waiting), 'batch', 'batches')} under way: {running}.", *late, *troubles, *paused])


def _requests(
    instance: dg.DagsterInstance, house: Warehouse, ready: list[BatchRecord]
) -> Iterator[dg.RunRequest | str]:
    with house.read() as connection:
        seeds = first_subjects(connection, [b.batch_id for b in ready])
    for purpose, assets in COLLECTED_BY_PURPOSE.items():
        batches = [b for b in ready if b.purpose == purpose]
        if not batches:
            continue
        going = attempt(instance, house, "collect", [b.batch_id for b in batches])
        if isinstance(going, str):
            yield going
            continue
        anchor = SubjectVersion(batches[0].prompt_version, seeds[batches[0].batch_id])
        yield dg.RunRequest(
            run_key=going.run_key,
            partition_key=partition_key(anchor),
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            tags={**going.tags, ABOUT_TAG: counted(len(batches), "batch", "batches")},
            run_config={"ops": {f"collect_{purpose}": {"config": {"batches": [b.batch_id for b in batches]}}}},
        )


def marking_runs(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    purpose: str,
    assets: Sequence[str],
    failed: Mapping[SubjectVersion, str],
) -> list[dg.RunRequest]:
    """Runs that fail with the reasons, for palettes that failed: Dagster shows a partition as failed only through a
    failed run. One for each row of neighbours, at most ten in a tick, and none that was asked for before.

    `failed` says of each palette what tells this failure from an earlier one.
    """
    if not failed:
        return []
    seen = {value for _, values in instance.get_run_tags([WORK_TAG]) for value in values}
    with warehouse.read() as connection:
        numbers = attempt_numbers(connection)
    requests: list[dg.RunRequest] = []
    for row in neighbours(instance, failed):
        work = work_of(MARKING, [purpose, *(f"{partition_key(one)} {failed[one]}" for one in row)])
        if work in seen:
            continue
        marking = next_attempt(MARKING, work, numbers.get(work, 0))
        first, last = partition_key(row[0]), partition_key(row[-1])
        where = {} if first == last else {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        requests.append(
            dg.RunRequest(
                run_key=marking.run_key,
                partition_key=first if first == last else None,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                tags={**marking.tags, **where, ABOUT_TAG: f"{counted(len(row), 'palette')} failed"},
                run_config={"ops": {f"collect_{purpose}": {"config": {"ask": False}}}},
            )
        )
        if len(requests) == MOST_MARKED_PER_TICK:
            break
    return requests
