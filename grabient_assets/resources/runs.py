"""Who else is at work: what the due sensors ask before they start a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.ledger.attempts import Attempts, attempts_at, hold_work, record_attempt
from grabient_assets.resources.dead_runs import is_dead
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import dagster as dg

ROLE_TAG = ".dagster/grabient_role"
"""On every run that a sensor starts. A run without it was started by a person, and asks. Dagster's UI does not show
tags of this prefix: in the list of runs every tag takes a line."""

ABOUT_TAG = "grabient/about"
"""On a run that a sensor starts: what it is about, in a few words. The only tag of ours that the list of runs shows."""

UNASKED_TAG = ".dagster/grabient_unasked"
"""On a run that a sensor starts for palettes which nobody asked a model about: `grabient run` leaves it to the
daemon."""

RUN_KEY_TAG = "dagster/run_key"
"""On every run that a sensor asked for, by Dagster's daemon: its run key."""

ABANDONED_AFTER = timedelta(hours=1)
"""An unfinished run older than this holds nobody up: runs take seconds to minutes, and of one on another machine nobody
here can tell whether it lives."""


DAEMON_SILENT_AFTER = timedelta(minutes=2)
"""Dagster's daemon sends a heartbeat every 30 seconds."""


def busy_with(instance: dg.DagsterInstance, role: str, *, wait_for_people: bool = False) -> str | None:
    """Why a run of this role should not start now, or None.

    Another run of the same role may be at the same work. With `wait_for_people`, runs and backfills that people
    started are waited for as well: what they ask for one by one should go out together. Nobody waits for a process
    that is gone: a run of a dead one, or what only a daemon could start while none is alive.
    """
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    for run in _unfinished(instance):
        if run.tags.get(ROLE_TAG) == role:
            return f"Run {run.run_id[:8]} is already doing this."
        if wait_for_people and ROLE_TAG not in run.tags:
            return f"Waiting for run {run.run_id[:8]} ({run.job_name}), so that what it asks for goes out together."
    if wait_for_people and _daemon_is_alive(instance):
        backfills = instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
        if backfills:
            return f"Waiting for backfill {backfills[0].backfill_id}, so that what it asks for goes out together."
    return None


def roles_at_work(instance: dg.DagsterInstance) -> frozenset[str]:
    """The roles of all runs that are waiting or at work."""
    return frozenset(run.tags[ROLE_TAG] for run in _unfinished(instance) if ROLE_TAG in run.tags)


def _unfinished(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """Runs that are at work and, while a daemon is alive to start them, those that wait; none of a dead process."""
    from dagster import DagsterRunStatus, RunsFilter

    started = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    queued = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED]
    filters = RunsFilter(
        statuses=[*started, *queued] if _daemon_is_alive(instance) else started,
        created_after=datetime.now(UTC) - ABANDONED_AFTER,
    )
    return (run for run in instance.get_runs(filters) if not is_dead(instance, run))


def _daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return bool(beats) and datetime.now(UTC).timestamp() - max(beats) < DAEMON_SILENT_AFTER.total_seconds()


WORK_TAG = ".dagster/grabient_work"
"""A digest of what a sensor's run is about, so that attempts at the same work can be counted."""

REASON_TAG = "reason"
"""The reason of a failed run. The list of runs shows the tag; Dagster itself shows the reason only in the run's
events."""
LONGEST_REASON = 500

MAX_FAILED_ATTEMPTS = 5
GAVE_UP = f"The last {MAX_FAILED_ATTEMPTS} runs at this work failed"
"""The beginning of the sentence about work held after failures."""
PAUSE_AFTER_FAILURES = timedelta(minutes=15)


MOST_MARKED_PER_TICK = 10
"""The most runs of one tick that only mark a partition as failed."""

PUT_OFF_TAG = ".dagster/grabient_put_off"
"""On a failed run whose provider was busy or out of reach. The ledger spaces the next tries out, for as long as it
takes, so such runs are no reason to give up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Run key and tags of a run that a sensor asks for."""

    run_key: str
    tags: dict[str, str]


def attempt(
    instance: dg.DagsterInstance, warehouse: Warehouse, role: str, items: Iterable[str], now: datetime | None = None
) -> Attempt | str:
    """The next attempt at this work; a sentence instead while it has failed too often to be tried at once.

    After five failures it is tried once in a quarter of an hour: an outage may last all night, and nobody should have
    to be there when it ends. A person's command releases it (`release_work`).

    Dagster remembers a run key as long as its run, failed runs included, so the key of a new attempt carries its
    number. The numbers stand in the table run_attempts, because people delete runs.
    """
    work, at = work_of(role, items), now or datetime.now(UTC)
    with warehouse.read() as connection:
        known = attempts_at(connection, work)
    number = max(known.number, _number_of_last_run(instance, work))
    if (hold := _hold(instance, work, known, at)) is not None:
        until, reason = hold
        if (until, reason) != (known.held_until, known.reason):
            with warehouse.write() as connection:
                hold_work(connection, work, role, number, until, reason)
        return f"{GAVE_UP}: {reason.rstrip('.')}. The next try is at {until:%H:%M} UTC, or with `grabient run`."
    return next_attempt(role, work, number)


