"""Bringing an index to what it should hold: build beside, make visible, go live, and only then remove."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.indexes.remote_sync import sync_remote
from grabient_assets.groups.indexes.versions import (
    Build,
    Index,
    IndexVersion,
    begin_version,
    differences,
    go_live,
    is_named_live,
    live_version,
    name_live,
    named_version,
    sync_entries,
    unsettled,
    version_to_sync,
)
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.providers.vectorize import VectorizeIndex

Measure = Callable[[Warehouse, IndexVersion], str | None]
"""Measures a version before it goes live; returns why it must not, or None."""


Connect = Callable[[str], "VectorizeIndex"]


@dataclass(frozen=True, slots=True)
class Synced:
    """A version after a sync: what was added, replaced and removed, and how many vectors are still on their way."""

    version: IndexVersion
    added: int = 0
    replaced: int = 0
    removed: int = 0
    on_the_way: int = 0
    held: str | None = None
    """Why the version does not go live."""

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.added or self.replaced or self.removed)


def sync_index(
    warehouse: Warehouse,
    index: Index,
    build: Build,
    clock: Callable[[], datetime],
    measure: Measure | None = None,
    connect: Connect | None = None,
    *,
    compare: bool = False,
) -> Synced | None:
    """Bring the index to what it should hold; None when there is nothing to hold yet.

    A version that has become whole goes live in one transaction, unless `measure` holds it back. `connect` opens the
    index of a name at Cloudflare; one call is one round, and vectors become visible there later. With `compare`,
    what is there is listed, and what was lost or put there by others is mended too. Raises WarehouseError instead of
    emptying a version.
    """
    with warehouse.read() as connection:
        version = version_to_sync(connection, index.name, build)
        live = live_version(connection, index.name)
        lost = live is not None and not is_named_live(connection, live)
        if version is None and not _is_begun(connection, index, build, live):
            return None
    if live is not None and lost:
        with warehouse.write() as connection:
            name_live(connection, live)
    if version is None:
        with warehouse.write() as connection:
            version = begin_version(connection, index.name, build, ledger_time(connection, clock()))
    if live is not None and _is_kept_beside(live, version, build):
        _fill(warehouse, index, live, clock, connect, compare=compare)
    done = _fill(warehouse, index, version, clock, connect, compare=compare)
    return _try_live(warehouse, index, done, clock, measure) if version.state == "building" else done


def _fill(
    warehouse: Warehouse,
    index: Index,
    version: IndexVersion,
    clock: Callable[[], datetime],
    connect: Connect | None,
    *,
    compare: bool,
) -> Synced:
    """Bring this version to what it should hold: one round where it is kept at Cloudflare too."""
    with warehouse.read() as connection:
        settled = not differences(connection, index, version) and not unsettled(connection, version)
        if settled and not (compare and version.remote_name):
            return Synced(version)
    with warehouse.write() as connection:
        found = differences(connection, index, version)
        if found:
            sync_entries(connection, index, version, ledger_time(connection, clock()))
    if version.remote_name and connect:
        with closing(connect(version.remote_name)) as remote:
            sync_remote(warehouse, index, version, remote, clock, compare=compare)
    with warehouse.read() as connection:
        version = named_version(connection, index.name, version.version)
        waiting = unsettled(connection, version)
    return Synced(version, len(found.missing), len(found.stale), len(found.orphaned), waiting)


def wanted_count(connection: DuckDBPyConnection, index: Index, build: Build) -> int:
    """How many vectors a version of this build would hold now."""
    row = connection.execute(
        f"SELECT count(*) FROM ({index.wanted})",
        {"embedder": build.embedder, "dimensions": build.dimensions, **index.parameters()},
    ).fetchone()
    return row[0] if row else 0


def sync_is_due(connection: DuckDBPyConnection, index: Index, build: Build) -> bool:
    """Whether a sync would change anything. A whole version that was found worse than the live one stays as it is."""
    version = version_to_sync(connection, index.name, build)
    live = live_version(connection, index.name)
    if version is None:
        return _is_begun(connection, index, build, live)
    if live is not None and not is_named_live(connection, live):
        return True
    beside = [live] if live is not None and _is_kept_beside(live, version, build) else []
    for one in (version, *beside):
        if unsettled(connection, one) or differences(connection, index, one):
            return True
    whole = version.state == "building" and version.error is None
    return whole and not _waiting_behind_a_live_one(connection, index, version)


def _is_begun(connection: DuckDBPyConnection, index: Index, build: Build, live: IndexVersion | None) -> bool:
    """Whether a version of a new build is begun: there is something to hold, or what is searched is to be emptied."""
    return wanted_count(connection, index, build) > 0 or (index.may_be_empty and live is not None)


def _is_kept_beside(live: IndexVersion, version: IndexVersion, build: Build) -> bool:
    """Whether the live version is brought up to date beside the one that is to replace it. One at Cloudflare is not
    where the settings name no index there any more: nothing says how to reach it."""
    return live.version != version.version and (build.remote is not None or live.remote_name is None)


def _waiting_behind_a_live_one(connection: DuckDBPyConnection, index: Index, version: IndexVersion) -> int:
    """How many texts lack a vector that a version needs to replace another one; the first one replaces nothing."""
    if live_version(connection, index.name) is None:
        return 0
    row = connection.execute(f"SELECT count(*) FROM ({index.waiting})", {"embedder": version.embedder}).fetchone()
    return row[0] if row else 0


def _try_live(
    warehouse: Warehouse, index: Index, done: Synced, clock: Callable[[], datetime], measure: Measure | None
) -> Synced:
    """Make a version live that holds exactly what it should, and that is not worse than the one it replaces."""
    if done.on_the_way:
        return done  # vectors that Cloudflare does not show yet
    with warehouse.read() as connection:
        waiting = _waiting_behind_a_live_one(connection, index, done.version)
    if waiting:
        has = "has" if waiting == 1 else "have"
        lacking = (
            f"{counted(waiting, 'text')} of the index {index.name!r} {has} no vector of {done.version.embedder} yet."
        )
        return replace(done, held=lacking)
    held = measure(warehouse, done.version) if measure else None
    with warehouse.write() as connection:
        now = ledger_time(connection, clock())
        if held is None and not differences(connection, index, done.version):
            go_live(connection, done.version, now)
        elif held is not None:
            connection.execute(
                "UPDATE index_versions SET error = $1 WHERE index_name = $2 AND version = $3",
                [held, index.name, done.version.version],
            )
        version = named_version(connection, index.name, done.version.version)
    return Synced(version, done.added, done.replaced, done.removed, 0, held)
