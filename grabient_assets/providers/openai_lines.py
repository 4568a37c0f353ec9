"""OpenAI's request and result lines for texts, images and vectors, and Groq's copy for texts and vectors. Pure.

Bodies are those of the single calls. An image edit goes as JSON with its images in it: a batch takes no other form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers.contract import (
    BAD_IMAGE,
    EMPTY_ANSWER,
    MODERATED,
    NO_IMAGE,
    PICTURE_NOT_FETCHED,
    ImageInput,
    ImageSpec,
    LineFormat,
    RequestSpec,
    Result,
    Spec,
    VectorSpec,
)
from grabient_assets.providers.request_rules import (
    address_of,
    check,
    check_image,
    check_vector,
    effort,
    for_strict_chat,
    json_line,
    pixels,
    refusal,
)
from grabient_assets.providers.values import (
    EMPTY,
    TOO_LONG,
    bad_line,
    beyond,
    counted,
    decoded_image,
    inside,
    items,
    needed_tokens,
    parsed_line,
    picture_not_fetched,
    text_or_none,
    tokens,
    usage_of,
    with_vector,
)
from grabient_assets.registry.model import Model
from grabient_assets.registry.usage import Usage

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
MAKE, EDIT = "/v1/images/generations", "/v1/images/edits"

MOST_CHARACTERS = 32_000
MOST_MASK_BYTES = 4_000_000
MOST_ADDRESS = 20_971_520
"""Characters of an address, so also of an image that is sent as one."""

# Lines that failed with these words may succeed when sent again, whatever their status. json_validate_failed is
# Groq's: the model broke off the JSON it was asked for.
_RETRYABLE_CODES = {"json_validate_failed", "server_error", "rate_limit_exceeded", "internal_server_error"}
_RETRYABLE_STATUS = {408, 409, 425, 429}
# OpenAI reports "default" for a batch; these cost more at OpenAI and Groq.
_DEARER_TIERS = ("priority", "fast", "scale", "performance")


def request_line(spec: Spec, model: Model) -> bytes:
    url, body = _request(spec, model)
    return json_line({"custom_id": spec.custom_id, "method": "POST", "url": url, "body": body})


_URL = re.compile(rb'\{"custom_id":"[^"]*","method":"POST","url":"([^"]*)"')


def endpoint_of(lines: Iterable[bytes], provider: str) -> str:
    """The one endpoint that all these request lines name. Raises RequestRejectedError when they name several."""
    named = {found[1].decode() if (found := _URL.match(line)) else str(json.loads(line).get("url")) for line in lines}
    if len(named) > 1:
        raise RequestRejectedError(
            provider, f"A batch of {provider} has one endpoint, these lines name {', '.join(sorted(named))}. Split it."
        )
    return named.pop()


def _request(spec: Spec, model: Model) -> tuple[str, dict[str, Any]]:
    """The endpoint and the body. Raises RequestRejectedError when the model cannot take what is asked."""
    if isinstance(spec, RequestSpec):
        return CHAT, _chat(spec, model)
    if isinstance(spec, VectorSpec):
        return EMBED, _embedding(spec, model)
    if model.provider != "openai":
        raise refusal(spec, model, f"{model.provider} makes no images")
    return (EDIT if spec.images else MAKE), _image(spec, model)


def _chat(spec: RequestSpec, model: Model) -> dict[str, Any]:
    check(spec, model)
    accepts = model.accepts
    messages: list[dict[str, Any]] = [{"role": "system", "content": spec.system}] if spec.system else []
    messages.append({"role": "user", "content": _content(spec)})
    body: dict[str, Any] = {"model": model.id, "messages": messages, model.token_parameter: spec.max_output_tokens}
    if spec.temperature is not None and accepts.sampling:
        body["temperature"] = spec.temperature
    if (asked := effort(spec, model)) is not None:
        body["reasoning_effort"] = asked
    # Thinking left inside the text would break the JSON; the two parameters exclude each other.
    if accepts.hide_reasoning == "include_reasoning":
        body["include_reasoning"] = False
    elif accepts.hide_reasoning == "reasoning_format":
        body["reasoning_format"] = "hidden"
    if spec.schema is not None and accepts.structured == "json_schema":
        schema = {"name": spec.schema_name, "strict": True, "schema": for_strict_chat(spec.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif spec.schema is not None and accepts.structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def _content(spec: RequestSpec) -> str | list[dict[str, Any]]:
    if not spec.images:
        return spec.text
    images = [{"type": "image_url", "image_url": {"url": address_of(image)}} for image in spec.images]
    return [*images, {"type": "text", "text": spec.text}]


def _embedding(spec: VectorSpec, model: Model) -> dict[str, Any]:
    rules, dimensions = check_vector(spec, model)
    body: dict[str, Any] = {"model": model.id, "input": rules.prefix(spec.task) + spec.text}
    if rules.least < rules.most:  # otherwise there is nothing to choose, and Groq knows no such parameter
        body["dimensions"] = dimensions
    # 8.2 KB for 1,536 numbers, a quarter of what they take as digits.
    body["encoding_format"] = "base64"
    return body


def _image(spec: ImageSpec, model: Model) -> dict[str, Any]:
    check_image(spec, model)
    if len(spec.prompt) > MOST_CHARACTERS:
        raise refusal(spec, model, f"its prompt has {len(spec.prompt)} characters, the model takes {MOST_CHARACTERS}")
    body: dict[str, Any] = {"model": model.id, "prompt": spec.prompt}
    if spec.images:
        body["images"] = [{"image_url": _address(spec, model, image)} for image in spec.images]
    if spec.mask is not None:
        if len(spec.mask.data or b"") > MOST_MASK_BYTES:
            raise refusal(spec, model, f"its mask has more than {MOST_MASK_BYTES} bytes; make it of one colour")
        body["mask"] = {"image_url": _address(spec, model, spec.mask)}
    if pixels(spec, model) is not None:
        body["size"] = spec.size
    if spec.quality is not None:
        body["quality"] = spec.quality
    body["n"] = 1
    if spec.format is not None:
        body["output_format"] = spec.format
    if spec.background is not None:
        body["background"] = spec.background
    return body


def _address(spec: ImageSpec, model: Model, image: ImageInput) -> str:
    address = address_of(image)
    if len(address) > MOST_ADDRESS:
        raise refusal(spec, model, f"an image has {len(address)} characters as text, the model takes {MOST_ADDRESS}")
    return address


def read_line(line: bytes, provider: str) -> Result:
    value = parsed_line(line, provider)
    custom_id = text_or_none(value.get("custom_id"))
    response, error = value.get("response"), value.get("error")
    if not isinstance(response, Mapping):
        if isinstance(error, str) and error:
            error = {"message": error}
        if not isinstance(error, Mapping) or not error:
            raise bad_line(line, provider, "it holds neither a response nor an error")
        return _without_response(custom_id, error)
    status, body = response.get("status_code"), response.get("body")
    if type(status) is not int:
        raise bad_line(line, provider, "its response has no status_code")
    request_id = text_or_none(response.get("request_id"))
    if not 200 <= status < 300:
        return _failed(custom_id, status, inside(body, "error") or error, request_id)
    if isinstance(body, Mapping) and _is_made(body):
        return _made(custom_id, body, request_id)
    if not isinstance(body, Mapping) or not isinstance(message := inside(body, "choices", 0, "message"), Mapping):
        raise bad_line(line, provider, f"its response says {status} but holds no choice with a message")
    if _text_of(message) is None and not _holds_no_text(message):
        raise bad_line(line, provider, "its message holds something else than text")
    return _answered(custom_id, body, request_id)


def _without_response(custom_id: str | None, error: Mapping[str, Any]) -> Result:
    code = text_or_none(error.get("code")) or "unknown_error"
    message = text_or_none(error.get("message")) or "the provider gave no reason"
    if code == "batch_expired":
        return Result(custom_id, "expired", error=message, error_code=code, retryable=True)
    if code in ("batch_cancelled", "batch_canceled"):
        return Result(custom_id, "cancelled", error=message, error_code=code)
    retryable = code in _RETRYABLE_CODES
    return Result(custom_id, "errored", error=message, error_code=code, retryable=retryable)


def _failed(custom_id: str | None, status: int, error: object, request_id: str | None) -> Result:
    if inside(error, "code") == MODERATED:
        return _refused_image(custom_id, error, request_id)
    code = text_or_none(inside(error, "code")) or text_or_none(inside(error, "type")) or f"http_{status}"
    message = text_or_none(inside(error, "message")) or f"the provider answered {status} without a reason"
    retryable = status >= 500 or status in _RETRYABLE_STATUS or code in _RETRYABLE_CODES
    if code == "invalid_image_url" or picture_not_fetched(message):
        code, retryable = PICTURE_NOT_FETCHED, False
    if code == "insufficient_quota":
        retryable = False
    return Result(custom_id, "errored", error=message, error_code=code, retryable=retryable, request_id=request_id)


def _answered(custom_id: str | None, body: Mapping[str, Any], request_id: str | None) -> Result:
    choice = inside(body, "choices", 0)
    text = _text_of(inside(choice, "message"))
    refusal = text_or_none(inside(choice, "message", "refusal"))
    stop = text_or_none(inside(choice, "finish_reason"))

    def result(fate: Any, error: str | None = None, code: str | None = None, retryable: bool = False) -> Result:
        usage = _reported_usage(body, has_output=text is not None or fate == "truncated")
        served = text_or_none(body.get("model"))
        named = request_id or text_or_none(inside(body, "x_groq", "id"))
        return Result(custom_id, fate, text, error, code, retryable, usage, served, stop, named)

    if refusal is not None:
        return replace(result("refused", refusal, "refusal"), refused_at="input")
    if stop == "content_filter":
        filtered = result("refused", "the provider's content filter stopped the answer", stop)
        return replace(filtered, refused_at="output")
    if stop == "length":
        return result("truncated", TOO_LONG, stop)
    if text is None:
        return result("errored", EMPTY, EMPTY_ANSWER, retryable=True)
    return result("answered")


def _text_of(message: Mapping[str, Any]) -> str | None:
    """The text of a message: some servers write it as a list of parts."""
    content = message.get("content")
    parts = [part for one in items(content) if isinstance(part := inside(one, "text"), str)]
    return text_or_none("".join(parts) if parts else content)


def _holds_no_text(message: Mapping[str, Any]) -> bool:
    """Whether the API reports no text for this message. Otherwise the text is in an unknown place."""
    has_other_content = any(message.get(name) for name in ("refusal", "tool_calls", "reasoning", "reasoning_content"))
    return message.get("content", "" if has_other_content else 0) in (None, "", [])


def _reported_usage(body: Mapping[str, Any], *, has_output: bool) -> Usage | None:
    """Cached and written tokens, and those of pictures, are part of prompt_tokens at both; reasoning and predicted ones
    of completion_tokens, rejected predictions included."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    if _is_made(body):
        return _usage_of_made(body)
    try:
        whole_input, output = needed_tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens")
        cached = tokens(usage, "prompt_tokens_details", "cached_tokens")
        written = tokens(usage, "prompt_tokens_details", "cache_write_tokens")
        thinking = tokens(usage, "completion_tokens_details", "reasoning_tokens")
    except ValueError:
        return None  # a bad receipt must not lose the answer: it is stored, its cost is estimated
    return usage_of(
        whole_input=whole_input,
        output=output,
        cached=cached,
        written=written,
        thinking=thinking,
        unpriced=_unpriced(body, usage, whole_input + output),
        has_output=has_output,
    )


