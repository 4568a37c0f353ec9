"""Fetching a web page: public addresses only, within limits of size, time, redirects and kinds of content.

No cookies are kept, no credentials are sent, and no proxy of the environment is used, because a proxy would resolve
names past the guard. The resolver of the system has a time limit of its own, which is not counted here.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpcore
import httpx

from grabient_assets.sources.documents import media_type_of
from grabient_assets.sources.problem import SourceProblem, status_problem
from grabient_assets.sources.public_address import GuardedNetwork, Resolve, is_private_literal, system_resolve

MOST_BYTES = 10_000_000
MOST_SECONDS = 30.0
MOST_REDIRECTS = 5
_PROSE = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/pdf")
MEDIA_TYPES = frozenset((*_PROSE, "application/json", "text/vtt", "application/x-subrip", "text/srt"))
_REDIRECTS = (301, 302, 303, 307, 308)
_PACKED = ("", "identity", "gzip", "deflate")
"""One layer only: each layer multiplies what a small answer can unpack to."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave. `media_type` has its charset where one was named. `unchanged`: 304, and `body` is empty."""

    body: bytes
    media_type: str | None
    etag: str | None
    last_modified: str | None
    final_url: str
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Fetchers:
    """How sources are reached: a video by its id, a page by its address with its ETag and its Last-Modified."""

    transcript: Callable[[str], Fetched]
    page: Callable[[str, str | None, str | None], Fetched]


class PageFetcher:
    """Fetches pages, each with a connection of its own, so threads may share it.

    With `emulator`, the base address of ours, nothing leaves the machine: every page is taken from
    `<emulator>/web/HOST/PATH`, and names that end in `.private.example` count as private. `clock` gives seconds.
    `network` and `tls` are what connections are made with.
    """

    def __init__(
        self,
        resolve: Resolve = system_resolve,
        emulator: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        network: httpcore.NetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve, self._clock, self._network = resolve, clock, network
        self._emulator = emulator.rstrip("/") if emulator else None
        self._tls = tls or httpx.create_ssl_context()

    def fetch(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """The content of `url`, after redirects. With `etag` or `last_modified` of before, it may be `unchanged`.

        Raises SourceProblem.
        """
        ends = self._clock() + MOST_SECONDS

        def left() -> float:
            if (seconds := ends - self._clock()) <= 0:
                raise SourceProblem("timeout", f"{url} did not come whole in {MOST_SECONDS:.0f} seconds.")
            return seconds

        known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in known.items() if value}
        try:
            with httpx.Client(transport=self._transport(left), trust_env=False, timeout=MOST_SECONDS) as client:
                return self._follow(client, url, headers, left)
        except httpx.TimeoutException as error:
            raise SourceProblem("timeout", f"{url} did not answer in time.") from error
        except (httpx.DecodingError, httpx.InvalidURL, UnicodeError) as error:
            raise SourceProblem("broken", f"{url} answered what cannot be read: {error}.") from error
        except httpx.HTTPError as error:
            raise SourceProblem("network", f"{url} could not be reached: {error}.") from error

    def _transport(self, left: Callable[[], float]) -> httpx.HTTPTransport:
        transport = httpx.HTTPTransport(verify=self._tls, trust_env=False)
        guard = GuardedNetwork(None if self._emulator else self._resolve, left, self._network)
        # httpx takes no network backend of its own accord.
        transport._pool = httpcore.ConnectionPool(ssl_context=self._tls, network_backend=guard)
        return transport

    def _follow(self, client: httpx.Client, url: str, known: dict[str, str], left: Callable[[], float]) -> Fetched:
        asked, headers = url, {**known, "Accept-Encoding": "gzip, deflate", "User-Agent": "grabient-assets"}
        for _ in range(MOST_REDIRECTS + 1):
            address = self._address(url)
            client.cookies.clear()
            with client.stream("GET", address, headers=headers) as answer:
                target = answer.headers.get("Location")
                if answer.status_code not in _REDIRECTS or not target:
                    return self._taken(answer, url, bool(known), left)
            of_ours = self._emulator and target.startswith("/web/")
            url = str(httpx.URL(address if of_ours else url).join(target).copy_with(fragment=None))
        raise SourceProblem("too_many_redirects", f"{asked} leads on more than {MOST_REDIRECTS} times. Name its end.")

    def _address(self, url: str) -> str:
        """Where `url` is fetched. Raises SourceProblem for what is never fetched."""
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo:
            raise SourceProblem("refused", f"{url} is no address of http or https, or holds a password.")
        if self._emulator and str(parts).startswith(f"{self._emulator}/web/"):
            return str(parts)
        if is_private_literal(parts.host):
            raise SourceProblem("private_address", f"{url} leads to this machine or a private network.")
        if not self._emulator:
            return str(parts)
        if parts.host.endswith(".private.example"):
            raise SourceProblem("private_address", f"{parts.host} resolves to 10.0.0.1, which is no public address.")
        return f"{self._emulator}/web/{parts.host}{parts.raw_path.decode()}"

    def _taken(self, answer: httpx.Response, url: str, asked_again: bool, left: Callable[[], float]) -> Fetched:
        media_type = answer.headers.get("Content-Type") or media_type_of(httpx.URL(url).path)
        etag, last_modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
        if answer.status_code == 304 and asked_again:
            return Fetched(b"", None, etag, last_modified, url, unchanged=True)
        if answer.status_code != 200:
            raise status_problem(url, answer.status_code, answer.headers.get("Retry-After"))
        plain = (media_type or "").partition(";")[0].strip().lower()
        packed = answer.headers.get("Content-Encoding", "").strip().lower()
        if plain not in MEDIA_TYPES or packed not in _PACKED:
            raise SourceProblem("wrong_type", f"{url} is of the type {media_type} {packed}; no text is read from it.")
        body, length = bytearray(), answer.headers.get("Content-Length", "")
        too_large = length.isdecimal() and int(length) > MOST_BYTES
        for piece in () if too_large else answer.iter_bytes():
            left()
            body += piece
            if too_large := len(body) > MOST_BYTES:
                break
        if too_large:
            raise SourceProblem("too_large", f"{url} has more than {MOST_BYTES // 10**6} MB. Take a smaller page.")
        if not body:
            raise SourceProblem("empty_body", f"{url} answered 200 without content. It is tried again.")
        return Fetched(bytes(body), media_type, etag, last_modified, url)
