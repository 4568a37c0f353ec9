"""The API of Google Gemini, batches and single calls, Developer API (provider fact sheet, section 4)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending, answer
from grabient_assets.emulator.batches import Batch, Phase, phase, planned
from grabient_assets.emulator.database import NewFile
from grabient_assets.emulator.endings import resolve
from grabient_assets.emulator.google_fields import masked, parsed
from grabient_assets.emulator.google_files import GoogleFiles, existing, paged, rfc3339
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
from grabient_assets.emulator.google_vectors import embed_response, embedding_response
from grabient_assets.emulator.single_calls import answered_once
from grabient_assets.emulator.wire import Call, Line, Refused, Route, ServedModel, World, jsonl, key_refused, reply

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


class Google:
    """`/google/v1` and `/google/v1beta`: batches, single calls, files, models."""

    provider = "google"
    prefix = "/google"
    max_body = 2 * 1024 * 1024 * 1024
    request_id_header = None

    def __init__(self, world: World) -> None:
        self._state = world.state
        self._models = world.models
        self._polls = world.polls
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
        return reply(answered_once(self._state, self, call, partial(_answer, model, request)))

    def embed_now(self, call: Call) -> Response:
        model, body = self._named(call, "embedContent"), read_request(json_of(call))

        def answered(key: str, forced: Ending | None) -> Line:
            return Line(key, True, embed_response(model, body, forced))

        return reply(answered_once(self._state, self, call, answered))

    def _named(self, call: Call, method: str) -> ServedModel:
        """The model of the path. Raises Refused when it is not served, or not by this method."""
        name = call.path["model"]
        model = self._models.find(self.provider, name)
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
        batch_id, content = self._state.new_id(36), None
        if file_name := source.get("fileName"):
            file = existing(self._state, file_name.removeprefix("files/"))
            input_file, keys = file.id, [key for key, _ in self._file_requests(file.id)]
        else:
            requests = inlined(call, source, model.id)
            input_file = f"input-{batch_id}"
            content = NewFile(input_file, "", "hidden", jsonl(requests))
            keys = [metadata_key(request, place) for place, request in enumerate(requests)]
        batch = self._state.batches.add(
            self.provider,
            batch_id,
            model=model.id,
            custom_ids=keys,
            needed=self._polls,
            facts={"display": wanted.get("displayName") or "", "inline": content is not None, "invalid": not keys},
            plan=list(call.plan),
            input_file=input_file,
            content=content,
        )
        return reply(self._operation(batch))

    def retrieve(self, call: Call) -> Response:
        [batch] = self._state.batches.polled([self._batch(call)])
        return _selected(call, self._operation(self._settled(batch), results=True))

    def list_batches(self, call: Call) -> Response:
        found, token = paged(call, self._state.batches.newest_first(self.provider), usual=50)
        seen = self._state.batches.polled(found)
        page: dict[str, Any] = {"operations": [self._operation(self._settled(batch)) for batch in seen]}
        return _selected(call, page | token)

    def cancel(self, call: Call) -> Response:
        batch = self._settled(self._batch(call))
        if phase(batch).ended:
            raise Refused(400, "FAILED_PRECONDITION", f"Batch {batch.id} has already ended.")
        if batch.cancelled_after is None:
            self._state.batches.cancel(batch)
        return reply({})

    def delete(self, call: Call) -> Response:
        self._state.batches.delete(self._batch(call))
        return reply({})

    # models --------------------------------------------------------------------------------------------------------

    def models(self, call: Call) -> Response:
        found, token = paged(call, self._models.of(self.provider), usual=50, most=1000)
        return reply({"models": [_model(model) for model in found], **token})

    def model(self, call: Call) -> Response:
        model = self._models.find(self.provider, call.path["model"])
        if model is None:
            raise Refused(404, "NOT_FOUND", f"Model is not found: models/{call.path['model']}")
        return reply(_model(model))

    # inside --------------------------------------------------------------------------------------------------------

    def _batch(self, call: Call) -> Batch:
        batch = self._state.batches.get(self.provider, call.path["id"])
        if batch is None:
            raise Refused(404, "NOT_FOUND", f"Batch batches/{call.path['id']} was not found.")
        return batch

    def _settled(self, batch: Batch) -> Batch:
        """The batch, its responses made when it has just succeeded. Nothing is kept of any other ending."""
        now = phase(batch)
        if batch.ending is not None or not now.ended:
            return batch
        ending: dict[str, Any] = {"phase": now, "at": self._state.now().timestamp(), "good": 0, "bad": 0}
        files: list[NewFile] = []
        badly: list[str] = []
        if now is Phase.COMPLETED:
            lines, badly = self._answered(batch)
            ending["good"] = sum("response" in line for line in lines)
            ending["bad"] = len(lines) - ending["good"]
            purpose = "hidden" if batch.facts["inline"] else "responses"
            files = [NewFile(f"batch-{batch.id}", "", purpose, jsonl(lines))]
        elif now is Phase.FAILED:
            step = planned(batch, "fail") or {"message": "The input file holds no request."}
            ending["error"] = {"code": 3, "message": step["message"]}
        elif now is Phase.EXPIRED:
            ending["error"] = {"code": 4, "message": "The batch did not end within 48 hours."}
        self._state.batches.end(batch, ending, files, badly)
        return self._state.batches.get(self.provider, batch.id) or batch

    def _file_requests(self, file_id: str) -> list[tuple[str, dict[str, Any]]]:
        lines = (self._state.files.content(self.provider, file_id) or b"").splitlines()
        return [keyed(line, place) for place, line in enumerate(lines) if line.strip()]

    def _answered(self, batch: Batch) -> tuple[list[dict[str, Any]], list[str]]:
        """The result lines: `{"metadata": {"key"}}` inline, `{"key"}` in a file, with `response` or `error`; and the
        keys that got no good answer."""
        requests = self._file_requests(batch.input_file)
        model = self._models.known(self.provider, batch.model)
        one = partial(_embedded if model.vectors else _answer, model)

        def answered(key: str, line: dict[str, Any], forced: Ending | None) -> Line:
            try:
                if "broken" in line:
                    raise invalid("This line is not a request in JSON.")
                given = one(read_request(line.get("request")), key, forced)
            except Refused as refused:
                return Line(key, False, {"error": _status(refused)})
            return replace(given, payload={"response": given.payload})

        def errored(key: str, line: dict[str, Any], step: dict[str, Any]) -> Line:
            refused = self.fault(step["status"], step["message"], step["type"], step["code"])
            return Line(key, False, {"error": _status(refused)})

        named = dict(requests)
        done = resolve(batch, requests, answered, errored, self._state.batches.badly_answered(self.provider))
        return [_written(line, named, batch) for line in done.lines], done.badly

    def _operation(self, batch: Batch, results: bool = False) -> dict[str, Any]:
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
            content = self._state.files.content(self.provider, f"batch-{batch.id}") or b""
            lines = [json.loads(line) for line in content.splitlines()]
            metadata["output"] = {"inlinedResponses": {"inlinedResponses": lines}}
        if "output" in metadata:
            operation["response"] = metadata["output"]
        return operation


def _embedded(model: ServedModel, request: Any, key: str, forced: Ending | None) -> Line:
    """The vector of one request. Raises Refused."""
    return Line(key, True, embedding_response(model, request, forced))


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
        return reply(masked(body, parsed(call.query["fields"])) if "fields" in call.query else body)
    except (ValueError, RecursionError):
        raise invalid(f"Invalid field selection {call.query['fields']}") from None


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
