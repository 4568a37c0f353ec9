"""What must hold of palettes and pictures."""

import dagster as dg

from grabient_assets.groups.palettes.assets import palette_images
from grabient_assets.groups.palettes.tables import palettes_without_image
from grabient_assets.ledger.asks import asked_subjects
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.wording import counted


@dg.asset_check(
    asset=palette_images, description="Every palette that was drawn, or that a model was asked about, has a picture."
)
def every_palette_has_an_image(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    with warehouse.open(context).read() as connection:
        without, asked = palettes_without_image(connection), asked_subjects(connection)
    drawn = context.instance.get_materialized_partitions(palette_images.key)
    missing = [seed for seed in without if seed in drawn or seed in asked]
    return dg.AssetCheckResult(
        passed=not missing,
        metadata={"missing": len(missing), "seeds": ", ".join(missing[:20])},
        description=f"{counted(len(missing), 'palette')} without a picture: materialize palette_images."
        if missing
        else None,
    )
