"""The form of an edit: what it asks for, its price before the click, and asking it. No page is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import UploadFile

from grabient_assets.errors import GrabientError, ImageError, MaskError, RemovedImageError, WarehouseLockedError
from grabient_assets.groups.edits.asking import (
    MOST_CHARACTERS,
    EditRefusedError,
    Planned,
    Wish,
    ask_edit,
    plan_edit,
)
from grabient_assets.groups.edits.prompts import KINDS, STRENGTHS
from grabient_assets.groups.images.images import MOST_BYTES, put_images
from grabient_assets.groups.images.making import QUALITY
from grabient_assets.imaging.mask import Fractions, parse_fractions
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import parse_dollars
from grabient_assets.studio.pages import Answer, Ask, RefusedError
from grabient_assets.studio.palette_upload import harmless_name

if TYPE_CHECKING:
    from grabient_assets.groups.edits.tables import EditRequest
    from grabient_assets.registry.model import Delivery
    from grabient_assets.store.objects import ObjectStore

FORM_BYTES = MOST_BYTES + 10_000_000
"""A reference as large as images may be, and a mask beside it."""
PERCENTS = ("mask_x", "mask_y", "mask_w", "mask_h")
"""The region in numbers, for whoever cannot draw it."""
FIELDS = ("image", "kind", "prompt", "instructions", "mask", *PERCENTS, "editor", "quality", "creativity", "delivery",
          "strict_size", "max_usd")  # fmt: skip
"""The fields of the form that are no files."""
KEPT_REFERENCE = re.compile(r"images/[0-9a-f]{64}\.(png|jpg|webp)")
KEPT_MASK = re.compile(r"masks/[0-9a-f]{64}\.png")
_OPTION = re.compile(r": --[a-z-]+ [A-Z]+\.")
"""The end of a sentence that names an option of the command line."""
DOLLAR_STEP = Decimal("0.0001")
SAME_PRICE = Decimal("1.01")
SOMEWHERE: Fractions = (0.12345, 0.12345, 0.12345, 0.12345)
"""In the place of a mask file, whose region is not known before it is sent. Its text is as long as any."""
CHANGED = "Nothing was asked: it costs more than the price that was shown. This is the price now."


def read_wish(ask: Ask, store: ObjectStore) -> Wish:
    """What the form asks for. Raises MaskError, RefusedError for files that are too large."""
    quality, editor = ask.text("quality"), ask.text("editor")
    if quality and editor and editor not in _with_qualities():
        quality = ""  # the form fills it in, whatever the editor
    creativity, kind = ask.text("creativity") or "2", ask.text("kind") or "prompt"
    prompt, instructions = words_of(ask, kind)
    return Wish(
        image=ask.text("image"),
        kind=kind,
        prompt=prompt,
        instructions=instructions,
        mask=_mask(ask, store),
        reference=_reference(ask, store),
        editor=editor or None,
        quality=quality or None,
        creativity=int(creativity) if creativity.isdecimal() and len(creativity) < 4 else 0,
        strict_size=bool(ask.text("strict_size")),
        delivery=_delivery(ask),
    )


def words_of(ask: Ask, kind: str) -> tuple[str | None, str | None]:
    """Prompt and instructions: one of them, as the kind wants it, from the field of the other where its own is empty.
    A text of another tab says nothing about this edit."""
    prompt, instructions = ask.text("prompt") or None, ask.text("instructions") or None
    return (prompt or instructions, None) if kind == "prompt" else (None, instructions or prompt)


def _with_qualities() -> set[str]:
    return {one.id for one in load_registry().in_role("editor") if one.images and one.images.qualities}


def _delivery(ask: Ask) -> Delivery:
    given = ask.text("delivery") or "direct"
    if given not in ("direct", "batch"):
        raise RefusedError(f"There is no delivery {given[:20]!r}; use direct or batch.", "unexpected_error")
    return cast("Delivery", given)


def read_cap(ask: Ask) -> Decimal | None:
    """The most dollars that the form names. Raises SettingsError."""
    text = ask.text("max_usd")
    return parse_dollars(text, "The cap", "Leave it empty to ask without one") if text else None


def sent_file(ask: Ask, *names: str) -> tuple[str, bytes] | None:
    """The file that was sent under one of the names, with a harmless name. Raises RefusedError when it is too large."""
    file: UploadFile | None = next((one for name in names if (one := ask.file(name)) is not None), None)
    if file is None:
        return None
    name = harmless_name(file.filename or "")
    if (file.size or 0) > MOST_BYTES:
        sentence = f"{name} has {file.size or 0:,} bytes; at most {MOST_BYTES:,} are taken."
        raise RefusedError(f"{sentence} Make it smaller, or save it as JPEG.", "too_large", 413)
    return name, file.file.read()


def _reference(ask: Ask, store: ObjectStore) -> tuple[str, bytes] | str | None:
    if (sent := sent_file(ask, "reference", "reference_image")) is not None:
        return sent
    kept = ask.text("reference_kept")
    if KEPT_REFERENCE.fullmatch(kept):
        return harmless_name(ask.text("reference_name")), store.get(kept)
    return ask.text("reference") or None


def _mask(ask: Ask, store: ObjectStore) -> Fractions | bytes | None:
    if (sent := sent_file(ask, "mask_file", "mask")) is not None:
        return sent[1]
    kept = ask.text("mask_kept")
    if KEPT_MASK.fullmatch(kept):
        return store.get(kept)
    if text := ask.text("mask"):
        return parse_fractions(text)
    percents = [ask.text(name) for name in PERCENTS]
    # The numbers stand in the tab of prompts; without a script they are sent from the other tabs too.
    if not any(percents) or ask.text("kind") not in ("", "prompt"):
        return None
    return from_percents(percents)


def from_percents(percents: list[str]) -> Fractions:
    """The region of four texts in percent: left, top, width, height. Raises MaskError."""
    try:
        parts = [f"{Decimal(one.replace(',', '.')) / 100:f}" for one in percents]
    except (InvalidOperation, ValueError):
        raise MaskError(
            f"The region {', '.join(one or 'nothing' for one in percents)} is not four numbers. Write left, top, width "
            "and height in percent, such as 25, 25, 50, 50 for the middle; or leave all four empty."
        ) from None
    return parse_fractions(",".join(parts))


def plan(ask: Ask, wish: Wish, store: ObjectStore) -> Planned:
    """The edit that the wish describes. Raises GrabientError with the sentence for whoever asks."""
    from grabient_assets.resources.modes import usable_providers

    with ask.warehouse.read() as connection:
        return plan_edit(connection, store, wish, usable_providers(ask.settings), ask.now)


def record(ask: Ask, planned: Planned, store: ObjectStore, max_usd: Decimal | None) -> EditRequest:
    """Ask the edit; a sensor sends it. Raises GrabientError; then nothing is asked."""
    from grabient_assets.resources.modes import answers_from

    settings = ask.settings
    return ask_edit(ask.warehouse, store, planned, max_usd, settings.budget_usd, answers_from(settings))


def refusal(error: GrabientError | RefusedError) -> RefusedError:
    """Why nothing was asked, with error_kind and status. A locked database is no refusal: it is raised again."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, WarehouseLockedError):
        raise error
    if isinstance(error, EditRefusedError):
        sentence = _OPTION.sub(".", str(error))
        return RefusedError(sentence, error.kind, 413 if error.kind == "too_large" else 422)
    if isinstance(error, RemovedImageError):
        return RefusedError(str(error), "parent_removed")
    if isinstance(error, ImageError):
        return RefusedError(str(error), "bad_mask" if isinstance(error, MaskError) else "invalid_image_data")
    return RefusedError(str(error), "unexpected_error")


