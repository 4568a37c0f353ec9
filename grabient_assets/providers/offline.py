"""Reading raw result lines without a connection: no SDK, no key needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from grabient_assets.errors import UsageError
from grabient_assets.providers import anthropic_lines, chat_lines, google_lines
from grabient_assets.providers.contract import Result
from grabient_assets.providers.redaction import redacted
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
