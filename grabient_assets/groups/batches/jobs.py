"""Jobs about batches, whatever their purpose."""

import dagster as dg

COLLECTED_BY_PURPOSE = {
    "tagging": ("palette_tags", "tag_consensus"),
    "refinement": ("refined_tags", "embed_text"),
}
"""The assets into which the answers of a batch go. Groups meet through asset keys, so these are names."""

collect_batch = dg.define_asset_job(
    "collect_batch",
    selection=dg.AssetSelection.assets(*(asset for assets in COLLECTED_BY_PURPOSE.values() for asset in assets)),
    description="Fetch and store the answers of batches that have ended. The sensor batches_ended starts it.",
)
