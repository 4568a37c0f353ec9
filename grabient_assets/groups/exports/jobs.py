"""The jobs of the exports group."""

import dagster as dg

from grabient_assets.groups.exports.assets import palette_exports

export_palettes = dg.define_asset_job(
    "export_palettes",
    selection=dg.AssetSelection.assets(palette_exports),
    description="Put the refined palettes of a prompt version into the object store. Free of charge; the sensor "
    "refinement_settled starts it.",
)
