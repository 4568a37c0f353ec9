"""The lock that marks a create call under way in some process of this machine.

Uploading a large file takes minutes, longer than the settling time of an absent batch. No process may conclude
meanwhile that the batch never arrived. The lock ends with the process that holds it, whatever ends it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grabient_assets.errors import WarehouseError
from grabient_assets.warehouse.connection import Warehouse


@contextmanager
def sending(warehouse: Warehouse, batch_id: str) -> Iterator[None]:
    """Hold the lock "this batch is being sent". Raises WarehouseError when it cannot be written."""
    path = _path(warehouse, batch_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("w")
    except OSError as error:
        raise WarehouseError(
            f"{path} cannot be written ({error.strerror}). Nothing was sent. Free space on the disk or make the folder "
            "writable, then run again."
        ) from error
    with opened as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_being_sent(warehouse: Warehouse, batch_id: str) -> bool:
    """Whether a live process is sending it. The lock file of a dead one is removed."""
    path = _path(warehouse, batch_id)
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _path(warehouse: Warehouse, batch_id: str) -> Path:
    return warehouse.folder / "sending" / f"{batch_id}.lock"
