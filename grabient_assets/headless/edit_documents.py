"""Edits as JSON and as files: one edit, a chain, the index `refinements.json` of the source document, and the folder
with originals, refinements and index. Command line and studio show the same documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import StoreError, UsageError
from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import groups
from grabient_assets.groups.edits.asking import Planned
from grabient_assets.groups.edits.tables import (
    Edit,
    EditInput,
    EditMeasures,
    edits_of,
    named_edit,
    rows_by_edit,
)
from grabient_assets.groups.images.chains import worn_sentence
from grabient_assets.groups.images.images import StoredImage, images_by_id
from grabient_assets.ledger.prompts import wording
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GROUP_ID_LENGTH = 29
"""A run_id begins with its group_id."""


def planned_document(planned: Planned) -> dict[str, Any]:
    """The edit as it would be asked, and what it may cost in dollars. It has no id and no label yet."""
    one, usd = planned.request, planned.usd
    return {
        "edit_id": None,
        "kind": one.kind,
        "root_image": one.root_image,
        "parent_image": one.parent_image,
        "parent_edit": one.parent_edit,
        "depth": one.depth,
        "provider": one.provider,
        "model": one.model,
        "prompt_version": one.prompt_version,
        "prompt_digest": one.prompt_digest,
        "size": one.size,
        "quality": one.quality,
        "size_policy": one.size_policy,
        "delivery": one.delivery,
        "creativity": one.creativity,
        "replay_of": one.replay_of,
        "usd": {"low": float(usd.low), "expected": float(usd.expected), "high": float(usd.high)},
        "input": _input(planned.input),
        "changes": list(planned.input.changes),
    }


def edit_document(
    edit: Edit,
    given: EditInput | None = None,
    measures: EditMeasures | None = None,
    changes: Sequence[str] = (),
    *,
    removed: bool = False,
) -> dict[str, Any]:
    """An edit by the names of its columns, with `input` and `measures`, the measures as sentences, and `changes`: all
    that was done to the pictures beyond the edit. `changes` given here are those of the answer; `removed`: its image
    was."""
    return {
        **{name: _plain(getattr(edit, name)) for name in Edit.__dataclass_fields__},
        "input": _input(given),
        "measures": None if measures is None else {k: v for k, v in asdict(measures).items() if k != "edit_id"},
        "measured": [] if measures is None else measured_in_words(measures),
        "changes": [*(given.changes if given else ()), *changes],
        "warning": worn(edit, measures),
        "removed": removed,
    }


def edit_documents(connection: DuckDBPyConnection, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """The documents of these edits, in their order."""
    ids = [edit.edit_id for edit in edits]
    given, measures = rows_by_edit(connection, EditInput, ids), rows_by_edit(connection, EditMeasures, ids)
    rows = connection.execute(
        "SELECT edit_id, changes FROM edited_images WHERE list_contains($1::VARCHAR[], edit_id)", [ids]
    ).fetchall()
    changes: dict[str, Sequence[str]] = {edit_id: listed or () for edit_id, listed in rows}
    kept = images_by_id(connection, {edit.image_id for edit in edits if edit.image_id})
    return [
        edit_document(
            one,
            given.get(one.edit_id),
            measures.get(one.edit_id),
            changes.get(one.edit_id, ()),
            removed=one.image_id is not None and one.image_id not in kept,
        )
        for one in edits
    ]


def chain_document(connection: DuckDBPyConnection, root: str) -> dict[str, Any]:
    """All that was made from a root image: the edits in the order in which they were asked for, and their sums."""
    edits, image = edits_of(connection, root=root), images_by_id(connection, [root], removed=True).get(root)
    return {**_root(root, image), "label": "v1", "edits": edit_documents(connection, edits), **_sums(edits)}


def _root(root: str, image: StoredImage | None) -> dict[str, Any]:
    return {
        "root_image": root,
        "made_by": image.made_by if image else None,
        "subject": image.subject if image else None,
        "removed": _removed(image),
    }


def _sums(edits: Sequence[Edit]) -> dict[str, float]:
    return {
        "cost_usd": float(sum((edit.cost_usd for edit in edits), Decimal(0))),
        "possible_usd": float(sum((edit.possible_usd for edit in edits), Decimal(0))),
    }


def roots_document(connection: DuckDBPyConnection) -> list[dict[str, Any]]:
    """The root images that were edited, the one that was edited last first: how its edits stand, and their dollars."""
    by_root: dict[str, list[Edit]] = {}
    for edit in reversed(edits_of(connection)):
        by_root.setdefault(edit.root_image, []).append(edit)
    known = images_by_id(connection, by_root, removed=True)
    return [
        {
            **_root(root, known.get(root)),
            "edits": len(edits),
            "counts": dict(Counter(edit.status for edit in edits)),
            **_sums(edits),
        }
        for root, edits in by_root.items()
    ]


def named_root(connection: DuckDBPyConnection, name: str) -> str:
    """The root image of the chain that an image, a run or an edit belongs to; a unique beginning of its id is enough.
    An image that was removed can be named too, and the edit that was asked for last as `latest`. Raises UsageError."""
    if name == "latest":
        return named_edit(connection, name).root_image
    rows = connection.execute(
        """
        SELECT root, bool_or(name = $1) FROM (
            SELECT coalesce(q.root_image, i.image_id) AS root, unnest([i.image_id, i.subject]) AS name
            FROM images i LEFT JOIN edited_images e USING (image_id) LEFT JOIN edit_requests q USING (edit_id)
            UNION ALL SELECT root_image, edit_id FROM edit_requests
        ) WHERE starts_with(name, $1) AND $1 <> '' GROUP BY root ORDER BY 2 DESC, root LIMIT 2
        """,
        [name],
    ).fetchall()
    if not rows:
        raise UsageError(f"There is no image and no edit {name!r}. `grabient images list` and `grabient edits list`.")
    if len(rows) > 1 and rows[0][1] == rows[1][1]:
        raise UsageError(f"{name!r} is the beginning of several images; write more of it.")
    return str(rows[0][0])


def measured_in_words(measures: EditMeasures) -> list[str]:
    """What the measures mean, a sentence each; what was not measured is left out."""
    said: list[str] = []
    if (leak := measures.leak_raw) is not None:
        said.append(
            f"leak_raw {leak:.4f}: the editor changed {_percent(leak)} of the pixels outside the mask. None of that is "
            "kept beyond the feather band."
            if leak
            else "leak_raw 0: the editor changed nothing outside the mask."
        )
    if (left := measures.leak_final) is not None:
        said.append(
            f"leak_final {left:.4f}: {_percent(left)} of the pixels beyond mask and feather band differ from the "
            "parent. It has to be 0: this is an error of the stitching."
            if left
            else "leak_final 0: beyond mask and feather band every pixel is that of the parent."
        )
    if (inside := measures.inside_change) is not None:
        where = "inside the mask" if measures.leak_final is not None else "over the whole image"
        said.append(
            f"inside_change {inside:.2f}: {where} a channel differs by {inside:.1f} of 255 levels on average."
            if inside
            else f"inside_change 0: the editor changed nothing {where}."
        )
    if (seam := measures.seam) is not None:
        border = "as smooth as" if abs(seam) < 1 else "rougher than" if seam > 0 else "smoother than"
        said.append(f"seam {seam:+.2f}: the border of the mask is {border} in the parent.")
    if (noise := measures.noise) is not None:
        said.append(f"noise {noise:.2f}: the flat parts are {noise:.2f} times as noisy as those of the root image.")
    if (drift := measures.drift) is not None:
        said.append(f"drift {drift:.3f}: the distance from the root image in structure and colour; 0 is equal.")
    return said


def worn(edit: Edit, measures: EditMeasures | None) -> str | None:
    """The warning for an edit at which its chain wears out; None while it does not."""
    if measures is None or edit.depth < 2:
        return None
    return worn_sentence(measures.noise, measures.drift, edit.edit_id, edit.root_image[:12])


def worn_parent(connection: DuckDBPyConnection, planned: Planned) -> str | None:
    """The warning for an edit of an image at which its chain wears out already."""
    parent = planned.request.parent_edit
    if parent is None:
        return None
    return worn(edits_of(connection, [parent])[0], rows_by_edit(connection, EditMeasures, [parent]).get(parent))


def refinements_document(
    connection: DuckDBPyConnection, roots: Sequence[str], files: Collection[str] | None = None
) -> dict[str, Any]:
    """The index of all edits of these root images, which belong to one run or group, as the source document wants it
    (section 6.3), with further columns of `edits` beside its keys.

    A path is given only where there is a file: for the images in `files`, or if that is None for all that were not
    removed. Dollars are sums of the view `edits`.
    """
    edits = sorted(
        (edit for root in roots for edit in edits_of(connection, root=root)),
        key=lambda edit: (edit.requested_at, edit.edit_id),
    )
    known = images_by_id(connection, {*roots, *(edit.image_id for edit in edits if edit.image_id)}, removed=True)
    paths, sums = _paths(connection, roots, edits, known, files), _sums(edits)
    return {
        "refinements": [_refinement(edit, known, paths) for edit in edits],
        "total_cost": sums["cost_usd"],
        "total_possible_cost": sums["possible_usd"],
        "total_refinements": len(edits),
        "originals": [
            {
                "image_id": root,
                "generation_index": generation_index(connection, known.get(root)),
                "image_path": paths.get(root),
                "removed": _removed(known.get(root)),
            }
            for root in roots
        ],
    }


def generation_index(connection: DuckDBPyConnection, image: StoredImage | None) -> int:
    """Which image of its chorus group this is, from 0, in the order of `runs_of`; 0 for any other image."""
    if image is None or image.made_by != "artwork":
        return 0
    ids = [run.run_id for run in runs_of(connection, [image.subject[:GROUP_ID_LENGTH]])]
    return ids.index(image.subject) if image.subject in ids else 0


def export_chain(root: str, warehouse: Warehouse, store: ObjectStore, folder: Path) -> int:
    """Write the folder of the source document: originals/, refinements/, refinements.json, pipeline_metadata.json.
    Returns the number of images. Files of these names are replaced, others stay."""
    with warehouse.read() as connection:
        edits = edits_of(connection, root=root)
        known = images_by_id(connection, {root, *(edit.image_id for edit in edits if edit.image_id)})
        paths = _paths(connection, [root], edits, known, None)
        metadata = _metadata(connection, root)
    written: set[str] = set()
    for name in ("originals", "refinements"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for image_id, path in paths.items():
        try:
            content = store.get(known[image_id].object_key)
        except StoreError:  # it is gone from the store: listed without a file
            continue
        (folder / path).write_bytes(content)
        written.add(image_id)
    with warehouse.read() as connection:
        index = refinements_document(connection, [root], written)
    for name, document in (("refinements.json", index), ("pipeline_metadata.json", metadata)):
        (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(written)


def _paths(
    connection: DuckDBPyConnection,
    roots: Sequence[str],
    edits: Sequence[Edit],
    known: Mapping[str, StoredImage],
    files: Collection[str] | None,
) -> dict[str, str]:
    """The path of each image that has a file, by image_id."""
    named = {root: f"originals/image_{generation_index(connection, known.get(root))}" for root in roots}
    for edit in edits:
        if edit.image_id is not None:
            named[edit.image_id] = f"refinements/{edit.edit_id}_from_{edit.parent_edit or edit.generation_index}"
    return {
        image_id: f"{name}.{known[image_id].object_key.rpartition('.')[2]}"
        for image_id, name in named.items()
        if (image_id in files if files is not None else not _removed(known.get(image_id)))
    }


def _refinement(edit: Edit, known: Mapping[str, StoredImage], paths: Mapping[str, str]) -> dict[str, Any]:
    return {
        "job_id": edit.edit_id,
        "run_id": edit.run_id,
        "parent_image_id": edit.parent_edit or f"original_{edit.generation_index}",
        "parent_image_type": edit.parent_type,
        "generation_index": edit.generation_index,
        "parent_image_path": paths.get(edit.parent_image),
        "image_path": paths.get(edit.image_id or ""),
        "type": edit.kind,
        "status": edit.status,
        "summary": edit.summary,
        "prompt": edit.prompt,
        "instructions": edit.instructions,
        "label": edit.label,
        "depth": edit.depth,
        "model": edit.model,
        "quality": edit.quality,
        "image_id": edit.image_id,
        "removed": edit.image_id is not None and _removed(known.get(edit.image_id)),
        "cost": float(edit.cost_usd),
        "possible_cost": float(edit.possible_usd),
        "created_at": _plain(edit.requested_at),
        "completed_at": _plain(edit.done_at),
        "error": edit.error,
        "error_kind": edit.error_kind,
    }


def _removed(image: StoredImage | None) -> bool:
    return image is None or image.removed_at is not None


def _metadata(connection: DuckDBPyConnection, root: str) -> dict[str, Any]:
    """Where a root image comes from. Of a chorus: the prompt, the artist's statement, and the palette of the group."""
    image = images_by_id(connection, [root], removed=True)[root]
    found: dict[str, Any] = {
        "image_id": image.image_id,
        "made_by": image.made_by,
        "subject": image.subject,
        "width": image.width,
        "height": image.height,
        "created_at": _plain(image.created_at),
    }
    if image.made_by != "artwork":
        return found
    group_id = image.subject[:GROUP_ID_LENGTH]
    group = groups(connection, [group_id]).get(group_id)
    run: ChorusRun | None = next((one for one in runs_of(connection, [group_id]) if one.run_id == image.subject), None)
    if run is not None:
        columns = ("run_id", "group_id", "artist", "provider", "brush", "iteration", "statement", "image_prompt")
        found |= {name: getattr(run, name) for name in columns}
    if group is not None:
        found |= {
            "prompt_version": group.prompt_version,
            "prompt_digest": group.prompt_digest,
            "prompt": wording(connection, "statement", group.prompt_digest),
            "seed": group.seed,
            "palette": group.muse,
            "size": group.size,
            "quality": group.quality,
        }
    return found


def _input(given: EditInput | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {name: _plain(value) for name, value in asdict(given).items() if name not in ("edit_id", "changes")}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "less than 0.1 %"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value
