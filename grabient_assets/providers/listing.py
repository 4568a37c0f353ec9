"""Lists that the SDKs read page after page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from grabient_assets.providers.faults import UnreadableAnswer
from grabient_assets.providers.plain import plain


def each_once(listed: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """What an SDK lists, each with its `id`. Raises UnreadableAnswer for an id that comes again.

    A server, or a gateway before it, that does not look at where the next page begins sends its first page for ever,
    and the SDKs ask for ever. Not for lists whose pages may overlap.
    """
    seen: set[str] = set()
    for item in listed:
        value = plain(item, "id")
        if value["id"] in seen:
            raise UnreadableAnswer(f"a list that repeats its pages: {value['id']!r} came twice")
        seen.add(value["id"])
        yield value
