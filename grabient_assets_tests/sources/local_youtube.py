"""A small YouTube: the three requests that youtube-transcript-api makes, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

WATCH = '<html><head><title>How &amp; why - YouTube</title></head><script>"INNERTUBE_API_KEY": "key-1"</script></html>'
CAPTCHA = '<html><form class="g-recaptcha"></form></html>'
CAPTION = (
    '<transcript><text start="0.5" dur="2.5">We don&amp;#39;t talk</text>'
    '<text start="3" dur="2">about price.</text></transcript>'
)


@dataclass
class Youtube:
    """What the next requests are answered: a status other than 200 is sent with `headers` and no more."""

    base_url: str
    tracks: list[dict[str, Any]] = field(default_factory=list)
    playability: dict[str, Any] = field(default_factory=lambda: {"status": "OK"})
    watch: str = WATCH
    caption: str = CAPTION
    player: Any = None
    status: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def track(
        self, language: str, generated: bool = False, more: str = "", site: str = "https://www.youtube.com"
    ) -> None:
        """Add a caption track."""
        kind = {"kind": "asr"} if generated else {}
        url = f"{site}/api/timedtext?lang={language}{'&kind=asr' if generated else ''}{more}"
        name = {"runs": [{"text": language}]}
        self.tracks.append({"baseUrl": url, "name": name, "languageCode": language, **kind})

    def answer(self, request: Request) -> Response:
        step = {"/watch": "watch", "/api/timedtext": "caption"}.get(request.path, "player")
        self.asked.append(f"{request.method} {request.path}?{request.query_string.decode()}")
        if self.status.get(step, 200) != 200:
            return Response("no", self.status[step], self.headers)
        if step == "watch":
            return Response(self.watch, content_type="text/html")
        if step == "caption":
            marked = self.caption.replace("price", escape(request.query_string.decode()))
            return Response(marked, content_type="text/xml")
        captions = {"playerCaptionsTracklistRenderer": {"captionTracks": self.tracks}} if self.tracks else {}
        found = {"playabilityStatus": self.playability, "captions": captions}
        return Response(json.dumps(found if self.player is None else self.player), content_type="application/json")


@contextmanager
def youtube() -> Iterator[Youtube]:
    """One that runs."""
    with HTTPServer() as server:
        one = Youtube(server.url_for("/yt"))
        server.expect_request("/yt/watch").respond_with_handler(lambda request: one.answer(_within(request)))
        server.expect_request("/yt/api/timedtext").respond_with_handler(lambda request: one.answer(_within(request)))
        server.expect_request("/yt/youtubei/v1/player").respond_with_handler(
            lambda request: one.answer(_within(request))
        )
        yield one


def _within(request: Request) -> Request:
    request.path = request.path.removeprefix("/yt")
    return request
