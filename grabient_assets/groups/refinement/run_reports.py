"""What a run of the refinement assets says while it works: its plan, and a materialization for each palette."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.groups.plan_metadata import plan_metadata
from grabient_assets.groups.refinement.planning import plan_refinements
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refiner import refiner
from grabient_assets.groups.refinement.reports import asked_events, refined_events
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import batches_of, record_reported, subjects_in, submit_runs
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import DueTarget, due_requests, due_targets
from grabient_assets.ledger.estimates import measured_tokens
from grabient_assets.ledger.money import holds
from grabient_assets.ledger.refined import refined, underway_refinements
from grabient_assets.ledger.withheld import Withheld, withheld_palettes
from grabient_assets.partitions import by_version, partition_key
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _now() -> datetime:
    return datetime.now(UTC)


def kept_back(warehouse: Warehouse, chosen: Sequence[SubjectVersion]) -> dict[SubjectVersion, Withheld]:
    """Those of the palettes that a check keeps from refinement, and why."""
    with warehouse.read() as connection:
        return {one.partition: one for one in withheld_palettes(connection, chosen)}


def report_asked(context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[SubjectVersion]) -> None:
    """Report that these palettes are asked for, and of those that a check keeps back why they wait."""
    withheld = kept_back(warehouse, chosen)
    events = []
    for partition in chosen:
        state = {"state": "asked; the sensor refinement_due sends it when the tagging is complete"}
        if partition in withheld:
            state = {"state": "kept from refinement", "why": explained(withheld[partition])}
            context.log.warning("%s: %s", partition_key(partition), state["why"])
        events.append(dg.AssetMaterialization(context.asset_key, partition=partition_key(partition), metadata=state))
    report_materializations(context, events)


def observe_plan(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    connection: Connection,
    targets: Sequence[DueTarget],
    *,
    by_url: bool,
) -> None:
    """Put what is about to be sent on the run and on the asset, before the first create call."""
    with warehouse.read() as database:
        measured = measured_tokens(database)
        planned = [
            plan_refinements(database, version, seeds, connection.answers_from, _now().date(), measured, by_url=by_url)
            for version, seeds in by_version(_due(database, connection.provider.name, targets)).items()
        ]
    metadata = plan_metadata(planned)
    context.log_event(dg.AssetObservation(context.asset_key, description="About to be sent", metadata=metadata))


def _due(connection: DuckDBPyConnection, provider: str, targets: Sequence[DueTarget]) -> list[SubjectVersion]:
    """The palettes that these targets ask about."""
    due = [request for target in targets for request in due_requests(connection, REFINEMENT, provider, target)]
    return [SubjectVersion(request.prompt_version, request.subject) for request in due]


def report_sent(context: dg.AssetExecutionContext, warehouse: Warehouse, batch_ids: Sequence[str]) -> None:
    """Report the palettes whose refinement these batches carry."""
    with warehouse.read() as connection:
        sent = underway_refinements(connection, batch_ids)
        runs = submit_runs(connection, batch_ids)
    events = []
    for partition, batch_id in sent:
        metadata: dict[str, dg.MetadataValue] = {
            "state": dg.MetadataValue.text("with the provider"),
            "batch": dg.MetadataValue.text(batch_id),
        }
        run_id = runs.get(batch_id)
        if run_id:
            metadata["sent by"] = dg.MetadataValue.dagster_run(run_id)
        events.append(dg.AssetMaterialization(context.asset_key, partition=partition_key(partition), metadata=metadata))
    report_materializations(context, events)


def report_held(context: dg.AssetExecutionContext, warehouse: Warehouse, sentences: Sequence[str]) -> None:
    """Say of the palettes whose refinement waits for money that it does."""
    for sentence in dict.fromkeys(sentences):
        context.log.warning(sentence)
    if not sentences:
        return
    name = refiner().provider
    with warehouse.read() as connection:
        waiting = {hold.key for hold in holds(connection, REFINEMENT.name, name)}
        targets = [
            one for one in due_targets(connection, REFINEMENT, name) if one.hold_key(REFINEMENT.name, name) in waiting
        ]
        due = _due(connection, name, targets)
    metadata = {
        "state": dg.MetadataValue.text("over budget"),
        "why": dg.MetadataValue.text(" ".join(sentences)[:1000]),
    }
    report_materializations(
        context,
        [dg.AssetMaterialization(context.asset_key, partition=partition_key(p), metadata=metadata) for p in due],
    )


def report_collected(context: dg.AssetExecutionContext, warehouse: Warehouse, batch_ids: Sequence[str]) -> None:
    """Report what these batches brought, also when a process that was killed has collected them, and that what they
    asked for is answered, or failed."""
    with warehouse.read() as connection:
        found = [one for one in batches_of(connection, batch_ids) if one.status == "collected"]
        chosen = subjects_in(connection, [one.batch_id for one in found])
    report_refined(context, warehouse, chosen)
    report_ended(context, warehouse, chosen)
    with warehouse.write() as connection:
        record_reported(connection, batch_ids, _now())


def report_ended(context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[SubjectVersion]) -> None:
    """Report how far what was asked for is."""
    report_materializations(context, list(asked_events(warehouse, chosen)))


def report_refined(context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[SubjectVersion]) -> None:
    """Report the refined ones among the palettes."""
    with warehouse.read() as connection:
        rows = refined(connection, chosen)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    report_materializations(context, list(refined_events(warehouse, rows, selected)))
