"""The table palette_tags: what every model answered, or why it has no answer; and which palettes are tagged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, Unusable, read_answer
from grabient_assets.groups.tagging.consensus import ModelAnswer
from grabient_assets.ledger.asks import SubjectVersion, chosen, named
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns
from grabient_assets.providers.contract import Result
from grabient_assets.warehouse.parameters import is_one_of
from grabient_assets.warehouse.rows import insert_rows, replacing, storable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TagRecord:
    """One row of `palette_tags`: an answer, or with `error` the reason why there is none."""

    seed: str
    prompt_version: str
    provider: str
    model: str
    analysis_index: int
    custom_id: str
    fate: str
    created_at: datetime
    temperature: str | None = None
    contrast: str | None = None
    brightness: str | None = None
    saturation: str | None = None
    mood: tuple[str, ...] | None = None
    style: tuple[str, ...] | None = None
    dominant_colors: tuple[str, ...] | None = None
    harmony: tuple[str, ...] | None = None
    seasonal: tuple[str, ...] | None = None
    associations: tuple[str, ...] | None = None
    error: str | None = None
    notes: tuple[str, ...] | None = None
    outside: tuple[str, ...] | None = None
    answer_text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


def record_tags(connection: DuckDBPyConnection, records: Sequence[TagRecord]) -> None:
    """Insert answers and failures. An answer replaces a failure; a failure never replaces an answer to its request.

    What was asked in an older wording and comes late never replaces what the ask wants now.
    """
    insert_rows(connection, "palette_tags", records, PALETTE_TAGS.keep_current("tagging"))


_KEY = ("seed", "prompt_version", "provider", "model", "analysis_index")
_BETTER = "palette_tags.error IS NOT NULL OR excluded.custom_id <> palette_tags.custom_id"
PALETTE_TAGS = AnswerTable("palette_tags", _KEY, f"{replacing(TagRecord, _KEY)} WHERE {_BETTER}", subject="seed")


def answers(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> dict[SubjectVersion, list[ModelAnswer]]:
    """The usable answers about these palettes, by palette, in a fixed order."""
    order, fields = "prompt_version, seed, provider, model, analysis_index", (*CATEGORICAL_FIELDS, *LIST_FIELDS)
    parameters = named(among)
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}
        SELECT {order}, {", ".join(fields)} FROM palette_tags JOIN chosen USING (seed, prompt_version)
        WHERE error IS NULL AND {is_one_of(connection, "seed", parameters["subjects"])} ORDER BY {order}
        """,
        parameters,
    ).fetchall()
    found: defaultdict[SubjectVersion, list[ModelAnswer]] = defaultdict(list)
    for version, seed, provider, model, analysis_index, *values in rows:
        tags = (tuple(one or ()) for one in values[len(CATEGORICAL_FIELDS) :])
        content: dict[str, Any] = dict(zip(fields, (*values[: len(CATEGORICAL_FIELDS)], *tags), strict=True))
        found[SubjectVersion(version, seed)].append(ModelAnswer(provider, model, analysis_index, Answer(**content)))
    return dict(found)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A palette whose tagging is complete: how many answers can be used, how many cannot, and an example why not."""

    partition: SubjectVersion
    answers: int
    failures: int
    models: int
    cost_usd: Decimal
    error: str | None


def complete_tagging(
    connection: DuckDBPyConnection, providers: Sequence[str], among: Sequence[SubjectVersion] | None = None
) -> list[Tagged]:
    """Palettes of which every one of `providers` was asked and no ask is open any more.

    Of those that are tagged adaptively, the settled ones: a provider counts as asked that has no part in their waves.
    """
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}, complete AS (
            SELECT a.subject AS seed, a.prompt_version FROM asks a LEFT JOIN tagging_waves w
                ON w.seed = a.subject AND w.prompt_version = a.prompt_version
            WHERE a.purpose = 'tagging'
              AND ($everything OR (a.subject, a.prompt_version) IN (SELECT (seed, prompt_version) FROM chosen))
            GROUP BY ALL
            HAVING bool_and(a.state <> 'open') AND bool_and(w.state IS DISTINCT FROM 'open') AND list_has_all(
                list_concat(list(DISTINCT a.provider), coalesce(any_value(w.providers), [])), $providers::VARCHAR[])
        )
        SELECT c.prompt_version, c.seed, count(*) FILTER (t.seed IS NOT NULL AND t.error IS NULL),
               count(*) FILTER (t.error IS NOT NULL),
               count(DISTINCT t.model) FILTER (t.error IS NULL), coalesce(sum(t.cost_usd), 0), min(t.error)
        FROM complete c LEFT JOIN palette_tags t USING (seed, prompt_version)
        GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            **named(among or ()),
            "providers": list(providers),
        },
    ).fetchall()
    return [Tagged(SubjectVersion(row[0], row[1]), *row[2:]) for row in rows]


class TagReader(AnswerReader):
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

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[TagRecord]:
        return [_row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        record_tags(connection, self.rows(batch, settled, now))


def _row(batch: BatchRecord, settled: Settled, now: datetime) -> TagRecord:
    answer: Answer | None = settled.verdict.payload
    fields = {f: getattr(answer, f) for f in (*CATEGORICAL_FIELDS, *LIST_FIELDS)} if answer else {}
    return TagRecord(
        seed=settled.request.subject,
        prompt_version=batch.prompt_version,
        provider=batch.provider,
        model=batch.model,
        analysis_index=settled.request.analysis_index,
        notes=answer.notes if answer else None,
        outside=answer.outside if answer else None,
        answer_text=storable(settled.text),
        output_tokens=settled.output_tokens,
        **answer_columns(batch, settled, now),
        **fields,
    )
