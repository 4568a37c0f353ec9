"""What must hold of the images of every group that makes some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.checks import Check
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
