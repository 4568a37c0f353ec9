"""YouTube as far as transcripts of videos are read: the watch page, the player for Android, and the captions.

Every id of 11 characters is a video; talks.py says which. Faults of the script spoil one of the three calls.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.talks import LANGUAGES, Talk, Track, segments_of, talk_of
from grabient_assets.emulator.wire import Call, Place, Refused, Route, read_json, reply

API_KEY = "emulated-innertube-key"
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
ROBOT = "Sign in to confirm you\u2019re not a bot"
TOO_YOUNG = "This video may be inappropriate for some users."
UNAVAILABLE = "This video is unavailable"
PRIVATE = "This video is private"
CAPTCHA = (
    "<!DOCTYPE html>\n<html><head><title>https://www.youtube.com/watch</title></head><body>"
    '<form id="captcha-form" action="index"><div class="g-recaptcha" data-sitekey="emulated"></div></form>'
    "<p>Our systems have detected unusual traffic from your computer network.</p></body></html>\n"
)
WATCH = (
    '<!DOCTYPE html>\n<html lang="en"><head><title>{title} - YouTube</title>'
    '<meta name="title" content="{title}"></head><body>'
    '<script>ytcfg.set({{"INNERTUBE_API_KEY":"{key}","INNERTUBE_CONTEXT_CLIENT_NAME":1,"HL":"en"}});</script>'
    '<div id="player" data-video="{video}"></div></body></html>\n'
)


class YouTube:
    """`/youtube`."""

    provider = "youtube"
    prefix = BASE_PATHS["youtube"]
    max_body = 1_000_000
    request_id_header = None

    def routes(self) -> tuple[Route, ...]:
        def step(name: str, method: str, path: str, handler: Callable[[Call], Response]) -> Route:
            return Route(
                "transcript", method, path, handler, keyless=True, place=lambda call: Place(_video(call), step=name)
            )

        return (
            step("watch", "GET", "/watch", self.watch),
            step("player", "POST", "/youtubei/v1/player", self.player),
            step("captions", "GET", "/api/timedtext", self.captions),
        )

    # what every call has in common ---------------------------------------------------------------------------------

    def refusal(self, refused: Refused) -> Response:
        """A page, as Google's front servers send it."""
        headers = {} if refused.retry_after is None else {"retry-after": f"{refused.retry_after:g}"}
        page = f"<!DOCTYPE html>\n<html><title>Error {refused.status}</title><p>{html.escape(refused.message)}</html>\n"
        return Response(page, refused.status, headers, media_type="text/html")

    def too_large(self) -> Refused:
        return Refused(413, "too_large", f"The body is over {self.max_body} bytes.")

    def authorise(self, call: Call) -> None:
        """Nobody is asked for a key but by the player, whose key stands in the watch page."""

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        return Refused(status, kind or "error", message, code=code)

    # the three calls -----------------------------------------------------------------------------------------------

    def watch(self, call: Call) -> Response:
        if _laid(call, "blocked"):
            return Response(CAPTCHA, media_type="text/html")
        video = _video(call)
        title = html.escape(talk_of(video).title) if _is_there(video) else ""
        page = WATCH.format(title=title, key=API_KEY, video=html.escape(video))
        return Response(page, media_type="text/html")

    def player(self, call: Call) -> Response:
        if call.query.get("key") != API_KEY:
            raise Refused(403, "forbidden", "The key is not the one of the watch page.")
        asked = _object(call.body)
        client = _object_in(_object_in(asked, "context"), "client")
        if client.get("clientName") != "ANDROID" or not isinstance(asked.get("videoId"), str):
            raise Refused(400, "invalid", "The player wants the client ANDROID and a videoId.")
        video = asked["videoId"]
        wrong = next((step["do"] for step in call.plan if step["do"] in _UNPLAYABLE), None)
        wrong = wrong or ("blocked" if _laid(call, "blocked") else None)
        if wrong is None and (not _is_there(video) or talk_of(video).fate in _UNPLAYABLE):
            wrong = talk_of(video).fate if _is_there(video) else "unavailable"
        if wrong is not None:
            return reply({"playabilityStatus": _UNPLAYABLE[wrong]})
        talk = talk_of(video)
        answer: dict[str, Any] = {"playabilityStatus": {"status": "OK"}, "videoDetails": _details(talk)}
        if talk.tracks and not _laid(call, "disabled"):
            token = bool(_laid(call, "po_token"))
            tracks = [_track(talk, track, call.base, token) for track in talk.tracks]
            answer["captions"] = {"playerCaptionsTracklistRenderer": {"captionTracks": tracks}}
        return reply(answer)

    def captions(self, call: Call) -> Response:
        """The captions of one track as XML; with `fmt=srv3` in the newer form. Empty for a track that is not there."""
        video, language = _video(call), call.query.get("lang", "")
        if not _is_there(video):
            raise Refused(404, "not_found", "There is no such video.")
        track = Track(language, call.query.get("kind") == "asr")
        if track not in talk_of(video).tracks or _laid(call, "empty_body"):
            return Response("", media_type="text/xml")
        changed = _laid(call, "changed")
        spoken = segments_of(video, track, changed["version"] if changed else 1)
        if call.query.get("fmt") == "srv3":
            lines = [
                f'<p t="{round(one.start * 1000)}" d="{round(one.duration * 1000)}">{html.escape(one.text)}</p>'
                for one in spoken
            ]
            body = f'<timedtext format="3"><body>{"".join(lines)}</body></timedtext>'
        else:
            # YouTube escapes twice: an apostrophe is `&amp;#39;`.
            lines = [
                f'<text start="{one.start:g}" dur="{one.duration:g}">{html.escape(html.escape(one.text))}</text>'
                for one in spoken
            ]
            body = f"<transcript>{''.join(lines)}</transcript>"
        return Response(f'<?xml version="1.0" encoding="utf-8" ?>{body}', media_type="text/xml")


