"""Cloudflare Vectorize v2: indexes, mutations that become visible later, metadata indexes, queries.

The limits are those that Cloudflare documents; where it measures more, the documented one holds. Codes are Cloudflare's
where anybody has published them, otherwise UNPUBLISHED. All accounts are one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.stored_vectors import StoredIndex, StoredProperty, StoredVector
from grabient_assets.emulator.wire import Call, Refused, Route, World, bearer, key_refused, reply, rfc3339, whole_number

DIMENSIONS = 1_536
ID_BYTES = NAMESPACE_BYTES = INDEXED_BYTES = 64
METADATA_BYTES, FILTER_BYTES = 10 * 1024, 2_048
VECTORS, IDS_READ, IDS_DELETED, PAGE = 5_000, 20, 100, 1_000
PROPERTIES = 10
MATCHES, BARE_MATCHES = 20, 100
UNPUBLISHED, INTERNAL, NO_ROUTE = "40000", "50000", "7000"
MISSING, TAKEN, NO_PROPERTY, UNAUTHORISED, BUSY = "3000", "3002", "40005", "10000", "40041"
CODES = {401: UNAUTHORISED, 403: UNAUTHORISED, 404: MISSING, 415: "1005", 429: BUSY}
"""The code of a refusal that a fault script asks for without one."""
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, given: value == given,
    "$ne": lambda value, given: value != given,
    "$in": lambda value, given: value in given,
    "$nin": lambda value, given: value not in given,
    "$lt": lambda value, given: value < given,
    "$lte": lambda value, given: value <= given,
    "$gt": lambda value, given: value > given,
    "$gte": lambda value, given: value >= given,
}
KINDS: dict[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Config(Body):
    dimensions: int = Field(ge=1, le=DIMENSIONS)
    metric: Literal["cosine", "euclidean", "dot-product"]


class NewIndex(Body):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    config: Config
    description: str = ""


class NewVector(Body):
    id: str
    values: list[float]
    namespace: str | None = None
    metadata: dict[str, Any] | None = None


class Query(Body):
    vector: list[float]
    topK: int = Field(default=5, ge=1)
    filter: dict[str, Any] | None = None
    namespace: str | None = None
    returnMetadata: str = "none"
    returnValues: bool = False


class Ids(Body):
    ids: list[str] = Field(min_length=1)


class NewProperty(Body):
    propertyName: str
    indexType: Literal["string", "number", "boolean"]


class Property(Body):
    propertyName: str


B = TypeVar("B", bound=Body)


class Vectorize:
    """`/cloudflare/client/v4`."""

    provider = "cloudflare"
    prefix = BASE_PATHS["cloudflare"]
    max_body = 100_000_000
    request_id_header = "cf-ray"

    def __init__(self, world: World) -> None:
        self._stored = world.state.vectors

    def routes(self) -> tuple[Route, ...]:
        indexes = "/accounts/{account}/vectorize/v2/indexes"
        one = indexes + "/{index}"
        return (
            Route("create", "POST", indexes, self.create),
            Route("info", "GET", one + "/info", self.info),
            Route("vectors", "POST", one + "/upsert", self.upsert),
            Route("vectors", "POST", one + "/insert", self.insert),
            Route("query", "POST", one + "/query", self.query),
            Route("get_by_ids", "POST", one + "/get_by_ids", self.get_by_ids),
            Route("delete", "POST", one + "/delete_by_ids", self.delete_by_ids),
            Route("list", "GET", one + "/list", self.list_vectors),
            Route("metadata_index_create", "POST", one + "/metadata_index/create", self.create_property),
            Route("metadata_index_list", "GET", one + "/metadata_index/list", self.list_properties),
            Route("metadata_index_delete", "POST", one + "/metadata_index/delete", self.delete_property),
        )

    # what every call has in common ---------------------------------------------------------------------------------

    def refusal(self, refused: Refused) -> Response:
        """With the status of the refusal, which is 200 where a fault script wants that."""
        headers = {} if refused.retry_after is None else {"retry-after": f"{refused.retry_after:g}"}
        code = refused.code if refused.code and refused.code.isdecimal() else NO_ROUTE
        errors = [{"code": int(code), "message": refused.message}]
        return reply({"success": False, "errors": errors, "messages": [], "result": None}, refused.status, headers)

    def too_large(self) -> Refused:
        return _refused(f"The body is over {self.max_body} bytes.", UNPUBLISHED, 413)

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        return _refused(message, code or CODES.get(status, INTERNAL if status >= 500 else UNPUBLISHED), status)

    def authorise(self, call: Call) -> None:
        if key_refused(bearer(call.headers)):
            raise _refused("Authentication error", UNAUTHORISED, 403)

    # indexes -------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        asked = _read(call, NewIndex)
        config = asked.config
        if not self._stored.add_index(asked.name, config.dimensions, config.metric, asked.description):
            raise _refused(f'vectorize.index.duplicate_name - Index name "{asked.name}"', TAKEN)
        created = rfc3339(self._index(asked.name).created_at)
        return _success(asked.model_dump() | {"created_on": created, "modified_on": created})

    def info(self, call: Call) -> Response:
        index = self._looked_at(call)
        last = self._stored.processed(index.name)
        found = {"dimensions": index.dimensions, "vectorCount": len(self._stored.ids(index.name))}
        at = rfc3339(last.done_at) if last else None
        return _success(found | {"processedUpToMutation": last.id if last else None, "processedUpToDatetime": at})

    def create_property(self, call: Call) -> Response:
        index, asked = self._of(call), _read(call, NewProperty)
        _check_key(asked.propertyName)
        there = self._stored.properties(index.name)
        if asked.propertyName not in there and len(there) >= PROPERTIES:
            raise _refused(f"an index has at most {PROPERTIES} metadata indexes")
        return _success({"mutationId": self._stored.add_property(index.name, asked.propertyName, asked.indexType)})

    def list_properties(self, call: Call) -> Response:
        found = self._stored.properties(self._of(call).name).values()
        return _success({"metadataIndexes": [{"propertyName": p.property, "indexType": p.kind} for p in found]})

    def delete_property(self, call: Call) -> Response:
        index, asked = self._of(call), _read(call, Property)
        if asked.propertyName not in self._stored.properties(index.name):
            raise _refused(f"there is no metadata index {asked.propertyName!r}", NO_PROPERTY)
        return _success({"mutationId": self._stored.remove_property(index.name, asked.propertyName)})

    # vectors -------------------------------------------------------------------------------------------------------

    def upsert(self, call: Call) -> Response:
        return self._write(call, "upsert")

    def insert(self, call: Call) -> Response:
        return self._write(call, "insert")

    def _write(self, call: Call, op: Literal["upsert", "insert"]) -> Response:
        index = self._of(call)
        _check_type(call, "application/x-ndjson")
        behaviour = call.query.get("unparsable-behavior", "error")
        if behaviour not in ("error", "discard"):
            raise _refused("unparsable-behavior is error or discard")
        rows: list[tuple[Any, ...]] = []
        for number, line in enumerate(call.body.splitlines(), 1):
            try:
                vector = NewVector.model_validate_json(line)
            except ValidationError as error:
                if behaviour == "error":
                    raise _refused(f"line {number} cannot be parsed: {_first(error)}") from error
                continue
            _check_vector(vector, index)
            rows.append((vector.id, vector.namespace, vector.metadata, vector.values))
        if not 1 <= len(rows) <= VECTORS:
            raise _refused(f"a call takes 1 to {VECTORS} vectors, not {len(rows)}")
        return _success({"mutationId": self._stored.mutate(index.name, op, rows, _looks(call))})

    def delete_by_ids(self, call: Call) -> Response:
        index, ids = self._of(call), _ids(call, IDS_DELETED)
        return _success({"mutationId": self._stored.mutate(index.name, "delete", ids, _looks(call))})

    def get_by_ids(self, call: Call) -> Response:
        index, ids = self._looked_at(call), _ids(call, IDS_READ)
        return _success([_shown(vector) for vector in self._stored.of(index.name, ids)])

    def list_vectors(self, call: Call) -> Response:
        index = self._looked_at(call)
        count = whole_number(call.query.get("count", "100"), 1, PAGE)
        after = _id_in_cursor(call.query.get("cursor"))
        if count is None or after is None:
            raise _refused(f"count is 1 to {PAGE}, and cursor is one that a list has named")
        ids = self._stored.ids(index.name)
        rest = [one for one in ids if one > after]
        page = rest[:count]
        found = {"count": len(page), "totalCount": len(ids), "isTruncated": len(rest) > count}
        cursor = {"nextCursor": page[-1].encode().hex()} if len(rest) > count else {}
        return _success(found | cursor | {"vectors": [{"id": one} for one in page]})

    def query(self, call: Call) -> Response:
        index, asked = self._looked_at(call), _read(call, Query)
        _check_query(asked, index)
        properties = self._stored.properties(index.name)
        found = [
            vector
            for vector in self._stored.of(index.name)
            if asked.namespace in (None, vector.namespace) and _passes(vector, asked.filter or {}, properties)
        ]
        scored = [(_score(index.metric, asked.vector, vector.numbers), vector) for vector in found]
        scored.sort(key=lambda one: (one[0] if index.metric == "euclidean" else -one[0], one[1].id))
        matches = [_match(vector, score, asked, properties) for score, vector in scored[: asked.topK]]
        return _success({"count": len(matches), "matches": matches})

    # inside --------------------------------------------------------------------------------------------------------

    def _of(self, call: Call) -> StoredIndex:
        return self._index(call.path["index"])

    def _looked_at(self, call: Call) -> StoredIndex:
        """The index of the path, at which this call is one more look."""
        index = self._of(call)
        self._stored.look(index.name)
        return index

    def _index(self, name: str) -> StoredIndex:
        index = self._stored.index(name)
        if index is None:
            raise _refused(f'vectorize.not_found - Index name "{name}"', MISSING, 404)
        return index


def _success(result: Any) -> Response:
    return reply({"success": True, "errors": [], "messages": [], "result": result})


def _refused(message: str, code: str = UNPUBLISHED, status: int = 400) -> Refused:
    return Refused(status, "", message, code=code)


def _check_type(call: Call, wanted: str) -> None:
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise _refused(f"Expected request with `Content-Type: {wanted}`", "1005")


def _read(call: Call, shape: type[B]) -> B:
    _check_type(call, "application/json")
    try:
        return shape.model_validate_json(call.body)
    except ValidationError as error:
        raise _refused(_first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _ids(call: Call, most: int) -> list[str]:
    ids = _read(call, Ids).ids
    if len(ids) > most:
        raise _refused(f"too many ids in payload, got {len(ids)}, max {most}", "40007")
    for one in ids:
        _check_bytes("id", one, 1, ID_BYTES)
    return ids


def _looks(call: Call) -> int:
    """How many looks do not see what this call does."""
    return max((step["polls"] for step in call.plan if step["do"] == "visible_after"), default=0)


def _id_in_cursor(cursor: str | None) -> str | None:
    """The id behind which a page begins; None for no cursor of ours."""
    try:
        return bytes.fromhex(cursor or "").decode()
    except ValueError:
        return None


def _check_bytes(what: str, text: str, least: int, most: int) -> None:
    if not least <= len(text.encode()) <= most:
        raise _refused(f"{what} has {len(text.encode())} bytes, {least} to {most} are possible")


def _check_key(key: str) -> None:
    if not key or "." in key or '"' in key or key.startswith("$"):
        raise _refused(f"invalid metadata key {key!r}: no dot, no quote, no $ at its beginning", "40018")


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_key(key)
            _check_keys(inner)


def _check_vector(vector: NewVector, index: StoredIndex) -> None:
    _check_bytes("id", vector.id, 1, ID_BYTES)
    _check_bytes("namespace", vector.namespace or "", 0, NAMESPACE_BYTES)
    if len(vector.values) != index.dimensions:
        message = f"expected {index.dimensions} dimensions, and got {len(vector.values)} dimensions"
        raise _refused(f"invalid vector for id={vector.id!r}, {message}", "40012")
    _check_keys(vector.metadata)
    size = len(vector.model_dump_json(include={"metadata"}).encode()) - len('{"metadata":}')
    if vector.metadata is not None and size > METADATA_BYTES:
        raise _refused(f"metadata of id={vector.id!r} has {size} bytes, {METADATA_BYTES} are possible", "40023")


def _check_query(asked: Query, index: StoredIndex) -> None:
    if len(asked.vector) != index.dimensions:
        message = f"expected {index.dimensions} dimensions, and got {len(asked.vector)} dimensions"
        raise _refused(f"invalid query vector, {message}", "40006")
    if asked.returnMetadata not in ("none", "indexed", "all"):
        raise _refused("returnMetadata is none, indexed or all", "40026")
    most = MATCHES if asked.returnValues or asked.returnMetadata != "none" else BARE_MATCHES
    if asked.topK > most:
        raise _refused(f"topK is {asked.topK}, {most} are possible with these return options", "40025")
    _check_bytes("namespace", asked.namespace or "", 0, NAMESPACE_BYTES)
    _check_bytes("filter", "" if asked.filter is None else _compact(asked), 0, FILTER_BYTES - 1)
    for key, given in (asked.filter or {}).items():
        _check_key(key)
        _conditions(given)


def _compact(asked: Query) -> str:
    return asked.model_dump_json(include={"filter"})[len('{"filter":') : -1]


def _conditions(given: Any) -> dict[str, Any]:
    """What a filter asks of one property, by operator. Raises Refused."""
    found = given if isinstance(given, dict) else {"$eq": given}
    for operator, operand in found.items():
        several = operator in ("$in", "$nin")
        scalars = operand if several and isinstance(operand, list) else [operand]
        if operator not in COMPARED or several != isinstance(operand, list):
            raise _refused(f"invalid filter: {operator} with {operand!r}")
        if not all(isinstance(one, str | int | float | bool) or one is None for one in scalars):
            raise _refused(f"invalid filter: {operator} compares texts, numbers and booleans")
    return found


def _indexed(vector: StoredVector, prop: StoredProperty) -> Any:
    """What a metadata index knows of a vector: nothing of one that was written before it, and the first 64 bytes of a
    text."""
    value = (vector.metadata or {}).get(prop.property)
    if vector.mutation < prop.mutation or type(value) not in KINDS[prop.kind]:
        return None
    return value.encode()[:INDEXED_BYTES].decode("utf-8", "ignore") if isinstance(value, str) else value


def _passes(vector: StoredVector, wanted: dict[str, Any], properties: dict[str, StoredProperty]) -> bool:
    """A vector of which no metadata index knows the property is not found, whatever is asked."""
    for name, given in wanted.items():
        value = _indexed(vector, properties[name]) if name in properties else None
        if value is None or not all(_holds(value, *condition) for condition in _conditions(given).items()):
            return False
    return True


def _holds(value: Any, operator: str, operand: Any) -> bool:
    try:
        return COMPARED[operator](value, operand)
    except TypeError:  # a text and a number have no order
        return False


def _score(metric: str, left: list[float], right: Sequence[float]) -> float:
    import numpy as np

    if metric == "euclidean":
        return math.dist(left, right)
    dot = float(np.dot(left, right))
    return dot if metric == "dot-product" else dot / ((math.hypot(*left) * math.hypot(*right)) or 1.0)


def _shown(vector: StoredVector) -> dict[str, Any]:
    more = {"namespace": vector.namespace, "metadata": vector.metadata}
    return {"id": vector.id, "values": list(vector.numbers)} | {
        name: one for name, one in more.items() if one is not None
    }


def _match(vector: StoredVector, score: float, asked: Query, properties: dict[str, StoredProperty]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": vector.id, "score": score}
    if vector.namespace is not None:
        found["namespace"] = vector.namespace
    if asked.returnMetadata == "all":
        found["metadata"] = vector.metadata
    elif asked.returnMetadata == "indexed":
        known = {name: _indexed(vector, prop) for name, prop in properties.items()}
        found["metadata"] = {name: value for name, value in known.items() if value is not None}
    if asked.returnValues:
        found["values"] = list(vector.numbers)
    return found
