"""The jobs of the search group."""

import dagster as dg

from grabient_assets.groups.search.assets import palette_embeddings, palette_index, search_reports

embed_texts = dg.define_asset_job(
    "embed_texts",
    selection=dg.AssetSelection.assets(palette_embeddings),
    description="Give refined palettes the vectors of their texts. The sensor texts_waiting starts it for all that "
    "wait.",
)
sync_indexes = dg.define_asset_job(
    "sync_indexes",
    selection=dg.AssetSelection.assets(palette_index),
    description="Make the index hold exactly what it should, and a whole version live. The sensor vectors_changed "
    "starts it.",
)
measure_search = dg.define_asset_job(
    "measure_search",
    selection=dg.AssetSelection.assets(search_reports),
    description="Measure how good the live index finds. The sensor vectors_changed starts it once the index has come "
    "to rest.",
)
