"""One request to Anthropic, alone or in a batch: its params checked, read as a question, and answered as a Message.

What the Messages API refuses stands in the provider fact sheet, sections 1.2 to 1.6. The real API checks `params` of
a batch only while it runs, so these refusals become `errored` lines at the end.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, Tag

from grabient_assets.emulator.answering import ModelAnswer, tokens
from grabient_assets.emulator.images import image_tokens
from grabient_assets.emulator.questions import Question, digest
from grabient_assets.emulator.wire import Refused, Schema, ServedModels, Shape, TextOr, read_shape

SAMPLING_GONE_SINCE = "2026-10-21"
SAMPLING = ("temperature", "top_p", "top_k")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
NOT_EMULATED = ("tools", "mcp_servers", "container", "context_management")
"""Parameters that ask for another answer than this emulation writes. An empty one asks for nothing."""
OTHER_BLOCKS = Literal[
    "document",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
    "thinking",
    "tool_result",
    "tool_use",
    "web_search_tool_result",
]
UNSUPPORTED_KEYWORDS = ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems")


class TextBlock(Shape):
    type: Literal["text"]
    text: StrictStr
    cache_control: dict[str, Any] | None = None


class ImageBlock(Shape):
    type: Literal["image"]
    source: dict[str, Any]


class OtherBlock(Shape):
    type: OTHER_BLOCKS


def _kind(block: Any) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    return f"<{kind}>" if kind in ("text", "image") else "<other>"


Block = Annotated[
    Annotated[TextBlock, Tag("<text>")] | Annotated[ImageBlock, Tag("<image>")] | Annotated[OtherBlock, Tag("<other>")],
    Discriminator(_kind),
]


class Message(Shape):
    role: Literal["user", "assistant"]
    content: TextOr[Block]


class Thinking(Shape):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: StrictInt | None = None
    display: Literal["summarized", "omitted"] | None = None


class Format(Shape):
    type: Literal["json_schema"]
    schema_: Annotated[Schema, Field(alias="schema")]


class OutputConfig(Shape):
    effort: StrictStr | None = None
    format: Format | None = None


class Metadata(Shape):
    user_id: StrictStr | None = None


class ToolChoice(Shape):
    type: Literal["auto", "any", "tool", "none"]


class Params(Shape):
    """The params of one request."""

    model: StrictStr
    max_tokens: StrictInt
    messages: Annotated[list[Message], Field(min_length=1)]
    system: TextOr[TextBlock] | None = None
    metadata: Metadata | None = None
    stop_sequences: list[StrictStr] | None = None
    stream: StrictBool | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    tools: list[Any] | None = None
    tool_choice: ToolChoice | None = None
    mcp_servers: list[Any] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: dict[str, Any] | None = None
    temperature: StrictFloat | StrictInt | None = None
    top_p: StrictFloat | StrictInt | None = None
    top_k: StrictInt | None = None


KNOWN = frozenset(Params.model_fields).union(
    ("container", "diagnostics", "inference_geo", "user_profile_id", "workspace_id", "context_management", "speed")
)


def invalid(message: str) -> Refused:
    return Refused(400, "invalid_request_error", message)


def _misshapen(place: str, message: str) -> Refused:
    return invalid(f"{place or 'params'}: {message}")


def read_params(params: dict[str, Any], version: str) -> dict[str, Any]:
    """The params of a request without their nulls. Raises Refused for the first thing that the API does not accept."""
    for name in params:
        if name not in KNOWN:
            raise invalid(f"{name}: Extra inputs are not permitted")
    found = read_shape(Params, params, _misshapen)
    check_params(found, version)
    return found


def generation(model: str) -> tuple[str, tuple[int, int]]:
    """Line and version of a model: `claude-opus-4-5-20251101` is ("opus", (4, 5)); unknown forms count as new."""
    if found := re.match(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8})?$", model):
        return found[1], (int(found[2]), int(found[3] or 0))
    if found := re.match(r"claude-(\d)(?:-(\d))?-([a-z]+)", model):
        return found[3], (int(found[1]), int(found[2] or 0))
    return "", (99, 0)


def check_params(params: dict[str, Any], version: str) -> None:
    """Raises Refused for the first thing that the API does not accept in params of the right shape."""
    if params.get("stream"):
        raise invalid("stream: streaming is not supported in batches; this emulation does not stream at all")
    if "speed" in params:
        raise invalid("speed: not supported in batches, nor by this emulation")
    for name in SAMPLING:
        if name in params and version >= SAMPLING_GONE_SINCE:
            raise invalid(f"{name}: Extra inputs are not permitted")
    if params["max_tokens"] < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    _check_messages(params)
    _check_thinking(params, params["max_tokens"])
    _check_output(params)
    for name in NOT_EMULATED:
        if params.get(name):
            raise invalid(f"{name}: this emulation does not answer requests with {name}; it writes text only.")


def _check_messages(params: dict[str, Any]) -> None:
    messages = params["messages"]
    for place, message in enumerate(messages):
        if not message["content"]:
            raise invalid(f"messages.{place}.content: Field required")
    if messages[-1]["role"] == "assistant" and generation(params["model"])[1] >= (4, 6):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_thinking(params: dict[str, Any], limit: int) -> None:
    thinking = params.get("thinking")
    if thinking is None:
        return
    kind = thinking["type"]
    line, version = generation(params["model"])
    effort = (params.get("output_config") or {}).get("effort")
    if kind == "enabled":
        if version >= (4, 7):
            raise invalid('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
        budget = thinking.get("budget_tokens", 0)
        if budget < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= limit:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    elif kind == "adaptive" and version < (4, 6):
        raise invalid("adaptive thinking is not supported on this model")
    elif kind == "disabled":
        always = line == "fable" or (line == "opus" and version >= (5, 5))
        if always or (line == "opus" and version == (5, 0) and effort in ("xhigh", "max")):
            raise invalid('"thinking.type.disabled" is not supported for this model.')
    choice = (params.get("tool_choice") or {}).get("type")
    if choice in ("any", "tool") and line in ("opus", "fable") and version >= (5, 5):
        raise invalid("tool_choice: this model does not support forced tool use")
    if choice in ("any", "tool") and not params.get("tools"):
        raise invalid("tool_choice: may only be specified while providing tools")


def _check_output(params: dict[str, Any]) -> None:
    config = params.get("output_config")
    if config is None:
        return
    line, version = generation(params["model"])
    effort = config.get("effort")
    if effort is not None:
        if version < (4, 5) or (line != "opus" and version == (4, 5)):
            raise invalid("This model does not support the effort parameter.")
        if effort not in (EFFORTS[:3] if version == (4, 5) else EFFORTS):
            raise invalid("output_config.effort: not a level of this model")
    form = config.get("format")
    if form is not None:
        if version < (4, 5):
            raise invalid("output_config.format: structured outputs are not supported on this model")
        check_schema(form["schema"])


def check_schema(schema: dict[str, Any]) -> None:
    """Every object closed, no keyword that structured outputs do not know."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    for keyword in UNSUPPORTED_KEYWORDS:
        if keyword in schema:
            raise invalid(f"output_config.format.schema: property '{keyword}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise invalid("output_config.format.schema: 'minItems' values other than 0 or 1 are not supported")
    for part in (schema.get("properties") or {}).values():
        check_schema(part)
    if isinstance(schema.get("items"), dict):
        check_schema(schema["items"])
    for part in schema.get("anyOf") or ():
        check_schema(part)


def question_of(key: str, params: dict[str, Any], version: str, models: ServedModels) -> Question:
    """The question of one request. Raises Refused for what the API does not accept."""
    model = params.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("model: Field required")
    if not models.serves("anthropic", model):
        raise Refused(404, "not_found_error", f"model: {model}")
    params = read_params(params, version)
    texts: list[str] = []
    images: list[int] = []
    for block in _user_blocks(params["messages"]):
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "image":
            try:
                images.append(image_tokens(block["source"]))
            except ValueError as error:
                raise invalid(f"messages: {error}") from error
        else:
            raise invalid(f"messages: this emulation reads texts and images, not {block['type']} blocks.")
    form = params.get("output_config", {}).get("format")
    return Question(
        model=model,
        custom_id=key,
        system=_system(params.get("system")),
        text="\n".join(texts),
        has_image=bool(images),
        schema=form["schema"] if form else None,
        strict=bool(form),
        json_only=bool(form),
        effort=_effort(params, model),
        budget=params["max_tokens"],
        image_tokens=sum(images),
    )


def message(
    params: dict[str, Any], question: Question, answer: ModelAnswer, tier: Literal["batch", "standard"] = "batch"
) -> dict[str, Any]:
    """The Message that carries an answer."""
    content: list[dict[str, Any]] = []
    if answer.thinking_tokens:
        signature = f"{digest('signature', question.custom_id, answer.text):x}" * 2
        thinking = "" if _display(params, question.model) == "omitted" else answer.thinking
        content.append({"type": "thinking", "thinking": thinking, "signature": signature})
    if answer.text and answer.outcome != "refusal":
        content.append({"type": "text", "text": answer.text, "citations": None})
    refused = answer.outcome == "refusal"
    stop = "refusal" if refused else "max_tokens" if answer.outcome == "truncated" else "end_turn"
    return {
        "id": f"msg_01{digest('message', question.model, question.custom_id) % 10**22:022d}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "usage": _usage(params, question, answer) | {"service_tier": tier},
    }


def _usage(params: dict[str, Any], question: Question, answer: ModelAnswer) -> dict[str, Any]:
    """Usage of one message. A system prompt marked for the cache is read from it by most requests of a batch."""
    cached = tokens(question.system) if _caches(params.get("system")) else 0
    hit = digest("cache", question.custom_id) % 10 < 7
    written = 0 if hit else cached
    return {
        "input_tokens": answer.prompt_tokens - cached,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached if hit else 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": written},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"thinking_tokens": answer.thinking_tokens},
    }


def _user_blocks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for entry in messages:
        if entry["role"] != "user":
            continue
        content = entry["content"]
        blocks += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return blocks


def _system(system: Any) -> str:
    if isinstance(system, list):
        return "\n".join(str(block.get("text", "")) for block in system if isinstance(block, dict))
    return str(system or "")


def _caches(system: Any) -> bool:
    return isinstance(system, list) and any("cache_control" in block for block in system if isinstance(block, dict))


def _effort(params: dict[str, Any], model: str) -> str:
    """How long the model thinks: as asked, else its default. From Opus 5 and the 5.5 family on it thinks unasked."""
    line, version = generation(model)
    kind = (params.get("thinking") or {}).get("type")
    unasked = version >= (5, 5) or (line == "opus" and version >= (5, 0))
    if kind == "disabled" or (kind is None and not unasked):
        return "none"
    wanted = (params.get("output_config") or {}).get("effort")
    default = "high" if line == "sonnet" else "medium"
    return str(wanted or default)


def _display(params: dict[str, Any], model: str) -> str:
    default = "omitted" if generation(model)[1] >= (5, 5) else "summarized"
    return str((params.get("thinking") or {}).get("display") or default)
