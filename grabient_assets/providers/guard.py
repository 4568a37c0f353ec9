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
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_SECRET = ("authorization", "x-api-key", "x-goog-api-key")


def only_ours(base_url: str, forced: Mapping[str, str]) -> Callable[[Any], None]:
    """A request hook: drops foreign headers, sets the `forced` ones, and keeps keys from any origin but `base_url`."""
    from httpx2 import URL

    home = origin(URL(base_url))

    def hook(request: Any) -> None:
        headers = request.headers
        for name in {name.lower() for name in headers}:
            if name not in _NAMES and not name.startswith(_PREFIXES):
                del headers[name]
        if origin(request.url) == home:
            for name, value in forced.items():
                headers[name] = value
        else:
            for name in _SECRET:
                headers.pop(name, None)

    return hook


def origin(url: Any) -> str:
    """Scheme, host and port of an httpx URL: "https://api.anthropic.com". The usual port of the scheme is left out."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port is not None else "")


def at_home(named: Any, home: Any, api: str, path: str) -> Any:
    """Where under `home` the file lies that a server says lies at `named`; None when it names a foreign host.

    A gateway names the API behind it (`api`), or itself as it is reached from within: by another port, scheme or name
    of this machine. The key belongs to `home`, so that is asked. `path` is where the API keeps the file.
    """
    if origin(named) == origin(home):
        return named
    if origin(named) == api:
        return home.join(named.raw_path.decode("ascii").removeprefix("/"))
    if named.host != home.host and not _LOOPBACK.issuperset((named.host, home.host)):
        return None
    return home.join(path) if named.path.endswith(f"/{path}") else home.copy_with(raw_path=named.raw_path)
