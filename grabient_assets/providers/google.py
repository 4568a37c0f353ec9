"""Gemini's batches (Developer API).

Creating, uploading, cancelling and listing models go through the google-genai SDK. Reading goes past it on the same
HTTP client: the SDK drops the `error` of a failed job and `batchStats`, warns at states it does not know
(BATCH_STATE_CANCELLING), and rebuilds answers instead of handing out what came.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from grabient_assets.errors import RequestRejectedError, ResultsError
from grabient_assets.providers import google_lines, google_states
from grabient_assets.providers.asking import check_size, json_line
from grabient_assets.providers.contract import Accepted, BatchFile, BatchState, Result, Spec
from grabient_assets.providers.direct import DirectCalls
from grabient_assets.providers.faults import translated
from grabient_assets.providers.google_states import list_tells, operation_tells
from grabient_assets.providers.guard import only_ours, redacted, redacted_state, trusted, without_key
from grabient_assets.providers.patience import Deadline, Patience, patiently
from grabient_assets.providers.reading import (
    UnreadableAnswer,
    each_once,
    inside,
    items,
    newest_first,
    plain,
    text_or_none,
)
from grabient_assets.providers.streaming import stream_from, stream_lines
from grabient_assets.registry.model import BatchLimits, Kind, Model
from grabient_assets.secrets import redact

BASE_URL = "https://generativelanguage.googleapis.com"
API_VERSION = "v1"
# The API takes inline requests up to 20 MB in all.
INLINE_BYTES = 18_000_000


class GoogleBatches:
    """See `contract.BatchProvider`. One model per batch; an expired batch has no results at all."""

    name = "google"

    def __init__(self, api_key: str, base_url: str | None, limits: BatchLimits, patience: Patience) -> None:
        import httpx2
        from google import genai
        from google.genai import types

        self.limits = limits
        self._key = api_key
        self._patience = patience
        self._base_url = (base_url or BASE_URL).rstrip("/")
        deadline = Deadline(patience)
        hooks = {"request": [only_ours(self._base_url, {}), deadline.begin]}
        self._http = httpx2.Client(event_hooks=hooks, timeout=patience.read, verify=trusted())
        deadline.bound(self._http)
        # Milliseconds; without it the SDK waits for ever.
        options = types.HttpOptions(
            base_url=self._base_url,
            api_version=API_VERSION,
            timeout=int(patience.read * 1000),
            httpx_client=self._http,
            # For clients that are never used; without it the SDK reads the authorities again for each.
            async_client_args={"verify": trusted(), "ssl": trusted()},
        )
        self._client = genai.Client(api_key=api_key, vertexai=False, http_options=options)

        self._direct = DirectCalls(self.name, api_key, deadline, patience, "x-request-id")

    def request_line(self, spec: Spec, model: Model) -> bytes:
        return google_lines.request_line(spec, model)

    def read_line(self, line: bytes) -> Result:
        return redacted(google_lines.read_line(line), self._key)

    def submit(self, batch: BatchFile) -> Accepted:
        from google.genai import types

        check_size(batch, self.limits, self.name)
        kind = _kind_of(batch)
        slow = types.HttpOptions(timeout=int(self._patience.transfer * 1000))
        # Inline answers of embeddings carry no key, and those of images would all lie in the batch's own object.
        inline = kind == "text" and inline_size(batch) < INLINE_BYTES
        file_id = None if inline else self._upload(batch, slow)
        with translated(self.name, self._key, f"submitting batch {batch.batch_id}", creating=True):
            if kind == "vector":
                created = self._create_embeddings(batch, file_id, slow)
            else:
                source: Any = file_id if file_id is not None else [inline_request(line) for line in batch.lines]
                config = types.CreateBatchJobConfig(display_name=batch.batch_id, http_options=slow)
                created = self._client.batches.create(model=batch.model.id, src=source, config=config)
            if not created.name:
                raise UnreadableAnswer("a batch without a name")
        return Accepted(created.name, file_id, redact(created.state.value if created.state else "", self._key))

    def _create_embeddings(self, batch: BatchFile, file_id: str | None, options: Any) -> Any:
        from google.genai import types

        source = types.EmbeddingsBatchJobSource(file_name=file_id)
        config = types.CreateEmbeddingsBatchJobConfig(display_name=batch.batch_id, http_options=options)
        # The SDK warns each time that this is experimental.
        warnings.filterwarnings("ignore", message=r"batches\.create_embeddings")
        return self._client.batches.create_embeddings(model=batch.model.id, src=source, config=config)

    def _upload(self, batch: BatchFile, options: Any) -> str:
        from google.genai import types

        content = io.BytesIO(b"".join(line + b"\n" for line in batch.lines))
        config = types.UploadFileConfig(
            display_name=batch.batch_id, mime_type="application/jsonl", http_options=options
        )
        with translated(self.name, self._key, f"uploading batch {batch.batch_id}"):
            try:
                uploaded = self._client.files.upload(file=content, config=config)
            except (KeyError, ValueError) as error:  # the SDK's words for an upload that was not confirmed
                raise UnreadableAnswer(str(error)) from None
            if not uploaded.name:
                raise UnreadableAnswer("an uploaded file without a name")
            return uploaded.name

    def poll(self, provider_batch_id: str) -> BatchState:
        doing, fields = f"asking for batch {provider_batch_id}", google_states.OF_AN_OPERATION
        operation = self._get_least(provider_batch_id, doing, fields, operation_tells, batch=provider_batch_id)
        return self._state(operation)

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        ours = [value for value in self._operations() if inside(value, "metadata", "displayName") == label]
        return newest_first(self._state(value) for value in ours if value.get("name") not in accounted)

    def _operations(self) -> Iterator[dict[str, Any]]:
        token, seen = None, set()
        while True:
            query = {"pageSize": "100"} | ({"pageToken": token} if token else {})
            page = self._get_least("batches", "listing batches", google_states.OF_A_LIST, list_tells, query)
            yield from items(page.get("operations"))
            token = text_or_none(page.get("nextPageToken"))
            if token is None:
                return
            if token in seen:
                raise ResultsError(self.name, "The list of batches at google repeats its pages. Try again later.")
            seen.add(token)

    def _get_least(
        self,
        path: str,
        doing: str,
        selections: Iterable[str],
        tells: Callable[[dict[str, Any]], bool],
        query: Mapping[str, str] | None = None,
        *,
        batch: str | None = None,
    ) -> dict[str, Any]:
        """The answer with the first selection of fields that the server takes and that tells what is needed, or the
        whole answer."""
        for fields in selections:
            with suppress(RequestRejectedError):
                answer = self._get(path, doing, {**(query or {}), "fields": fields}, batch=batch)
                if tells(answer):
                    return answer
        return self._get(path, doing, query, batch=batch)

    def _get(
        self,
        path: str,
        doing: str,
        query: Mapping[str, str] | None = None,
        *,
        batch: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        seconds = self._patience.read if timeout is None else timeout

        def call() -> dict[str, Any]:
            with translated(self.name, self._key, doing, batch=batch):
                response = self._http.get(self._url(path), params=query, headers=self._headers(), timeout=seconds)
                response.raise_for_status()
                return plain(json.loads(response.content.decode("utf-8", "replace")))

        return patiently(call, self._patience)

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{API_VERSION}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self._key}

    def _state(self, operation: dict[str, Any]) -> BatchState:
        with translated(self.name, self._key, "reading a batch"):
            return redacted_state(google_states.state_of(operation), self._key)

    def download(self, provider_batch_id: str) -> Iterator[bytes]:
        # Everything: the answers of a small batch are in it, so it may take as long as a file.
        doing, seconds = f"asking for batch {provider_batch_id}", self._patience.transfer
        operation = self._get(provider_batch_id, doing, batch=provider_batch_id, timeout=seconds)
        state = self._state(operation)
        if state.state != "ended":
            raise ResultsError(self.name, f"Batch {provider_batch_id} is {state.raw_status}; it has no results yet.")
        inline, file_id = google_states.output_of(operation)
        if file_id is not None:
            opener = stream_from(
                self._http, self._url(f"{file_id}:download?alt=media"), self._headers(), self._patience.transfer
            )
            what = f"file {file_id} of batch {provider_batch_id}"
            yield from without_key(stream_lines(opener, self.name, self._key, what, self._patience), self._key)
        elif inline is not None:
            yield from without_key(map(google_states.line_of, inline), self._key)
        elif state.outcome == "completed":
            raise ResultsError(
                self.name,
                f"Batch {provider_batch_id} succeeded at google but names no results. Look at it in AI Studio.",
            )

    def send_directly(self, line: bytes, model: Model) -> bytes:
        asked = json.loads(line)
        request, call = asked["request"], "generateContent"
        if embeds := google_lines.kind_of(line) == "vector":
            request, call = {"requests": [{"model": f"models/{model.id}", **request}]}, "batchEmbedContents"
        url, content = self._url(f"models/{model.id}:{call}"), json_line(request)
        headers = {**self._headers(), "content-type": "application/json"}

        def post(seconds: float) -> Any:
            return self._http.post(url, content=content, headers=headers, timeout=seconds).raise_for_status()

        reply = self._direct.reply(asked["key"], model, post)
        if not reply.succeeded:
            return self._direct.line({"key": asked["key"], "error": reply.body["error"]})
        response = google_lines.as_in_a_batch(reply.body) if embeds else reply.body
        return self._direct.line({"key": asked["key"], "response": response})

    def cancel(self, provider_batch_id: str) -> None:
        def call() -> None:
            with translated(self.name, self._key, f"cancelling batch {provider_batch_id}", batch=provider_batch_id):
                self._client.batches.cancel(name=provider_batch_id)

        patiently(call, self._patience)

    def available_models(self) -> set[str]:
        def call() -> set[str]:
            with translated(self.name, self._key, "listing models"):
                named = ({"id": model.name} for model in self._client.models.list())
                return {model["id"].removeprefix("models/") for model in each_once(named)}

        return patiently(call, self._patience)

    def close(self) -> None:
        self._client.close()
        self._http.close()


def _kind_of(batch: BatchFile) -> Kind:
    """What the lines ask for: it decides which call takes them. Raises RequestRejectedError when it is not one kind."""
    kinds: set[Kind] = {google_lines.kind_of(line) for line in batch.lines}
    if len(kinds) > 1:
        raise RequestRejectedError(
            "google",
            f"A batch of google holds one kind of request, {batch.batch_id} {', '.join(sorted(kinds))}. Split it.",
        )
    return kinds.pop()


def inline_size(batch: BatchFile) -> int:
    """About how long the body is when the SDK writes it: non-ASCII characters as \\uXXXX, a blank after each : and ,"""
    size = sum(len(line) + 4 * (len(line) - len(line.decode())) for line in batch.lines)
    return size * 11 // 10


def inline_request(line: bytes) -> Any:
    """The request in an archived line, as the SDK takes it. The SDK puts it back into the same shape on the wire."""
    from google.genai import types

    value = json.loads(line)
    request = value["request"]
    config = dict(request["generationConfig"])
    if "systemInstruction" in request:
        config["systemInstruction"] = request["systemInstruction"]
    return types.InlinedRequest(
        contents=request["contents"],
        metadata={"key": value["key"]},
        config=types.GenerateContentConfig.model_validate(config),
    )
