"""What must hold of edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.asking.checks import none_of
from grabient_assets.groups.images.checks import counted_cases

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _leaks(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    query = "SELECT edit_id || ': ' || leak_final FROM edit_measures WHERE leak_final > 0 ORDER BY leak_final DESC, 1"
    return counted_cases(connection, query)


edit_checks = (
    none_of(
        "outside_the_mask_nothing_changed",
        "edited_images",
        "Beyond mask and feather band no pixel of an edited image differs from its parent.",
        _leaks,
    ),
)