def price_document(planned: Planned, max_usd: Decimal | None) -> dict[str, Any]:
    """What the edit costs, as the page shows it. `priced` goes back with the form: nothing is asked at more."""
    request, usd = planned.request, planned.usd
    return {
        "usd": {"low": usd.low, "expected": usd.expected, "high": usd.high},
        "priced": priced(planned),
        "kind": request.kind,
        "model": request.model,
        "size": request.size,
        "quality": request.quality,
        "delivery": request.delivery,
        "changes": list(planned.input.changes),
        "max_usd": max_usd,
        "over": max_usd is not None and usd.high > max_usd,
    }


def priced(planned: Planned) -> str:
    """The high end of the price, rounded up to what is shown."""
    return f"{planned.usd.high.quantize(DOLLAR_STEP, ROUND_UP):f}"


def costs_more(planned: Planned, shown: str) -> bool:
    """Whether it may cost more than the price that was shown; a text that is no price was never shown. The size of what
    was asked lately moves a price by fractions of a percent."""
    try:
        return not planned.usd.high <= Decimal(shown) * SAME_PRICE
    except InvalidOperation:
        return True


def price(ask: Ask) -> dict[str, Any]:
    """The price of what the fields in the address say. Files are not sent for it: `with_reference` and `with_mask` say
    that there will be one. Words and a reference that are still missing do not matter for the price."""
    from grabient_assets.resources.objects import open_store

    store = open_store(ask.settings)
    wish = read_wish(ask, store)
    if ask.text("with_mask"):
        wish = replace(wish, mask=SOMEWHERE)
    if wish.reference is None and (ask.text("with_reference") or wish.kind == "subject"):
        wish = replace(wish, reference=wish.image)
    if not (wish.prompt or wish.instructions):
        wish = replace(wish, prompt="-", instructions="-")
    return price_document(plan(ask, wish, store), read_cap(ask))


