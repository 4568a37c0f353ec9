"""What refinement makes of the answers of a batch.

The custom_id of a refinement covers the digest of the consensus that it was asked with. Where the stored one has
another digest by now, the archived request line says what the refiner was shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import StoreError
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.refinement.refined import RefinedRecord, record_refined, refined
from grabient_assets.groups.refinement.refined_answer import LIMITS, Refined, read_refined
from grabient_assets.groups.tagging.answers import LIST_FIELDS, Unusable
from grabient_assets.groups.tagging.consensus import Consensus, Vote
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, consensus
from grabient_assets.groups.tagging.tallying import consensus_digest, stored_consensus
from grabient_assets.ledger.archive import archived_requests
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import SubjectVersion, stop_failed
from grabient_assets.ledger.batches import EMULATOR_ACCOUNT, BatchRecord, RequestRecord, requests_of
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.identity import digest_of_request
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns
from grabient_assets.providers.connect import picture_urls
from grabient_assets.providers.contract import Result
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import storable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNKNOWN = "unknown"
"""The digest of a consensus that can no longer be found out: no stored one has it."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The consensus that a request was made from, as far as it is known, and its digest."""

    consensus: Consensus | None
    digest: str


def basis_of(batch: BatchRecord, warehouse: Warehouse, store: ObjectStore) -> dict[str, Basis]:
    """The basis of every request of the batch, by custom_id."""
    with warehouse.read() as connection:
        requests = requests_of(connection, batch.batch_id)
        partitions = [SubjectVersion(batch.prompt_version, request.subject) for request in requests]
        stored = {record.seed: record for record in consensus(connection, partitions)}
        digests = {row.seed: row.consensus_digest for row in refined(connection, partitions)}
    found: dict[str, Basis] = {}
    earlier: dict[str, RequestRecord] = {}
    for request in requests:
        record = stored.get(request.subject)
        if record is not None and _made_from(batch, request, record.digest):
            found[request.custom_id] = _present(record)
        else:
            earlier[request.custom_id] = request
    if earlier:
        shown = _shown(batch, store, earlier)
        for custom_id, request in earlier.items():
            votes = _with_contradicted(shown.get(custom_id), stored.get(request.subject))
            candidates = [digests.get(request.subject), consensus_digest(votes) if votes else None]
            digest = next((d for d in candidates if d and _made_from(batch, request, d)), UNKNOWN)
            found[custom_id] = Basis(votes, digest)
    return found


def _present(record: ConsensusRecord) -> Basis:
    return Basis(stored_consensus(record), record.digest)


def _with_contradicted(shown: Consensus | None, record: ConsensusRecord | None) -> Consensus | None:
    """The votes that were shown, and those that never are: which colours the panel wrongly saw (refined_answer.py)."""
    if shown is None or record is None:
        return shown
    hidden = {f: tuple(v for v in votes if v.contradicted) for f, votes in stored_consensus(record).votes.items()}
    return replace(shown, votes={field: (*votes, *hidden.get(field, ())) for field, votes in shown.votes.items()})


def _made_from(batch: BatchRecord, request: RequestRecord, digest: str) -> bool:
    """Whether the custom_id says that the request was made from the consensus of this digest (refined.py)."""
    answers_from = "emulator" if batch.account == EMULATOR_ACCOUNT else "live"
    asked = digest_of_request(batch.purpose, answers_from, batch.provider, batch.model, batch.prompt_digest)
    return hashlib.sha256(f"{asked}{digest}".encode()).hexdigest()[:20] in request.custom_id


def _shown(batch: BatchRecord, store: ObjectStore, wanted: Iterable[str]) -> dict[str, Consensus]:
    """The votes in the archived request lines, by custom_id: at most twenty words a field, more than a gap needs."""
    try:
        lines = archived_requests(store, batch)
    except StoreError:
        return {}  # the answer was paid for; its gaps stay gaps
    missing = set(wanted)
    found: dict[str, Consensus] = {}
    for line in lines:
        for text in _texts(json.loads(line)):
            custom_id, votes = _message(text)
            if custom_id in missing and votes is not None:
                found[custom_id] = votes
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every string in a request body that may be our message, in whatever provider's frame."""
    if isinstance(value, str):
        if value.startswith('{"ref":'):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _message(text: str) -> tuple[str, Consensus | None]:
    document = json.loads(text)
    counts = document.get("consensus")
    if counts is None:
        return document["ref"], None
    panel = counts["models"]
    votes = {
        field: tuple(
            Vote(word, models, models / panel)
            for word, share in counts.get(field, {}).items()
            for models in [int(share.partition("/")[0])]
        )
        for field in (*CATEGORICAL_VALUES, *LIST_FIELDS)
    }
    return document["ref"], Consensus(models=panel, answers=0, votes=votes)


FIELDS = (*CATEGORICAL_VALUES, *LIMITS, "embed_text", "embed_text_repaired", "notes")


class RefinedReader(AnswerReader):
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
        take_over(connection, self._purpose, now)
        failed = [
            (SubjectVersion(batch.prompt_version, one.request.subject), one.verdict.error or one.verdict.fate)
            for one in final
            if one.verdict.fate not in USABLE
        ]
        stop_failed(connection, self._purpose.name, failed, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> RefinedRecord:
        answer: Refined | None = settled.verdict.payload
        fields = {field: getattr(answer, field) for field in FIELDS} if answer else {}
        return RefinedRecord(
            seed=settled.request.subject,
            prompt_version=batch.prompt_version,
            source_prompt_version=batch.prompt_version,
            model=batch.model,
            consensus_digest=self._basis[settled.request.custom_id].digest,
            answer_text=storable(settled.text),
            output_tokens=settled.output_tokens,
            **answer_columns(batch, settled, now),
            **fields,
        )
