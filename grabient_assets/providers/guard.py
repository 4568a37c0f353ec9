"""What may leave the machine, whom it may reach, and what may be kept: keys go to their provider and nowhere else.

The SDKs read headers, keys and organisations from the environment, and follow addresses that servers name. A hook on
the HTTP client has the last word over every request. Providers echo keys in errors, states and result lines.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from grabient_assets.providers.contract import BatchState, Result
from grabient_assets.secrets import hide_in_bytes, redact

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


@cache
def trusted() -> ssl.SSLContext:
    """The certificate authorities of this machine, or those that SSL_CERT_FILE or SSL_CERT_DIR names.

    One for the process: reading them takes 26 ms, and the SDKs would do it six times for the four providers, each time
    they are opened.
    """
    import httpx2

    return httpx2.create_ssl_context()


def redacted(result: Result, key: str) -> Result:
    """`result` with its error text redacted; what the model wrote stays as it is."""
    return result if result.error is None else replace(result, error=redact(result.error, key))


def redacted_state(state: BatchState, key: str) -> BatchState:
    """`state` with every text redacted that the provider words freely. Ids and label stay: they are asked for again."""
    return replace(
        state,
        raw_status=redact(state.raw_status, key),
        error_code=None if state.error_code is None else redact(state.error_code, key),
        error=None if state.error is None else redact(state.error, key),
    )


def without_key(lines: Iterable[bytes], key: str) -> Generator[bytes, None, None]:
    """The raw lines without `key`. They are kept for years, and read again when the key of that time is long forgotten.
    Nothing else is taken out: what a model wrote stays as it came."""
    for line in lines:
        yield hide_in_bytes(line, key)
