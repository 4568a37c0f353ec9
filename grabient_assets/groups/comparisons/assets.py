"""The artists of a chorus side by side, and what their differences are worth."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.assets import fail_for
from grabient_assets.groups.chorus.runs import counts_of, runs_of
from grabient_assets.groups.chorus.tables import named_group
from grabient_assets.groups.comparisons.artists import compare_artists
from grabient_assets.groups.comparisons.documents import group_sheet
from grabient_assets.groups.comparisons.signals import keep_signals
from grabient_assets.groups.images.images import contents_of, images_by_id
from grabient_assets.groups.markdown import inline_image
from grabient_assets.partitions import chorus_groups
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource

GROUP = "comparisons"
SHEET_CELL = 160
"""Pixels of a cell of the contact sheet in Dagster, where every event is stored for ever."""


@dg.asset(
    partitions_def=chorus_groups,
    deps=["artworks"],
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The images of a group side by side, and the signals of each: numbers from pixels and text, without "
    "any model.",
    metadata={"dagster/table_name": "artwork_signals"},
)
def chorus_comparisons(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, objects: ObjectsResource
) -> dg.MaterializeResult:
    database, store, chosen = warehouse.open(context), objects.open(), list(context.partition_keys)
    unreadable = keep_signals(database, store, chosen)
    fail_for(unreadable)
    with database.read() as connection:
        group, runs = named_group(connection, chosen[-1]), runs_of(connection, chosen)
        images = images_by_id(connection, [run.image_id for run in runs if run.image_id])
    own = [run for run in runs if run.group_id == group.group_id]
    sheet = group_sheet(group, own, contents_of(store, images), SHEET_CELL)
    return dg.MaterializeResult(
        metadata={
            "contact sheet": dg.MetadataValue.md(inline_image(sheet, f"The works of {group.group_id}")),
            **{status: dg.MetadataValue.int(count) for status, count in counts_of(runs).items()},
            "cost, USD": dg.MetadataValue.float(float(sum(run.cost_usd for run in runs))),
        }
    )


@dg.asset(
    deps=[chorus_comparisons],
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    description="What is typical of each artist under one prompt and brush, which pairs differ by more than chance, "
    "and how they are rated in blind votes. Where there are too few works, that is the answer.",
    metadata={"dagster/table_name": "artist_fingerprints"},
)
def artist_fingerprints(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    compared = compare_artists(warehouse.open(context), datetime.now(UTC))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": dg.MetadataValue.int(compared.fingerprints),
            "pairs that differ": dg.MetadataValue.int(compared.different),
            "pairs with too few works": dg.MetadataValue.int(compared.undecided),
            "ratings": dg.MetadataValue.md(compared.markdown),
        }
    )
