"""What the four emulated APIs have in common at the socket: a call, a refusal, a route."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

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
        """The body as JSON. Raises json.JSONDecodeError."""
        return json.loads(self.body)


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
