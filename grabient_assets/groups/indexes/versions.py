"""The tables indexes, index_versions, index_entries and index_mutations: versions of an index, one of them live.

An index says in SQL which vectors it should hold. `sync` brings a version there: what is wanted and not present is
added, and only then what is present and not wanted leaves. A version with another embedder, other dimensions or another
backend is built beside the live one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from grabient_assets.errors import UsageError, WarehouseError
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

State: TypeAlias = Literal["building", "live", "retired", "failed"]
EntryState: TypeAlias = Literal["wanted", "sent", "visible", "leaving"]
PropertyKind: TypeAlias = Literal["string", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its name, and a relation of the vectors it should hold.

    `wanted` gives vector_id, subject, namespace, content_sha256 and metadata of everything that has a vector of
    $embedder with $dimensions. `waiting` is a relation of what has neither a vector of $embedder nor a failure yet: a
    version does not replace another one before. `parameters` are further ones that `wanted` takes. By the `properties`
    of the metadata, which are of a kind each, Cloudflare can filter. `staying` is a relation of vector_id:
    entries of $version of $index that stay although they are not wanted any more, because what waits for its vector of
    $embedder replaces them. An index that `may_be_empty` is emptied when nothing is wanted; others are kept.
    """

    name: str
    wanted: str
    waiting: str
    properties: Mapping[str, PropertyKind] = field(default_factory=dict[str, PropertyKind])
    parameters: Callable[[], Mapping[str, Any]] = dict
    staying: str | None = None
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """What identifies a version: two versions that are equal in it hold the same vectors. `remote` is the name of the
    index at Cloudflare where it is kept too."""

    embedder: str
    dimensions: int
    remote: str | None = None

    @property
    def backend(self) -> str:
        """`vectorize` where the vectors are kept at Cloudflare too."""
        return "vectorize" if self.remote else "local"


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One row of `index_versions`. `wanted` and `present` count vectors as of `built_at`."""

    index_name: str
    version: int
    embedder: str
    dimensions: int
    metric: str
    backend: str
    remote_name: str | None
    state: State
    wanted: int
    present: int
    built_at: datetime
    live_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Differences:
    """The ids by which a version differs from what it should hold."""

    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    orphaned: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale or self.orphaned)

    def __add__(self, other: Differences) -> Differences:
        """Both, each id once."""
        ours, others = astuple(self), astuple(other)
        return Differences(*(tuple(sorted({*one, *two})) for one, two in zip(ours, others, strict=True)))


_COLUMNS = ", ".join(IndexVersion.__dataclass_fields__)
_OF_VERSION = "index_name = $index AND version = $version"


def index_versions(connection: DuckDBPyConnection, index_name: str) -> list[IndexVersion]:
    """All versions, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM index_versions WHERE index_name = $1 ORDER BY version DESC", [index_name]
    ).fetchall()
    return [IndexVersion(*row) for row in rows]


def live_version(connection: DuckDBPyConnection, index_name: str) -> IndexVersion | None:
    """The version that is searched; None before the first."""
    return next((one for one in index_versions(connection, index_name) if one.state == "live"), None)


def named_version(connection: DuckDBPyConnection, index_name: str, version: int | None) -> IndexVersion:
    """That version, or the live one. Raises UsageError when there is none."""
    found = index_versions(connection, index_name)
    for one in found:
        if one.version == version if version is not None else one.state == "live":
            return one
    if version is None:
        raise UsageError(
            f"There is no live index {index_name!r} yet. `grabient index sync --index {index_name}` builds it of the "
            "texts that are there."
        )
    known = ", ".join(str(one.version) for one in found) or "none"
    raise UsageError(f"There is no version {version} of the index {index_name!r}; there is {known}.")


def version_to_sync(connection: DuckDBPyConnection, index_name: str, build: Build) -> IndexVersion | None:
    """The version that should become, or stay, the live one; None when a new one has to be begun.

    A build that a person rolled back has the state `failed`. It is not begun again by itself: the live one is kept.
    """
    versions = index_versions(connection, index_name)
    same = [v for v in versions if _is_of(v, build)]
    current = next((v for v in same if v.state in ("live", "building")), None)
    if current is None and same and same[0].state == "failed":
        current = next((v for v in versions if v.state == "live"), None)
    return current


