"""Replaying a chain of edits on another image in one edit, so that its grain does not add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.groups.edits.asking import MOST_CHARACTERS, EditRefusedError, Wish
from grabient_assets.groups.edits.tables import edits_of, named_edit
from grabient_assets.groups.images.chains import chain_images
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.store.objects import ObjectStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def replay_wish(connection: DuckDBPyConnection, store: ObjectStore, name: str, onto: str) -> Wish:
    """One edit that does on the image `onto` what the chain up to this edit did, in one hop: the wishes of all its
    edits in order, their regions together. Of several references the last one is used. Raises EditRefusedError for
    more words than are taken, UsageError for a name of no edit."""
    import numpy as np

    from grabient_assets.imaging.mask import Mask, read_mask

    last = named_edit(connection, name)
    images = chain_images(connection, last.parent_image)
    path = next(one.path for one in images if one.image_id == last.parent_image)
    earlier = [one.edit_id for one in images if one.image_id in path and one.edit_id is not None]
    chain = edits_of(connection, [*earlier, last.edit_id])
    words = [str(one.prompt if one.kind == "prompt" else one.instructions) for one in chain]
    listed = words[0] if len(words) == 1 else "\n".join(f"{number}. {text}" for number, text in enumerate(words, 1))
    if len(listed) > MOST_CHARACTERS:
        raise EditRefusedError(
            "too_large", f"The chain up to {last.edit_id} says more than {MOST_CHARACTERS:,} characters."
        )
    parents = images_by_id(connection, [one.parent_image for one in chain], removed=True)
    sizes = [(parents[one.parent_image].width, parents[one.parent_image].height) for one in chain]
    masks = [read_mask(store.get(one.mask_key), *size) for one, size in zip(chain, sizes, strict=True) if one.mask_key]
    together = np.logical_or.reduce([mask.flags for mask in masks]) if len(masks) == len(chain) else None
    return Wish(
        image=onto,
        kind=chain[0].kind if len({one.kind for one in chain}) == 1 else "prompt",
        prompt=listed,
        instructions=listed,
        mask=None if together is None else Mask(together).png(),
        reference=next((one.reference_image for one in reversed(chain) if one.reference_image), None),
        editor=last.model,
        quality=last.quality,
        creativity=max(one.creativity for one in chain),
        strict_size=last.size_policy == "strict",
        delivery=last.delivery,
        replay_of=last.edit_id,
    )
