"""The SQLite file behind the emulated providers: one connection, one lock, short transactions."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
CREATE TABLE IF NOT EXISTS fault_counts (rule TEXT PRIMARY KEY, seen INTEGER NOT NULL, fired INTEGER NOT NULL);
"""
TABLES = ("batches", "files", "uploads", "calls", "creates", "bad_answers", "fault_counts")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


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
