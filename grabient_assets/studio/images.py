"""The pages of images: all roots with what was made of them, and the chain of one with the form for an edit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import GrabientError, UsageError
from grabient_assets.groups.edits.tables import Edit, edits_of
from grabient_assets.groups.images.images import MOST_BYTES, StoredImage, added_image, images_by_id, record_images
from grabient_assets.headless.edit_documents import GROUP_ID_LENGTH, edit_documents, named_root
from grabient_assets.studio import edits_form
from grabient_assets.studio.edits_watch import progress_by_edit
from grabient_assets.studio.pages import Answer, Ask, Done, Form, MissingError, Page, RefusedError, Routes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

A_PAGE, SHOWN_EDITS = 48, 4
ROOM = 100_000
"""For what a form holds beside its file."""


def images(ask: Ask) -> dict[str, Any]:
    """The images that nobody made from another one, the latest first, with what was made of them."""
    return _listed(ask)


def _listed(ask: Ask, warning: str = "") -> dict[str, Any]:
    page = ask.number("page", 1)
    with ask.warehouse.read() as connection:
        cursor = connection.execute(
            """
            SELECT i.image_id, i.object_key AS file, i.made_by, i.subject, i.width, i.height, i.created_at,
                   i.removed_at IS NOT NULL AS removed, coalesce(e.edits, 0) AS edits,
                   coalesce(e.under_way, 0) AS under_way, coalesce(e.cost_usd, 0) AS cost_usd,
                   coalesce(e.possible_usd, 0) AS possible_usd
            FROM images i LEFT JOIN (
                SELECT root_image, count(*) AS edits, sum(cost_usd) AS cost_usd, sum(possible_usd) AS possible_usd,
                       count(*) FILTER (status IN ('requested', 'sent')) AS under_way, max(requested_at) AS last_at
                FROM edits GROUP BY root_image) e ON e.root_image = i.image_id
            WHERE (i.made_by <> 'edit' AND i.removed_at IS NULL) OR e.root_image IS NOT NULL
            ORDER BY greatest(i.created_at, e.last_at) DESC, i.image_id LIMIT $1 OFFSET $2
            """,
            [A_PAGE + 1, (page - 1) * A_PAGE],
        )
        columns = [one[0] for one in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        made = connection.execute(
            """
            SELECT e.root_image, e.label, i.object_key FROM edits e JOIN images i USING (image_id)
            WHERE i.removed_at IS NULL AND list_contains($1::VARCHAR[], e.root_image) ORDER BY e.requested_at DESC
            """,
            [[row["image_id"] for row in rows]],
        ).fetchall()
        [(cost, possible)] = connection.execute(
            "SELECT coalesce(sum(cost_usd), 0), coalesce(sum(possible_usd), 0) FROM edits"
        ).fetchall()
    for row in rows:
        found = [{"label": label, "file": file} for root, label, file in made if root == row["image_id"]]
        row["latest"] = found[:SHOWN_EDITS]
    return {
        "images": rows[:A_PAGE],
        "page": page,
        "more": len(rows) > A_PAGE,
        "cost_usd": cost,
        "possible_usd": possible,
        "most_bytes": MOST_BYTES,
        "warning": warning,
    }


def add_image(ask: Ask) -> Done | Answer:
    """Store the image that was sent."""
    from grabient_assets.resources.objects import open_store

    try:
        sent = edits_form.sent_file(ask, "file", "image")
        if sent is None:
            raise RefusedError("No file was sent. Choose a PNG, JPEG or WebP.", "invalid_image_data")
        image = added_image(sent[1], sent[0], open_store(ask.settings), ask.now)
    except (GrabientError, RefusedError) as error:
        refused = edits_form.refusal(error)
        if ask.program:
            raise refused from error
        return Answer("images.html", _listed(ask, str(refused)), refused.status, "/images")
    with ask.warehouse.write() as connection:
        known = image.image_id in images_by_id(connection, [image.image_id])
        record_images(connection, [image])
    document = {"image_id": image.image_id, "width": image.width, "height": image.height, "existing": known}
    notice = "This image is here already." if known else "The image is stored."
    return Done(f"/images/{image.image_id}", notice, document, 200 if known else 201)


def image_page(ask: Ask) -> dict[str, Any]:
    """The chain that an image belongs to."""
    return chain_page(ask, ask.path["image"])


def chain_page(ask: Ask, name: str, warning: str = "") -> dict[str, Any]:
    """The chain of the root of an image as a tree, what it costs, and the form for an edit of the image.

    `name` is an image_id, a run_id, an edit_id or a unique beginning of one. Raises MissingError.
    """
    with ask.warehouse.read() as connection:
        try:
            root = named_root(connection, name)
        except UsageError as error:
            raise MissingError(str(error)) from error
        edits = edits_of(connection, root=root)
        documents = edit_documents(connection, edits)
        ids = {root, *(edit.image_id for edit in edits if edit.image_id)}
        known = images_by_id(connection, ids, removed=True)
        progress = progress_by_edit(connection, ask.studio, edits)
        group = _group(known.get(root))
        run_usd = _run_usd(connection, group)
    chosen = _chosen(name, root, edits)
    cards = {one["edit_id"]: _edit_card(one, known, progress) for one in documents}
    first = {"label": "v1", "image_id": root, "edit": None, "progress": None, "children": [], **_file(known.get(root))}
    for edit in edits:
        above = cards.get(edit.parent_edit or "") or first
        above["children"].append(cards[edit.edit_id])
    everything = [first, *cards.values()]
    for card in everything:
        card["chosen"] = card["image_id"] == chosen
    page = {
        "root_image": root,
        "image_id": chosen,
        "image": next((card for card in everything if card["chosen"]), first),
        "group": group,
        "subject": known[root].subject if root in known else None,
        "made_by": known[root].made_by if root in known else None,
        "tree": [first],
        "total_usd": sum((edit.cost_usd for edit in edits), Decimal(0)),
        "possible_usd": sum((edit.possible_usd for edit in edits), Decimal(0)),
        "run_usd": run_usd,
        "edits": len(edits),
        "under_way": list(progress),
        "compare": _compared(everything, chosen, edits),
        "sender": who_sends(ask) if any(one["status"] == "requested" for one in progress.values()) else None,
        "form": edits_form.form_document(ask, chosen),
        "warning": warning,
    }
    return {**page, "version": _version(documents, everything)}


def _chosen(name: str, root: str, edits: Sequence[Edit]) -> str:
    """The image that the name means within its chain. An edit without an image means the one it was made from."""
    if root.startswith(name):
        return root
    named = [edit for edit in edits if name in (edit.edit_id, edit.image_id)] or [
        edit for edit in edits if edit.edit_id.startswith(name) or (edit.image_id or "").startswith(name)
    ]
    return (named[0].image_id or named[0].parent_image) if named else root


def _file(image: StoredImage | None) -> dict[str, Any]:
    here = image is not None and image.removed_at is None
    return {
        "file": image.object_key if image and here else None,
        "removed": not here,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "bytes": image.bytes if image else None,
    }


def _edit_card(document: dict[str, Any], known: dict[str, StoredImage], progress: dict[str, Any]) -> dict[str, Any]:
    image_id = document["image_id"]
    file = _file(known.get(image_id or ""))
    if image_id is None:
        file["removed"] = False  # there was nothing yet
    return {
        "label": document["label"],
        "image_id": image_id,
        "edit": document,
        "progress": progress.get(document["edit_id"]),
        "children": [],
        **file,
    }


def _compared(cards: Sequence[dict[str, Any]], chosen: str, edits: Sequence[Edit]) -> dict[str, Any] | None:
    """An image beside the one it was made from: the chosen one, or the latest."""
    shown = {card["image_id"]: card for card in cards if card["image_id"] and not card["removed"]}
    pairs = [(shown[edit.parent_image], shown[edit.image_id]) for edit in edits
             if edit.image_id in shown and edit.parent_image in shown]  # fmt: skip
    found = next((pair for pair in pairs if pair[1]["image_id"] == chosen), pairs[-1] if pairs else None)
    if found is None:
        return None
    before, after = ({name: card[name] for name in ("label", "file", "width", "height")} for card in found)
    return {"before": before, "after": after}


def _group(root: StoredImage | None) -> str | None:
    """The chorus group that the root comes from."""
    return root.subject[:GROUP_ID_LENGTH] if root is not None and root.made_by == "artwork" else None


def _run_usd(connection: DuckDBPyConnection, group: str | None) -> Decimal | None:
    """What the edits of all images of a chorus group cost; None for an image that comes from elsewhere."""
    if group is None:
        return None
    row = connection.execute(
        "SELECT coalesce(sum(cost_usd), 0) FROM edits WHERE starts_with(run_id, $1)", [group]
    ).fetchone()
    return row[0] if row else Decimal(0)


def _version(documents: Sequence[dict[str, Any]], cards: Sequence[dict[str, Any]]) -> str:
    """Changes when the tree looks otherwise. Progress alone changes nothing: it is followed edit by edit."""
    shown = ("edit_id", "status", "image_id", "cost_usd", "possible_usd", "error")
    looks = [[one[name] for name in shown] for one in documents], [card["removed"] for card in cards]
    return hashlib.sha256(json.dumps(looks).encode()).hexdigest()[:16]


def who_sends(ask: Ask) -> dict[str, Any]:
    """Whether an edit is sent by itself, and the sentence about it. A page sends nothing."""
    from grabient_assets.resources.daemon import daemon_runs
    from grabient_assets.resources.modes import sensors_run_by_default

    runs = daemon_runs(ask.settings.dagster_home, ask.now)
    if not runs:
        sentence = "No daemon runs, so nothing is sent. It is sent while `grabient dev` is open."
    elif sensors_run_by_default(ask.settings):
        sentence = "Dagster's daemon runs: its sensor `edits_due` sends it within seconds."
    else:
        sentence = "Dagster's daemon runs. In live mode its sensors do their work only where a person turned them on."
    return {"daemon": runs, "sentence": sentence}


def new_edit(ask: Ask) -> Done | Answer:
    """Ask an edit. A browser that did not show the price yet is shown it first; a program asks at once."""
    from grabient_assets.resources.objects import open_store

    store, shown = open_store(ask.settings), ask.text("priced")
    try:
        if not ask.text("image"):
            raise RefusedError("Say which image is to be edited: the field image.", "unexpected_error")
        cap = edits_form.read_cap(ask)
        planned = edits_form.plan(ask, edits_form.read_wish(ask, store), store)
        more = bool(shown) and edits_form.costs_more(planned, shown)
        if more and ask.program:
            raise RefusedError(edits_form.CHANGED, "unexpected_error", 409)
        if more or not (shown or ask.program):
            fields = {name: ask.text(name) for name in edits_form.FIELDS}
            notice = edits_form.CHANGED if more else ""
            return edits_form.confirm(ask, planned, "/edits", fields, notice, 409 if more else 200)
        request = edits_form.record(ask, planned, store, cap)
    except (GrabientError, RefusedError) as error:
        return refused(ask, ask.text("image"), edits_form.refusal(error))
    return asked(ask, request.edit_id, request.parent_image, request.label, request.estimated_usd)


def asked(ask: Ask, edit_id: str, parent: str, label: str, usd: Decimal | None) -> Done:
    """What is answered when an edit was asked."""
    document = {"job_id": edit_id, "label": label, "parent_image": parent, "estimated_usd": usd, "status": "requested"}
    return Done(f"/images/{parent}#{edit_id}", f"{label} is asked. {who_sends(ask)['sentence']}", document, 201)


def refused(ask: Ask, image: str, why: RefusedError) -> Answer:
    """The page of the image with the form as it was filled in, and why nothing was asked. A program gets the error."""
    if ask.program or not image:
        raise why
    try:
        document = chain_page(ask, image, ask.settings.without_secrets(str(why)))
    except MissingError:
        raise why from None
    return Answer("image.html", document, why.status, "/images")


ROUTES: Routes = [
    Page("/images", "images.html", images, label="Images"),
    Form("/images", add_image, max_bytes=MOST_BYTES + ROOM, for_programs=True),
    Page("/images/{image}", "image.html", image_page, below="/images", live_seconds=3),
    Form("/edits", new_edit, max_bytes=edits_form.FORM_BYTES, for_programs=True),
]
