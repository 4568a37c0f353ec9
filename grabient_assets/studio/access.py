"""Who may ask the studio: requests that name this machine, and forms that a page of this process sent.

A web page elsewhere can make a browser send requests to 127.0.0.1. It cannot read the token of a page, nor choose the
headers Host, Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TOKEN_HEADER, TOKEN_FIELD = "X-Grabient-Token", "token"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::([0-9]{1,5}))?")
_READING = ("GET", "HEAD")

CONTENT_SECURITY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # the colours of a palette stand in the style attribute of its swatch
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one studio: its token, and the address it listens at."""

    token: str
    host: str
    port: int

    def refusal(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Why such a request is refused, as a sentence; None when it may go on. The token of a form is looked at
        later, because it may stand in the body."""
        host = headers.get("host", "").lower()
        if not self._is_ours(host):
            return (
                f"The studio answers under {' and '.join(self._shown())}, not under {host[:200]!r}. Open it at one of "
                "these addresses."
            )
        if method in _READING:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin == "null" and site == "same-origin":
            return None  # what a browser sends for a form of our own pages, because of their Referrer-Policy
        if origin is not None and origin.lower() != f"http://{host}":
            return f"This was sent by a page of {origin[:200]!r}. Only pages of the studio itself may change something."
        if site is not None and site != "same-origin":
            return "This was sent by a page of another site. Only pages of the studio itself may change something."
        return None

    def knows(self, token: object) -> bool:
        """Whether it is the token of this process, compared in constant time."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        return found is not None and found[1] in self._names() and int(found[2] or 80) == self.port

    def _names(self) -> tuple[str, ...]:
        own = f"[{self.host}]" if ":" in self.host else self.host
        return tuple(dict.fromkeys((own.lower(), *LOOPBACK)))

    def _shown(self) -> list[str]:
        return [f"http://{name}:{self.port}" for name in self._names()]


WITHOUT_TOKEN = (
    "This form is of an earlier start of the studio, or of another program. Nothing was changed: open the page again, "
    "and press the button there. A program sends the token of a page as the header X-Grabient-Token or the field token."
)


class Guard:
    """The ASGI layer around the application: refuses what `Access` refuses, and sets the headers of every response."""

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application, self._access = application, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # A socket is opened by GET, and a page of another site may try it: it has to name its origin, as a form does.
        refusal = self._access.refusal(scope.get("method", "WEBSOCKET"), headers)
        if refusal is None:
            await self._application(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not a page of the studio"})
        else:
            await refused(refusal, headers)(scope, receive, _with_headers(send))


def refused(sentence: str, headers: Mapping[str, str], status: int = 403) -> Response:
    """The refusal as text, or as JSON for a program that asks for it."""
    if "application/json" in headers.get("accept", ""):
        return JSONResponse({"error": sentence}, status)
    return PlainTextResponse(f"{sentence}\n", status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