_UNPLAYABLE: dict[str, dict[str, Any]] = {
    "blocked": {"status": "LOGIN_REQUIRED", "reason": ROBOT},
    "age_restricted": {"status": "LOGIN_REQUIRED", "reason": TOO_YOUNG},
    "unavailable": {"status": "ERROR", "reason": UNAVAILABLE},
    "unplayable": {
        "status": "UNPLAYABLE",
        "reason": PRIVATE,
        "errorScreen": {"playerErrorMessageRenderer": {"subreason": {"runs": [{"text": "Ask its owner."}]}}},
    },
}


def _details(talk: Talk) -> dict[str, Any]:
    return {
        "videoId": talk.video,
        "title": talk.title,
        "lengthSeconds": str(talk.seconds),
        "author": talk.channel,
        "shortDescription": f"{talk.title}. A talk for people who sell.",
        "isLiveContent": False,
    }


def _track(talk: Talk, track: Track, base: str, token: bool) -> dict[str, Any]:
    kind = {"kind": "asr"} if track.generated else {}
    query = {"v": talk.video, "lang": track.language, **kind, "fmt": "srv3"} | ({"exp": "xpe"} if token else {})
    name = LANGUAGES[track.language] + (" (auto-generated)" if track.generated else "")
    return {
        "baseUrl": f"{base}/api/timedtext?{urlencode(query)}",
        "name": {"runs": [{"text": name}]},
        "vssId": f"{'a' if track.generated else ''}.{track.language}",
        "languageCode": track.language,
        **kind,
        "isTranslatable": False,
    }


def _laid(call: Call, do: str) -> dict[str, Any] | None:
    """The fault of this name that is laid on the call."""
    return next((step for step in call.plan if step["do"] == do), None)


def _is_there(video: str) -> bool:
    return VIDEO_ID.fullmatch(video) is not None


def _video(call: Call) -> str:
    """The video that a call is about; empty where that cannot be seen."""
    found = call.query.get("v") or _object(call.body).get("videoId")
    return found if isinstance(found, str) else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = read_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _object_in(outer: dict[str, Any], name: str) -> dict[str, Any]:
    found = outer.get(name)
    return found if isinstance(found, dict) else {}
