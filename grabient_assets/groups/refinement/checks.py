"""What must hold of refined tags. Run with every collection, and by hand in the UI."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups import quality
from grabient_assets.groups.batches.checks import overdue_result, overdue_spec
from grabient_assets.groups.checks import check_result
from grabient_assets.groups.finding import Finding
from grabient_assets.warehouse.connection import Warehouse

WITHIN_LIMITS = "every_refinement_is_within_its_limits"
IN_ENUMERATION = "every_refined_word_is_in_its_enumeration"
ANSWERED = "every_refinement_has_a_usable_answer"
ADDS_UP = "requests_cost_what_their_batches_do"

refinement_checks = [
    dg.AssetCheckSpec(
        WITHIN_LIMITS,
        asset="refined_tags",
        description="Mood and style 2-5, dominant colours 1-4, seasons 0-2, associations 5-10, embed_text 30-50 words.",
    ),
    dg.AssetCheckSpec(
        IN_ENUMERATION,
        asset="refined_tags",
        description="Temperature, contrast, brightness and saturation hold only words of their enumeration.",
    ),
    dg.AssetCheckSpec(
        ANSWERED,
        asset="refined_tags",
        description="No refinement that was asked for has failed: unusable answer, or nothing could be asked. "
        "`grabient retry` asks for it again.",
    ),
    dg.AssetCheckSpec(
        ADDS_UP,
        asset="refined_tags",
        description="What the requests of a refinement batch cost adds up to what the batch cost.",
    ),
    overdue_spec("refinement"),
]


def run_checks(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Results of the checks that this run selected."""
    with warehouse.read() as connection:
        counts = {
            ANSWERED: quality.refinements_without_usable_answer(connection),
            ADDS_UP: quality.batches_that_do_not_add_up(connection, "refinement"),
            WITHIN_LIMITS: quality.refinements_outside_limits(connection),
            IN_ENUMERATION: quality.words_outside(connection, "palette_tag_refined", CATEGORICAL_VALUES),
        }
    selected = context.selected_asset_check_keys
    if overdue_spec("refinement").key in selected:
        yield overdue_result("refinement", warehouse)
    for spec in refinement_checks:
        if spec.key in selected and spec.name in counts:
            number, examples = counts[spec.name]
            yield check_result(spec, Finding(number, examples=examples), between=", ")
