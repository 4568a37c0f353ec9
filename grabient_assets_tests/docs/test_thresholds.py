"""docs/consensus.md has every check with a threshold, and the number it has."""

from __future__ import annotations

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.settings import PROJECT_DIR
from grabient_assets.thresholds import (
    ACCURACY_FALL,
    AGREEMENT,
    ANSWERING_MODELS,
    BATCH_ENDS_WITHIN,
    MODELS_OUTSIDE,
    TAG_AGREEMENT,
    UNUSABLE_ANSWERS,
    WORDS_OUTSIDE,
)

PAGE = (PROJECT_DIR / "docs" / "consensus.md").read_text(encoding="utf-8")
ROWS = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `") and "` | `" in line}
NUMBERS = {
    "no_model_fails_too_often": [
        f"more than {100 * UNUSABLE_ANSWERS.limit:.0f} %",
        f"from {UNUSABLE_ANSWERS.cases} answers",
    ],
    "enough_models_answered_every_palette": [f"fewer than {100 * ANSWERING_MODELS.limit:.0f} %"],
    "most_models_keep_to_the_lists": [f"more than {100 * MODELS_OUTSIDE.limit:.0f} %"],
    "no_model_leaves_the_lists": [
        f"more than {100 * WORDS_OUTSIDE.limit:.0f} %",
        f"from {WORDS_OUTSIDE.cases} answers",
    ],
    "no_model_lost_accuracy": [f"more than {100 * ACCURACY_FALL.limit:.0f} points"],
    "models_agree_in_every_field": [f"{AGREEMENT.limit} (tags: {TAG_AGREEMENT.limit})", f"{AGREEMENT.cases} palettes"],
    "no_batch_is_overdue": [f"{BATCH_ENDS_WITHIN.total_seconds() / 3600:.0f} hours"],
}


@pytest.mark.parametrize("check", sorted(NUMBERS))
def test_the_page_has_its_number(check: str) -> None:
    assert [number for number in NUMBERS[check] if number not in ROWS[check]] == []


def test_the_page_names_checks_that_exist_on_the_assets_that_have_them() -> None:
    definitions = grabient()
    assert isinstance(definitions, dg.Definitions)
    keys = definitions.resolve_asset_graph().asset_check_keys
    where: dict[str, set[str]] = {}
    for key in keys:
        where.setdefault(key.name, set()).add(f"`{key.asset_key.to_user_string()}`")
    assert {check: set(row.split("|")[2].strip().split(", ")) for check, row in ROWS.items()} == {
        check: where[check] for check in ROWS
    }
    assert set(NUMBERS) <= set(ROWS)
