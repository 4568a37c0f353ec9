"""What may leave the machine: the SDKs read headers, keys and organisations from the environment, and follow addresses
that servers name. A hook on the HTTP client has the last word over every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Everything the SDKs need. A header that is not listed came from the environment (ANTHROPIC_CUSTOM_HEADERS,
# OPENAI_ORG_ID and their like) and would make a run depend on the machine it happens on.
_NAMES = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-server-timeout",
    }
)
_PREFIXES = ("x-goog-", "x-stainless-")
_SECRET = ("authorization", "x-api-key", "x-goog-api-key")


def only_ours(base_url: str, forced: Mapping[str, str]) -> Callable[[Any], None]:
    """A request hook: drops foreign headers, sets the `forced` ones, and keeps keys from any origin but `base_url`."""
    from httpx2 import URL

    home = URL(base_url)
    origin = (home.scheme, home.host, home.port)

    def hook(request: Any) -> None:
        headers = request.headers
        for name in {name.lower() for name in headers}:
            if name not in _NAMES and not name.startswith(_PREFIXES):
                del headers[name]
        url = request.url
        if (url.scheme, url.host, url.port) == origin:
            for name, value in forced.items():
                headers[name] = value
        else:
            for name in _SECRET:
                headers.pop(name, None)

    return hook
