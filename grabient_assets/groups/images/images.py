"""The table images: every image once, by the SHA-256 of its bytes. The bytes lie in the object store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError, RemovedImageError, StoreError, UsageError
from grabient_assets.imaging.picture import Picture
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK_PREFIX = "grabient:"
"""Every PNG that is made here carries text chunks of these names: run, prompt_digest, model, custom_id."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One row of `images`. `made_by` is artwork, edit or upload, `subject` what it was made for."""

    image_id: str
    object_key: str
    media_type: str
    bytes: int
    width: int
    height: int
    made_by: str
    subject: str
    created_at: datetime
    batch_id: str | None = None
    custom_id: str | None = None
    removed_at: datetime | None = None


def stored(
    picture: Picture,
    made_by: str,
    subject: str,
    now: datetime,
    batch_id: str | None = None,
    custom_id: str | None = None,
) -> StoredImage:
    """The row of a picture, with the request that made it."""
    return StoredImage(
        picture.image_id,
        f"images/{picture.image_id}.{picture.extension}",
        picture.media_type,
        picture.size,
        picture.width,
        picture.height,
        made_by,
        subject,
        now,
        batch_id,
        custom_id,
    )


def put_images(store: ObjectStore, contents: Mapping[StoredImage, bytes]) -> None:
    """Write the bytes of images into the store. The same bytes have the same key, so one that is there stays."""
    for image, content in contents.items():
        if not store.exists(image.object_key):
            store.put(image.object_key, content, image.media_type)


def record_images(connection: DuckDBPyConnection, images: Sequence[StoredImage]) -> None:
    """Insert rows. An image that is known keeps its row, and is no longer removed."""
    insert_rows(connection, "images", images, "ON CONFLICT DO UPDATE SET removed_at = NULL")


def images_by_id(
    connection: DuckDBPyConnection, image_ids: Collection[str], *, removed: bool = False
) -> dict[str, StoredImage]:
    """Those of the images that were not removed, or all."""
    columns = ", ".join(StoredImage.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM images WHERE ($2 OR removed_at IS NULL) AND list_contains($1::VARCHAR[], image_id)",
        [list(image_ids), removed],
    ).fetchall()
    return {row[0]: StoredImage(*row) for row in rows}


def named_image(connection: DuckDBPyConnection, name: str, *, removed: bool = False) -> StoredImage:
    """The image with this id, or the one that was made for this run or edit, or a unique beginning of either; `latest`
    is the newest. Raises UsageError, and unless `removed` images are meant too, RemovedImageError for one that was
    removed."""
    columns = ", ".join(StoredImage.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM images WHERE ($1 = 'latest' AND removed_at IS NULL) "
        "OR ($1 <> '' AND (starts_with(image_id, $1) OR starts_with(subject, $1))) "
        "ORDER BY subject = $1 DESC, image_id = $1 DESC, created_at DESC, image_id LIMIT 2",
        [name],
    ).fetchall()
    found = [StoredImage(*row) for row in rows]
    if not found:
        raise UsageError(f"There is no image {name!r}. `grabient images list` names them.")
    if len(found) > 1 and name not in (found[0].image_id, found[0].subject, "latest"):
        raise UsageError(f"{name!r} is the beginning of several images; write more of it.")
    if found[0].removed_at is not None and not removed:
        raise RemovedImageError(
            f"Image {found[0].image_id[:12]} was removed at {found[0].removed_at:%Y-%m-%d %H:%M} UTC; its bytes are "
            "gone. Add it again: grabient images add FILE."
        )
    return found[0]


MOST_BYTES = 50_000_000
"""The largest file that is taken: OpenAI takes images below 50 MB, and no other editor takes more."""


def check_file_size(size: int, name: str) -> None:
    """Raise ImageError for a file that is too large."""
    if size > MOST_BYTES:
        raise ImageError(
            f"{name} has {size:,} bytes; at most {MOST_BYTES:,} are taken. Make it smaller, or save it as JPEG."
        )


def uploaded_image(content: bytes, name: str, now: datetime) -> StoredImage:
    """The row of a file of a person. Nothing is written. Raises ImageError."""
    from grabient_assets.imaging.picture import read_picture

    check_file_size(len(content), name)
    return stored(read_picture(content), "upload", name, now)


def added_image(content: bytes, name: str, store: ObjectStore, now: datetime) -> StoredImage:
    """A file of a person, put into the store; its row is to be recorded. Raises ImageError."""
    image = uploaded_image(content, name, now)
    put_images(store, {image: content})
    return image


def remove_images(connection: DuckDBPyConnection, image_ids: Sequence[str], now: datetime) -> list[StoredImage]:
    """Make tombstones of these images; returns those whose bytes are then to be deleted (`delete_contents`)."""
    found = images_by_id(connection, image_ids)
    connection.execute(
        "UPDATE images SET removed_at = $1 WHERE removed_at IS NULL AND list_contains($2::VARCHAR[], image_id)",
        [now, list(image_ids)],
    )
    return list(found.values())


def delete_contents(store: ObjectStore, images: Sequence[StoredImage]) -> None:
    """Delete the bytes of removed images."""
    for image in images:
        store.delete(image.object_key)


def listed_images(connection: DuckDBPyConnection, limit: int) -> list[StoredImage]:
    """The newest images that were not removed."""
    columns = ", ".join(StoredImage.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM images WHERE removed_at IS NULL ORDER BY created_at DESC, image_id LIMIT $1", [limit]
    ).fetchall()
    return [StoredImage(*row) for row in rows]


def contents_of(store: ObjectStore, images: Mapping[str, StoredImage]) -> dict[str, bytes]:
    """The bytes by image_id; an image that is gone from the store is left out."""
    found: dict[str, bytes] = {}
    for image_id, image in images.items():
        try:
            found[image_id] = store.get(image.object_key)
        except StoreError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class StoredContents:
    """The bytes of these images, and of other objects of the store. Raises StoreError."""

    store: ObjectStore
    images: Mapping[str, StoredImage]

    def image(self, image_id: str) -> bytes:
        """Raises RemovedImageError for an image that is not among them."""
        if image_id not in self.images:
            raise RemovedImageError(f"Image {image_id[:12]} was removed, so nothing can be made of it.")
        return self.object(self.images[image_id].object_key)

    def object(self, key: str) -> bytes:
        return self.store.get(key)


def undecodable(store: ObjectStore, images: Sequence[StoredImage]) -> list[str]:
    """A sentence for each image that cannot be read from the store, is no picture, or has other bytes than its id."""
    from grabient_assets.imaging.picture import read_picture

    found: list[str] = []
    for image in images:
        try:
            if read_picture(store.get(image.object_key)).image_id != image.image_id:
                found.append(f"{image.subject}: {image.object_key} holds other bytes than were stored")
        except (ImageError, StoreError) as error:
            found.append(f"{image.subject}: {error}")
    return found
