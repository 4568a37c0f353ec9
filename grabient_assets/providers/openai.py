"""OpenAI's batches and single calls through its SDK, and the parts that Groq's copy of its API shares.

A batch is an uploaded file, named by our label, and a create call that points to it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any, ClassVar

from grabient_assets.errors import RequestRejectedError, ResultsError
from grabient_assets.providers import openai_lines
from grabient_assets.providers.client import ConnectionOptions, ProviderClient, redacted_state
from grabient_assets.providers.contract import Accepted, BatchFile, BatchState, Outcome, State
from grabient_assets.providers.values import (
    each_once,
    inside,
    items,
    may_be_ours,
    newest_first,
    plain,
    text_or_none,
    unix_time,
    whole_number,
)
from grabient_assets.registry.model import Model

LABEL = "grabient_batch"
WINDOW = "24h"

_STATES: Mapping[str, tuple[State, Outcome | None]] = {
    "validating": ("running", None),
    "in_progress": ("running", None),
    "finalizing": ("running", None),
    "cancelling": ("cancelling", None),
    "completed": ("ended", "completed"),
    "failed": ("ended", "failed"),
    "expired": ("ended", "expired"),
    "cancelled": ("ended", "cancelled"),
}


class FileBatchClient(ProviderClient):
    """What OpenAI and Groq share. Subclasses make the SDK's client, list batches and name files."""

    keeps_metadata: ClassVar[bool] = True
    batch_endpoints: ClassVar[tuple[str, ...]] = (openai_lines.CHAT,)
    _raw: Any
    """The class of the HTTP library's answers. The SDK returns the raw answer when this class is requested."""

    @abstractmethod
    def _batches(self) -> Iterable[Any]:
        """All batches of the account."""

    @abstractmethod
    def _file(self, file_id: str) -> Any:
        """The provider's record of an uploaded file."""

    @abstractmethod
    def _path(self, url: str) -> str:
        """Where the SDK finds the endpoint that a request line names."""

    def _create(self, batch: BatchFile) -> Accepted:
        endpoint = openai_lines.endpoint_of(batch.lines, self.name)
        if endpoint not in self.batch_endpoints:
            raise RequestRejectedError(
                self.name, f"{self.name} has no batches for {endpoint} ({batch.batch_id}). Ask it by direct calls."
            )
        content = b"".join(line + b"\n" for line in batch.lines)
        # An upload that fails leaves at worst an orphan file, never a batch: it is not ambiguous.
        with self._translated(f"uploading batch {batch.batch_id}"):
            file = (_file_name(batch.batch_id), content, "application/jsonl")
            uploaded = self._client.files.create(file=file, purpose="batch", timeout=self._timeouts.transfer)
            file_id = plain(uploaded, "id")["id"]
        with self._translated(f"submitting batch {batch.batch_id} (file {file_id})", creating=True):
            created = self._client.batches.create(
                input_file_id=file_id,
                endpoint=endpoint,
                completion_window=WINDOW,
                metadata={LABEL: batch.batch_id},
                timeout=self._timeouts.transfer,
            )
            value = plain(created, "id")
        return Accepted(value["id"], file_id, str(value.get("status") or ""))

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        found: list[BatchState] = []
        for value in self._listed("batches", self._batches):
            if value["id"] in accounted:
                continue
            file_id = value.get("input_file_id")
            ours = inside(value, "metadata", LABEL) == label or (bool(input_file_id) and file_id == input_file_id)
            if not ours and not value.get("metadata") and self._may_be(value, submitted_after, request_count):
                ours = self._is_named(file_id, _file_name(label))
            if ours is not False:
                found.append(self._state(value, label if ours else None))
        return newest_first(found)

    def _may_be(self, value: dict[str, Any], submitted_after: datetime | None, request_count: int) -> bool:
        """Whether a batch fits by time and size. While it is validated its total may still be 0."""
        total = whole_number(inside(value, "request_counts", "total"))
        return total in (None, 0, request_count) and may_be_ours(unix_time(value.get("created_at")), submitted_after)

    def _is_named(self, file_id: object, name: str) -> bool | None:
        """Whether the file of a batch without metadata has this name; None when that can no longer be found out.

        It is asked for by its id: Groq does not document how far back a list of files goes.
        """
        without_label = False if self.keeps_metadata else None  # where metadata are kept, a batch without is not ours
        if text_or_none(file_id) is None:
            return without_label
        try:
            file = self._ask(f"asking for file {file_id}", lambda: plain(self._file(str(file_id)), "id"), file=True)
        except ResultsError:
            return without_label
        found = text_or_none(file.get("filename"))
        return without_label if found is None else found == name

    def _listed(self, what: str, source: Any) -> list[dict[str, Any]]:
        return self._ask(f"listing {what}", lambda: [plain(item, "id") for item in source()])

    def _lines(self, value: dict[str, Any]) -> Iterator[bytes]:
        for field in ("output_file_id", "error_file_id"):
            # Absent, null, "" and {} all mean that there is no such file.
            if file_id := text_or_none(value.get(field)):
                what = f"file {file_id} ({field}) of batch {value['id']}"
                yield from self._file_lines(self._opener(file_id), what)

    def _opener(self, file_id: str) -> Any:
        def opened(stack: ExitStack) -> Iterable[bytes]:
            content = self._client.files.with_streaming_response.content(file_id, timeout=self._timeouts.transfer)
            return stack.enter_context(content).iter_bytes()

        return opened

    def send_directly(self, line: bytes, model: Model) -> bytes:
        asked = json.loads(line)
        path = self._path(asked["url"])

        def post(seconds: float) -> Any:
            return self._client.post(path, cast_to=self._raw, body=asked["body"], options={"timeout": seconds})

        reply = self._reply(asked["custom_id"], model, post)
        response = {"status_code": reply.status, "request_id": reply.request_id, "body": reply.body}
        return self._result_line({"custom_id": asked["custom_id"], "response": response, "error": None})

    def available_models(self) -> set[str]:
        return {value["id"] for value in self._listed("models", self._models)}

    def _models(self) -> list[Any]:
        return items(plain(self._client.models.list()).get("data"))

    def _state(self, value: dict[str, Any], label: str | None = None) -> BatchState:
        raw = str(value.get("status") or "")
        word = raw.lower().replace("canceled", "cancelled")
        stage, outcome = _STATES.get(word, ("running", None))  # an unknown state does not count as an end
        code, message = _error(value.get("errors"))
        state = BatchState(
            provider_batch_id=value["id"],
            state=stage,
            raw_status=raw,
            outcome=outcome,
            total=whole_number(inside(value, "request_counts", "total")),
            succeeded=whole_number(inside(value, "request_counts", "completed")),
            failed=whole_number(inside(value, "request_counts", "failed")),
            # Not those that failed: how many of them the error file holds differs with how the batch ended.
            least_answers=whole_number(inside(value, "request_counts", "completed")) if outcome else None,
            error_code=code,
            error=message,
            created_at=unix_time(value.get("created_at")),
            ended_at=unix_time(value.get(f"{word}_at")) if outcome else None,
            label=label or text_or_none(inside(value, "metadata", LABEL)),
            input_file_id=text_or_none(value.get("input_file_id")),
        )
        return redacted_state(state, self._key)


