"""What must hold of tags and consensus. Run with every collection, and by hand in the UI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.batches.checks import overdue_result, overdue_spec
from grabient_assets.warehouse import quality
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.quality import Count

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLAIMS: dict[tuple[str, str], tuple[str, Callable[[DuckDBPyConnection], Count]]] = {
    ("palette_tags", "every_request_has_one_fate"): (
        "The fates of every collected batch add up to its requests.",
        quality.unbalanced_batches,
    ),
    ("palette_tags", "requests_cost_what_their_batches_do"): (
        "What the requests of a batch cost adds up to what the batch cost, for tagging and refinement.",
        quality.batches_that_do_not_add_up,
    ),
    ("palette_tags", "every_answered_palette_has_a_usable_answer"): (
        "No palette was answered by all models with nothing usable.",
        quality.palettes_without_usable_answer,
    ),
    ("palette_tags", "every_word_is_in_its_enumeration"): (
        "Temperature, contrast, brightness and saturation hold only words of their enumeration.",
        partial(quality.words_outside, table="palette_tags", values=CATEGORICAL_VALUES),
    ),
    ("tag_consensus", "every_model_votes_once"): (
        "No consensus counts more models than answered.",
        quality.overcounted_consensus,
    ),
}

tagging_checks = [
    *(dg.AssetCheckSpec(name, asset=asset, description=claim) for (asset, name), (claim, _) in _CLAIMS.items()),
    overdue_spec("tagging"),
]


def run_checks(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Results of the checks that this run selected."""
    selected = context.selected_asset_check_keys
    if overdue_spec("tagging").key in selected:
        yield overdue_result("tagging", warehouse)
    with warehouse.read() as connection:
        counts = {
            key: count(connection)
            for key, (_, count) in _CLAIMS.items()
            if dg.AssetCheckKey(dg.AssetKey(key[0]), key[1]) in selected
        }
    for (asset, name), (number, examples) in counts.items():
        yield dg.AssetCheckResult(
            passed=number == 0,
            asset_key=asset,
            check_name=name,
            metadata={"found": number, "examples": ", ".join(examples)},
        )
