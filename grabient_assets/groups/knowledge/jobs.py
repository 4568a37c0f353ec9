"""The jobs of knowledge."""

import dagster as dg

from grabient_assets.groups.knowledge.assets import (
    extraction_batches,
    knowledge_entries,
    knowledge_workflows,
)

new_workflow = dg.define_asset_job(
    "new_workflow",
    selection=dg.AssetSelection.assets(knowledge_workflows),
    description="Make a workflow of the run config. The sensors carry it to the index.",
)
submit_extraction = dg.define_asset_job(
    "submit_extraction",
    selection=dg.AssetSelection.assets(extraction_batches),
    description="Send the extractors what is asked of them. The sensor extraction_due starts it, one run for each "
    "provider.",
)
report_knowledge = dg.define_asset_job(
    "report_knowledge",
    selection=dg.AssetSelection.assets(knowledge_entries),
    description="Show which cells are read, and fail under those that failed, with the reasons. The sensor "
    "extraction_due starts it.",
)
