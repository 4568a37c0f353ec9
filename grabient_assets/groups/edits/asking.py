"""Asking for an edit: what is refused at the door, the price, and recording it; retry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import ImageError, RemovedImageError, UsageError
from grabient_assets.groups.edits.prompts import FAMILY, KINDS, STRENGTHS, Kind, edit_message, edit_prompt
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.edits.tables import AskedEdit, Edit, EditInput, EditRequest
from grabient_assets.groups.images.chains import place_in_chain
from grabient_assets.groups.images.failures import ErrorKind
from grabient_assets.groups.images.images import (
    StoredImage,
    images_by_id,
    named_image,
    put_images,
    record_images,
    uploaded_image,
)
from grabient_assets.groups.images.making import image_line_bytes, quality_of
from grabient_assets.groups.images.retouching import hand_over
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, record_asks
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.quotes import Ordered, quote, refuse_over_budget, refuse_unaskable
from grabient_assets.prompting.load import family_version
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import prompts_dir
from grabient_assets.sortable_ids import sortable_id
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.imaging.mask import Fractions, Mask
    from grabient_assets.registry.model import Delivery, Model

MOST_CHARACTERS = 4_000
"""Of what a person writes: the prompt file and the context come on top, and OpenAI takes 32,000 in all."""


class EditRefusedError(UsageError):
    """An edit that is refused before anything is asked; `kind` is its error_kind."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `image` is an image_id, a run_id, an edit_id or a unique beginning of one. `mask` is a
    rectangle as fractions of width and height, or the bytes of a picture; `reference` are bytes with a name, or the
    image_id of a stored one. `creativity` 1 to 3: how far the editor may go."""

    image: str
    kind: str
    prompt: str | None = None
    instructions: str | None = None
    mask: Fractions | bytes | None = None
    reference: tuple[str, bytes] | str | None = None
    editor: str | None = None
    quality: str | None = None
    creativity: int = 2
    strict_size: bool = False
    delivery: Delivery = "direct"
    prompt_version: str | None = None
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """An edit that may be asked, what it costs, and the objects to store with it."""

    request: EditRequest
    input: EditInput
    usd: DollarRange
    mask: bytes | None = None
    reference: StoredImage | None = None
    reference_file: bytes | None = None

    @property
    def sentence(self) -> str:
        """What is asked, and its price."""
        one = self.request
        return (
            f"a {one.kind} edit of {one.parent_image[:12]} by {one.model}, about {self.usd.expected:.4f} USD "
            f"({self.usd.low:.4f} to {self.usd.high:.4f})"
        )


def plan_edit(
    connection: DuckDBPyConnection, store: ObjectStore, wish: Wish, usable: Sequence[str], now: datetime
) -> Planned:
    """The edit that the wish describes. Nothing is written.

    `usable` are the providers that can be asked. Raises EditRefusedError, UsageError, RegistryError with the
    replacement of a model that is gone, RequestRejectedError for a quality that is not made, UnpricedError.
    """
    from grabient_assets.imaging.canvas import read_canvas

    kind, words = _kind_and_words(wish)
    prompt = edit_prompt(family_version(prompts_dir() / FAMILY, wish.prompt_version), kind)
    model = _editor(wish, usable, now)
    try:
        image = named_image(connection, wish.image)
        parent = read_canvas(store.get(image.object_key))
        reference, file = _reference(connection, wish, now)
    except RemovedImageError as error:
        raise EditRefusedError("parent_removed", str(error)) from error
    except ImageError as error:
        raise EditRefusedError("invalid_image_data", str(error)) from error
    if kind == "subject" and reference is None:
        raise EditRefusedError(
            "no_reference_image",
            "A subject edit needs a reference image that shows how the subject should look: --reference FILE.",
        )
    try:
        mask, region = _mask(wish.mask, parent.width, parent.height)
    except ImageError as error:
        raise EditRefusedError("bad_mask", str(error)) from error
    flat = None if mask is None else mask.png()
    rules, place = model.images, place_in_chain(connection, image.image_id)
    assert rules is not None  # the registry refuses an editor without rules
    given = EditInput(edit_id=sortable_id("ed_", now), **asdict(hand_over(parent, mask, rules)))
    roles = ("base", *(("reference",) if reference else ()))
    request = EditRequest(
        edit_id=given.edit_id,
        label="",
        kind=kind,
        prompt=words if kind == "prompt" else None,
        instructions=None if kind == "prompt" else words,
        creativity=wish.creativity,
        message=edit_message(prompt, words, region, roles, wish.creativity, _context(connection, place.run_id)),
        mask_key=None if flat is None else f"masks/{hashlib.sha256(flat).hexdigest()}.png",
        reference_image=reference.image_id if reference else None,
        provider=model.provider,
        model=model.id,
        prompt_version=prompt.version,
        prompt_digest=prompt.digest,
        size=f"{given.sent_width}x{given.sent_height}",
        quality=quality_of(wish.quality, model),
        size_policy="strict" if wish.strict_size else "fit",
        delivery=wish.delivery,
        replay_of=wish.replay_of,
        requested_at=now,
        **asdict(place),
    )
    image_line_bytes(EDIT.prompt(request.recipe, model), model)  # raises for a size or quality that is not made
    pictures = len(roles) + (flat is not None and rules.mask != "none")
    order = Ordered(replace(EDIT, pictures=pictures), model, request.recipe, 1)
    usd = quote(connection, [order], now.date(), wish.delivery)
    return Planned(replace(request, estimated_usd=usd.expected), given, usd, flat, reference, file)


def ask_edit(
    warehouse: Warehouse,
    store: ObjectStore,
    planned: Planned,
    max_usd: Decimal | None,
    budget_usd: Decimal | None,
    answers_from: str,
) -> EditRequest:
    """Record the edit and ask its editor; it is sent by the sensor, or by `--run`.

    Raises OverBudgetError, EditRefusedError when the parent was removed meanwhile, SettingsError when the folder holds
    answers of the other mode, PromptError for a draft where only released prompts may be asked; then nothing is asked.
    """
    request = planned.request
    prompt = edit_prompt(request.prompt_version, request.kind)
    refuse_draft(prompt, answers_from)
    cap = None if max_usd is None else SpendingCap(f"edit-{request.edit_id}", max_usd)
    if planned.mask is not None and request.mask_key is not None and not store.exists(request.mask_key):
        store.put(request.mask_key, planned.mask, "image/png")
    if planned.reference is not None and planned.reference_file is not None:
        put_images(store, {planned.reference: planned.reference_file})
    with warehouse.write() as connection:
        refuse_over_budget(connection, planned.usd, budget_usd, max_usd, request.requested_at)
        if not images_by_id(connection, [request.parent_image]):
            raise EditRefusedError("parent_removed", f"Image {request.parent_image[:12]} was removed meanwhile.")
        asked_at = begin_asking(connection, answers_from, request.requested_at, cap)
        if planned.reference is not None:
            record_images(connection, [planned.reference])
        row = connection.execute(
            "SELECT count(*) FROM edit_requests WHERE root_image = $1", [request.root_image]
        ).fetchone()
        assert row is not None
        label = f"v{row[0] + 2}"
        request = replace(request, label=label, requested_at=asked_at, cap_id=cap.cap_id if cap else None)
        insert_rows(connection, "edit_requests", [request])
        insert_rows(connection, "edit_inputs", [planned.input])
        keep_wording(connection, prompt, asked_at)
        _ask(connection, request, answers_from, asked_at)
    return request


def retry_edit(connection: DuckDBPyConnection, edit: Edit, answers_from: str, now: datetime) -> None:
    """Ask again for an edit that failed, was rejected or cancelled. Raises UsageError for another one."""
    if not edit.settled or edit.status == "done":
        raise UsageError(
            f"Edit {edit.edit_id} is {edit.status}; only what failed, was rejected or cancelled is retried."
        )
    if not images_by_id(connection, [edit.parent_image]):
        raise EditRefusedError("parent_removed", f"Image {edit.parent_image[:12]} was removed, so it cannot be edited.")
    connection.execute("UPDATE edit_requests SET cancel_asked_at = NULL WHERE edit_id = $1", [edit.edit_id])
    _ask(connection, edit, answers_from, now, retry=True)


def _ask(
    connection: DuckDBPyConnection, request: AskedEdit, answers_from: str, now: datetime, *, retry: bool = False
) -> None:
    model = load_registry().model(request.provider, request.model)
    target = EDIT.target(request.recipe, model, answers_from)
    wanted = [SubjectVersion(request.recipe, request.edit_id)]
    terms = AskTerms(cap_id=request.cap_id)
    record_asks(connection, EDIT, wanted, [target], 1, now, terms, retry=retry, delivery=request.delivery)


def _kind_and_words(wish: Wish) -> tuple[Kind, str]:
    kind: Kind | None = next((one for one in KINDS if one == wish.kind), None)
    if kind is None:
        raise EditRefusedError("unexpected_error", f"There is no kind {wish.kind!r} of edit; use {', '.join(KINDS)}.")
    if wish.creativity not in STRENGTHS:
        raise EditRefusedError(
            "unexpected_error", f"Creativity is {wish.creativity}; it must be 1 (subtle), 2 (balanced) or 3 (strong)."
        )
    first, second = (wish.prompt, wish.instructions) if kind == "prompt" else (wish.instructions, wish.prompt)
    words = (first or "").strip() or (second or "").strip()
    if not words:
        option = "--prompt" if kind == "prompt" else "--instructions"
        raise EditRefusedError("unexpected_error", f"A {kind} edit needs words that say what to change: {option} TEXT.")
    if len(words) > MOST_CHARACTERS:
        raise EditRefusedError(
            "too_large", f"The words have {len(words):,} characters; at most {MOST_CHARACTERS:,} are taken."
        )
    return kind, words


def _editor(wish: Wish, usable: Sequence[str], now: datetime) -> Model:
    registry = load_registry()
    model = registry.panel("editor")[0] if wish.editor is None else registry.named(wish.editor, "editor")
    registry.usable(model, now.date())
    refuse_unaskable((model,), usable, wish.delivery)
    return model


def _reference(connection: DuckDBPyConnection, wish: Wish, now: datetime) -> tuple[StoredImage | None, bytes | None]:
    """The reference, and its bytes where they are a file that is to be stored."""
    if wish.reference is None:
        return None, None
    if isinstance(wish.reference, str):
        return named_image(connection, wish.reference), None
    name, content = wish.reference
    return uploaded_image(content, name, now), content


def _mask(given: Fractions | bytes | None, width: int, height: int) -> tuple[Mask | None, Fractions | None]:
    """The mask, and the region around it as fractions."""
    from grabient_assets.imaging.mask import read_mask, rectangle

    if given is None:
        return None, None
    if not isinstance(given, bytes):
        return rectangle(given, width, height), given
    mask = read_mask(given, width, height)
    left, top, across, down = mask.box
    return mask, (left / width, top / height, across / width, down / height)


def _context(connection: DuckDBPyConnection, run_id: str | None) -> dict[str, Any]:
    """What is known of the run that the root comes from: statement, image prompt, and the palette of its group."""
    row = connection.execute(
        "SELECT {'statement': s.statement, 'image_prompt': s.image_prompt, 'palette': g.muse::JSON}::JSON "
        "FROM artist_statements s JOIN chorus_groups g USING (group_id) WHERE s.run_id = $1 AND s.error IS NULL",
        [run_id],
    ).fetchone()
    return {name: value for name, value in json.loads(row[0]).items() if value is not None} if row else {}
