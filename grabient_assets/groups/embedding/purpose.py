"""Embedding: what is asked of an embedder about each text, and how to ask for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast, get_args

from grabient_assets.errors import PromptError, RegistryError
from grabient_assets.groups.embedding.embeddings import (
    EMBEDDINGS,
    KEYS,
    SIZES,
    EmbeddingRecord,
    UnitVector,
    checked,
    keep_texts,
    record_embeddings,
    texts_of,
    without_vector,
)
from grabient_assets.ledger.asking import begin_asking, take_over
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, record_asks
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, requests_of
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.prompts import wording
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt, prompt_digest
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import Result, VectorSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Delivery, Model, Task
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = "embedding"
SOME_ID = "0" * 48
"""As long as every custom_id of a text."""
READ_AT_ONCE = 20_000
"""So many texts are read from the database at a time."""


def recipe(task: str, model: Model) -> Prompt:
    """What a request takes from the registry beside the text: dimensions, and the form of the task. This is the prompt
    of an embedder, and the task is its version.

    A model that does not know the difference between a document and a query gets one request for both. Raises
    RegistryError for a model that makes no vectors, PromptError for a task that nobody knows.
    """
    rules = model.vectors
    if rules is None:
        raise RegistryError(f"{model.id} ({model.provider}) makes no vectors; choose a model with the role embedder.")
    if task not in get_args(Task):
        raise PromptError(f"There is no task {task!r} for an embedder; it is one of {', '.join(get_args(Task))}.")
    prefix = rules.prefix(cast(Task, task)) if rules.task == "prefix" else ""
    task_parameter: dict[str, float | int | str] = {"task": task} if rules.task == "parameter" else {}
    parameters = {"dimensions": rules.default, **task_parameter}
    text = {**parameters, "prefix": prefix, "unit_length": rules.unit_length}
    return Prompt(
        version=task,
        purpose=NAME,
        message=f"{rules.default} dimensions, as {model.id} is asked for them",
        body=prefix,
        parameters=parameters,
        schema={},
        digest=prompt_digest(prefix, {}, parameters),
        text=json.dumps(text),
    )


def _line_bytes(_: DuckDBPyConnection, prompt: Prompt, model: Model) -> int:
    spec = VectorSpec(SOME_ID, "x", int(prompt.parameters["dimensions"]), cast(Task, prompt.version))
    return len(request_line(spec, model)) - 1


def _prepare(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    """The request lines, made as they are read."""
    dimensions, task = int(prompt.parameters["dimensions"]), cast(Task, prompt.version)
    for start in range(0, len(due), READ_AT_ONCE):
        part = due[start : start + READ_AT_ONCE]
        with submission.warehouse.read() as database:
            texts = texts_of(database, {one.subject for one in part})
        for one in part:
            spec = VectorSpec(one.custom_id, texts[one.subject].text, dimensions, task)
            line = submission.connection.provider.request_line(spec, model)
            yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line)


class EmbeddingReader(AnswerReader):
    """Checks the vectors of one batch against the recipe that it was asked with, and writes them to `embeddings`."""

    table = "embeddings"

    def __init__(self, batch: BatchRecord, warehouse: Warehouse) -> None:
        with warehouse.read() as connection:
            text = wording(connection, batch.purpose, batch.prompt_digest)
            self._texts = texts_of(connection, {r.subject for r in requests_of(connection, batch.batch_id)})
        self._recipe = json.loads(text) if text else {}

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        assert result.vector is not None
        found = checked(
            result.vector,
            self._recipe.get("dimensions", len(result.vector)),
            self._recipe.get("unit_length", False),
        )
        return Verdict("invalid", found) if isinstance(found, str) else Verdict("succeeded", payload=found)

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[EmbeddingRecord]:
        return [self._row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        record_embeddings(connection, self.rows(batch, settled, now))
        take_over(connection, EMBEDDING, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> EmbeddingRecord:
        found: UnitVector | None = settled.verdict.payload if settled.verdict.fate in USABLE else None
        return EmbeddingRecord(
            content_sha256=self._texts[settled.request.subject].content_sha256,
            embedder=batch.model,
            task=batch.prompt_version,
            subject=settled.request.subject,
            provider=batch.provider,
            dimensions=len(found.numbers) if found else None,
            vector=found.numbers if found else None,
            norm=found.norm if found else None,
            **answer_columns(batch, settled, now),
        )


EMBEDDING = Purpose(
    name=NAME,
    noun="text",
    table=EMBEDDINGS,
    prompt=recipe,
    prepare=_prepare,
    reader=lambda batch, warehouse, _: EmbeddingReader(batch, warehouse),
    line_bytes=_line_bytes,
    keys=KEYS,
    sizes=SIZES,
    kind="vector",
)


@dataclass(frozen=True, slots=True)
class EmbeddingsAsked:
    """The content_sha256 of every text, in the order of the texts, and how many of them were asked for now."""

    contents: tuple[str, ...]
    asked: int


def ask_for_embeddings(
    texts: Sequence[str],
    model: Model,
    answers_from: str,
    warehouse: Warehouse,
    now: datetime,
    task: Task = "document",
    *,
    delivery: Delivery | None = None,
    retry: bool = False,
    allow_unpriced: bool = False,
    cap_id: str | None = None,
) -> EmbeddingsAsked:
    """Want the vectors of these texts, of those that have none yet. `now` is the wall clock.

    Without a `delivery`, the usual one of the purpose, or the only one that the model takes. Raises RegistryError for a
    model that is shut down or makes no vectors, SettingsError when the folder holds answers of the other mode.
    """
    load_registry().usable(model, now.date())
    target = EMBEDDING.target(task, model, answers_from)
    usual = EMBEDDING.delivery if EMBEDDING.delivery in model.deliveries else model.deliveries[0]
    with warehouse.write() as connection:
        asked_at = begin_asking(connection, answers_from, now)
        contents = keep_texts(connection, texts, now)
        subjects = without_vector(connection, set(contents), model.id, task, target.request_digest)
        record_asks(
            connection,
            EMBEDDING,
            [SubjectVersion(task, subject) for subject in subjects],
            [target],
            1,
            asked_at,
            AskTerms(allow_unpriced=allow_unpriced, cap_id=cap_id),
            retry=retry,
            delivery=delivery or usual,
        )
    return EmbeddingsAsked(tuple(contents), len(subjects))
