"""The chains of images in Dagster."""

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.groups.images.chains import chains, edited_images, worn_chains
from grabient_assets.groups.markdown import table
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource

GROUP = "edits"
SHOWN = 100
EDITED = "edited images"
"""The metadata by which the sensor sees whether the chains are up to date."""

chain_checks = (
    checks.Check(
        dg.AssetCheckSpec(
            "chains_do_not_wear",
            asset="image_chains",
            description="No image at the end of several edits is much grainier than its root or far from it. Its edits "
            "should be done on the root in one.",
        ),
        worn_chains,
        dg.AssetCheckSeverity.WARN,
    ),
)


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
