"""How sources are reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grabient_assets.sources.pages import Fetched


@dataclass(frozen=True, slots=True)
class Fetchers:
    """How sources are reached: a video by its id, a page by its address and the ETag and Last-Modified of before."""

    transcript: Callable[[str], Fetched]
    page: Callable[[str, str | None, str | None], Fetched]
