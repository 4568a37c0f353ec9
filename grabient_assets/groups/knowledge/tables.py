"""The tables workflows and extractions, and how the ledger reads the latter."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.ledger.settling import AnswerColumns
from grabient_assets.sources.reference import WorkflowType
from grabient_assets.warehouse.rows import replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Extractor:
    """A text model that reads sources."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """One row of `workflows`: sources that are read for the same areas with the same parameters. Sizes in
    characters."""

    workflow_id: str
    name: str
    type: WorkflowType
    prompt_version: str
    areas: tuple[int, ...]
    extractors: tuple[Extractor, ...]
    chunk_size: int
    overlap: int
    embedder: str
    store: str
    skip_hopeless: bool
    made_at: datetime
    cap_id: str | None = None
    completed_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionRecord(AnswerColumns):
    """One row of `extractions`: what one model said of one area in one window. A `skipped` one was never asked. `found`
    is JSON: every entry that was read, from which `knowledge_entries` are made."""

    subject: str
    source_id: str
    focus_area: int
    part: int
    prompt_version: str
    provider: str
    model: str
    entries: int = 0
    skipped: bool = False
    found: str | None = None
    output_tokens: int | None = None


_KEY = ("subject", "prompt_version", "provider", "model")
EXTRACTIONS = AnswerTable(
    "extractions",
    _KEY,
    f"{replacing(ExtractionRecord, _KEY)} WHERE excluded.error IS NULL OR extractions.error IS NOT NULL",
    subject="subject",
    analysis_index="0",
    derived={
        "source_id": "split_part(m.subject, '|', 1)",
        "focus_area": "split_part(m.subject, '|', 2)[3:]::INTEGER",
        "part": "split_part(m.subject, '|', 3)[2:]::INTEGER",
    },
)
CELL_KEYS = """
    SELECT x.source_id || '|fa' || a.area || '|w' || printf('%02d', x.part) AS subject,
           left(sha256('fa' || a.area || '|' || x.window_sha256), 24) AS subject_key
    FROM source_windows x JOIN sources s USING (source_id, content_sha256), (SELECT unnest(range(1, 10)) AS area) a
"""
"""What can be asked about: each area of each window of the present texts."""
CELL_SIZES = """
    SELECT x.source_id || '|fa' || a.area || '|w' || printf('%02d', x.part) AS subject, row_number() OVER () AS place,
           strlen(x.segments::VARCHAR) + strlen(x.title) AS bytes
    FROM source_windows x JOIN sources s USING (source_id, content_sha256), (SELECT unnest(range(1, 10)) AS area) a
"""


def cell_subject(source_id: str, area: int, part: int) -> str:
    """What stands for one area of one window in the ledger."""
    return f"{source_id}|fa{area}|w{part:02d}"


def cell_of(subject: str) -> tuple[str, int, int]:
    """Source, area and part of such a subject."""
    source_id, area, part = subject.split("|")
    return source_id, int(area[2:]), int(part[1:])


def record_workflow(connection: DuckDBPyConnection, workflow: Workflow) -> None:
    """Insert a new workflow."""
    values = {field.name: getattr(workflow, field.name) for field in fields(workflow)}
    values["areas"] = list(workflow.areas)
    values["extractors"] = json.dumps([{"provider": one.provider, "model": one.model} for one in workflow.extractors])
    columns = ", ".join(values)
    connection.execute(f"INSERT INTO workflows ({columns}) VALUES ({', '.join(f'${name}' for name in values)})", values)


def workflows(connection: DuckDBPyConnection, among: Collection[str] | None = None) -> dict[str, Workflow]:
    """The workflows that were not deleted, by id, the newest first: all, or those named."""
    columns = ", ".join(field.name for field in fields(Workflow))
    rows = connection.execute(
        f"SELECT {columns} FROM workflows WHERE deleted_at IS NULL AND ($1 OR workflow_id IN "
        "(SELECT unnest($2::VARCHAR[]))) ORDER BY made_at DESC, workflow_id DESC",
        [among is None, list(among or ())],
    ).fetchall()
    return {row[0]: _workflow(row) for row in rows}


def _workflow(row: Sequence[Any]) -> Workflow:
    values = dict(zip([field.name for field in fields(Workflow)], row, strict=True))
    values["areas"] = tuple(values["areas"])
    values["extractors"] = tuple(Extractor(one["provider"], one["model"]) for one in json.loads(values["extractors"]))
    return Workflow(**values)


def named_workflow(connection: DuckDBPyConnection, name: str) -> Workflow:
    """The workflow with this id or a unique beginning of it, or with this name; `latest` is the newest. Raises
    UsageError."""
    found = [
        one
        for one in workflows(connection).values()
        if one.workflow_id.startswith(name) or one.name == name or name == "latest"
    ]
    if not found:
        raise UsageError(f"There is no workflow {name!r}. `grabient knowledge status` names them.")
    if len(found) > 1 and name != "latest":
        raise UsageError(f"{name!r} stands for {len(found)} workflows; write the beginning of one id.")
    return found[0]