class OpenAIBatches(FileBatchClient):
    """See `contract.BatchProvider`. Takes one model per input file."""

    name = "openai"
    lines = openai_lines.format_of("openai")
    default_url = "https://api.openai.com/v1"
    batch_endpoints = (openai_lines.CHAT, openai_lines.MAKE, openai_lines.EDIT, openai_lines.EMBED)

    def __init__(self, options: ConnectionOptions) -> None:
        import httpx2
        import openai

        super().__init__(options)
        http = self._http_client(openai.DefaultHttpxClient, {"authorization": f"Bearer {options.api_key}"})
        self._client = openai.OpenAI(**self._sdk_options(http))
        self._raw = httpx2.Response

    def _path(self, url: str) -> str:
        return url.removeprefix("/v1")  # which is part of the base URL

    def _batches(self) -> Iterable[Any]:
        return each_once(self._client.batches.list(limit=100))

    def _file(self, file_id: str) -> Any:
        return self._client.files.retrieve(file_id)


def _file_name(label: str) -> str:
    return f"{label}.jsonl"


def _error(errors: object) -> tuple[str | None, str | None]:
    """The first error of a failed batch: `{"data": […]}` at OpenAI and in Groq's SDK, a bare list in Groq's pages."""
    first = inside(errors, "data", 0) or inside(errors, 0)
    return text_or_none(inside(first, "code")), text_or_none(inside(first, "message"))
