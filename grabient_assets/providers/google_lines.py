"""Gemini's request and result lines. Pure.

A request line has the shape of Google's input files, `{"key", "request"}`; small batches send the same requests inline.
Answers are bound to requests by key, never by position: inline responses come back out of order
(googleapis/python-genai#1909).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers.contract import (
    BAD_IMAGE,
    EMPTY_ANSWER,
    NO_IMAGE,
    ImageSpec,
    LineFormat,
    RequestSpec,
    Result,
    Spec,
    VectorSpec,
)
from grabient_assets.providers.request_rules import (
    base64_of,
    budget,
    check,
    check_image,
    check_vector,
    effort,
    for_gemini,
    json_line,
    ratio_and_class,
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
    text_or_none,
    tokens,
    usage_of,
    with_vector,
)
from grabient_assets.registry.model import Kind, Model
from grabient_assets.registry.usage import Usage

PROVIDER = "google"
LEAST_BUDGET = 512

_BROKEN_OFF = {
    *("OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
    "MISSING_THOUGHT_SIGNATURE",
}
"""Reasons after which a text is no answer. A text with an unknown reason is an answer: gateways have reasons of their
own."""
_WITHOUT_IMAGE = {"NO_IMAGE", "IMAGE_OTHER"}
"""Reasons why there is no image. They often come with a sentence that explains more."""
_REFUSALS = {
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
}
# google.rpc codes (2 unknown, 4 deadline, 8 exhausted, 10 aborted, 13 internal, 14 unavailable) and HTTP ones.
_RETRYABLE = {2, 4, 8, 10, 13, 14, 408, 409, 429}
_CANCELLED = {1, 499}
_OK = (0, "OK")
_READ_ALIKE = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "MODALITY_UNSPECIFIED")
# Modalities that have the same rate, by the breakdown that names them.
_MODALITIES = {
    "promptTokensDetails": _READ_ALIKE,
    "cacheTokensDetails": _READ_ALIKE,
    "toolUsePromptTokensDetails": _READ_ALIKE,
    "candidatesTokensDetails": ("TEXT", "IMAGE", "MODALITY_UNSPECIFIED"),
}
_TASK_TYPES = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}


def request_line(spec: Spec, model: Model) -> bytes:
    if isinstance(spec, VectorSpec):
        return json_line({"key": spec.custom_id, "request": _embedding(spec, model)})
    if isinstance(spec, ImageSpec):
        return json_line({"key": spec.custom_id, "request": _image_request(spec, model)})
    check(spec, model)
    request: dict[str, Any] = {"contents": [{"role": "user", "parts": [*_images(spec, model), {"text": spec.text}]}]}
    if spec.system:
        request["systemInstruction"] = {"parts": [{"text": spec.system}]}
    request["generationConfig"] = _generation(spec, model)
    return json_line({"key": spec.custom_id, "request": request})


def _generation(spec: RequestSpec, model: Model) -> dict[str, Any]:
    accepts = model.accepts
    config: dict[str, Any] = {model.token_parameter: spec.max_output_tokens}
    if spec.temperature is not None and accepts.sampling:
        config["temperature"] = spec.temperature
    if spec.schema is not None and accepts.structured != "none":
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = for_gemini(spec.schema)
    # Budget and level exclude each other; 0 is sent explicitly so that no unwanted thinking is billed.
    if accepts.thinking == "budget":
        config["thinkingConfig"] = {"thinkingBudget": budget(spec, model, LEAST_BUDGET) or 0}
    elif accepts.thinking == "level" and (asked := effort(spec, model)) is not None:
        config["thinkingConfig"] = {"thinkingLevel": asked.upper()}
    return config


def _images(spec: RequestSpec | ImageSpec, model: Model) -> list[dict[str, Any]]:
    if any(image.url is not None for image in spec.images):
        raise RequestRejectedError(
            PROVIDER, f"Request {spec.custom_id!r} for {model.id}: Gemini fetches no image addresses; send the bytes."
        )
    return [{"inlineData": {"mimeType": image.media_type, "data": base64_of(image)}} for image in spec.images]


def _image_request(spec: ImageSpec, model: Model) -> dict[str, Any]:
    """The base and its references come before the text, as the prompt describes them to the model."""
    rules = check_image(spec, model)
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if (size := ratio_and_class(spec, model)) is not None:
        config["imageConfig"] = {"aspectRatio": size[0]}
        if len(rules.sizes) > 1:
            config["imageConfig"]["imageSize"] = size[1]
    if model.accepts.thinking == "level" and (asked := effort(spec, model)) is not None:
        config["thinkingConfig"] = {"thinkingLevel": asked.upper()}
    parts = [*_images(spec, model), {"text": spec.prompt}]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def _embedding(spec: VectorSpec, model: Model) -> dict[str, Any]:
    rules, dimensions = check_vector(spec, model)
    request: dict[str, Any] = {"content": {"parts": [{"text": rules.prefix(spec.task) + spec.text}]}}
    if rules.task == "parameter":
        request["taskType"] = _TASK_TYPES[spec.task]
    request["outputDimensionality"] = dimensions
    return request


def kind_of(line: bytes) -> Kind:
    """The kind of an archived request."""
    # Lines are long, and most of them ask for a text: only those are taken apart that may not.
    if b'"request":{"content":{' not in line and b'"responseModalities":' not in line:
        return "text"
    request = json.loads(line)["request"]
    if "content" in request:
        return "vector"
    return "image" if "IMAGE" in items(inside(request, "generationConfig", "responseModalities")) else "text"


def as_in_a_batch(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of a single call for one vector, as a batch gives it. One with another number of vectors stays so."""
    found = items(response.get("embeddings"))
    if len(found) != 1:
        return response
    return {"embedding": found[0], **{name: value for name, value in response.items() if name != "embeddings"}}


