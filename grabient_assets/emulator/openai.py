"""OpenAI's Files and Batch APIs and its single calls (provider fact sheet, section 2), with chat completions.

Chat completions are Groq's too: a body is read as a question, an answer is written as a completion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, Tag
from starlette.responses import Response

from grabient_assets.emulator.answering import EmulatedAnswer, Ending, answer
from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.file_batches import FileBatches, invalid, listed, paged
from grabient_assets.emulator.openai_images import imaged
from grabient_assets.emulator.openai_inputs import form_body, same_text
from grabient_assets.emulator.questions import Question, digest
from grabient_assets.emulator.vectors import openai_embeddings
from grabient_assets.emulator.wire import Call, Line, Refused, Route, Schema, ServedModel, Shape, TextOr, read_shape

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
MAKE, EDIT = "/v1/images/generations", "/v1/images/edits"
MINIMAL = ("minimal", "low", "medium", "high")
WIDE = ("none", "low", "medium", "high", "xhigh", "max")
SAMPLING = ("temperature", "top_p", "logprobs", "top_logprobs")
TOKENS_OF_AN_IMAGE = 85
NOT_EMULATED = ("tools", "tool_choice", "logprobs", "top_logprobs")


class TextPart(Shape):
    type: Literal["text"]
    text: StrictStr


class ImageAddress(Shape):
    url: StrictStr


class ImagePart(Shape):
    type: Literal["image_url"]
    image_url: ImageAddress


class OtherPart(Shape):
    type: Literal["refusal"]


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return f"<{kind}>" if kind in ("text", "image_url") else "<other>"


Part = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[ImagePart, Tag("<image_url>")]
    | Annotated[OtherPart, Tag("<other>")],
    Discriminator(_kind),
]


class ChatMessage(Shape):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: TextOr[Part] | None = None
    name: StrictStr | None = None


class JsonSchema(Shape):
    name: StrictStr | None = None
    schema_: Annotated[Schema | None, Field(alias="schema")] = None
    strict: StrictBool | None = None


class ResponseFormat(Shape):
    type: StrictStr
    json_schema: JsonSchema | None = None


Number = StrictFloat | StrictInt
Tokens = Annotated[StrictInt, Field(ge=1)]


class Body(Shape):
    """The body of one chat completion."""

    model: StrictStr
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    temperature: Number | None = None
    top_p: Number | None = None
    max_tokens: StrictInt | None = None
    max_completion_tokens: StrictInt | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: StrictStr | None = None
    reasoning_format: StrictStr | None = None
    include_reasoning: StrictBool | None = None
    stop: TextOr[StrictStr] | None = None
    seed: StrictInt | None = None
    n: StrictInt | None = None
    user: StrictStr | None = None
    metadata: dict[str, StrictStr] | None = None
    store: StrictBool | None = None
    stream: StrictBool | None = None
    logprobs: StrictBool | None = None
    top_logprobs: StrictInt | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    logit_bias: dict[str, Number] | None = None
    service_tier: StrictStr | None = None
    tools: list[Any] | None = None
    tool_choice: StrictStr | dict[str, Any] | None = None
    verbosity: StrictStr | None = None


OF_GROQ = frozenset(("reasoning_format", "include_reasoning"))
KNOWN = frozenset(Body.model_fields) - OF_GROQ | {"parallel_tool_calls", "prompt_cache_key", "safety_identifier"}


class OpenAI(FileBatches):
    """`/openai/v1`: files, batches, single calls, models."""

    provider = "openai"
    prefix = BASE_PATHS["openai"]
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
        return listed([self.document(batch, call) for batch in self.seen(page)], more)

    def answered(self, url: str, key: str, body: dict[str, Any], forced: Ending | None, created: int) -> Line:
        model = self.served_model(body["model"])
        if url == EMBED:
            return openai_embeddings(model, key, body, forced)
        if url in (MAKE, EDIT):
            return imaged(model, key, body, forced, created, self._file_bytes if url == EDIT else None)
        check_writes(model, url)
        return self._completion(key, body, forced, created)

    def single_request(self, url: str, call: Call) -> tuple[Call, dict[str, Any]]:
        if url != EDIT or call.form is None:
            return super().single_request(url, call)
        body = form_body(call.form)
        return replace(call, body=same_text(body)), body

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


def _misshapen(place: str, message: str) -> Refused:
    return invalid(f"Invalid type for '{place or 'body'}': {message}.", place or None, "invalid_type")


def read_body(body: dict[str, Any], extra: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The body without its nulls. Raises Refused for what both providers refuse in any chat completion.
    `extra` are a provider's own parameters."""
    for name in body:
        if name not in KNOWN and name not in extra:
            raise invalid(f"Unrecognized request argument supplied: {name}", name)
    if not body.get("messages"):
        raise invalid("'messages' is a required property with at least one message", "messages")
    found = read_shape(Body, body, _misshapen)
    for place, message in enumerate(found["messages"]):
        if "content" not in message and message["role"] != "assistant":
            raise invalid("Invalid value for 'content': expected a string, got null.", f"messages.[{place}].content")
    if found.get("stream"):
        raise invalid("'stream' is not supported in batch requests; this emulation does not stream at all", "stream")
    if found.get("n", 1) != 1:
        raise invalid("this API emulation answers with one choice only", "n")
    for name in ("max_tokens", "max_completion_tokens"):
        if found.get(name, 1) < 1:
            raise invalid(f"Invalid '{name}': integer above minimum value expected", name, "integer_below_min_value")
    for name, top in (("temperature", 2), ("top_p", 1)):
        if not 0 <= found.get(name, 0) <= top:
            raise invalid(f"Invalid '{name}': expected a value between 0 and {top}", name, "decimal_out_of_range")
    return found


