"""The SQLite file behind the emulated providers: the connection, and the tables of files, uploads and counts.

There is one connection with one lock, and transactions are short.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from grabient_assets.errors import EmulatorError

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL,
    created_at REAL NOT NULL, total INTEGER NOT NULL, needed INTEGER NOT NULL, polls INTEGER NOT NULL DEFAULT 0,
    cancelled_after INTEGER, input_file TEXT NOT NULL, facts TEXT NOT NULL, plan TEXT NOT NULL,
    times TEXT NOT NULL DEFAULT '{}', ending TEXT
);
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
    purpose TEXT NOT NULL, model TEXT NOT NULL, created_at REAL NOT NULL, facts TEXT NOT NULL, size INTEGER NOT NULL,
    content BLOB NOT NULL, UNIQUE (provider, id)
);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, facts TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    provider TEXT NOT NULL, route TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (provider, route)
);
CREATE TABLE IF NOT EXISTS creates (
    number INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, batch_id TEXT NOT NULL, model TEXT NOT NULL,
    at REAL NOT NULL, custom_ids TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bad_answers (
    provider TEXT NOT NULL, custom_id TEXT NOT NULL, PRIMARY KEY (provider, custom_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bills (
    provider TEXT NOT NULL, model TEXT NOT NULL, delivery TEXT NOT NULL, day TEXT NOT NULL, usage TEXT NOT NULL,
    answers INTEGER NOT NULL, PRIMARY KEY (provider, model, delivery, day, usage)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vector_indexes (
    name TEXT PRIMARY KEY, dimensions INTEGER NOT NULL, metric TEXT NOT NULL, description TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS vector_properties (
    index_name TEXT NOT NULL, property TEXT NOT NULL, kind TEXT NOT NULL, mutation INTEGER NOT NULL,
    PRIMARY KEY (index_name, property)
);
CREATE TABLE IF NOT EXISTS vector_mutations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, index_name TEXT NOT NULL, id TEXT NOT NULL, op TEXT NOT NULL,
    looks INTEGER NOT NULL, payload TEXT NOT NULL, done_at REAL
);
CREATE TABLE IF NOT EXISTS stored_vectors (
    index_name TEXT NOT NULL, id TEXT NOT NULL, mutation INTEGER NOT NULL, namespace TEXT, metadata TEXT,
    numbers BLOB NOT NULL, PRIMARY KEY (index_name, id)
);
CREATE TABLE IF NOT EXISTS fault_counts (rule TEXT PRIMARY KEY, seen INTEGER NOT NULL, fired INTEGER NOT NULL);
"""
VECTOR_TABLES = ("vector_indexes", "vector_properties", "vector_mutations", "stored_vectors")
TABLES = ("batches", "files", "uploads", "calls", "creates", "bad_answers", "bills", "fault_counts", *VECTOR_TABLES)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FILE = "number, provider, id, name, purpose, model, created_at, facts, size"


