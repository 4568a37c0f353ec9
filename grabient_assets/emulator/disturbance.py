"""What a fault does to one call: before it is handled, instead, or to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from grabient_assets.emulator.fault_rules import CallAction, Cut, Delay, Drop, Hold, Html, Status
from grabient_assets.emulator.sockets import Connections, CutShort, Dropped
from grabient_assets.emulator.wire import Api, named

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{status} | edge</title></head>"
    "<body><h1>Error {status}</h1><p>The origin did not answer. Ray ID: emulated.</p></body></html>\n"
)
Handling = Callable[[], Awaitable[Response]]


class Disturbance:
    """Carries out faults on calls. One per server: `release` lets go of every call that is held."""

    def __init__(self) -> None:
        self.connections = Connections()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def disturb(self, action: CallAction, api: Api, request: Request, handle: Handling) -> Response:
        """The answer to a call under a fault; `handle` does what the API would have done."""
        if isinstance(action, Status):
            return await self._status(action, api, handle)
        if isinstance(action, Html):
            return Response(PAGE.format(status=action.status), action.status, media_type="text/html")
        if isinstance(action, Drop):
            if action.do == "drop_after_accept":
                await handle()
            return Dropped(self.connections, request)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
            return await handle()
        if isinstance(action, Hold):
            return await self._hold(action, request, handle)
        return self._cut(action, await handle())

    @staticmethod
    async def _status(action: Status, api: Api, handle: Handling) -> Response:
        if action.after_accept:
            await handle()
        refused = api.fault(action.status, action.message, action.type, action.code)
        refused.retry_after = action.retry_after
        return named(api, api.refusal(refused))

    async def _hold(self, action: Hold, request: Request, handle: Handling) -> Response:
        """Waits until released, until the seconds are over, or until the client goes away."""
        answer = await handle() if action.after_accept else None
        gone = asyncio.ensure_future(_disconnected(request))
        free = asyncio.ensure_future(self._released.wait())
        await asyncio.wait({gone, free}, timeout=action.seconds, return_when=asyncio.FIRST_COMPLETED)
        left = gone.done()
        for task in (gone, free):
            task.cancel()
        if left:
            return Response()
        return answer or await handle()

    def _cut(self, action: Cut, whole: Response) -> Response:
        if whole.status_code != 200:
            return whole
        if action.clean:
            body = bytes(whole.body)
            return Response(body[: int(len(body) * action.share)], media_type=whole.media_type)
        return CutShort(whole, action.share, self.connections)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
