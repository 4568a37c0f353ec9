"""Anthropic's request and result lines. Pure.

The bodies follow API version 2026-10-21: no temperature, top_p or top_k on any model; `thinking` by model family. The
API validates a batch asynchronously, so a wrong body costs a day: everything that can be checked before is checked
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grabient_assets.providers.contract import (
    EMPTY_ANSWER,
    PICTURE_NOT_FETCHED,
    ImageInput,
    LineFormat,
    RequestSpec,
    Result,
    Spec,
)
from grabient_assets.providers.request_rules import base64_of, budget, check, effort, for_anthropic, json_line, refusal
from grabient_assets.providers.values import (
    EMPTY,
    TOO_LONG,
    another,
    bad_line,
    counted,
    inside,
    items,
    needed_tokens,
    parsed_line,
    picture_not_fetched,
    text_or_none,
    tokens,
    usage_of,
)
from grabient_assets.registry.model import Model
from grabient_assets.registry.prices import worth_caching
from grabient_assets.registry.usage import Usage

PROVIDER = "anthropic"
LEAST_BUDGET = 1024

_WITHOUT_TEXT = {"text", "thinking", "redacted_thinking", "tool_use"}

_PERMANENT = {
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    PICTURE_NOT_FETCHED,
}


def request_line(spec: Spec, model: Model) -> bytes:
    if not isinstance(spec, RequestSpec):
        raise refusal(spec, model, "Anthropic makes neither images nor vectors")
    check(spec, model)
    params: dict[str, Any] = {"model": model.id, model.token_parameter: spec.max_output_tokens}
    if model.accepts.thinking == "adaptive":
        params["thinking"] = {"type": "adaptive"}
    elif model.accepts.thinking == "budget" and (thinking := budget(spec, model, LEAST_BUDGET)):
        params["thinking"] = {"type": "enabled", "budget_tokens": thinking}
    if spec.system:
        params["system"] = [_system(spec.system, model)]
    output: dict[str, Any] = {}
    if (asked := effort(spec, model)) is not None:
        output["effort"] = asked
    if spec.schema is not None and model.accepts.structured == "json_schema":
        output["format"] = {"type": "json_schema", "schema": for_anthropic(spec.schema)}
    if output:
        params["output_config"] = output
    content = [*map(_image, spec.images), {"type": "text", "text": spec.text}]
    params["messages"] = [{"role": "user", "content": content}]
    return json_line({"custom_id": spec.custom_id, "params": params})


def _system(text: str, model: Model) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    if worth_caching(model, text):
        block["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    return block


def _image(image: ImageInput) -> dict[str, Any]:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": base64_of(image)}}


def read_line(line: bytes) -> Result:
    value = parsed_line(line, PROVIDER)
    custom_id = text_or_none(value.get("custom_id"))
    result = value.get("result")
    # By the word, never "else succeeded": the SDK itself builds unknown kinds as successes without a message.
    match inside(result, "type"):
        case "succeeded":
            # Written by our own direct calls: they are served by another tier than a batch is.
            tier = "standard" if value.get("delivery") == "direct" else "batch"
            return _succeeded(custom_id, inside(result, "message"), line, tier)
        case "errored":
            return _errored(custom_id, inside(result, "error"))
        case "expired":
            message = "the batch ran out of time before this request was answered"
            return Result(custom_id, "expired", error=message, error_code="expired", retryable=True)
        case "canceled":
            message = "the batch was cancelled before this request was answered"
            return Result(custom_id, "cancelled", error=message, error_code="canceled")
        case other:
            raise bad_line(line, PROVIDER, f"its result is of the unknown type {other!r}")


def _succeeded(custom_id: str | None, message: object, line: bytes, tier: str) -> Result:
    if not isinstance(message, Mapping):
        raise bad_line(line, PROVIDER, "it succeeded but holds no message")
    content = message.get("content")
    texts = [inside(block, "text") for block in items(content) if inside(block, "type") == "text"]
    text = text_or_none("".join(part for part in texts if isinstance(part, str)))
    stop = text_or_none(message.get("stop_reason"))

    def result(fate: Any, error: str | None = None, code: str | None = None, retryable: bool = False) -> Result:
        usage = _reported_usage(message.get("usage"), has_output=text is not None or fate == "truncated", tier=tier)
        served, request_id = text_or_none(message.get("model")), text_or_none(message.get("id"))
        return Result(custom_id, fate, text, error, code, retryable, usage, served, stop, request_id)

    if stop == "refusal":
        category = text_or_none(inside(message, "stop_details", "category"))
        why = inside(message, "stop_details", "explanation") or category
        refused = result("refused", f"the model refused to answer{f' ({why})' if why else ''}", "refusal")
        return replace(refused, refused_at="input", refused_for=(category,) if category else ())
    if stop in ("max_tokens", "model_context_window_exceeded"):
        return result("truncated", TOO_LONG, stop)
    if text is None and not _holds_no_text(message):
        raise bad_line(line, PROVIDER, "its message holds something else than text")
    if text is None:
        return result("errored", EMPTY, EMPTY_ANSWER, retryable=True)
    return result("answered")


def _holds_no_text(message: Mapping[str, Any]) -> bool:
    """Whether the API reports no text for this message. Otherwise the text is in an unknown place."""
    content = message.get("content", "")
    return content is None or (isinstance(content, list) and all(_is_without_text(block) for block in content))


def _is_without_text(block: object) -> bool:
    kind = inside(block, "type")
    return isinstance(kind, str) and kind in _WITHOUT_TEXT and (kind != "text" or inside(block, "text") == "")


def _errored(custom_id: str | None, error: object) -> Result:
    # The real error is two levels down: result.error.error.type.
    inner = inside(error, "error") or error
    code = text_or_none(inside(inner, "type")) or "unknown_error"
    message = text_or_none(inside(inner, "message")) or "the provider gave no reason"
    request_id = text_or_none(inside(error, "request_id"))
    if picture_not_fetched(message):
        code = PICTURE_NOT_FETCHED
    retryable = code not in _PERMANENT
    return Result(custom_id, "errored", error=message, error_code=code, retryable=retryable, request_id=request_id)


def _reported_usage(usage: object, *, has_output: bool, tier: str = "batch") -> Usage | None:
    """Anthropic counts cache reads and writes beside `input_tokens`; here they are part of the input. Thinking is part
    of `output_tokens`, and fetching pages costs nothing but their tokens."""
    if not isinstance(usage, Mapping):
        return None
    try:
        read, total = tokens(usage, "cache_read_input_tokens"), tokens(usage, "cache_creation_input_tokens")
        briefly = tokens(usage, "cache_creation", "ephemeral_5m_input_tokens")
        lasting = tokens(usage, "cache_creation", "ephemeral_1h_input_tokens")
        plain, output = needed_tokens(usage, "input_tokens"), tokens(usage, "output_tokens")
        thinking = tokens(usage, "output_tokens_details", "thinking_tokens")
    except ValueError:
        return None  # a bad receipt must not lose the answer: it is stored, its cost is estimated
    written = max(total, briefly + lasting)
    return usage_of(
        whole_input=plain + read + written,
        output=output,
        cached=read,
        written=written,
        written_5m=briefly,
        thinking=thinking,
        unpriced=_unpriced(usage, tier),
        has_output=has_output,
    )


def _unpriced(usage: Mapping[str, Any], tier: str) -> list[str]:
    """Searches and code runs are billed by the piece; other tiers, speeds and regions at other rates."""
    tools = inside(usage, "server_tool_use")
    pieces = tools if isinstance(tools, Mapping) else {}
    return [
        *(part for name, n in pieces.items() if name != "web_fetch_requests" for part in counted(name, n)),
        *another("service tier", usage.get("service_tier"), (tier,)),
        *another("speed", usage.get("speed"), ("standard",)),
        *another("inference region", usage.get("inference_geo"), ("global", "not_available")),
    ]


FORMAT = LineFormat(request_line, read_line, lambda receipt: _reported_usage(receipt.get("usage"), has_output=True))
