"""Groq's batches through its SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grabient_assets.providers.chat_batches import ChatBatches
from grabient_assets.providers.direct import DirectCalls
from grabient_assets.providers.guard import only_ours, trusted
from grabient_assets.providers.patience import Deadline, Patience
from grabient_assets.providers.reading import UnreadableAnswer, inside, items, plain, text_or_none
from grabient_assets.registry.model import BatchLimits

BASE_URL = "https://api.groq.com"


class GroqBatches(ChatBatches):
    """See `contract.BatchProvider`. Free plans have no batch API (403 not_available_for_plan)."""

    name = "groq"
    keeps_metadata = False  # its documentation shows them coming back null

    def __init__(self, api_key: str, base_url: str | None, limits: BatchLimits, patience: Patience) -> None:
        import groq
        import httpx

        self.limits = limits
        self._key = api_key
        self._patience = patience
        # The SDK adds /openai/v1 itself; an address that has it already would carry it twice.
        base_url = (base_url or BASE_URL).rstrip("/").removesuffix("/openai/v1")
        deadline = Deadline(patience)
        hooks = {"request": [only_ours(base_url, {"authorization": f"Bearer {api_key}"}), deadline.begin]}
        http = groq.DefaultHttpxClient(event_hooks=hooks, verify=trusted())
        deadline.bound(http)
        self._client = groq.Groq(
            api_key=api_key,
            base_url=base_url,
            timeout=patience.read,
            max_retries=0,
            http_client=http,
        )

        self._direct = DirectCalls(self.name, api_key, deadline, patience, "x-request-id")
        self._raw = httpx.Response

    def _path(self, url: str) -> str:
        return f"/openai{url}"

    def _batches(self) -> Iterator[Any]:
        """The SDK does not page; the server does, by cursor."""
        cursor, seen = None, set()
        while True:
            page = plain(self._client.batches.list(extra_query={"cursor": cursor} if cursor else None))
            yield from items(page.get("data"))
            cursor = text_or_none(inside(page, "paging", "next_cursor"))
            if cursor is None:
                return
            if cursor in seen:
                raise UnreadableAnswer(f"the list of batches repeats its page {cursor!r}")
            seen.add(cursor)

    def _file(self, file_id: str) -> Any:
        return self._client.files.info(file_id)