class Database:
    """`folder`/state.sqlite. A transaction that returned is on disk (write-ahead log: safe against the death of the
    process, not of the machine). `now` is the emulator's clock, `salt` the hexadecimal salt of a fresh folder's ids
    (None: a random one)."""

    def __init__(self, folder: Path, now: Callable[[], datetime], salt: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self.now = now
        path = folder / "state.sqlite"
        try:
            self._open(path, salt or secrets.token_hex(6))
        except sqlite3.Error as error:
            raise EmulatorError(
                f"{path} cannot be used by the emulator: {error}. Make its folder writable or free the disk, if that "
                f"is it. If it is damaged, move {folder} aside: it holds emulated batches, and nothing that was paid "
                "for. Those that were open there then end with `grabient cancel BATCH --give-up`."
            ) from error

    def _open(self, path: Path, salt: str) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)
        # Ids carry a salt of the folder: a fresh folder must not repeat the ids of the one before it.
        self._connection.execute("INSERT OR IGNORE INTO meta VALUES ('salt', ?)", (salt,))
        self._salt: str = self.rows("SELECT value FROM meta WHERE name = 'salt'")[0][0]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def new_id(self, length: int) -> str:
        """`length` letters and digits (12 at least) that this folder has never given out before."""
        with self.transaction() as db:
            db.execute("INSERT INTO meta VALUES ('ids', '1') ON CONFLICT (name) DO UPDATE SET value = value + 1")
            count = int(db.execute("SELECT value FROM meta WHERE name = 'ids'").fetchone()[0])
        number, letters = (int(self._salt, 16) << 20) + count, ""
        while number:
            number, rest = divmod(number, len(ALPHABET))
            letters = ALPHABET[rest] + letters
        return letters.rjust(length, "0")

    def reset(self) -> None:
        """Forgets everything but the ids given out."""
        with self.transaction() as db:
            for table in TABLES:
                db.execute(f"DELETE FROM {table}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file without its content. Times are unix seconds."""

    number: int
    provider: str
    id: str
    name: str
    purpose: str
    model: str
    created_at: float
    facts: dict[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be stored."""

    id: str
    name: str
    purpose: str
    content: bytes
    model: str = ""
    facts: dict[str, Any] | None = None


class Files:
    """The files of all providers, and uploads under way (Gemini)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, provider: str, file: NewFile) -> StoredFile:
        with self._db.transaction() as db:
            insert_file(db, provider, file, self._db.now().timestamp())
        found = self.get(provider, file.id)
        assert found is not None
        return found

    def get(self, provider: str, file_id: str) -> StoredFile | None:
        rows = self._db.rows(f"SELECT {_FILE} FROM files WHERE provider = ? AND id = ?", provider, file_id)
        return _file(rows[0]) if rows else None

    def newest_first(self, provider: str) -> list[StoredFile]:
        """All files of a provider, newest first, without those that only the emulator knows (purpose `hidden`)."""
        rows = self._db.rows(
            f"SELECT {_FILE} FROM files WHERE provider = ? AND purpose <> 'hidden' ORDER BY number DESC", provider
        )
        return [_file(row) for row in rows]

    def content(self, provider: str, file_id: str) -> bytes | None:
        rows = self._db.rows("SELECT content FROM files WHERE provider = ? AND id = ?", provider, file_id)
        return rows[0][0] if rows else None

    def delete(self, provider: str, file_id: str) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM files WHERE provider = ? AND id = ?", (provider, file_id))

    def start_upload(self, upload_id: str, facts: dict[str, Any]) -> None:
        with self._db.transaction() as db:
            db.execute("INSERT INTO uploads VALUES (?, ?, ?)", (upload_id, json.dumps(facts), b""))

    def upload(self, upload_id: str) -> tuple[dict[str, Any], bytes] | None:
        rows = self._db.rows("SELECT facts, content FROM uploads WHERE id = ?", upload_id)
        return (json.loads(rows[0]["facts"]), rows[0]["content"]) if rows else None

    def keep_upload(self, upload_id: str, content: bytes) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE uploads SET content = ? WHERE id = ?", (content, upload_id))

    def end_upload(self, upload_id: str) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))


def insert_file(db: sqlite3.Connection, provider: str, file: NewFile, at: float) -> None:
    """Inside a transaction of the caller."""
    db.execute(
        "INSERT INTO files (provider, id, name, purpose, model, created_at, facts, size, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            provider,
            file.id,
            file.name,
            file.purpose,
            file.model,
            at,
            json.dumps(file.facts or {}),
            len(file.content),
            file.content,
        ),
    )


def _file(row: sqlite3.Row) -> StoredFile:
    values = dict(row)
    return StoredFile(**{**values, "facts": json.loads(values["facts"])})


class CallCounts:
    """Counters of all providers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def count_call(self, provider: str, route: str) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO calls VALUES (?, ?, 1) ON CONFLICT (provider, route) DO UPDATE SET count = count + 1",
                (provider, route),
            )

    def calls(self) -> dict[str, dict[str, int]]:
        """Calls per provider and route."""
        counts: dict[str, dict[str, int]] = {}
        for row in self._db.rows("SELECT * FROM calls ORDER BY provider, route"):
            counts.setdefault(row["provider"], {})[row["route"]] = row["count"]
        return counts

    def creates(self) -> list[dict[str, Any]]:
        """Every create that was accepted, oldest first: provider, batch_id, model, at (unix seconds), custom_ids."""
        rows = self._db.rows("SELECT provider, batch_id, model, at, custom_ids FROM creates ORDER BY number")
        return [{**dict(row), "custom_ids": json.loads(row["custom_ids"])} for row in rows]

    def count_match(self, rule: str) -> tuple[int, int]:
        """CallCounts a call that a fault rule matches; returns (matches with this one, times fired before)."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO fault_counts VALUES (?, 1, 0) ON CONFLICT (rule) DO UPDATE SET seen = seen + 1", (rule,)
            )
            row = db.execute("SELECT seen, fired FROM fault_counts WHERE rule = ?", (rule,)).fetchone()
        return row["seen"], row["fired"]

    def count_fired(self, rule: str) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE fault_counts SET fired = fired + 1 WHERE rule = ?", (rule,))

    def fault_counts(self) -> dict[str, tuple[int, int]]:
        return {row["rule"]: (row["seen"], row["fired"]) for row in self._db.rows("SELECT * FROM fault_counts")}

    def forget_faults(self) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM fault_counts")