def work_of(role: str, items: Iterable[str]) -> str:
    """The digest that stands for this work."""
    return hashlib.sha256("\n".join([role, *sorted(items)]).encode()).hexdigest()[:16]


def next_attempt(role: str, work: str, number: int) -> Attempt:
    """The attempt that follows the one of this number."""
    return Attempt(run_key=f"{role}-{work}-{number + 1}", tags={ROLE_TAG: role, WORK_TAG: work})


def unmarked_failures(
    instance: dg.DagsterInstance, role: str, failures: Mapping[str, tuple[Iterable[str], str]]
) -> Iterator[tuple[str, Attempt]]:
    """The failures for which no run was asked yet that fails with the reason: partition and attempt, ten per tick.

    `failures` holds by partition what identifies the failure, and what the run is about, in a few words.
    """
    seen = {value for _, values in instance.get_run_tags([WORK_TAG]) for value in values} if failures else set[str]()
    works = {partition: work_of(role, items) for partition, (items, _) in failures.items()}
    for partition in [one for one, work in works.items() if work not in seen][:MOST_MARKED_PER_TICK]:
        marking = next_attempt(role, works[partition], 0)
        yield partition, Attempt(marking.run_key, {**marking.tags, ABOUT_TAG: failures[partition][1]})


def record_begun(run: dg.DagsterRun, warehouse: Warehouse) -> None:
    """Write down which attempt this run is, if a sensor asked for it: its number is not given again."""
    work = run.tags.get(WORK_TAG)
    if work is not None:
        with warehouse.write() as connection:
            record_attempt(connection, work, run.tags[ROLE_TAG], _number(run))


def _number(run: dg.DagsterRun) -> int:
    """The number at the end of the run key."""
    number = run.tags.get(RUN_KEY_TAG, "").rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _number_of_last_run(instance: dg.DagsterInstance, work: str) -> int:
    """Of the runs at this work that are still there, the highest number; a run may end before it begins its work."""
    from dagster import RunsFilter

    return max((_number(run) for run in instance.get_runs(RunsFilter(tags={WORK_TAG: work}))), default=0)


def _hold(instance: dg.DagsterInstance, work: str, known: Attempts, now: datetime) -> tuple[datetime, str] | None:
    """Until when the work is left alone, and why; None when it may be tried."""
    from dagster import DagsterRunStatus, RunsFilter

    records = instance.get_run_records(RunsFilter(tags={WORK_TAG: work}), limit=MAX_FAILED_ATTEMPTS)
    ended_badly = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    counted_from = known.counted_from or datetime.min.replace(tzinfo=UTC)
    failed = [
        record
        for record in records
        if record.dagster_run.status in ended_badly
        and PUT_OFF_TAG not in record.dagster_run.tags
        and record.create_timestamp.astimezone(UTC) > counted_from
    ]
    if len(failed) < MAX_FAILED_ATTEMPTS:
        return None
    latest = failed[0]
    until = latest.create_timestamp.astimezone(UTC) + PAUSE_AFTER_FAILURES
    if not now < until <= now + PAUSE_AFTER_FAILURES:  # a time beyond it was set by a clock that ran ahead
        return None
    run = latest.dagster_run
    return until, run.tags.get(REASON_TAG) or f"run {run.run_id[:8]} says why"


def runs_or_reason(
    context: dg.SensorEvaluationContext,
    requests: Sequence[dg.RunRequest],
    reasons: Iterable[str],
    missing: Callable[[dg.DagsterInstance, Sequence[dg.RunRequest]], list[dg.AddDynamicPartitionsRequest]],
) -> dg.SensorResult | dg.SkipReason:
    """The result of a tick: these runs, and the reasons why there are no others.

    Dagster takes runs or one reason: a tick that returns both fails, and none of its runs is started. Beside runs the
    reasons go into the tick's log. Dagster also refuses the whole tick when a run stands under a key that is no
    partition; a person may have deleted it, so `missing` names what is added.
    """
    import dagster as dg

    distinct = [reason for reason in dict.fromkeys(reasons) if reason]
    if not requests:
        return dg.SkipReason(" ".join(distinct) or "Nothing is due.")
    for reason in distinct:
        context.log.info(reason)
    return dg.SensorResult(run_requests=list(requests), dynamic_partitions_requests=missing(context.instance, requests))
