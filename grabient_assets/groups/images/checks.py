"""What must hold of the images of every group that makes some, of edited ones, and of their chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.checks import Check, none_of
from grabient_assets.groups.images.chains import worn_chains
from grabient_assets.groups.images.images import images_by_id, undecodable
from grabient_assets.resources.objects import open_store
from grabient_assets.settings import load_settings
from grabient_assets.thresholds import Finding

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LOOKED_AT = 200
"""So many of the newest images are decoded by a check: each takes some 50 ms."""


def decodable(name: str, asset: str, newest: str) -> Check:
    """The check that the images of an asset can be read. `newest` is a query of what each was made for and its
    image_id, the newest first."""

    def find(connection: DuckDBPyConnection) -> Finding:
        rows = connection.execute(f"{newest} LIMIT {LOOKED_AT}").fetchall()
        known = images_by_id(connection, [image_id for _, image_id in rows], removed=True)
        broken = [f"{subject}: the table images has no row of its image" for subject, one in rows if one not in known]
        kept = [image for image in known.values() if image.removed_at is None]
        broken += undecodable(open_store(load_settings()), kept) if kept else []
        return Finding(len(broken), 0, broken[:20], {"images looked at": len(kept)})

    claim = (
        f"The images of the newest {LOOKED_AT} {asset} lie in the store and decode, with the bytes that were stored."
    )
    return Check(dg.AssetCheckSpec(name, asset=asset, description=claim), find)


def counted_cases(connection: DuckDBPyConnection, query: str) -> tuple[int, list[str]]:
    """How many rows a query of sentences gives, and the first twenty."""
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
        "edited_images",
        "Beyond mask and feather band no pixel of an edited image differs from its parent.",
        lambda connection: counted_cases(connection, _LEAKS),
    ),
)
chain_checks = (
    none_of(
        "size_is_kept",
        "image_chains",
        "An edited image has the width and height of its parent.",
        lambda connection: counted_cases(connection, _SIZES),
    ),
    none_of(
        "parents_are_there",
        "image_chains",
        "Parent and root of every edit have a row, be it a tombstone, and depths count up from the root.",
        lambda connection: counted_cases(connection, _ORPHANS),
    ),
    Check(
        dg.AssetCheckSpec(
            "chains_do_not_wear",
            asset="image_chains",
            description="No image at the end of several edits is much grainier than its root or far from it. Its edits "
            "should be done on the root in one.",
        ),
        worn_chains,
        dg.AssetCheckSeverity.WARN,
    ),
)