def left_version(connection: DuckDBPyConnection, index_name: str, build: Build) -> IndexVersion | None:
    """The version of this build that a person left by hand, where it would be built otherwise."""
    same = [one for one in index_versions(connection, index_name) if _is_of(one, build)]
    return same[0] if same and same[0].state == "failed" and all(one.state != "live" for one in same) else None


def _is_of(version: IndexVersion, build: Build) -> bool:
    names = (build.remote, build.remote and f"{build.remote}-{version.version}")
    return (version.embedder, version.dimensions) == (build.embedder, build.dimensions) and version.remote_name in names


def begin_version(connection: DuckDBPyConnection, index_name: str, build: Build, now: datetime) -> IndexVersion:
    """A new version in the state `building`, beside all others. Building ones of another kind are given up."""
    connection.execute("INSERT INTO indexes VALUES ($1, NULL) ON CONFLICT DO NOTHING", [index_name])
    connection.execute(
        "UPDATE index_versions SET state = 'retired', "
        "error = coalesce(error, 'Another embedder was chosen before it was whole.') "
        "WHERE index_name = $1 AND state = 'building'",
        [index_name],
    )
    number = 1 + max((one.version for one in index_versions(connection, index_name)), default=0)
    taken = {row[0] for row in connection.execute("SELECT remote_name FROM index_versions").fetchall()}
    remote = build.remote and (build.remote if build.remote not in taken else f"{build.remote}-{number}")
    connection.execute(
        "INSERT INTO index_versions VALUES ($1, $2, $3, $4, 'cosine', $5, $6, 'building', 0, 0, $7, NULL, NULL)",
        [index_name, number, build.embedder, build.dimensions, build.backend, remote, now],
    )
    return named_version(connection, index_name, number)


def differences(connection: DuckDBPyConnection, index: Index, version: IndexVersion) -> Differences:
    """How the entries of a version differ from what the index should hold. An entry without its vector is missing."""
    rows = connection.execute(
        f"""
        WITH wanted AS ({index.wanted}),
        present AS (
            SELECT e.*, v.content_sha256 IS NOT NULL AS has_vector
            FROM index_entries e LEFT JOIN ({DOCUMENT_VECTORS}) v
                ON v.content_sha256 = e.content_sha256 AND v.embedder = $embedder AND v.dimensions = $dimensions
            WHERE {_OF_VERSION} AND state <> 'leaving'
        )
        SELECT coalesce(w.vector_id, p.vector_id),
               CASE WHEN w.vector_id IS NULL THEN 'orphaned' WHEN p.has_vector IS NOT TRUE THEN 'missing'
                    ELSE 'stale' END
        FROM wanted w FULL JOIN present p USING (vector_id)
        WHERE CASE WHEN w.vector_id IS NULL THEN {_not_staying(index, "p")}
                   ELSE p.has_vector IS NOT TRUE OR (w.subject, w.namespace, w.content_sha256, w.metadata)
                        IS DISTINCT FROM (p.subject, p.namespace, p.content_sha256, p.metadata) END
        ORDER BY 1
        """,
        _parameters(index, version),
    ).fetchall()
    return Differences(*(tuple(i for i, kind in rows if kind == name) for name in ("missing", "stale", "orphaned")))


