"""The emulator as one ASGI application: four APIs under their prefixes and a control plane under /_emulator."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.routing import Route as HttpRoute

from grabient_assets.emulator.anthropic import Anthropic
from grabient_assets.emulator.control import Control
from grabient_assets.emulator.disturbance import Disturbance
from grabient_assets.emulator.faults import FaultScript, load_rules
from grabient_assets.emulator.google import Google
from grabient_assets.emulator.groq import Groq
from grabient_assets.emulator.models import ServedModel, ServedModels
from grabient_assets.emulator.openai import OpenAI
from grabient_assets.emulator.state import State
from grabient_assets.emulator.wire import Api, Call, Refused, Route, World, named, reply

# The first model named in a body: enough to match fault rules, without parsing hundreds of megabytes.
_MODEL = re.compile(rb'(?<!\\)"model"\s*:\s*"([^"\\]+)"')


class EmulatorApp:
    """The application and what belongs to it. `asgi` is what a server runs. With the same `now` and `salt`, the same
    calls get the same answers, ids included."""

    def __init__(
        self,
        folder: Path,
        models: Iterable[ServedModel],
        *,
        polls: int = 2,
        faults: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        salt: str | None = None,
        touched: Callable[[], None] = lambda: None,
    ) -> None:
        rules = load_rules(faults) if faults else []
        self.state = State(folder, now, salt)
        self.disturbance = Disturbance()
        self.control = Control(self.state, FaultScript(rules, self.state.counts), self.disturbance)
        self._touched = touched
        world = World(self.state, ServedModels(models, lambda: now().date()), polls)
        apis: tuple[Api, ...] = (Anthropic(world), OpenAI(world), Groq(world), Google(world))
        self.asgi = Starlette(
            routes=[
                Mount("/_emulator", routes=self.control.routes()),
                *(Mount(api.prefix, routes=self._routes(api)) for api in apis),
            ],
            exception_handlers={HTTPException: _refusing(apis), Exception: _refusing(apis)},
        )

    def _routes(self, api: Api) -> list[HttpRoute]:
        return [HttpRoute(route.path, self._endpoint(api, route), methods=[route.method]) for route in api.routes()]

    def _endpoint(self, api: Api, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._touched()
            self.state.counts.count_call(api.provider, route.name)
            try:
                call = await self._call(api, route, request)
                if not route.keyless:
                    api.authorise(call)
            except Refused as refused:
                return named(api, api.refusal(refused))
            spoil, plan = self.control.script.of_call(api.provider, self._model(call), route.name)

            async def handle() -> Response:
                try:
                    return named(api, await run_in_threadpool(route.handler, call.with_plan(plan)))
                except Refused as refused:
                    return named(api, api.refusal(refused))
                finally:
                    self._touched()

            if spoil is None:
                return await handle()
            return await self.disturbance.disturb(spoil, api, request, handle)

        return endpoint

    @staticmethod
    async def _call(api: Api, route: Route, request: Request) -> Call:
        """The request read whole. A body over the limit is read on and forgotten, so that the client listens."""
        size, chunks = 0, []
        async for chunk in request.stream():
            size += len(chunk)
            if size <= api.max_body:
                chunks.append(chunk)
        if size > api.max_body:
            raise api.too_large()
        body = b"".join(chunks)
        form = None
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            try:
                form = await Request(request.scope, _replay(body)).form(max_part_size=api.max_body)
            except HTTPException as error:
                raise api.fault(400, f"The form of the request cannot be read: {error.detail}", None, None) from error
        host = request.headers.get("host", "")
        return Call(
            provider=api.provider,
            route=route.name,
            base=f"http://{host}{api.prefix}",
            path=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=body,
            form=form,
        )

    def _model(self, call: Call) -> str:
        """The model a call is about, as far as it can be seen: in the path, in the batch or file, in the body."""
        if model := call.path.get("model"):
            return model
        if named := call.path.get("id"):
            batch = self.state.batches.get(call.provider, named)
            file = self.state.files.get(call.provider, named)
            return batch.model if batch else file.model if file else ""
        if call.route == "create" and (found := re.search(rb'"input_file_id"\s*:\s*"([^"]+)"', call.body)):
            file = self.state.files.get(call.provider, found[1].decode("utf-8", "replace"))
            return file.model if file else ""
        found = _MODEL.search(call.body, 0, 1_000_000)
        return found[1].decode("utf-8", "replace") if found else ""


def _replay(body: bytes) -> Callable[[], Awaitable[dict[str, object]]]:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _refusing(apis: Sequence[Api]) -> Callable[[Request, Exception], Response]:
    """What answers a call that no route took or that failed inside: an error as the provider writes its own."""
    by_name = {api.prefix.split("/")[1]: api for api in apis}

    def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        message = f"This emulation failed to answer ({type(error).__name__}); its log has the reason."
        if status < 500:
            message = f"Unknown request URL: {request.method} {request.url.path}."
        api = by_name.get(request.url.path.split("/")[1])
        if api is None:
            return reply({"error": message}, status)
        refused = api.fault(status, message, None, None)
        refused.code = "unknown_url" if status < 500 else None
        return named(api, api.refusal(refused))

    return refuse
