"""What a Gemini create call brings, and one request of it: read as a question, answered as a GenerateContentResponse.

The rules stand in the provider fact sheet, section 4.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from grabient_assets.emulator.answering import ModelAnswer
from grabient_assets.emulator.questions import Question, digest
from grabient_assets.emulator.wire import (
    DEEPEST_REQUEST,
    Call,
    Refused,
    Schema,
    Shape,
    nested_deeper,
    read_json,
    read_shape,
)

TOKENS_OF_AN_IMAGE = 258
LEVELS = ("minimal", "low", "medium", "high")
# Below these keys the names are the user's own (schemas, metadata) and stay as they are.
VERBATIM = ("responseJsonSchema", "responseSchema", "metadata", "labels")
PART_FIELDS = frozenset(
    ["text", "thought", "inlineData", "fileData", "thoughtSignature", "videoMetadata", "mediaResolution"]
)
NOT_EMULATED = ("tools", "toolConfig", "cachedContent")
"""Fields that ask for another answer than this emulation writes. An empty one asks for nothing."""
MAX_INLINE = 20 * 1024 * 1024


class Part(Shape):
    text: StrictStr | None = None
    thought: StrictBool | None = None
    inlineData: dict[str, Any] | None = None
    fileData: dict[str, Any] | None = None


class Content(Shape):
    role: Literal["user", "model", "function"] | None = None
    parts: list[Part] | None = None


class Thinking(Shape):
    thinkingBudget: StrictInt | None = None
    thinkingLevel: StrictStr | None = None
    includeThoughts: StrictBool | None = None


Number = StrictFloat | StrictInt


class Config(Shape):
    temperature: Number | None = None
    topP: Number | None = None
    topK: Number | None = None
    candidateCount: StrictInt | None = None
    maxOutputTokens: Annotated[StrictInt, Field(ge=1)] | None = None
    stopSequences: list[StrictStr] | None = None
    responseLogprobs: StrictBool | None = None
    responseMimeType: StrictStr | None = None
    responseSchema: Schema | None = None
    responseJsonSchema: Schema | None = None
    responseModalities: list[StrictStr] | None = None
    thinkingConfig: Thinking | None = None


class Request(Shape):
    """A GenerateContentRequest, keys in camelCase."""

    contents: Annotated[list[Content], Field(min_length=1)]
    systemInstruction: Content | None = None
    generationConfig: Config | None = None
    safetySettings: list[dict[str, Any]] | None = None
    tools: list[Any] | None = None


REQUEST_FIELDS = frozenset(Request.model_fields).union(
    ("model", "toolConfig", "cachedContent", "labels", "serviceTier", "store")
)
CONFIG_FIELDS = frozenset(Config.model_fields).union(
    ("logprobs", "presencePenalty", "frequencyPenalty", "seed", "routingConfig", "mediaResolution", "speechConfig"),
    ("audioTimestamp", "imageConfig", "enableEnhancedCivicAnswers"),
)


def invalid(message: str) -> Refused:
    return Refused(400, "INVALID_ARGUMENT", message)


def camel(value: Any) -> Any:
    """The value with every key in camelCase: the API takes both spellings."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), key): item for key, item in value.items()}
    return {key: item if key in VERBATIM else camel(item) for key, item in named.items()}


def read_request(request: Any) -> Any:
    """The request in camelCase, as the API reads both spellings. Raises Refused when it is nested too deeply."""
    if nested_deeper(request, DEEPEST_REQUEST):
        raise invalid("Message too deep. Max recursion depth reached.")
    return camel(request)


def _misshapen(place: str, message: str) -> Refused:
    return invalid(f"Invalid value at '{place or 'request'}': {message}")


