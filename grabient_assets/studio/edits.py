"""The pages of edits: all of them, one with its progress as server-sent events; its price; cancel, retry and replay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from grabient_assets.errors import GrabientError, UsageError, WarehouseLockedError
from grabient_assets.groups.edits.asking import retry_edit
from grabient_assets.groups.edits.cancelling import cancel_edit
from grabient_assets.groups.edits.tables import Edit, edits_of, named_edit
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.headless.edit_documents import edit_documents
from grabient_assets.headless.edit_replay import replay_wish
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.studio import edits_form
from grabient_assets.studio.edits_watch import EVERY_SECONDS, progress_by_edit
from grabient_assets.studio.images import asked, refused, who_sends
from grabient_assets.studio.pages import Answer, Ask, Done, Form, MissingError, Page, RefusedError, Routes, Studio
from grabient_assets.studio.rendering import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

A_PAGE = 100
AGAIN_MS = round(EVERY_SECONDS * 2000)
"""After so long a browser opens a stream again that broke off."""


def edits(ask: Ask) -> dict[str, Any]:
    """All edits, the latest first."""
    page = ask.number("page", 1)
    with ask.warehouse.read() as connection:
        ids = connection.execute(
            "SELECT edit_id FROM edit_requests ORDER BY requested_at DESC, edit_id DESC LIMIT $1 OFFSET $2",
            [A_PAGE + 1, (page - 1) * A_PAGE],
        ).fetchall()
        found = edits_of(connection, [edit_id for (edit_id,) in ids[:A_PAGE]])[::-1]
        documents = edit_documents(connection, found)
        [(count, cost, possible)] = connection.execute(
            "SELECT count(*), coalesce(sum(cost_usd), 0), coalesce(sum(possible_usd), 0) FROM edits"
        ).fetchall()
    return {
        "edits": documents,
        "total": count,
        "total_usd": cost,
        "possible_usd": possible,
        "page": page,
        "more": len(ids) > A_PAGE,
        "version": " ".join(f"{one['edit_id'][-8:]}{one['status'][0]}{one['cost_usd']}" for one in documents[:20]),
    }


def _found(connection: DuckDBPyConnection, ask: Ask) -> Edit:
    try:
        return named_edit(connection, ask.path["edit"])
    except UsageError as error:
        raise MissingError(str(error)) from error


def edit_page(ask: Ask) -> dict[str, Any]:
    """One edit: how far it is, what went in, what was measured, and what it cost."""
    with ask.warehouse.read() as connection:
        edit = _found(connection, ask)
        [document] = edit_documents(connection, [edit])
        images = [one for one in (edit.parent_image, edit.image_id, edit.reference_image) if one]
        known = images_by_id(connection, images)
        progress = progress_by_edit(connection, ask.studio, [edit])
        answer = connection.execute(
            "SELECT custom_id, refused_at, refused_for, seconds FROM edited_images WHERE edit_id = $1", [edit.edit_id]
        ).fetchone()
    files = {name: known[name].object_key for name in images if name in known}
    return {
        **document,
        "settled": edit.settled,
        "progress": progress.get(edit.edit_id),
        "files": {
            "parent": files.get(edit.parent_image),
            "image": files.get(edit.image_id or ""),
            "reference": files.get(edit.reference_image or ""),
            "mask": edit.mask_key,
        },
        "answer": None
        if answer is None
        else dict(zip(("custom_id", "refused_at", "refused_for", "seconds"), answer, strict=True)),
        "sender": who_sends(ask) if edit.status == "requested" else None,
        "version": f"{edit.status} {edit.cost_usd} {edit.possible_usd}",
    }


async def price(request: Request) -> Response:
    """What an edit would cost, as JSON. Nothing is asked, and nothing is written."""
    studio: Studio = request.app.state.studio

    def read() -> Response:
        ask = Ask(studio, studio.to_read(), studio.clock(), {}, request.query_params, program=True)
        try:
            return JSONResponse(plain(edits_form.price(ask)))
        except WarehouseLockedError:
            return JSONResponse({"error": "A run is writing to the database; the price comes in a moment."}, 503)
        except (GrabientError, RefusedError) as error:
            why = edits_form.refusal(error)
            sentence = studio.settings.without_secrets(str(why))
            document = {"error": sentence, "error_kind": why.error_kind, "retryable": False}
            return JSONResponse(document, why.status)

    return await run_in_threadpool(read)


async def events(request: Request) -> Response:
    """The progress of an edit as server-sent events, until it is settled. A browser that opens the stream once more and
    has seen the end is told that there is nothing more to come (204), so it stops."""
    studio: Studio = request.app.state.studio
    name = request.path_params["edit"]
    try:
        document = await run_in_threadpool(studio.edits.look, name)
    except MissingError as error:
        raise HTTPException(404) from error
    seen = request.headers.get("last-event-id")
    if document is not None and document["settled"] and seen == _event_id(document):
        return Response(status_code=204)
    return StreamingResponse(_stream(studio, name), media_type="text/event-stream")


async def _stream(studio: Studio, name: str) -> AsyncIterator[str]:
    yield f"retry: {AGAIN_MS}\n\n"
    async for document in studio.edits.follow(name):
        if document is None:
            yield ": nothing new\n\n"
        else:
            yield f"id: {_event_id(document)}\ndata: {json.dumps(document)}\n\n"


def _event_id(document: dict[str, Any]) -> str:
    return f"{document['status']}-{document['percent']}-{document['cost_usd']}-{document['possible_usd']}"


def cancel(ask: Ask) -> Done:
    """Cancel an edit, at any stage. It is one transaction here; nobody waits for a provider."""
    with ask.warehouse.read() as connection:
        name = _found(connection, ask).edit_id
    done = cancel_edit(ask.warehouse, name, ask.now)
    edit = done.edit
    document = {
        "job_id": edit.edit_id,
        "status": edit.status,
        "cancelled": edit.status == "cancelled",
        "changed": done.changed,
        "possible_usd": float(edit.possible_usd),
    }
    return Done(f"/images/{edit.parent_image}#{edit.edit_id}", done.sentence, document)


def retry(ask: Ask) -> Done | Answer:
    """Ask again for an edit that failed, was rejected or cancelled."""
    from grabient_assets.resources.modes import answers_from

    mode = answers_from(ask.settings)
    with ask.warehouse.read() as connection:
        edit = _found(connection, ask)
    try:
        with ask.warehouse.write() as connection:
            now = begin_asking(connection, mode, ask.now)
            retry_edit(connection, edits_of(connection, [edit.edit_id])[0], mode, now)
    except (GrabientError, RefusedError) as error:
        return refused(ask, edit.parent_image, edits_form.refusal(error))
    return asked(ask, edit.edit_id, edit.parent_image, edit.label, edit.estimated_usd)


def replay(ask: Ask) -> Done | Answer:
    """Make one edit of all that led to this one, on the root or on the image that the field `onto` names."""
    from grabient_assets.resources.objects import open_store

    store, shown = open_store(ask.settings), ask.text("priced")
    with ask.warehouse.read() as connection:
        edit = _found(connection, ask)
    try:
        cap = edits_form.read_cap(ask)
        with ask.warehouse.read() as connection:
            wish = replay_wish(connection, store, edit.edit_id, ask.text("onto") or edit.root_image)
        planned = edits_form.plan(ask, wish, store)
        more = bool(shown) and edits_form.costs_more(planned, shown)
        if more and ask.program:
            raise RefusedError(edits_form.CHANGED, "unexpected_error", 409)
        if more or not (shown or ask.program):
            fields = {"onto": planned.request.parent_image, "max_usd": ask.text("max_usd")}
            notice = edits_form.CHANGED if more else ""
            action = f"/edits/{edit.edit_id}/replay"
            return edits_form.confirm(ask, planned, action, fields, notice, 409 if more else 200)
        request = edits_form.record(ask, planned, store, cap)
    except (GrabientError, RefusedError) as error:
        return refused(ask, edit.parent_image, edits_form.refusal(error))
    return asked(ask, request.edit_id, request.parent_image, request.label, request.estimated_usd)


ROUTES: Routes = [
    Page("/edits", "edits.html", edits, below="/images", live_seconds=5),
    Route("/edits/price", price, methods=["GET"]),
    Route("/edits/{edit}/events", events, methods=["GET"]),
    Page("/edits/{edit}", "edit.html", edit_page, below="/images", live_seconds=3),
    Form("/edits/{edit}/cancel", cancel, for_programs=True),
    Form("/edits/{edit}/retry", retry, for_programs=True),
    Form("/edits/{edit}/replay", replay, for_programs=True),
]
