"""The job of the comparisons."""

import dagster as dg

from grabient_assets.groups.comparisons.assets import artist_fingerprints, chorus_comparisons

compare_artists = dg.define_asset_job(
    "compare_artists",
    selection=dg.AssetSelection.assets(chorus_comparisons, artist_fingerprints),
    description="Measure the works of a group, and compare the artists. The sensor chorus_settled starts it once a "
    "group has come to rest, and after votes.",
)
