"""The two questions of a chorus: a statement of every artist, then an artwork of the brush for each statement.

A statement that can be painted asks for its artwork in the transaction that stores it, so a brush is never forgotten,
and the artist is not paid again when the brush fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import RegistryError
from grabient_assets.groups.chorus.statements import Statement, read_statement
from grabient_assets.groups.chorus.tables import (
    ARTWORKS,
    GROUP_KEYS,
    GROUP_SIZES,
    RUN_KEYS,
    RUN_SIZES,
    STATEMENTS,
    Artist,
    ArtworkRecord,
    ChorusGroup,
    StatementRecord,
    groups,
)
from grabient_assets.groups.images.images import StoredImage, record_images
from grabient_assets.groups.images.making import SOME_ID, image_line_bytes, image_recipe, image_spec, taken_image
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, record_asks
from grabient_assets.ledger.batches import EMULATOR_ACCOUNT, BatchRecord, RequestRecord, requests_of
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns, seconds_of
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.prompting.rules import PromptRules
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import RequestSpec, Result
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import prompts_dir
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FAMILY = "chorus"
STATEMENT_RULES = PromptRules("statement", {}, (), ("ref", "statement", "image_prompt"), (), {})
PROMPT_BYTES = 800
"""An image prompt, as the emulator's artists write them; stored ones replace this."""


def statement_prompt(version: str) -> Prompt:
    """The artists' prompt of a version, `chorus/v1` or `v1`. Raises PromptError."""
    from grabient_assets.prompting.load import family_prompt

    return family_prompt(prompts_dir() / FAMILY, version, (STATEMENT_RULES,), "statement")


def statement_message(ref: str, iteration: int, muse: dict[str, Any] | None) -> str:
    """What an artist is shown: one JSON object, compact."""
    return json.dumps({"ref": ref, "iteration": iteration, **(muse or {})}, ensure_ascii=False, separators=(",", ":"))


