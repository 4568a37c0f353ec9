"""Calibration: how good each model is, and how many votes the panel is worth, per prompt version."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.calibration.reporting import report_on
from grabient_assets.groups.calibration.reports import report_metadata
from grabient_assets.partitions import prompt_versions
from grabient_assets.resources.warehouse import WarehouseResource


@dg.asset(
    name="model_reports",
    partitions_def=prompt_versions,
    group_name="calibration",
    kinds={"duckdb"},
    deps=["tag_consensus"],
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="How good each model is where the colours know the answer, how much the models agree, and how many "
    "independent votes the panel is worth. Measured from stored answers; asks nobody and costs nothing.",
    metadata={"dagster/table_name": "model_reports"},
)
def model_reports(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    house = warehouse.open(context)
    for version in context.partition_keys:
        report = report_on(house, version, datetime.now(UTC))
        if report is None:
            context.log.info("%s has no usable answer yet; there is nothing to measure", version)
            continue
        context.log.info("%s: %s", version, report.panel.sentence)
        context.log_event(dg.AssetMaterialization("model_reports", partition=version, metadata=report_metadata(report)))
    yield from ()
