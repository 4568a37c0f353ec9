"""What tagging makes of the answers of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, Unusable, read_answer
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.settling import Settled, Verdict
from grabient_assets.ledger.tags import TagRecord, record_tags
from grabient_assets.providers.contract import Result
from grabient_assets.warehouse.rows import storable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class TagReader:
    """Reads tagging answers and writes them to `palette_tags`.

    Sharing answers among equal palettes and closing asks look at all tables, so they are done once per round of
    collection (collection.py) and before every submission, not here for each batch.
    """

    table = "palette_tags"

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        answer = read_answer(result.text or "", request.custom_id)
        if isinstance(answer, Unusable):
            return Verdict(answer.fate, answer.reason)
        return Verdict("repaired" if answer.repaired else "succeeded", payload=answer)

    def picture_url(self, request: RequestRecord) -> str | None:
        return None  # taggers are shown no picture

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[TagRecord]:
        return [_row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        record_tags(connection, self.rows(batch, settled, now))


def _row(batch: BatchRecord, settled: Settled, now: datetime) -> TagRecord:
    answer: Answer | None = settled.verdict.payload
    fields = {f: getattr(answer, f) for f in (*CATEGORICAL_FIELDS, *LIST_FIELDS)} if answer else {}
    usable = settled.verdict.fate in USABLE
    return TagRecord(
        seed=settled.request.subject,
        prompt_version=batch.prompt_version,
        provider=batch.provider,
        model=batch.model,
        analysis_index=settled.request.analysis_index,
        custom_id=settled.request.custom_id,
        fate=settled.verdict.fate,
        created_at=now,
        error=None if usable else settled.verdict.error,
        notes=answer.notes if answer else None,
        outside=answer.outside if answer else None,
        answer_text=storable(settled.text),
        input_tokens=settled.input_tokens,
        output_tokens=settled.output_tokens,
        cost_usd=settled.cost_usd,
        batch_id=batch.batch_id,
        **fields,
    )
