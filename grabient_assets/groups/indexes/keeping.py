"""Keeping an index: its texts get their vectors, and the index is brought to what it should hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.embedding.linked_texts import K, LinkedTexts, embed_linked, waiting_texts
from grabient_assets.groups.indexes.remote_sync import remote_differences
from grabient_assets.groups.indexes.sync import Measure, Synced, sync_index
from grabient_assets.groups.indexes.versions import (
    Build,
    Differences,
    Index,
    IndexVersion,
    differences,
    index_versions,
    left_version,
    live_version,
    named_version,
    version_to_sync,
)
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, open_vectorize
from grabient_assets.settings import Settings
from grabient_assets.thresholds import Finding
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class KeptIndex(Generic[K]):
    """An index and the texts that its vectors are made of.

    `remote_name` gives the name that the settings give it at Cloudflare. `late` is a relation (vector_id, held) of
    vectors whose text waits for $embedder, and whether $version of $index holds an older one; it takes the parameters
    of the index too. `measure` makes what a version is measured by before it replaces another one. `empty` says that
    nothing is to be held yet, `sending` who sends the texts that a provider embeds.
    """

    index: Index
    texts: LinkedTexts[K]
    remote_name: Callable[[Settings], str | None]
    late: str
    empty: str
    sending: str
    measure: Callable[[Settings, Warehouse, Clock], Measure] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round of keeping an index did. `failed` are the texts that could not be embedded, as sentences; `notes`
    say what is still to come, or is not done by itself."""

    embedded: int
    failed: tuple[str, ...]
    synced: Synced | None
    notes: tuple[str, ...] = ()


def keep(kept: KeptIndex[Any], settings: Settings, warehouse: Warehouse, clock: Clock) -> Kept:
    """Give the texts their vectors, and bring the index to what it should hold.

    A provider's vectors are asked for, and are there when its batches were collected; Cloudflare shows what was written
    a while later. Then another round goes on.
    """
    model, build = embedder_and_build(kept, settings, warehouse)
    rows = embed_linked(kept.texts, warehouse, model, answers_from(settings), clock)
    notes: list[str] = []
    name = kept.index.name
    with warehouse.read() as connection:
        if waiting := len(waiting_texts(connection, kept.texts, model.id)):
            notes.append(f"{counted(waiting, 'text')} asked of {model.id} ({model.provider}). {kept.sending}")
        left = left_version(connection, name, build)
        if left is not None:
            notes.append(
                f"Version {left.version} is what the settings ask for. It was left by hand, so it is not kept; "
                f"`grabient index rollback --to {left.version} --index {name}` searches it again."
            )
    failed = tuple(f"{shown(one.key)}: {one.error}" for one in rows if one.error)
    synced = sync(kept, settings, warehouse, clock, compare=True)
    return Kept(len(rows) - len(failed), failed, synced, tuple(notes))


def shown(key: Any) -> str:
    """What a text belongs to, for a person."""
    return key if isinstance(key, str) else f"{key.prompt_version}|{key.subject}"


def sync(
    kept: KeptIndex[Any], settings: Settings, warehouse: Warehouse, clock: Clock, *, compare: bool = False
) -> Synced | None:
    """Bring the index to what it should hold; None when nothing has a vector yet. With `compare`, what Cloudflare lists
    is compared too."""
    _, build = embedder_and_build(kept, settings, warehouse)
    measure = kept.measure(settings, warehouse, clock) if kept.measure else None
    connect = partial(open_vectorize, settings)
    return sync_index(warehouse, kept.index, build, clock, measure, connect, compare=compare)


def embedder_and_build(kept: KeptIndex[Any], settings: Settings, warehouse: Warehouse) -> tuple[Model, Build]:
    """The embedder that new texts get their vectors from, and the build that the settings ask for.

    After a rollback the version that is kept may be of another embedder than the chosen one: it goes on with its own.
    """
    chosen = chosen_embedder()
    assert chosen.vectors is not None
    build = Build(chosen.id, chosen.vectors.default, kept.remote_name(settings))
    with warehouse.read() as connection:
        own = version_to_sync(connection, kept.index.name, build)
    return (chosen if own is None else next(m for m in load_registry().models if m.id == own.embedder)), build


def index_differences(
    kept: KeptIndex[Any], settings: Settings, warehouse: Warehouse
) -> tuple[IndexVersion, Differences]:
    """The live version, and how it differs from what it should hold, at Cloudflare too where it is kept there. Raises
    UsageError when there is none."""
    with warehouse.read() as connection:
        version = named_version(connection, kept.index.name, None)
        found = differences(connection, kept.index, version) + _late(connection, kept, version)
    if version.remote_name:
        with closing(open_vectorize(settings, version.remote_name)) as remote:
            found += remote_differences(warehouse, version, remote)
    return version, found


def _late(connection: DuckDBPyConnection, kept: KeptIndex[Any], version: IndexVersion) -> Differences:
    """What waits for its vector: stale where the index has an older one, otherwise missing."""
    values = {"embedder": version.embedder, "index": version.index_name, "version": version.version}
    rows = connection.execute(
        f"SELECT vector_id, held FROM ({kept.late}) GROUP BY ALL ORDER BY 1", {**values, **kept.index.parameters()}
    ).fetchall()
    return Differences(tuple(key for key, held in rows if not held), tuple(key for key, held in rows if held))


def index_finding(connection: DuckDBPyConnection, index: Index) -> Finding:
    """Whether the live version holds what it should: one case for each id by which it differs."""
    version = live_version(connection, index.name)
    if version is None:
        return Finding(0, notes={"index": "no version is live yet"})
    found = differences(connection, index, version)
    kinds = {"missing": found.missing, "stale": found.stale, "orphaned": found.orphaned}
    examples = [f"{kind} {one}" for kind, ids in kinds.items() for one in ids]
    return Finding(len(examples), examples=examples[:20], figures={kind: len(ids) for kind, ids in kinds.items()})


def held_versions(connection: DuckDBPyConnection, name: str) -> list[str]:
    """Why versions of the index that are whole do not go live, and the way on, as sentences."""
    return [
        f"{one.error} The live version is searched; `grabient index rollback --to {one.version} --index {name}` makes "
        "this one live."
        for one in index_versions(connection, name)
        if one.state == "building" and one.error
    ]
