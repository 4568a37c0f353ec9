"""The chains of images in Dagster."""

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.groups.images.chains import chains, edited_images
from grabient_assets.groups.images.checks import chain_checks
from grabient_assets.groups.markdown import table
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource

GROUP = "edits"
SHOWN = 100
EDITED = "edited images"
"""The metadata by which the sensor sees whether the chains are up to date."""


@dg.multi_asset(
    name="report_image_chains",
    specs=[
        dg.AssetSpec(
            "image_chains",
            deps=["edited_images"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="Every chain of edits: roots, what was made of them, and the dollars on the way.",
            metadata={"dagster/table_name": "image_chains"},
        )
    ],
    check_specs=[check.spec for check in chain_checks],
    hooks={show_reason},
    can_subset=True,
)
def report_image_chains(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database = warehouse.open(context)
    if context.selected_asset_keys:
        with database.read() as connection:
            found, edited = chains(connection), edited_images(connection)
        rows = [(one.root_image[:12], *map(str, (one.images, one.depth, one.removed, one.usd))) for one in found]
        yield dg.MaterializeResult(
            "image_chains",
            metadata={
                "chains": len(found),
                EDITED: edited,
                "roots": dg.MetadataValue.md(table(("root", "images", "depth", "removed", "USD"), rows[:SHOWN])),
            },
        )
    yield from checks.results(chain_checks, database, context.selected_asset_check_keys)
