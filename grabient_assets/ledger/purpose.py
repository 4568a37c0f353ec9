"""The Purpose record: one record for each kind of question asked of models. groups/purposes.py lists them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.identity import request_digest, stem_of

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.asked_progress import FailedAsk
    from grabient_assets.ledger.asks import SubjectVersion
    from grabient_assets.ledger.batches import BatchRecord
    from grabient_assets.ledger.due import DueRequest
    from grabient_assets.ledger.request_sizes import WantedTarget
    from grabient_assets.ledger.settling import AnswerReader
    from grabient_assets.ledger.submission import Submission
    from grabient_assets.ledger.submit import PreparedRequest
    from grabient_assets.prompting.prompt import Prompt
    from grabient_assets.registry.model import Delivery, Kind, Model
    from grabient_assets.store.objects import ObjectStore
    from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """The table with the answers and failures of a purpose, one row for each request.

    It has the columns custom_id, fate, error, created_at, cost_usd and batch_id. `subject` and `model` are the
    columns with subject and model, `analysis_index` the column with the analysis, or the number that it always is.
    `keep_the_better` follows an INSERT: it says which of two rows of one key stands. `versions` are the columns
    with the prompt version on whose behalf a request was made, the first of them is part of the key; `asked_of`
    those that say whom it was asked of: a custom_id holds it too, but a plan that joins on it alone takes half as
    long again.

    `derived` are the columns that follow from the subject, as SQL of `m.subject`: an answer that is shared gets them
    anew.

    `key` is the primary key. Mostly a row is the answer to one request; where the `newest_stands`, a usable answer
    replaces the one before, whatever that was asked.
    """

    name: str
    key: tuple[str, ...]
    keep_the_better: str
    subject: str
    analysis_index: str = "analysis_index"
    versions: tuple[str, ...] = ("prompt_version",)
    asked_of: tuple[str, ...] = ("provider", "model")
    model: str = "model"
    newest_stands: bool = False
    derived: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def version(self) -> str:
        """The column with the prompt version."""
        return self.versions[0]

    def of_ask(self, column: str) -> str:
        """The column of `asks` with the same contents as this one; of the analysis that of its requests."""
        known = {self.subject: "subject", self.version: "prompt_version", self.model: "model"}
        return {**known, self.analysis_index: "analysis_index"}.get(column, column)

    def is_of_ask(self, row: str, ask: str) -> str:
        """SQL condition: the row has the key of the ask, whatever the analysis."""
        columns = (name for name in self.key if name != self.analysis_index)
        return " AND ".join(f"{ask}.{self.of_ask(name)} = {row}.{name}" for name in columns)

    def keep_current(self, purpose: str) -> str:
        """What follows an INSERT of `new_rows`: `keep_the_better`, and no late answer to an earlier request replaces an
        answer to what is asked now, or, where the `newest_stands`, a usable one."""
        same = " AND ".join(f"t.{name} = new_rows.{name}" for name in self.key)
        usable = "t.error IS NULL" if self.newest_stands else "true"
        return f"""
            WHERE NOT EXISTS (
                SELECT 1 FROM {self.name} t JOIN asks a ON {self.is_of_ask("t", "a")}
                WHERE {same} AND {usable} AND t.custom_id <> new_rows.custom_id
                  AND a.purpose = '{purpose}' AND {stem_of("t.custom_id")} = a.stem)
            {self.keep_the_better}
        """

    def analysis_of(self, row: str) -> str:
        """SQL of the analysis of the row with this alias."""
        return f"{row}.{self.analysis_index}" if self.analysis_index.isidentifier() else self.analysis_index


@dataclass(frozen=True, slots=True)
class Purpose:
    """A kind of question. What is SQL here takes and gives relations by the ledger's names: subject, prompt_version.

    `noun` is what a subject is called, in the singular. `prompt` is what is sent to a model under a prompt version,
    beside what is asked about; `prepare` makes the request lines of one model, as they are read; `reader` reads the
    answers of a batch.

    Money is set aside before lines are written. So `line_bytes` is the length of a line without the part of the
    subject; it raises RequestRejectedError where the model takes no such request. `sizes` is a relation (subject,
    place, bytes): the row in which a subject came, and what it adds. `pictures` go with each request beside that;
    `picture_bytes` is what they take in a mean line. `wanted` says, for the providers that can be asked, of whom
    requests are wanted or may follow; without it, of everybody who was asked. `to_come` is a relation of what subjects
    will need beyond the requests that open asks can send now: subject, prompt_version, provider, model, cap_id,
    allow_unpriced, requests. Where it has high, expected and spread too, a row with these is priced by the group, from
    `request_prices`.

    `keys` is a relation (subject, subject_key) of everything that can be asked about, in the order in which it came.
    What the requests show besides stands in the table `rests_on`; `bases` is a relation (subject, prompt_version,
    basis) of its digests.

    `models` are those of the given providers that are asked today. `ask_again` asks for what failed once more, given
    `emulator` or `live`; without it nobody can. `follows` is the purpose whose chained asks this one follows by itself.

    `kind` is what the answers are, `delivery` the way requests take when nobody names another. Where `apart` is set, a
    direct call is a batch of its own: it is settled as soon as it is answered, and cancelling lets go of it at once.

    `unsettled` is a relation of the subjects whose input is still being made: nothing of them is sent or closed. Of the
    relation it is given, `kept_back` makes common table expressions, the last of them `kept_back`: the subjects that
    are not to be sent now, for that reason or another.

    `after_reparse` rebuilds what rests on the rows of these subjects when stored answers were read anew, in the same
    transaction; it gets the providers that can be asked, and returns counts by name.
    """

    name: str
    noun: str
    table: AnswerTable
    prompt: Callable[[str, Model], Prompt]
    prepare: Callable[[Sequence[DueRequest], Prompt, Model, Submission], Iterator[PreparedRequest]]
    reader: Callable[[BatchRecord, Warehouse, ObjectStore], AnswerReader]
    line_bytes: Callable[[DuckDBPyConnection, Prompt, Model], int]
    keys: str
    sizes: str
    kind: Kind = "text"
    delivery: Delivery = "batch"
    apart: bool = False
    models: Callable[[Sequence[str]], Sequence[Model]] = lambda _: ()
    ask_again: Callable[[Warehouse, Sequence[FailedAsk], str, datetime], None] | None = None
    follows: str | None = None
    wanted: Callable[[DuckDBPyConnection, Sequence[str]], Sequence[WantedTarget]] | None = None
    pictures: int = 0
    picture_bytes: Callable[[DuckDBPyConnection], int] = lambda _: 0
    to_come: str | None = None
    rests_on: str | None = None
    bases: str | None = None
    unsettled: str | None = None
    kept_back: Callable[[str], str] | None = None
    after_reparse: Callable[[DuckDBPyConnection, Sequence[SubjectVersion], Sequence[str]], dict[str, int]] | None = None

    def target(self, prompt_version: str, model: Model, answers_from: str) -> AskTarget:
        """The model as it would be asked under the prompt version, as that reads now."""
        prompt = self.prompt(prompt_version, model)
        return AskTarget(model.provider, model.id, request_digest(self.name, answers_from, model, prompt.digest))


Purposes: TypeAlias = Mapping[str, Purpose]
"""All purposes, by their names. What shares money or a schedule is handed the whole list."""
