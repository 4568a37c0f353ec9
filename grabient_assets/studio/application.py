"""The studio as a Starlette application: its pages, and what happens when something is wrong.

A new page is a module with a list ROUTES, and its line in ROUTES below. The order is that of the navigation.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message

from grabient_assets.errors import GrabientError, UsageError, WarehouseLockedError
from grabient_assets.studio import (
    chorus,
    dashboard,
    edits,
    edits_api,
    files,
    gallery,
    images,
    knowledge,
    new_run,
    palette,
    prompts,
    repair,
)
from grabient_assets.studio.access import TOKEN_FIELD, TOKEN_HEADER, WITHOUT_TOKEN, Access, Guard
from grabient_assets.studio.pages import (
    FORM_BYTES,
    Answer,
    Ask,
    Done,
    Form,
    MissingError,
    Page,
    RefusedError,
    Routes,
    Studio,
)
from grabient_assets.studio.rendering import (
    FOR_PROGRAMS,
    STATIC,
    AsOf,
    LastSeen,
    Renderer,
    json_page,
    plain,
    wants_json,
)

ROUTES: Routes = [
    *dashboard.ROUTES,
    *gallery.ROUTES,
    *palette.ROUTES,
    *repair.ROUTES,
    *new_run.ROUTES,
    *prompts.ROUTES,
    *chorus.ROUTES,
    *images.ROUTES,
    *edits.ROUTES,
    *edits_api.ROUTES,
    *knowledge.ROUTES,
    *files.ROUTES,
]

BUSY = (
    "A run is writing to the database, and it did not let go in time. The page comes by itself in some seconds; or "
    "look at the terminal of `grabient run`."
)
UNCHANGED = "Nothing was changed: a run is writing to the database. Press the button again in a moment."
RETRY_SECONDS = 3
TOO_LARGE = "too_large"
"""The error_kind of what is sent and is larger than the form takes."""
Endpoint = Callable[[Request], Awaitable[Response]]


def make_application(studio: Studio, access: Access, routes: Sequence[Page | Form | BaseRoute] = ROUTES) -> ASGIApp:
    """The application behind its guard."""
    return Guard(_Application(studio, access, routes).starlette, access)


class _Application:
    """The endpoints over one Studio."""

    def __init__(self, studio: Studio, access: Access, routes: Sequence[Page | Form | BaseRoute]) -> None:
        self._studio, self._access = studio, access
        self._renderer = Renderer(studio, [one for one in routes if isinstance(one, Page) and one.label])
        self._seen = LastSeen()
        served = [made for one in routes for made in self._made(one)]
        self.starlette = Starlette(
            routes=[*served, Mount("/static", StaticFiles(directory=STATIC))],
            exception_handlers={HTTPException: self._http_error},
        )
        self.starlette.state.studio = studio

    def _made(self, one: Page | Form | BaseRoute) -> list[BaseRoute]:
        if isinstance(one, Page):  # the twin first: the last part of a path may hold a dot
            twin = Route(one.twin, partial(self._shown, one, True), methods=["GET"])
            return [twin, Route(one.path, partial(self._shown, one, False), methods=["GET"])]
        if isinstance(one, Form):
            return [Route(one.path, partial(self._acted, one), methods=["POST"])]
        if (getattr(one, "methods", None) or {"GET"}) - {"GET", "HEAD"}:
            raise ValueError(f"{one!r} changes something: make it a Form, which asks for the token.")
        return [one]

    async def _shown(self, page: Page, twin: bool, request: Request) -> Response:
        """A page, or its JSON; the last state of it while another process holds the database."""
        as_json = twin or wants_json(request)
        try:
            return await run_in_threadpool(self._read, page, as_json, request)
        except Exception as error:  # noqa: BLE001 - every error becomes a page
            return self._trouble(request, error, page.below or page.path)

    def _read(self, page: Page, as_json: bool, request: Request) -> Response:
        query = "&".join(f"{name}={value}" for name, value in request.query_params.multi_items() if name != "notice")
        key = f"{page.path} {sorted(request.path_params.items())} {query}"
        now = self._studio.clock()
        try:
            document = plain(page.read(self._ask(request, now)))
            as_of = AsOf(now)
            self._seen.keep(key, now, document)
        except WarehouseLockedError:
            if (kept := self._seen.of(key)) is None:
                raise
            at, document = kept
            as_of = AsOf(at, max(0.0, (self._studio.clock() - at).total_seconds()), stale=True)
        return json_page(document, as_of) if as_json else self._renderer.page(request, page, document, as_of)

    def _ask(self, request: Request, now: Any) -> Ask:
        path: Mapping[str, str] = request.path_params
        return Ask(self._studio, self._studio.to_read(), now, path, request.query_params, program=wants_json(request))

    async def _acted(self, form: Form, request: Request) -> Response:
        """What a form does. Its body is read up to `max_bytes`, and its token is looked at before anything else."""
        refusal = _TooLong(form.max_bytes)
        if form.for_programs:
            request.scope[FOR_PROGRAMS] = True
        if int(request.headers.get("content-length") or 0) > form.max_bytes:
            return self._renderer.trouble(request, 413, "Too large", refusal.sentence, error_kind=TOO_LARGE)
        limited = Request(request.scope, refusal.receiving(request))
        try:
            # A text stays in memory, a file goes to the disk from 1 MB on.
            async with limited.form(max_part_size=min(form.max_bytes, FORM_BYTES)) as sent:
                token = request.headers.get(TOKEN_HEADER, sent.get(TOKEN_FIELD))
                if not self._access.knows(token):
                    return self._renderer.trouble(request, 403, "Not from this page", WITHOUT_TOKEN)
                return await run_in_threadpool(self._act, form, request, sent)
        except _TooLongError:
            return self._renderer.trouble(request, 413, "Too large", refusal.sentence, error_kind=TOO_LARGE)
        except (MultiPartException, HTTPException) as error:
            reason = error.message if isinstance(error, MultiPartException) else error.detail
            return self._renderer.trouble(request, 400, "Not readable", f"The form cannot be read: {reason}")
        except WarehouseLockedError:
            return self._renderer.trouble(request, 503, "In a moment", UNCHANGED)
        except Exception as error:  # noqa: BLE001 - every error becomes a page
            return self._trouble(request, error)

    def _act(self, form: Form, request: Request, sent: FormData) -> Response:
        ask = replace(self._ask(request, self._studio.clock()), warehouse=self._studio.to_write(), form=sent)
        done = form.act(ask)
        if isinstance(done, Done):
            if wants_json(request):
                return JSONResponse({**plain(done.document), "notice": done.notice}, done.status)
            number = self._renderer.notices.add(done.notice)
            address, hash_mark, place = done.to.partition("#")
            address += f"{'&' if '?' in address else '?'}notice={number}"
            return RedirectResponse(f"{address}{hash_mark}{place}", 303)
        assert isinstance(done, Answer)
        document = plain(done.document)
        if wants_json(request):
            return JSONResponse(document, done.status)
        return self._renderer.html(request, done.template, document, done.status, place=done.place)

    def _trouble(self, request: Request, error: Exception, place: str = "") -> Response:
        """The page for an error, which says the way out."""
        if isinstance(error, WarehouseLockedError):
            response = self._renderer.trouble(request, 503, "In a moment", BUSY, place)
            response.headers["Retry-After"] = str(RETRY_SECONDS)
            response.headers["Refresh"] = str(RETRY_SECONDS)
            return response
        if isinstance(error, MissingError):
            return self._renderer.trouble(request, 404, "Not here", str(error), place)
        if isinstance(error, RefusedError):
            sentence = self._studio.settings.without_secrets(str(error))
            title = "That did not work"
            return self._renderer.trouble(request, error.status, title, sentence, place, error.error_kind)
        if isinstance(error, GrabientError):
            status = 400 if error.exit_code == UsageError.exit_code else 500
            sentence = self._studio.settings.without_secrets(str(error))
            return self._renderer.trouble(request, status, "That did not work", sentence, place)
        traceback.print_exception(error, file=sys.stderr)
        sentence = (
            f"The studio met a mistake of its own ({type(error).__name__}). The terminal that it was started in shows "
            "where. Nothing was sent; the other pages go on working."
        )
        return self._renderer.trouble(request, 500, "A mistake of ours", sentence, place)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = {
            404: f"There is no page {request.url.path}.",
            405: f"{request.url.path} does not take {request.method}.",
        }.get(error.status_code, str(error.detail))
        return self._renderer.trouble(request, error.status_code, "Not here", sentence)


class _TooLongError(Exception):
    pass


class _TooLong:
    """Counts what comes in, for a body that does not say how long it is."""

    def __init__(self, most: int) -> None:
        self._most, self._come = most, 0
        self.sentence = f"What was sent is larger than {most / 1_000_000:,.0f} MB, the most that this form takes."

    def receiving(self, request: Request) -> Callable[[], Awaitable[Message]]:
        """The body, as long as it is not too long."""

        async def receive() -> Message:
            message = await request.receive()
            self._come += len(message.get("body", b""))
            if self._come > self._most:
                raise _TooLongError
            return message

        return receive
