"""Writing request lines, and reading them again, without a connection: no SDK, no key needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from grabient_assets.errors import UsageError
from grabient_assets.providers import anthropic_lines, chat_lines, google_lines
from grabient_assets.providers.contract import Spec
from grabient_assets.registry.model import Model

_URL = re.compile(rb'"url":"(https?://[^"]+)"')


def request_line(spec: Spec, model: Model) -> bytes:
    """What `BatchProvider.request_line` of the model's provider makes."""
    match model.provider:
        case "anthropic":
            return anthropic_lines.request_line(spec, model)
        case "openai" | "groq":
            return chat_lines.request_line(spec, model)
        case "google":
            return google_lines.request_line(spec, model)
        case _:
            raise UsageError(f"There is no provider {model.provider!r}; use anthropic, openai, groq or google.")


def picture_urls(lines: Iterable[bytes]) -> dict[str, str]:
    """The address of the picture in each of these request lines, by custom_id; those without one are left out."""
    found: dict[str, str] = {}
    for line in lines:
        if address := _URL.search(line):
            value = json.loads(line)
            found[value.get("custom_id") or value["key"]] = address[1].decode()
    return found
