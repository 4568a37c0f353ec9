"""OpenAI's batches through its SDK."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grabient_assets.providers import chat_lines, openai_lines
from grabient_assets.providers.chat_batches import ChatBatches
from grabient_assets.providers.direct import DirectCalls
from grabient_assets.providers.guard import only_ours, trusted
from grabient_assets.providers.patience import Deadline, Patience
from grabient_assets.providers.reading import each_once
from grabient_assets.registry.model import BatchLimits

BASE_URL = "https://api.openai.com/v1"


class OpenAIBatches(ChatBatches):
    """See `contract.BatchProvider`. Takes one model per input file."""

    name = "openai"
    batch_endpoints = (chat_lines.ENDPOINT, openai_lines.MAKE, openai_lines.EDIT, openai_lines.EMBED)

    def __init__(self, api_key: str, base_url: str | None, limits: BatchLimits, patience: Patience) -> None:
        import httpx2
        import openai

        self.limits = limits
        self._key = api_key
        self._patience = patience
        base_url = base_url or BASE_URL
        deadline = Deadline(patience)
        hooks = {"request": [only_ours(base_url, {"authorization": f"Bearer {api_key}"}), deadline.begin]}
        http = openai.DefaultHttpxClient(event_hooks=hooks, verify=trusted())
        deadline.bound(http)
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=patience.read,
            max_retries=0,
            http_client=http,
        )

        self._direct = DirectCalls(self.name, api_key, deadline, patience, "x-request-id")
        self._raw = httpx2.Response

    def _path(self, url: str) -> str:
        return url.removeprefix("/v1")  # which is part of the base URL

    def _batches(self) -> Iterable[Any]:
        return each_once(self._client.batches.list(limit=100))

    def _file(self, file_id: str) -> Any:
        return self._client.files.retrieve(file_id)
