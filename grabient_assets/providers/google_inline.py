"""Archived request lines as the google-genai SDK takes them inline."""

from __future__ import annotations

import json
from typing import Any

from grabient_assets.providers.contract import BatchFile


def inline_size(batch: BatchFile) -> int:
    """About how long the body is when the SDK writes it: non-ASCII characters as \\uXXXX, a blank after each : and ,"""
    size = sum(len(line) + 4 * (len(line) - len(line.decode())) for line in batch.lines)
    return size * 11 // 10


def inline_request(line: bytes) -> Any:
    """The request in an archived line, as the SDK takes it. The SDK puts it back into the same shape on the wire."""
    from google.genai import types

    value = json.loads(line)
    request = value["request"]
    config = dict(request["generationConfig"])
    if "systemInstruction" in request:
        config["systemInstruction"] = request["systemInstruction"]
    return types.InlinedRequest(
        contents=request["contents"],
        metadata={"key": value["key"]},
        config=types.GenerateContentConfig.model_validate(config),
    )
