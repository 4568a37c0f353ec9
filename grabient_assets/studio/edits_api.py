"""The API of the source document (seed 003, section 4) over the same edits: refine, list, cancel, and a WebSocket.

A `run_id` is a chorus group, whose images are counted from 0 by `generation_index`; a run of it; or any other image. A
`job_id` is an edit_id.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from grabient_assets.errors import GrabientError, MaskError, UsageError, WarehouseLockedError
from grabient_assets.groups.chorus.runs import runs_of
from grabient_assets.groups.chorus.tables import groups
from grabient_assets.groups.edits.asking import Wish
from grabient_assets.groups.edits.prompts import STRENGTHS
from grabient_assets.groups.edits.tables import named_edit
from grabient_assets.groups.images.images import StoredImage, images_by_id, named_image
from grabient_assets.headless.edit_documents import generation_index, named_root, refinements_document
from grabient_assets.imaging.mask import Fractions, parse_fractions
from grabient_assets.studio import edits_form
from grabient_assets.studio.edits import cancel as cancel_named
from grabient_assets.studio.images import asked
from grabient_assets.studio.pages import Answer, Ask, Done, Form, MissingError, RefusedError, Routes, Studio

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNKNOWN, ENDED, GOING_AWAY = 4404, 1000, 1001
"""Close codes of the socket: no such job, nothing more to come, and the end of the studio."""
MOST_REASON_BYTES = 120
"""A close frame holds 125 bytes, two of them the code."""
ORIGINAL = re.compile(r"original_([0-9]{1,6})")
NAMES = (("x",), ("y",), ("width", "w"), ("height", "h"))
EXAMPLE = 'Write [x, y, width, height] or {"x", "y", "width", "height"}: fractions from 0 to 1, or pixels.'
TYPES = {"done": "completed", "failed": "failed", "rejected": "failed", "cancelled": "cancelled"}
"""The type of a message, by the status of the edit; any other status is progress."""


@dataclass(frozen=True, slots=True)
class Run:
    """The original images of a run, in the order of `generation_index`; None where one has none."""

    run_id: str
    originals: tuple[str | None, ...]

    @property
    def roots(self) -> list[str]:
        """Those that are there."""
        return [one for one in self.originals if one is not None]


def run_named(connection: DuckDBPyConnection, run_id: str) -> Run:
    """The run. Raises MissingError."""
    if run_id in groups(connection, [run_id]):
        return Run(run_id, tuple(run.image_id for run in runs_of(connection, [run_id])))
    try:
        return Run(run_id, (named_root(connection, run_id),))
    except UsageError as error:
        raise MissingError(f"There is no run {run_id[:80]!r}.") from error


def parent_of(connection: DuckDBPyConnection, ask: Ask, run: Run) -> StoredImage:
    """The image that is to be refined. Raises RefusedError, RemovedImageError."""
    name, kind = ask.text("parent_image_id"), ask.text("parent_image_type") or "original"
    if kind not in ("original", "refinement"):
        raise _refused(f"There is no parent_image_type {kind[:20]!r}; use original or refinement.")
    original = ORIGINAL.fullmatch(name)
    if original or not name:
        if kind == "refinement":
            raise _refused("A parent_image_type of refinement needs the job_id of one as parent_image_id.")
        return named_image(connection, _original(connection, ask, run, int(original[1]) if original else None))
    try:
        edit = named_edit(connection, name) if name.startswith("ed_") else None
        root = named_root(connection, name)
    except UsageError as error:
        raise _refused(str(error)) from error
    if root not in run.roots:
        raise _refused(f"The image {name[:80]!r} does not belong to the run {run.run_id[:80]!r}.")
    if edit is not None and edit.image_id is None:
        raise _refused(f"Refinement {edit.edit_id} is {edit.status}, so it has no image that could be refined.")
    return named_image(connection, edit.image_id if edit and edit.image_id else name)


def _original(connection: DuckDBPyConnection, ask: Ask, run: Run, named: int | None) -> str:
    text = ask.text("generation_index")
    if text and not (text.isascii() and text.isdigit() and len(text) < 7):
        raise _refused(f"The generation_index {text[:20]!r} is not a number from 0 on.")
    index = int(text) if text else named or 0
    if len(run.originals) == 1:
        root = run.originals[0]
        known = images_by_id(connection, run.roots, removed=True).get(root or "")
        if index in (0, generation_index(connection, known)) and root is not None:
            return root
    elif index < len(run.originals) and (root := run.originals[index]) is not None:
        return root
    raise _refused(f"The run {run.run_id[:80]!r} has no image {index}; it has {len(run.roots)}, counted from 0.")


def mask_of(text: str, image: StoredImage) -> Fractions | None:
    """The region of `mask_data` as fractions; None when it is empty. Numbers above 1 are pixels of the image. Raises
    MaskError."""
    if text in ("", "null", "[]", "{}"):
        return None
    try:
        found: Any = json.loads(text)
        if isinstance(found, dict):
            found = [next(found[name] for name in names if name in found) for names in NAMES]
        left, top, width, height = (float(one) for one in found)
    except (ValueError, TypeError, KeyError, StopIteration, RecursionError):
        raise MaskError(f"The mask_data {text[:80]!r} is no region. {EXAMPLE}") from None
    if max(left, top, width, height) > 1:
        left, width = left / image.width, width / image.width
        top, height = top / image.height, height / image.height
    return parse_fractions(",".join(map(repr, (left, top, width, height))))


def _refused(sentence: str) -> RefusedError:
    return RefusedError(sentence, "unexpected_error")


def refine(ask: Ask) -> Done:
    """Ask a refinement, with the form fields of the source document."""
    from grabient_assets.resources.objects import open_store

    store = open_store(ask.settings)
    level = ask.text("creativity_level") or "2"
    prompt, instructions = edits_form.words_of(ask, ask.text("refine_type"))
    try:
        with ask.warehouse.read() as connection:
            image = parent_of(connection, ask, run_named(connection, ask.path["run_id"]))
        wish = Wish(
            image=image.image_id,
            kind=ask.text("refine_type"),
            prompt=prompt,
            instructions=instructions,
            mask=mask_of(ask.text("mask_data"), image),
            reference=edits_form.sent_file(ask, "reference_image"),
            creativity=int(level) if level in map(str, STRENGTHS) else 0,
        )
        planned = edits_form.plan(ask, wish, store)
        request = edits_form.record(ask, planned, store, edits_form.read_cap(ask))
    except (GrabientError, RefusedError) as error:
        raise edits_form.refusal(error) from error
    return asked(ask, request.edit_id, request.parent_image, request.label, request.estimated_usd)


def cancel(ask: Ask) -> Done | Answer:
    """Cancel a refinement."""
    return cancel_named(ask)


async def refinements(request: Request) -> Response:
    """The refinements of a run: the document refinements.json."""
    studio: Studio = request.app.state.studio

    def read() -> Response:
        try:
            with studio.to_read().read() as connection:
                run = run_named(connection, request.path_params["run_id"])
                return JSONResponse({"run_id": run.run_id, **refinements_document(connection, run.roots)})
        except MissingError as error:
            return JSONResponse({"error": str(error)}, 404)
        except WarehouseLockedError:
            return JSONResponse({"error": "A run is writing to the database. Ask again in a moment."}, 503)

    return await run_in_threadpool(read)


async def socket(connection: WebSocket) -> None:
    """Messages about a refinement until it is settled."""
    studio: Studio = connection.app.state.studio
    name = connection.path_params["job_id"]
    await connection.accept()
    gone = asyncio.ensure_future(_gone(connection))
    telling = asyncio.ensure_future(_tell(studio, connection, name))
    try:
        await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()
            await connection.close(GOING_AWAY if studio.closing else ENDED)
    except MissingError as error:
        await connection.close(UNKNOWN, str(error).encode()[:MOST_REASON_BYTES].decode(errors="ignore"))
    except WebSocketDisconnect:
        pass
    finally:
        for one in (gone, telling):
            one.cancel()
        await asyncio.gather(gone, telling, return_exceptions=True)


async def _gone(connection: WebSocket) -> None:
    """Ends when the other side goes away. What it says means nothing here."""
    while (await connection.receive())["type"] != "websocket.disconnect":
        pass


async def _tell(studio: Studio, connection: WebSocket, name: str) -> None:
    async for document in studio.edits.follow(name):
        if document is not None:
            path = await run_in_threadpool(_image_path, studio, document) if document["status"] == "done" else None
            await connection.send_json(_message(document, path))


def _message(document: dict[str, Any], path: str | None) -> dict[str, Any]:
    kept = ("job_id", "status", "stage", "percent", "cost_usd", "possible_usd", "message", "seconds")
    message = {"type": TYPES.get(document["status"], "progress"), **{name: document[name] for name in kept}}
    if document["status"] == "done":
        message |= {"image_path": path, "image_id": document["image_id"]}
        message |= {"image_url": f"/files/{document['file']}" if document["file"] else None}
    elif document["settled"]:
        message |= {name: document[name] for name in ("error", "error_kind", "retryable")}
    return message


def _image_path(studio: Studio, document: dict[str, Any]) -> str | None:
    """The path of the image in refinements.json; None while the database is not to be had."""
    try:
        with studio.to_read().read() as connection:
            edit = named_edit(connection, document["job_id"])
            listed = refinements_document(connection, [edit.root_image])["refinements"]
    except WarehouseLockedError:
        return None
    return next((one["image_path"] for one in listed if one["job_id"] == edit.edit_id), None)


ROUTES: Routes = [
    Form("/api/v1/runs/{run_id}/refine", refine, max_bytes=edits_form.FORM_BYTES, for_programs=True),
    Route("/api/v1/runs/{run_id}/refinements", refinements, methods=["GET"]),
    Form("/api/v1/refinements/{edit}/cancel", cancel, for_programs=True),
    WebSocketRoute("/api/v1/ws/{job_id}", socket),
]
