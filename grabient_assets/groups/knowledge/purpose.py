"""Extraction: what is asked of a model about one focus area in one window of a source, and what its answer becomes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.fetching.windows import StoredWindow, stored_window
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.entries import TYPES, Extraction, entry_id, read_extraction
from grabient_assets.groups.knowledge.tables import (
    CELL_KEYS,
    CELL_SIZES,
    EXTRACTIONS,
    ExtractionRecord,
    Workflow,
    cell_of,
    cell_subject,
)
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, record_asks, stop_failed
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.prompting.rules import PromptRules
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import RequestSpec, Result
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import prompts_dir
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FAMILY = "knowledge"
FIELDS = ("type", "content", "speaker_perspective", "quote", "notes")
EXTRACTION_RULES = PromptRules(
    "extraction", {"types": TYPES}, ("types",), ("ref", "entries"), (), {"type": TYPES}, {"entries": FIELDS}
)
SOME_ID = "0" * 48
TALK_BYTES = 65_000
"""An hour of talk as JSON, 10,000 words: what a source is taken for before one was fetched."""


def extraction_prompt(version: str) -> Prompt:
    """The extractors' prompt of a version, `knowledge/v1` or `v1`. Raises PromptError."""
    from grabient_assets.prompting.load import family_prompt

    return family_prompt(prompts_dir() / FAMILY, version, (EXTRACTION_RULES,), "extraction")


