"""Control over the connection under a request, which ASGI does not offer: closing it without an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol


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
