"""One index of Cloudflare Vectorize v2, over HTTP, with the guards of the providers' clients.

Writes are mutations: accepted at once, visible later. `visible` reads the vectors themselves, because waiting until the
index names our mutation as its last never ends when a later one passes it. Nothing here waits or repeats; the caller
decides. Cloudflare's SDK sends the wrong content type and reads `success: false` as an empty result: it is not used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import quote

from grabient_assets.errors import IndexMissingError, ProviderError, RequestRejectedError, ResultsError
from grabient_assets.providers.client import only_ours, ssl_context
from grabient_assets.providers.deadlines import Deadline, Timeouts
from grabient_assets.providers.error_table import ErrorResponse, ProviderCall, error_of, error_response_of, translated
from grabient_assets.providers.values import inside

PROVIDER = "cloudflare"
DIGITS = 7
"""Decimals of a number that is sent: half the bytes of a Python float, and as exact as the float32 that is kept."""
MOST_DIMENSIONS, MOST_ID_BYTES, MOST_NAMESPACE_BYTES, MOST_METADATA_BYTES = 1_536, 64, 64, 10 * 1024
MOST_METADATA_INDEXES, MOST_FILTER_BYTES = 10, 2_047
INDEXED_BYTES = 64
"""Of a text of the metadata, so many are compared by a filter."""
VECTORS_A_CALL, BYTES_A_CALL = 2_500, 64_000_000
"""Cloudflare takes 5,000 vectors and 100 MB."""
IDS_READ_A_CALL, IDS_DELETED_A_CALL, IDS_A_PAGE = 20, 100, 1_000
MOST_MATCHES, MOST_BARE_MATCHES = 20, 100
"""Of one query, with metadata and without."""

_MISSING, _BUSY = "3000", ("40014", "40041")
_MEANINGS = {
    "1005": "It does not take this content type.",
    _MISSING: "The account has no index of this name.",
    "40006": "The vector of the query has other dimensions than the index.",
    "40007": "The call names too many ids.",
    "40012": "A vector has other dimensions than the index.",
    "40018": "A key of the metadata holds a dot or a quote, or begins with $.",
    "40023": "The metadata of a vector is too big.",
    "40025": "The query asks for too many matches.",
    "40026": "It knows no such way to return metadata.",
    **dict.fromkeys(_BUSY, "It had too many requests."),
}


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector has one namespace (or none) and one set of metadata. An upsert replaces all of it."""

    id: str
    values: Sequence[float]
    namespace: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A write that was accepted: the vectors of these ids become visible, or disappear, later."""

    mutation_id: str
    ids: tuple[str, ...]

    @property
    def vectors(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Match:
    """A vector that a query found."""

    id: str
    score: float
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IndexState:
    """An index now. `processed` is the last visible mutation. `indexed_late` are properties whose metadata index was
    made just now although there were vectors: a filter finds those only after they are written again."""

    dimensions: int
    vectors: int
    processed: str | None = None
    indexed_late: tuple[str, ...] = ()


Noted = Callable[[Mutation], object]


class VectorizeIndex:
    """The index `name` of an account. Methods raise ProviderError; its class tells whether trying again can help."""

    def __init__(self, account: str, token: str, name: str, base_url: str, timeouts: Timeouts | None = None) -> None:
        import httpx

        self.name, self._token, self._timeouts = name, token, timeouts or Timeouts()
        self._url = f"{base_url.rstrip('/')}/accounts/{quote(account, safe='')}/vectorize/v2/indexes"
        deadline = Deadline(self._timeouts)
        hooks = [only_ours(base_url, {"authorization": f"Bearer {token}"}), deadline.begin]
        wait = self._timeouts.read
        self._http = httpx.Client(event_hooks={"request": hooks}, verify=ssl_context(), timeout=wait)  # no redirects
        deadline.attach(self._http)

    def close(self) -> None:
        self._http.close()

    def ensure(self, dimensions: int, properties: Mapping[str, str] = MappingProxyType({})) -> IndexState:
        """Makes the index (cosine) and the metadata indexes where they are missing: `properties` have the kind string,
        number or boolean. To be called before anything is written."""
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            self._reject(f"it cannot have {dimensions} dimensions; 1 to {MOST_DIMENSIONS:,} are possible")
        if flaw := _flaw_of_keys(dict.fromkeys(properties)):
            self._reject(f"its metadata cannot be indexed: {flaw}")
        try:
            state = self.state()
        except IndexMissingError:
            made = {"name": self.name, "config": {"dimensions": dimensions, "metric": "cosine"}}
            self._ask("making it", "POST", None, json=made)
            state = IndexState(dimensions, 0)
        if state.dimensions != dimensions:
            self._reject(f"it has {state.dimensions} dimensions, the vectors have {dimensions}; name another index")
        rows = _get(self._ask("reading its metadata indexes", "GET", "metadata_index/list"), "metadataIndexes", list)
        there = {_get(row, "propertyName", str): _get(row, "indexType", str).lower() for row in rows}
        lacking = [name for name in properties if name not in there]
        if other := [name for name, kind in properties.items() if there.get(name, kind) != kind]:
            wanted, found = properties[other[0]], there[other[0]]
            self._reject(f"its metadata index {other[0]!r} holds {found}, not {wanted}; delete it")
        if len(there) + len(lacking) > MOST_METADATA_INDEXES:
            self._reject(f"with {', '.join(lacking)} it would have more than {MOST_METADATA_INDEXES} metadata indexes")
        for name in lacking:
            wanted = {"propertyName": name, "indexType": properties[name]}
            self._ask(f"indexing {name!r}", "POST", "metadata_index/create", json=wanted)
        return replace(state, indexed_late=tuple(lacking) if state.vectors else ())

    def state(self) -> IndexState:
        """Raises IndexMissingError when there is no such index."""
        found = self._ask("reading its state", "GET", "info")
        processed = inside(found, "processedUpToMutation")
        return IndexState(_get(found, "dimensions", int), _get(found, "vectorCount", int), processed and str(processed))

    def upsert(self, vectors: Sequence[Vector], noted: Noted = lambda mutation: None) -> tuple[Mutation, ...]:
        """Writes the vectors. `noted` gets each mutation as soon as it is accepted, because a later call may fail.
        Nothing is sent when one of the vectors cannot be taken."""
        for vector in vectors:
            if flaw := flaw_of(vector):
                self._reject(f"vector {vector.id!r} cannot be written: {flaw}")
        lines = ((vector.id, _line(vector)) for vector in vectors)
        sent = (
            (ids, {"content": content, "headers": {"content-type": "application/x-ndjson"}})
            for ids, content in batches(lines, VECTORS_A_CALL, BYTES_A_CALL)
        )
        return self._mutated("writing", "upsert?unparsable-behavior=error", sent, noted)

    def delete(self, ids: Sequence[str], noted: Noted = lambda mutation: None) -> tuple[Mutation, ...]:
        """Deletes the vectors of these ids; `noted` as for `upsert`."""
        sent = ((some, {"json": {"ids": some}}) for some in self._portions(ids, IDS_DELETED_A_CALL))
        return self._mutated("deleting", "delete_by_ids", sent, noted)

    def visible(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Those of the vectors that are visible now, by id, as the index holds them."""
        found: dict[str, Vector] = {}
        for some in self._portions(ids, IDS_READ_A_CALL):
            rows = self._ask(
                f"reading {len(some)} vectors from {some[0]!r} on", "POST", "get_by_ids", json={"ids": some}
            )
            for row in rows if isinstance(rows, list) else _get(rows, "vectors", list):
                one, numbers = _get(row, "id", str), tuple(_number(number) for number in _get(row, "values", list))
                namespace, metadata = _get(row, "namespace", str, "") or None, _get(row, "metadata", dict, {})
                found[one] = Vector(one, numbers, namespace, metadata)
        return found

    def present(self) -> set[str]:
        """The ids of all visible vectors."""
        found, cursors, asked = set[str](), set[str](), {"count": str(IDS_A_PAGE)}
        while True:
            page = self._ask("listing it", "GET", "list", params=asked)
            found.update(_get(row, "id", str) for row in _get(page, "vectors", list))
            if not _get(page, "isTruncated", bool):
                return found
            asked["cursor"] = _get(page, "nextCursor", str)
            if asked["cursor"] in cursors:
                raise _unreadable("nextCursor")  # it would be asked for without end
            cursors.add(asked["cursor"])

    def query(
        self,
        vector: Sequence[float],
        top_k: int,
        filter: Mapping[str, Any] | None = None,
        namespace: str | None = None,
        with_metadata: bool = True,
    ) -> tuple[Match, ...]:
        """The nearest vectors, the best first: at most 20, or 100 without metadata, however many are asked for."""
        if flaw := flaw_of(Vector("query", vector, namespace)):
            self._reject(f"it cannot be searched: {flaw}")
        if filter and (size := len(_json(filter))) > MOST_FILTER_BYTES:
            self._reject(f"it cannot be searched: the filter has {size:,} bytes; {MOST_FILTER_BYTES:,} are possible")
        asked: dict[str, Any] = {"vector": _rounded(vector), "returnValues": False}
        asked["topK"] = min(max(top_k, 1), MOST_MATCHES if with_metadata else MOST_BARE_MATCHES)
        asked["returnMetadata"] = "all" if with_metadata else "none"
        asked |= {name: value for name, value in (("filter", filter), ("namespace", namespace)) if value}
        rows = _get(self._ask("searching", "POST", "query", json=asked), "matches", list)
        return tuple(
            Match(_get(row, "id", str), _number(inside(row, "score")), _get(row, "metadata", dict, {})) for row in rows
        )

    def _portions(self, ids: Sequence[str], most: int) -> list[tuple[str, ...]]:
        for one in ids:
            if flaw := _flaw_of_size("id", one, 1, MOST_ID_BYTES):
                self._reject(f"there can be no vector {one!r}: {flaw}")
        return [tuple(ids[start : start + most]) for start in range(0, len(ids), most)]

    def _mutated(
        self, doing: str, path: str, calls: Iterable[tuple[tuple[str, ...], dict[str, Any]]], noted: Noted
    ) -> tuple[Mutation, ...]:
        done: list[Mutation] = []
        for ids, sent in calls:
            wait = self._timeouts.transfer
            what = f"{doing} {len(ids)} vectors from {ids[0]!r} on"
            found = self._ask(what, "POST", path, timeout=wait, **sent)
            done.append(Mutation(_get(found, "mutationId", str), ids))
            noted(done[-1])
        return tuple(done)

    def _reject(self, why: str) -> NoReturn:
        raise RequestRejectedError(PROVIDER, f"Vectorize index {self.name!r}: {why}.")

    def _ask(self, doing: str, method: str, path: str | None, **sent: Any) -> Any:
        """The result. `path` None: the call is about all indexes."""
        call = ProviderCall(PROVIDER, self._token, f"{doing} (Vectorize index {self.name!r})")
        with translated(call):
            url = self._url if path is None else f"{self._url}/{quote(self.name, safe='')}/{path}"
            response = self._http.request(method, url, **sent)
            try:
                body = json.loads(response.content)
            except ValueError:
                body = None
            if not response.is_success or inside(body, "success") is False:
                raise _error(response, body, call)
            if inside(body, "success") is not True:
                raise _unreadable("success")
            return inside(body, "result")


