"""What the four emulated APIs have in common at the socket: a call, a refusal, a route."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import uuid4

from starlette.datastructures import FormData, QueryParams
from starlette.responses import Response

from grabient_assets.emulator.models import ServedModels
from grabient_assets.emulator.state import State

ROUTE_NAMES = (
    "create",
    "retrieve",
    "list",
    "cancel",
    "delete",
    "results",
    "upload",
    "upload_bytes",
    "file_retrieve",
    "file_list",
    "file_content",
    "file_delete",
    "models",
    "model",
)


class Refused(Exception):
    """The provider says no. `kind` is the provider's own word for the class of error."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an emulated API, read whole."""

    provider: str
    route: str
    base: str
    """`http://HOST/<prefix>` as the client addressed it: results and upload URLs are built from it."""
    path: Mapping[str, str]
    query: QueryParams
    headers: Mapping[str, str]
    body: bytes
    form: FormData | None = None
    plan: tuple[dict[str, Any], ...] = ()
    """Faults to be laid on the batch that this call creates."""

    def with_plan(self, plan: tuple[dict[str, Any], ...]) -> Call:
        return replace(self, plan=plan)

    def object(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return read_json(self.body)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of an API: its name in counts and fault rules, method, path below the prefix, handler."""

    name: str
    method: str
    path: str
    handler: Callable[[Call], Response]
    keyless: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """What every API needs to know."""

    state: State
    models: ServedModels
    polls: int = 2


class Api(Protocol):
    """One provider's API."""

    provider: str
    prefix: str
    max_body: int

    @property
    def request_id_header(self) -> str | None:
        """The header that names a request in every answer; None: this API has none."""
        ...

    def routes(self) -> tuple[Route, ...]: ...

    def refusal(self, refused: Refused) -> Response:
        """A refusal in the provider's own error shape."""
        ...

    def too_large(self) -> Refused:
        """The refusal of a body over `max_body` bytes."""
        ...

    def authorise(self, call: Call) -> None:
        """Raises Refused when the call carries no key, or one that this API does not take."""
        ...

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        """A refusal with the provider's usual words for an HTTP status."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One result of a batch before the provider writes it down. Tokens: prompt, answer with thinking, thinking."""

    key: str
    succeeded: bool
    payload: dict[str, Any]
    tokens: tuple[int, int, int] = field(default=(0, 0, 0))
    flawed: bool = False
    """The model answered badly, so that the request will be asked again."""


DEEPEST = 500
"""Levels of nesting that are read at all; Python's own reader and writer fail near 1,000. What a provider takes in one
request is less (shapes.py)."""

_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(content: bytes) -> Any:
    """The JSON value that `content` spells.

    Raises ValueError for what is no JSON (RFC 8259): NaN and infinite numbers, half of a surrogate pair, another
    encoding than UTF-8; and for more than DEEPEST levels.
    """
    text = content.decode("utf-8")
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") > DEEPEST and nested_deeper(value, DEEPEST):
        raise ValueError("nested too deeply")
    return value


def nested_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than `levels` deep."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return any(isinstance(inner, dict | list) for inner in layer)


def whole_number(text: str, low: int, high: int) -> int | None:
    """The whole number that a query parameter or header spells in ASCII digits; None when it is none from `low` to
    `high`."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) and low <= int(text) <= high else None


def new_request_id() -> str:
    """A name for one request, as the providers write it."""
    return f"req_{uuid4().hex[:24]}"


def named(api: Api, response: Response) -> Response:
    """The response with the name of its request in the provider's header."""
    if api.request_id_header is not None:
        response.headers.setdefault(api.request_id_header, new_request_id())
    return response


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON number")
    return number


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, media_type="application/json")


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "surrogatepass")


def key_refused(key: str | None) -> bool:
    """True for the keys that no emulated provider takes: none, empty, or beginning with `wrong`."""
    return not key or key.startswith("wrong")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
