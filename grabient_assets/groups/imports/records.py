"""From an answer of an export to its row: read by the rules that read the answers of models."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import RegistryError
from grabient_assets.groups.imports.export_row import LegacyAnswer
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.refinement.reading import FIELDS as REFINED_FIELDS
from grabient_assets.groups.refinement.reading import UNKNOWN
from grabient_assets.groups.refinement.refined import RefinedRecord
from grabient_assets.groups.refinement.refined_answer import read_refined
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Unusable, read_answer
from grabient_assets.groups.tagging.tag_consensus import consensus
from grabient_assets.groups.tagging.tags import TagRecord
from grabient_assets.groups.tagging.tallying import stored_consensus
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.identity import imported_id
from grabient_assets.registry.model import Model
from grabient_assets.registry.price_list import PriceList, price_list
from grabient_assets.registry.usage import Usage
from grabient_assets.warehouse.rows import storable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TAG_FIELDS = (*CATEGORICAL_FIELDS, *LIST_FIELDS, "notes", "outside")


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One row of `imports`: what a file held of one model under one prompt version, which it `named` so."""

    import_id: str
    purpose: str
    provider: str
    model: str
    prompt_version: str
    named: str | None
    source: str
    imported_at: datetime


def import_record(one: LegacyAnswer, source: str, now: datetime) -> ImportRecord:
    """The import to which the answer belongs."""
    of = (one.purpose, one.model.provider, one.model.id, one.prompt_version)
    digits = hashlib.sha256("\n".join((source, *of)).encode()).hexdigest()[:20]
    return ImportRecord(f"import-{digits}", *of, one.named, source, now)


def tag_records(answers: Sequence[LegacyAnswer], source: str, now: datetime) -> list[TagRecord]:
    """The rows of palette_tags."""
    return [
        TagRecord(
            provider=one.model.provider,
            analysis_index=one.analysis_index,
            **_columns(one, None if one.failed else read_answer(one.text or "", None), _TAG_FIELDS, source, now),
        )
        for one in answers
    ]


def refined_records(
    connection: DuckDBPyConnection, answers: Sequence[LegacyAnswer], source: str, now: datetime
) -> list[RefinedRecord]:
    """The rows of palette_tag_refined. Gaps are filled from the consensus that stands here for what it was made
    from."""
    sources = {SubjectVersion(version, one.seed) for one in answers for version in one.made_from}
    bases = {(record.prompt_version, record.seed): record for record in consensus(connection, list(sources))}
    loaded = {record.seed: record for record in palettes(connection, {one.seed for one in answers})}
    found: list[RefinedRecord] = []
    for one in answers:
        basis = next((bases[v, one.seed] for v in one.made_from if (v, one.seed) in bases), None)
        votes, facts, answer = stored_consensus(basis) if basis else None, loaded[one.seed], None
        if not one.failed:
            answer = read_refined(one.text or "", None, votes, facts.color_names, facts.harmonies, facts.rgb)
        found.append(
            RefinedRecord(
                source_prompt_version=basis.prompt_version if basis else [*one.made_from, one.prompt_version][0],
                consensus_digest=basis.digest if basis else UNKNOWN,
                **_columns(one, answer, REFINED_FIELDS, source, now),
            )
        )
    return found


def _columns(one: LegacyAnswer, answer: Any, fields: Collection[str], source: str, now: datetime) -> dict[str, Any]:
    """The columns that both tables have, and the `fields` of a usable answer. None: the earlier system got none."""
    unusable = answer if isinstance(answer, Unusable) else None
    repaired = getattr(answer, "repaired", False) or getattr(answer, "embed_text_repaired", False)
    at = one.created_at or now
    return {
        "seed": one.seed,
        "prompt_version": one.prompt_version,
        "model": one.model.id,
        "custom_id": imported_id(one.palette_key, one.key, one.analysis_index),
        "fate": unusable.fate if unusable else "errored" if one.failed else "repaired" if repaired else "succeeded",
        "error": unusable.reason if unusable else storable(one.error),
        "answer_text": storable(one.text),
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cost_usd": _dollars(one, at.date()),
        "batch_id": import_record(one, source, now).import_id,
        "created_at": at,
        **({} if one.failed or unusable else {name: getattr(answer, name) for name in fields}),
    }


def _dollars(one: LegacyAnswer, day: date) -> Decimal | None:
    """The cost by the prices of that day in a batch; None where the export has no tokens, or nobody knows a price."""
    prices = _prices(one.model, day)
    if prices is None or one.input_tokens is None or one.output_tokens is None:
        return None
    try:
        return prices.cost(Usage(one.input_tokens, one.output_tokens))
    except RegistryError:
        return None


@lru_cache(maxsize=10_000)
def _prices(model: Model, day: date) -> PriceList | None:
    try:
        return price_list(model, day)
    except RegistryError:
        return None
