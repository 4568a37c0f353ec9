"""Who else is at work: what the due sensors ask before they start a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.resources.dead_runs import is_dead

if TYPE_CHECKING:
    import dagster as dg

ROLE_TAG = "grabient/role"
"""On every run that a sensor starts. A run without it was started by a person, and asks."""

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
    from dagster import DagsterRunStatus, RunsFilter
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    started = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    queued = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED]
    daemon = _daemon_is_alive(instance)
    filters = RunsFilter(
        statuses=[*started, *queued] if daemon else started, created_after=datetime.now(UTC) - ABANDONED_AFTER
    )
    for run in instance.get_runs(filters):
        if is_dead(instance, run):
            continue
        if run.tags.get(ROLE_TAG) == role:
            return f"Run {run.run_id[:8]} is already doing this."
        if wait_for_people and ROLE_TAG not in run.tags:
            return f"Waiting for run {run.run_id[:8]} ({run.job_name}), so that what it asks for goes out together."
    if wait_for_people and daemon:
        backfills = instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
        if backfills:
            return f"Waiting for backfill {backfills[0].backfill_id}, so that what it asks for goes out together."
    return None


def _daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return bool(beats) and datetime.now(UTC).timestamp() - max(beats) < DAEMON_SILENT_AFTER.total_seconds()


WORK_TAG = "grabient/work"
"""A digest of what a sensor's run is about, so that attempts at the same work can be counted."""

MAX_FAILED_ATTEMPTS = 5
GAVE_UP = f"The last {MAX_FAILED_ATTEMPTS} runs at this work failed"
"""How the sentence begins that says so."""
PAUSE_AFTER_FAILURES = timedelta(minutes=15)


PUT_OFF_TAG = "grabient/put-off"
"""On a failed run whose provider was busy or out of reach. The ledger spaces the next tries out, for as long as it
takes, so such runs are no reason to give up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Run key and tags of a run that a sensor asks for."""

    run_key: str
    tags: dict[str, str]


def attempt(
    instance: dg.DagsterInstance, role: str, items: Iterable[str], now: datetime | None = None
) -> Attempt | str:
    """The next attempt at this work; a sentence instead while it has failed too often to be tried at once.

    After five failures it is tried once in a quarter of an hour: an outage may last all night, and nobody should have
    to be there when it ends. Dagster remembers a run key for ever, failed runs included, so the key of a new attempt
    carries its number.
    """
    from dagster import DagsterRunStatus, RunsFilter

    work = hashlib.sha256("\n".join([role, *sorted(items)]).encode()).hexdigest()[:16]
    records = instance.get_run_records(RunsFilter(tags={WORK_TAG: work}), limit=MAX_FAILED_ATTEMPTS)
    ended_badly = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    failed = [
        record
        for record in records
        if record.dagster_run.status in ended_badly and PUT_OFF_TAG not in record.dagster_run.tags
    ]
    if len(failed) == MAX_FAILED_ATTEMPTS:
        latest = failed[0]
        next_try = latest.create_timestamp.astimezone(UTC) + PAUSE_AFTER_FAILURES
        if (now or datetime.now(UTC)) < next_try:
            run = latest.dagster_run.run_id[:8]
            return f"{GAVE_UP}, the latest is {run}; it says why. The next try is at {next_try:%H:%M} UTC."
    number = instance.get_runs_count(RunsFilter(tags={WORK_TAG: work})) + 1
    return Attempt(run_key=f"{role}-{work}-{number}", tags={ROLE_TAG: role, WORK_TAG: work})


def runs_or_reason(
    context: dg.SensorEvaluationContext, requests: Sequence[dg.RunRequest], reasons: Iterable[str]
) -> list[dg.RunRequest] | dg.SkipReason:
    """What a tick says that asks for these runs, and not for others for these reasons.

    Dagster takes runs or one reason: a tick that says both fails, and none of its runs is started. Beside runs the
    reasons go into the tick's log.
    """
    import dagster as dg

    said = list(dict.fromkeys(reasons))
    if not requests:
        return dg.SkipReason(" ".join(said))
    for reason in said:
        context.log.info(reason)
    return list(requests)
