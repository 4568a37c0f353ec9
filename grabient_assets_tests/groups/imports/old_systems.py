"""Exports as the two earlier systems write them."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from grabient_assets_tests.ledger.house import palette

NOON = 1_765_022_400_000
"""2025-12-06 12:00 UTC, in milliseconds."""
HASH, LATER, OF_REFINEMENT = "08cd06cd08cd", "1bad1dea1bad", "77aa77aa77aa"
TAGS: dict[str, Any] = {
    "temperature": "cool",
    "contrast": "low",
    "brightness": "dark",
    "saturation": "muted",
    "mood": ["calm", "serene"],
    "style": ["minimal", "modern"],
    "dominant_colors": ["navy", "blue"],
    "harmony": ["analogous"],
    "seasonal": ["winter"],
    "associations": ["ocean", "night", "deep water", "fjord", "ink"],
}
D1_COLUMNS = ("id", "seed", "provider", "model", "run_number", "prompt_version", "tags", "error", "created_at")


def seed(number: int) -> str:
    """The canonical seed of an invented palette."""
    return palette(number).canonical


def convex_tags(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A document of palette_tags."""
    row = {
        "_id": f"k{number}",
        "_creationTime": NOON + 0.25,
        "seed": seed(number),
        "provider": "groq",
        "model": "gpt-oss-120b",
        "analysisIndex": 0.0,
        "promptVersion": HASH,
        "tags": TAGS,
        "usage": {"inputTokens": 1000.0, "outputTokens": 200.0},
    }
    return {**row, **changed}


def convex_refined(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A document of palette_tag_refined."""
    row = {
        "_creationTime": NOON,
        "seed": seed(number),
        "model": "opus-4.5",
        "cycle": 1.0,
        "promptVersion": OF_REFINEMENT,
        "sourcePromptVersions": [HASH],
        "tags": TAGS,
        "embedText": "A cool, dark and muted gradient of navy and blue.",
        "usage": {"inputTokens": 3000, "outputTokens": 400},
    }
    return {**row, **changed}


def d1_tags(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A row of palette_tags in D1."""
    values = (f"r{number}", seed(number), "google", "gemini-2.0-flash", 1, HASH, json.dumps(TAGS), None, NOON)
    return {**dict(zip(D1_COLUMNS, values, strict=True)), **changed}


def jsonl(path: Path, *rows: Mapping[str, Any] | str) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def convex_zip(path: Path, tables: Mapping[str, Sequence[Mapping[str, Any] | str]]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("_tables/documents.jsonl", '{"name":"palette_tags","id":10001}\n')
        archive.writestr("palette_tags/generated_schema.jsonl", '"[]"\n')
        for table, rows in tables.items():
            lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
            archive.writestr(f"{table}/documents.jsonl", "".join(f"{line}\n" for line in lines))
    return path


def d1_csv(path: Path, *rows: Mapping[str, Any], delimiter: str = ",") -> Path:
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return path


D1_SCHEMA = """
CREATE TABLE palettes (id TEXT PRIMARY KEY NOT NULL, style TEXT NOT NULL, steps INTEGER, angle INTEGER, created_at INTEGER);
CREATE TABLE "palette_tags" (`id` text PRIMARY KEY NOT NULL, `seed` text NOT NULL, `provider` text NOT NULL,
  `model` text NOT NULL, `run_number` integer DEFAULT 1 NOT NULL, `prompt_version` text, `tags` text, `error` text,
  `created_at` integer NOT NULL, FOREIGN KEY (`seed`) REFERENCES `palettes`(`id`) ON DELETE cascade);
CREATE TABLE palette_tag_refinements (id TEXT, seed TEXT, model TEXT, prompt_version TEXT, source_prompt_version TEXT,
  input_summary TEXT, refined_tags TEXT, analysis TEXT, error TEXT, created_at INTEGER);
CREATE TABLE likes (id INTEGER PRIMARY KEY AUTOINCREMENT, palette_id TEXT);
CREATE UNIQUE INDEX one_run ON palette_tags (seed, provider, model, run_number);
"""  # noqa: E501


def d1_sql(path: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], schema: bool = True) -> Path:
    """A dump, written by SQLite's own `iterdump` and with the pragma that wrangler puts first."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(D1_SCHEMA.replace("CREATE UNIQUE INDEX", "CREATE INDEX"))
        for table, rows in tables.items():
            for row in rows:
                names = ", ".join(row)
                database.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
        statements = [one for one in database.iterdump() if schema or one.startswith("INSERT")]
    path.write_text("\n".join(["PRAGMA defer_foreign_keys=TRUE;", *statements]) + "\n")
    return path
