"""What a purpose is: one record for each kind of question asked of models. groups/purposes.py lists them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.batches import BatchRecord
    from grabient_assets.ledger.due import DueRequest
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

    It has the columns custom_id, error, created_at and cost_usd. `subject` is the column with the subject,
    `analysis_index` the column with the analysis, or the number that it always is. `keep_the_better` follows an INSERT:
    it says which of two rows of one key stands. `versions` are the columns with the prompt version on whose behalf a
    request was made, the first of them is part of the key; `asked_of` those that say whom it was asked of: a custom_id
    says it too, but a plan that joins on it alone takes half as long again.
    """

    name: str
    keep_the_better: str
    subject: str = "seed"
    analysis_index: str = "analysis_index"
    versions: tuple[str, ...] = ("prompt_version",)
    asked_of: tuple[str, ...] = ("provider", "model")

    @property
    def version(self) -> str:
        """The column with the prompt version."""
        return self.versions[0]

    def analysis_of(self, row: str) -> str:
        """SQL of the analysis of the row with this alias."""
        return f"{row}.{self.analysis_index}" if self.analysis_index.isidentifier() else self.analysis_index


@dataclass(frozen=True, slots=True)
class Purpose:
    """A kind of question. What is SQL here takes and gives relations by the ledger's names: subject, prompt_version.

    `prompt` is what is sent to a model under a prompt version, beside what is asked about; `prepare` makes the request
    lines of one model, as they are read; `reader` reads the answers of a batch. `measure` records, for the providers
    that can be asked on a day, what a request takes, of everything that the subjects still need.

    `kind` is what the answers are, `delivery` the way requests take when nobody names another.

    `keys` is a relation (subject, subject_key) of everything that can be asked about. What the requests show besides
    stands in the table `rests_on`; `bases` is a relation (subject, prompt_version, basis) of its digests.

    `unsettled` is a relation of the subjects whose input is still being made: nothing of them is sent or closed. Of the
    relation it is given, `kept_back` makes common table expressions, the last of them `kept_back`: the subjects that
    are not to be sent now, for that reason or another.
    """

    name: str
    table: AnswerTable
    prompt: Callable[[str, Model], Prompt]
    prepare: Callable[[Sequence[DueRequest], Prompt, Model, Submission], Iterator[PreparedRequest]]
    reader: Callable[[BatchRecord, Warehouse, ObjectStore], AnswerReader]
    measure: Callable[[DuckDBPyConnection, Sequence[str], date], None]
    keys: str
    kind: Kind = "text"
    delivery: Delivery = "batch"
    rests_on: str | None = None
    bases: str | None = None
    unsettled: str | None = None
    kept_back: Callable[[str], str] | None = None
