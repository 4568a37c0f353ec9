"""What a Gemini create call brings: inlined requests, or the lines of an uploaded file."""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.gemini_requests import camel, invalid, question_of, read_request
from grabient_assets.emulator.wire import Call, Refused, read_json

MAX_INLINE = 20 * 1024 * 1024


def batch_body(call: Call) -> dict[str, Any]:
    """The `batch` of a create call in camelCase, requests left as they came. Its `inputConfig` has either a `fileName`
    or `requests`."""
    try:
        body = call.object()
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
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
