"""The object store contract: immutable-by-convention blobs under slash-separated keys."""

from __future__ import annotations

import re
from typing import Protocol

from grabient_assets.errors import StoreError, StoreUnusableError

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class ObjectStore(Protocol):
    """Where pictures and raw batch files lie. Both twins raise StoreError with the key and the way out."""

    @property
    def name(self) -> str:
        """What tables record of it: `local`, or `s3:<bucket>`."""
        ...

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write the whole object or nothing."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object."""
        ...

    def exists(self, key: str) -> bool:
        """Whether an object lies under the key."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        ...

    def uri(self, key: str) -> str:
        """Where the object lies, for people and programs that may read the store: `file:///...` or `s3://...`."""
        ...

    def public_url(self, key: str) -> str | None:
        """The address under which anybody can fetch the object; None where there is none."""
        ...


CHECK_KEYS = ("palettes/store-check.txt", "batches/store-check.txt", "exports/store-check.txt")
"""One below each prefix that a run writes to: a store may take objects below one and refuse them below another."""
_CHECK = b"grabient writes and reads this object to see whether the store works, before it sends anything.\n"


def check_store(store: ObjectStore) -> None:
    """Raise StoreError unless objects can be written and read again: without the store no request may be sent."""
    for key in CHECK_KEYS:
        store.put(key, _CHECK, "text/plain")
        if store.get(key) != _CHECK:
            raise StoreUnusableError(
                f"The object store {store.name} answers with other bytes than were written to {key}. A cache stands "
                "between: let R2_ENDPOINT name the store itself."
            )


def checked_key(key: str) -> str:
    """The key, if it is safe as an S3 key and as a path below a folder."""
    if not _KEY.fullmatch(key) or len(key) > 512:
        raise StoreError(f"Object key {key!r} is not allowed: use letters, digits, `_`, `-`, `.` between slashes.")
    return key
