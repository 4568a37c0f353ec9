"""The purpose of edits: what is sent to an editor, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError, RemovedImageError, StoreError
from grabient_assets.groups.edits.prompts import recipe_prompt
from grabient_assets.groups.edits.tables import (
    EDIT_KEYS,
    EDIT_SIZES,
    EDITED_IMAGES,
    EditedImage,
    EditInput,
    EditMeasures,
    EditRequest,
    rows_by_edit,
)
from grabient_assets.groups.images.failures import error_kind
from grabient_assets.groups.images.images import StoredContents, StoredImage, contents_of, images_by_id, record_images
from grabient_assets.groups.images.making import image_line_bytes, image_spec, taken_image
from grabient_assets.groups.images.retouching import Retouch, retouched, with_images
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import stop_subjects
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, requests_of
from grabient_assets.ledger.due import DueRequest
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader, Settled, Verdict, answer_columns, seconds_of
from grabient_assets.ledger.submission import Submission
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.contract import Result
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _retouch(stored: StoredContents, edit: EditRequest, given: EditInput) -> Retouch:
    mask = None if edit.mask_key is None else stored.object(edit.mask_key)
    return Retouch(stored.image(edit.parent_image), mask, given, strict=edit.size_policy == "strict")


def _prepare(
    due: Sequence[DueRequest], prompt: Prompt, model: Model, submission: Submission
) -> Iterator[PreparedRequest]:
    """A request that cannot be made stops its ask, with the reason; the others go on."""
    ids = [one.subject for one in due]
    with submission.warehouse.read() as database:
        asked, given = rows_by_edit(database, EditRequest, ids), rows_by_edit(database, EditInput, ids)
        wanted = {name for one in asked.values() for name in (one.parent_image, one.reference_image) if name}
        stored = StoredContents(submission.store, images_by_id(database, wanted))
    for one in due:
        request = asked[one.subject]
        try:
            reference = None if request.reference_image is None else stored.image(request.reference_image)
            spec = image_spec(one.custom_id, request.message, prompt)
            spec = with_images(spec, _retouch(stored, request, given[one.subject]), reference, model)
        except (ImageError, StoreError) as error:
            with submission.warehouse.write() as database:
                stop_subjects(database, ("edit",), [one.subject], str(error), submission.clock())
            submission.lost.append(f"{request.label} ({request.edit_id}): {error}")
            continue
        line = submission.connection.provider.request_line(spec, model)
        sent = [*spec.images, *([spec.mask] if spec.mask else [])]
        size = sum(-(-len(image.data or b"") // 3) * 4 for image in sent)
        yield PreparedRequest(one.custom_id, one.subject, one.analysis_index, line, len(sent), size)


class EditReader(AnswerReader):
    """Stitches the answers of one batch into their parents, and writes them to `edited_images` and `images`."""

    table = EDITED_IMAGES.name

    def __init__(self, batch: BatchRecord, warehouse: Warehouse, store: ObjectStore) -> None:
        self._batch, self._store = batch, store
        with warehouse.read() as connection:
            ids = [request.subject for request in requests_of(connection, batch.batch_id)]
            self._asked = rows_by_edit(connection, EditRequest, ids)
            self._given = rows_by_edit(connection, EditInput, ids)
            images = ((one.parent_image, one.root_image) for one in self._asked.values())
            wanted = {image for both in images for image in both}
            self._stored = StoredContents(store, images_by_id(connection, wanted))

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        assert result.image is not None
        edit, given = self._asked[request.subject], self._given[request.subject]
        try:
            root = {name: image for name, image in self._stored.images.items() if name == edit.root_image}
            first = contents_of(self._store, root).get(edit.root_image)  # none where it was removed
            done = retouched(result.image, _retouch(self._stored, edit, given), first)
        except RemovedImageError as error:
            return Verdict("invalid", str(error), "parent_removed")
        except (ImageError, StoreError) as error:
            return Verdict("invalid", str(error), "invalid_image_data")
        origin = {"edit": edit.edit_id, "parent": edit.parent_image, "prompt_digest": edit.prompt_digest}
        verdict = taken_image(done.png, "edit", request, self._batch, self._store, origin)
        measures = EditMeasures(edit_id=edit.edit_id, **asdict(done.measures))
        return Verdict(verdict.fate, verdict.error, (verdict.payload, measures, done.changes))

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[EditedImage]:
        return [self._row(batch, one, now, frozenset()) for one in settled if one.final]

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        """An image that comes after its edit was cancelled is paid, and is not kept."""
        final = [one for one in settled if one.final]
        asked = rows_by_edit(connection, EditRequest, [one.request.subject for one in final])
        cancelled = frozenset(one.edit_id for one in asked.values() if one.cancel_asked_at is not None)
        made = [one for one in final if _image_of(one) is not None]
        kept = [one.verdict.payload for one in made if one.request.subject not in cancelled]
        record_images(connection, [image for image, _, _ in kept])
        measures = [measured for _, measured, _ in kept]
        insert_rows(connection, "edit_measures", measures, replacing(EditMeasures, ("edit_id",)))
        for image in (one.verdict.payload[0] for one in made if one.request.subject in cancelled):
            if not images_by_id(connection, [image.image_id], removed=True):
                self._store.delete(image.object_key)
        rows = [self._row(batch, one, now, cancelled) for one in final]
        insert_rows(connection, EDITED_IMAGES.name, rows, EDITED_IMAGES.keep_the_better)
        take_over(connection, EDIT, now)

    def _row(self, batch: BatchRecord, settled: Settled, now: datetime, cancelled: frozenset[str]) -> EditedImage:
        columns = answer_columns(batch, settled, now)
        edit_id, image = settled.request.subject, _image_of(settled)
        if edit_id in cancelled and image is not None:
            columns |= {"fate": "cancelled", "error": "It was cancelled before the answer was stored."}
            image = None
        return EditedImage(
            edit_id=edit_id,
            recipe=batch.prompt_version,
            provider=batch.provider,
            model=batch.model,
            error_kind=error_kind(settled) if columns["error"] else None,
            refused_at=settled.refused_at,
            refused_for=settled.refused_for,
            image_id=image.image_id if image else None,
            changes=settled.verdict.payload[2] if image else (),
            output_tokens=settled.output_tokens,
            seconds=seconds_of(batch, settled.request),
            **columns,
        )


def _image_of(settled: Settled) -> StoredImage | None:
    return settled.verdict.payload[0] if settled.verdict.fate in USABLE else None


EDIT = Purpose(
    name="edit",
    noun="edit",
    table=EDITED_IMAGES,
    prompt=recipe_prompt,
    prepare=_prepare,
    reader=EditReader,
    line_bytes=lambda _, prompt, model: image_line_bytes(prompt, model),
    keys=EDIT_KEYS,
    sizes=EDIT_SIZES,
    kind="image",
    delivery="direct",
    apart=True,
    pictures=2,
)
