"""What a run of the tagging assets says while it works: its log, its plan, and a materialization for each palette."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.plan_metadata import plan_metadata
from grabient_assets.groups.tagging.asking import PURPOSE
from grabient_assets.groups.tagging.collection import Completed, complete_palettes
from grabient_assets.groups.tagging.planning import plan_due
from grabient_assets.groups.tagging.reports import (
    Metadata,
    asked_events,
    completed_events,
    over_budget_metadata,
)
from grabient_assets.groups.tagging.submission import hold_key
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import batches_of, record_reported, subjects_in
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.money import holds
from grabient_assets.ledger.round import Round
from grabient_assets.ledger.tagging_due import DueTarget, due_tagging, due_targets
from grabient_assets.partitions import partition_key
from grabient_assets.resources.dead_runs import broken_off
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.warehouse.connection import Warehouse


def _now() -> datetime:
    return datetime.now(UTC)


def observe_plan(
    context: dg.AssetExecutionContext, warehouse: Warehouse, connection: Connection, targets: Sequence[DueTarget]
) -> None:
    """Put what is about to be sent on the run and on the asset, before the first create call."""
    provider = connection.provider
    with warehouse.read() as database:
        planned = plan_due(database, provider.name, targets, provider.limits, connection.answers_from, _now().date())
    metadata = plan_metadata(planned)
    context.log_event(dg.AssetObservation(context.asset_key, description="About to be sent", metadata=metadata))


def report_sent(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    provider: str,
    batch_ids: Sequence[str] = (),
    asked: Sequence[SubjectVersion] = (),
) -> None:
    """Report the palettes of these batches, and those named: how far their requests are."""
    report_materializations(context, list(asked_events(warehouse, provider, batch_ids, asked)))


def report_held(
    context: dg.AssetExecutionContext, warehouse: Warehouse, provider: str, sentences: Sequence[str]
) -> None:
    """Say of the palettes whose requests wait for money that they do."""
    for sentence in dict.fromkeys(sentences):
        context.log.warning(sentence)
    if not sentences:
        return
    with warehouse.read() as connection:
        waiting = {hold.key for hold in holds(connection, PURPOSE, provider)}
        targets = [target for target in due_targets(connection, provider) if hold_key(provider, target) in waiting]
        due = [request for target in targets for request in due_tagging(connection, provider, target)]
    state = over_budget_metadata(sentences)
    waiting_for_money = dict.fromkeys(
        (SubjectVersion(request.prompt_version, request.subject) for request in due), state
    )
    _report(context, context.asset_key.to_user_string(), waiting_for_money)


def report_completed(context: dg.AssetExecutionContext, warehouse: Warehouse, completed: Completed) -> None:
    """Report the palettes that are completely tagged, and their consensus, as far as these assets are selected."""
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    report_materializations(context, list(completed_events(warehouse, completed, selected)))


def report_collected(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    batch_ids: Sequence[str],
    done: Round,
    usable: Sequence[str],
) -> None:
    """Report that what these batches asked for is answered; and, in place of processes that were killed, palettes of
    batches that were collected before and not reported, and the asking of palettes whose submitting run did not come to
    its end."""
    if not batch_ids:
        return
    just_now = {one.batch.batch_id for one in done.collected}
    with warehouse.read() as connection:
        found = batches_of(connection, batch_ids)
        before = [batch for batch in found if batch.status == "collected" and batch.batch_id not in just_now]
        chosen = subjects_in(connection, [batch.batch_id for batch in before])
    if chosen:
        report_completed(context, warehouse, complete_palettes(warehouse, usable, _now, chosen))
    unsent = broken_off(context.instance, {batch.submit_run_id for batch in found})
    told = [batch for batch in found if batch.status == "collected" or batch.submit_run_id in unsent]
    for provider in dict.fromkeys(batch.provider for batch in told):
        mine = [batch.batch_id for batch in told if batch.provider == provider]
        with warehouse.read() as connection:
            answered = subjects_in(connection, mine)
        report_sent(context, warehouse, provider, mine, answered)
    with warehouse.write() as connection:
        record_reported(connection, batch_ids, _now())


def _report(context: dg.AssetExecutionContext, asset: str, found: Mapping[SubjectVersion, Metadata]) -> None:
    report_materializations(
        context,
        [
            dg.AssetMaterialization(asset, partition=partition_key(p), metadata=metadata)
            for p, metadata in found.items()
        ],
    )
