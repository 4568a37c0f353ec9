"""The API of Google Gemini, batches and single calls, Developer API (provider fact sheet, section 4)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending, answer
from grabient_assets.emulator.database import NewFile
from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.google_files import GoogleFiles, existing, paged
from grabient_assets.emulator.google_images import image_line
from grabient_assets.emulator.google_requests import (
    MAX_INLINE,
    batch_body,
    inlined,
    invalid,
    json_of,
    keyed,
    metadata_key,
    question_of,
    read_request,
    response,
)
from grabient_assets.emulator.service import BatchEnd, BatchService
from grabient_assets.emulator.stored_batches import Batch, Phase, phase, planned
from grabient_assets.emulator.vectors import google_embedding, google_embeddings
from grabient_assets.emulator.wire import (
    Call,
    Line,
    Refused,
    Route,
    ServedModel,
    World,
    jsonl,
    key_refused,
    reply,
    rfc3339,
)

STATE = {Phase.WAITING: "PENDING", Phase.COMPLETED: "SUCCEEDED", Phase.CLOSING: "RUNNING"}
KINDS = {
    400: "INVALID_ARGUMENT",
    405: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
Mask: TypeAlias = "dict[str, Mask]"
"""The fields that an answer is to have (`fields`, a parameter of Google's APIs), each with those inside it; none: all
of it."""
_TOKEN = re.compile(r"[A-Za-z0-9_@*-]+|[(),./]")


class Google(BatchService):
    """`/google/v1` and `/google/v1beta`: batches, single calls, files, models."""

    provider = "google"
    prefix = BASE_PATHS["google"]
    max_body = 2 * 1024 * 1024 * 1024
    request_id_header = None

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._files = GoogleFiles(world.state, world.models)

    def routes(self) -> tuple[Route, ...]:
        return (
            *self._files.routes(),
            Route("answer", "POST", "/{version}/models/{model}:generateContent", self.answer_now),
            Route("vectors", "POST", "/{version}/models/{model}:batchEmbedContents", self.embed_now),
            Route("create", "POST", "/{version}/models/{model}:asyncBatchEmbedContent", self.create_vectors),
            Route("create", "POST", "/{version}/models/{model}:batchGenerateContent", self.create),
            Route("list", "GET", "/{version}/batches", self.list_batches),
            Route("cancel", "POST", "/{version}/batches/{id}:cancel", self.cancel),
            Route("retrieve", "GET", "/{version}/batches/{id}", self.retrieve),
            Route("delete", "DELETE", "/{version}/batches/{id}", self.delete),
            Route("models", "GET", "/{version}/models", self.models),
            Route("model", "GET", "/{version}/models/{model}", self.model),
        )

    # what every call has in common ---------------------------------------------------------------------------------

    def refusal(self, refused: Refused) -> Response:
        headers = {} if refused.retry_after is None else {"retry-after": f"{refused.retry_after:g}"}
        return reply({"error": _error(refused)}, refused.status, headers)

    def too_large(self) -> Refused:
        return invalid(f"Request payload size exceeds the limit: {MAX_INLINE} bytes.")

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        return Refused(status, kind or code or KINDS.get(status, "INTERNAL"), message)

    def authorise(self, call: Call) -> None:
        if call.path.get("version", "v1") not in ("v1", "v1beta"):
            raise Refused(404, "NOT_FOUND", f"Unknown API version {call.path['version']}.")
        if key_refused(call.headers.get("x-goog-api-key") or call.query.get("key")):
            raise Refused(401, "UNAUTHENTICATED", "API key not valid. Please pass a valid API key.")

    # single calls --------------------------------------------------------------------------------------------------

    def answer_now(self, call: Call) -> Response:
        model = self._named(call, "generateContent")
        if len(call.body) >= MAX_INLINE:
            raise self.too_large()
        request = read_request(json_of(call))
        return reply(self.answered_once(call, partial(_answer, model, request)))

    def embed_now(self, call: Call) -> Response:
        model, body = self._named(call, "embedContent"), read_request(json_of(call))

        def answered(key: str, forced: Ending | None) -> Line:
            return Line(key, True, google_embeddings(model, body, forced))

        return reply(self.answered_once(call, answered))

    def _named(self, call: Call, method: str) -> ServedModel:
        """The model of the path. Raises Refused when it is not served, or not by this method."""
        name = call.path["model"]
        model = self.served.find(self.provider, name)
        if model is None or method not in methods_of(model):
            message = (
                f"models/{name} is not found for API version {call.path['version']}, or is not supported for {method}."
            )
            raise Refused(404, "NOT_FOUND", message)
        return model

    # batches -------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        return self._created(call, self._named(call, "batchGenerateContent"), batch_body(call))

    def create_vectors(self, call: Call) -> Response:
        model, wanted = self._named(call, "asyncBatchEmbedContent"), batch_body(call)
        if not wanted["inputConfig"].get("fileName"):
            # Inline answers of embeddings carry no key and come in another order.
            raise invalid("batch.input_config: this emulation takes embedding batches as files only.")
        return self._created(call, model, wanted)

    def _created(self, call: Call, model: ServedModel, wanted: dict[str, Any]) -> Response:
        source = wanted["inputConfig"]
        batch_id, content = self.state.new_id(36), None
        if file_name := source.get("fileName"):
            file = existing(self.state, file_name.removeprefix("files/"))
            input_file, keys = file.id, [key for key, _ in self._file_requests(file.id)]
        else:
            requests = inlined(call, source, model.id)
            input_file = f"input-{batch_id}"
            content = NewFile(input_file, "", "hidden", jsonl(requests))
            keys = [metadata_key(request, place) for place, request in enumerate(requests)]
        batch = self.state.batches.add(
            self.provider,
            batch_id,
            model=model.id,
            custom_ids=keys,
            needed=self.polls,
            facts={"display": wanted.get("displayName") or "", "inline": content is not None, "invalid": not keys},
            plan=list(call.plan),
            input_file=input_file,
            content=content,
        )
        return reply(self.document(batch, call))

    def retrieve(self, call: Call) -> Response:
        [batch] = self.seen([self.batch(call)])
        return _selected(call, self.document(batch, call, results=True))

    def list_batches(self, call: Call) -> Response:
        found, token = paged(call, self.state.batches.newest_first(self.provider), usual=50)
        return _selected(call, {"operations": [self.document(batch, call) for batch in self.seen(found)]} | token)

    def cancel(self, call: Call) -> Response:
        self.cancelled(call)
        return reply({})

    def no_such_batch(self, batch_id: str) -> Refused:
        return Refused(404, "NOT_FOUND", f"Batch batches/{batch_id} was not found.")

    def has_ended(self, batch: Batch) -> Refused:
        return Refused(400, "FAILED_PRECONDITION", f"Batch {batch.id} has already ended.")

    def delete(self, call: Call) -> Response:
        self.state.batches.delete(self.batch(call))
        return reply({})

    # models --------------------------------------------------------------------------------------------------------

    def models(self, call: Call) -> Response:
        found, token = paged(call, self.served.of(self.provider), usual=50, most=1000)
        return reply({"models": [_model(model) for model in found], **token})

    def model(self, call: Call) -> Response:
        model = self.served.find(self.provider, call.path["model"])
        if model is None:
            raise Refused(404, "NOT_FOUND", f"Model is not found: models/{call.path['model']}")
        return reply(_model(model))

    # inside --------------------------------------------------------------------------------------------------------

    def ended(self, batch: Batch, now: Phase, at: float) -> BatchEnd:
        """Responses are made of a batch that succeeded. Nothing is kept of any other ending."""
        facts: dict[str, Any] = {"good": 0, "bad": 0}
        if now is Phase.COMPLETED:
            requests = self._file_requests(batch.input_file)
            done, named = self.resolved(batch, requests), dict(requests)
            lines = [_written(line, named, batch) for line in done.lines]
            facts["good"] = sum("response" in line for line in lines)
            facts["bad"] = len(lines) - facts["good"]
            purpose = "hidden" if batch.facts["inline"] else "responses"
            return BatchEnd(facts, [NewFile(f"batch-{batch.id}", "", purpose, jsonl(lines))], done.badly, done.bills)
        if now is Phase.FAILED:
            step = planned(batch, "fail") or {"message": "The input file holds no request."}
            facts["error"] = {"code": 3, "message": step["message"]}
        elif now is Phase.EXPIRED:
            facts["error"] = {"code": 4, "message": "The batch did not end within 48 hours."}
        return BatchEnd(facts)

    def _file_requests(self, file_id: str) -> list[tuple[str, dict[str, Any]]]:
        lines = (self.state.files.content(self.provider, file_id) or b"").splitlines()
        return [keyed(line, place) for place, line in enumerate(lines) if line.strip()]

    def answer_request(self, batch: Batch, key: str, request: dict[str, Any], forced: Ending | None) -> Line:
        model = self.served.known(self.provider, batch.model)
        if "broken" in request:
            raise invalid("This line is not a request in JSON.")
        one = _embedded if model.vectors else _answer
        line = one(model, read_request(request.get("request")), key, forced)
        return replace(line, payload={"response": line.payload})

    def error_line(self, key: str, refused: Refused) -> Line:
        return Line(key, False, {"error": _status(refused)})

    def document(self, batch: Batch, call: Call, results: bool = False) -> dict[str, Any]:
        now, ending = phase(batch), batch.ending or {}
        waiting = 0 if ending else batch.total
        counts = {
            "requestCount": batch.total,
            "successfulRequestCount": ending.get("good", 0),
            "failedRequestCount": ending.get("bad", 0),
            "pendingRequestCount": waiting,
        }
        metadata: dict[str, Any] = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "name": f"batches/{batch.id}",
            "model": f"models/{batch.model}",
            "displayName": batch.facts["display"],
            "state": f"BATCH_STATE_{STATE.get(now, str(now).upper())}",
            "createTime": rfc3339(batch.created_at),
            "updateTime": rfc3339(ending.get("at", batch.created_at)),
            "batchStats": {name: str(count) for name, count in counts.items() if count},
        }
        operation: dict[str, Any] = {"name": f"batches/{batch.id}", "metadata": metadata}
        if not ending:
            return operation
        metadata["endTime"] = rfc3339(ending["at"])
        operation["done"] = True
        if "error" in ending:
            operation["error"] = ending["error"]
        elif now is Phase.COMPLETED and not batch.facts["inline"]:
            metadata["output"] = {"responsesFile": f"files/batch-{batch.id}"}
        elif now is Phase.COMPLETED and results:
            content = self.state.files.content(self.provider, f"batch-{batch.id}") or b""
            lines = [json.loads(line) for line in content.splitlines()]
            metadata["output"] = {"inlinedResponses": {"inlinedResponses": lines}}
        if "output" in metadata:
            operation["response"] = metadata["output"]
        return operation


def _embedded(model: ServedModel, request: Any, key: str, forced: Ending | None) -> Line:
    """The vector of one request. Raises Refused."""
    return Line(key, True, google_embedding(model, request, forced))


def _answer(model: ServedModel, request: Any, key: str, forced: Ending | None) -> Line:
    """The response to one request. Raises Refused."""
    if model.images:
        return image_line(model, model.images, request, key, forced)
    question = question_of(model.id, key, request)
    given = answer(question, forced)
    return Line(key, True, response(question, given, request), flawed=given.flawed)


def _selected(call: Call, body: dict[str, Any]) -> Response:
    """The fields of the answer that were asked for."""
    try:
        return reply(select_fields(body, read_mask(call.query["fields"])) if "fields" in call.query else body)
    except (ValueError, RecursionError):
        raise invalid(f"Invalid field selection {call.query['fields']}") from None


def read_mask(text: str) -> Mask:
    """The mask that `text` spells. Raises ValueError when it spells none."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(text)
    mask = _paths(tokens)
    if tokens:
        raise ValueError(text)
    return mask


def select_fields(value: Any, mask: Mask) -> Any:
    """`value` with the fields of `mask` alone; of a list, each of its items."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [select_fields(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: select_fields(inner, mask[name]) for name, inner in value.items() if name in mask}


def _paths(tokens: list[str]) -> Mask:
    mask: Mask = {}
    while True:
        name, inner = _path(tokens)
        mask[name] = {**mask.get(name, {}), **inner}
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def _path(tokens: list[str]) -> tuple[str, Mask]:
    if not tokens or tokens[0] in "(),./":
        raise ValueError("a field is missing")
    name = tokens.pop(0)
    if tokens and tokens[0] in "./":
        tokens.pop(0)
        return name, dict([_path(tokens)])
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        inner = _paths(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise ValueError("a bracket is not closed")
        return name, inner
    return name, {}


def _written(line: Line, requests: dict[str, dict[str, Any]], batch: Batch) -> dict[str, Any]:
    if planned(batch, "no_keys"):
        return line.payload
    if not batch.facts["inline"]:
        return {"key": line.key, **line.payload}
    metadata = requests.get(line.key, {}).get("metadata")
    return {**({"metadata": metadata} if metadata else {}), **line.payload}


def _error(refused: Refused) -> dict[str, Any]:
    return {"code": refused.status, "message": refused.message, "status": refused.kind}


def _status(refused: Refused) -> dict[str, Any]:
    """An error inside results: a google.rpc.Status with its own numbers."""
    codes = {"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "RESOURCE_EXHAUSTED": 8, "UNAVAILABLE": 14}
    return {"code": codes.get(refused.kind, 13), "message": refused.message}


def methods_of(model: ServedModel) -> tuple[str, ...]:
    """What a model can be asked for."""
    if model.vectors:
        return ("embedContent", "countTokens", "asyncBatchEmbedContent")
    return ("generateContent", "countTokens", "batchGenerateContent")


def _model(model: ServedModel) -> dict[str, Any]:
    methods = list(methods_of(model))
    return {"name": f"models/{model.id}", "displayName": model.id, "supportedGenerationMethods": methods}