def question_of(model: str, key: str, request: Any, *, makes_images: bool = False) -> Question:
    """The question of one request (keys in camelCase). Raises Refused for what the API does not accept."""
    if not isinstance(request, dict):
        raise invalid("request must be an object")
    for name in request:
        if name not in REQUEST_FIELDS:
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    config = request.get("generationConfig")
    for name in config if isinstance(config, dict) else ():
        if name not in CONFIG_FIELDS:
            raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config'.")
    if not request.get("contents"):
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    request = read_shape(Request, request, _misshapen)
    config, contents = request.get("generationConfig", {}), request["contents"]
    _check_emulated(request, config, ("TEXT", "IMAGE") if makes_images else ("TEXT",))
    if _is_3_5(model):
        for name in ("presencePenalty", "frequencyPenalty"):
            if name in config:
                raise invalid(f"{name} is not supported by this model")
        if contents[-1].get("role") == "model":
            raise invalid("The last turn of the conversation must not be of role model.")
    json_only = config.get("responseMimeType") == "application/json"
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is not None and not json_only:
        raise invalid("response_schema needs response_mime_type application/json")
    users = [content for content in contents if content.get("role", "user") == "user"]
    parts = [part for content in users for part in content.get("parts", [])]
    if not parts:
        raise invalid("* GenerateContentRequest.contents: contents.parts must not be empty.")
    for part in parts:
        if other := sorted(set(part) - PART_FIELDS):
            raise invalid(f"contents.parts: this emulation reads texts and images, not {other[0]}.")
    images = sum("inlineData" in part or "fileData" in part for part in parts)
    limit = config.get("maxOutputTokens")
    return Question(
        model=model,
        custom_id=key,
        system=_texts(request.get("systemInstruction", {}).get("parts", [])),
        text=_texts(parts),
        has_image=images > 0,
        schema=schema,
        strict=schema is not None,
        json_only=json_only,
        effort=_effort(model, config.get("thinkingConfig", {})),
        budget=limit,
        image_tokens=images * TOKENS_OF_AN_IMAGE,
    )


def _check_emulated(request: dict[str, Any], config: dict[str, Any], modalities: tuple[str, ...]) -> None:
    """Raises Refused, by name, for what asks for another answer than one text, or one image where a model makes
    them."""
    for name in NOT_EMULATED:
        if request.get(name):
            raise invalid(f"{name}: this emulation does not answer requests with {name}; it writes text only.")
    if config.get("candidateCount", 1) != 1:
        raise invalid("candidate_count: this emulation answers with one candidate only.")
    if any(kind.upper() not in modalities for kind in config.get("responseModalities", [])):
        made = " and ".join(modalities)
        raise invalid(f"response_modalities: this model answers with {made} only.")
    for name in ("responseLogprobs", "speechConfig"):
        if config.get(name):
            raise invalid(f"{name}: this emulation writes text only.")


