"""Removing an image: its bytes go, its row stays as a tombstone, and with it what is known of its edits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import UsageError
from grabient_assets.groups.images.chains import chain_images, made_from
from grabient_assets.groups.images.images import delete_contents, images_by_id, named_image, remove_images
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Doomed:
    """An image that a removal takes away. `label` is its place in the chain, `v1` for the root; None without edits."""

    image_id: str
    label: str | None
    edit_id: str | None
    subject: str


def doomed_images(connection: DuckDBPyConnection, name: str, *, cascade: bool) -> list[Doomed]:
    """The image of this name; with `cascade` also what was made from it and still has its bytes, the nearest first.
    Raises UsageError, and RemovedImageError for one that was removed; with `cascade` that may be a tombstone with
    images below it."""
    image = named_image(connection, name, removed=cascade)
    chain = {one.image_id: one for one in chain_images(connection, image.image_id)}
    below = made_from(connection, image.image_id) if cascade else []
    wanted = [image.image_id, *(one.image_id for one in below)]
    kept = images_by_id(connection, wanted)
    found = [
        Doomed(one, chain[one].label if one in chain else None, chain[one].edit_id if one in chain else None,
               kept[one].subject)
        for one in wanted if one in kept
    ]  # fmt: skip
    if not found:
        raise UsageError(f"Image {image.image_id[:12]} and all that was made from it were removed already.")
    return found


def remove(warehouse: Warehouse, store: ObjectStore, doomed: list[Doomed], now: datetime) -> None:
    """Make tombstones of these images and delete their bytes. Raises UsageError, and removes nothing, when an edit that
    is under way needs one of them."""
    ids = [one.image_id for one in doomed]
    with warehouse.write() as connection:
        needing = connection.execute(
            "SELECT edit_id, label, status, parent_image FROM edits WHERE status IN ('requested', 'sent') "
            "AND (list_contains($1, parent_image) OR list_contains($1, reference_image)) "
            "ORDER BY requested_at, edit_id",
            [ids],
        ).fetchall()
        if needing:
            edit_id, label, status, parent = needing[0]
            part = "parent" if parent in ids else "reference"
            more = f", and {len(needing) - 1} more" if len(needing) > 1 else ""
            raise UsageError(
                f"Edit {edit_id} ({label}) is {status} and needs the image as its {part}{more}. Nothing was removed. "
                f"Cancel it first: grabient edits cancel {edit_id}"
            )
        removed = remove_images(connection, ids, ledger_time(connection, now))
    delete_contents(store, removed)
