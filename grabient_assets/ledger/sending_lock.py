"""The lock that marks a create call, or direct calls, under way in some process.

Uploading a large file takes minutes, longer than the settling time of an absent batch. No process may conclude
meanwhile that the batch never arrived. The lock ends with the process that holds it, whatever ends it: see
warehouse/locks.py.
"""

from __future__ import annotations

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.leases import LEASE_SECONDS
from grabient_assets.warehouse.locks import Held, LockName


def sending(warehouse: Warehouse, batch_id: str) -> Held:
    """Take the lock "this batch is being sent". Raises WarehouseError when it cannot be written."""
    try:
        while (held := warehouse.locks.take([_name(batch_id)])) is None:  # somebody looks whether it is held
            interrupts.sleep(warehouse.locks.look_every)
    except OSError as error:
        raise WarehouseError(
            f"{error.filename} cannot be written ({error.strerror}). Nothing was sent. Free space on the disk or make "
            "the folder writable, then run again."
        ) from error
    return held


def is_being_sent(warehouse: Warehouse, batch_id: str) -> bool:
    """Whether a live process is sending it. The lock file of a dead one is removed."""
    return warehouse.locks.is_taken(_name(batch_id))


def lost(warehouse: Warehouse, batch_id: str) -> WarehouseError:
    """The lease ended while this process was about to send."""
    return WarehouseError(
        f"This process could not renew its lease of batch {batch_id} at {warehouse.place} for {LEASE_SECONDS} seconds: "
        "the machine stood still, or the server could not be reached. Another one may have taken it over, so nothing "
        "more of it is sent from here. Run again: what became of it is cleared up first, and what was not sent is due."
    )


def _name(batch_id: str) -> LockName:
    return LockName(f"sending:{batch_id}", f"sending/{batch_id}.lock", once=True)
