"""Writing request lines and reading raw result lines without a connection: no SDK, no key needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from grabient_assets.errors import UsageError
from grabient_assets.providers import anthropic_lines, chat_lines, google_lines
from grabient_assets.providers.contract import Result, Spec
from grabient_assets.providers.guard import redacted
from grabient_assets.registry.model import Model
from grabient_assets.registry.usage import Usage


def line_reader(provider: str, key: str = "") -> Callable[[bytes], Result]:
    """What `BatchProvider.read_line` of the provider does; `key` is taken out of error texts, as it was then."""
    match provider:
        case "anthropic":
            read = anthropic_lines.read_line
        case "openai" | "groq":
            read = partial(chat_lines.read_line, provider=provider)
        case "google":
            read = google_lines.read_line
        case _:
            raise UsageError(f"There is no provider {provider!r}; use anthropic, openai, groq or google.")
    return lambda line: redacted(read(line), key)


def usages_in(line: bytes, provider: str) -> list[Usage]:
    """The tokens that a line reports wherever it does, also one that cannot be read: it may have been billed."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return [usage for body in _bodies(value) if (usage := _reported(body, provider)) is not None]


def _bodies(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that holds a receipt, whatever it lies in, in the order in which they stand."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("usage"), Mapping) or isinstance(one.get("usageMetadata"), Mapping):
                yield one
            waiting += reversed(list(one.values()))
        elif isinstance(one, list):
            waiting += reversed(one)


def _reported(body: Mapping[str, Any], provider: str) -> Usage | None:
    match provider:
        case "anthropic":
            return anthropic_lines.reported_usage(body.get("usage"), said=True)
        case "google":
            return google_lines.reported_usage(body.get("usageMetadata"), text=False, said=True)
        case _:
            return chat_lines.reported_usage(body, said=True)


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
