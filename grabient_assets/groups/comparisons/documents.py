"""A group as JSON, as a contact sheet, and as a folder with both and its images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.chorus.runs import ChorusRun, counts_of, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.groups.images.images import contents_of, images_by_id
from grabient_assets.ledger.prompts import wording
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.comparisons.contact_sheet import Cell


_REASONS = {
    "refused": "for calls that were refused; the provider does not say what they cost",
    "unanswered": "for calls whose answer never came",
    "unpriced": "for answers whose price is not known",
}
"""Why nobody knows what a call cost."""


def possible_costs(connection: DuckDBPyConnection, group_id: str, only: ChorusRun | None = None) -> dict[str, float]:
    """What may have been billed besides, in dollars at most, of a group or of `only` one of its runs: by `refused`,
    `unanswered` and `unpriced`, those that are not 0."""
    rows = connection.execute(
        """
        SELECT CASE r.fate WHEN 'refused' THEN 'refused' WHEN 'missing' THEN 'unanswered' ELSE 'unpriced' END,
               sum(b.reserved_usd / b.request_count)
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.purpose IN ('statement', 'artwork') AND r.cost_basis = 'unknown' AND left(r.subject, 29) = $group
          AND ($run IS NULL OR r.subject = $run OR (r.subject = $group AND b.provider = $provider AND b.model = $artist
               AND r.analysis_index = $iteration))
        GROUP BY ALL HAVING sum(b.reserved_usd) > 0 ORDER BY 1
        """,
        {
            "group": group_id,
            "run": only.run_id if only else None,
            "provider": only.provider if only else None,
            "artist": only.artist if only else None,
            "iteration": only.iteration if only else None,
        },
    ).fetchall()
    return {reason: float(usd) for reason, usd in rows}


def possible_sentence(possible: Mapping[str, float]) -> str:
    """The costs that are possible besides, as the end of a sentence about those that are known; empty without any."""
    return "".join(f", and up to {usd:.4f} USD {_REASONS[reason]}" for reason, usd in possible.items())


def group_document(
    group: ChorusGroup, runs: Sequence[ChorusRun], possible: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The document of `grabient chorus show --json`, with the `possible_costs`."""
    return {
        "group": group.group_id,
        "prompt_version": group.prompt_version,
        "prompt_digest": group.prompt_digest,
        "brush": group.brush,
        "size": group.size,
        "quality": group.quality,
        "seed": group.seed,
        "delivery": group.delivery,
        "estimated_usd": None if group.estimated_usd is None else float(group.estimated_usd),
        "made_at": group.made_at.isoformat(),
        "counts": counts_of(runs),
        "cost_usd": float(sum(run.cost_usd for run in runs)),
        "possible_usd": float(sum(run.possible_usd for run in runs)),
        "possible": dict(possible or {}),
        "runs": [run_document(run) for run in runs],
    }


def run_document(run: ChorusRun) -> dict[str, Any]:
    """A run as JSON, by the names of the columns."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: plain(getattr(run, name)) for name in ChorusRun.__dataclass_fields__}


def export_group(group: ChorusGroup, warehouse: Warehouse, store: ObjectStore, folder: Path) -> int:
    """Write the folder; returns the number of images. Files of these names are replaced, others stay."""
    with warehouse.read() as connection:
        runs = runs_of(connection, [group.group_id])
        known = images_by_id(connection, [run.image_id for run in runs if run.image_id])
        prompt = wording(connection, "statement", group.prompt_digest)
        possible = possible_costs(connection, group.group_id)
    contents = contents_of(store, known)
    folder.mkdir(parents=True, exist_ok=True)
    document = {**group_document(group, runs, possible), "prompt": prompt}
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


def group_sheet(
    group: ChorusGroup, runs: Sequence[ChorusRun], images: dict[str, bytes], cell_width: int = 320
) -> bytes:
    """The PNG of all works of a group: a row for each iteration, a column for each artist. `images` are bytes by
    image_id; a run without one is a hole with its reason."""
    from grabient_assets.groups.comparisons.contact_sheet import Cell, contact_sheet

    by_place = {(run.artist, run.iteration): run for run in runs}
    rows: list[list[Cell | None]] = []
    for iteration in range(group.iterations):
        row: list[Cell | None] = []
        for artist in group.artists:
            run = by_place.get((artist.model, iteration))
            content = images.get(run.image_id or "") if run else None
            row.append(None if run is None else Cell(run.caption, content, run.error or run.status))
        rows.append(row)
    heads = [artist.model for artist in group.artists]
    return contact_sheet(rows, heads, title=f"{group.group_id}, {group.prompt_version}", cell_width=cell_width)
