"""What the four emulated APIs have in common: a call, the shape of its JSON, a refusal, a route, and the world.

The world is what the emulated providers remember, and which models they serve today.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, StrictInt, StrictStr, Tag, ValidationError
from starlette.datastructures import FormData, QueryParams
from starlette.responses import Response

from grabient_assets.emulator.billing import Bills
from grabient_assets.emulator.database import CallCounts, Database, Files
from grabient_assets.emulator.stored_batches import Batches
from grabient_assets.emulator.stored_vectors import StoredVectors
from grabient_assets.registry.model import ImageRules, VectorRules

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
    "answer",
    "vectors",
    "info",
    "query",
    "get_by_ids",
    "metadata_index_create",
    "metadata_index_list",
    "metadata_index_delete",
    "transcript",
    "page",
)
SINGLE_CALLS = ("answer", "vectors")
"""Routes that answer one request at once: with a text or an image, and with vectors. At Cloudflare `vectors` takes
vectors."""
FETCHES = ("transcript", "page")
"""Routes that serve what somebody fetches: the calls for a transcript, and pages."""
DEEPEST = 500
"""Levels of nesting that are read at all; Python's own reader and writer fail near 1,000. What a provider takes in one
request is less (DEEPEST_REQUEST)."""
DEEPEST_REQUEST = 100
"""Levels of nesting in one request: the limit of Google's JSON reader, about that of the others."""
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Refused(Exception):
    """The provider refuses a call or a request. `kind` is the provider's own word for the class of error."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.details = details or {}
        """Further fields of the error."""


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
    model: str = ""
    """The model that it is about, as far as that can be seen without reading all of it."""

    def with_plan(self, plan: tuple[dict[str, Any], ...], model: str) -> Call:
        return replace(self, plan=plan, model=model)

    def object(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return read_json(self.body)


@dataclass(frozen=True, slots=True)
class Place:
    """What a call fetches: a video, or a page under each of its names; and which of the calls for it this is."""

    video: str = ""
    paths: tuple[str, ...] = ()
    step: str = ""

    @property
    def first(self) -> bool:
        """Whether a fetch begins with this call."""
        return self.step in ("", "watch")

    @property
    def name(self) -> str:
        return self.video or self.paths[-1]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of an API: its name in counts and fault rules, method, path below the prefix, handler."""

    name: str
    method: str
    path: str
    handler: Callable[[Call], Response]
    keyless: bool = False
    place: Callable[[Call], Place] | None = None
    """What the call fetches, on routes of FETCHES."""


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


def rfc3339(seconds: float) -> str:
    """A time in seconds since 1970, as these APIs write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "surrogatepass")


def key_refused(key: str | None) -> bool:
    """True for the keys that no emulated provider takes: none, empty, or beginning with `wrong`."""
    return not key or key.startswith("wrong")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class State:
    """Batches, files, vectors and counts of all providers in `folder`. `now` is the one clock of the emulator, and
    `salt` that of its ids."""

    def __init__(self, folder: Path, now: Callable[[], datetime], salt: str | None = None) -> None:
        self._db = Database(folder, now, salt)
        self.batches = Batches(self._db)
        self.files = Files(self._db)
        self.vectors = StoredVectors(self._db)
        self.counts = CallCounts(self._db)
        self.bills = Bills(self._db)
        self.now = now
        self.new_id = self._db.new_id
        self.reset = self._db.reset
        self.close = self._db.close


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model. It is served from `available_from` to the day before `retires_on`; None: no limit.

    A model that makes images or vectors has the rules of these, and writes no text.
    """

    provider: str
    id: str
    retires_on: date | None = None
    available_from: date | None = None
    images: ImageRules | None = None
    vectors: VectorRules | None = None


class ServedModels:
    """The models of all providers, seen on the day that `today` tells."""

    def __init__(self, models: Iterable[ServedModel], today: Callable[[], date]) -> None:
        self._models = {(model.provider, model.id): model for model in models}
        self._today = today

    def serves(self, provider: str, model_id: str) -> bool:
        return self.find(provider, model_id) is not None

    def find(self, provider: str, model_id: str) -> ServedModel | None:
        """The model, when it is served today."""
        model = self._models.get((provider, model_id))
        return model if model is not None and self._on_offer(model) else None

    def known(self, provider: str, model_id: str) -> ServedModel:
        """The model, served today or not; of an unknown one, a model that writes text."""
        return self._models.get((provider, model_id)) or ServedModel(provider, model_id)

    def of(self, provider: str) -> list[ServedModel]:
        """The models a provider serves today, by id."""
        return sorted(
            (model for model in self._models.values() if model.provider == provider and self._on_offer(model)),
            key=lambda model: model.id,
        )

    def _on_offer(self, model: ServedModel) -> bool:
        today = self._today()
        begun = model.available_from is None or model.available_from <= today
        return begun and (model.retires_on is None or today < model.retires_on)


def registry_models() -> tuple[ServedModel, ...]:
    """Every model the registry knows, retired ones included."""
    from grabient_assets.registry.load import load_registry

    return tuple(
        ServedModel(model.provider, model.id, model.retires_on, model.available_from, model.images, model.vectors)
        for model in load_registry().models
    )


class Shape(BaseModel):
    """An object whose other names are looked at elsewhere."""

    model_config = ConfigDict(extra="allow")


def _kind(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<list>"


class Schema(Shape):
    """A JSON Schema, as far as an answer is shaped by it."""

    type: StrictStr | Annotated[list[StrictStr], Field(min_length=1)] | None = None
    enum: Annotated[list[Any], Field(min_length=1)] | None = None
    properties: dict[str, Schema] | None = None
    required: list[StrictStr] | None = None
    items: Schema | None = None
    anyOf: Annotated[list[Schema], Field(min_length=1)] | None = None
    additionalProperties: StrictBool | Schema | None = None
    minItems: Annotated[StrictInt, Field(ge=0)] | None = None
    maxItems: Annotated[StrictInt, Field(ge=0)] | None = None


T = TypeVar("T")
TextOr = Annotated[
    Annotated[StrictStr, Tag("<text>")] | Annotated[list[T], Tag("<list>")],
    Discriminator(_kind),
]
"""A text, or a list of parts."""


def read_shape(shape: type[Shape], value: Any, refusal: Callable[[str, str], Refused]) -> Any:
    """The value without its nulls, which say the same as an absent name.

    Raises what `refusal` makes of the first place that differs from the shape (as `messages.0.content`, empty for the
    value itself) and of how it differs.
    """
    if nested_deeper(value, DEEPEST_REQUEST):
        raise refusal("", f"nested more than {DEEPEST_REQUEST} levels deep")
    found = _present(value)
    try:
        shape.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<"))
        raise refusal(place, first["msg"]) from error
    return found


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
