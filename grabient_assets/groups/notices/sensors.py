"""The sensor that posts notifications to the webhook."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from grabient_assets import errors
from grabient_assets.groups.notices.events import seen_events
from grabient_assets.groups.notices.webhook import Event, post_events
from grabient_assets.resources.modes import usable_providers
from grabient_assets.resources.runs import WORK_TAG
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import load_settings

LOOKED_BACK = timedelta(days=2)
"""Failed runs of this time are looked at: the day that has ended, and the present one."""
MOST_RUNS = 100
DELIBERATE = frozenset(name for name in vars(errors) if name.endswith("Error"))
"""The errors whose messages are sentences for people. Other messages may hold anything."""


def something_to_tell(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: failed runs, what finished, found no money, is stuck or withheld, and each day when it has ended."""

    @dg.sensor(
        name="something_to_tell",
        minimum_interval_seconds=interval,
        default_status=status,
        description="Posts to the webhook of GRABIENT_NOTIFY_URL, each event once: finished, failed, over budget, "
        "stuck, withheld, and the day when it has ended. Starts no run.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SkipReason:
        settings = load_settings()
        if settings.notify_url is None:
            return dg.SkipReason("GRABIENT_NOTIFY_URL is not set, so nobody is told.")
        database, now = warehouse.open_briefly(), datetime.now(UTC)
        if not database.exists():
            return dg.SkipReason("Nothing has happened yet.")
        failed = failed_runs(context.instance, now)
        with database.read() as connection:
            events = seen_events(connection, settings.budget_usd, usable_providers(settings), failed, now)
        troubles = post_events(database, settings, events, now)
        for trouble in troubles:
            context.log.warning(trouble)
        return dg.SkipReason(" ".join(troubles) or "All that happened was told.")

    return look


def failed_runs(instance: dg.DagsterInstance, now: datetime) -> list[Event]:
    """The runs that failed lately, attempts at the same work once."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - LOOKED_BACK)
    found: dict[str, Event] = {}
    for record in instance.get_run_records(filters, limit=MOST_RUNS):
        run = record.dagster_run
        at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
        sentence = f"Run {run.run_id[:8]} ({run.job_name}) failed: {_why(instance, run.run_id)}"
        key = f"failed:{run.tags.get(WORK_TAG, run.run_id)}"
        found[key] = Event(key, "failed", sentence, {"run_id": run.run_id, "at": at.astimezone(UTC).isoformat()})
    return list(found.values())


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """The sentence of the step that failed, where it has one that is meant for people; otherwise where to look."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        failure = event.step_failure_data if event is not None else None
        if failure is None:
            continue
        if failure.user_failure_data and failure.user_failure_data.description:
            return failure.user_failure_data.description
        error = failure.error.cause if failure.error and failure.error.cause else failure.error
        if error is not None and (error.cls_name or "") in DELIBERATE:
            return error.message.partition(": ")[2].strip() or error.message
        return f"it met {error.cls_name if error else 'an error'}, and Dagster's log of the run says where."
    return "Dagster's log of the run says why."
