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
from grabient_assets.providers import google_lines
from grabient_assets.providers.client import (
    ConnectionOptions,
    ProviderClient,
    redacted_state,
    ssl_context,
    stream_from,
    without_key,
)
from grabient_assets.providers.contract import Accepted, BatchFile, BatchState, Outcome, State
from grabient_assets.providers.request_rules import json_line
from grabient_assets.providers.values import (
    UnreadableAnswer,
    each_once,
    inside,
    iso_time,
    items,
    newest_first,
    plain,
    text_or_none,
    whole_number,
)
from grabient_assets.registry.model import Kind, Model

API_VERSION = "v1"
# The API takes inline requests up to 20 MB in all.
INLINE_BYTES = 18_000_000

_STATES: Mapping[str, tuple[State, Outcome | None]] = {
    "UNSPECIFIED": ("running", None),
    "QUEUED": ("running", None),
    "PENDING": ("running", None),
    "RUNNING": ("running", None),
    "PAUSED": ("running", None),
    "UPDATING": ("running", None),
    "CANCELLING": ("cancelling", None),
    "SUCCEEDED": ("ended", "completed"),
    "PARTIALLY_SUCCEEDED": ("ended", "completed"),
    "FAILED": ("ended", "failed"),
    "CANCELLED": ("ended", "cancelled"),
    "EXPIRED": ("ended", "expired"),
}

# A small batch carries all its answers, up to 20 MB, in its operation: they are fetched once, with the results, and not
# with every poll. `fields` is a parameter of every method of the API. An operation's metadata is of type Any, and the
# API does not document whether a selection may reach into one. So a server that refuses the narrow selection, or leaves
# out its fields, is asked for the wide one, and at last for everything.
_NARROW = "name,done,error,metadata(state,displayName,createTime,endTime,batchStats,inputConfig(fileName))"
_WIDE = "name,done,error,metadata"

_OPERATION_FIELDS = (_NARROW, _WIDE)
_LIST_FIELDS = tuple(f"operations({fields}),nextPageToken" for fields in _OPERATION_FIELDS)