def extraction_message(ref: str, area: int, window: StoredWindow) -> str:
    """What an extractor is shown: one JSON object, compact."""
    segments = [{"text": text} if t is None else {"t": round(t, 1), "text": text} for t, _, text in window.segments]
    message = {"ref": ref, "focus_area": area, "title": window.title, "segments": segments}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _spec(custom_id: str, message: str, prompt: Prompt) -> RequestSpec:
    return RequestSpec(
        custom_id=custom_id,
        system=prompt.body,
        text=message,
        schema=prompt.schema,
        schema_name="knowledge_entries",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def _prepare(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    with submission.warehouse.read() as database:
        rows = database.execute(
            "SELECT x.source_id, x.part, x.title, x.char_start, x.segments FROM source_windows x "
            "JOIN sources s USING (source_id, content_sha256) WHERE x.source_id IN (SELECT unnest($1::VARCHAR[]))",
            [sorted({cell_of(one.subject)[0] for one in due})],
        ).fetchall()
    windows = {(source_id, part): rest for source_id, part, *rest in rows}
    for one in due:
        source_id, area, part = cell_of(one.subject)
        window, _ = stored_window(*windows[source_id, part])
        spec = _spec(one.custom_id, extraction_message(one.custom_id, area, window), prompt)
        line = submission.connection.provider.request_line(spec, model)
        yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line)


class ExtractionReader(AnswerReader):
    """Reads the answers of one batch into `extractions`, each entry held against the window that was read, be it of an
    earlier text of its source."""

    table = EXTRACTIONS.name

    def __init__(self, batch: BatchRecord, warehouse: Warehouse) -> None:
        with warehouse.read() as connection:
            rows = connection.execute(
                """
                SELECT r.custom_id, x.title, x.char_start, x.segments
                FROM batch_requests r JOIN source_windows x ON x.source_id = split_part(r.subject, '|', 1) AND
                    left(r.custom_id, 24) = left(sha256(split_part(r.subject, '|', 2) || '|' || x.window_sha256), 24)
                WHERE r.batch_id = $1
                """,
                [batch.batch_id],
            ).fetchall()
        self._windows = {custom_id: rest for custom_id, *rest in rows}

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        stored = self._windows.get(request.custom_id)
        if stored is None:
            return Verdict("invalid", "The text that was read is not stored any more.")
        found = read_extraction(result.text or "", request.custom_id, stored_window(*stored)[1])
        return Verdict(found.fate, found.error, found)

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[ExtractionRecord]:
        return [self._row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        records = self.rows(batch, settled, now)
        insert_rows(connection, EXTRACTIONS.name, records, EXTRACTIONS.keep_current(EXTRACTION.name))
        write_entries(connection, [record.subject for record in records])
        take_over(connection, EXTRACTION, now)
        failed = [
            (SubjectVersion(one.prompt_version, one.subject), one.error) for one in records if one.error is not None
        ]
        # An older text's answer may stand; then the row says nothing of this failure, and the ask would stay open.
        stop_failed(connection, EXTRACTION.name, failed, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> ExtractionRecord:
        source_id, area, part = cell_of(settled.request.subject)
        answer = settled.verdict.payload if settled.verdict.fate in USABLE else None
        found = self._listed(settled.request.custom_id, answer) if isinstance(answer, Extraction) else []
        return ExtractionRecord(
            subject=settled.request.subject,
            source_id=source_id,
            focus_area=area,
            part=part,
            prompt_version=batch.prompt_version,
            provider=batch.provider,
            model=batch.model,
            entries=sum(one["reason"] is None for one in found),
            found=json.dumps(found, ensure_ascii=False),
            output_tokens=settled.output_tokens,
            **answer_columns(batch, settled, now),
        )

    def _listed(self, custom_id: str, answer: Extraction) -> list[dict[str, object]]:
        window, _ = stored_window(*self._windows[custom_id])
        listed: list[dict[str, object]] = []
        for one in answer.entries:
            start, end = one.quote_start, one.quote_end
            at = None if start is None or end is None else (window.char_start + start, window.char_start + end)
            listed.append(
                {
                    **{name: getattr(one, name) for name in (*FIELDS, "reason")},
                    "entry_id": entry_id(custom_id, one),
                    "quote_start": at and at[0],
                    "quote_end": at and at[1],
                    "t_start": None if start is None else window.second(start),
                }
            )
        return listed


_FOUND = json.dumps(
    [dict.fromkeys((*FIELDS, "reason", "entry_id"), "VARCHAR") | dict.fromkeys(("quote_start", "quote_end"), "INTEGER")
     | {"t_start": "DOUBLE"}]
)  # fmt: skip


def write_entries(connection: DuckDBPyConnection, subjects: Sequence[str]) -> int:
    """Make the entries of the requests that these subjects have an answer of, from `extractions`; returns how many
    stand. Those of requests that no subject of their sources rests on any more leave."""
    values = {"subjects": list(dict.fromkeys(subjects))}
    chosen = "SELECT custom_id FROM extractions WHERE subject IN (SELECT unnest($subjects::VARCHAR[]))"
    connection.execute(
        f"""
        DELETE FROM knowledge_entries WHERE custom_id IN ({chosen}) OR (
            source_id IN (SELECT split_part(unnest($subjects::VARCHAR[]), '|', 1))
            AND custom_id NOT IN (SELECT custom_id FROM extractions))
        """,
        values,
    )
    row = connection.execute(
        f"""
        INSERT INTO knowledge_entries BY NAME
        SELECT e.* , x.source_id, x.focus_area, x.part, x.prompt_version, x.provider, x.model, x.custom_id, x.batch_id,
               x.created_at, sha256(e.content) AS content_sha256, if(e.reason IS NULL, 'ok', 'quarantined') AS state
        FROM (SELECT * FROM extractions WHERE custom_id IN ({chosen}) AND found IS NOT NULL
              QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY subject, prompt_version) = 1) x,
             LATERAL (SELECT unnest(from_json(x.found, '{_FOUND}'), recursive := true)) e
        """,
        values,
    ).fetchone()
    return row[0] if row else 0


def ask_for_extraction(
    connection: DuckDBPyConnection,
    workflow: Workflow,
    source_ids: Sequence[str],
    answers_from: str,
    now: datetime,
    *,
    retry: bool = False,
) -> None:
    """Want every area of the workflow read in the present texts of these sources. A cell that none of its words stands
    in is skipped where the workflow says so; with `retry`, what failed is asked for again. Raises PromptError for a
    draft where only released prompts may be asked."""
    prompt = extraction_prompt(workflow.prompt_version)
    refuse_draft(prompt, answers_from)
    keep_wording(connection, prompt, now)
    models = [load_registry().model(one.provider, one.model) for one in workflow.extractors]
    hopeless = _skip_hopeless(connection, workflow, source_ids, now) if workflow.skip_hopeless else set[str]()
    rows = connection.execute(
        f"SELECT subject FROM ({CELL_KEYS}) WHERE split_part(subject, '|', 1) IN (SELECT unnest($1::VARCHAR[])) "
        "AND split_part(subject, '|', 2)[3:]::INTEGER IN (SELECT unnest($2::INTEGER[])) ORDER BY subject",
        [list(source_ids), list(workflow.areas)],
    ).fetchall()
    wanted = [SubjectVersion(workflow.prompt_version, subject) for (subject,) in rows if subject not in hopeless]
    targets = [EXTRACTION.target(workflow.prompt_version, model, answers_from) for model in models]
    record_asks(connection, EXTRACTION, wanted, targets, 1, now, AskTerms(cap_id=workflow.cap_id), retry=retry)
    take_over(connection, EXTRACTION, now)


def _skip_hopeless(
    connection: DuckDBPyConnection, workflow: Workflow, source_ids: Sequence[str], now: datetime
) -> set[str]:
    """Mark the cells whose whole source holds no word of their area as skipped; returns their subjects. What was
    answered already stays, and what was skipped in an earlier text and has a word now is asked."""
    connection.execute(
        "DELETE FROM extractions WHERE skipped AND prompt_version = $1 AND source_id IN (SELECT unnest($2::VARCHAR[]))",
        [workflow.prompt_version, list(source_ids)],
    )
    patterns = {area.number: area.pattern for area in AREAS if area.number in workflow.areas}
    rows = connection.execute(
        """
        SELECT x.source_id, a.area, max(x.part) + 1
        FROM source_windows x JOIN sources s USING (source_id, content_sha256),
             (SELECT unnest($areas::INTEGER[]) AS area, unnest($patterns::VARCHAR[]) AS pattern) a
        WHERE x.source_id IN (SELECT unnest($sources::VARCHAR[]))
        GROUP BY ALL HAVING NOT bool_or(regexp_matches(lower(x.segments::VARCHAR), a.pattern)) ORDER BY ALL
        """,
        {"areas": list(patterns), "patterns": list(patterns.values()), "sources": list(source_ids)},
    ).fetchall()
    records = [
        ExtractionRecord(
            custom_id="",
            fate="skipped",
            created_at=now,
            subject=cell_subject(source_id, area, part),
            source_id=source_id,
            focus_area=area,
            part=part,
            prompt_version=workflow.prompt_version,
            provider=one.provider,
            model=one.model,
            skipped=True,
        )
        for source_id, area, parts in rows
        for part in range(parts)
        for one in workflow.extractors
    ]
    insert_rows(connection, EXTRACTIONS.name, records, "ON CONFLICT DO NOTHING")
    return {record.subject for record in records}


def _line_bytes(connection: DuckDBPyConnection, prompt: Prompt, model: Model) -> int:
    """The length of a line without the segments; of a whole one as long as no source was fetched."""
    message = extraction_message(SOME_ID, 9, StoredWindow("", 0, ()))
    stored = connection.execute("SELECT 1 FROM source_windows LIMIT 1").fetchone()
    return len(request_line(_spec(SOME_ID, message, prompt), model)) + (0 if stored else TALK_BYTES)


EXTRACTION = Purpose(
    name="extraction",
    noun="knowledge cell",
    table=EXTRACTIONS,
    prompt=lambda version, _: extraction_prompt(version),
    prepare=_prepare,
    reader=lambda batch, warehouse, _store: ExtractionReader(batch, warehouse),
    line_bytes=_line_bytes,
    keys=CELL_KEYS,
    sizes=CELL_SIZES,
    after_reparse=lambda connection, subjects, _: {
        "entries": write_entries(connection, [one.subject for one in subjects])
    },
)
