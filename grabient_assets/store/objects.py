"""The object store contract: immutable-by-convention blobs under slash-separated keys."""

from __future__ import annotations

import re
from typing import Protocol

from grabient_assets.errors import StoreError

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class ObjectStore(Protocol):
    """Where pictures and raw batch files lie. Both twins raise StoreError with the key and the way out."""

    @property
    def name(self) -> str:
        """What `palette_images.store` records: `local`, or `s3:<bucket>`."""
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

    def uri(self, key: str) -> str:
        """Where the object lies, for people and programs that may read the store: `file:///...` or `s3://...`."""
        ...

    def public_url(self, key: str) -> str | None:
        """The address under which anybody can fetch the object; None where there is none."""
        ...


def checked_key(key: str) -> str:
    """The key, if it is safe as an S3 key and as a path below a folder."""
    if not _KEY.fullmatch(key) or len(key) > 512:
        raise StoreError(f"Object key {key!r} is not allowed: use letters, digits, `_`, `-`, `.` between slashes.")
    return key
