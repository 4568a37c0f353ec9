"""The jobs of the tagging group."""

import dagster as dg

from grabient_assets.groups.tagging.assets import tag_batches

submit_tagging = dg.define_asset_job(
    "submit_tagging",
    selection=dg.AssetSelection.assets(*tag_batches),
    description="Ask the four providers for tags. Started by a person it records what is wanted; the sensor "
    "tagging_due starts it to send everything that is wanted.",
)
