"""The indexes of emulated Vectorize in SQLite: mutations are taken at once and carried out in their order."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grabient_assets.emulator.database import Database

Op = Literal["upsert", "insert", "delete", "property"]


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """An index without its vectors. Times are unix seconds."""

    name: str
    dimensions: int
    metric: str
    description: str
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredVector:
    """A vector. `mutation` is the number of the one that wrote it."""

    id: str
    mutation: int
    namespace: str | None
    metadata: dict[str, Any] | None
    numbers: Sequence[float]


@dataclass(frozen=True, slots=True)
class StoredProperty:
    """A metadata index. It covers vectors that were written after `mutation`."""

    property: str
    kind: str
    mutation: int


@dataclass(frozen=True, slots=True)
class Processed:
    """The last mutation that was carried out."""

    id: str
    done_at: float


class StoredVectors:
    """All indexes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add_index(self, name: str, dimensions: int, metric: str, description: str) -> bool:
        """False when there is one of this name."""
        values = (name, dimensions, metric, description, self._db.now().timestamp())
        with self._db.transaction() as db:
            return db.execute("INSERT OR IGNORE INTO vector_indexes VALUES (?, ?, ?, ?, ?)", values).rowcount == 1

    def index(self, name: str) -> StoredIndex | None:
        rows = self._db.rows("SELECT * FROM vector_indexes WHERE name = ?", name)
        return StoredIndex(**dict(rows[0])) if rows else None

    def properties(self, name: str) -> dict[str, StoredProperty]:
        """The metadata indexes."""
        rows = self._db.rows(
            "SELECT property, kind, mutation FROM vector_properties WHERE index_name = ? ORDER BY property", name
        )
        return {row["property"]: StoredProperty(**dict(row)) for row in rows}

    def add_property(self, name: str, prop: str, kind: str) -> str:
        """Makes a metadata index, or leaves it as it is; the id of the mutation."""
        mutation_id = self._db.new_id(20)
        with self._db.transaction() as db:
            number = _added(db, name, mutation_id, "property", 0, "")
            db.execute("INSERT OR IGNORE INTO vector_properties VALUES (?, ?, ?, ?)", (name, prop, kind, number))
            self._carry_out(db, name)
        return mutation_id

    def remove_property(self, name: str, prop: str) -> str:
        mutation_id = self._db.new_id(20)
        with self._db.transaction() as db:
            _added(db, name, mutation_id, "property", 0, "")
            db.execute("DELETE FROM vector_properties WHERE index_name = ? AND property = ?", (name, prop))
            self._carry_out(db, name)
        return mutation_id

    def mutate(self, name: str, op: Op, rows: Sequence[Any], looks: int) -> str:
        """Takes a mutation that `looks` looks at the index do not see; its id. Rows are ids to be deleted, or
        (id, namespace, metadata, numbers)."""
        mutation_id = self._db.new_id(20)
        with self._db.transaction() as db:
            _added(db, name, mutation_id, op, looks, json.dumps(rows))
            self._carry_out(db, name)
        return mutation_id

    def look(self, name: str) -> None:
        """Somebody looks at the index: what has waited long enough is carried out, the rest has waited once more."""
        with self._db.transaction() as db:
            self._carry_out(db, name)
            db.execute(
                "UPDATE vector_mutations SET looks = looks - 1 WHERE index_name = ? AND done_at IS NULL AND looks > 0",
                (name,),
            )

    def processed(self, name: str) -> Processed | None:
        rows = self._db.rows(
            "SELECT id, done_at FROM vector_mutations WHERE index_name = ? AND done_at IS NOT NULL"
            " ORDER BY number DESC LIMIT 1",
            name,
        )
        return Processed(**dict(rows[0])) if rows else None

    def waiting(self, name: str) -> int:
        """How many mutations are not carried out yet."""
        sql = "SELECT count(*) FROM vector_mutations WHERE index_name = ? AND done_at IS NULL"
        return self._db.rows(sql, name)[0][0]

    def ids(self, name: str) -> list[str]:
        """The ids of the visible vectors of an index, in order."""
        return [row[0] for row in self._db.rows("SELECT id FROM stored_vectors WHERE index_name = ? ORDER BY id", name)]

    def of(self, name: str, ids: Sequence[str] | None = None) -> list[StoredVector]:
        """The visible vectors of an index, or those of these ids, in the order of their ids."""
        rows = self._db.rows(
            "SELECT id, mutation, namespace, metadata, numbers FROM stored_vectors WHERE index_name = ?"
            " AND (? IS NULL OR id IN (SELECT value FROM json_each(?))) ORDER BY id",
            name,
            *[None if ids is None else json.dumps(ids)] * 2,
        )
        return [_vector(row) for row in rows]

    def _carry_out(self, db: sqlite3.Connection, name: str) -> None:
        """In their order: one that waits keeps the later ones waiting."""
        waiting = db.execute(
            "SELECT number, op, looks, payload FROM vector_mutations WHERE index_name = ? AND done_at IS NULL"
            " ORDER BY number",
            (name,),
        )
        for number, op, looks, payload in waiting.fetchall():
            if looks > 0:
                return
            if op == "delete":
                ids = [(name, one) for one in json.loads(payload)]
                db.executemany("DELETE FROM stored_vectors WHERE index_name = ? AND id = ?", ids)
            elif op != "property":
                kept = "INSERT OR REPLACE" if op == "upsert" else "INSERT OR IGNORE"
                vectors = [
                    (name, one, number, namespace, json.dumps(metadata), array("f", numbers).tobytes())
                    for one, namespace, metadata, numbers in json.loads(payload)
                ]
                db.executemany(f"{kept} INTO stored_vectors VALUES (?, ?, ?, ?, ?, ?)", vectors)
            db.execute(
                "UPDATE vector_mutations SET done_at = ?, payload = '' WHERE number = ?",
                (self._db.now().timestamp(), number),
            )


def _added(db: sqlite3.Connection, name: str, mutation_id: str, op: Op, looks: int, payload: str) -> int:
    values = (name, mutation_id, op, looks, payload)
    sql = "INSERT INTO vector_mutations (index_name, id, op, looks, payload) VALUES (?, ?, ?, ?, ?)"
    return db.execute(sql, values).lastrowid or 0


def _vector(row: sqlite3.Row) -> StoredVector:
    numbers = array("f")
    numbers.frombytes(row["numbers"])
    return StoredVector(row["id"], row["mutation"], row["namespace"], json.loads(row["metadata"]), numbers.tolist())
