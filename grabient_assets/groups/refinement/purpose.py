"""Refinement: what is asked of the refiner about each palette's picture, colours and consensus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grabient_assets.errors import StoreError
from grabient_assets.groups.palettes.tables import ImageRecord, images, palettes
from grabient_assets.groups.refinement.reading import RefinedReader
from grabient_assets.groups.requests import keep_request_sizes, refinement_spec
from grabient_assets.groups.tagging.consensus import consensus_for_prompt
from grabient_assets.groups.tagging.tallying import stored_consensus
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, with_error_code
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.refined import PALETTE_TAG_REFINED, TAGGING_OPEN, kept_back
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.ledger.tag_consensus import consensus
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.contract import PICTURE_NOT_FETCHED, ImageInput
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

READ_AT_ONCE = 5_000
"""The colours and votes of so many palettes are read from the database at a time."""


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
    table=PALETTE_TAG_REFINED,
    prompt=lambda version, _: load_prompt_set(PROMPTS_DIR, version).refinement,
    prepare=_prepare,
    reader=_reader,
    measure=keep_request_sizes,
    keys="SELECT seed AS subject, palette_key AS subject_key FROM palettes",
    rests_on="tag_consensus",
    bases="SELECT seed AS subject, prompt_version, digest AS basis FROM tag_consensus",
    unsettled=TAGGING_OPEN,
    kept_back=kept_back,
)