def sync_entries(connection: DuckDBPyConnection, index: Index, version: IndexVersion, now: datetime) -> None:
    """Make the entries of the version those that the index should hold, in the transaction of `connection`.

    A local version holds them at once. Where vectors are kept at Cloudflare, entries become `wanted` or `leaving`.
    Raises WarehouseError instead of emptying a version.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {index.wanted}", _taken(index, version))
    counts = connection.execute(
        f"SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM index_entries WHERE {_OF_VERSION})",
        {"index": index.name, "version": version.version},
    ).fetchone()
    assert counts is not None
    if counts[1] and not counts[0] and not index.may_be_empty:
        raise WarehouseError(
            f"Version {version.version} of the index {index.name!r} holds {counts[1]} vectors, and nothing is wanted "
            "in it any more. It is kept as it is: an index is never emptied."
        )
    state = "visible" if version.backend == "local" else "wanted"
    connection.execute(
        f"""
        INSERT INTO index_entries BY NAME
        SELECT $index AS index_name, $version AS version, vector_id, subject, namespace, content_sha256, metadata,
               '{state}' AS state FROM wanted
        ON CONFLICT DO UPDATE SET subject = excluded.subject, namespace = excluded.namespace,
            content_sha256 = excluded.content_sha256, metadata = excluded.metadata, state = excluded.state,
            mutation_id = NULL
        WHERE index_entries.state = 'leaving'
           OR (index_entries.subject, index_entries.namespace, index_entries.content_sha256, index_entries.metadata)
              IS DISTINCT FROM (excluded.subject, excluded.namespace, excluded.content_sha256, excluded.metadata)
        """,
        {"index": index.name, "version": version.version},
    )
    wanted = "vector_id NOT IN (SELECT vector_id FROM wanted)"
    gone = f"{_OF_VERSION} AND {wanted} AND {_not_staying(index, 'index_entries')}"
    leave = "DELETE FROM index_entries" if version.backend == "local" else "UPDATE index_entries SET state = 'leaving'"
    embedder = {"embedder": version.embedder} if index.staying else {}
    connection.execute(f"{leave} WHERE {gone}", {"index": index.name, "version": version.version, **embedder})
    connection.execute("DROP TABLE wanted")
    count_entries(connection, version, now)


def count_entries(connection: DuckDBPyConnection, version: IndexVersion, now: datetime) -> None:
    """Write down how many vectors the version should hold and how many it holds."""
    connection.execute(
        f"""
        UPDATE index_versions SET built_at = $now,
            wanted = (SELECT count(*) FROM index_entries WHERE {_OF_VERSION} AND state <> 'leaving'),
            present = (SELECT count(*) FROM index_entries WHERE {_OF_VERSION} AND state IN ('visible', 'leaving'))
        WHERE {_OF_VERSION}
        """,
        {"index": version.index_name, "version": version.version, "now": now},
    )


def unsettled(connection: DuckDBPyConnection, version: IndexVersion) -> int:
    """How many entries are not where they should be: to be sent, to be seen, or to leave."""
    row = connection.execute(
        f"SELECT count(*) FROM index_entries WHERE {_OF_VERSION} AND state <> 'visible'",
        {"index": version.index_name, "version": version.version},
    ).fetchone()
    return row[0] if row else 0


def entry_ids(connection: DuckDBPyConnection, version: IndexVersion, condition: str) -> list[str]:
    """The ids of the entries of the version that meet a condition in SQL, in order."""
    rows = connection.execute(
        f"SELECT vector_id FROM index_entries WHERE {_OF_VERSION} AND ({condition}) ORDER BY 1",
        {"index": version.index_name, "version": version.version},
    ).fetchall()
    return [row[0] for row in rows]


def entries(
    connection: DuckDBPyConnection, version: IndexVersion, state: EntryState, after: str, limit: int
) -> list[dict[str, Any]]:
    """The next entries of the version in this state behind an id, in order: vector_id, namespace, content_sha256,
    metadata and the vector."""
    found = connection.execute(
        f"""
        SELECT e.vector_id, e.namespace, e.content_sha256, e.metadata, v.vector
        FROM index_entries e LEFT JOIN ({DOCUMENT_VECTORS}) v
            ON v.content_sha256 = e.content_sha256 AND v.embedder = $embedder AND v.dimensions = $dimensions
        WHERE {_OF_VERSION} AND state = $state AND e.vector_id > $after ORDER BY e.vector_id LIMIT {limit}
        """,
        {
            "index": version.index_name,
            "version": version.version,
            "state": state,
            "after": after,
            "embedder": version.embedder,
            "dimensions": version.dimensions,
        },
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def set_state(
    connection: DuckDBPyConnection,
    version: IndexVersion,
    vector_ids: Collection[str],
    state: str | None,
    mutation: str | None,
) -> None:
    """Give these entries a state and their mutation; without a state they are removed."""
    parameters: dict[str, Any] = {"index": version.index_name, "version": version.version, "ids": list(vector_ids)}
    those = f"{_OF_VERSION} AND vector_id IN (SELECT unnest($ids::VARCHAR[]))"
    if state is None:
        connection.execute(f"DELETE FROM index_entries WHERE {those}", parameters)
        return
    parameters |= {"state": state, "mutation": mutation}
    connection.execute(f"UPDATE index_entries SET state = $state, mutation_id = $mutation WHERE {those}", parameters)


def mark_sent(
    connection: DuckDBPyConnection, version: IndexVersion, contents: Mapping[str, str], mutation: str
) -> None:
    """These entries, by their ids, are sent with this content. One whose content has changed meanwhile stays wanted."""
    connection.execute(
        f"""
        UPDATE index_entries SET state = 'sent', mutation_id = $mutation
        FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($contents::VARCHAR[]) AS content) sent
        WHERE {_OF_VERSION} AND vector_id = sent.id AND content_sha256 = sent.content AND state = 'wanted'
        """,
        {
            "index": version.index_name,
            "version": version.version,
            "mutation": mutation,
            "ids": list(contents),
            "contents": list(contents.values()),
        },
    )


def record_mutation(
    connection: DuckDBPyConnection,
    version: IndexVersion,
    mutation_id: str,
    op: str,
    vectors: int,
    now: datetime,
    error: str | None = None,
) -> None:
    """Write down a write that Cloudflare accepted; or with `error`, and without an id, one that it did not."""
    connection.execute(
        "INSERT INTO index_mutations SELECT coalesce(max(seq), 0) + 1, $1, $2, $3, $4, $5, $6, NULL, $7 "
        "FROM index_mutations",
        [version.index_name, version.version, mutation_id, op, vectors, now, error],
    )


def go_live(connection: DuckDBPyConnection, version: IndexVersion, now: datetime) -> None:
    """Search this version from now on. The one that was live is kept for a way back. One transaction."""
    connection.execute(
        "UPDATE index_versions SET state = 'retired' WHERE index_name = $1 AND state = 'live'", [version.index_name]
    )
    connection.execute(
        f"UPDATE index_versions SET state = 'live', live_at = $now, error = NULL WHERE {_OF_VERSION}",
        {"index": version.index_name, "version": version.version, "now": now},
    )
    name_live(connection, version)


def name_live(connection: DuckDBPyConnection, version: IndexVersion) -> None:
    """Write the live version into `indexes`, for people who search in SQL."""
    connection.execute("INSERT OR REPLACE INTO indexes VALUES ($1, $2)", [version.index_name, version.version])


def is_named_live(connection: DuckDBPyConnection, version: IndexVersion) -> bool:
    """Whether `indexes` names this version."""
    found = connection.execute("SELECT live_version FROM indexes WHERE index_name = $1", [version.index_name])
    return found.fetchone() == (version.version,)


def roll_back(
    warehouse: Warehouse, index_name: str, to: int | None, now: datetime
) -> tuple[IndexVersion, IndexVersion]:
    """Make another version live: that one, which may be a whole one that is held back, or the one that was live last
    and was not left by hand. Returns it and the one it replaces, which is not built again by itself. Raises UsageError
    when there is none."""
    with warehouse.write() as connection:
        left = named_version(connection, index_name, None)
        others = [v for v in index_versions(connection, index_name) if v.version != left.version]
        held = [v for v in others if v.state == "building" and v.error and 0 < v.wanted == v.present]
        before = [*held, *(v for v in others if v.live_at)]
        retired = [v for v in before if v.state == "retired"]
        chosen = [v for v in before if v.version == to] if to is not None else _newest(retired)
        if not chosen:
            known = ", ".join(str(one.version) for one in before) or "none"
            raise UsageError(
                f"There is no way back to {'another' if to is None else to}: of the versions of {index_name!r} beside "
                f"version {left.version}, {known} was live before."
            )
        at = ledger_time(connection, now)
        go_live(connection, chosen[0], at)
        connection.execute(
            f"UPDATE index_versions SET state = 'failed', error = $why WHERE {_OF_VERSION}",
            {
                "index": index_name,
                "version": left.version,
                "why": f"Rolled back to version {chosen[0].version} by hand.",
            },
        )
        return named_version(connection, index_name, chosen[0].version), left


def _not_staying(index: Index, entries: str) -> str:
    """Condition on the entries of that name: nothing that waits for its vector replaces them."""
    if index.staying is None:
        return "true"
    staying = f"SELECT vector_id FROM ({index.staying}) WHERE vector_id IS NOT NULL"
    return f"{entries}.vector_id NOT IN ({staying})"


def _newest(versions: list[IndexVersion]) -> list[IndexVersion]:
    return sorted(versions, key=lambda one: (one.live_at is not None, one.live_at))[-1:]


def _taken(index: Index, version: IndexVersion) -> dict[str, Any]:
    return {"embedder": version.embedder, "dimensions": version.dimensions, **index.parameters()}


def _parameters(index: Index, version: IndexVersion) -> dict[str, Any]:
    return {**_taken(index, version), "index": index.name, "version": version.version}
