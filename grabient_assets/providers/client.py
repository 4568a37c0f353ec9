"""The shared part of all provider clients: headers, keys, deadlines, retries, errors, direct calls and result files.

A key is sent to its own provider only. The SDKs read headers, keys and organisations from the environment, and follow
addresses that servers name. So a hook on the HTTP client checks every request last. Providers echo keys in errors,
states and result lines.
"""

from __future__ import annotations

import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, TypeVar

from grabient_assets.errors import GrabientError, RequestRejectedError, ResultsError, SlowResultsError
from grabient_assets.providers.contract import (
    Accepted,
    BatchFile,
    BatchProvider,
    BatchResults,
    BatchState,
    LineFormat,
    Result,
    Spec,
)
from grabient_assets.providers.deadlines import Deadline, Timeouts, with_retries
from grabient_assets.providers.error_table import (
    ProviderCall,
    concerns_one_request,
    error_response_of,
    is_timeout,
    translate,
    translated,
)
from grabient_assets.providers.request_rules import check_size
from grabient_assets.providers.values import plain
from grabient_assets.registry.model import BatchLimits, DirectLimits, Model
from grabient_assets.secrets import hide_in_bytes, redact

T = TypeVar("T")
Opener = Callable[[ExitStack], Iterable[bytes]]

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


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The settings of a client. `base_url` None: the provider's own address."""

    api_key: str
    base_url: str | None
    limits: BatchLimits
    direct: DirectLimits
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a direct call: a success, or an error that concerns this one request."""

    status: int
    body: Mapping[str, Any]
    request_id: str | None

    @property
    def succeeded(self) -> bool:
        return self.status < 300


class ProviderClient(BatchProvider, ABC):
    """The part of `contract.BatchProvider` that all providers have in common.

    Every call to the provider goes through `_translated`, and through `_ask` when it may be repeated.
    """

    lines: ClassVar[LineFormat]
    default_url: ClassVar[str]
    request_id_header: ClassVar[str] = "x-request-id"
    """In answers: the header with the provider's name of the request."""
    _client: Any
    """The SDK's client."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.limits = options.limits
        self._key = options.api_key
        self._base_url = options.base_url or self.default_url
        self._timeouts = options.timeouts
        self._direct_seconds = options.timeouts.direct or float(options.direct.timeout_s)
        self._deadline = Deadline(options.timeouts)

    def _http_client(self, make: Callable[..., Any], forced: Mapping[str, str], **options: Any) -> Any:
        """An HTTP client that keeps the deadlines, sends the `forced` headers and drops foreign ones."""
        hooks = {"request": [only_ours(self._base_url, forced), self._deadline.begin]}
        client = make(event_hooks=hooks, verify=ssl_context(), **options)
        self._deadline.attach(client)
        return client

    def _sdk_options(self, http: Any) -> dict[str, Any]:
        """Arguments of the SDKs of Anthropic, OpenAI and Groq. Their own retries are off."""
        return {
            "api_key": self._key,
            "base_url": self._base_url,
            "timeout": self._timeouts.read,
            "max_retries": 0,
            "http_client": http,
        }

    @property
    def _batch_calls(self) -> Any:
        """The part of the SDK's client that has the calls about batches."""
        return self._client.batches

    @abstractmethod
    def _create(self, batch: BatchFile) -> Accepted:
        """Send the batch with one create call; its status as the provider words it."""

    @abstractmethod
    def _state(self, value: dict[str, Any]) -> BatchState:
        """Where a batch stands, without the key, out of what the provider answers about it."""

    @abstractmethod
    def _lines(self, value: dict[str, Any]) -> Iterable[bytes]:
        """The result lines of an ended batch, out of the same."""

    def submit(self, batch: BatchFile) -> Accepted:
        check_size(batch, self.limits, self.name)
        accepted = self._create(batch)
        return replace(accepted, raw_status=redact(accepted.raw_status, self._key))

    def poll(self, provider_batch_id: str) -> BatchState:
        return self._state(self._retrieve(provider_batch_id))

    def results(self, provider_batch_id: str) -> BatchResults:
        value = self._retrieve_whole(provider_batch_id)
        state = self._state(value)
        return BatchResults(state, self._lines(value)) if state.state == "ended" else BatchResults(state)

    def _retrieve_whole(self, provider_batch_id: str) -> dict[str, Any]:
        """With all that `_lines` reads."""
        return self._retrieve(provider_batch_id)

    def _retrieve(self, provider_batch_id: str) -> dict[str, Any]:
        return self._ask(
            f"asking for batch {provider_batch_id}",
            lambda: plain(self._batch_calls.retrieve(provider_batch_id), "id"),
            batch=provider_batch_id,
        )

    def cancel(self, provider_batch_id: str) -> None:
        self._ask(
            f"cancelling batch {provider_batch_id}",
            lambda: self._cancel(provider_batch_id),
            batch=provider_batch_id,
        )

    def _cancel(self, provider_batch_id: str) -> None:
        self._batch_calls.cancel(provider_batch_id)

    def close(self) -> None:
        self._client.close()

    def _translated(self, doing: str, **about: Any) -> AbstractContextManager[None]:
        return translated(ProviderCall(self.name, self._key, doing, **about))

    def _ask(self, doing: str, call: Callable[[], T], *, batch: str | None = None, file: bool = False) -> T:
        """The result of a call that may be repeated. The keywords are those of `error_table.translated`."""

        def once() -> T:
            with self._translated(doing, batch=batch, file=file):
                return call()

        return with_retries(once, self._timeouts)

    def _file_lines(self, opened: Opener, what: str) -> Generator[bytes, None, None]:
        """The lines, without the key, of the file that `opened` starts to read: "the results of batch b-1".

        Starting is repeated like any read. Raises ResultsError when the file is gone, or breaks off in the middle;
        SlowResultsError when the time ran out.
        """
        with ExitStack() as stack:
            try:
                chunks = self._ask(f"opening {what}", lambda: opened(stack), file=True)
            except RequestRejectedError as error:
                raise ResultsError(self.name, f"{error} The results can no longer be fetched this way.") from None
            try:
                yield from without_key(whole_lines(chunks, self.name, what), self._key)
            except GrabientError:
                raise
            except Exception as error:
                fault = translate(error, ProviderCall(self.name, self._key, f"reading {what}"))
                if fault is None:
                    raise
                raise _broken_off(self.name, what, str(fault), is_timeout(error)) from None

    def request_line(self, spec: Spec, model: Model) -> bytes:
        return self.lines.request_line(spec, model)

    def read_line(self, line: bytes) -> Result:
        return redacted(self.lines.read_line(line), self._key)

    def _reply(self, custom_id: str, model: Model, post: Callable[[float], Any]) -> Reply:
        """The answer to a direct call: `post` makes it, given its timeout.

        The call is never repeated: no provider offers a way to look up whether a call that was cut off has been billed.
        Raises the errors of the table in error_table.py.
        """
        if "direct" not in model.deliveries:
            raise RequestRejectedError(
                self.name, f"Request {custom_id!r}: {model.id} ({self.name}) takes batches only."
            )
        seconds, doing = self._direct_seconds, f"asking {model.id} for {custom_id}"
        with self._translated(doing, direct=True), self._deadline.whole(seconds):
            try:
                response = post(seconds)
            except Exception as error:
                refused = error_response_of(error)
                if refused is None or not concerns_one_request(refused, self.name):
                    raise
                response = getattr(error, "response", None)
                body = _error_in(response) or {"error": {"code": refused.code or None, "message": refused.text}}
                return Reply(refused.status, body, self._request_id(response))
            body = plain(json.loads(response.content.decode("utf-8", "replace")))
            return Reply(response.status_code, body, self._request_id(response))

    def _request_id(self, response: Any) -> str | None:
        return getattr(response, "headers", {}).get(self.request_id_header)

    def _result_line(self, value: Mapping[str, Any]) -> bytes:
        """The answer of a direct call as a result line of a batch, so that one reader reads both.

        In ASCII: models send halves of surrogate pairs, which UTF-8 has no bytes for.
        """
        return hide_in_bytes(json.dumps(value, separators=(",", ":")).encode("ascii"), self._key)


