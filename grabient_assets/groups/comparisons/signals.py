"""The table artwork_signals: numbers from the pixels and the texts of each work, without any model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError, StoreError
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """One row of `artwork_signals`."""

    run_id: str
    metric: str
    value: float
    method: str


_UNMEASURED = """
    SELECT c.* FROM chorus_runs c WHERE c.status = 'done'
      AND NOT EXISTS (SELECT 1 FROM artwork_signals s WHERE s.run_id = c.run_id)
"""


def groups_to_compare(connection: DuckDBPyConnection) -> dict[str, str]:
    """The groups that have come to rest with works that are not measured, or with votes that no rating counts; with a
    text that changes when there is more to do."""
    rows = connection.execute(
        f"""
        WITH resting AS (
            SELECT group_id, any_value(prompt_version) AS prompt_version, any_value(brush) AS brush FROM chorus_runs
            GROUP BY group_id HAVING bool_and(status IN ('done', 'failed', 'cancelled')) AND bool_or(status = 'done')
        ),
        unmeasured AS (SELECT group_id, count(*) AS works FROM ({_UNMEASURED}) GROUP BY ALL),
        rated AS (SELECT prompt_version, brush, max(rated_at) AS rated_at FROM artist_ratings GROUP BY ALL)
        SELECT r.group_id, coalesce(any_value(u.works), 0) || ' works ' || count(v.vote_id) || ' votes'
        FROM resting r LEFT JOIN unmeasured u USING (group_id) LEFT JOIN rated t USING (prompt_version, brush)
        LEFT JOIN comparison_votes v ON v.group_id = r.group_id AND (t.rated_at IS NULL OR v.voted_at > t.rated_at)
        GROUP BY r.group_id HAVING coalesce(any_value(u.works), 0) > 0 OR count(v.vote_id) > 0 ORDER BY 1
        """
    ).fetchall()
    return dict(rows)


def keep_signals(warehouse: Warehouse, store: ObjectStore, group_ids: Sequence[str]) -> list[str]:
    """Measure the works of these groups that are not measured; returns a sentence for each that cannot be read."""
    from grabient_assets.groups.comparisons.signal_metrics import SIGNALS, palette_distance, pixel_signals, text_signals

    with warehouse.read() as connection:
        rows = connection.execute(
            f"""
            SELECT u.run_id, u.image_id, u.statement, u.image_prompt, g.muse -> 'hex' FROM ({_UNMEASURED}) u
            JOIN chorus_groups g USING (group_id) WHERE u.group_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY 1
            """,
            [list(group_ids)],
        ).fetchall()
        images = images_by_id(connection, [row[1] for row in rows])
    found: list[SignalRecord] = []
    unreadable: list[str] = []
    for run_id, image_id, statement, prompt, muse in rows:
        try:
            content = store.get(images[image_id].object_key)
            values = {**pixel_signals(content), **text_signals(statement or "", prompt or "")}
            if muse is not None:
                values["palette_distance"] = palette_distance(content, _colours(muse))
        except (KeyError, ImageError, StoreError) as error:
            unreadable.append(f"The work of {run_id} cannot be measured: {error}")
            continue
        found += [SignalRecord(run_id, name, value, SIGNALS[name].method) for name, value in values.items()]
    if found:
        with warehouse.write() as connection:
            insert_rows(connection, "artwork_signals", found, replacing(SignalRecord, ("run_id", "metric")))
    return unreadable


def _colours(hexes: str) -> list[tuple[int, int, int]]:
    return [(one[0], one[1], one[2]) for one in (bytes.fromhex(text.lstrip("#")) for text in json.loads(hexes))]
