"""Chains of images: what edits made of an image, of what they made of it, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.thresholds import CHAIN_DRIFT, CHAIN_NOISE, Finding

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything that was made of one root. `usd` is what all its edits have cost, `depth` the longest way."""

    root_image: str
    images: int
    depth: int
    removed: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class ChainImage:
    """One row of `image_chains`. `cost_usd` are the dollars of all edits on the way from the root."""

    image_id: str
    root_image: str
    parent_image: str | None
    edit_id: str | None
    depth: int
    label: str
    path: list[str]
    cost_usd: Decimal
    removed: bool


@dataclass(frozen=True, slots=True)
class PlaceInChain:
    """Where an edit of an image stands. `run_id` is the run that the root comes from, `generation_index` its place
    among the runs of its group."""

    parent_image: str
    parent_edit: str | None
    root_image: str
    depth: int
    run_id: str | None
    generation_index: int


def chains(connection: DuckDBPyConnection) -> list[Chain]:
    """All chains, the one with most images first."""
    rows = connection.execute(
        """
        SELECT c.root_image, count(*) - 1 AS images, max(c.depth), count(*) FILTER (c.removed), any_value(u.usd)
        FROM image_chains c JOIN (SELECT root_image, sum(cost_usd)::DECIMAL(18, 10) AS usd FROM edits GROUP BY ALL) u
            USING (root_image)
        GROUP BY c.root_image ORDER BY images DESC, c.root_image
        """
    ).fetchall()
    return [Chain(*row) for row in rows]


def edited_images(connection: DuckDBPyConnection) -> int:
    """How many edits have made an image."""
    row = connection.execute("SELECT count(*) FROM edits WHERE status = 'done'").fetchone()
    assert row is not None
    return row[0]


def chain_images(connection: DuckDBPyConnection, image_id: str) -> list[ChainImage]:
    """The images of the chain that this one belongs to, the root first, then by the time they were asked for."""
    columns = ", ".join(f"c.{name}" for name in ChainImage.__dataclass_fields__)
    rows = connection.execute(
        f"""
        SELECT {columns} FROM image_chains c LEFT JOIN edit_requests q USING (edit_id)
        WHERE c.root_image IN (SELECT root_image FROM image_chains WHERE image_id = $1)
        ORDER BY q.requested_at NULLS FIRST, c.edit_id
        """,
        [image_id],
    ).fetchall()
    return [ChainImage(*row) for row in rows]


def made_from(connection: DuckDBPyConnection, image_id: str) -> list[ChainImage]:
    """The images that were made from this one, by way of any number of edits, and are not removed."""
    return [
        one
        for one in chain_images(connection, image_id)
        if image_id in one.path and one.image_id != image_id and not one.removed
    ]


def place_in_chain(connection: DuckDBPyConnection, image_id: str) -> PlaceInChain:
    """The place of a further edit, one of this image."""
    row = connection.execute(
        "SELECT q.edit_id, q.root_image, q.depth + 1, q.run_id, q.generation_index FROM edited_images i "
        "JOIN edit_requests q USING (edit_id) WHERE i.image_id = $1 ORDER BY q.requested_at LIMIT 1",
        [image_id],
    ).fetchone()
    if row is not None:
        return PlaceInChain(image_id, *row)
    run = connection.execute(
        """
        WITH made AS (SELECT subject AS run_id FROM images WHERE image_id = $1 AND made_by = 'artwork'),
        places AS (
            SELECT run_id, row_number() OVER (ORDER BY created_at DESC, group_id, iteration, run_id) - 1 AS place
            FROM chorus_runs WHERE group_id IN (SELECT group_id FROM chorus_runs SEMI JOIN made USING (run_id))
        )
        SELECT run_id, coalesce(place, 0) FROM made LEFT JOIN places USING (run_id)
        """,
        [image_id],
    ).fetchone()
    run_id, index = run or (None, 0)
    return PlaceInChain(image_id, None, image_id, 1, run_id, index)


def worn_sentence(noise: float | None, drift: float | None, edit: str = "EDIT", root: str = "ROOT") -> str | None:
    """Why a chain that has come so far should not go on; None while it may. A single edit may change as much as it was
    asked to, so this is meant for images at the end of two edits or more."""
    worn = [
        *([f"noise {noise:.2f} times that of the root"] if noise is not None and noise > CHAIN_NOISE.limit else []),
        *([f"drift {drift:.2f}"] if drift is not None and drift > CHAIN_DRIFT.limit else []),
    ]
    if not worn:
        return None
    return (
        f"The chain wears out ({', '.join(worn)}). Do its edits in one on the root instead: "
        f"`grabient edits replay {edit} --onto {root}`."
    )


def worn_chains(connection: DuckDBPyConnection) -> Finding:
    """The images at the end of two edits or more that are too noisy or too far from their root."""
    rows = connection.execute(
        """
        SELECT e.edit_id, e.label, m.noise, m.drift FROM edit_measures m JOIN edits e USING (edit_id)
        JOIN images i ON i.image_id = e.image_id
        WHERE i.removed_at IS NULL AND e.depth > 1 AND (m.noise > $1 OR m.drift > $2)
        ORDER BY m.drift DESC, 1
        """,
        [CHAIN_NOISE.limit, CHAIN_DRIFT.limit],
    ).fetchall()
    named = [f"{edit_id} ({label}): {worn_sentence(noise, drift)}" for edit_id, label, noise, drift in rows[:20]]
    return Finding(len(rows), 0, named, {"most noise": CHAIN_NOISE.limit, "most drift": CHAIN_DRIFT.limit})
