"""The jobs of the chorus."""

import dagster as dg

from grabient_assets.groups.chorus.assets import artwork_batches, collect_chorus, statement_batches

submit_statements = dg.define_asset_job(
    "submit_statements",
    selection=dg.AssetSelection.assets(statement_batches),
    description="Send the artists what is asked of them. The sensor chorus_due starts it, one run for each provider.",
)
submit_artworks = dg.define_asset_job(
    "submit_artworks",
    selection=dg.AssetSelection.assets(artwork_batches),
    description="Send the brush the image prompts that came. The sensor chorus_due starts it.",
)
report_chorus = dg.define_asset_job(
    "report_chorus",
    selection=dg.AssetSelection.assets(collect_chorus),
    description="Show which runs are done, and fail under those that failed, with the reasons. The sensor "
    "chorus_settled starts it.",
)
