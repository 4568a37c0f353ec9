"""What is handed to others: which refined palettes, what changed since they were handed over last, and noting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EXPORT_COLUMNS = {
    "seed": "text",
    "prompt_version": "text",
    "source_seed": "text",
    "palette_key": "text",
    "name": "text",
    "display_style": "text",
    "steps": "integer",
    "angle": "real",
    "hex": "list",
    "temperature": "text",
    "contrast": "text",
    "brightness": "text",
    "saturation": "text",
    "mood": "list",
    "style": "list",
    "dominant_colors": "list",
    "seasonal": "list",
    "associations": "list",
    "tags": "list",
    "embed_text": "text",
    "image_key": "text",
    "image_url": "text",
    "model": "text",
    "refined_at": "time",
    "cost_usd": "dollars",
}
"""The columns of the view refined_palettes, and what kind of value each holds."""

USUAL_COLUMNS = tuple(name for name in EXPORT_COLUMNS if name != "cost_usd")
"""What an export holds when nobody names columns: all that a site shows, not what it cost."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows an export holds: the palettes refined under a version, those refined since a day (UTC) if there is
    one, and with `changed` only those that `target` did not get as they are now."""

    prompt_version: str
    columns: tuple[str, ...]
    target: str
    since: date | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """How many rows an export has, and the palettes that the target got before and that are not refined any more."""

    rows: int
    withdrawn: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectExport:
    """The file of a prompt version in the object store. `content` tells one state of the palettes from another."""

    prompt_version: str
    object_key: str
    store: str
    content: str
    row_count: int
    bytes: int
    sha256: str
    exported_at: datetime


def select_rows(connection: DuckDBPyConnection, selection: Selection) -> Selected:
    """Put the key of each row of the export into the temporary table `export_rows`, with a digest of what the target
    gets to see. A palette that was refined again has another digest, whatever the columns."""
    seen = ", ".join(f"'{name}': {name}" for name in dict.fromkeys([*selection.columns, "refined_at"]))
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE export_rows AS
        WITH candidates AS (
            SELECT seed, prompt_version, sha256(to_json({{{seen}}})::VARCHAR) AS row_sha256 FROM refined_palettes
            WHERE prompt_version = $version AND ($since IS NULL OR (refined_at AT TIME ZONE 'UTC')::DATE >= $since)
        )
        SELECT c.* FROM candidates c LEFT JOIN exported_palettes e ON e.target = $target AND e.seed = c.seed
        WHERE NOT $changed OR e.row_sha256 IS DISTINCT FROM c.row_sha256
        """,
        {
            "version": selection.prompt_version,
            "since": selection.since,
            "target": selection.target,
            "changed": selection.changed,
        },
    )
    row = connection.execute("SELECT count(*) FROM export_rows").fetchone()
    withdrawn = connection.execute(
        """
        SELECT seed FROM exported_palettes e WHERE target = $target AND NOT EXISTS (
            SELECT 1 FROM palette_tag_refined r
            WHERE r.seed = e.seed AND r.error IS NULL AND r.prompt_version IN (e.prompt_version, $version))
        ORDER BY seed
        """,
        {"target": selection.target, "version": selection.prompt_version},
    ).fetchall()
    assert row is not None
    return Selected(row[0], tuple(one[0] for one in withdrawn))


def record_exported(
    connection: DuckDBPyConnection, target: str, rows: Path, withdrawn: Sequence[str], now: datetime
) -> None:
    """Note that the target has these rows (a Parquet file of `export_rows`), and not the withdrawn ones any more."""
    connection.execute(
        """
        INSERT INTO exported_palettes BY NAME
        SELECT $target AS target, seed, prompt_version, row_sha256, $now AS exported_at FROM read_parquet($rows)
        ON CONFLICT DO UPDATE SET prompt_version = excluded.prompt_version, row_sha256 = excluded.row_sha256,
                                  exported_at = excluded.exported_at
        """,
        {"target": target, "rows": str(rows), "now": now},
    )
    connection.execute(
        "DELETE FROM exported_palettes WHERE target = $1 AND seed IN (SELECT unnest($2::VARCHAR[]))",
        [target, list(withdrawn)],
    )


def last_exported(connection: DuckDBPyConnection, target: str) -> datetime | None:
    """When the target got rows last."""
    row = connection.execute("SELECT max(exported_at) FROM exported_palettes WHERE target = $1", [target]).fetchone()
    return row[0] if row else None


_CONTENT = """
    SELECT r.prompt_version, count(*) || '-' || printf('%016x', bit_xor(hash(
        r.seed, r.created_at, r.model, r.temperature, r.contrast, r.brightness, r.saturation, r.mood, r.style,
        r.dominant_colors, r.seasonal, r.associations, r.embed_text, i.url))) AS content
    FROM palette_tag_refined r LEFT JOIN palette_images i USING (seed) WHERE r.error IS NULL GROUP BY ALL
"""


def content_of(connection: DuckDBPyConnection, prompt_version: str) -> str:
    """What tells this state of a version's refined palettes from others; `0` when there is none."""
    row = connection.execute(f"SELECT content FROM ({_CONTENT}) WHERE prompt_version = $1", [prompt_version]).fetchone()
    return row[0] if row else "0"


def settled_without_export(connection: DuckDBPyConnection) -> list[tuple[str, str]]:
    """Versions of which nothing is open and whose palettes are not in the object store as they are now; with what tells
    this state from others. A version whose last palette was withdrawn is among them."""
    rows = connection.execute(
        f"""
        WITH now AS ({_CONTENT}), opened AS (
            SELECT prompt_version FROM asks WHERE state = 'open'
            UNION SELECT prompt_version FROM batches WHERE status IN ('intended', 'submitted')
            UNION SELECT prompt_version FROM tagging_waves WHERE state = 'open'
        )
        SELECT prompt_version, coalesce(n.content, '0') AS content
        FROM now n FULL JOIN palette_exports e USING (prompt_version) ANTI JOIN opened USING (prompt_version)
        WHERE coalesce(n.content, '0') IS DISTINCT FROM e.content ORDER BY 1
        """
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def record_object_export(connection: DuckDBPyConnection, export: ObjectExport) -> None:
    """Note the file that now lies in the object store for its version."""
    connection.execute("DELETE FROM palette_exports WHERE prompt_version = $1", [export.prompt_version])
    insert_rows(connection, "palette_exports", [export])


def described_columns(connection: DuckDBPyConnection, file: Path) -> dict[str, str]:
    """The columns of a Parquet file, and the type of each."""
    rows = connection.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(file)]).fetchall()
    return {row[0]: row[1] for row in rows}
