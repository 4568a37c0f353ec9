"""Groq's Files and Batch APIs, and its single calls (provider fact sheet, section 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending, answer
from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.file_batches import FileBatches, invalid
from grabient_assets.emulator.openai import (
    CHAT,
    EMBED,
    OF_GROQ,
    check_emulated,
    check_writes,
    completion,
    question_of,
    read_body,
    response_format,
)
from grabient_assets.emulator.questions import digest
from grabient_assets.emulator.stored_batches import Batch
from grabient_assets.emulator.vectors import openai_embeddings
from grabient_assets.emulator.wire import Call, Line, Refused, Route, bearer, reply, whole_number

PAGE = 20
NOT_EMULATED = ("documents", "search_settings", "compound_custom")
OWN = OF_GROQ.union(NOT_EMULATED)
STRICT_SCHEMAS = "openai/gpt-oss-"


class Groq(FileBatches):
    """`/groq/openai/v1`: files, batches of chat completions, single calls, models."""

    provider = "groq"
    prefix = BASE_PATHS["groq"]
    max_body = 100 * 1024 * 1024
    one_model = False
    too_large_status = 413
    endpoints = (CHAT,)
    fields = frozenset(["input_file_id", "endpoint", "completion_window", "metadata"])

    def routes(self) -> tuple[Route, ...]:
        return (
            *self.api_routes("/openai/v1"),
            self.single("/openai" + CHAT, CHAT),
            self.single("/openai" + EMBED, EMBED, "vectors"),
        )

    def window_permitted(self, window: str) -> bool:
        found = re.fullmatch(r"([0-9]{1,3})([hd])", window)
        return found is not None and 24 <= int(found[1]) * (24 if found[2] == "d" else 1) <= 7 * 24

    def problems(self, model: str) -> list[dict[str, Any]]:
        """A file may name several models: one that is not served fails line by line."""
        return []

    def gate(self, call: Call) -> None:
        if (bearer(call.headers) or "").startswith("free"):
            message = "Batch processing is not available for your current plan. Upgrade to the Developer plan."
            raise Refused(403, "permissions_error", message, code="not_available_for_plan")

    def list_batches(self, call: Call) -> Response:
        batches = self.state.batches.newest_first(self.provider)
        if wanted := call.query.getlist("id"):
            batches = [batch for batch in batches if batch.id in wanted]
        if cursor := call.query.get("cursor"):
            number = _number(cursor, batches)
            batches = [batch for batch in batches if batch.number < number]
        page, rest = batches[:PAGE], batches[PAGE:]
        data = [self.document(batch, call) for batch in self.seen(page)]
        return reply(
            {"object": "list", "data": data, "paging": {"next_cursor": f"c{page[-1].number}" if rest else None}}
        )

    def answered(self, url: str, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        model = self.served_model(body["model"])
        if url == EMBED:
            return openai_embeddings(model, key, body, forced)
        check_writes(model, url)
        return self._completion(key, body, forced, created)

    def _completion(self, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        body = read_body(body, OWN)
        kind, _, strict = response_format(body)
        _check_format(body, kind, strict)
        effort, shown = _reasoning(body, kind)
        check_emulated(body, NOT_EMULATED)
        question = question_of(body, key, effort=effort, thinks_in_text=shown == "raw")
        given = answer(question, forced)
        if given.outcome == "garbage" and question.json_only:
            raise invalid("Failed to generate JSON. Please adjust your prompt.", None, "json_validate_failed")
        document = completion(question, given, created)
        if shown == "parsed" and effort != "none":
            document["choices"][0]["message"]["reasoning"] = given.thinking
        del document["choices"][0]["message"]["refusal"]
        if given.outcome == "refusal":
            document["choices"][0]["message"]["content"] = given.text
        spent = given.output_tokens / 500
        document["usage"] |= {
            "queue_time": 0.1,
            "prompt_time": 0.01,
            "completion_time": spent,
            "total_time": spent + 0.01,
        }
        document["x_groq"] = {"id": f"req_{digest('groq', key) % 10**24:024d}"}
        spent_tokens = (given.prompt_tokens, given.output_tokens, given.thinking_tokens)
        return Line(key, True, {"body": document}, spent_tokens, given.flawed)


def _check_format(body: dict[str, Any], kind: str, strict: bool) -> None:
    """JSON schemas: enforced at gpt-oss only, not at all at qwen."""
    model = body["model"]
    if kind == "json_schema" and model.startswith("qwen/"):
        raise invalid("This model does not support response format `json_schema`.", "response_format")
    if strict and not model.startswith(STRICT_SCHEMAS):
        raise invalid("This model does not support strict JSON schemas.", "response_format")


def _reasoning(body: dict[str, Any], kind: str) -> tuple[str, str]:
    """Effort and where the reasoning is shown (raw, parsed, hidden). Raises Refused for what the model refuses."""
    model, effort, shown = body["model"], body.get("reasoning_effort"), body.get("reasoning_format")
    if shown is not None and "include_reasoning" in body:
        raise invalid("reasoning_format and include_reasoning are mutually exclusive", "reasoning_format")
    levels, default = _levels(model)
    if effort is not None and effort not in levels:
        raise invalid(f"`reasoning_effort` must be one of {', '.join(levels) or 'nothing'}", "reasoning_effort")
    if not levels:
        return "none", "hidden"
    if model.startswith("openai/"):
        if shown is not None:
            raise invalid("`reasoning_format` is not supported with this model", "reasoning_format")
        return effort or default, "parsed" if body.get("include_reasoning", True) else "hidden"
    if shown not in (None, "raw", "parsed", "hidden"):
        raise invalid("`reasoning_format` must be one of raw, parsed, hidden", "reasoning_format")
    if shown == "raw" and kind != "text":
        raise invalid("`reasoning_format` cannot be raw with JSON mode", "reasoning_format")
    effort = "medium" if effort in (None, "default") else effort
    included = "hidden" if body.get("include_reasoning") is False else None
    place = shown or included or ("raw" if kind == "text" else "parsed")
    return effort, place if effort != "none" else "hidden"


def _levels(model: str) -> tuple[tuple[str, ...], str]:
    """The reasoning efforts of a model and its default; none for a model that does not reason."""
    if model.startswith("openai/gpt-oss"):
        return ("low", "medium", "high"), "medium"
    if model.startswith("qwen/qwen3.8"):
        return ("none", "default", "low", "medium", "high"), "default"
    if model.startswith("qwen/qwen3"):
        return ("none", "default"), "default"
    return (), "none"


def _number(cursor: str, batches: Sequence[Batch]) -> int:
    """The number of the batch behind which the page begins. Raises Refused for a cursor that was never given out."""
    number = whole_number(cursor.removeprefix("c"), 1, 2**63 - 1) if cursor.startswith("c") else None
    if number is None or all(batch.number != number for batch in batches):
        raise Refused(400, "invalid_request_error", "Invalid cursor.", param="cursor")
    return number
