"""The tables texts and embeddings: every text once, and its vectors by embedder and task.

Equal texts are one text, whoever wants their vectors: what is compared is the text in NFC with its white space folded.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import UsageError
from grabient_assets.ledger.identity import stem_of
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.warehouse.rows import insert_rows, replacing_failures, utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FARTHEST_FROM_ONE = 0.01
"""How far the length of a vector may be from 1 where the model makes vectors of unit length. Float32 needs a
thousandth of it."""


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One row of `texts`."""

    content_sha256: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EmbeddingRecord:
    """One row of `embeddings`: a vector of unit length, or with `error` the reason why there is none.

    `norm` is how long the vector was as it came.
    """

    content_sha256: str
    embedder: str
    task: str
    subject: str
    provider: str
    custom_id: str
    fate: str
    created_at: datetime
    error: str | None = None
    dimensions: int | None = None
    vector: array[float] | None = None
    norm: float | None = None
    input_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


_KEY = ("subject", "embedder", "task")

_KEEP_THE_BETTER = replacing_failures(EmbeddingRecord, _KEY, "embeddings")
"""A vector replaces what was there, a failure never a vector."""

EMBEDDINGS = AnswerTable(
    "embeddings",
    _KEY,
    _KEEP_THE_BETTER,
    subject="subject",
    analysis_index="0",
    versions=("task",),
    asked_of=("provider",),
    model="embedder",
)

DOCUMENT_VECTORS = """
    SELECT content_sha256, embedder, dimensions, vector FROM embeddings WHERE task = 'document' AND error IS NULL
"""
"""Relation of the vectors that are searched."""

_WHITE_SPACE = r"\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""What Python's `split` takes for white space, for a class of a regular expression."""

SUBJECT, SUBJECT_KEY = "'t_' || left(content_sha256, 32)", "left(content_sha256, 24)"
"""SQL of what stands for a text in the ledger."""

KEYS = f"SELECT {SUBJECT} AS subject, {SUBJECT_KEY} AS subject_key FROM texts"
SIZES = f"SELECT {SUBJECT} AS subject, row_number() OVER () AS place, strlen(text) AS bytes FROM texts"


def folded(text: str) -> str:
    """The text as it is embedded. Raises UsageError for an empty one: no model takes it."""
    found = " ".join(unicodedata.normalize("NFC", utf8(text)).split())
    if not found:
        raise UsageError("There is an empty text among those to embed. Leave it out.")
    return found


def content_in_sql(text: str) -> str:
    """SQL of `content_of(folded(...))` over a column of texts."""
    return f"sha256(trim(regexp_replace(nfc_normalize({text}), '[{_WHITE_SPACE}]+', ' ', 'g'), ' '))"


def not_empty_in_sql(text: str) -> str:
    """SQL condition: the column holds a text that `folded` takes."""
    return f"regexp_matches({text}, '[^{_WHITE_SPACE}]')"


def content_of(text: str) -> str:
    """The SHA-256 of a folded text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def keep_texts(connection: DuckDBPyConnection, texts: Iterable[str], now: datetime) -> list[str]:
    """Keep these texts; their content_sha256, in their order."""
    found = [folded(text) for text in texts]
    contents = [content_of(text) for text in found]
    rows = [TextRecord(content, text, now) for content, text in dict(zip(contents, found, strict=True)).items()]
    insert_rows(connection, "texts", rows, "ON CONFLICT DO NOTHING")
    return contents


def without_vector(
    connection: DuckDBPyConnection, contents: Collection[str], embedder: str, task: str, request_digest: str
) -> list[str]:
    """The subjects of those of the texts that this request has brought no vector of."""
    rows = connection.execute(
        f"""
        SELECT {SUBJECT} FROM texts t
        WHERE content_sha256 IN (SELECT unnest($contents::VARCHAR[])) AND NOT EXISTS (
            SELECT 1 FROM embeddings e
            WHERE e.content_sha256 = t.content_sha256 AND e.embedder = $embedder AND e.task = $task
              AND e.error IS NULL AND {stem_of("e.custom_id")} = left(t.content_sha256, 24) || '-' || $digest)
        ORDER BY 1
        """,
        {"contents": list(contents), "embedder": embedder, "task": task, "digest": request_digest},
    ).fetchall()
    return [row[0] for row in rows]


def texts_of(connection: DuckDBPyConnection, subjects: Collection[str]) -> dict[str, TextRecord]:
    """By subject."""
    rows = connection.execute(
        f"""
        SELECT {SUBJECT}, content_sha256, text, created_at FROM texts
        WHERE {SUBJECT} IN (SELECT unnest($1::VARCHAR[]))
        """,
        [list(subjects)],
    ).fetchall()
    return {subject: TextRecord(*record) for subject, *record in rows}


def stored_vectors(
    connection: DuckDBPyConnection, texts: Sequence[str], embedder: str, task: str
) -> list[list[float]] | None:
    """The vectors of these texts, in their order; None when one of them has none."""
    contents = [content_of(folded(text)) for text in texts]
    rows = connection.execute(
        "SELECT content_sha256, vector FROM embeddings WHERE embedder = $1 AND task = $2 AND error IS NULL "
        "AND content_sha256 IN (SELECT unnest($3::VARCHAR[]))",
        [embedder, task, contents],
    ).fetchall()
    vectors = dict(rows)
    return [vectors[one] for one in contents] if vectors.keys() >= set(contents) else None


def record_embeddings(connection: DuckDBPyConnection, records: Sequence[EmbeddingRecord]) -> None:
    """Insert vectors and failures. A vector replaces what was there, a failure never a vector."""
    insert_rows(connection, "embeddings", records, _KEEP_THE_BETTER)


@dataclass(frozen=True, slots=True)
class UnitVector:
    """A vector of length 1, and how long it was as it came."""

    numbers: array[float]
    norm: float


def checked(vector: array[float], dimensions: int, unit_length: bool) -> UnitVector | str:
    """The vector to store, or why it is none. One of a model that promises no unit length is brought to it."""
    import numpy

    if len(vector) != dimensions:
        return f"The vector has {len(vector)} dimensions instead of {dimensions}."
    numbers = numpy.asarray(vector, dtype=numpy.float64)
    norm = float(numpy.linalg.norm(numbers))
    if not math.isfinite(norm):
        return "The vector holds a number that is not finite."
    if not norm:
        return "All numbers of the vector are 0."
    if unit_length and abs(norm - 1) > FARTHEST_FROM_ONE:
        return f"The vector is {norm:.4g} long, and the model makes vectors of length 1."
    if unit_length:
        return UnitVector(vector, norm)
    return UnitVector(array("f", (numbers / norm).astype(numpy.float32).tobytes()), norm)