class GoogleBatches(ProviderClient):
    """See `contract.BatchProvider`. One model per batch; an expired batch has no results at all."""

    name = "google"
    lines = google_lines.FORMAT
    default_url = "https://generativelanguage.googleapis.com"

    def __init__(self, options: ConnectionOptions) -> None:
        import httpx2
        from google import genai
        from google.genai import types

        super().__init__(options)
        self._base_url = self._base_url.rstrip("/")
        self._http = self._http_client(httpx2.Client, {}, timeout=self._timeouts.read)
        # Milliseconds; without it the SDK waits for ever.
        http_options = types.HttpOptions(
            base_url=self._base_url,
            api_version=API_VERSION,
            timeout=int(self._timeouts.read * 1000),
            httpx_client=self._http,
            # For clients that are never used; without it the SDK reads the authorities again for each.
            async_client_args={"verify": ssl_context(), "ssl": ssl_context()},
        )
        self._client = genai.Client(api_key=self._key, vertexai=False, http_options=http_options)

    def _create(self, batch: BatchFile) -> Accepted:
        from google.genai import types

        kind = _kind_of(batch)
        slow = types.HttpOptions(timeout=int(self._timeouts.transfer * 1000))
        # Inline answers of embeddings carry no key, and those of images would all lie in the batch's own object.
        inline = kind == "text" and inline_size(batch) < INLINE_BYTES
        file_id = None if inline else self._upload(batch, slow)
        with self._translated(f"submitting batch {batch.batch_id}", creating=True):
            if kind == "vector":
                created = self._create_embeddings(batch, file_id, slow)
            else:
                source: Any = file_id if file_id is not None else [inline_request(line) for line in batch.lines]
                config = types.CreateBatchJobConfig(display_name=batch.batch_id, http_options=slow)
                created = self._client.batches.create(model=batch.model.id, src=source, config=config)
            if not created.name:
                raise UnreadableAnswer("a batch without a name")
        return Accepted(created.name, file_id, created.state.value if created.state else "")

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
        with self._translated(f"uploading batch {batch.batch_id}"):
            try:
                uploaded = self._client.files.upload(file=content, config=config)
            except (KeyError, ValueError) as error:  # the SDK's message for an upload that was not confirmed
                raise UnreadableAnswer(str(error)) from None
            if not uploaded.name:
                raise UnreadableAnswer("an uploaded file without a name")
            return uploaded.name

    def _retrieve(self, provider_batch_id: str) -> dict[str, Any]:
        doing, fields = f"asking for batch {provider_batch_id}", _OPERATION_FIELDS
        return self._get_least(provider_batch_id, doing, fields, _operation_suffices, batch=provider_batch_id)

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
            page = self._get_least("batches", "listing batches", _LIST_FIELDS, _list_suffices, query)
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
        suffices: Callable[[dict[str, Any]], bool],
        query: Mapping[str, str] | None = None,
        *,
        batch: str | None = None,
    ) -> dict[str, Any]:
        """The answer with the first selection of fields that the server accepts and that suffices, or the whole
        answer."""
        for fields in selections:
            with suppress(RequestRejectedError):
                answer = self._get(path, doing, {**(query or {}), "fields": fields}, batch=batch)
                if suffices(answer):
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
        seconds = self._timeouts.read if timeout is None else timeout

        def call() -> dict[str, Any]:
            response = self._http.get(self._url(path), params=query, headers=self._headers(), timeout=seconds)
            response.raise_for_status()
            return plain(json.loads(response.content.decode("utf-8", "replace")))

        return self._ask(doing, call, batch=batch)

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{API_VERSION}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self._key}

    def _state(self, value: dict[str, Any]) -> BatchState:
        with self._translated("reading a batch"):
            return redacted_state(_state_of(value), self._key)

    def _retrieve_whole(self, provider_batch_id: str) -> dict[str, Any]:
        # Everything: the answers of a small batch are in it, so it may take as long as a file.
        doing, seconds = f"asking for batch {provider_batch_id}", self._timeouts.transfer
        return self._get(provider_batch_id, doing, batch=provider_batch_id, timeout=seconds)

    def _lines(self, value: dict[str, Any]) -> Iterator[bytes]:
        state, (inline, file_id) = self._state(value), _output_of(value)
        if file_id is not None:
            opener = stream_from(
                self._http, self._url(f"{file_id}:download?alt=media"), self._headers(), self._timeouts.transfer
            )
            what = f"file {file_id} of batch {state.provider_batch_id}"
            yield from self._file_lines(opener, what)
        elif inline is not None:
            yield from without_key(map(line_of, inline), self._key)
        elif state.outcome == "completed":
            raise ResultsError(
                self.name,
                f"Batch {state.provider_batch_id} succeeded at google but names no results. Look at it in AI Studio.",
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

        reply = self._reply(asked["key"], model, post)
        if not reply.succeeded:
            return self._result_line({"key": asked["key"], "error": reply.body["error"]})
        response = google_lines.as_in_a_batch(reply.body) if embeds else reply.body
        return self._result_line({"key": asked["key"], "response": response})

    def _cancel(self, provider_batch_id: str) -> None:
        self._client.batches.cancel(name=provider_batch_id)

    def available_models(self) -> set[str]:
        def call() -> set[str]:
            named = ({"id": model.name} for model in self._client.models.list())
            return {model["id"].removeprefix("models/") for model in each_once(named)}

        return self._ask("listing models", call)

    def close(self) -> None:
        super().close()
        self._http.close()


def _kind_of(batch: BatchFile) -> Kind:
    """The kind of the lines: it decides which call takes them. Raises RequestRejectedError when there are several
    kinds."""
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


def _state_of(operation: Mapping[str, Any]) -> BatchState:
    """Where the batch stands. Raises UnreadableAnswer for an operation without a name."""
    name = text_or_none(operation.get("name"))
    metadata = operation.get("metadata")
    raw = text_or_none(inside(metadata, "state")) or ""
    word = raw.upper().removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
    error = operation.get("error") or inside(metadata, "error")
    if operation.get("done") is True and _STATES.get(word, ("running", None))[0] != "ended":
        word = "FAILED" if error else "SUCCEEDED"
    if name is None:
        raise UnreadableAnswer(f"a batch operation without a name, in state {raw!r}")
    state, outcome = _STATES.get(word, ("running", None))  # an unknown state does not count as an end
    succeeded, failed = _stat(metadata, "successfulRequestCount"), _stat(metadata, "failedRequestCount")
    total = _stat(metadata, "requestCount")
    code = inside(error, "status") or inside(error, "code")
    return BatchState(
        provider_batch_id=name,
        state=state,
        raw_status=raw,
        outcome=outcome,
        total=total,
        # The API leaves out counts of zero.
        succeeded=succeeded if succeeded is not None or total is None else 0,
        failed=failed if failed is not None or total is None else 0,
        least_lines=total if outcome == "completed" else None,
        error_code=None if code is None else str(code),
        error=text_or_none(inside(error, "message")),
        created_at=iso_time(inside(metadata, "createTime")),
        ended_at=iso_time(inside(metadata, "endTime")) if outcome else None,
        label=text_or_none(inside(metadata, "displayName")),
        input_file_id=text_or_none(inside(metadata, "inputConfig", "fileName")),
    )


def _output_of(operation: Mapping[str, Any]) -> tuple[list[Any] | None, str | None]:
    """The inline answers, or the name of the result file. (None, None) when the operation names no output."""
    for output in (inside(operation, "metadata", "output"), operation.get("response")):
        if file_id := text_or_none(inside(output, "responsesFile")):
            return None, file_id
        inline = inside(output, "inlinedResponses")
        if isinstance(inline, Mapping):
            inline = inline.get("inlinedResponses")
        if isinstance(inline, list):
            return inline, None
    return None, None


def line_of(answer: Any) -> bytes:
    """An inline answer as a line of a result file. Without a key it stays without: its position proves nothing. A value
    that is neither a response nor an error is kept whole: it was paid for, and a later version may read it."""
    line = {"key": inside(answer, "metadata", "key") or inside(answer, "key")}
    known = {name: answer[name] for name in ("response", "error") if inside(answer, name) is not None}
    line |= known or {"answer": answer}
    # In ASCII: models send halves of surrogate pairs, which UTF-8 has no bytes for.
    return json.dumps(line, separators=(",", ":")).encode("ascii")


def _stat(metadata: object, name: str) -> int | None:
    return whole_number(inside(metadata, "batchStats", name))


def _operation_suffices(operation: Mapping[str, Any]) -> bool:
    """Whether the state is given, and for a failed batch the reason."""
    state = text_or_none(inside(operation, "metadata", "state"))
    return state is not None and (not state.endswith("_FAILED") or bool(operation.get("error")))


def _list_suffices(page: Mapping[str, Any]) -> bool:
    """Whether there are operations, and each gives its state and its name: if ours is overlooked, it is paid for
    twice."""
    operations = items(page.get("operations"))
    stated = [text_or_none(inside(one, "metadata", field)) for one in operations for field in ("state", "displayName")]
    return bool(stated) and all(stated)
