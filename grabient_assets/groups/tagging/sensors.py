"""When tags are wanted, they are sent for; when a palette's tagging is complete, its consensus is built."""

from datetime import UTC, datetime
from decimal import Decimal

import dagster as dg

from grabient_assets.groups.batches.jobs import collect_batch
from grabient_assets.groups.batches.sensors import marking_runs
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.collection import palettes_to_complete, palettes_without_answer
from grabient_assets.groups.tagging.jobs import submit_tagging
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.wave_reports import under_way_sentence
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.holding import still_held
from grabient_assets.ledger.send import closed_until
from grabient_assets.ledger.wave_states import wave_counts
from grabient_assets.partitions import partition_key, runs_or_reason
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import ABOUT_TAG, Attempt, attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

COLLECT = {"palette_tags", "tag_consensus"}


def tagging_due(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: everything wanted and not under way goes out in one run per provider."""

    @dg.sensor(
        name="tagging_due",
        job=submit_tagging,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Gathers every tagging request that is wanted and sends it, one run per provider.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        house, budget = warehouse.open_briefly(), providers.budget_usd()
        found = [_provider_due(context.instance, house, name, budget) for name in providers.usable()]
        requests = [one for one in found if isinstance(one, dg.RunRequest)]
        reasons = [one for one in found if isinstance(one, str)]
        return runs_or_reason(context, requests, [*reasons, *_waves(house)])

    return look


def _provider_due(
    instance: dg.DagsterInstance, warehouse: Warehouse, name: str, budget: Decimal | None
) -> dg.RunRequest | str:
    with warehouse.read() as connection:
        held = still_held(connection, PURPOSES, budget, datetime.now(UTC), TAGGING.name, name)
        due = [
            target
            for target in due_targets(connection, TAGGING, name)
            if target.hold_key(TAGGING.name, name) not in held
        ]
    if not due:
        return " ".join(dict.fromkeys(held.values())) or f"Nothing is due at {name}."
    wait = closed_until(name, warehouse, datetime.now(UTC))
    if wait:
        return f"{name} takes nothing before {wait:%H:%M:%S} UTC."
    role = f"submit-tagging-{name}"
    reason = busy_with(instance, role, wait_for_people=True)
    if reason:
        return reason
    going = attempt(instance, warehouse, role, [f"{t.prompt_version} {t.model} {t.digest}" for t in due])
    if isinstance(going, str):
        return going
    asset = f"{name}_tag_batches"
    return dg.RunRequest(
        run_key=going.run_key,
        partition_key=partition_key(SubjectVersion(due[0].prompt_version, due[0].subject)),
        asset_selection=[dg.AssetKey(asset)],
        tags={**going.tags, ABOUT_TAG: f"{name}: {counted(sum(t.requests for t in due), 'request')}"},
        run_config={"ops": {asset: {"config": {"send_due": True}}}},
    )


def _waves(warehouse: Warehouse) -> list[str]:
    """A sentence about palettes that are tagged adaptively and under way, if there are any."""
    with warehouse.read() as connection:
        sentence = under_way_sentence(wave_counts(connection))
    return [sentence] if sentence else []


def tagging_completed(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: consensus for palettes that became complete without a collection, and a red mark for failed ones.

    Collecting builds the consensus of what it completes. What completes otherwise (the last open provider was
    stopped, an answer was shared) is found here; and a palette on which every model failed gets a run of its own that
    fails with the reason, because Dagster shows a partition as failed only through a failed run.
    """

    @dg.sensor(
        name="tagging_completed",
        job=collect_batch,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Builds the consensus of palettes whose last answer is in, and marks those without any usable one.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        reason = busy_with(context.instance, "collect")
        if reason:
            return dg.SkipReason(reason)
        house, usable = warehouse.open_briefly(), providers.usable()
        waiting = [partition_key(palette) for palette in palettes_to_complete(house, usable)]
        going: Attempt | str = "No palette waits for its consensus."
        if waiting:
            going = attempt(context.instance, house, "complete-tagging", waiting)
        failed = {one.partition: str(one.failures) for one in palettes_without_answer(house, usable)}
        requests = marking_runs(context.instance, house, TAGGING.name, ["palette_tags"], failed)
        if isinstance(going, Attempt):
            requests.append(_completing(waiting[0], going))
        return runs_or_reason(context, requests, [str(going), *_waves(house)] if isinstance(going, str) else ())

    return look


def _completing(anchor: str, going: Attempt) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=going.run_key,
        partition_key=anchor,
        asset_selection=[dg.AssetKey(asset) for asset in sorted(COLLECT)],
        tags=going.tags,
        run_config={"ops": {"collect_tagging": {"config": {"all_due": True}}}},
    )
