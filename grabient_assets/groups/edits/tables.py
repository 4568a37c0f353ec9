"""The tables of edits: what was asked, what came, and the view `edits` of how each stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from grabient_assets.errors import UsageError
from grabient_assets.groups.edits.prompts import Kind, recipe_of
from grabient_assets.groups.images.retouching import Handover
from grabient_assets.imaging.measures import Measures
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.ledger.settling import AnswerColumns
from grabient_assets.warehouse.rows import columns_of, replacing_failures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery

Status: TypeAlias = Literal["requested", "sent", "done", "rejected", "failed", "cancelled"]
Stage: TypeAlias = Literal["prepare", "send", "stitch", "save"]
SizePolicy: TypeAlias = Literal["fit", "strict"]
UNDER_WAY: tuple[Status, ...] = ("requested", "sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEdit:
    """What was asked of an editor. `size` is the size of what it is sent. `strict` sizes: an answer of another size
    than was asked for fails instead of being scaled."""

    edit_id: str
    run_id: str | None
    root_image: str
    parent_image: str
    parent_edit: str | None
    generation_index: int
    depth: int
    label: str
    kind: Kind
    prompt: str | None
    instructions: str | None
    creativity: int
    mask_key: str | None
    reference_image: str | None
    provider: str
    model: str
    prompt_version: str
    prompt_digest: str
    size: str
    quality: str | None
    size_policy: SizePolicy
    delivery: Delivery
    requested_at: datetime
    cap_id: str | None = None
    estimated_usd: Decimal | None = None
    replay_of: str | None = None
    cancel_asked_at: datetime | None = None

    @property
    def recipe(self) -> str:
        """The prompt version under which the editor is asked."""
        return recipe_of(self.prompt_version, self.kind, self.size, self.quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest(AskedEdit):
    """One row of `edit_requests`. `message` is the whole text that the editor is sent."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditInput(Handover):
    """One row of `edit_inputs`: how the parent goes to the editor."""

    edit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedImage(AnswerColumns):
    """One row of `edited_images`. `changes` are sentences about what was done to the answer beyond stitching."""

    edit_id: str
    recipe: str
    provider: str
    model: str
    error_kind: str | None = None
    refused_at: str | None = None
    refused_for: tuple[str, ...] = ()
    image_id: str | None = None
    changes: tuple[str, ...] = ()
    output_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMeasures(Measures):
    """One row of `edit_measures`."""

    edit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(AskedEdit):
    """One row of the view `edits`. Dollars count every try; `possible_usd` may have been billed besides."""

    parent_type: Literal["original", "refinement"]
    status: Status
    stage: Stage
    percent: int
    error: str | None
    error_kind: str | None
    retryable: bool
    image_id: str | None
    summary: str
    cost_usd: Decimal
    possible_usd: Decimal
    began_at: datetime | None
    done_at: datetime | None
    batch_id: str | None

    @property
    def settled(self) -> bool:
        """Whether nothing is to come of it by itself."""
        return self.status not in UNDER_WAY


EDITED_IMAGES = AnswerTable(
    "edited_images",
    ("edit_id", "recipe"),
    replacing_failures(EditedImage, ("edit_id",), "edited_images"),
    subject="edit_id",
    analysis_index="0",
    versions=("recipe",),
)
EDIT_KEYS = "SELECT edit_id AS subject, left(sha256(edit_id), 24) AS subject_key FROM edit_requests"
EDIT_SIZES = "SELECT edit_id AS subject, row_number() OVER () AS place, strlen(message) AS bytes FROM edit_requests"
_TABLES = {EditRequest: "edit_requests", EditInput: "edit_inputs", EditMeasures: "edit_measures"}
Row = TypeVar("Row", EditRequest, EditInput, EditMeasures, Edit)


def edits_of(
    connection: DuckDBPyConnection, edit_ids: Collection[str] | None = None, *, root: str | None = None
) -> list[Edit]:
    """The edits with these ids, or of this root image, or all, in the order in which they were asked for."""
    if not connection.execute("SELECT 1 FROM edit_requests LIMIT 1").fetchone():
        return []  # the view looks through the requests of every purpose, and a sensor asks every five seconds
    query = (
        f"SELECT {columns_of(Edit)} FROM edits WHERE ($1 OR list_contains($2::VARCHAR[], edit_id)) "
        "AND ($3 IS NULL OR root_image = $3) ORDER BY requested_at, edit_id"
    )
    return _rows(Edit, connection.execute(query, [edit_ids is None, list(edit_ids or ()), root]))


def rows_by_edit(connection: DuckDBPyConnection, record: type[Row], edit_ids: Collection[str]) -> dict[str, Row]:
    """What was asked (EditRequest), how the parents go to their editors (EditInput), or what was measured
    (EditMeasures), by edit_id."""
    query = f"SELECT {columns_of(record)} FROM {_TABLES[record]} WHERE list_contains($1::VARCHAR[], edit_id)"
    return {row.edit_id: row for row in _rows(record, connection.execute(query, [list(edit_ids)]))}


def _rows(record: type[Row], found: DuckDBPyConnection) -> list[Row]:
    names = columns_of(record).split(", ")
    rows: list[list[Any]] = [
        [tuple(value) if isinstance(value, list) else value for value in row] for row in found.fetchall()
    ]
    return [record(**dict(zip(names, row, strict=True))) for row in rows]


def named_edit(connection: DuckDBPyConnection, name: str) -> Edit:
    """The edit with this id, or a unique beginning of it; `latest` is the newest. Raises UsageError."""
    query = (
        "SELECT edit_id FROM edit_requests WHERE starts_with(edit_id, $1) OR $1 = 'latest' "
        "ORDER BY edit_id = $1 DESC, requested_at DESC, edit_id DESC LIMIT 2"
    )
    ids: Sequence[str] = [row[0] for row in connection.execute(query, [name]).fetchall()] if name else []
    if not ids:
        raise UsageError(f"There is no edit {name!r}. `grabient edits list` names them.")
    if len(ids) > 1 and name not in (ids[0], "latest"):
        raise UsageError(f"{name!r} is the beginning of several edits; write more of it.")
    return edits_of(connection, ids[:1])[0]
