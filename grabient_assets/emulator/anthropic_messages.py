"""One request of an Anthropic batch: read as a question, answered as a Message (fact sheet, section 1.2)."""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.answers.chance import digest
from grabient_assets.emulator.answers.reading import Question
from grabient_assets.emulator.answers.speaking import Answer, tokens
from grabient_assets.emulator.anthropic_rules import generation, invalid, read_params
from grabient_assets.emulator.images import image_tokens
from grabient_assets.emulator.models import ServedModels
from grabient_assets.emulator.wire import Refused


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


def message(params: dict[str, Any], question: Question, answer: Answer) -> dict[str, Any]:
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
        "usage": _usage(params, question, answer),
    }


def _usage(params: dict[str, Any], question: Question, answer: Answer) -> dict[str, Any]:
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
        "service_tier": "batch",
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
