"""What a Gemini create call brings: inlined requests, or the lines of an uploaded file."""

from __future__ import annotations

import json
from typing import Any

from grabient_assets.emulator.gemini_requests import camel, invalid, question_of
from grabient_assets.emulator.wire import Call, Refused

MAX_INLINE = 20 * 1024 * 1024


def batch_body(call: Call) -> dict[str, Any]:
    """The `batch` of a create call in camelCase, requests left as they came."""
    try:
        body = call.object()
    except ValueError as error:
        raise invalid("Invalid JSON payload received.") from error
    batch = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(batch, dict):
        raise invalid("batch is required")
    batch = {_first_camel(key): value for key, value in batch.items()}
    for name in batch:
        if name not in ("displayName", "inputConfig", "model", "priority", "name"):
            raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at 'batch': Cannot find field.")
    source = batch.get("inputConfig")
    if not isinstance(source, dict):
        raise invalid("batch.input_config is required")
    return batch | {"inputConfig": {_first_camel(key): value for key, value in source.items()}}


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
        if not isinstance(request, dict) or not set(request) <= {"request", "metadata"}:
            raise invalid(f"Invalid JSON payload received at 'batch.input_config.requests.requests[{place}]'.")
        try:
            question_of(model, "", camel(request.get("request")))
        except Refused as refused:
            if "Unknown name" in refused.message:
                raise
    return requests


def metadata_key(request: dict[str, Any], place: int) -> str:
    """The key a request carries; its place when it carries none."""
    key = (request.get("metadata") or {}).get("key", request.get("key"))
    return str(place) if key is None else str(key)


def keyed(line: bytes, place: int) -> tuple[str, dict[str, Any]]:
    try:
        request = json.loads(line)
    except ValueError:
        return str(place), {"broken": True}
    return (metadata_key(request, place), request) if isinstance(request, dict) else (str(place), {"broken": True})
