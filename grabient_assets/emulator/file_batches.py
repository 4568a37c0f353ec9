"""Files and batches as the APIs of OpenAI and Groq share them (provider fact sheet, sections 2 and 3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending
from grabient_assets.emulator.batch_documents import batch_document, file_document, inspect, outcome_files, requests
from grabient_assets.emulator.database import NewFile, StoredFile
from grabient_assets.emulator.service import BatchEnd, BatchService
from grabient_assets.emulator.stored_batches import Batch, Phase, phase, planned
from grabient_assets.emulator.wire import (
    Call,
    Line,
    Refused,
    Route,
    ServedModel,
    bearer,
    key_refused,
    reply,
    whole_number,
)

KINDS = {
    401: "authentication_error",
    403: "permissions_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable",
}


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refused:
    """A refusal that names the parameter at fault."""
    return Refused(400, "invalid_request_error", message, code=code, param=param)


class FileBatches(BatchService):
    """Files and batches of one provider. Subclasses say where it differs."""

    prefix: str
    max_body: int
    one_model: bool
    endpoints: tuple[str, ...]
    """Those that have batches."""
    fields: frozenset[str]
    too_large_status: int
    request_id_header = "x-request-id"

    def gate(self, call: Call) -> None:
        """Raises Refused when the key's plan does not include batches."""

    def refusal(self, refused: Refused) -> Response:
        headers = {} if refused.retry_after is None else {"retry-after": f"{refused.retry_after:g}"}
        return reply({"error": error_body(refused)}, refused.status, headers)

    def too_large(self) -> Refused:
        return Refused(self.too_large_status, "invalid_request_error", "File is too large.", code="file_too_large")

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        usual = "invalid_request_error" if status < 500 else "server_error"
        return Refused(status, kind or KINDS.get(status, usual), message, code=code)

    def authorise(self, call: Call) -> None:
        if key_refused(bearer(call.headers)):
            raise Refused(401, "invalid_request_error", "Incorrect API key provided.", code="invalid_api_key")

    def served_model(self, model_id: str) -> ServedModel:
        """The model of a request. Raises Refused when it is not served today."""
        model = self.served.find(self.provider, model_id)
        if model is None:
            raise model_not_found(model_id)
        return model

    # files ---------------------------------------------------------------------------------------------------------

    def upload(self, call: Call) -> Response:
        self.gate(call)
        form = call.form or {}
        part, purpose = form.get("file"), form.get("purpose")
        if not isinstance(purpose, str):
            raise invalid("'purpose' is a required property", "purpose")
        if purpose != "batch":
            raise invalid("This emulation keeps files for batches only.", "purpose")
        if part is None:
            raise invalid("'file' is a required property", "file")
        # A part without a file name is a field of the form. SDKs that are given bytes name the file `upload`.
        content, name = (part.encode(), "upload") if isinstance(part, str) else (part.file.read(), part.filename)
        name = name or "upload"
        model = inspect(content.partition(b"\n")[0], "", one_model=False).model
        file = self.state.files.add(self.provider, NewFile(self.new_file_id(), name, purpose, content, model))
        return reply(file_document(file))

    def list_files(self, call: Call) -> Response:
        files = self.state.files.newest_first(self.provider)
        order = call.query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise invalid("Invalid 'order': asc or desc expected.", "order")
        if order == "asc":
            files.reverse()
        if purpose := call.query.get("purpose"):
            files = [file for file in files if file.purpose == purpose]
        page, more = paged(call, files, usual=10_000, most=10_000)
        return listed([file_document(file) for file in page], more)

    def retrieve_file(self, call: Call) -> Response:
        return reply(file_document(self._file(call.path["id"])))

    def file_content(self, call: Call) -> Response:
        self._file(call.path["id"])
        return Response(self.state.files.content(self.provider, call.path["id"]), media_type="application/octet-stream")

    def delete_file(self, call: Call) -> Response:
        file = self._file(call.path["id"])
        self.state.files.delete(self.provider, file.id)
        return reply({"id": file.id, "object": "file", "deleted": True})

    def new_file_id(self) -> str:
        return f"file-{self.state.new_id(24)}"

    def _file(self, file_id: str) -> StoredFile:
        file = self.state.files.get(self.provider, file_id)
        if file is None:
            raise Refused(404, "invalid_request_error", f"No such File object: {file_id}", param="id")
        return file

    # where a provider differs --------------------------------------------------------------------------------------

    @abstractmethod
    def window_permitted(self, window: str) -> bool:
        """Whether the provider knows this completion window."""

    @abstractmethod
    def list_batches(self, call: Call) -> Response:
        """A page of batches, newest first."""

    @abstractmethod
    def answered(self, url: str, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        """The answer to one request to this endpoint, its body under `body`. Raises Refused for a request that the
        provider does not accept."""

    @abstractmethod
    def problems(self, model: str) -> list[dict[str, Any]]:
        """What validation has against the model of a file."""

    # routes ---------------------------------------------------------------------------------

    def api_routes(self, prefix: str) -> tuple[Route, ...]:
        files, batches = prefix + "/files", prefix + "/batches"
        return (
            Route("upload", "POST", files, self.upload),
            Route("file_list", "GET", files, self.list_files),
            Route("file_content", "GET", files + "/{id}/content", self.file_content),
            Route("file_retrieve", "GET", files + "/{id}", self.retrieve_file),
            Route("file_delete", "DELETE", files + "/{id}", self.delete_file),
            Route("create", "POST", batches, self.create),
            Route("list", "GET", batches, self._listed(self.list_batches)),
            Route("cancel", "POST", batches + "/{id}/cancel", self.cancel),
            Route("retrieve", "GET", batches + "/{id}", self.retrieve),
            Route("models", "GET", prefix + "/models", self.list_models),
            Route("model", "GET", prefix + "/models/{id:path}", self.retrieve_model),
        )

    def _listed(self, handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
        def gated(call: Call) -> Response:
            self.gate(call)
            return handler(call)

        return gated

    def single(self, path: str, url: str, name: str = "answer") -> Route:
        """The route of an endpoint, named as request lines name it, that is asked call by call."""

        def handler(call: Call) -> Response:
            read, body = self.single_request(url, call)
            created = int(self.state.now().timestamp())
            payload = self.answered_once(read, lambda key, forced: self.answered(url, key, body, forced, created))
            return reply(payload["body"])

        return Route(name, "POST", path, handler)

    def single_request(self, url: str, call: Call) -> tuple[Call, dict[str, Any]]:
        """A single call as it is told from others, and its body. Raises Refused."""
        return call, body_of(call)

    # batches -------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        self.gate(call)
        body = self._create_body(call)
        file = self.state.files.get(self.provider, body["input_file_id"])
        if file is None:
            message = f"Cannot find file {body['input_file_id']}."
            raise invalid(message, "input_file_id")
        content = self.state.files.content(self.provider, file.id) or b""
        found = inspect(content, body["endpoint"], one_model=self.one_model)
        problems = found.problems or self.problems(found.model)
        names = ("endpoint", "completion_window", "metadata", "output_expires_after")
        batch = self.state.batches.add(
            self.provider,
            f"batch_{self.state.new_id(24)}",
            model=found.model,
            custom_ids=found.keys,
            needed=self.polls,
            facts={name: body.get(name) for name in names} | {"invalid": problems},
            plan=list(call.plan),
            input_file=file.id,
        )
        return reply(batch_document(batch))

    def _create_body(self, call: Call) -> dict[str, Any]:
        """The body of a create call, checked. What lies in the file is checked later, as at the real API."""
        try:
            body = call.object()
        except ValueError as error:
            message = "We could not parse the JSON body of your request."
            raise invalid(message) from error
        if not isinstance(body, dict):
            raise invalid("The body of your request must be a JSON object.")
        body = {name: value for name, value in body.items() if value is not None}
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(body.get(name), str):
                raise invalid(f"Missing required parameter: '{name}'.", name)
        for name in body:
            if name not in self.fields:
                raise invalid(f"Unknown parameter: '{name}'.", name)
        if body["endpoint"] not in self.endpoints:
            message = f"Invalid value: '{body['endpoint']}'. This emulation serves {', '.join(self.endpoints)}."
            raise invalid(message, "endpoint")
        if not self.window_permitted(body["completion_window"]):
            message = f"Invalid value: '{body['completion_window']}' for completion_window."
            raise invalid(message, "completion_window")
        _check_metadata(body.get("metadata"))
        _check_expiry(body.get("output_expires_after"))
        return body

    def no_such_batch(self, batch_id: str) -> Refused:
        return Refused(404, "invalid_request_error", f"No batch found with id '{batch_id}'.")

    def has_ended(self, batch: Batch) -> Refused:
        # 409, as OpenAI answers; nothing is known of Groq, which copies its API.
        return Refused(409, "invalid_request_error", f"Cannot cancel a batch with status '{phase(batch)}'.")

    def document(self, batch: Batch, call: Call) -> dict[str, Any]:
        return batch_document(batch)

    def ended(self, batch: Batch, now: Phase, at: float) -> BatchEnd:
        if now is Phase.FAILED:
            return BatchEnd({"errors": _failure(batch)})
        content = self.state.files.content(self.provider, batch.input_file) or b""
        done = self.resolved(batch, list(requests(content)))
        expired = done.unfinished if now is Phase.EXPIRED else []
        output, error = outcome_files(batch, done.lines, expired, self.new_file_id)
        completed = sum(line.succeeded for line in done.lines)
        facts = {
            "output_file_id": output.id if output else None,
            "error_file_id": error.id if error else None,
            "completed": completed,
            "failed": len(done.lines) - completed + len(expired),
            "tokens": [sum(line.tokens[place] for line in done.lines) for place in range(3)],
        }
        return BatchEnd(facts, [file for file in (output, error) if file], done.badly, done.bills)

    def answer_request(self, batch: Batch, key: str, request: dict[str, Any], forced: Ending | None) -> Line:
        return self.answered(batch.facts["endpoint"], key, request, forced, int(self.state.now().timestamp()))

    def error_line(self, key: str, refused: Refused) -> Line:
        return Line(key, False, {"status_code": refused.status, "body": {"error": error_body(refused)}})

    # models --------------------------------------------------------------------------------------------------------

    def list_models(self, call: Call) -> Response:
        data = [self._model(model.id) for model in self.served.of(self.provider)]
        return reply({"object": "list", "data": data})

    def retrieve_model(self, call: Call) -> Response:
        if not self.served.serves(self.provider, call.path["id"]):
            raise model_not_found(call.path["id"])
        return reply(self._model(call.path["id"]))

    def _model(self, model_id: str) -> dict[str, Any]:
        return {"id": model_id, "object": "model", "created": 1_735_689_600, "owned_by": self.provider}


def body_of(call: Call) -> dict[str, Any]:
    """The body of a single call, which names a model. Raises Refused."""
    try:
        body = call.object()
    except ValueError:
        message = "We could not parse the JSON body of your request. The API expects a JSON object."
        raise invalid(message) from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("you must provide a model parameter", "model")
    return body


def model_not_found(model: str) -> Refused:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refused(404, "invalid_request_error", message, code="model_not_found")


def _failure(batch: Batch) -> list[dict[str, Any]]:
    if batch.facts["invalid"]:
        return batch.facts["invalid"]
    step = planned(batch, "fail") or {}
    return [{"code": step.get("code"), "line": None, "message": step.get("message"), "param": None}]


def _check_expiry(expiry: Any) -> None:
    """One hour to thirty days after the creation of the file."""
    if expiry is None:
        return
    seconds = expiry.get("seconds") if isinstance(expiry, dict) else None
    fits = isinstance(seconds, int) and not isinstance(seconds, bool) and 3600 <= seconds <= 2_592_000
    if not fits or expiry.get("anchor") != "created_at":
        message = "'output_expires_after' has the anchor 'created_at' and 3600 to 2592000 seconds."
        raise invalid(message, "output_expires_after")


def _check_metadata(metadata: Any) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise invalid("'metadata' must hold at most 16 pairs.", "metadata")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512:
            message = "'metadata' keys have up to 64 characters, values are texts of up to 512."
            raise invalid(message, "metadata")


def error_body(refused: Refused) -> dict[str, Any]:
    error = {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}
    return {**error, **refused.details}


def paged(call: Call, items: list[Any], *, usual: int, most: int) -> tuple[list[Any], bool]:
    """The page of `items` that `limit` and `after` ask for, and whether there are more. Raises Refused for an `after`
    that names none of them: a list that began anew would never end."""
    limit, after = whole_number(call.query.get("limit", str(usual)), 1, most), call.query.get("after")
    if limit is None:
        message = f"Invalid 'limit': a number from 1 to {most} expected."
        raise invalid(message, "limit")
    start = 0
    if after:
        start = next((place for place, item in enumerate(items, 1) if item.id == after), 0)
        if not start:
            raise invalid(f"Invalid 'after': no object with id '{after}'.", "after")
    return items[start : start + limit], len(items) > start + limit


def listed(data: list[dict[str, Any]], more: bool) -> Response:
    """A page of a list."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return reply({"object": "list", "data": data, "has_more": more, **ends})
