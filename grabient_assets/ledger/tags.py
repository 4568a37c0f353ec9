"""The table palette_tags: what every model answered, or why it has no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.identity import stem_of
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TagRecord:
    """One row of `palette_tags`: an answer, or with `error` the reason why there is none."""

    seed: str
    prompt_version: str
    provider: str
    model: str
    analysis_index: int
    custom_id: str
    fate: str
    created_at: datetime
    temperature: str | None = None
    contrast: str | None = None
    brightness: str | None = None
    saturation: str | None = None
    mood: tuple[str, ...] | None = None
    style: tuple[str, ...] | None = None
    dominant_colors: tuple[str, ...] | None = None
    harmony: tuple[str, ...] | None = None
    seasonal: tuple[str, ...] | None = None
    associations: tuple[str, ...] | None = None
    error: str | None = None
    notes: tuple[str, ...] | None = None
    outside: tuple[str, ...] | None = None
    answer_text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a usable answer says, without the raw text and the money."""

    seed: str
    prompt_version: str
    provider: str
    model: str
    analysis_index: int
    temperature: str | None
    contrast: str | None
    brightness: str | None
    saturation: str | None
    mood: list[str] | None
    style: list[str] | None
    dominant_colors: list[str] | None
    harmony: list[str] | None
    seasonal: list[str] | None
    associations: list[str] | None


def record_tags(connection: DuckDBPyConnection, records: Sequence[TagRecord]) -> None:
    """Insert answers and failures. An answer replaces a failure; a failure never replaces an answer to its request.

    What was asked in an older wording and comes late never replaces what the ask wants now.
    """
    insert_rows(connection, "palette_tags", records, f"{_NOT_OVERTAKEN} {_KEEP_THE_BETTER}")


_NOT_OVERTAKEN = f"""
    WHERE NOT EXISTS (
        SELECT 1 FROM palette_tags t JOIN asks a ON a.subject = t.seed AND a.prompt_version = t.prompt_version
            AND a.provider = t.provider AND a.model = t.model
        WHERE t.seed = new_rows.seed AND t.prompt_version = new_rows.prompt_version
          AND t.provider = new_rows.provider AND t.model = new_rows.model
          AND t.analysis_index = new_rows.analysis_index AND t.custom_id <> new_rows.custom_id
          AND a.purpose = 'tagging' AND {stem_of("t.custom_id")} = a.stem)
"""


_KEY = ("seed", "prompt_version", "provider", "model", "analysis_index")


_KEEP_THE_BETTER = (
    "ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{c} = excluded.{c}" for c in TagRecord.__dataclass_fields__ if c not in _KEY)
    + " WHERE palette_tags.error IS NOT NULL OR excluded.custom_id <> palette_tags.custom_id"
)


PALETTE_TAGS = AnswerTable("palette_tags", _KEY, _KEEP_THE_BETTER)


def answers(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> list[AnswerRecord]:
    """What the usable answers for these palettes say, in a fixed order."""
    columns = ", ".join(f"t.{c}" for c in AnswerRecord.__dataclass_fields__)
    rows = connection.execute(
        f"""
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version)
        SELECT {columns} FROM palette_tags t JOIN chosen USING (seed, prompt_version) WHERE t.error IS NULL
        ORDER BY t.prompt_version, t.seed, t.provider, t.model, t.analysis_index
        """,
        [[p.subject for p in among], [p.prompt_version for p in among]],
    ).fetchall()
    return [AnswerRecord(*row) for row in rows]
