"""Reaching sources: the pages of the web and the transcripts of YouTube, or the emulator in their place."""

from __future__ import annotations

from grabient_assets.resources.modes import web_access, youtube_access
from grabient_assets.settings import Settings
from grabient_assets.sources.pages import Fetchers

JSON = "application/json"


def fetchers(settings: Settings) -> Fetchers:
    """How sources are reached now. In emulator mode the emulator is started when it is not running, and nothing leaves
    the machine."""
    from grabient_assets.sources.pages import Fetched, PageFetcher
    from grabient_assets.sources.transcripts import fetch_transcript

    youtube = youtube_access(settings)

    def transcript(video_id: str) -> Fetched:
        found = fetch_transcript(video_id, youtube.base_url, youtube.proxy_url)
        return Fetched(found.body, JSON, None, None, f"https://www.youtube.com/watch?v={video_id}")

    return Fetchers(transcript, PageFetcher(emulator=web_access(settings)).fetch)