def response(question: Question, answer: ModelAnswer, request: dict[str, Any]) -> dict[str, Any]:
    """The response that carries an answer. A refused prompt has no candidates."""
    usage = {
        "promptTokenCount": answer.prompt_tokens,
        "candidatesTokenCount": answer.answer_tokens,
        "totalTokenCount": answer.prompt_tokens + answer.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.prompt_tokens}],
    }
    if answer.thinking_tokens:
        usage["thoughtsTokenCount"] = answer.thinking_tokens
    common = {
        "usageMetadata": usage,
        "modelVersion": question.model,
        "responseId": f"{digest('response', question.model, question.custom_id) % 10**20:020d}",
    }
    if answer.outcome == "refusal":
        usage.pop("candidatesTokenCount")
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **common}
    config = request.get("generationConfig") or {}
    thinking = (config.get("thinkingConfig") or {}).get("includeThoughts")
    parts: list[dict[str, Any]] = []
    if thinking and answer.thinking_tokens:
        parts.append({"text": answer.thinking, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    content = {"role": "model", **({"parts": parts} if parts else {})}
    reason = "MAX_TOKENS" if answer.outcome == "truncated" else "STOP"
    return {"candidates": [{"content": content, "finishReason": reason, "index": 0}], **common}


def _effort(model: str, thinking: dict[str, Any]) -> str:
    """How long the model thinks. 2.5 models take a budget, 3 and later a level. Raises Refused."""
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        raise invalid("You can only set one of thinking budget and thinking level.")
    if level is not None:
        if not _is_3(model):
            raise invalid("Thinking level is not supported for this model.")
        if str(level).lower() not in LEVELS:
            raise invalid(f"Invalid value at 'thinking_level': {level!r}")
        return str(level).lower()
    if budget is None:
        return "minimal" if _is_3(model) else "none"
    if _is_3_5(model):
        raise invalid("Thinking budget is not supported for this model. Use thinking level.")
    if budget not in (0, -1) and not (isinstance(budget, int) and 512 <= budget <= 24_576):
        raise invalid(f"The thinking budget {budget} is invalid. Choose 0, -1 or a value between 512 and 24576.")
    return {0: "none", -1: "medium"}.get(budget, "low" if budget < 4096 else "high")


def _is_3(model: str) -> bool:
    return model.startswith(("gemini-3", "gemini-nano-banana-2"))


def _is_3_5(model: str) -> bool:
    return re.match(r"gemini-3\.[5-9]", model) is not None


def _texts(parts: list[dict[str, Any]]) -> str:
    return "\n".join(str(part["text"]) for part in parts if "text" in part)


def json_of(call: Call) -> Any:
    """The JSON that a call brings. Raises Refused."""
    try:
        return call.object()
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error


def batch_body(call: Call) -> dict[str, Any]:
    """The `batch` of a create call in camelCase, requests left as they came. Its `inputConfig` has either a `fileName`
    or `requests`."""
    body = json_of(call)
    batch = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(batch, dict):
        raise invalid("batch is required")
    batch = {_first_camel(key): value for key, value in batch.items() if value is not None}
    for name in batch:
        if name not in ("displayName", "inputConfig", "model", "priority", "name"):
            raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at 'batch': Cannot find field.")
    if not isinstance(batch.get("displayName", ""), str):
        raise invalid("Invalid value at 'batch.display_name' (TYPE_STRING)")
    source = batch.get("inputConfig")
    if not isinstance(source, dict):
        raise invalid("batch.input_config is required")
    source = {_first_camel(key): value for key, value in source.items() if value is not None}
    if not isinstance(source.get("fileName", ""), str):
        raise invalid("Invalid value at 'batch.input_config.file_name' (TYPE_STRING)")
    return batch | {"inputConfig": source}


def _first_camel(key: str) -> str:
    return next(iter(camel({key: None})))


def inlined(call: Call, source: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """The inlined requests, checked for what the API sees at once: their size and unknown fields."""
    if len(call.body) >= MAX_INLINE:
        raise invalid(f"Request payload size exceeds the limit: {MAX_INLINE} bytes.")
    inner = source.get("requests")
    requests = inner.get("requests") if isinstance(inner, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid("batch.input_config must hold requests or a file name")
    for place, request in enumerate(requests):
        fits = isinstance(request, dict) and set(request) <= {"request", "metadata"}
        if not fits or not isinstance(request.get("metadata") or {}, dict):
            raise invalid(f"Invalid JSON payload received at 'batch.input_config.requests.requests[{place}]'.")
        try:
            question_of(model, "", read_request(request.get("request")))
        except Refused as refused:
            if "Unknown name" in refused.message:
                raise
    return requests


def metadata_key(request: dict[str, Any], place: int) -> str:
    """The key a request carries, a text or a number; its place when it carries none."""
    metadata = request.get("metadata")
    key = metadata.get("key", request.get("key")) if isinstance(metadata, dict) else request.get("key")
    return str(key) if isinstance(key, str | int | float) else str(place)


def keyed(line: bytes, place: int) -> tuple[str, dict[str, Any]]:
    try:
        request = read_json(line)
    except ValueError:
        return str(place), {"broken": True}
    return (metadata_key(request, place), request) if isinstance(request, dict) else (str(place), {"broken": True})
