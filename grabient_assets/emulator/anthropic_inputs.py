"""What an Anthropic create call brings, checked as far as the API checks it at once: ids and outer shape."""

from __future__ import annotations

import re
from typing import Any

from grabient_assets.emulator.anthropic_rules import invalid
from grabient_assets.emulator.wire import Call

CUSTOM_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}\Z")
MAX_REQUESTS = 100_000


def submitted_requests(call: Call) -> list[dict[str, Any]]:
    """The requests of a create call. Raises Refused."""
    try:
        body = call.object()
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid("requests: List should have at least 1 item")
    for name in body:
        if name != "requests":
            raise invalid(f"{name}: Extra inputs are not permitted")
    if len(requests) > MAX_REQUESTS:
        raise invalid(f"requests: List should have at most {MAX_REQUESTS} items")
    seen: set[str] = set()
    for place, request in enumerate(requests):
        key = request.get("custom_id") if isinstance(request, dict) else None
        if not isinstance(key, str) or not CUSTOM_ID.match(key):
            raise invalid(f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if key in seen:
            raise invalid(f"requests.{place}.custom_id: duplicate custom_id {key!r}")
        if not isinstance(request.get("params"), dict):
            raise invalid(f"requests.{place}.params: Field required")
        seen.add(key)
    return requests
