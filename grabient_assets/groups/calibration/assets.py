"""Calibration: how good each model is, and how many votes the panel is worth, per prompt version."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.calibration.checks import calibration_checks, run_checks
from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.calibration.reports import report_metadata
from grabient_assets.groups.tagging.wave_audit import audit_counts
from grabient_assets.partitions import prompt_versions
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource


@dg.multi_asset(
    name="model_reports",
    specs=[
        dg.AssetSpec(
            "model_reports",
            deps=["tag_consensus"],
            skippable=True,
            group_name="calibration",
            kinds={"duckdb"},
            description="How good each model is where the colours know the answer, how much the models agree, and how "
            "many independent votes the panel is worth. Measured from stored answers; asks nobody and costs nothing.",
            metadata={"dagster/table_name": "model_reports"},
        )
    ],
    check_specs=calibration_checks,
    partitions_def=prompt_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def model_reports(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database = warehouse.open(context)
    # A person may run the checks alone; such a run has no partition.
    for version in context.partition_keys if context.selected_asset_keys else ():
        report = report_on(database, version, datetime.now(UTC))
        if report is None:
            context.log.info("%s has no usable answer yet; there is nothing to measure", version)
            continue
        context.log.info("%s: %s", version, report.panel.sentence)
        with database.read() as connection:
            metadata = report_metadata(report, audit_counts(connection, version))
        context.log_event(dg.AssetMaterialization("model_reports", partition=version, metadata=metadata))
    yield from run_checks(context, database)
