"""A workflow with cells of every state, written into the tables without any model or network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from grabient_assets.groups.fetching.tables import Source, WindowRecord, record_source
from grabient_assets.groups.knowledge.purpose import write_entries
from grabient_assets.groups.knowledge.tables import (
    EXTRACTIONS,
    ExtractionRecord,
    Extractor,
    Workflow,
    cell_subject,
    record_workflow,
)
from grabient_assets.sources.reference import SourceKind
from grabient_assets.warehouse.rows import insert_rows
from grabient_assets_tests.warehouse.results import insert

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
WORKFLOW = "wf_" + "0" * 26
VERSION = "knowledge/v1"
READER = Extractor("google", "gemini-3.5-flash-lite")
ALL = tuple(range(1, 10))


@dataclass(frozen=True)
class Said:
    """An entry as a model gave it; with a reason it is quarantined."""

    content: str
    quote: str
    type: str = "technique"
    reason: str | None = None


Planted = Sequence[Said] | Literal["empty", "skipped", "failed", "waiting"]


@dataclass(frozen=True)
class Told:
    """A source and its cells by area; an area that is left out waits. With `dead` it could not be fetched."""

    source_id: str
    title: str | None = None
    cells: Mapping[int, Planted] = field(default_factory=dict[int, Planted])
    text: str = "Ask what the price is compared with. Then wait, and let the silence work for you."
    locator: str | None = None
    kind: SourceKind = "youtube"
    dead: tuple[str, str] | None = None
    seconds: float | None = 12.0

    @property
    def item(self) -> str:
        return f"it_{self.source_id}"


def custom_id(area: int, window_sha256: str, version: str = VERSION) -> str:
    """The request of an area of a window under a prompt version."""
    key, model = (hashlib.sha256(text.encode()).hexdigest() for text in (f"fa{area}|{window_sha256}", version))
    return f"{key[:24]}-{model[:20]}-00"


def plant(
    connection: DuckDBPyConnection,
    sources: Sequence[Told],
    workflow_id: str = WORKFLOW,
    name: str = "Objections",
    areas: tuple[int, ...] = ALL,
    version: str = VERSION,
    made_at: datetime = NOW,
) -> Workflow:
    """Write the workflow, with what was read of its sources; a source that is there stays."""
    embedder = "wordllama-256"
    workflow = Workflow(
        workflow_id, name, "mixed", version, areas, (READER,), 1000, 100, embedder, "local", False, made_at
    )
    record_workflow(connection, workflow)
    for place, one in enumerate(sources):
        values = {"position": place, "priority": len(sources), "added_at": made_at}
        insert(connection, "workflow_sources", workflow_id=workflow_id, source_id=one.source_id, **values)
        if connection.execute("SELECT 1 FROM sources WHERE source_id = ?", [one.source_id]).fetchone() is None:
            _plant_source(connection, one, made_at)
        _plant_readings(connection, one, version, made_at)
    return workflow


def _plant_source(connection: DuckDBPyConnection, one: Told, at: datetime) -> None:
    locator = one.locator or f"https://www.youtube.com/watch?v={one.source_id.removeprefix('yt_')}"
    digest = hashlib.sha256(one.text.encode()).hexdigest()
    got = {} if one.dead else {"title": one.title, "object_key": f"sources/{digest}", "content_sha256": digest}
    record_source(connection, Source(one.source_id, one.kind, locator, at, fetched_at=None if one.dead else at, **got))
    values = {"attempts": 4 if one.dead else 1, "scheduled_for": at, "queued_at": at, "completed_at": at}
    status = (
        {"status": "dead", "error_class": one.dead[0], "last_error": one.dead[1]} if one.dead else {"status": "done"}
    )
    insert(connection, "source_queue", item_id=one.item, source_id=one.source_id, **values, **status)
    if not one.dead:
        segments = json.dumps([[one.seconds, 0, one.text]])
        window = WindowRecord(one.source_id, digest, 0, digest, one.title or "", 0, len(one.text), segments)
        insert_rows(connection, "source_windows", [window])


def _plant_readings(connection: DuckDBPyConnection, one: Told, version: str, at: datetime) -> None:
    digest = hashlib.sha256(one.text.encode()).hexdigest()
    records: list[ExtractionRecord] = []
    for area, cell in one.cells.items():
        if cell == "waiting":
            continue
        said = [] if isinstance(cell, str) else cell
        skipped, failed = cell == "skipped", cell == "failed"
        records.append(
            ExtractionRecord(
                custom_id="" if skipped else custom_id(area, digest, version),
                fate="skipped" if skipped else "invalid" if failed else "succeeded",
                error="The answer holds no list of entries." if failed else None,
                created_at=at + timedelta(minutes=area),
                subject=cell_subject(one.source_id, area, 0),
                source_id=one.source_id,
                focus_area=area,
                part=0,
                prompt_version=version,
                provider=READER.provider,
                model=READER.model,
                entries=sum(entry.reason is None for entry in said),
                skipped=skipped,
                found=json.dumps([_found(entry, one, area) for entry in said]),
                batch_id=None if skipped else "b_1",
                cost_usd=Decimal(0) if skipped else Decimal("0.0002"),
            )
        )
    if records:
        insert_rows(connection, EXTRACTIONS.name, records, "ON CONFLICT DO NOTHING")
        write_entries(connection, [record.subject for record in records])


def _found(entry: Said, one: Told, area: int) -> dict[str, object]:
    start = one.text.find(entry.quote)
    name = hashlib.sha256(f"{one.text}{area}{entry.type}{entry.content}".encode()).hexdigest()[:32]
    return {
        "type": entry.type,
        "content": entry.content,
        "speaker_perspective": "sales agent",
        "quote": entry.quote,
        "notes": "",
        "reason": entry.reason,
        "entry_id": name,
        "quote_start": start if start >= 0 else None,
        "quote_end": start + len(entry.quote) if start >= 0 else None,
        "t_start": one.seconds if start >= 0 else None,
    }
