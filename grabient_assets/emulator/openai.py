"""OpenAI's Files and Batch APIs, and its single calls (provider fact sheet, section 2)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending, answer
from grabient_assets.emulator.batch_documents import batch_document
from grabient_assets.emulator.chat import check_emulated, check_writes, completion, invalid, question_of, read_body
from grabient_assets.emulator.file_batches import FileBatches, listed, paged
from grabient_assets.emulator.openai_images import imaged
from grabient_assets.emulator.openai_vectors import embedded
from grabient_assets.emulator.wire import Call, Line, Route

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
MAKE, EDIT = "/v1/images/generations", "/v1/images/edits"
MINIMAL = ("minimal", "low", "medium", "high")
WIDE = ("none", "low", "medium", "high", "xhigh", "max")
SAMPLING = ("temperature", "top_p", "logprobs", "top_logprobs")


class OpenAI(FileBatches):
    """`/openai/v1`: files, batches, single calls, models."""

    provider = "openai"
    prefix = "/openai/v1"
    max_body = 200 * 1024 * 1024
    one_model = True
    too_large_status = 400
    endpoints = (CHAT, EMBED, MAKE, EDIT)
    fields = frozenset(["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"])

    def routes(self) -> tuple[Route, ...]:
        return (
            *self.api_routes(""),
            *(
                self.single(url.removeprefix("/v1"), url, "vectors" if url == EMBED else "answer")
                for url in self.endpoints
            ),
        )

    def window_permitted(self, window: str) -> bool:
        return window == "24h"

    def problems(self, model: str) -> list[dict[str, Any]]:
        if self.served.serves(self.provider, model):
            return []
        message = f"The provided model '{model}' is not supported by the Batch API."
        return [{"code": "model_not_found", "line": 1, "message": message, "param": "body.model"}]

    def list_batches(self, call: Call) -> Response:
        page, more = paged(call, self.state.batches.newest_first(self.provider), usual=20, most=100)
        return listed([batch_document(self.settled(batch)) for batch in self.state.batches.polled(page)], more)

    def answered(self, url: str, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        model = self.served_model(body["model"])
        if url == EMBED:
            return embedded(model, key, body, forced)
        if url in (MAKE, EDIT):
            return imaged(model, key, body, forced, created, self._file_bytes if url == EDIT else None)
        check_writes(model, url)
        return self._completion(key, body, forced, created)

    def _file_bytes(self, file_id: str) -> bytes | None:
        return self.state.files.content(self.provider, file_id)

    def _completion(self, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        body = read_body(body)
        effort = _effort(body)
        check_emulated(body)
        question = question_of(body, key, effort=effort)
        given = answer(question, forced)
        return Line(
            key,
            True,
            {"body": completion(question, given, created) | {"service_tier": "default", "system_fingerprint": None}},
            (given.prompt_tokens, given.output_tokens, given.thinking_tokens),
            given.flawed,
        )


def _effort(body: dict[str, Any]) -> str:
    """How long the model reasons, after its rules on sampling and tokens are kept. Raises Refused."""
    model, effort = body["model"], body.get("reasoning_effort")
    levels = _levels(model)
    if not levels:
        if effort is not None:
            raise invalid("Unrecognized request argument supplied: reasoning_effort", "reasoning_effort")
        return "none"
    if effort is not None and effort not in levels:
        message = f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
        raise invalid(message, "reasoning_effort", "unsupported_value")
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        raise invalid(message, "max_tokens", "unsupported_parameter")
    for name in SAMPLING:
        if name not in body or (effort == "none" and "none" in levels):
            continue
        if "none" in levels or name != "temperature":
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise invalid(message, name, "unsupported_parameter")
        if body[name] != 1:
            message = "Unsupported value: 'temperature' supports only the default value (1) with this model."
            raise invalid(message, name, "unsupported_value")
    return effort or "medium"


def _levels(model: str) -> tuple[str, ...]:
    """The reasoning efforts of a model; none for a model that does not reason."""
    if not model.startswith(("gpt-5", "gpt-6", "o1", "o3", "o4")):
        return ()
    return MINIMAL if model.startswith("gpt-5-") or model == "gpt-5" else WIDE