def _error_in(response: Any) -> Mapping[str, Any] | None:
    """The body of an error as it came, when it has the shape that the API promises."""
    try:
        body = json.loads(response.content)
    except (AttributeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping) else None


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


def url_at_origin(named: Any, home: Any, api: str, path: str) -> Any:
    """The path under `home` of the file that a server names as `named`; None when it names a foreign host.

    A gateway names the API behind it (`api`), or itself under its internal address: another port, scheme or name of
    this machine. The key belongs to `home`, so `home` is asked. `path` is the path of the file at the API.
    """
    if origin(named) == origin(home):
        return named
    if origin(named) == api:
        return home.join(named.raw_path.decode("ascii").removeprefix("/"))
    if named.host != home.host and not _LOOPBACK.issuperset((named.host, home.host)):
        return None
    return home.join(path) if named.path.endswith(f"/{path}") else home.copy_with(raw_path=named.raw_path)


@cache
def ssl_context() -> ssl.SSLContext:
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
    """The raw lines without `key`. They are kept for years, and are read again when the key is no longer known. Nothing
    else is removed: the model's text stays unchanged."""
    for line in lines:
        yield hide_in_bytes(line, key)


def whole_lines(chunks: Iterable[bytes], provider: str, what: str) -> Iterator[bytes]:
    """The non-blank lines in `chunks`. A last line without an end must be a whole JSON object, or the file was cut."""
    pending: list[bytes] = []
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        for following in rest:
            line = b"".join(pending).rstrip(b"\r")
            if line.strip():
                yield line
            pending = [following]
    last = b"".join(pending).rstrip(b"\r")
    if last.strip():
        if not _is_object(last):
            # Its text is not shown: it may end in half a key, which the redaction would not find.
            raise _broken_off(provider, what, f"The last line is incomplete ({len(last)} bytes).")
        yield last


def stream_from(http: Any, url: str, headers: dict[str, str], timeout: float) -> Opener:
    """An Opener that reads `url` past the SDK. Redirects are not followed: the file must come from where asked."""

    def opened(stack: ExitStack) -> Iterable[bytes]:
        stream = http.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False)
        response = stack.enter_context(stream)
        if response.status_code != 200:
            response.read()
            response.raise_for_status()
        return response.iter_bytes()

    return opened


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
    except RecursionError:  # nested too deeply to parse; a line that ends like an object is taken for one
        return line.endswith(b"}")


def _broken_off(provider: str, what: str, why: str, slow: bool = False) -> ResultsError:
    kind = SlowResultsError if slow else ResultsError
    return kind(provider, f"While reading {what}, the file broke off. {why} Nothing of it counts; download it again.")