def _error(response: Any, body: Any, call: ProviderCall) -> ProviderError:
    from httpx import HTTPStatusError

    first, status = inside(body, "errors", 0), response.status_code
    code = str(inside(first, "code") or "")
    found = error_response_of(HTTPStatusError("", request=response.request, response=response))
    if found is None or first:
        text = str(inside(first, "message") or "`success` is false")
        found = ErrorResponse(status, code, text, found and found.retry_after)
    opening = f"{call.opening(found)} {_MEANINGS.get(code, '')}".strip()
    if code == _MISSING or status in (404, 410):
        return IndexMissingError(PROVIDER, f"{opening} Check the names of index and account, and the base URL.")
    if code in _BUSY:
        status = 429
    elif status < 300:  # a code of 40000 and more is about the request
        status = 400 if code in _MEANINGS or (len(code) == 5 and code.startswith("40")) else 503
    return error_of(replace(found, status=status), PROVIDER, opening)


def flaw_of(vector: Vector) -> str | None:
    """Why Vectorize does not take the vector; None: it does."""
    if not 1 <= len(vector.values) <= MOST_DIMENSIONS:
        return f"it has {len(vector.values):,} dimensions; 1 to {MOST_DIMENSIONS:,} are possible"
    if not all(map(math.isfinite, vector.values)):
        return "one of its numbers is not finite"
    try:
        metadata, _ = _json(vector.metadata), _json([vector.id, vector.namespace])
    except (TypeError, ValueError, RecursionError) as error:
        return f"its id, namespace or metadata is no JSON ({error})"
    return (
        _flaw_of_size("id", vector.id, 1, MOST_ID_BYTES)
        or _flaw_of_size("namespace", vector.namespace or "", 0, MOST_NAMESPACE_BYTES)
        or _flaw_of_size("metadata", metadata.decode(), 0, MOST_METADATA_BYTES)
        or _flaw_of_keys(vector.metadata)
    )