def confirm(
    ask: Ask, planned: Planned, action: str, fields: Mapping[str, str], notice: str = "", status: int = 200
) -> Answer:
    """The page that shows the price and asks to confirm it, for a browser without a script. A browser sends its files
    once, so they are stored here, under their content."""
    from grabient_assets.resources.objects import open_store

    kept = {}
    store, request = open_store(ask.settings), planned.request
    if planned.reference is not None and planned.reference_file is not None:
        put_images(store, {planned.reference: planned.reference_file})
        kept |= {"reference_kept": planned.reference.object_key, "reference_name": planned.reference.subject}
    if planned.mask is not None and request.mask_key is not None and ask.file("mask_file"):
        if not store.exists(request.mask_key):
            store.put(request.mask_key, planned.mask, "image/png")
        kept["mask_kept"] = request.mask_key
    document = {
        "action": action,
        "fields": {**fields, **kept},
        "plan": price_document(planned, read_cap(ask)),
        "words": request.prompt if request.kind == "prompt" else request.instructions,
        "parent": request.parent_image,
        "notice": notice,
    }
    return Answer("edit_price.html", document, status, "/images")


def form_document(ask: Ask, image_id: str) -> dict[str, Any]:
    """The form for an edit of that image, as it was filled in."""
    registry = load_registry()
    editors = registry.in_role("editor")
    gone = registry.refusals(editors, ask.now.date())
    editor = ask.text("editor") or registry.panel("editor")[0].id
    return {
        **{name: ask.text(name) for name in FIELDS},
        "image": image_id,
        "kind": ask.text("kind") if ask.text("kind") in KINDS else "prompt",
        "editor": editor,
        "editors": [
            {"model": one.id, "provider": one.provider, "batch": "batch" in one.deliveries}
            for one in editors
            if one not in gone
        ],
        "qualities": list(dict.fromkeys(name for one in editors if one.images for name in one.images.qualities)),
        "quality": ask.text("quality") or QUALITY,
        "strengths": [{"level": level, "word": word} for level, word in STRENGTHS.items()],
        "creativity": ask.text("creativity") or "2",
        "delivery": ask.text("delivery") or "direct",
        "most_characters": MOST_CHARACTERS,
        "most_bytes": MOST_BYTES,
    }
