"""What must hold of edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.asking.checks import none_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASSET = "edited_images"


def _cases(connection: DuckDBPyConnection, query: str) -> tuple[int, list[str]]:
    rows = connection.execute(query).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


_LEAKS = "SELECT edit_id || ': ' || leak_final FROM edit_measures WHERE leak_final > 0 ORDER BY leak_final DESC, 1"
_SIZES = """
    SELECT e.edit_id || ': ' || i.width || 'x' || i.height || ' of ' || p.width || 'x' || p.height
    FROM edits e JOIN images i ON i.image_id = e.image_id JOIN images p ON p.image_id = e.parent_image
    WHERE (i.width, i.height) <> (p.width, p.height) ORDER BY 1
"""
_ORPHANS = """
    SELECT e.edit_id || ': ' || CASE WHEN p.image_id IS NULL THEN 'no row of its parent ' || left(e.parent_image, 12)
        WHEN r.image_id IS NULL THEN 'no row of its root ' || left(e.root_image, 12)
        WHEN e.parent_edit IS NOT NULL AND o.edit_id IS NULL THEN 'no row of its parent edit'
        ELSE 'its depth is not one more than that of its parent' END
    FROM edit_requests e LEFT JOIN images p ON p.image_id = e.parent_image
    LEFT JOIN images r ON r.image_id = e.root_image LEFT JOIN edit_requests o ON o.edit_id = e.parent_edit
    WHERE p.image_id IS NULL OR r.image_id IS NULL OR (e.parent_edit IS NOT NULL AND o.edit_id IS NULL)
       OR e.depth <> coalesce(o.depth, 0) + 1 ORDER BY 1
"""


edit_checks = (
    none_of(
        "outside_the_mask_nothing_changed",
        ASSET,
        "Beyond mask and feather band no pixel of an edited image differs from its parent.",
        lambda connection: _cases(connection, _LEAKS),
    ),
    none_of(
        "size_is_kept",
        ASSET,
        "An edited image has the width and height of its parent.",
        lambda connection: _cases(connection, _SIZES),
    ),
    none_of(
        "parents_are_there",
        ASSET,
        "Parent and root of every edit have a row, be it a tombstone, and depths count up from the root.",
        lambda connection: _cases(connection, _ORPHANS),
    ),
)
