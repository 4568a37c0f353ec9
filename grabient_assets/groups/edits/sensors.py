"""The sensor of edits: it sends what is due, reports what is done, and marks what failed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.sensors import sending_run
from grabient_assets.groups.edits.cancelling import batches_to_stop
from grabient_assets.groups.edits.jobs import report_edits, submit_edits
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.edits.tables import Edit, edits_of
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.held_work import Work, sendable_requests
from grabient_assets.ledger.send import closed_until
from grabient_assets.partitions import additions, edits, unreported
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    attempt,
    next_attempt,
    roles_at_work,
    runs_or_reason,
    unmarked_failures,
    work_of,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

SECONDS = 5
"""Between two ticks, in both modes: a person waits for an edit."""
EDIT_TAG = "grabient/edit"
"""On the run of a single edit. dagster.yaml limits how many of them wait for editors at the same time."""
MOST_STARTED_PER_TICK = 100


def edits_due(cancel_batch: dg.JobDefinition, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a run for each edit that is due, one for each provider's batch, and one that reports."""

    @dg.sensor(
        name="edits_due",
        jobs=[submit_edits, report_edits, cancel_batch],
        minimum_interval_seconds=SECONDS,
        default_status=status,
        description="Sends each edit that is asked for in a run of its own, those in batch delivery together; reports "
        "what is done and marks what failed.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now, budget = warehouse.open_briefly(), datetime.now(UTC), providers.budget_usd()
        with database.read() as connection:
            known = edits_of(connection)
            waiting = any(edit.status == "requested" for edit in known)
            work = {
                name: sendable_requests(EDIT, PURPOSES, connection, name, budget, now)
                for name in (PROVIDERS if waiting else ())
            }
        found: list[dg.RunRequest | str] = []
        at_work = roles_at_work(context.instance) if known else frozenset[str]()
        for provider, due in work.items():
            found += _sending(context.instance, database, providers, provider, due, known, at_work)
        found += _reporting(context.instance, database, known, at_work)
        found += _marking(context.instance, known)
        found += _stopping(database, known, at_work)
        requests = [one for one in found if isinstance(one, dg.RunRequest)]
        reasons = [one for one in found if isinstance(one, str)] or ["No edit waits to be sent or reported."]
        return runs_or_reason(
            context,
            requests,
            reasons,
            lambda instance, _: additions(instance, ((edits, (edit.edit_id for edit in known)),)),
        )

    return look


def _sending(
    instance: dg.DagsterInstance,
    database: Warehouse,
    providers: ProvidersResource,
    provider: str,
    work: Work,
    known: Sequence[Edit],
    at_work: frozenset[str],
) -> Iterator[dg.RunRequest | str]:
    if not work.due:
        yield " ".join(work.held)
        return
    requested = [edit for edit in known if edit.status == "requested" and edit.provider == provider]
    batch = [target for target in work.due if target.delivery == "batch"]
    if batch:
        first = next(edit.edit_id for edit in requested if edit.delivery == "batch")
        yield sending_run(
            *(instance, database, providers, "edit", provider, Work(batch, (), work.held)),
            job_name="submit_edits",
            partition_key=first,
            run_config={"ops": {"edit_requests": {"config": {"batches_at": provider}}}},
        )
    due = {target.prompt_version for target in work.due if target.delivery == "direct"}
    direct = [edit for edit in requested if edit.delivery == "direct" and edit.recipe in due]
    if direct and provider not in providers.usable():
        yield f"{counted(len(direct), 'edit')} wait. {providers.why_not(provider)}"
        return
    if direct and (wait := closed_until(provider, database, datetime.now(UTC))):
        yield f"{provider} takes nothing before {wait:%H:%M:%S} UTC."
        return
    for edit in direct[:MOST_STARTED_PER_TICK]:
        role = f"submit-edit-{edit.edit_id}"
        if role in at_work:
            continue
        going = attempt(instance, database, role, [edit.edit_id])
        if isinstance(going, str):
            yield going
            continue
        yield dg.RunRequest(
            run_key=going.run_key,
            job_name="submit_edits",
            partition_key=edit.edit_id,
            tags={**going.tags, ABOUT_TAG: f"{edit.label} by {edit.model}", EDIT_TAG: "1"},
            run_config={"ops": {"edit_requests": {"config": {"due": True}}}},
        )


def _reporting(
    instance: dg.DagsterInstance, database: Warehouse, known: Sequence[Edit], at_work: frozenset[str]
) -> Iterator[dg.RunRequest | str]:
    """A run that reports what no run of its own reported. It waits for runs that are at it."""
    done = [edit.edit_id for edit in known if edit.status == "done"]
    if not done or any(role.startswith(("submit-edit", "report-edits")) for role in at_work):
        return
    if fresh := unreported(instance, "edited_images", done):
        going = attempt(instance, database, "report-edits", fresh)
        if isinstance(going, str):
            yield going
            return
        yield dg.RunRequest(
            run_key=going.run_key,
            job_name="report_edits",
            partition_key=fresh[0],
            tags={**going.tags, ABOUT_TAG: f"{counted(len(fresh), 'edit')} reported"},
            run_config={"ops": {"collect_edits": {"config": {"settled": True}}}},
        )


def _marking(instance: dg.DagsterInstance, known: Sequence[Edit]) -> Iterator[dg.RunRequest]:
    """A run that fails with the reason for each edit in batch delivery that failed, once for each failure. Direct ones
    have failed in the run that sent them."""
    failed = {
        edit.edit_id: ((edit.edit_id, edit.error or "", str(edit.done_at)), f"{edit.label} {edit.status}")
        for edit in known
        if edit.delivery == "batch" and edit.settled and edit.status != "done"
    }
    for edit_id, marking in unmarked_failures(instance, "mark-edit", failed):
        asset, job = [dg.AssetKey("edited_images")], "report_edits"
        yield dg.RunRequest(marking.run_key, None, marking.tags, job, asset_selection=asset, partition_key=edit_id)


def _stopping(database: Warehouse, known: Sequence[Edit], at_work: frozenset[str]) -> Iterator[dg.RunRequest]:
    """A run that stops a batch at its provider once nothing but cancelled edits is in it."""
    cancelled = any(edit.delivery == "batch" and edit.status == "cancelled" for edit in known)
    for batch_id in sorted(set(batches_to_stop(database).values())) if cancelled else ():
        role = f"stop-{batch_id}"
        if role not in at_work:
            stopping = next_attempt(role, work_of(role, [batch_id]), 0)
            config = {"ops": {"stop_and_collect": {"config": {"batch": batch_id}}}}
            yield dg.RunRequest(stopping.run_key, run_config=config, tags=stopping.tags, job_name="cancel_batch")
