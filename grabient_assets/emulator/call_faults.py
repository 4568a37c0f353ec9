"""What a fault does to one call: before it is handled, instead, or to its answer.

Some faults close the connection under a request without an answer, which ASGI does not offer. So the connections of the
server are noted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from grabient_assets.emulator.fault_actions import CallAction, Cut, Delay, Drop, Hold, Html, Status, Unsuccessful
from grabient_assets.emulator.wire import Api, named

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{status} | edge</title></head>"
    "<body><h1>Error {status}</h1><p>The origin did not answer. Ray ID: emulated.</p></body></html>\n"
)
Handling = Callable[[], Awaitable[Response]]


class CallFaults:
    """Carries out faults on calls. One per server: `release` ends the wait of every call that is held."""

    def __init__(self) -> None:
        self.connections = Connections()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def carry_out(self, action: CallAction, api: Api, request: Request, handle: Handling) -> Response:
        """The answer to a call under a fault; `handle` does what the API would have done."""
        if isinstance(action, Status):
            return await self._status(action, api, handle)
        if isinstance(action, Unsuccessful):
            if action.after_accept:
                await handle()
            return named(api, api.refusal(api.fault(200, action.message, None, action.code)))
        if isinstance(action, Html):
            return Response(PAGE.format(status=action.status), action.status, media_type="text/html")
        if isinstance(action, Drop):
            if action.do == "drop_after_accept":
                await handle()
            return Dropped(self.connections, request)
        if isinstance(action, Delay):
            return await self._wait(request, handle, action.seconds, asyncio.Event(), after_accept=False)
        if isinstance(action, Hold):
            return await self._wait(request, handle, action.seconds, self._released, action.after_accept)
        return self._cut(action, await handle())

    @staticmethod
    async def _status(action: Status, api: Api, handle: Handling) -> Response:
        if action.after_accept:
            await handle()
        refused = api.fault(action.status, action.message, action.type, action.code)
        refused.retry_after = action.retry_after
        return named(api, api.refusal(refused))

    @staticmethod
    async def _wait(
        request: Request, handle: Handling, seconds: float | None, released: asyncio.Event, after_accept: bool
    ) -> Response:
        """Waits until released, until the seconds are over, or until the client goes away. A call whose client went
        away is carried out only when it was accepted before."""
        answer = await handle() if after_accept else None
        gone = asyncio.ensure_future(_disconnected(request))
        free = asyncio.ensure_future(released.wait())
        await asyncio.wait({gone, free}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        left = gone.done()
        for task in (gone, free):
            task.cancel()
        if left:
            return Response()
        return answer or await handle()

    def _cut(self, action: Cut, whole: Response) -> Response:
        if whole.status_code != 200 or isinstance(whole, StreamingResponse):
            return whole
        if action.clean:
            body = bytes(whole.body)
            return Response(body[: int(len(body) * action.share)], media_type=whole.media_type)
        return CutShort(whole, action.share, self.connections)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Connections:
    """The open connections of a server, by the client's address and port (unique among open connections)."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's protocol class, noting connections here."""
        opened = self._open

        class Noting(AutoHTTPProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                self.noted = transport.get_extra_info("peername")[:2]
                opened[self.noted] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                opened.pop(self.noted, None)
                super().connection_lost(exc)

        return Noting

    async def close(self, client: Any, receive: Receive) -> None:
        """Closes the connection of `client` (the ASGI scope's) and waits until the server has seen it."""
        self._open[tuple(client)].close()
        while (await receive())["type"] != "http.disconnect":
            pass


class Dropped(Response):
    """No answer at all: the connection is closed."""

    def __init__(self, connections: Connections, request: Request) -> None:
        super().__init__()
        self._connections, self._request = connections, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._connections.close(scope["client"], receive)


class CutShort(Response):
    """The beginning of an answer, then the connection is closed, although the headers promise all of it."""

    def __init__(self, whole: Response, share: float, connections: Connections) -> None:
        super().__init__(media_type=whole.media_type)
        self._whole, self._share, self._connections = whole, share, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._whole.body)
        await send({"type": "http.response.start", "status": 200, "headers": self._whole.raw_headers})
        await send({"type": "http.response.body", "body": body[: int(len(body) * self._share)], "more_body": True})
        await self._connections.close(scope["client"], receive)