def read_line(line: bytes) -> Result:
    value = parsed_line(line, PROVIDER)
    custom_id = text_or_none(value.get("key"))
    response, error = value.get("response"), value.get("error")
    if isinstance(error, str) and error:
        error = {"message": error}
    if isinstance(error, Mapping) and error and not (isinstance(response, Mapping) and error.get("code") in _OK):
        return _errored(custom_id, error)
    if not isinstance(response, Mapping):
        raise bad_line(line, PROVIDER, "it holds neither a response nor an error")
    if "embedding" in response or "embeddings" in response:
        return _embedded(custom_id, response)
    return _answered(custom_id, response, line)


def _errored(custom_id: str | None, error: Mapping[str, Any]) -> Result:
    number = error.get("code")
    number = number if isinstance(number, int) else 0
    code = text_or_none(error.get("status")) or (str(number) if number else "unknown_error")
    message = text_or_none(error.get("message")) or "the provider gave no reason"
    if number in _CANCELLED:
        return Result(custom_id, "cancelled", error=message, error_code=code)
    retryable = number in _RETRYABLE or 500 <= number < 600
    return Result(custom_id, "errored", error=message, error_code=code, retryable=retryable)


def _embedded(custom_id: str | None, response: Mapping[str, Any]) -> Result:
    """One vector: `embedding` in a batch, the only one of `embeddings` in a single call."""
    usage = _read_only(response)
    served, request_id = text_or_none(response.get("modelVersion")), text_or_none(response.get("responseId"))
    result = Result(custom_id, "answered", usage=usage, served_model=served, request_id=request_id)
    found = [response["embedding"]] if "embedding" in response else items(response["embeddings"])
    return with_vector(result, found, "values")


def _read_only(response: Mapping[str, Any]) -> Usage | None:
    """The tokens of a text that was embedded, wherever they stand."""
    for path in (("tokenCount",), ("usageMetadata", "promptTokenCount"), ("embedding", "statistics", "tokenCount")):
        try:
            if count := tokens(response, *path):
                return usage_of(whole_input=count, output=0, cached=0, has_output=False)
        except ValueError:
            continue
    return None


def _answered(custom_id: str | None, response: Mapping[str, Any], line: bytes) -> Result:
    parts = items(inside(response, "candidates", 0, "content", "parts"))
    texts = [inside(part, "text") for part in parts if not inside(part, "thought")]
    text = text_or_none("".join(part for part in texts if isinstance(part, str)))
    stop = text_or_none(inside(response, "candidates", 0, "finishReason"))
    stop = stop and stop.upper().removeprefix("FINISH_REASON_")
    blocked = text_or_none(inside(response, "promptFeedback", "blockReason"))

    # Drafts of an image are thoughts. No number of images can be asked for, so the first one is it.
    pictures = [part for part in parts if not inside(part, "thought") and _inline(part)]

    def result(fate: Any, error: str | None = None, code: str | None = None, retryable: bool = False) -> Result:
        has_content = text is not None or bool(pictures)
        usage = _reported_usage(
            response.get("usageMetadata"), text=has_content, has_output=has_content or fate == "truncated"
        )
        served, request_id = text_or_none(response.get("modelVersion")), text_or_none(response.get("responseId"))
        return Result(custom_id, fate, text, error, code, retryable, usage, served, stop or blocked, request_id)

    if blocked is not None and stop is None:
        refused = result("refused", f"the prompt was blocked ({blocked})", blocked)
        return replace(refused, refused_at="input", refused_for=_categories(response, blocked))
    if stop in _REFUSALS:
        refused = result("refused", f"the provider stopped the answer ({stop})", stop)
        return replace(refused, refused_at="output", refused_for=_categories(response, stop))
    if stop == "MAX_TOKENS":
        return result("truncated", TOO_LONG, stop)
    if stop in _WITHOUT_IMAGE:
        return result("errored", text or f"the model made no image ({stop})", NO_IMAGE)
    if pictures and stop not in _BROKEN_OFF:
        try:
            image, media_type = decoded_image(_inline(pictures[0]))
        except ValueError as error:
            return result("errored", str(error), BAD_IMAGE)
        return replace(result("answered"), image=image, media_type=media_type)
    if stop in _BROKEN_OFF or (text is None and stop not in ("STOP", None)):
        return result("errored", f"the model stopped for the reason {stop}", stop, retryable=True)
    if text is None and not _holds_no_text(response):
        raise bad_line(line, PROVIDER, "its response holds something else than text")
    if text is None:
        return result("errored", EMPTY, EMPTY_ANSWER, retryable=True)
    return result("answered")