def _unpriced(body: Mapping[str, Any], usage: Mapping[str, Any], known: int) -> list[str]:
    """Sound has rates of its own, and so have the fast tiers."""
    tier = body.get("service_tier")
    return [
        *counted("tokens of sound heard", inside(usage, "prompt_tokens_details", "audio_tokens")),
        *counted("tokens of sound made", inside(usage, "completion_tokens_details", "audio_tokens")),
        *beyond(usage.get("total_tokens"), known),
        *([f"the service tier {tier!r}"] if tier in _DEARER_TIERS else []),
    ]


def _is_made(body: Mapping[str, Any]) -> bool:
    """Whether the body of a success is that of images or vectors, not that of a chat."""
    return isinstance(body.get("data"), list) and "choices" not in body


def _is_vectors(body: Mapping[str, Any]) -> bool:
    """Whether it is that of vectors: they come as a list object; images have the time of their making."""
    return "created" not in body and (body.get("object") == "list" or inside(body, "data", 0, "embedding") is not None)


def _made(custom_id: str | None, body: Mapping[str, Any], request_id: str | None) -> Result:
    """The image or the vector in the body of a success. One was asked for, so two are an error as well as none."""
    usage, served = _usage_of_made(body), text_or_none(body.get("model"))
    result = Result(custom_id, "answered", usage=usage, served_model=served, request_id=request_id)
    data = items(body.get("data"))
    if _is_vectors(body):
        return with_vector(result, data, "embedding")
    if not data:
        return replace(result, fate="errored", error="the response holds no image", error_code=NO_IMAGE)
    try:
        if len(data) != 1:
            raise ValueError(f"the response holds {len(data)} images instead of one")
        image, media_type = decoded_image(inside(data, 0, "b64_json"))
    except ValueError as error:
        return replace(result, fate="errored", error=str(error), error_code=BAD_IMAGE)
    return replace(result, image=image, media_type=media_type)


