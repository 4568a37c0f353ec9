"""Opens a provider. Its SDK is imported here and not before: the four together take seconds."""

from __future__ import annotations

from dataclasses import replace

from grabient_assets.errors import CredentialsError, UsageError
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.patience import Patience
from grabient_assets.registry.load import load_registry


def connect(
    provider: str, api_key: str, base_url: str | None = None, patience: Patience | None = None
) -> BatchProvider:
    """The batch API of `provider`, for `api_key`. Sends nothing yet.

    `base_url` None means the provider's own address; otherwise a host for anthropic, groq and google, a host with /v1
    for openai. Nothing is read from the environment but proxies and certificates. Raises CredentialsError for a key
    that cannot be one, UsageError for an unknown provider.
    """
    key = api_key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        what = "is missing" if not key else "holds blanks or characters that no key has"
        raise CredentialsError(provider, f"The API key of {provider} {what}; set it again.")
    registry = load_registry()
    limits = registry.limits.get(provider)
    if limits is None:
        raise UsageError(f"There is no provider {provider!r}; use anthropic, openai, groq or google.")
    patience = patience or Patience()
    if patience.direct is None:
        patience = replace(patience, direct=float(registry.direct[provider].timeout_s))
    arguments = (key, base_url or None, limits, patience)
    match provider:
        case "anthropic":
            from grabient_assets.providers.anthropic import AnthropicBatches

            return AnthropicBatches(*arguments)
        case "openai":
            from grabient_assets.providers.openai import OpenAIBatches

            return OpenAIBatches(*arguments)
        case "groq":
            from grabient_assets.providers.groq import GroqBatches

            return GroqBatches(*arguments)
        case _:
            from grabient_assets.providers.google import GoogleBatches

            return GoogleBatches(*arguments)
