"""The jobs of the calibration group."""

import dagster as dg

from grabient_assets.groups.calibration.assets import model_reports

report_models = dg.define_asset_job(
    "report_models",
    selection=dg.AssetSelection.assets(model_reports),
    description="Measure the models of a prompt version. Free of charge; the sensor consensus_settled starts it.",
)
