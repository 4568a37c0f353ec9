"""Tagging: what is asked of the panel about each palette's colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts, tagging_message
from grabient_assets.groups.palettes.tables import COLOUR_SIZES, palettes
from grabient_assets.groups.tagging.later_waves import LATER_WAVES, taggers_to_come
from grabient_assets.groups.tagging.tags import PALETTE_TAGS, TagReader
from grabient_assets.groups.tagging.tallying import tally_again
from grabient_assets.ledger.asked_progress import FailedAsk
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import RequestSpec
from grabient_assets.providers.request_rules import json_line
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.connection import Warehouse

READ_AT_ONCE = 20_000
"""The colours of so many requests are read from the database at a time."""

SOME_COLOURS: Mapping[str, Sequence[object]] = {"hex": [], "rgb": [], "hsl": [], "lch": [], "color_names": []}
SOME_ID = "0" * 61
"""As long as every custom_id: 37 of colours, 20 of the request, 2 of the analysis, and two dashes."""


def taggers(providers: Sequence[str]) -> list[Model]:
    """The panel's models at these providers."""
    return [model for model in load_registry().panel("tagger") if model.provider in providers]


def tagging_spec(custom_id: str, colours: Mapping[str, Sequence[object]], prompt: Prompt) -> RequestSpec:
    """The request for tags of these colours."""
    return RequestSpec(
        custom_id=custom_id,
        system=prompt.body,
        text=tagging_message(custom_id, colours),
        schema=prompt.schema,
        schema_name="palette_tags",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def tagging_bytes(prompt: Prompt, model: Model) -> int:
    """The bytes of a tagging line without those of the palette's colours. Raises RequestRejectedError when the model
    does not take such a request."""
    line = request_line(tagging_spec(SOME_ID, SOME_COLOURS, prompt), model)
    return len(line) - len(json_line(json_line(SOME_COLOURS).decode())) + 2


def tagging_prompt(version: str) -> Prompt:
    """The taggers' prompt of this version."""
    return load_palette_prompts(version)["tagging"]


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


def _ask_again(warehouse: Warehouse, failed: Sequence[FailedAsk], answers_from: str, now: datetime) -> None:
    from grabient_assets.groups.tagging.asking import ask_tags_again

    ask_tags_again(warehouse, failed, now)


TAGGING = Purpose(
    name="tagging",
    noun="palette",
    table=PALETTE_TAGS,
    prompt=lambda version, _: tagging_prompt(version),
    prepare=_prepare,
    reader=lambda *_: TagReader(),
    line_bytes=lambda _, prompt, model: tagging_bytes(prompt, model),
    models=taggers,
    ask_again=_ask_again,
    wanted=taggers_to_come,
    keys="SELECT seed AS subject, palette_key AS subject_key FROM palettes",
    sizes=COLOUR_SIZES,
    to_come=LATER_WAVES,
    after_reparse=lambda connection, subjects, usable: {"consensus": tally_again(connection, subjects, usable)},
)
