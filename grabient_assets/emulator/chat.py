"""Chat completions as OpenAI and Groq speak them: a body read as a question, an answer written as a completion."""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.answers.chance import digest
from grabient_assets.emulator.answers.reading import Question
from grabient_assets.emulator.answers.speaking import Answer
from grabient_assets.emulator.wire import Refused

TOKENS_OF_AN_IMAGE = 85
KNOWN = frozenset(
    [
        "model",
        "messages",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "reasoning_effort",
        "stop",
        "seed",
        "n",
        "user",
        "metadata",
        "store",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "service_tier",
        "stream",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "verbosity",
        "prompt_cache_key",
        "safety_identifier",
    ]
)


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refused:
    return Refused(400, "invalid_request_error", message, code=code, param=param)


def check_body(body: dict[str, Any], extra: frozenset[str] = frozenset()) -> None:
    """What both providers refuse in any chat completion of a batch. `extra` are a provider's own parameters."""
    for name in body:
        if name not in KNOWN and name not in extra:
            raise invalid(f"Unrecognized request argument supplied: {name}", name)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("'messages' is a required property with at least one message", "messages")
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "developer", "user", "assistant", "tool"):
            raise invalid(f"Invalid value: {role!r} for role", f"messages[{place}].role")
    if body.get("stream"):
        raise invalid("'stream' is not supported in batch requests", "stream")
    if not isinstance(body.get("n", 1), int) or body.get("n", 1) != 1:
        raise invalid("this API emulation answers with one choice only", "n")
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and (not isinstance(body[name], int) or body[name] < 1):
            raise invalid(f"Invalid '{name}': integer above minimum value expected", name, "integer_below_min_value")
    for name, top in (("temperature", 2), ("top_p", 1)):
        value = body.get(name, 0)
        if not isinstance(value, int | float) or not 0 <= value <= top:
            raise invalid(f"Invalid '{name}': expected a value between 0 and {top}", name, "decimal_out_of_range")


def response_format(body: dict[str, Any]) -> tuple[str, dict[str, Any] | None, bool]:
    """Kind of answer (text, json_object, json_schema), its schema, whether the schema is enforced."""
    form = body.get("response_format")
    if form is None:
        return "text", None, False
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_object":
        if "json" not in prompt(body).lower():
            raise invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return kind, None, False
    if kind == "json_schema":
        inner = form.get("json_schema")
        if not isinstance(inner, dict) or not inner.get("name"):
            raise invalid("Missing required parameter: 'response_format.json_schema.name'.", "response_format")
        schema = inner.get("schema")
        if not isinstance(schema, dict):
            raise invalid("Missing required parameter: 'response_format.json_schema.schema'.", "response_format")
        strict = bool(inner.get("strict"))
        if strict:
            _check_strict(schema, inner["name"])
        return kind, schema, strict
    if kind == "text":
        return kind, None, False
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


def question_of(body: dict[str, Any], key: str, *, effort: str, thinks_aloud: bool = False) -> Question:
    """A checked body as a question."""
    kind, schema, strict = response_format(body)
    images = sum(
        part.get("type") == "image_url"
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
        thinks_aloud=thinks_aloud,
        budget=body.get("max_completion_tokens") or body.get("max_tokens"),
        image_tokens=images * TOKENS_OF_AN_IMAGE,
    )


def completion(question: Question, answer: Answer, created: int) -> dict[str, Any]:
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
        return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return str(content or "")
