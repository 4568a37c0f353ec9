"""When the tagging of palettes is complete, they go to the refiner."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import dagster as dg

from grabient_assets.groups.batches.jobs import COLLECTED_BY_PURPOSE, collect_batch
from grabient_assets.groups.batches.sensors import marking_runs
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.jobs import submit_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refiner import refiner
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.due import due_requests, due_targets
from grabient_assets.ledger.holding import still_held
from grabient_assets.ledger.refined import chained_refinements, refinement_failures
from grabient_assets.ledger.send import closed_until
from grabient_assets.ledger.tagging_ends import complete_tagging
from grabient_assets.partitions import partition_key, runs_or_reason
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import ABOUT_TAG, attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

ROLE = "submit-refinement"


def refinement_due(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: palettes whose tagging is complete go to the refiner, all that are due in one run."""

    @dg.sensor(
        name="refinement_due",
        job=submit_refinement,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Sends every palette to the refiner whose consensus stands and whose refinement is wanted.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        house, name = warehouse.open_briefly(), refiner().provider
        due, held = _due(house, providers.usable(), name, providers.budget_usd())
        if not due:
            return dg.SkipReason(" ".join(held) or "No palette waits for its refinement.")
        if name not in providers.usable():
            return dg.SkipReason(f"Refinement of {counted(len(due), 'palette')} waits. {providers.why_not(name)}")
        wait = closed_until(name, house, datetime.now(UTC))
        reason = f"{name} takes nothing before {wait:%H:%M:%S} UTC." if wait else None
        reason = reason or _busy(context.instance)
        if reason:
            return dg.SkipReason(reason)
        going = attempt(context.instance, house, ROLE, [partition_key(p) for p in due])
        if isinstance(going, str):
            return dg.SkipReason(going)
        request = dg.RunRequest(
            run_key=going.run_key,
            partition_key=partition_key(due[0]),
            tags={**going.tags, ABOUT_TAG: f"{name}: {counted(len(due), 'palette')}"},
            run_config={"ops": {"refinement_batches": {"config": {"send_due": True}}}},
        )
        return runs_or_reason(context, [request], ())

    return look


def _due(
    warehouse: Warehouse, providers: Sequence[str], name: str, budget: Decimal | None
) -> tuple[list[SubjectVersion], Sequence[str]]:
    """The palettes to refine now, and the sentences about those for which there is no money."""
    with warehouse.read() as connection:
        held = still_held(connection, PURPOSES, budget, datetime.now(UTC), REFINEMENT.name, name)
        tagged = [t.partition for t in complete_tagging(connection, providers) if t.answers]
        chained = chained_refinements(connection, tagged)
        asked = [
            SubjectVersion(request.prompt_version, request.subject)
            for target in due_targets(connection, REFINEMENT, name)
            if target.hold_key(REFINEMENT.name, name) not in held
            for request in due_requests(connection, REFINEMENT, name, target)
        ]
    return list(dict.fromkeys([*asked, *chained])), tuple(dict.fromkeys(held.values()))


def _busy(instance: dg.DagsterInstance) -> str | None:
    """Palettes complete one after the other; those that are being collected should go out with the rest."""
    return busy_with(instance, ROLE, wait_for_people=True) or busy_with(instance, "collect")


def refinement_failed(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a red mark for palettes whose refinement failed, as `tagging_completed` makes for their tagging."""

    @dg.sensor(
        name="refinement_failed",
        job=collect_batch,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Marks palettes whose refinement has failed, by a run that fails with the reasons.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        house = warehouse.open_briefly()
        with house.read() as connection:
            failed = {one.partition: one.since.isoformat() for one in refinement_failures(connection)}
        assets = COLLECTED_BY_PURPOSE[REFINEMENT.name]
        requests = marking_runs(context.instance, house, REFINEMENT.name, assets, failed)
        return runs_or_reason(context, requests, ["No refinement has failed that is not marked."])

    return look
