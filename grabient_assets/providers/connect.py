"""The list of providers: opening a client, and building and reading its lines without a connection.

A provider's SDK is imported only when its client is made: the four together take seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from grabient_assets.errors import CredentialsError, UsageError
from grabient_assets.providers.anthropic import AnthropicBatches
from grabient_assets.providers.client import ConnectionOptions, ProviderClient, redacted
from grabient_assets.providers.contract import BatchProvider, Result, Spec
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.providers.google import GoogleBatches
from grabient_assets.providers.groq import GroqBatches
from grabient_assets.providers.openai import OpenAIBatches
from grabient_assets.registry.model import Model
from grabient_assets.registry.usage import Usage

CLIENTS: Mapping[str, type[ProviderClient]] = {
    client.name: client for client in (AnthropicBatches, OpenAIBatches, GroqBatches, GoogleBatches)
}
"""Every provider that can be asked, by its name in the registry."""


def _client_of(provider: str) -> type[ProviderClient]:
    """Raises UsageError for an unknown provider."""
    if provider not in CLIENTS:
        *names, last = CLIENTS
        raise UsageError(f"There is no provider {provider!r}; use {', '.join(names)} or {last}.")
    return CLIENTS[provider]


def connect(
    provider: str, api_key: str, base_url: str | None = None, timeouts: Timeouts | None = None
) -> BatchProvider:
    """The batch API of `provider`, for `api_key`. Sends nothing yet.

    `base_url` None means the provider's own address; otherwise a host for anthropic, groq and google, a host with /v1
    for openai. Nothing is read from the environment but proxies and certificates. Raises CredentialsError for a key
    that cannot be one, UsageError for an unknown provider.
    """
    from grabient_assets.registry.load import load_registry  # reads files with pydantic, which takes 0.1 s

    key = api_key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        what = "is missing" if not key else "holds blanks or characters that no key has"
        raise CredentialsError(provider, f"The API key of {provider} {what}; set it again.")
    client, registry = _client_of(provider), load_registry()
    options = ConnectionOptions(
        key, base_url or None, registry.limits[provider], registry.direct[provider], timeouts or Timeouts()
    )
    return client(options)


def request_line(spec: Spec, model: Model) -> bytes:
    """The line of `BatchProvider.request_line` for the model's provider."""
    return _client_of(model.provider).lines.request_line(spec, model)


def line_reader(provider: str, key: str = "") -> Callable[[bytes], Result]:
    """The result of `BatchProvider.read_line` of the provider; `key` is removed from error texts, as it was then."""
    read = _client_of(provider).lines.read_line
    return lambda line: redacted(read(line), key)


def usages_in(line: bytes, provider: str) -> list[Usage]:
    """The tokens that a line reports anywhere, also in a line that cannot be read: it may have been billed."""
    usage_in = _client_of(provider).lines.usage_in
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return [usage for receipt in _receipts(value) if (usage := usage_in(receipt)) is not None]


def _receipts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that holds a receipt, at any depth, in order of occurrence."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("usage"), Mapping) or isinstance(one.get("usageMetadata"), Mapping):
                yield one
            waiting += reversed(list(one.values()))
        elif isinstance(one, list):
            waiting += reversed(one)


_URL = re.compile(rb'"url":"(https?://[^"]+)"')


def picture_urls(lines: Iterable[bytes]) -> dict[str, str]:
    """The address of the picture in each of these request lines, by custom_id; those without one are left out."""
    found: dict[str, str] = {}
    for line in lines:
        if address := _URL.search(line):
            value = json.loads(line)
            found[value.get("custom_id") or value["key"]] = address[1].decode()
    return found
