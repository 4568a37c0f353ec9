"""Writing request lines without a connection: no SDK, no key needed."""

from __future__ import annotations

from grabient_assets.errors import UsageError
from grabient_assets.providers import anthropic_lines, chat_lines, google_lines
from grabient_assets.providers.contract import RequestSpec
from grabient_assets.registry.model import Model


def request_line(spec: RequestSpec, model: Model) -> bytes:
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
