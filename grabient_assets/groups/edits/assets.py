"""Edits in Dagster: what is asked of editors, and what came of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from grabient_assets import interrupts
from grabient_assets.asking import checks
from grabient_assets.asking.assets import NAMED_AT_MOST, fail_for, send_purpose
from grabient_assets.errors import GrabientError
from grabient_assets.groups.edits.asking import retry_edit
from grabient_assets.groups.edits.cancelling import cancel_edit
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.edits.tables import Edit, EditMeasures, edits_of, rows_by_edit
from grabient_assets.groups.images.checks import edit_checks
from grabient_assets.groups.images.images import contents_of, images_by_id
from grabient_assets.groups.markdown import inline_image
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.send import Sent
from grabient_assets.partitions import edits, unreported
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse

GROUP = "edits"
THUMBNAIL = 128
"""The longest side of a picture in an event, in pixels: some 3 KB."""


class SendConfig(dg.Config):
    """What a run of edit_requests sends."""

    due: bool = False
    """Set by the sensor: send what is due of this partition. Without it, what failed or was cancelled of the partitions
    of this run is asked again first."""
    batches_at: str = ""
    """Set by the sensor: send every edit of this provider that is due in a batch."""


class ReportConfig(dg.Config):
    """What a run of edited_images reports."""

    settled: bool = False
    """Set by the sensor: every edit that is done and not reported yet, instead of the partitions of this run."""


@dg.asset(
    partitions_def=edits,
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Edits that are asked for. Materializing sends them; one that failed or was cancelled is asked again. "
    "Terminating the run cancels the edit. The sensor edits_due starts a run for each edit.",
    metadata={"dagster/table_name": "edit_requests"},
)
def edit_requests(
    context: dg.AssetExecutionContext,
    config: SendConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
) -> dg.MaterializeResult:
    database, chosen = warehouse.open(context), list(context.partition_keys)
    with database.read() as connection:
        found = edits_of(connection, chosen)
    if not config.due and not config.batches_at:
        _ask_again(context, database, found, providers.answers_from())
    # By provider, the edits to send there; None: all that are due there in a batch.
    sending = {config.batches_at: None} if config.batches_at else dict.fromkeys((one.provider for one in found), chosen)
    seconds, sent = float(load_settings().edit_timeout_seconds), Sent()
    try:
        for provider, among in sending.items():
            how = {"among": among, "call_seconds": seconds, "delivery": None if among else "batch"}
            sent += send_purpose(context, EDIT, PURPOSES, provider, database, objects, providers, **how)
    except (dg.DagsterExecutionInterruptedError, interrupts.Interrupted):
        _cancel_if_terminated(context, database, chosen)
        raise
    fail_for([] if all(edit.settled for edit in found) else sent.complaints)
    batches = [one.batch.batch_id for one in sent.batches]
    return dg.MaterializeResult(metadata={"batches": dg.MetadataValue.json(batches), "editor": found[0].model})


def _ask_again(
    context: dg.AssetExecutionContext, database: Warehouse, found: Sequence[Edit], answers_from: str
) -> None:
    again = [edit for edit in found if edit.settled and edit.status != "done"]
    try:
        with database.write() as connection:
            for edit in again:
                retry_edit(connection, edit, answers_from, ledger_time(connection, datetime.now(UTC)))
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info("%s of %s edits asked again", len(again), len(found))


def _cancel_if_terminated(context: dg.AssetExecutionContext, database: Warehouse, chosen: Sequence[str]) -> None:
    """Cancel the edits of this run when a person terminated it; a machine that goes down cancels nothing."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
        return
    with interrupts.finishing():
        for edit_id in chosen:
            cancel_edit(database, edit_id, datetime.now(UTC), context.run_id)


@dg.multi_asset(
    name="collect_edits",
    specs=[
        dg.AssetSpec(
            "edited_images",
            deps=[edit_requests],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb", "png"},
            description="What editors made, stitched into the parent so that nothing beyond the mask differs.",
            metadata={"dagster/table_name": "edited_images"},
        )
    ],
    check_specs=[check.spec for check in edit_checks],
    partitions_def=edits,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_edits(
    context: dg.AssetExecutionContext, config: ReportConfig, warehouse: WarehouseResource, objects: ObjectsResource
):
    database = warehouse.open(context)
    failed: list[Edit] = []
    if context.selected_asset_keys:
        chosen = None if config.settled else context.partition_keys
        with database.read() as connection:
            found = edits_of(connection, chosen)
            ids = [edit.edit_id for edit in found if edit.status == "done"]
            fresh = set(unreported(context.instance, "edited_images", ids) if config.settled else ids)
            done = [edit for edit in found if edit.edit_id in fresh]
            measures = rows_by_edit(connection, EditMeasures, [edit.edit_id for edit in done])
            wanted = {image for edit in done for image in (edit.parent_image, edit.image_id) if image}
            images = images_by_id(connection, wanted)
        report_materializations(context, list(_events(done, measures, contents_of(objects.open(), images))))
        failed = [] if config.settled else [edit for edit in found if edit.settled and edit.status != "done"]
    yield from checks.results(edit_checks, database, context.selected_asset_check_keys)
    if failed:
        reasons = (f"{edit.edit_id} {edit.status}: {(edit.error or '').rstrip('.')}" for edit in failed[:NAMED_AT_MOST])
        raise dg.Failure(f"{'; '.join(reasons)}. Ask again with `grabient edits retry`.", allow_retries=False)


def _events(
    done: Sequence[Edit], measures: dict[str, EditMeasures], contents: dict[str, bytes]
) -> Iterator[dg.AssetMaterialization]:
    """A small picture before and after, and the measures."""
    for edit in done:
        shown: dict[str, dg.MetadataValue[Any]] = {
            name: dg.MetadataValue.md(inline_image(contents[image], name, THUMBNAIL))
            for name, image in (("before", edit.parent_image), ("after", edit.image_id))
            if image in contents
        }
        own = measures.get(edit.edit_id)
        for name in ("leak_raw", "leak_final", "inside_change", "seam", "noise", "drift"):
            value = None if own is None else getattr(own, name)
            if value is not None:
                shown[name] = dg.MetadataValue.float(value)
        shown |= {"label": dg.MetadataValue.text(f"{edit.label}, depth {edit.depth}"),
                  "edit": dg.MetadataValue.text(edit.summary),
                  "cost, USD": dg.MetadataValue.float(float(edit.cost_usd))}  # fmt: skip
        yield dg.AssetMaterialization("edited_images", partition=edit.edit_id, metadata=shown)
