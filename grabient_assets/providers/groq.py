"""Groq's batches and single calls through its SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grabient_assets.providers import openai_lines
from grabient_assets.providers.client import ConnectionOptions
from grabient_assets.providers.openai import FileBatchClient
from grabient_assets.providers.values import UnreadableAnswer, inside, items, plain, text_or_none


class GroqBatches(FileBatchClient):
    """See `contract.BatchProvider`. Free plans have no batch API (403 not_available_for_plan)."""

    name = "groq"
    lines = openai_lines.format_of("groq")
    default_url = "https://api.groq.com"
    keeps_metadata = False  # its documentation shows them coming back null

    def __init__(self, options: ConnectionOptions) -> None:
        import groq
        import httpx

        super().__init__(options)
        # The SDK adds /openai/v1 itself; an address that has it already would carry it twice.
        self._base_url = self._base_url.rstrip("/").removesuffix("/openai/v1")
        http = self._http_client(groq.DefaultHttpxClient, {"authorization": f"Bearer {options.api_key}"})
        self._client = groq.Groq(**self._sdk_options(http))
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
