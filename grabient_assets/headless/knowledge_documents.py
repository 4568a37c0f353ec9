"""What is told of knowledge as JSON and as files: a planned workflow, how one stands, dead letters, all entries."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from grabient_assets.groups.exports.files import replacing, sayable
from grabient_assets.groups.fetching.queue import DeadLetter
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.tables import Workflow, workflows
from grabient_assets.groups.knowledge.workflows import Planned, Status
from grabient_assets.store.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from grabient_assets.warehouse.connection import Warehouse

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet")
_COPY = {"jsonl": "FORMAT json", "csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet, COMPRESSION zstd"}


def planned_document(planned: Planned) -> dict[str, Any]:
    """The workflow as it would be made: what is accepted and refused, and what reading it may cost in dollars."""
    workflow, usd = planned.workflow, planned.usd
    return {
        "workflow_id": workflow.workflow_id,
        "name": workflow.name,
        "type": workflow.type,
        "prompt_version": workflow.prompt_version,
        "areas": list(workflow.areas),
        "extractors": [one.model for one in workflow.extractors],
        "chunk_size": workflow.chunk_size,
        "overlap": workflow.overlap,
        "embedder": workflow.embedder,
        "store": workflow.store,
        "skip_hopeless": workflow.skip_hopeless,
        "sources": [asdict(one) for one in planned.references],
        "refused": list(planned.refused),
        "usd": {"low": float(usd.low), "expected": float(usd.expected), "high": float(usd.high)},
    }


def status_row(connection: DuckDBPyConnection, status: Status) -> dict[str, Any]:
    """The columns of `workflow_status`, and what the answers that the workflow rests on cost."""
    return {**asdict(status), "cost_usd": float(workflow_cost(connection, status.workflow_id))}


def workflow_cost(connection: DuckDBPyConnection, workflow_id: str) -> Decimal:
    """Dollars of the stored answers that the workflow rests on. What two workflows share counts for both."""
    row = connection.execute(
        """
        SELECT coalesce(sum(cost_usd), 0) FROM (
            SELECT DISTINCT x.custom_id, x.cost_usd
            FROM extractions x JOIN cell_readings USING (source_id, focus_area, prompt_version, provider, model)
            WHERE workflow_id = $1 AND x.cost_usd IS NOT NULL
        )
        """,
        [workflow_id],
    ).fetchone()
    return Decimal(row[0]) if row else Decimal(0)


def vectors_left(connection: DuckDBPyConnection, workflow_id: str) -> int:
    """How many vectors of the workflow the index holds in any version."""
    row = connection.execute(
        "SELECT count(*) FROM index_entries WHERE index_name = 'knowledge' AND namespace = $1", [workflow_id]
    ).fetchone()
    return row[0] if row else 0


def workflows_with(connection: DuckDBPyConnection, source_ids: Sequence[str]) -> list[Workflow]:
    """The workflows that hold one of these sources, the newest first."""
    rows = connection.execute(
        "SELECT DISTINCT workflow_id FROM workflow_sources WHERE source_id IN (SELECT unnest($1::VARCHAR[]))",
        [list(source_ids)],
    ).fetchall()
    return list(workflows(connection, [row[0] for row in rows]).values())


def letter_row(letter: DeadLetter, would: str | None = None) -> dict[str, Any]:
    """A dead letter; with `would`, what the present code makes of its bytes."""
    row = {
        "item_id": letter.item_id,
        "source_id": letter.source_id,
        "locator": letter.locator,
        "error_class": letter.error_class,
        "last_error": letter.error,
        "attempts": letter.attempts,
        "completed_at": letter.died_at.isoformat(),
    }
    return row if would is None else {**row, "redrive_would": would}


def what_a_redrive_reads(letter: DeadLetter, store: ObjectStore) -> str:
    """What the present code makes of the stored bytes of a dead letter, as a sentence. Nothing is fetched."""
    from grabient_assets.errors import GrabientError
    from grabient_assets.sources.documents import read_document

    if letter.object_key is None:
        return "No bytes are stored, so only fetching it again shows."
    try:
        document = read_document(store.get(letter.object_key), letter.media_type, letter.locator)
    except GrabientError as error:
        return f"The stored bytes are refused again: {error}"
    return f"The stored bytes are read: {len(document.text):,} characters, {document.title or 'without a title'}."


def write_entries(
    warehouse: Warehouse, workflow: Workflow, form: Format, out: Path | None, stream: BinaryIO
) -> tuple[int, int]:
    """Write the entries of a workflow to the file `out`, whole or not at all, or else to the stream; returns how many
    entries and bytes. Raises GrabientError when it cannot be written."""
    with ExitStack() as stack:
        if out is None:
            partial = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grabient-export-"))) / "export"
        else:
            partial = stack.enter_context(replacing(out.resolve()))
        file, query = str(partial).replace("'", "''"), _entries(workflow.workflow_id, form)
        with sayable(out or partial), warehouse.read() as connection:
            row = connection.execute(f"COPY ({query}) TO '{file}' ({_COPY[form]}, USE_TMP_FILE false)").fetchone()
        size = partial.stat().st_size
        if out is None:
            with partial.open("rb") as source:
                shutil.copyfileobj(source, stream)
                stream.flush()
    return (row[0] if row else 0), size


_WORDS = ("title", "content", "speaker_perspective", "notes", "quote", "locator", "url")
"""Columns whose text comes from a source or a model."""


def _entries(workflow_id: str, form: Format) -> str:
    """The query. A spreadsheet takes text that begins with =, +, -, @, a tab or a line break for a formula, so such
    text begins with an apostrophe in CSV."""
    names = "".join(f" WHEN {area.number} THEN '{area.name.replace(chr(39), chr(39) * 2)}'" for area in AREAS)
    time = "e.created_at"
    if form != "parquet":
        time = "strftime(e.created_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    query = f"""
        SELECT e.entry_id, e.workflow_id, e.source_id, s.kind, coalesce(s.title, s.locator) AS title, s.locator,
               e.focus_area, CASE e.focus_area{names} END AS area, e.type, e.content, e.speaker_perspective, e.notes,
               e.quote, e.quote_start, e.quote_end, e.t_start,
               s.locator || CASE WHEN s.kind = 'youtube' AND isfinite(e.t_start)
                                 THEN '&t=' || floor(e.t_start)::BIGINT || 's' ELSE '' END AS url,
               e.prompt_version, e.provider, e.model, e.custom_id, e.batch_id, {time} AS created_at
        FROM workflow_entries e JOIN sources s USING (source_id)
        WHERE e.workflow_id = '{workflow_id}'
        ORDER BY e.source_id, e.focus_area, e.t_start NULLS LAST, e.quote_start, e.entry_id
    """
    if form != "csv":
        return query
    safe = ", ".join(
        f"if(regexp_matches({name}, '^[=+\\-@\t\r\n]'), '''' || {name}, {name}) AS {name}" for name in _WORDS
    )
    return f"SELECT * REPLACE ({safe}) FROM ({query})"
