"""The object store in a local folder."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from grabient_assets.errors import StoreError, StoreUnusableError
from grabient_assets.store.objects import checked_key

_LASTING = {
    errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG
}  # fmt: skip
"""What another try does not change: a person has to."""


class FolderStore:
    """Objects as files below `root`. A reader never sees half an object: files are renamed into place.

    `shared_tables`: other machines may share the tables, and their objects are not in this folder.
    """

    name = "local"

    def __init__(self, root: Path, *, shared_tables: bool = False) -> None:
        self._root = root
        self._shared_tables = shared_tables

    def put(self, key: str, data: bytes, content_type: str) -> None:
        path = self._root / checked_key(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(partial).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(partial).unlink()
                raise
        except OSError as error:
            opening = f"Object {key} cannot be written below {self._root} ({error.strerror})."
            if error.errno in _LASTING:
                raise StoreUnusableError(
                    f"{opening} {self._in_the_way(path)}, then run again: nothing of the object was stored."
                ) from error
            raise StoreError(f"{opening} Free the disk, then run again: nothing of the object was stored.") from error

    def _in_the_way(self, path: Path) -> str:
        """What a person has to do before this path can be written."""
        for folder in path.parents:
            if folder.is_file():
                return f"{folder} is a file, where a folder belongs: move it away"
            if folder == self._root:
                break
        if path.is_dir():
            return f"{path} is a folder, where the object belongs: move it away"
        return "Make the folder writable for this user"

    def get(self, key: str) -> bytes:
        path = self._root / checked_key(key)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"Object {key} is not below {self._root}. {self._way_out()}") from error
        except OSError as error:
            raise StoreError(f"Object {key} below {self._root} cannot be read ({error.strerror}).") from error

    def _way_out(self) -> str:
        if not self._shared_tables:
            return "Materialize what made it again."
        return (
            "GRABIENT_WAREHOUSE names a database, and this folder is of this machine alone: another machine that uses "
            "the database may have written the object into its own. Several machines need one bucket: copy the objects "
            "folder of each into it, and set R2_BUCKET and the other settings of R2 on all of them. If it was written "
            "here, materialize what made it again."
        )

    def exists(self, key: str) -> bool:
        return (self._root / checked_key(key)).is_file()

    def delete(self, key: str) -> None:
        path = self._root / checked_key(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Object {key} below {self._root} cannot be removed ({error.strerror}).") from error

    def uri(self, key: str) -> str:
        return (self._root / checked_key(key)).absolute().as_uri()

    def public_url(self, key: str) -> str | None:
        return None
