"""The job of image chains."""

import dagster as dg

from grabient_assets.groups.images.assets import report_image_chains

report_chains = dg.define_asset_job(
    "report_chains",
    selection=dg.AssetSelection.assets(report_image_chains),
    description="Show the chains of edits as they are now. The sensor chains_grown starts it.",
)
