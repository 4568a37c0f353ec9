"""Keeping a version of an index at Cloudflare: written, seen, and only then deleted from.

What is wanted and not there is upserted under the same ids, so a run that died after an accepted write converges. An
entry counts as visible when the index itself shows it: the last mutation that the index names may be a later one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.indexes.versions import (
    Index,
    IndexVersion,
    count_entries,
    entries,
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
    warehouse: Warehouse, index: Index, version: IndexVersion, remote: VectorizeIndex, clock: Callable[[], datetime]
) -> None:
    """One round: write what is wanted, see what became visible, and remove what must leave once all is visible."""
    state = remote.ensure(version.dimensions, index.properties)
    if state.indexed_late:  # a filter finds only what is written after its metadata index was made
        _settle(
            warehouse,
            version,
            [one["vector_id"] for one in _entries(warehouse, version, "state <> 'leaving'")],
            "wanted",
            clock,
        )
    while wanted := _entries(warehouse, version, "state = 'wanted'", READ_AT_ONCE):
        contents = {one["vector_id"]: one["content_sha256"] for one in wanted}
        remote.upsert([_vector(one) for one in wanted], partial(_written, warehouse, version, contents, clock))
    sent = _entries(warehouse, version, "state = 'sent'")
    if sent:
        _settle(warehouse, version, _seen(remote, sent), "visible", clock)
    leaving = (
        []
        if len(sent) and _entries(warehouse, version, "state = 'sent'", 1)
        else _entries(warehouse, version, "state = 'leaving'")
    )
    if to_delete := [one["vector_id"] for one in leaving if one["mutation_id"] is None]:
        remote.delete(to_delete, partial(_deleted, warehouse, version, clock))
    if leaving:
        ids = [one["vector_id"] for one in leaving]
        _settle(warehouse, version, sorted(set(ids) - _present(remote, ids)), None, clock)


def _vector(entry: dict[str, Any]) -> Any:
    from grabient_assets.providers.vectorize import Vector

    return Vector(entry["vector_id"], entry["vector"], entry["namespace"], json.loads(entry["metadata"]))


def _seen(remote: VectorizeIndex, sent: Collection[dict[str, Any]]) -> list[str]:
    """The ids that are visible as they were sent last; a vector that was replaced is visible with its new numbers."""
    by_mutation: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sent:
        by_mutation[one["mutation_id"]].append(one)
    ids: list[str] = []
    for some in by_mutation.values():
        shown = remote.visible([one["vector_id"] for one in some])
        ids += [one["vector_id"] for one in some if _is_shown(one, shown.get(one["vector_id"]))]
    return ids


def _is_shown(entry: dict[str, Any], shown: Any) -> bool:
    if shown is None or len(shown.values) != len(entry["vector"]):
        return False
    near = all(abs(one - other) < 1e-5 for one, other in zip(shown.values, entry["vector"], strict=True))
    return near and shown.namespace == entry["namespace"] and dict(shown.metadata) == json.loads(entry["metadata"])


def _present(remote: VectorizeIndex, ids: list[str]) -> set[str]:
    return set(remote.visible(ids)) if len(ids) <= MOST_READ_BY_ID else remote.present() & set(ids)


def _entries(
    warehouse: Warehouse, version: IndexVersion, condition: str, limit: int = 2**31 - 1
) -> list[dict[str, Any]]:
    with warehouse.read() as connection:
        return entries(connection, version, condition, limit)


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
            WHERE index_name = $index AND version = $version AND visible_at IS NULL AND mutation_id NOT IN (
                SELECT mutation_id FROM index_entries
                WHERE index_name = $index AND version = $version AND mutation_id IS NOT NULL)
            """,
            {"now": now, "index": version.index_name, "version": version.version},
        )
        count_entries(connection, version, now)
