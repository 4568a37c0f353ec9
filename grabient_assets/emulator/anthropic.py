"""Anthropic's Messages API, in batches and call by call (provider fact sheet, section 1)."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol, TypeVar

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending, answer
from grabient_assets.emulator.anthropic_messages import invalid, message, question_of
from grabient_assets.emulator.billing import Billed
from grabient_assets.emulator.database import NewFile
from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.service import BatchEnd, BatchService
from grabient_assets.emulator.stored_batches import Batch, Phase, phase, planned
from grabient_assets.emulator.wire import (
    Call,
    Line,
    Refused,
    Route,
    bearer,
    jsonl,
    key_refused,
    new_request_id,
    reply,
    rfc3339,
    whole_number,
)

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STATUS = {Phase.WAITING: "in_progress", Phase.RUNNING: "in_progress", Phase.CLOSING: "in_progress"}
CUSTOM_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}\Z")
MAX_REQUESTS = 100_000


class Anthropic(BatchService):
    """`/anthropic/v1/messages`, its batches, and `/anthropic/v1/models`."""

    provider = "anthropic"
    prefix = BASE_PATHS["anthropic"]
    max_body = 256 * 1024 * 1024
    request_id_header = "request-id"

    def routes(self) -> tuple[Route, ...]:
        batches = "/v1/messages/batches"
        return (
            Route("answer", "POST", "/v1/messages", self.answer_now),
            Route("create", "POST", batches, self.create),
            Route("list", "GET", batches, self.list_batches),
            Route("results", "GET", batches + "/{id}/results", self.results),
            Route("cancel", "POST", batches + "/{id}/cancel", self.cancel),
            Route("retrieve", "GET", batches + "/{id}", self.retrieve),
            Route("delete", "DELETE", batches + "/{id}", self.delete),
            Route("models", "GET", "/v1/models", self.models),
            Route("model", "GET", "/v1/models/{id}", self.model),
        )

    # what every call has in common ---------------------------------------------------------------------------------

    def refusal(self, refused: Refused) -> Response:
        headers = {"request-id": new_request_id()}
        if refused.retry_after is not None:
            headers["retry-after"] = f"{refused.retry_after:g}"
        body = {**_error(refused), "request_id": headers["request-id"]}
        return reply(body, refused.status, headers)

    def too_large(self) -> Refused:
        return Refused(413, "request_too_large", "Request exceeds the maximum size")

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        usual = "invalid_request_error" if status < 500 else "api_error"
        return Refused(status, kind or code or KINDS.get(status, usual), message)

    def authorise(self, call: Call) -> None:
        if key_refused(bearer(call.headers) or call.headers.get("x-api-key")):
            raise Refused(401, "authentication_error", "invalid x-api-key")
        version = call.headers.get("anthropic-version")
        if not version:
            raise Refused(400, "invalid_request_error", "anthropic-version: header is required")
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", version):
            raise Refused(400, "invalid_request_error", f'anthropic-version: "{version}" is not a valid version')

    # single calls --------------------------------------------------------------------------------------------------

    def answer_now(self, call: Call) -> Response:
        params = _object(call)
        version = call.headers["anthropic-version"]

        def answered(key: str, forced: Ending | None) -> Line:
            question = question_of(key, params, version, self.served)
            given = answer(question, forced)
            return Line(key, True, message(params, question, given, "standard"), flawed=given.flawed)

        return reply(self.answered_once(call, answered))

    # batches -------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        requests = submitted_requests(call)
        facts = {"version": call.headers["anthropic-version"]}
        model = requests[0]["params"].get("model")
        batch_id = f"msgbatch_01{self.state.new_id(22)}"
        content = NewFile(f"input-{batch_id}", "", "hidden", json.dumps(requests, ensure_ascii=False).encode())
        batch = self.state.batches.add(
            self.provider,
            batch_id,
            model=model if isinstance(model, str) else "",
            custom_ids=[request["custom_id"] for request in requests],
            needed=self.polls,
            facts=facts,
            plan=list(call.plan),
            input_file=content.id,
            content=content,
        )
        return reply(self.document(batch, call))

    def list_batches(self, call: Call) -> Response:
        found, more = _paged(call, self.state.batches.newest_first(self.provider))
        return _page([self.document(batch, call) for batch in self.seen(found)], more)

    def no_such_batch(self, batch_id: str) -> Refused:
        return Refused(404, "not_found_error", f"Message batch {batch_id} was not found.")

    def has_ended(self, batch: Batch) -> Refused:
        message = f"Batch {batch.id} cannot be canceled because it has already finished processing."
        return Refused(400, "invalid_request_error", message)

    def delete(self, call: Call) -> Response:
        batch = self.settled(self.batch(call))
        if not phase(batch).ended:
            raise Refused(400, "invalid_request_error", f"Batch {batch.id} is still processing: cancel it first.")
        self.state.batches.delete(batch)
        return reply({"id": batch.id, "type": "message_batch_deleted"})

    def results(self, call: Call) -> Response:
        batch = self.settled(self.batch(call))
        content = self.state.files.content(self.provider, f"results-{batch.id}")
        if content is None:
            raise Refused(404, "not_found_error", f"Batch {batch.id} has no available results; it has not ended.")
        return Response(content, media_type="application/x-jsonl")

    # models --------------------------------------------------------------------------------------------------------

    def models(self, call: Call) -> Response:
        found, more = _paged(call, self.served.of(self.provider))
        return _page([_model(model.id) for model in found], more)

    def model(self, call: Call) -> Response:
        if not self.served.serves(self.provider, call.path["id"]):
            raise Refused(404, "not_found_error", f"model: {call.path['id']}")
        return reply(_model(call.path["id"]))

    # inside --------------------------------------------------------------------------------------------------------

    def ended(self, batch: Batch, now: Phase, at: float) -> BatchEnd:
        content = self.state.files.content(self.provider, batch.input_file) or b"[]"
        requests = [(request["custom_id"], request["params"]) for request in json.loads(content)]
        failed = planned(batch, "fail") if now is Phase.FAILED else None
        badly: list[str] = []
        bills: list[Billed] = []
        if failed is not None:
            # No whole batch fails at Anthropic: it ends with every request errored.
            refused = Refused(500, "api_error", str(failed["message"]))
            lines = [_line(key, self.error_line(key, refused).payload) for key, _ in requests]
        else:
            done, left_over = self.resolved(batch, requests), "expired" if now is Phase.EXPIRED else "canceled"
            lines, badly = [_line(line.key, line.payload) for line in done.lines], done.badly
            bills = done.bills
            lines += [_line(key, {"type": left_over}) for key in done.unfinished]
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for line in lines:
            counts[line["result"]["type"]] += 1
        results = NewFile(f"results-{batch.id}", "", "hidden", jsonl(lines))
        return BatchEnd({"counts": counts}, [results], badly, bills)

    def answer_request(self, batch: Batch, key: str, request: dict[str, Any], forced: Ending | None) -> Line:
        question = question_of(key, request, str(batch.facts["version"]), self.served)
        given = answer(question, forced)
        return Line(key, True, {"type": "succeeded", "message": message(request, question, given)}, flawed=given.flawed)

    def error_line(self, key: str, refused: Refused) -> Line:
        return Line(key, False, {"type": "errored", "error": _error(refused)})

    def document(self, batch: Batch, call: Call) -> dict[str, Any]:
        now, ending = phase(batch), batch.ending
        if ending is not None:
            status, counts = "ended", ending["counts"]
        else:
            status = STATUS.get(now, "canceling")
            counts = {"processing": batch.total, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        host = planned(batch, "results_host")
        address = f"{str(host['url']).rstrip('/') if host else call.base}/v1/messages/batches/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "created_at": rfc3339(batch.created_at),
            "expires_at": rfc3339(batch.created_at + 86_400),
            "ended_at": rfc3339(ending["at"]) if ending else None,
            "cancel_initiated_at": rfc3339(batch.times["cancelling"]) if "cancelling" in batch.times else None,
            "archived_at": None,
            "results_url": address if ending else None,
        }


class _Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Named)


def _paged(call: Call, items: list[T]) -> tuple[list[T], bool]:
    """The page of `items` that `limit`, `after_id` and `before_id` ask for, and whether there are more."""
    limit = whole_number(call.query.get("limit", "20"), 1, 1000)
    after, before = call.query.get("after_id"), call.query.get("before_id")
    if limit is None:
        raise Refused(400, "invalid_request_error", "limit: Input should be between 1 and 1000")
    if after and before:
        raise Refused(400, "invalid_request_error", "only one of after_id and before_id may be given")
    place = {item.id: number for number, item in enumerate(items)}
    for name, cursor in (("after_id", after), ("before_id", before)):
        if cursor and cursor not in place:
            raise Refused(400, "invalid_request_error", f"{name}: {cursor} was not found")
    if before:
        items = items[: place[before]]
        return items[-limit:], len(items) > limit
    items = items[place[after] + 1 :] if after else items
    return items[:limit], len(items) > limit


def _page(data: list[dict[str, Any]], more: bool) -> Response:
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return reply({"data": data, "has_more": more, **ends})


def _error(refused: Refused) -> dict[str, Any]:
    return {"type": "error", "error": {"type": refused.kind, "message": refused.message}}


def _line(key: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": key, "result": result}


def _model(model_id: str) -> dict[str, Any]:
    return {"type": "model", "id": model_id, "display_name": model_id, "created_at": "2025-01-01T00:00:00Z"}


def _object(call: Call) -> dict[str, Any]:
    """The JSON object that a call brings. Raises Refused."""
    try:
        body = call.object()
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    return body if isinstance(body, dict) else {}


def submitted_requests(call: Call) -> list[dict[str, Any]]:
    """The requests of a create call. Raises Refused."""
    body = _object(call)
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise invalid("requests: List should have at least 1 item")
    for name in body:
        if name != "requests":
            raise invalid(f"{name}: Extra inputs are not permitted")
    if len(requests) > MAX_REQUESTS:
        raise invalid(f"requests: List should have at most {MAX_REQUESTS} items")
    seen: set[str] = set()
    for place, request in enumerate(requests):
        key = request.get("custom_id") if isinstance(request, dict) else None
        if not isinstance(key, str) or not CUSTOM_ID.match(key):
            raise invalid(f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if key in seen:
            raise invalid(f"requests.{place}.custom_id: duplicate custom_id {key!r}")
        if not isinstance(request.get("params"), dict):
            raise invalid(f"requests.{place}.params: Field required")
        seen.add(key)
    return requests
