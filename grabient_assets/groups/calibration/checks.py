"""What a report warns of. Run with every report, and by hand in the UI.

They keep nothing back: a model that got worse, or a field in which the models do not agree, is a question about the
prompt, and no palette would be better for waiting. Judged is the newest prompt version that has a report, so that an
earlier one that is reported again hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from grabient_assets.asking.checks import check_result
from grabient_assets.groups.calibration.findings import earlier_version, in_order, lost_accuracy, low_agreement
from grabient_assets.groups.tagging.model_reports import report_of, reported_versions
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.prompting.released import load_released
from grabient_assets.settings import prompts_dir
from grabient_assets.thresholds import ACCURACY_FALL, AGREEMENT, TAG_AGREEMENT, Finding
from grabient_assets.warehouse.connection import Warehouse

LOST_ACCURACY = dg.AssetCheckSpec(
    "no_model_lost_accuracy",
    asset="model_reports",
    description=f"No model names a computed fact less often than under the last prompt version (the last released one "
    f"that has a report) by more than {100 * ACCURACY_FALL.limit:.0f} points with intervals that lie apart. "
    f"{ACCURACY_FALL.why}",
)
LOW_AGREEMENT = dg.AssetCheckSpec(
    "models_agree_in_every_field",
    asset="model_reports",
    description=f"Krippendorff's alpha is not surely below {AGREEMENT.limit} in a field with one value out of a list, "
    f"nor below {TAG_AGREEMENT.limit} in a field of tags; surely means with its whole interval, from {AGREEMENT.cases} "
    f"palettes on. {AGREEMENT.why} {TAG_AGREEMENT.why}",
)
calibration_checks = [LOST_ACCURACY, LOW_AGREEMENT]


def run_checks(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Results of the checks that this run selected."""
    findings = _findings(warehouse)
    for spec in calibration_checks:
        if spec.key in context.selected_asset_check_keys:
            yield check_result(spec, findings[spec.key], dg.AssetCheckSeverity.WARN)


def _findings(warehouse: Warehouse) -> dict[dg.AssetCheckKey, Finding]:
    with warehouse.read() as connection:
        versions = in_order(reported_versions(connection), load_prompt_versions(prompts_dir()))
        report = report_of(connection, versions[-1]) if versions else None
        earlier = earlier_version(versions[-1], versions, set(load_released(prompts_dir()))) if versions else None
        before = report_of(connection, earlier) if earlier else None
    if report is None:
        nothing = {"prompt version": "none has a report yet"}
        return {
            LOST_ACCURACY.key: Finding(0, ACCURACY_FALL.limit, notes=nothing),
            LOW_AGREEMENT.key: Finding(0, AGREEMENT.limit, notes=nothing),
        }
    return {LOST_ACCURACY.key: lost_accuracy(report, before), LOW_AGREEMENT.key: low_agreement(report)}
