"""The transcript of a YouTube video, through youtube-transcript-api."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from grabient_assets.sources.problem import ErrorClass, SourceProblem, status_problem

if TYPE_CHECKING:
    from requests import Session
    from youtube_transcript_api import Transcript as Track

YOUTUBE = "https://www.youtube.com/"
_TIMEOUT = (10, 30)
"""Seconds to connect, and between two pieces of an answer."""
_WAY_OUT = "A transcript can be given as a file (JSON, VTT or SRT)."
_KINDS: dict[str, tuple[ErrorClass, str]] = {
    "AgeRestricted": ("age_restricted", "is for grown-ups who signed in"),
    "TranscriptsDisabled": ("disabled", "has its transcripts turned off"),
    "NoTranscriptFound": ("no_transcript", "has no transcript"),
    "VideoUnavailable": ("unavailable", "is not available any more"),
    "InvalidVideoId": ("unavailable", "has an id that YouTube does not take"),
    "VideoUnplayable": ("unplayable", "cannot be played: {reason}"),
}
"""By the exceptions of the library."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What is said from second `t` on, for `duration` seconds; [`char_start`, `char_end`) is its place in a text."""

    t: float
    duration: float
    text: str
    char_start: int = 0
    char_end: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a video. `body` is all of it as JSON, which read_document reads again (application/json)."""

    segments: tuple[Segment, ...]
    language: str
    generated: bool
    quality: float
    title: str | None
    body: bytes


def quality_of(language: str | None, generated: bool) -> float:
    """1.0 for English by a person (no language named counts as English), 0.7 for generated English, 0.5 otherwise."""
    english = language is None or language.lower().split("-")[0] == "en"
    return (0.7 if generated else 1.0) if english else 0.5


def fetch_transcript(video_id: str, base_url: str | None = None, proxy_url: str | None = None) -> Transcript:
    """The best transcript: English by a person, then generated English, then any other.

    `base_url` stands in place of https://www.youtube.com/. Raises SourceProblem.
    """
    from xml.etree.ElementTree import ParseError

    import requests
    import youtube_transcript_api as library
    from youtube_transcript_api.proxies import GenericProxyConfig

    video = f"The video {video_id}"
    session, seen = _session(base_url, video)
    proxy = GenericProxyConfig(http_url=proxy_url, https_url=proxy_url) if proxy_url else None
    with session:
        try:
            tracks = library.YouTubeTranscriptApi(proxy_config=proxy, http_client=session).list(video_id)
            if not (ranked := sorted(tracks, key=_rank, reverse=True)):
                raise SourceProblem("no_transcript", f"{video} has no transcript. {_WAY_OUT}")
            track, snippets = ranked[0], ranked[0].fetch().snippets
        except library.CouldNotRetrieveTranscript as error:
            raise _problem(video, error, seen) from error
        except ParseError as error:
            if not seen.empty:
                raise SourceProblem("broken", f"{video} has a transcript that cannot be read: {error}.") from error
            raise SourceProblem("empty_body", f"{video} gave an empty transcript. It is tried again.") from error
        except requests.Timeout as error:
            raise SourceProblem("timeout", f"{video} did not answer in time.") from error
        except requests.RequestException as error:
            raise SourceProblem("network", f"{video} could not be reached: {error}.") from error
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise SourceProblem("broken", f"YouTube's answer for {video_id} has another form: {error!r}.") from error
    segments = tuple(Segment(one.start, one.duration, one.text) for one in snippets if one.text.strip())
    if not segments:
        raise SourceProblem("no_transcript", f"{video} has a transcript without a word.")
    quality = quality_of(track.language_code, track.is_generated)
    told = [{"text": one.text, "start": one.t, "duration": one.duration} for one in segments]
    whole = {"title": seen.title, "language": track.language_code, "generated": track.is_generated, "quality": quality}
    body = json.dumps({**whole, "segments": told}, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return Transcript(segments, track.language_code, track.is_generated, quality, seen.title, body)


def _rank(track: Track) -> tuple[float, bool]:
    """The best is the greatest; of equals the library names those by a person first."""
    return quality_of(track.language_code, track.is_generated), track.language_code == "en"


@dataclass(slots=True)
class _Seen:
    """What the library does not tell of the answers it got."""

    title: str | None = None
    status: int = 200
    retry_after: str | None = None
    empty: bool = False


def _session(base_url: str | None, video: str) -> tuple[Session, _Seen]:
    """A session that reaches YouTube, or `base_url` in its place, and nothing else."""
    import requests
    from requests.adapters import HTTPAdapter

    seen = _Seen()
    base = base_url.rstrip("/") + "/" if base_url else YOUTUBE

    class Adapter(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            url = request.url or ""
            request.url = base + url.removeprefix(YOUTUBE) if url.startswith(YOUTUBE) else url
            own = urlsplit(request.url)[:2] == urlsplit(base)[:2]
            if not own and (base_url or not re.match(r"https://([\w-]+\.)*(youtube|google)\.com/", url)):
                raise SourceProblem("refused", f"{video} leads to {url}, which is not YouTube's. It is not fetched.")
            answer = super().send(request, *args, **{**options, "timeout": _TIMEOUT})
            seen.status, seen.retry_after = answer.status_code, answer.headers.get("Retry-After")
            seen.empty = not answer.content.strip()
            if "/watch" in url and (found := re.search(r"<title>(.*?)(?: - YouTube)?</title>", answer.text, re.DOTALL)):
                seen.title = " ".join(unescape(found[1]).split()) or None
            return answer

    session = requests.Session()
    session.trust_env = False  # no proxy and no password of the environment
    session.mount("https://", Adapter())
    session.mount("http://", Adapter())
    return session, seen


def _problem(video: str, error: Exception, seen: _Seen) -> SourceProblem:
    kind = type(error).__name__
    if kind == "YouTubeRequestFailed" or seen.status == 429:
        return status_problem(video, seen.status, seen.retry_after)
    if kind in _KINDS:
        error_class, sentence = _KINDS[kind]
        return SourceProblem(error_class, f"{video} {sentence.format(reason=getattr(error, 'reason', ''))}. {_WAY_OUT}")
    # IpBlocked, RequestBlocked, PoTokenRequired, a consent page, a page without the key: not from here, not now.
    return SourceProblem("blocked", f"YouTube blocks this machine ({kind}). {_WAY_OUT}")
