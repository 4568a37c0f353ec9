"""Tagging: what is asked of the panel about each palette's colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.requests import keep_request_sizes, tagging_spec
from grabient_assets.groups.tagging.reading import TagReader
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.ledger.tags import PALETTE_TAGS
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR

READ_AT_ONCE = 20_000
"""The colours of so many requests are read from the database at a time."""


def _prepare(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    """The request lines, made as they are read. Raises RequestRejectedError when the model cannot take one."""
    provider = submission.connection.provider
    for start in range(0, len(due), READ_AT_ONCE):
        part = due[start : start + READ_AT_ONCE]
        with submission.warehouse.read() as database:
            rows = {record.seed: record for record in palettes(database, {r.subject for r in part})}
        for r in part:
            line = provider.request_line(tagging_spec(r.custom_id, rows[r.subject].colours(), prompt), model)
            yield PreparedRequest(r.custom_id, r.subject, r.analysis_index, line)


TAGGING = Purpose(
    name="tagging",
    table=PALETTE_TAGS,
    prompt=lambda version, _: load_prompt_set(PROMPTS_DIR, version).tagging,
    prepare=_prepare,
    reader=lambda *_: TagReader(),
    measure=keep_request_sizes,
    keys="SELECT seed AS subject, palette_key AS subject_key FROM palettes",
)
