"""The job of the palettes group."""

import dagster as dg

from grabient_assets.groups.palettes.assets import palette_images, palettes

load_palettes = dg.define_asset_job(
    "load_palettes",
    selection=dg.AssetSelection.assets(palettes, palette_images),
    description="Store palettes and draw their pictures.",
)