def _refused_image(custom_id: str | None, error: object, request_id: str | None) -> Result:
    """The part that the moderation rejected: the request, or the image that was made of it."""
    stage = inside(error, "moderation_details", "moderation_stage")
    categories = items(inside(error, "moderation_details", "categories"))
    message = text_or_none(inside(error, "message")) or "the moderation refused it without a reason"
    return Result(
        custom_id,
        "refused",
        error=message,
        error_code=MODERATED,
        request_id=request_id,
        refused_at="output" if stage == "output" else "input",
        refused_for=tuple(category for category in categories if isinstance(category, str)),
    )


def _usage_of_made(body: Mapping[str, Any]) -> Usage | None:
    """The input counts text and images separately; the output is images unless it counts them separately as well."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    try:
        if _is_vectors(body):
            read = needed_tokens(usage, "prompt_tokens")
            return usage_of(
                whole_input=read, output=0, cached=0, unpriced=beyond(usage.get("total_tokens"), read), has_output=False
            )
        read, out = needed_tokens(usage, "input_tokens"), tokens(usage, "output_tokens")
        words = tokens(usage, "output_tokens_details", "text_tokens")
        images = tokens(usage, "input_tokens_details", "image_tokens")
        cached = tokens(usage, "input_tokens_details", "cached_tokens")
    except ValueError:
        return None  # a bad receipt must not lose the answer: it is stored, its cost is estimated
    return usage_of(
        whole_input=read,
        output=out,
        cached=cached,
        unpriced=beyond(usage.get("total_tokens"), read + out),
        images=images,
        # The receipt does not show which of them were cached. Text is cheaper, so less is saved: the cost is never too
        # low.
        cached_images=max(0, cached - (read - images)),
        made_images=max(0, out - words),
        has_output=bool(body.get("data")),
    )


def format_of(provider: str) -> LineFormat:
    """The lines of OpenAI, or of Groq."""
    return LineFormat(request_line, partial(read_line, provider=provider), partial(_reported_usage, has_output=True))