def _flaw_of_size(what: str, text: str, least: int, most: int) -> str | None:
    size = len(text.encode("utf-8", "surrogatepass"))
    return None if least <= size <= most else f"its {what} has {size:,} bytes; {least} to {most:,} are possible"


def _flaw_of_keys(value: object) -> str | None:
    """Keys of inner objects count too."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(key, str) or not key or key[0] == "$" or set(key) & set(".\"'"):
            return f"the key {key!r} is empty, holds a dot or a quote, or begins with $"
        if flaw := _flaw_of_keys(inner):
            return flaw
    return None


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(number), DIGITS) for number in values]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _line(vector: Vector) -> bytes:
    more = {"namespace": vector.namespace, "metadata": vector.metadata}
    sent = {"id": vector.id, "values": _rounded(vector.values)} | {name: one for name, one in more.items() if one}
    return _json(sent) + b"\n"


def batches(lines: Iterable[tuple[str, bytes]], most: int, most_bytes: int) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """The ids and the lines of each call."""
    ids, kept = list[str](), bytearray()
    for one, line in lines:
        if ids and (len(ids) == most or len(kept) + len(line) > most_bytes):
            yield tuple(ids), bytes(kept)
            ids, kept = [], bytearray()
        ids.append(one)
        kept += line
    if ids:
        yield tuple(ids), bytes(kept)


def _get(value: Any, name: str, kind: type, otherwise: object = None) -> Any:
    """A field of an answer. Raises ResultsError when it is of another type, or missing and there is no `otherwise`."""
    found = inside(value, name)
    found = otherwise if found is None else found
    if type(found) is not kind:
        raise _unreadable(name)
    return found


def _number(value: Any) -> float:
    if type(value) not in (float, int):
        raise _unreadable("a number")
    return float(value)


def _unreadable(what: str) -> ResultsError:
    return ResultsError(PROVIDER, f"Vectorize answered something that is not its API ({what}). Try again later.")