def check_emulated(body: dict[str, Any], extra: tuple[str, ...] = ()) -> None:
    """Raises Refused, by name, for what asks for another answer than one text: tools, log probabilities, `extra`."""
    for name in (*NOT_EMULATED, *extra):
        if body.get(name) not in (None, False, [], {}, "none", "auto"):
            raise invalid(f"{name}: this emulation does not answer requests with {name}; it writes text only.", name)


def check_writes(model: ServedModel, url: str) -> None:
    """Raises Refused for a model that makes images or vectors."""
    if model.images or model.vectors:
        message = f"This is not a chat model and thus not supported in the {url.removeprefix('/')} endpoint."
        raise Refused(404, "invalid_request_error", message, param="model")


def response_format(body: dict[str, Any]) -> tuple[str, dict[str, Any] | None, bool]:
    """Kind of answer (text, json_object, json_schema), its schema, whether the schema is enforced."""
    form = body.get("response_format", {"type": "text"})
    kind = form["type"]
    if kind == "text":
        return kind, None, False
    if kind == "json_object":
        if "json" not in prompt(body).lower():
            raise invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return kind, None, False
    if kind == "json_schema":
        inner = form.get("json_schema", {})
        for name in ("name", "schema"):
            if inner.get(name) in (None, ""):
                raise invalid(f"Missing required parameter: 'response_format.json_schema.{name}'.", "response_format")
        if inner.get("strict"):
            _check_strict(inner["schema"], inner["name"])
        return kind, inner["schema"], inner.get("strict", False)
    raise invalid(f"Invalid value: {kind!r} for response_format.type", "response_format")


def _check_strict(schema: dict[str, Any], name: str, context: str = "()") -> None:
    """Strict schemas: every object closed, every property required."""

    def wrong(text: str) -> Refused:
        return invalid(f"Invalid schema for response_format '{name}': In context={context}, {text}", "response_format")

    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise wrong("'additionalProperties' is required to be supplied and to be false.")
        properties = schema.get("properties") or {}
        if missing := sorted(set(properties) - set(schema.get("required") or ())):
            raise wrong(f"'required' must include every key in properties. Missing {missing[0]!r}.")
        for key, part in properties.items():
            _check_strict(part, name, f"('properties', '{key}')")
    if isinstance(schema.get("items"), dict):
        _check_strict(schema["items"], name, "('items')")
    for part in schema.get("anyOf") or ():
        _check_strict(part, name, context)


def prompt(body: dict[str, Any], *roles: str) -> str:
    """The text of the messages of these roles, of all when none is named."""
    texts = [_text(message.get("content")) for message in body["messages"] if not roles or message["role"] in roles]
    return "\n".join(texts)


def question_of(body: dict[str, Any], key: str, *, effort: str, thinks_in_text: bool = False) -> Question:
    """A checked body as a question."""
    kind, schema, strict = response_format(body)
    images = sum(
        part["type"] == "image_url"
        for message in body["messages"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )
    return Question(
        model=body["model"],
        custom_id=key,
        system=prompt(body, "system", "developer"),
        text=prompt(body, "user"),
        has_image=images > 0,
        schema=schema,
        strict=strict,
        json_only=kind != "text",
        effort=effort,
        thinks_in_text=thinks_in_text,
        budget=body.get("max_completion_tokens") or body.get("max_tokens"),
        image_tokens=images * TOKENS_OF_AN_IMAGE,
    )


def completion(question: Question, answer: EmulatedAnswer, created: int) -> dict[str, Any]:
    """The chat completion that carries an answer."""
    refused = answer.outcome == "refusal"
    length = answer.outcome == "truncated" or (answer.outcome == "empty" and answer.thinking_tokens > 0)
    message = {
        "role": "assistant",
        "content": None if refused else answer.text,
        "refusal": answer.text if refused else None,
    }
    return {
        "id": f"chatcmpl-{digest('completion', question.model, question.custom_id) % 10**24:024d}",
        "object": "chat.completion",
        "created": created,
        "model": question.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "length" if length else "stop"}
        ],
        "usage": {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.prompt_tokens + answer.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": answer.thinking_tokens},
        },
    }


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return str(content or "")
