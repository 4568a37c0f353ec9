"""Keeping a version of an index at Cloudflare: written, seen, and only then deleted from.

What is wanted and not there is upserted under the same ids, so a run that died after an accepted write converges. An
entry counts as visible when the index itself shows it: the last mutation that the index names may be a later one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import ProviderError, WarehouseError
from grabient_assets.groups.indexes.versions import (
    Differences,
    EntryState,
    Index,
    IndexVersion,
    count_entries,
    entries,
    entry_ids,
    mark_sent,
    record_mutation,
    set_state,
)
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.providers.vectorize import Mutation, VectorizeIndex

READ_AT_ONCE = 10_000
"""So many vectors are in memory at a time: 60 MB of 1,536 numbers."""
MOST_READ_BY_ID = 2_000
"""More ids than these are looked for in the list of all, which takes 1,000 at a call instead of 20."""


def sync_remote(
    warehouse: Warehouse,
    index: Index,
    version: IndexVersion,
    remote: VectorizeIndex,
    clock: Callable[[], datetime],
    *,
    compare: bool = False,
    at_once: int = READ_AT_ONCE,
) -> None:
    """One round: write what is wanted, see what became visible, and remove what must leave once all is visible.

    With `compare`, what the index itself lists is read first: what it has lost is written again, and what nobody put
    there leaves. Raises WarehouseError when most of it was put there by others.
    """
    state = remote.ensure(version.dimensions, index.properties)
    if state.indexed_late:  # a filter finds only what is written after its metadata index was made
        _settle(warehouse, version, _ids(warehouse, version, "state <> 'leaving'"), "wanted", clock)
    strangers: list[str] = []
    if compare:
        found, ours = remote_differences(warehouse, version, remote), len(_ids(warehouse, version, "true"))
        strangers = list(found.orphaned)
        _settle(warehouse, version, found.missing, "wanted", clock)
        if len(strangers) > ours:
            raise WarehouseError(
                f"The index {remote.name!r} at Cloudflare lists {len(strangers)} vectors that this data folder does "
                f"not know, more than the {ours} that it holds. Nothing was deleted. If it is that of another "
                "data folder, name another one in the settings."
            )
    for wanted in _pages(warehouse, version, "wanted", at_once):
        contents = {one["vector_id"]: one["content_sha256"] for one in wanted}
        with _noted_failure(warehouse, version, "upsert", len(wanted), clock):
            remote.upsert([_vector(one) for one in wanted], partial(_written, warehouse, version, contents, clock))
    for sent in _pages(warehouse, version, "sent", at_once):
        _settle(warehouse, version, _seen(remote, sent), "visible", clock)
    if _ids(warehouse, version, "state IN ('wanted', 'sent')"):
        return
    to_delete = [*_ids(warehouse, version, "state = 'leaving' AND mutation_id IS NULL"), *strangers]
    with _noted_failure(warehouse, version, "delete", len(to_delete), clock):
        remote.delete(to_delete, partial(_deleted, warehouse, version, clock))
    leaving = _ids(warehouse, version, "state = 'leaving'")
    if leaving:
        _settle(warehouse, version, sorted(set(leaving) - _present(remote, leaving)), None, clock)


def remote_differences(warehouse: Warehouse, version: IndexVersion, remote: VectorizeIndex) -> Differences:
    """How what the index at Cloudflare lists differs from the entries that are visible there."""
    there = remote.present()
    missing = set(_ids(warehouse, version, "state = 'visible'")) - there
    orphaned = there - set(_ids(warehouse, version, "true"))
    return Differences(missing=tuple(sorted(missing)), orphaned=tuple(sorted(orphaned)))


@contextmanager
def _noted_failure(
    warehouse: Warehouse, version: IndexVersion, op: str, vectors: int, clock: Callable[[], datetime]
) -> Iterator[None]:
    """A write that Cloudflare did not take is written down with its reason."""
    try:
        yield
    except ProviderError as error:
        with warehouse.write() as connection:
            record_mutation(connection, version, "", op, vectors, ledger_time(connection, clock()), str(error))
        raise


def _vector(entry: dict[str, Any]) -> Any:
    from grabient_assets.providers.vectorize import Vector

    return Vector(entry["vector_id"], entry["vector"], entry["namespace"], _metadata(entry))


def _metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """What is sent: Cloudflare documents texts, numbers and truth values, and no null."""
    return {name: value for name, value in json.loads(entry["metadata"]).items() if value is not None}


def _seen(remote: VectorizeIndex, sent: Collection[dict[str, Any]]) -> list[str]:
    """The ids that are visible as they were sent last; a vector that was replaced is visible with its new numbers."""
    shown = remote.visible([one["vector_id"] for one in sent])
    return [one["vector_id"] for one in sent if _is_shown(one, shown.get(one["vector_id"]))]


def _is_shown(entry: dict[str, Any], shown: Any) -> bool:
    if shown is None or len(shown.values) != len(entry["vector"]):
        return False
    near = all(abs(one - other) < 1e-5 for one, other in zip(shown.values, entry["vector"], strict=True))
    return near and shown.namespace == entry["namespace"] and dict(shown.metadata) == _metadata(entry)


def _present(remote: VectorizeIndex, ids: list[str]) -> set[str]:
    return set(remote.visible(ids)) if len(ids) <= MOST_READ_BY_ID else remote.present() & set(ids)


def _ids(warehouse: Warehouse, version: IndexVersion, condition: str) -> list[str]:
    with warehouse.read() as connection:
        return entry_ids(connection, version, condition)


def _pages(
    warehouse: Warehouse, version: IndexVersion, state: EntryState, at_once: int
) -> Iterator[list[dict[str, Any]]]:
    """The entries in this state with their vectors, so many at a time."""
    after = ""
    while True:
        with warehouse.read() as connection:
            page = entries(connection, version, state, after, at_once)
        if not page:
            return
        yield page
        after = page[-1]["vector_id"]


def _written(
    warehouse: Warehouse,
    version: IndexVersion,
    contents: Mapping[str, str],
    clock: Callable[[], datetime],
    done: Mutation,
) -> None:
    with warehouse.write() as connection:
        record_mutation(connection, version, done.mutation_id, "upsert", done.vectors, ledger_time(connection, clock()))
        mark_sent(connection, version, {one: contents[one] for one in done.ids}, done.mutation_id)


def _deleted(warehouse: Warehouse, version: IndexVersion, clock: Callable[[], datetime], done: Mutation) -> None:
    with warehouse.write() as connection:
        record_mutation(connection, version, done.mutation_id, "delete", done.vectors, ledger_time(connection, clock()))
        set_state(connection, version, done.ids, "leaving", done.mutation_id)


def _settle(
    warehouse: Warehouse, version: IndexVersion, ids: Collection[str], state: str | None, clock: Callable[[], datetime]
) -> None:
    if not ids:
        return
    with warehouse.write() as connection:
        now = ledger_time(connection, clock())
        set_state(connection, version, ids, state, None)
        connection.execute(
            """
            UPDATE index_mutations SET visible_at = $now
            WHERE index_name = $index AND version = $version AND visible_at IS NULL AND error IS NULL
              AND mutation_id NOT IN (
                SELECT mutation_id FROM index_entries
                WHERE index_name = $index AND version = $version AND mutation_id IS NOT NULL)
            """,
            {"now": now, "index": version.index_name, "version": version.version},
        )
        count_entries(connection, version, now)