def _statement_spec(custom_id: str, iteration: int, muse: dict[str, Any] | None, prompt: Prompt) -> RequestSpec:
    return RequestSpec(
        custom_id=custom_id,
        system=prompt.body,
        text=statement_message(custom_id, iteration, muse),
        schema=prompt.schema,
        schema_name="artist_statement",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def _prepare_statements(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    with submission.warehouse.read() as database:
        asked = groups(database, {one.subject for one in due})
    for one in due:
        spec = _statement_spec(one.custom_id, one.analysis_index, asked[one.subject].muse, prompt)
        line = submission.connection.provider.request_line(spec, model)
        yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line)


class StatementReader(AnswerReader):
    """Reads the answers of artists into `artist_statements`, and asks the brush for what can be painted."""

    table = STATEMENTS.name

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        found = read_statement(result.text or "", request.custom_id)
        return Verdict(found.fate, found.error, found)

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[StatementRecord]:
        return [self._row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        records = self.rows(batch, settled, now)
        insert_rows(connection, STATEMENTS.name, records, STATEMENTS.keep_the_better)
        answers_from = "emulator" if batch.account == EMULATOR_ACCOUNT else "live"
        ask_for_artworks(connection, [one.run_id for one in records if one.error is None], answers_from, now)
        take_over(connection, STATEMENT, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> StatementRecord:
        request, said = settled.request, settled.verdict.payload or Statement()
        artist = Artist(batch.provider, batch.model)
        return StatementRecord(
            run_id=f"{request.subject}-{artist.slug}-{request.analysis_index:02d}",
            group_id=request.subject,
            prompt_version=batch.prompt_version,
            provider=batch.provider,
            model=batch.model,
            iteration=request.analysis_index,
            statement=said.statement,
            image_prompt=said.image_prompt,
            words=said.words,
            form=said.form,
            notes=said.notes,
            answer_text=settled.text,
            output_tokens=settled.output_tokens,
            seconds=seconds_of(batch, request),
            **answer_columns(batch, settled, now),
        )


def ask_for_statements(
    connection: DuckDBPyConnection,
    group: ChorusGroup,
    artists: Sequence[Artist],
    answers_from: str,
    now: datetime,
    *,
    retry: bool = False,
) -> None:
    """Want the statements of these artists of the group; with `retry`, also those that failed."""
    models = [load_registry().model(one.provider, one.model) for one in artists]
    targets = [STATEMENT.target(group.prompt_version, model, answers_from) for model in models]
    wanted = [SubjectVersion(group.prompt_version, group.group_id)]
    terms, times = AskTerms(cap_id=group.cap_id), group.iterations
    record_asks(connection, STATEMENT, wanted, targets, times, now, terms, retry=retry, delivery=group.delivery)


def ask_for_artworks(
    connection: DuckDBPyConnection, run_ids: Sequence[str], answers_from: str, now: datetime, *, retry: bool = False
) -> None:
    """Want the artwork of every one of these runs that has none, from the brush of its group. A run that was refused at
    the input is not asked again: the same prompt would be refused again."""
    rows = connection.execute(
        """
        SELECT s.group_id, list(s.run_id ORDER BY s.run_id) FROM artist_statements s
        JOIN chorus_groups g USING (group_id) LEFT JOIN artworks w USING (run_id)
        WHERE s.run_id IN (SELECT unnest($1::VARCHAR[])) AND s.error IS NULL AND g.cancelled_at IS NULL
          AND (w.run_id IS NULL OR (w.error IS NOT NULL AND $2 AND w.refused_at IS DISTINCT FROM 'input'))
        GROUP BY ALL ORDER BY ALL
        """,
        [list(run_ids), retry],
    ).fetchall()
    known = groups(connection, [group_id for group_id, _ in rows])
    for group_id, runs in rows:
        group = known[group_id]
        try:
            brush = load_registry().model(group.brush_provider, group.brush)
        except RegistryError:
            if retry:
                raise
            continue  # paid statements are stored whatever became of the brush; the run shows that it was not asked
        wanted = [SubjectVersion(group.recipe, run_id) for run_id in runs]
        target = ARTWORK.target(group.recipe, brush, answers_from)
        terms = AskTerms(cap_id=group.cap_id)
        record_asks(connection, ARTWORK, wanted, [target], 1, now, terms, retry=retry, delivery=group.delivery)


def _prepare_artworks(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    with submission.warehouse.read() as database:
        query = "SELECT run_id, image_prompt FROM artist_statements WHERE list_contains($1::VARCHAR[], run_id)"
        prompts = dict(database.execute(query, [[one.subject for one in due]]).fetchall())
    for one in due:
        spec = image_spec(one.custom_id, prompts[one.subject], prompt)
        line = submission.connection.provider.request_line(spec, model)
        yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line)


class ArtworkReader(AnswerReader):
    """Checks the images of one batch, puts them into the store, and writes them to `images` and `artworks`."""

    table = ARTWORKS.name

    def __init__(self, batch: BatchRecord, warehouse: Warehouse, store: ObjectStore) -> None:
        self._batch, self._store = batch, store
        with warehouse.read() as connection:
            runs = {request.subject for request in requests_of(connection, batch.batch_id)}
            asked = groups(connection, {run[:29] for run in runs})
        self._digests = {group_id: group.prompt_digest for group_id, group in asked.items()}

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        assert result.image is not None
        origin = {"run": request.subject, "prompt_digest": self._digests.get(request.subject[:29], "")}
        return taken_image(result.image, "artwork", request, self._batch, self._store, origin)

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[ArtworkRecord]:
        return [self._row(batch, one, now) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        record_images(
            connection, [one.verdict.payload for one in settled if isinstance(one.verdict.payload, StoredImage)]
        )
        insert_rows(connection, ARTWORKS.name, self.rows(batch, settled, now), ARTWORKS.keep_the_better)
        take_over(connection, ARTWORK, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime) -> ArtworkRecord:
        image = settled.verdict.payload if settled.verdict.fate in USABLE else None
        return ArtworkRecord(
            run_id=settled.request.subject,
            group_id=settled.request.subject[:29],
            recipe=batch.prompt_version,
            provider=batch.provider,
            model=batch.model,
            refused_at=settled.refused_at,
            refused_for=settled.refused_for,
            image_id=image.image_id if image else None,
            output_tokens=settled.output_tokens,
            seconds=seconds_of(batch, settled.request),
            **answer_columns(batch, settled, now),
        )


def _artwork_bytes(connection: DuckDBPyConnection, prompt: Prompt, model: Model) -> int:
    any_stored = connection.execute("SELECT 1 FROM artist_statements WHERE error IS NULL LIMIT 1").fetchone()
    return image_line_bytes(prompt, model) + (0 if any_stored else PROMPT_BYTES)


STATEMENT = Purpose(
    name="statement",
    noun="chorus group",
    table=STATEMENTS,
    prompt=lambda version, _: statement_prompt(version),
    prepare=_prepare_statements,
    reader=lambda *_: StatementReader(),
    line_bytes=lambda _, prompt, model: len(request_line(_statement_spec(SOME_ID, 0, None, prompt), model)),
    keys=GROUP_KEYS,
    sizes=GROUP_SIZES,
)
ARTWORK = Purpose(
    name="artwork",
    noun="chorus run",
    table=ARTWORKS,
    prompt=partial(image_recipe, "artwork"),
    prepare=_prepare_artworks,
    reader=ArtworkReader,
    line_bytes=_artwork_bytes,
    keys=RUN_KEYS,
    sizes=RUN_SIZES,
    kind="image",
)
