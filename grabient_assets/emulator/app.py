"""The emulator as one ASGI application: seven APIs under their prefixes and a control plane under /_emulator."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.routing import Route as HttpRoute

from grabient_assets.emulator.anthropic import Anthropic
from grabient_assets.emulator.call_faults import CallFaults
from grabient_assets.emulator.fault_script import FaultScript, load_rules, read_rules
from grabient_assets.emulator.google import Google
from grabient_assets.emulator.groq import Groq
from grabient_assets.emulator.openai import OpenAI
from grabient_assets.emulator.service import InFlight
from grabient_assets.emulator.vectorize import Vectorize
from grabient_assets.emulator.web import Web
from grabient_assets.emulator.wire import (
    Api,
    Call,
    Refused,
    Route,
    ServedModel,
    ServedModels,
    State,
    World,
    named,
    reply,
)
from grabient_assets.emulator.youtube import YouTube
from grabient_assets.errors import EmulatorError

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
        self.call_faults = CallFaults()
        self.control = Control(self.state, FaultScript(rules, self.state.counts), self.call_faults)
        self._touched = touched
        world = World(self.state, ServedModels(models, lambda: now().date()), polls)
        providers = (Anthropic(world), OpenAI(world), Groq(world), Google(world))
        apis: tuple[Api, ...] = (*providers, Vectorize(world), YouTube(), Web())
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
            model = self._model(call)
            place = route.place(call) if route.place else None
            if place is not None and place.first:
                self.control.fetched[api.provider][place.name] += 1
            spoil, plan = self.control.script.of_call(api.provider, model, route.name, place)

            async def handle() -> Response:
                try:
                    return named(api, await run_in_threadpool(route.handler, call.with_plan(plan, model)))
                except Refused as refused:
                    return named(api, api.refusal(refused))
                finally:
                    self._touched()

            with self.control.in_flight.counted(api.provider, route.name):
                if spoil is None:
                    return await handle()
                return await self.call_faults.carry_out(spoil, api, request, handle)

        return endpoint

    @staticmethod
    async def _call(api: Api, route: Route, request: Request) -> Call:
        """The request read whole. A body over the limit is read and dropped, so that the client reads the answer."""
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
        if call.form is not None and isinstance(model := call.form.get("model"), str):
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


class Control:
    """Health, counts, reset, and the fault script in force."""

    def __init__(self, state: State, script: FaultScript, call_faults: CallFaults) -> None:
        self._state = state
        self._first_script = script
        self._call_faults = call_faults
        self.script = script
        self.in_flight = InFlight()
        self.fetched: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """How often each video and page was fetched, by provider."""

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("/health", self.health, methods=["GET"]),
            HttpRoute("/calls", self.calls, methods=["GET"]),
            HttpRoute("/vectors/{index}", self.vectors, methods=["GET"]),
            HttpRoute("/faults", self.show_faults, methods=["GET"]),
            HttpRoute("/faults", self.set_faults, methods=["POST"]),
            HttpRoute("/release", self.release, methods=["POST"]),
            HttpRoute("/reset", self.reset, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        return reply({"status": "ok", "pid": os.getpid()})

    async def calls(self, request: Request) -> Response:
        """Calls per provider and route, how often each source was fetched, every accepted create with its custom ids,
        the most single calls and fetches at the same time and those under way, and what all answers would have cost."""
        counts, billed = self._state.counts, await run_in_threadpool(self._state.bills.rows)
        return reply(
            {
                "counts": counts.calls(),
                "creates": counts.creates(),
                "in_flight": self.in_flight.most,
                "under_way": self.in_flight.now,
                "fetched": self.fetched,
                "billed_usd": float(sum(row["usd"] or 0 for row in billed)),
                "billed": [{**row, "usd": None if row["usd"] is None else float(row["usd"])} for row in billed],
            }
        )

    async def vectors(self, request: Request) -> Response:
        """The ids of the visible vectors of an index, and how many of its mutations wait. This is no look at it."""
        name = request.path_params["index"]
        if self._state.vectors.index(name) is None:
            return reply({"error": f"There is no index {name!r}."}, 404)
        return reply({"ids": self._state.vectors.ids(name), "waiting": self._state.vectors.waiting(name)})

    async def show_faults(self, request: Request) -> Response:
        """The rules in force, how many calls each matched, how often it fired."""
        counts = self._state.counts.fault_counts()
        rules = [
            {**rule.model_dump(mode="json", by_alias=True, exclude_none=True), "seen": seen, "fired": fired}
            for name, rule in self.script.rules
            for seen, fired in [counts.get(name, (0, 0))]
        ]
        return reply({"rules": rules})

    async def set_faults(self, request: Request) -> Response:
        """Puts the rules of the body, `{"rules": [...]}`, into force until the process ends or is reset."""
        try:
            document: Any = await request.json()
            rules = read_rules(document, "in the request")
        except ValueError as error:
            return reply({"error": f"The body is not JSON: {error}"}, 400)
        except EmulatorError as error:
            return reply({"error": str(error)}, 400)
        self.script = FaultScript(rules, self._state.counts)
        self._state.counts.forget_faults()
        return reply({"rules": len(rules)})

    async def release(self, request: Request) -> Response:
        """Ends the wait of every call that a `hold` keeps."""
        self._call_faults.release()
        return reply({"released": True})

    async def reset(self, request: Request) -> Response:
        """Forgets batches, files, vectors and counts; the fault script is again the one of the start."""
        self._state.reset()
        self.in_flight.most.clear()
        self.fetched.clear()
        self.script = self._first_script
        self._call_faults.release()
        return reply({"reset": True})
