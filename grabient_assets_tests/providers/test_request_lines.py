"""The exact bodies, per model. A wrong one costs a day: providers check batches only after they took them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers import anthropic_lines, google_lines, openai_lines
from grabient_assets.providers.contract import ImageInput, RequestSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model

REGISTRY = load_registry()
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "ref": {"type": "string", "maxLength": 64},
        "mood": {"type": "array", "items": {"enum": ["calm", "warm"]}, "minItems": 2, "maxItems": 5},
        "maxItems": {"type": "integer", "minimum": 0, "description": "a property named like a keyword"},
    },
    "required": ["mood"],
}
LINES = {
    "anthropic": anthropic_lines.request_line,
    "openai": openai_lines.request_line,
    "groq": openai_lines.request_line,
    "google": google_lines.request_line,
}


def ask(provider: str, model_id: str, **more: Any) -> dict[str, Any]:
    model = REGISTRY.model(provider, model_id)
    fields: dict[str, Any] = {"schema": SCHEMA, "schema_name": "palette_tags", "temperature": 0.4} | more
    return json.loads(LINES[provider](spec(**fields), model))


def spec(**fields: Any) -> RequestSpec:
    defaults: dict[str, Any] = {
        "custom_id": "a_1",
        "system": "Answer in JSON.",
        "text": "{}",
        "max_output_tokens": 2000,
    }
    return RequestSpec(**(defaults | fields))


CLOSED = {
    "type": "object",
    "properties": {
        "ref": {"type": "string"},
        "mood": {"type": "array", "items": {"enum": ["calm", "warm"]}},
        "maxItems": {"type": "integer", "description": "a property named like a keyword"},
    },
    "required": ["mood"],
    "additionalProperties": False,
}
STRICT = {
    "type": "object",
    "properties": {
        "ref": {"type": ["string", "null"]},
        "mood": {"type": "array", "items": {"enum": ["calm", "warm"]}},
        "maxItems": {"type": ["integer", "null"], "description": "a property named like a keyword"},
    },
    "required": ["ref", "mood", "maxItems"],
    "additionalProperties": False,
}
GEMINI = {
    "type": "object",
    "properties": {
        "ref": {"type": "string"},
        "mood": {"type": "array", "items": {"enum": ["calm", "warm"]}, "minItems": 2, "maxItems": 5},
        "maxItems": {"type": "integer", "minimum": 0, "description": "a property named like a keyword"},
    },
    "required": ["mood"],
}
FORMAT = {"type": "json_schema", "schema": CLOSED}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "palette_tags", "strict": True, "schema": STRICT}}


def anthropic_body(model: str, **more: Any) -> dict[str, Any]:
    params = {
        "model": model,
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "Answer in JSON."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "{}"}]}],
    }
    return {"custom_id": "a_1", "params": params | more}


def test_haiku_4_5_without_thinking() -> None:
    assert ask("anthropic", "claude-haiku-4-5-20251001") == anthropic_body(
        "claude-haiku-4-5-20251001", output_config={"format": FORMAT}
    )


def test_haiku_5_5_is_adaptive_at_low_effort() -> None:
    assert ask("anthropic", "claude-haiku-5-5") == anthropic_body(
        "claude-haiku-5-5", thinking={"type": "adaptive"}, output_config={"effort": "low", "format": FORMAT}
    )


def test_opus_4_5_thinks_within_a_budget() -> None:
    image = ImageInput(url="https://example.org/p.png")
    asked = ask("anthropic", "claude-opus-4-5-20251101", thinking_budget=1500, images=(image,))
    assert asked == anthropic_body(
        "claude-opus-4-5-20251101",
        thinking={"type": "enabled", "budget_tokens": 1500},
        output_config={"format": FORMAT},
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/p.png"}},
                    {"type": "text", "text": "{}"},
                ],
            }
        ],
    )


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-5"])
def test_opus_5_never_gets_a_budget(model: str) -> None:
    image = ImageInput(data=b"\x89PNG", media_type="image/png")
    asked = ask("anthropic", model, thinking_budget=1500, effort="high", images=(image,))
    assert asked["params"]["thinking"] == {"type": "adaptive"}
    assert asked["params"]["output_config"] == {"effort": "high", "format": FORMAT}
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    assert asked["params"]["messages"][0]["content"][0] == {"type": "image", "source": source}


@pytest.mark.parametrize("model", [m for m in REGISTRY.models if m.provider == "anthropic"], ids=lambda model: model.id)
def test_no_claude_gets_a_temperature(model: Model) -> None:
    params = json.loads(anthropic_lines.request_line(spec(temperature=1.0), model))["params"]
    assert not {"temperature", "top_p", "top_k"} & params.keys()


def test_a_prompt_is_cached_only_where_that_pays() -> None:
    known = REGISTRY.model("anthropic", "claude-haiku-4-5-20251001")
    sure = replace(known, caching=replace(known.caching, least_hits=Decimal("0.9")))
    long = "x" * 4 * 4096

    def system(model: Model, text: str) -> list[dict[str, Any]]:
        return json.loads(anthropic_lines.request_line(spec(system=text), model))["params"]["system"]

    plain = {"type": "text", "text": long}
    assert system(sure, long) == [plain | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert system(sure, long[1:]) == [{"type": "text", "text": long[1:]}]
    assert system(known, long) == [plain]


def chat_body(model: str, **more: Any) -> dict[str, Any]:
    body = {
        "model": model,
        "messages": [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "{}"}],
        "max_completion_tokens": 2000,
    }
    return {"custom_id": "a_1", "method": "POST", "url": "/v1/chat/completions", "body": body | more}


CHAT_BODIES = {
    ("openai", "gpt-4o-mini"): {"temperature": 0.4, "response_format": RESPONSE_FORMAT},
    ("openai", "gpt-5-nano"): {"reasoning_effort": "minimal", "response_format": RESPONSE_FORMAT},
    ("openai", "gpt-5.6-luna"): {"reasoning_effort": "low", "response_format": RESPONSE_FORMAT},
    ("openai", "gpt-6-luna"): {"reasoning_effort": "low", "response_format": RESPONSE_FORMAT},
    ("groq", "openai/gpt-oss-120b"): {
        "temperature": 0.4,
        "reasoning_effort": "low",
        "include_reasoning": False,
        "response_format": RESPONSE_FORMAT,
    },
    ("groq", "openai/gpt-oss-20b"): {
        "temperature": 0.4,
        "reasoning_effort": "low",
        "include_reasoning": False,
        "response_format": RESPONSE_FORMAT,
    },
    ("groq", "qwen/qwen3.8-27b"): {
        "temperature": 0.4,
        "reasoning_effort": "none",
        "reasoning_format": "hidden",
        "response_format": {"type": "json_object"},
    },
}


@pytest.mark.parametrize("key", CHAT_BODIES, ids=lambda key: key[1])
def test_chat_bodies(key: tuple[str, str]) -> None:
    assert ask(*key) == chat_body(key[1], **CHAT_BODIES[key])


def test_chat_images() -> None:
    by_address = ask("openai", "gpt-4o-mini", images=(ImageInput(url="https://example.org/p.png"),))
    by_bytes = ask("openai", "gpt-4o-mini", images=(ImageInput(data=b"abc", media_type="image/webp"),))
    text = {"type": "text", "text": "{}"}
    assert [asked["body"]["messages"][1]["content"] for asked in (by_address, by_bytes)] == [
        [{"type": "image_url", "image_url": {"url": "https://example.org/p.png"}}, text],
        [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,YWJj"}}, text],
    ]


def google_body(**generation: Any) -> dict[str, Any]:
    request = {
        "contents": [{"role": "user", "parts": [{"text": "{}"}]}],
        "systemInstruction": {"parts": [{"text": "Answer in JSON."}]},
        "generationConfig": {
            "maxOutputTokens": 2000,
            "responseMimeType": "application/json",
            "responseJsonSchema": GEMINI,
            **generation,
        },
    }
    return {"key": "a_1", "request": request}


def test_gemini_2_5_says_that_it_shall_not_think() -> None:
    asked = ask("google", "gemini-2.5-flash-lite")
    assert asked == google_body(temperature=0.4, thinkingConfig={"thinkingBudget": 0})
    asked = ask("google", "gemini-2.5-flash-lite", thinking_budget=512)
    assert asked == google_body(temperature=0.4, thinkingConfig={"thinkingBudget": 512})


def test_gemini_3_5_has_levels_and_no_temperature() -> None:
    assert ask("google", "gemini-3.5-flash-lite") == google_body(thinkingConfig={"thinkingLevel": "MINIMAL"})
    asked = ask("google", "gemini-3.5-flash-lite", effort="max", thinking_budget=512)
    assert asked == google_body(thinkingConfig={"thinkingLevel": "HIGH"})


def test_gemini_images_are_sent_as_bytes() -> None:
    asked = ask("google", "gemini-2.5-flash-lite", images=(ImageInput(data=b"abc", media_type="image/png"),))
    assert asked["request"]["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "YWJj"}},
        {"text": "{}"},
    ]
    with pytest.raises(RequestRejectedError, match="send the bytes"):
        ask("google", "gemini-2.5-flash-lite", images=(ImageInput(url="https://example.org/p.png"),))


@pytest.mark.parametrize("model", [m for m in REGISTRY.models if m.kind == "text"], ids=lambda model: model.id)
def test_a_line_is_one_line_and_always_the_same(model: Model) -> None:
    asked = spec(text="line\nbreak \u2028 é 🎨", schema=SCHEMA)
    line = LINES[model.provider](asked, model)
    assert line == LINES[model.provider](asked, model)
    assert b"\n" not in line and "é 🎨".encode() in line
    assert json.loads(line).get("custom_id" if model.provider != "google" else "key") == "a_1"


@pytest.mark.parametrize("model", [m for m in REGISTRY.models if m.kind == "text"], ids=lambda model: model.id)
def test_free_text_needs_no_schema(model: Model) -> None:
    line = LINES[model.provider](spec(system="", effort=None), model).decode()
    assert "response_format" not in line and "format" not in line.replace("reasoning_format", "")
    assert "system" not in line and "responseJsonSchema" not in line


REFUSED = {
    "blank in the id": ("openai", "gpt-4o-mini", {"custom_id": "a 1"}, "custom_id"),
    "id too long": ("groq", "openai/gpt-oss-20b", {"custom_id": "x" * 65}, "custom_id"),
    "line end in the id": ("google", "gemini-2.5-flash-lite", {"custom_id": "a\n"}, "custom_id"),
    "no tokens": ("openai", "gpt-4o-mini", {"max_output_tokens": 0}, "the model takes 1 to 16384"),
    "too many tokens": ("openai", "gpt-4o-mini", {"max_output_tokens": 16_385}, "the model takes 1 to 16384"),
    "no images": ("groq", "openai/gpt-oss-20b", {"images": (ImageInput(data=b"x"),)}, "takes no images"),
    "no word JSON": ("groq", "qwen/qwen3.8-27b", {"system": "Answer."}, "the word JSON"),
    "unknown effort": ("openai", "gpt-6-luna", {"effort": "huge"}, "'huge' is none of"),
    "small budget": ("anthropic", "claude-opus-4-5-20251101", {"thinking_budget": 1023}, "at least 1024"),
    "budget is everything": ("anthropic", "claude-opus-4-5-20251101", {"thinking_budget": 2000}, "below max_output"),
    "small gemini budget": ("google", "gemini-2.5-flash-lite", {"thinking_budget": 100}, "at least 512"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_refused_before_it_is_sent(case: str) -> None:
    provider, model, fields, says = REFUSED[case]
    with pytest.raises(RequestRejectedError, match=says) as caught:
        ask(provider, model, **fields)
    assert model in str(caught.value)


def test_an_image_is_one_thing() -> None:
    for fields in ({}, {"url": "https://example.org/p.png", "data": b"x"}):
        with pytest.raises(ValueError, match="either as url or as data"):
            ImageInput(**fields)
