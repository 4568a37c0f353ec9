"""What a person names as a source: a video, a file or an address, and how it is known from then on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import httpx

from grabient_assets.errors import UsageError
from grabient_assets.sources.public_address import is_private_literal

SourceKind = Literal["youtube", "document", "url"]
WorkflowType = Literal["youtube", "documents", "urls", "mixed"]
MOST_CHARACTERS = 2_000
_TAKES: dict[str, SourceKind] = {"youtube": "youtube", "documents": "document", "urls": "url"}
_NOUNS: dict[SourceKind, str] = {"youtube": "a YouTube video", "document": "a file", "url": "a web address"}
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_YOUTUBE = re.compile(r"((www|m|music)\.)?youtube(-nocookie)?\.com|(www\.)?youtu\.be", re.IGNORECASE)
_NOT_VIDEOS = {"videoseries", "live_stream"}
"""Words of player addresses that have the length of an id."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One source. `locator` is the address of the video, the absolute path, or the address without its fragment."""

    source_id: str
    kind: SourceKind
    locator: str


def read_reference(text: str, type: WorkflowType = "mixed") -> Reference:
    """The source that `text` names, for a workflow of `type`. Raises UsageError; nothing is fetched."""
    text = text.strip()
    if not text:
        raise UsageError("The source is empty. Name a video, a file or an address.")
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"The source {_short(text)} has {len(text):,} characters; at most {MOST_CHARACTERS:,} do.")
    found = _referred(text, type)
    if _TAKES.get(type, found.kind) != found.kind:
        raise UsageError(f"{_short(text)} is {_NOUNS[found.kind]}; a workflow of type {type} takes none. Use mixed.")
    return found


def read_list(path: str | Path) -> list[str]:
    """The sources of a list file, one in a line; lines that begin with # are comments. Raises UsageError."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"The list {path} cannot be read as UTF-8 text: {error}.") from error
    found = [re.split(r"\s#", line)[0].strip() if "://" in line else line.strip() for line in lines]
    return [line for line in found if line and not line.startswith("#")]


def _referred(text: str, type: WorkflowType) -> Reference:
    scheme = _SCHEME.match(text)
    name = scheme[1].lower() if scheme else ""
    if name == "file":
        raise UsageError(f"{_short(text)} is a file:// address. Name the file by its path.")
    if name in ("http", "https"):
        return _web(text)
    if type != "documents" and _YOUTUBE.fullmatch(re.split(r"[/?#]", text)[0]):
        return _web(f"https://{text}")
    if type == "youtube" and _VIDEO_ID.fullmatch(text):
        return _video(text)
    if scheme and (scheme[2] or name in ("data", "javascript", "mailto")):
        raise UsageError(f"{_short(text)} has the scheme {name}; only http and https are fetched.")
    if type == "youtube":
        raise UsageError(f"{_short(text)} is no YouTube address, and no id: ids have 11 of A-Z, a-z, 0-9, _ and -.")
    if type == "urls":
        raise UsageError(f"{_short(text)} is no web address. It has to begin with https:// or http://.")
    return _file(text)


def _web(text: str) -> Reference:
    try:
        url = httpx.URL(text).copy_with(fragment=None)
        url = url if urlsplit(str(url)).path else url.copy_with(path="/")
        port = 1 if url.port is None else url.port
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise UsageError(f"{_short(text)} is no valid address: {error}.") from error
    if not url.host or not 0 < port < 65_536:
        raise UsageError(f"{_short(text)} is no valid address: it names no host, or a port that there is not.")
    if url.userinfo:
        raise UsageError(f"The address of {url.host} holds a user name or password; such addresses are not taken.")
    if is_private_literal(url.host):
        raise UsageError(f"{_short(text)} leads to this machine or a private network; only public addresses are taken.")
    if _YOUTUBE.fullmatch(url.host.rstrip(".")):
        return _video_of(text, str(url))
    return Reference(f"url_{_digest(str(url))}", "url", str(url))


def _video_of(text: str, address: str) -> Reference:
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    path = [part for part in parts.path.split("/") if part]
    first = path[0].lower() if path else ""
    found: str | None = None
    if (parts.hostname or "").rstrip(".").endswith("youtu.be"):
        found = path[0] if path else None
    elif first == "watch":
        found = path[1] if len(path) > 1 else query.get("v", [None])[0]
    elif first in ("shorts", "embed", "live", "v"):
        found = path[1] if len(path) > 1 else None
    of_many = "list" in query or first in ("channel", "c", "user", "playlist") or first.startswith("@")
    if found in _NOT_VIDEOS or (found is None and of_many):
        way_out = "It cannot be expanded without an API key; list the videos in a file."
        raise UsageError(f"{_short(text)} is a channel or playlist. {way_out}")
    if found is None:
        raise UsageError(f"{_short(text)} is an address of YouTube, but of no video.")
    return _video(found)


def _video(video_id: str) -> Reference:
    if not _VIDEO_ID.fullmatch(video_id):
        raise UsageError(f"{_short(video_id)} is no id of a video: ids have 11 of A-Z, a-z, 0-9, _ and -.")
    return Reference(f"yt_{video_id}", "youtube", f"https://www.youtube.com/watch?v={video_id}")


def _file(text: str) -> Reference:
    try:
        path = Path(text).expanduser().resolve()
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{_short(text)} is no path of a file: {error}.") from error
    if not is_file:
        wrong = "is a folder; name the files in it" if path.is_dir() else "is no file, and no http address"
        raise UsageError(f"{_short(text)} {wrong}.")
    return Reference(f"doc_{_digest(str(path))}", "document", str(path))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