def _inline(part: object) -> object:
    """The data that a part holds instead of text. The SDK writes the name in one way, the API in another."""
    return inside(part, "inlineData", "data") or inside(part, "inline_data", "data")


def _categories(response: Mapping[str, Any], reason: str) -> tuple[str, ...]:
    """What the provider's filters found, or the one word for it when they name nothing."""
    of_prompt = items(inside(response, "promptFeedback", "safetyRatings"))
    ratings = [*of_prompt, *items(inside(response, "candidates", 0, "safetyRatings"))]
    blocked = (inside(rating, "category") for rating in ratings if inside(rating, "blocked") is True)
    found = tuple(dict.fromkeys(category for category in blocked if isinstance(category, str)))
    return found or (reason,)


def _holds_no_text(response: Mapping[str, Any]) -> bool:
    """Whether the API reports no text for this response. Otherwise the text is in an unknown place."""
    if "candidates" not in response:
        receipt = inside(response, "usageMetadata")
        return "promptFeedback" in response or (receipt is not None and not inside(receipt, "candidatesTokenCount"))
    candidates = response["candidates"]
    if candidates in (None, []):
        return True
    first = inside(candidates, 0)
    parts = inside(first, "content", "parts")
    if not isinstance(first, Mapping) or not {"content", "finishReason"} & first.keys():
        return False
    return parts in (None, []) or all(
        inside(part, "thought") or inside(part, "text") == "" for part in items(parts) or [parts]
    )


def _reported_usage(usage: object, *, text: bool, has_output: bool) -> Usage | None:
    """Gemini counts thoughts beside the candidates; both are output. So are results of tools beside the prompt; both
    are input. What was all thought has no candidates' count."""
    if not isinstance(usage, Mapping):
        return None
    try:
        prompt, cached = needed_tokens(usage, "promptTokenCount"), tokens(usage, "cachedContentTokenCount")
        written, thinking = tokens(usage, "candidatesTokenCount"), tokens(usage, "thoughtsTokenCount")
        whole_input = prompt + tokens(usage, "toolUsePromptTokenCount")
        images, cached_images = _images_in(usage, "promptTokensDetails"), _images_in(usage, "cacheTokensDetails")
        made_images = _images_in(usage, "candidatesTokensDetails")
    except ValueError:
        return None  # a bad receipt must not lose the answer: it is stored, its cost is estimated
    if text and not written:
        return None
    return usage_of(
        whole_input=whole_input,
        output=written + thinking,
        cached=cached,
        thinking=thinking,
        unpriced=_unpriced(usage, whole_input + written + thinking),
        images=images,
        cached_images=cached_images,
        made_images=made_images,
        has_output=has_output,
    )


def _images_in(usage: Mapping[str, Any], field: str) -> int:
    """The tokens of images in one of the breakdowns."""
    counts = [inside(one, "tokenCount") for one in items(usage.get(field)) if inside(one, "modality") == "IMAGE"]
    return sum(count for count in counts if type(count) is int and count > 0)


def _unpriced(usage: Mapping[str, Any], known: int) -> list[str]:
    """Pictures, films and documents cost as much as text to read. Sound does not, and no more is made than texts and
    images."""
    found = beyond(usage.get("totalTokenCount"), known)
    for field, alike in _MODALITIES.items():
        for part in items(usage.get(field)):
            modality = text_or_none(inside(part, "modality")) or "TEXT"
            if modality not in alike:
                found += counted(f"tokens of {modality} in {field}", inside(part, "tokenCount"))
    return found


FORMAT = LineFormat(
    request_line,
    read_line,
    lambda receipt: _reported_usage(receipt.get("usageMetadata"), text=False, has_output=True),
)
