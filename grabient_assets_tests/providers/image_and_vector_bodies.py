"""Models that make images and vectors, and what their servers answer."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import VectorRules

REGISTRY = load_registry()
FLARE, OLD = REGISTRY.model("openai", "gpt-image-2.5-flare"), REGISTRY.model("openai", "gpt-image-2")
BANANA = REGISTRY.model("google", "gemini-nano-banana-2.1")
SMALL, TWO = REGISTRY.model("openai", "text-embedding-3-small"), REGISTRY.model("google", "gemini-embedding-2")
NOMIC = replace(
    REGISTRY.model("groq", "openai/gpt-oss-20b"),
    id="nomic-embed-text-v1_5",
    roles=("embedder",),
    deliveries=("direct",),
    token_parameter="",
    vectors=VectorRules(768, 768, 768, 768, 8192, True, "prefix", False, "search_document: ", "search_query: "),
)
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def chat_line(body: Any, status: int = 200) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": "a-1", "response": response, "error": None}


def image_body(*images: object, **more: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 1000,
        "input_tokens_details": {"text_tokens": 100, "image_tokens": 900},
        "output_tokens": 1200,
        "total_tokens": 2200,
    }
    return {"created": 1, "data": [{"b64_json": image} for image in images], "size": "1024x1024", "usage": usage} | more


def vector_body(*vectors: object, **more: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": SMALL.id, "usage": {"prompt_tokens": 7, "total_tokens": 7}} | more


def gemini_image(finish: str | None = "STOP", *parts: Any, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    usage = {
        "promptTokenCount": 300,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42}, {"modality": "IMAGE", "tokenCount": 258}],
        "candidatesTokenCount": 1130,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        "thoughtsTokenCount": 50,
    }
    response = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": BANANA.id, "responseId": "r-1"}
    return {"key": "a-1", "response": response | more}


def part(data: bytes, name: str = "inlineData", **more: Any) -> dict[str, Any]:
    return {name: {"mimeType": "image/png", "data": encoded(data)}} | more


def moderated(stage: str | None, *categories: object) -> dict[str, Any]:
    error: dict[str, Any] = {
        "message": "Your request was rejected by the safety system.",
        "type": "image_generation_user_error",
        "code": "moderation_blocked",
    }
    if stage:
        error["moderation_details"] = {"moderation_stage": stage, "categories": list(categories)}
    return chat_line({"error": error}, 400)
