"""Refinement: what is asked of the refiner about each palette's picture, colours and consensus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import SettingsError, StoreError
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts, refinement_message
from grabient_assets.groups.palettes.tables import COLOUR_SIZES, ImageRecord, images, palettes
from grabient_assets.groups.refinement.reading import RefinedReader
from grabient_assets.groups.refinement.refined import (
    PALETTE_TAG_REFINED,
    REFINEMENTS_TO_COME,
    TAGGING_OPEN,
    kept_back,
    outdated_refinements,
)
from grabient_assets.groups.tagging.consensus import consensus_for_prompt
from grabient_assets.groups.tagging.later_waves import wanted_taggers
from grabient_assets.groups.tagging.purpose import SOME_COLOURS, SOME_ID
from grabient_assets.groups.tagging.tag_consensus import consensus, some_consensus
from grabient_assets.groups.tagging.tallying import stored_consensus
from grabient_assets.ledger.asked_progress import FailedAsk
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, with_error_code
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.request_sizes import WantedTarget
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import PICTURE_NOT_FETCHED, ImageInput, RequestSpec
from grabient_assets.providers.request_rules import json_line
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import images_by_url
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def refiner() -> Model:
    """The model that refines: that of GRABIENT_REFINER, else the panel's. Raises SettingsError for one that is none."""
    registry, chosen = load_registry(), load_settings().refiner
    if chosen is None:
        return registry.panel("refiner")[0]
    known = {model.id: model for model in registry.models if "refiner" in model.roles}
    if chosen not in known:
        raise SettingsError(f"GRABIENT_REFINER is {chosen!r}, which refines nothing; choose {' or '.join(known)}.")
    return known[chosen]


def _refiners(providers: Sequence[str]) -> list[Model]:
    return [model for model in (refiner(),) if model.provider in providers]


READ_AT_ONCE = 5_000
"""The colours and votes of so many palettes are read from the database at a time."""

CONSENSUS_BYTES = 2_500
"""The votes of ten models in a request, as the emulator's answers make them; stored ones replace this."""
PICTURE_BYTES = 6_000
"""A drawn picture, 440 x 100 pixels; the stored ones replace this."""
SAMPLE = 100
"""So many stored consensus are measured."""


def refinement_spec(
    custom_id: str,
    colours: Mapping[str, Sequence[object]],
    counts: Mapping[str, object],
    prompt: Prompt,
    image: ImageInput | None,
) -> RequestSpec:
    """The request about these colours, this picture and the votes as `consensus_for_prompt` makes them."""
    return RequestSpec(
        custom_id=custom_id,
        system=prompt.body,
        text=refinement_message(custom_id, colours, counts),
        images=() if image is None else (image,),
        schema=prompt.schema,
        schema_name="refined_tags",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def refinement_bytes(connection: DuckDBPyConnection, prompt: Prompt, model: Model) -> int:
    """The bytes of a refinement line without those of colours and picture: the votes are as long as stored ones."""
    fixed = len(request_line(refinement_spec(SOME_ID, SOME_COLOURS, {}, prompt, None), model))
    stored = some_consensus(connection, SAMPLE)
    if not stored:
        return fixed + CONSENSUS_BYTES
    texts = (json_line(consensus_for_prompt(stored_consensus(one))).decode() for one in stored)
    return fixed + round(sum(len(json_line(text)) for text in texts) / len(stored))


def _picture_bytes(connection: DuckDBPyConnection) -> int:
    """What a picture takes in a line: nothing where it goes as an address, which counts as text."""
    if images_by_url(load_settings()):
        return 0
    row = connection.execute("SELECT avg(bytes) FROM palette_images").fetchone()
    return picture_bytes_in_line(row[0] if row else None)


def picture_bytes_in_line(drawn: float | None) -> int:
    """What a picture of so many bytes takes in a line (None: it is still to be drawn). Base64 writes three bytes as
    four characters."""
    return 4 * math.ceil((drawn or PICTURE_BYTES) / 3)


def _wanted(connection: DuckDBPyConnection, usable: Sequence[str]) -> list[WantedTarget]:
    """The refiner, under every version that is tagged. Refinement follows when all of the `usable` were asked."""
    versions = sorted({target.prompt_version for target in wanted_taggers(connection)})
    return [
        WantedTarget(model.provider, model.id, version, tuple(sorted(usable)))
        for model in _refiners(usable or PROVIDERS)
        for version in versions
    ]


def refinement_prompt(version: str) -> Prompt:
    """The refiner's prompt of this version."""
    return load_palette_prompts(version)["refinement"]


def _prepare(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    """The request lines, made as they are read; a palette whose picture cannot be read is left out. Raises
    RequestRejectedError when the model cannot take one.

    A picture goes as its bytes where the provider could not fetch it from its address before.
    """
    for start in range(0, len(due), READ_AT_ONCE):
        part = due[start : start + READ_AT_ONCE]
        seeds = {d.subject for d in part}
        with submission.warehouse.read() as database:
            rows = {record.seed: record for record in palettes(database, seeds)}
            pictures = images(database, seeds)
            unfetched = with_error_code(database, PICTURE_NOT_FETCHED, [d.custom_id for d in part])
            chosen = [SubjectVersion(d.prompt_version, d.subject) for d in part]
            votes = {(record.prompt_version, record.seed): record for record in consensus(database, chosen)}
        for one in part:
            by_url = submission.images_by_url and one.custom_id not in unfetched
            try:
                picture = _image(pictures[one.subject], submission.store, by_url)
            except StoreError as error:
                submission.lost.append(str(error))
                continue
            counts = consensus_for_prompt(stored_consensus(votes[one.prompt_version, one.subject]))
            spec = refinement_spec(one.custom_id, rows[one.subject].colours(), counts, prompt, picture)
            line = submission.connection.provider.request_line(spec, model)
            yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line, 1, _bytes_in_line(picture))


def _ask_again(warehouse: Warehouse, failed: Sequence[FailedAsk], answers_from: str, now: datetime) -> None:
    from grabient_assets.groups.refinement.asking import refine_again

    refine_again(warehouse, failed, answers_from, now)


def _image(record: ImageRecord, store: ObjectStore, by_url: bool) -> ImageInput:
    if by_url and record.url:
        return ImageInput(url=record.url)
    return ImageInput(data=store.get(record.object_key))


def _bytes_in_line(picture: ImageInput) -> int:
    """Base64 writes three bytes as four characters; an address counts as text."""
    return 4 * ((len(picture.data) + 2) // 3) if picture.data else 0


def _reader(batch: BatchRecord, warehouse: Warehouse, store: ObjectStore) -> RefinedReader:
    return RefinedReader(REFINEMENT, batch, warehouse, store)


REFINEMENT = Purpose(
    name="refinement",
    noun="palette",
    table=PALETTE_TAG_REFINED,
    prompt=lambda version, _: refinement_prompt(version),
    prepare=_prepare,
    reader=_reader,
    line_bytes=refinement_bytes,
    models=_refiners,
    ask_again=_ask_again,
    follows="tagging",
    wanted=_wanted,
    pictures=1,
    picture_bytes=_picture_bytes,
    keys="SELECT seed AS subject, palette_key AS subject_key FROM palettes",
    sizes=COLOUR_SIZES,
    to_come=REFINEMENTS_TO_COME,
    rests_on="tag_consensus",
    bases="SELECT seed AS subject, prompt_version, digest AS basis FROM tag_consensus",
    unsettled=TAGGING_OPEN,
    kept_back=kept_back,
    after_reparse=lambda connection, *_: {"outdated": outdated_refinements(connection)},
)
