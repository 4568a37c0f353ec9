"""The job of the refinement group."""

import dagster as dg

from grabient_assets.groups.refinement.assets import refinement_batches

submit_refinement = dg.define_asset_job(
    "submit_refinement",
    selection=dg.AssetSelection.assets(refinement_batches),
    description="Ask for refinement. Started by a person it records what is wanted; the sensor refinement_due starts "
    "it to send everything that is due.",
)
