"""The emulated providers' files and unfinished uploads."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from grabient_assets.emulator.storage.database import Database

_FILE = "number, provider, id, name, purpose, model, created_at, facts, size"


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
