"""How an edit stands, moment by moment: for pages by server-sent events, for programs by a socket.

All of them read the same tables, at most twice a second for an edit, however many follow it. A process that holds the
database stops nobody: what was read last holds until it can be read again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from grabient_assets.errors import UsageError, WarehouseLockedError
from grabient_assets.groups.edits.tables import named_edit
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.headless.edit_progress import Progress, progress_of
from grabient_assets.studio.pages import MissingError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.edits.tables import Edit
    from grabient_assets.studio.pages import Studio

EVERY_SECONDS = 0.5
QUIET_SECONDS = 10.0
"""After so long without news the line says that it is alive. Proxies give up silent ones after a minute."""
KEPT = 64
STAGES = {
    "prepare": "It waits to be sent.",
    "send": "The editor works on it.",
    "stitch": "Its answer has come and is stitched into the image.",
    "save": "It is saved.",
}


@dataclass(slots=True)
class _Seen:
    """What was read of one edit, when, and who reads it now."""

    document: dict[str, Any] | None = None
    at: float = float("-inf")
    reading: threading.Lock = field(default_factory=threading.Lock)


class EditWatch:
    """Reads how edits stand. Thread-safe."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, name: str) -> dict[str, Any] | None:
        """The edit as it stands; None while it was never to be read. Raises MissingError."""
        with self._lock:
            seen = self._seen.setdefault(name, _Seen())
            self._seen.move_to_end(name)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        if not seen.reading.acquire(blocking=seen.document is None):
            return seen.document
        try:
            if time.monotonic() - seen.at >= EVERY_SECONDS:
                seen.document = self._read(name)
                seen.at = time.monotonic()
        except WarehouseLockedError:
            seen.at = time.monotonic()
        finally:
            seen.reading.release()
        return seen.document

    def _read(self, name: str) -> dict[str, Any]:
        warehouse, now = self._studio.to_read(), self._studio.clock()
        with warehouse.read() as connection:
            try:
                edit = named_edit(connection, name)
            except UsageError as error:
                raise MissingError(str(error)) from error
            found = progress_of(connection, warehouse, edit, now)
            return progress_document(found, file_of(connection, edit))

    async def follow(self, name: str) -> AsyncIterator[dict[str, Any] | None]:
        """Each change of the edit until it is settled or the studio closes, the first at once; None when there was none
        for a while. Raises MissingError."""
        last, quiet_since = None, time.monotonic()
        while not self._studio.closing:
            document = await run_in_threadpool(self.look, name)
            if document is not None and _shown(document) != last:
                last, quiet_since = _shown(document), time.monotonic()
                yield document
            elif time.monotonic() - quiet_since >= QUIET_SECONDS:
                quiet_since = time.monotonic()
                yield None
            if document is not None and document["settled"]:
                return
            await asyncio.sleep(EVERY_SECONDS)


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """What is news: time alone is none."""
    return {name: value for name, value in document.items() if name != "seconds"}


def progress_document(found: Progress, file: str | None) -> dict[str, Any]:
    """The progress as JSON, with a sentence and the file of the image that came."""
    edit = found.edit
    if edit.status == "done":
        message = "Done."
    elif edit.settled:
        message = edit.error or f"It is {edit.status}."
    elif edit.delivery == "batch" and edit.status == "sent":
        message = "It is in a batch, which takes up to a day."
    else:
        message = STAGES[found.stage]
    return {
        **found.document(),
        "job_id": edit.edit_id,
        "label": edit.label,
        "parent_image": edit.parent_image,
        "settled": edit.settled,
        "message": message,
        "file": file,
    }


def file_of(connection: DuckDBPyConnection, edit: Edit) -> str | None:
    """The object of the image that the edit made; None before, and when it was removed."""
    image = images_by_id(connection, [edit.image_id] if edit.image_id else []).get(edit.image_id or "")
    return image.object_key if image else None


def progress_by_edit(connection: DuckDBPyConnection, studio: Studio, edits: list[Edit]) -> dict[str, dict[str, Any]]:
    """The progress of those that are under way, by edit_id."""
    now, warehouse = studio.clock(), studio.to_read()
    under_way = [edit for edit in edits if not edit.settled]
    return {one.edit_id: progress_document(progress_of(connection, warehouse, one, now), None) for one in under_way}
