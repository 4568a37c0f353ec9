"""The tables chorus_groups, artist_statements and artworks, and how the ledger reads the last two."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.ledger.settling import AnswerColumns
from grabient_assets.warehouse.rows import replacing_failures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery


@dataclass(frozen=True, slots=True)
class Artist:
    """A text model that takes part."""

    provider: str
    model: str

    @property
    def slug(self) -> str:
        """The model's id as a part of a run_id."""
        return self.model.lower().replace("/", "-")


@dataclass(frozen=True, slots=True)
class ChorusGroup:
    """One row of `chorus_groups`: one question to several artists, and the brush that paints their answers.

    `muse` is what every artist is shown of the palette `seed`, as it was when the group was made.
    """

    group_id: str
    prompt_version: str
    prompt_digest: str
    brush_provider: str
    brush: str
    size: str
    quality: str | None
    iterations: int
    artists: tuple[Artist, ...]
    delivery: Delivery
    made_at: datetime
    seed: str | None = None
    muse: dict[str, Any] | None = None
    cap_id: str | None = None
    estimated_usd: Decimal | None = None
    cancelled_at: datetime | None = None

    @property
    def recipe(self) -> str:
        """What the brush is asked for beside the image prompt."""
        return self.size if self.quality is None else f"{self.size}/{self.quality}"

    def run_id(self, artist: Artist, iteration: int) -> str:
        """The run of one artist and one iteration, which counts from 0."""
        return f"{self.group_id}-{artist.slug}-{iteration:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRecord(AnswerColumns):
    """One row of `artist_statements`. Seconds are those of the call, or of the whole batch."""

    run_id: str
    group_id: str
    prompt_version: str
    provider: str
    model: str
    iteration: int
    statement: str | None = None
    image_prompt: str | None = None
    words: int | None = None
    form: str | None = None
    notes: tuple[str, ...] = ()
    answer_text: str | None = None
    output_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtworkRecord(AnswerColumns):
    """One row of `artworks`."""

    run_id: str
    group_id: str
    recipe: str
    provider: str
    model: str
    refused_at: str | None = None
    refused_for: tuple[str, ...] = ()
    image_id: str | None = None
    output_tokens: int | None = None
    seconds: float | None = None


STATEMENTS = AnswerTable(
    "artist_statements",
    ("group_id", "prompt_version", "provider", "model", "iteration"),
    replacing_failures(StatementRecord, ("run_id",), "artist_statements"),
    subject="group_id",
    analysis_index="iteration",
)
ARTWORKS = AnswerTable(
    "artworks",
    ("run_id", "recipe"),
    replacing_failures(ArtworkRecord, ("run_id",), "artworks"),
    subject="run_id",
    analysis_index="0",
    versions=("recipe",),
)

GROUP_KEYS = "SELECT group_id AS subject, left(sha256(group_id), 24) AS subject_key FROM chorus_groups"
GROUP_SIZES = """
    SELECT group_id AS subject, row_number() OVER () AS place, coalesce(strlen(muse::VARCHAR), 0) AS bytes
    FROM chorus_groups
"""

RUN_KEYS = """
    SELECT run_id AS subject, left(sha256(run_id || chr(10) || image_prompt), 24) AS subject_key
    FROM artist_statements WHERE error IS NULL
"""
RUN_SIZES = (
    "SELECT run_id AS subject, row_number() OVER () AS place, strlen(image_prompt) AS bytes FROM artist_statements"
)


def record_group(connection: DuckDBPyConnection, group: ChorusGroup) -> None:
    """Insert a new group."""
    values = {field.name: getattr(group, field.name) for field in fields(group)}
    values["artists"] = json.dumps([{"provider": one.provider, "model": one.model} for one in group.artists])
    values["muse"] = None if group.muse is None else json.dumps(group.muse, ensure_ascii=False)
    columns = ", ".join(values)
    connection.execute(
        f"INSERT INTO chorus_groups ({columns}) VALUES ({', '.join(f'${name}' for name in values)})", values
    )


def groups(connection: DuckDBPyConnection, among: Collection[str] | None = None) -> dict[str, ChorusGroup]:
    """The groups by id, the newest first: all, or those named."""
    columns = ", ".join(field.name for field in fields(ChorusGroup))
    rows = connection.execute(
        f"SELECT {columns} FROM chorus_groups WHERE $1 OR group_id IN (SELECT unnest($2::VARCHAR[])) "
        "ORDER BY made_at DESC, group_id DESC",
        [among is None, list(among or ())],
    ).fetchall()
    return {row[0]: _group(row) for row in rows}


def named_group(connection: DuckDBPyConnection, name: str) -> ChorusGroup:
    """The group with this id, or with a unique beginning of it; `latest` is the newest. Raises UsageError."""
    query = "SELECT group_id FROM chorus_groups WHERE starts_with(group_id, $1) OR $1 = 'latest' ORDER BY made_at DESC"
    ids = [row[0] for row in connection.execute(query, [name]).fetchall()]
    if not ids:
        raise UsageError(f"There is no chorus group {name!r}. `grabient chorus list` names them.")
    if len(ids) > 1 and name != "latest":
        raise UsageError(f"{name!r} is the beginning of {len(ids)} chorus groups; write more of it.")
    return groups(connection, ids[:1])[ids[0]]


def _group(row: Sequence[Any]) -> ChorusGroup:
    values = dict(zip([field.name for field in fields(ChorusGroup)], row, strict=True))
    values["artists"] = tuple(Artist(one["provider"], one["model"]) for one in json.loads(values["artists"]))
    values["muse"] = None if values["muse"] is None else json.loads(values["muse"])
    return ChorusGroup(**values)
