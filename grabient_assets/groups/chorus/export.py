"""A group as a folder: its images, runs.json, and a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

from grabient_assets.groups.chorus.comparisons import group_sheet, images_of
from grabient_assets.groups.chorus.runs import group_document, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.ledger.prompts import wording
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse


def export_group(group: ChorusGroup, warehouse: Warehouse, store: ObjectStore, folder: Path) -> int:
    """Write the folder; returns the number of images. Files of these names are replaced, others stay."""
    with warehouse.read() as connection:
        runs = runs_of(connection, [group.group_id])
        known = images_by_id(connection, [run.image_id for run in runs if run.image_id])
        prompt = wording(connection, "statement", group.prompt_digest)
    contents = images_of(warehouse, store, runs)
    folder.mkdir(parents=True, exist_ok=True)
    document = {**group_document(group, runs), "prompt": prompt}
    written = 0
    for row, run in zip(document["runs"], runs, strict=True):
        content = contents.get(run.image_id or "")
        row["file"] = None
        if content is not None:
            row["file"] = f"{run.run_id}.{known[run.image_id or ''].object_key.rpartition('.')[2]}"
            (folder / row["file"]).write_bytes(content)
            written += 1
    (folder / "runs.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "sheet.png").write_bytes(group_sheet(group, runs, contents))
    return written
