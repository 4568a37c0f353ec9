"""The four providers as their servers speak: paths and recorded shapes, so that one test can be run against each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grabient_assets.providers.contract import BatchFile, RequestSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model

KEY = "sk-test-0123456789"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED = "2026-11-20T12:00:00Z"
CREATED_UNIX = 1_795_176_000  # the same moment


@dataclass(frozen=True)
class Face:
    """What differs on the wire. `batch` is the provider's id of the batch in all bodies."""

    name: str
    model_id: str
    suffix: str
    create: str
    batch: str
    retrieve: str
    listing: str
    models: str

    @property
    def model(self) -> Model:
        return load_registry().model(self.name, self.model_id)

    def spec(self, custom_id: str = "a-1", **more: Any) -> RequestSpec:
        return RequestSpec(custom_id, "Answer in JSON.", "Which mood?", 800, **more)

    def file(self, provider: Any, *custom_ids: str) -> BatchFile:
        ids = custom_ids or ("a-1",)
        return BatchFile("lab-1", self.model, [provider.request_line(self.spec(i), self.model) for i in ids], ids)

    def body(self, state: str = "running", **more: Any) -> dict[str, Any]:
        """The batch object in one of the states running, cancelling, completed, failed, expired, cancelled."""
        return _BODIES[self.name](self.batch, state) | more

    def model_list(self, *ids: str) -> dict[str, Any]:
        if self.name == "google":
            return {"models": [{"name": f"models/{i}"} for i in ids]}
        return {"data": [{"id": i, "object": "model"} for i in ids], "has_more": False, "object": "list"}

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        if self.name == "anthropic":
            return {"type": "error", "error": {"type": code, "message": message}, "request_id": "req_1"}
        if self.name == "google":
            return {"error": {"code": status, "message": message, "status": code}}
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}

    def answer_line(self, custom_id: str, text: str = "calm") -> bytes:
        return json.dumps(_ANSWERS[self.name](custom_id, text)).encode()


def _anthropic(batch: str, state: str) -> dict[str, Any]:
    status = {"running": "in_progress", "cancelling": "canceling"}.get(state, "ended")
    counts = {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    if status == "ended":
        counts |= {"processing": 0, "succeeded": 2}
        counts[{"cancelled": "canceled", "expired": "expired"}.get(state, "errored")] = 1
    return {
        "id": batch,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts,
        "created_at": CREATED,
        "expires_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-20T13:00:00Z" if status == "ended" else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }


def _chat(batch: str, state: str) -> dict[str, Any]:
    status = {"running": "in_progress"}.get(state, state)
    ended = status not in ("in_progress", "cancelling")
    return {
        "id": batch,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "status": status,
        "errors": None,
        "input_file_id": "file-in",
        "output_file_id": None,
        "error_file_id": None,
        "completion_window": "24h",
        "request_counts": {"total": 3, "completed": 2 if ended else 0, "failed": 1 if ended else 0},
        "metadata": {"grabient_batch": "lab-1"},
        "created_at": CREATED_UNIX,
        f"{status}_at": CREATED_UNIX + 3600,
    }


def _google(batch: str, state: str) -> dict[str, Any]:
    word = {"completed": "SUCCEEDED"}.get(state, state.upper())
    ended = state not in ("running", "cancelling")
    stats = {"requestCount": "3", "pendingRequestCount": "0" if ended else "3"}
    stats |= {"successfulRequestCount": "2", "failedRequestCount": "1"} if ended else {}
    return {
        "name": batch,
        "done": ended,
        "metadata": {
            "state": f"BATCH_STATE_{word}",
            "displayName": "lab-1",
            "createTime": CREATED,
            "endTime": "2026-11-20T13:00:00Z" if ended else None,
            "batchStats": stats,
        },
    }


_BODIES = {"anthropic": _anthropic, "openai": _chat, "groq": _chat, "google": _google}


def anthropic_answer(custom_id: str, text: str) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}


def chat_answer(custom_id: str, text: str) -> dict[str, Any]:
    body = {
        "model": "m-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
    response = {"status_code": 200, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def google_answer(custom_id: str, text: str) -> dict[str, Any]:
    response = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
        "modelVersion": "gemini-2.5-flash-lite",
    }
    return {"key": custom_id, "response": response}


_ANSWERS = {"anthropic": anthropic_answer, "openai": chat_answer, "groq": chat_answer, "google": google_answer}

ANTHROPIC = Face(
    "anthropic",
    "claude-haiku-4-5-20251001",
    "",
    "/v1/messages/batches",
    "msgbatch_1",
    "/v1/messages/batches/msgbatch_1",
    "/v1/messages/batches",
    "/v1/models",
)
OPENAI = Face(
    "openai", "gpt-4o-mini", "/v1", "/v1/batches", "batch_1", "/v1/batches/batch_1", "/v1/batches", "/v1/models"
)
GROQ = Face(
    "groq",
    "openai/gpt-oss-20b",
    "",
    "/openai/v1/batches",
    "batch_1",
    "/openai/v1/batches/batch_1",
    "/openai/v1/batches",
    "/openai/v1/models",
)
GOOGLE = Face(
    "google",
    "gemini-2.5-flash-lite",
    "",
    "/v1/models/gemini-2.5-flash-lite:batchGenerateContent",
    "batches/b1",
    "/v1/batches/b1",
    "/v1/batches",
    "/v1/models",
)
FACES = (ANTHROPIC, OPENAI, GROQ, GOOGLE)
