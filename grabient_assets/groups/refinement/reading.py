"""What refinement makes of the answers of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from grabient_assets.errors import StoreError
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.refinement.basis import basis_of
from grabient_assets.groups.refinement.refined_answer import LIMITS, Refined, read_refined
from grabient_assets.groups.tagging.answers import Unusable
from grabient_assets.ledger.archive import archived_requests
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, requests_of
from grabient_assets.ledger.due import close_finished, share_answers
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.refined import (
    RefinedRecord,
    record_refined,
    stop_failed_refinements,
)
from grabient_assets.ledger.settling import Settled, Verdict
from grabient_assets.providers.contract import Result
from grabient_assets.providers.offline import picture_urls
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import storable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIELDS = (*CATEGORICAL_VALUES, *LIMITS, "embed_text", "embed_text_repaired", "notes")


class RefinedReader:
    """Reads the refiner's answers to one batch and writes them to `palette_tag_refined`.

    Gaps in an answer are filled from the consensus it was asked with, which may not be the one that is stored now, and
    from the palette's own facts.
    """

    table = "palette_tag_refined"

    def __init__(self, purpose: Purpose, batch: BatchRecord, warehouse: Warehouse, store: ObjectStore) -> None:
        self._purpose, self._batch, self._store = purpose, batch, store
        self._basis = basis_of(batch, warehouse, store)
        with warehouse.read() as connection:
            seeds = {request.subject for request in requests_of(connection, batch.batch_id)}
            self._palettes = {record.seed: record for record in palettes(connection, seeds)}

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        palette = self._palettes[request.subject]
        votes = self._basis[request.custom_id].consensus
        text = result.text or ""
        answer = read_refined(text, request.custom_id, votes, palette.color_names, palette.harmonies, palette.rgb)
        if isinstance(answer, Unusable):
            return Verdict(answer.fate, answer.reason)
        return Verdict("repaired" if answer.repaired or answer.embed_text_repaired else "succeeded", payload=answer)

    def picture_url(self, request: RequestRecord) -> str | None:
        return self._picture_urls.get(request.custom_id)

    @cached_property
    def _picture_urls(self) -> dict[str, str]:
        """As they were sent: R2_PUBLIC_URL may be another one by now."""
        try:
            return picture_urls(archived_requests(self._store, self._batch))
        except StoreError:
            return {}

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[RefinedRecord]:
        return [self._row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        final = [one for one in settled if one.final]
        record_refined(connection, self.rows(batch, settled, now))
        share_answers(connection, self._purpose)
        close_finished(connection, self._purpose, now)
        failed = [
            (SubjectVersion(batch.prompt_version, one.request.subject), one.verdict.error or one.verdict.fate)
            for one in final
            if one.verdict.fate not in USABLE
        ]
        stop_failed_refinements(connection, failed, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> RefinedRecord:
        answer: Refined | None = settled.verdict.payload
        fields = {field: getattr(answer, field) for field in FIELDS} if answer else {}
        usable = settled.verdict.fate in USABLE
        return RefinedRecord(
            seed=settled.request.subject,
            prompt_version=batch.prompt_version,
            source_prompt_version=batch.prompt_version,
            model=batch.model,
            custom_id=settled.request.custom_id,
            fate=settled.verdict.fate,
            consensus_digest=self._basis[settled.request.custom_id].digest,
            created_at=now,
            error=None if usable else settled.verdict.error,
            answer_text=storable(settled.text),
            input_tokens=settled.input_tokens,
            output_tokens=settled.output_tokens,
            cost_usd=settled.cost_usd,
            batch_id=batch.batch_id,
            **fields,
        )
