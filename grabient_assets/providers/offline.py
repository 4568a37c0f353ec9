"""Reading raw result lines without a connection: no SDK, no key needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from grabient_assets.errors import UsageError
from grabient_assets.providers import anthropic_lines, chat_lines, google_lines
from grabient_assets.providers.contract import Result
from grabient_assets.providers.redaction import redacted


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
